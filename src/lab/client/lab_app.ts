/** The frame of the page (header, tabs, device state, one screen at a time) and the state that all screens share. */

import { type CallWorker, Connection } from "./connection.ts";
import { dom, element, Notice } from "./elements.ts";
import type { AdapterFacts, WorkerEvent } from "./lab_worker.ts";

export interface Screen {
  /** Fragment of the page's address after #. What follows = or / belongs to the screen: see {@link Lab.part}. */
  readonly id: string;
  readonly title: string;
  /**
   * Fills the screen's section, which already has a heading, when it is first shown. The section is hidden while another screen
   * is shown. Draw in SVG: the style sheet sets colours for light and dark mode and for print.
   */
  readonly mount: (root: HTMLElement, lab: Lab) => void;
}

type DeviceState =
  /** It is not opened yet, or is being opened. */
  | { readonly kind: "opening" }
  | { readonly kind: "open"; readonly adapter: AdapterFacts }
  /** It was lost; the next call opens it again. */
  | { readonly kind: "lost"; readonly reason: string }
  | { readonly kind: "none"; readonly message: string };

/** Seconds in a hidden tab after which the page warns that browsers slow hidden tabs down. */
const HIDDEN_SECONDS = 20;

export class Lab {
  device: DeviceState = { kind: "opening" };
  /** Part of the address that belongs to the shown screen, "softmax" in #exercise=softmax; "" if there is none. */
  part = "";
  /** Measurements on this adapter for the screen Save, by name, such as "training". */
  readonly measurements = new Map<string, unknown>();
  /** Calls a service of the worker: `lab.call("train", "start", ..., { onProgress, signal })`. */
  readonly call: CallWorker;
  readonly #parts = new Map<string, HTMLElement>();
  readonly #tabs = new Map<string, HTMLAnchorElement>();
  readonly #main = element("main");
  readonly #notice = new Notice();
  readonly #deviceListeners: ((state: DeviceState) => void)[] = [];
  readonly #measurementListeners: (() => void)[] = [];
  readonly #showListeners: { readonly id: string; readonly listener: () => void }[] = [];

  constructor(private readonly screens: readonly Screen[], root: HTMLElement) {
    const connection = new Connection((event) => this.#onWorkerEvent(event));
    this.call = (...call) => connection.call(...call).catch((error: unknown) => this.#rethrow(error));
    const tabs = screens.map(({ id, title }) => {
      const tab = element("a", { href: `#${id}` }, title);
      this.#tabs.set(id, tab);
      return element("li", {}, tab);
    });
    const header = dom`<header><h1>clickgan lab</h1>${deviceLine(this)}
<nav aria-label="Screens"><ul>${tabs}</ul></nav></header>`;
    root.replaceChildren(header, this.#notice.element, this.#main);
    addEventListener("hashchange", () => this.#showScreen());
    this.#watchHiding();
    this.#showScreen();
    void this.open();
  }

  /** Opens the device; shows a notice if there is none. */
  async open(): Promise<void> {
    try {
      await this.call("adapter", "open", undefined);
      this.#notice.clear();
    } catch (error) {
      this.#setDevice({ kind: "none", message: getErrorMessage(error) });
      this.#notice.fail(error);
    }
  }

  /** Calls back now and whenever the device changes. */
  onDevice(listener: (state: DeviceState) => void): void {
    this.#deviceListeners.push(listener);
    listener(this.device);
  }

  /** Calls back each time the screen with this id is shown, the first time right after mounting. */
  onShow(id: string, listener: () => void): void {
    this.#showListeners.push({ id, listener });
  }

  onMeasurement(listener: () => void): void {
    this.#measurementListeners.push(listener);
  }

  /** Stores a measurement; it replaces an earlier one of the same name. */
  store(name: string, value: unknown): void {
    this.measurements.delete(name); // so that it becomes the last one
    this.measurements.set(name, value);
    this.#measurementListeners.forEach((listener) => listener());
  }

  /** Throws a short error instead if the notice at the top of the page already shows this one. */
  #rethrow(error: unknown): never {
    if (this.device.kind !== "none" || getErrorMessage(error) !== this.device.message) throw error;
    throw new Error("This needs a GPU. The top of the page explains why there is none and what to do.");
  }

  #onWorkerEvent(event: WorkerEvent): void {
    if (event.name === "device") {
      if (this.device.kind === "none") this.#notice.clear(); // the problem is fixed
      this.#setDevice({ kind: "open", adapter: event.adapter });
    }
    if (event.name === "lost") this.#setDevice({ kind: "lost", reason: event.reason });
  }

  #setDevice(state: DeviceState): void {
    this.device = state;
    this.#deviceListeners.forEach((listener) => listener(state));
  }

  #showScreen(): void {
    const [, name, part = ""] = /^#(\w*)[=/]?([\w-]*)$/.exec(location.hash) ?? [];
    this.part = part;
    const screen = this.screens.find(({ id }) => id === name) ?? this.screens[0];
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

  /** Warns after the tab was hidden, because browsers slow hidden tabs down. */
  #watchHiding(): void {
    let hidden = 0;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) {
        hidden = performance.now();
        return;
      }
      const seconds = (performance.now() - hidden) / 1000;
      if (hidden === 0 || seconds < HIDDEN_SECONDS || this.device.kind !== "open") return;
      this.#notice.show(
        `This tab was hidden for ${
          Math.round(seconds)
        } s. Browsers slow hidden tabs down. Training results are correct, ` +
          "but times measured meanwhile may be too slow. Keep the tab visible while you measure.",
        "note",
      );
    });
  }
}

function getErrorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function deviceLine(lab: Lab): HTMLElement {
  const line = element("p", { class: "device", role: "status" });
  lab.onDevice((state) => {
    line.className = `device ${state.kind}`;
    switch (state.kind) {
      case "opening":
        return line.replaceChildren("Opening the GPU ...");
      case "open": {
        const { adapter } = state;
        const software = adapter.kind === "cpu" ? " (software, runs on the CPU)" : "";
        return line.replaceChildren(`Adapter: ${adapter.description}${software}.`);
      }
      case "lost": {
        const again = element("button", { type: "button" }, "Reopen it");
        again.addEventListener("click", () => void lab.open());
        const words = `The GPU was lost: ${state.reason} The contents of this page are kept. `;
        return line.replaceChildren(words, again);
      }
      case "none":
        return line.replaceChildren("No usable GPU was found: this page can show results, but not compute.");
    }
  });
  return line;
}
