/** The frame of the page: its header, the tabs, the state of the device, and one screen at a time; what all screens share. */

import { type CallWorker, Connection } from "./connection.ts";
import { dom, element, Notice } from "./elements.ts";
import type { AdapterFacts, WorkerEvent } from "./lab_worker.ts";

/** One idea of the lab, under a tab of its own. */
export interface Screen {
  /** In the page's address, behind #; what follows behind = or / is the screen's, see {@link Lab.part}. */
  readonly id: string;
  /** On its tab. */
  readonly title: string;
  /**
   * Fills a screen's part of the page, once, when it is first shown. The part stays where it is, hidden while another screen is
   * shown. A heading with the title stands in it already. Colours are the style sheet's, by day, by night and on paper: draw in SVG.
   */
  readonly mount: (root: HTMLElement, lab: Lab) => void;
}

/** What the device is right now. */
type DeviceState =
  /** Nothing has asked for it yet, or it is being opened. */
  | { readonly kind: "opening" }
  | { readonly kind: "open"; readonly adapter: AdapterFacts }
  /** It is gone; the next call opens it anew. */
  | { readonly kind: "lost"; readonly reason: string }
  /** There is none. */
  | { readonly kind: "none"; readonly message: string };

/** Seconds in a hidden tab from which on the reader is told what browsers do then. */
const HIDDEN_SECONDS = 20;

export class Lab {
  device: DeviceState = { kind: "opening" };
  /** What the address names of the screen that is shown, as in #exercise=softmax; "" for nothing. */
  part = "";
  /** What was measured on this adapter, for the screen Save: by what it is, "training". */
  readonly kept = new Map<string, unknown>();
  /** Calls a service of the worker: `lab.call("train", "start", ..., { onProgress, signal })`. */
  readonly call: CallWorker;
  readonly #parts = new Map<string, HTMLElement>();
  readonly #tabs = new Map<string, HTMLAnchorElement>();
  readonly #main = element("main");
  readonly #notice = new Notice();
  readonly #deviceListeners: ((state: DeviceState) => void)[] = [];
  readonly #keptListeners: (() => void)[] = [];
  readonly #showListeners: { readonly id: string; readonly listener: () => void }[] = [];

  constructor(private readonly screens: readonly Screen[], root: HTMLElement) {
    const line = new Connection((event) => this.#hear(event));
    this.call = (...call) => line.call(...call).catch((error: unknown) => this.#inShort(error));
    const tabs = screens.map(({ id, title }) => {
      const tab = element("a", { href: `#${id}` }, title);
      this.#tabs.set(id, tab);
      return element("li", {}, tab);
    });
    const header = dom`<header><h1>clickgan lab</h1>${deviceLine(this)}
<nav aria-label="Screens"><ul>${tabs}</ul></nav></header>`;
    root.replaceChildren(header, this.#notice.element, this.#main);
    addEventListener("hashchange", () => this.#turn());
    this.#watchHiding();
    this.#turn();
    void this.open();
  }

  /** Opens the device, and says so if there is none. */
  async open(): Promise<void> {
    try {
      await this.call("adapter", "open", undefined);
      this.#notice.clear();
    } catch (error) {
      this.#isNow({ kind: "none", message: getErrorMessage(error) });
      this.#notice.fail(error);
    }
  }

  /** Calls back now and whenever the device has changed. */
  onDevice(listener: (state: DeviceState) => void): void {
    this.#deviceListeners.push(listener);
    listener(this.device);
  }

  /** Calls back each time the screen of this id is shown, the first time right after it was mounted. */
  onShow(id: string, listener: () => void): void {
    this.#showListeners.push({ id, listener });
  }

  /** Calls back when something was kept. */
  onKept(listener: () => void): void {
    this.#keptListeners.push(listener);
  }

  /** Keeps something that was measured. The last one of a name counts. */
  keep(name: string, value: unknown): void {
    this.kept.delete(name); // it is the last one now
    this.kept.set(name, value);
    this.#keptListeners.forEach((listener) => listener());
  }

  /** What stands above every screen already is not said once more by the screen that asks in vain. */
  #inShort(error: unknown): never {
    if (this.device.kind !== "none" || getErrorMessage(error) !== this.device.message) throw error;
    throw new Error(
      "This needs a GPU. Why the page has none, and what to do, stands at its top.",
    );
  }

  #hear(event: WorkerEvent): void {
    if (event.name === "device") {
      if (this.device.kind === "none") this.#notice.clear(); // the reader has mended it
      this.#isNow({ kind: "open", adapter: event.adapter });
    }
    if (event.name === "lost") this.#isNow({ kind: "lost", reason: event.reason });
  }

  #isNow(state: DeviceState): void {
    this.device = state;
    this.#deviceListeners.forEach((listener) => listener(state));
  }

  /** Shows the screen that the address names, or the first. */
  #turn(): void {
    const [, wanted, part = ""] = /^#(\w*)[=/]?([\w-]*)$/.exec(location.hash) ?? [];
    this.part = part;
    const screen = this.screens.find(({ id }) => id === wanted) ?? this.screens[0];
    if (!screen) return;
    if (!this.#parts.has(screen.id)) this.#mount(screen);
    for (const [id, other] of this.#parts) other.hidden = id !== screen.id;
    for (const [id, tab] of this.#tabs) {
      if (id === screen.id) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    }
    document.title = `${screen.title} - clickgan lab`;
    for (const { id, listener } of this.#showListeners) if (id === screen.id) listener();
  }

  #mount({ id, title, mount }: Screen): void {
    const heading = element("h2", { id: `${id}-title` }, title);
    const part = element("section", { id: `screen-${id}`, "aria-labelledby": heading.id }, heading);
    this.#parts.set(id, part);
    this.#main.append(part);
    mount(part, this);
  }

  /** Browsers slow down what nobody looks at. */
  #watchHiding(): void {
    let hidden = 0;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) {
        hidden = performance.now();
        return;
      }
      const seconds = (performance.now() - hidden) / 1000;
      if (hidden === 0 || seconds < HIDDEN_SECONDS || this.device.kind !== "open") return;
      this.#notice.say(
        `This tab was hidden for ${
          Math.round(seconds)
        } s. Browsers slow hidden tabs down: what was trained is right, but ` +
          "what was timed in this while may be too slow. Keep the tab in view while you measure.",
        "note",
      );
    });
  }
}

function getErrorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Which adapter computes, or what to do where none does. */
function deviceLine(lab: Lab): HTMLElement {
  const line = element("p", { class: "device", role: "status" });
  lab.onDevice((state) => {
    line.className = `device ${state.kind}`;
    switch (state.kind) {
      case "opening":
        return line.replaceChildren("Opening the GPU ...");
      case "open": {
        const { adapter } = state;
        const software = adapter.kind === "cpu" ? " (software: it computes on the CPU)" : "";
        return line.replaceChildren(`Computing on ${adapter.description}${software}.`);
      }
      case "lost": {
        const again = element("button", { type: "button" }, "Open it anew");
        again.addEventListener("click", () => void lab.open());
        const words = `The GPU was lost: ${state.reason} What stands in this page is kept. `;
        return line.replaceChildren(words, again);
      }
      case "none":
        return line.replaceChildren("Without a GPU that it can use, this page can show, but not compute.");
    }
  });
  return line;
}
