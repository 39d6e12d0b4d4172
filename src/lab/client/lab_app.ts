/** Frame of the page: header, tabs, state of the device, and one screen. The screens share a {@link Lab}. */

import { type CallWorker, Connection, readPageData } from "./connection.ts";
import { dom, element, Notice } from "./elements.ts";
import type { AdapterFacts, WorkerEvent } from "./lab_worker.ts";

export interface Screen {
  /** Name of the screen in the address: "step" in #step/adam. {@link Lab.part} has the rest ("adam"). */
  readonly id: string;
  readonly title: string;
  /** Chapter of the course that explains the screen, such as "1-softmax". */
  readonly chapter?: string;
  /**
   * Fills the section of the screen when the screen is first shown. The section already has a heading, and is
   * hidden while another screen is shown. SVG charts must suit light mode, dark mode and print.
   */
  readonly mount: (root: HTMLElement, lab: Lab) => void;
}

type DeviceState =
  | { readonly kind: "opening" }
  | { readonly kind: "open"; readonly adapter: AdapterFacts }
  /** The device was lost. The next call that needs a device opens another one. */
  | { readonly kind: "lost"; readonly reason: string }
  | { readonly kind: "none"; readonly message: string };

/** The page shows a warning if its tab was hidden for more than this number of seconds. */
const HIDDEN_SECONDS = 20;

export class Lab {
  device: DeviceState = { kind: "opening" };
  /** Text after the screen's name in the address: "adam" in #step/adam, "" in #step. */
  part = "";
  /** Measurements on this adapter by name, such as "training", which the screen Save writes to a file. */
  readonly measurements = new Map<string, unknown>();
  /** Calls a method of a service in the worker: `lab.call("train", "start", ..., { onProgress, signal })`. */
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

  /** Opens the device, or shows a message if the browser has no device. */
  async open(): Promise<void> {
    try {
      await this.call("adapter", "open", undefined);
    } catch (error) {
      this.#setDevice({ kind: "none", message: getErrorMessage(error) });
      this.#notice.fail(error);
    }
  }

  /** Calls the listener now, and each time the state of the device changes. */
  onDevice(listener: (state: DeviceState) => void): void {
    this.#deviceListeners.push(listener);
    listener(this.device);
  }

  /** Calls the listener each time the screen `id` is shown, including the first time. */
  onShow(id: string, listener: () => void): void {
    this.#showListeners.push({ id, listener });
  }

  onMeasurement(listener: () => void): void {
    this.#measurementListeners.push(listener);
  }

  /** Stores a measurement in place of an earlier measurement with the same name. */
  store(name: string, value: unknown): void {
    this.measurements.delete(name); // so that `set` adds the name at the end
    this.measurements.set(name, value);
    this.#measurementListeners.forEach((listener) => listener());
  }

  #rethrow(error: unknown): never {
    if (this.device.kind !== "none" || getErrorMessage(error) !== this.device.message) throw error;
    throw new Error(
      "This function needs a GPU. The top of the page says why there is no GPU, and what to do.",
    );
  }

  #onWorkerEvent(event: WorkerEvent): void {
    if (event.name === "device") {
      if (this.device.kind === "none") this.#notice.clear(); // a device was found
      this.#setDevice({ kind: "open", adapter: event.adapter });
    }
    if (event.name === "lost") this.#setDevice({ kind: "lost", reason: event.reason });
  }

  #setDevice(state: DeviceState): void {
    this.device = state;
    this.#deviceListeners.forEach((listener) => listener(state));
  }

  #showScreen(): void {
    const { hash } = location;
    const [, name = hash, part = ""] = /^#(\w*)[=/]?([\w-]*)$/.exec(hash) ?? [];
    const known = this.screens.find(({ id }) => id === name);
    this.part = known ? part : "";
    if (!known && name !== "") {
      const names = this.screens.map(({ id }) => `#${id}`).join(", ");
      this.refuse(`an address with the name of a screen (${names})`, hash);
    } else if (this.device.kind !== "none") this.#notice.clear();
    const screen = known ?? this.screens[0];
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

  /** Shows an error about the address at the top of the page. */
  refuse(expected: string, got: string): void {
    this.#notice.show(`Expected ${expected}, got ${got}.`, "error");
  }

  #mount({ id, title, chapter, mount }: Screen): void {
    const heading = element("h2", { id: `${id}-title` }, title);
    const part = element("section", { id: `screen-${id}`, "aria-labelledby": heading.id }, heading);
    if (chapter !== undefined) {
      const name = readPageData().texts.chapters[`${chapter}.md`]?.title;
      part.append(dom`<p class="about">Explained in <a href="#course/${chapter}">${name}</a></p>`);
    }
    this.#parts.set(id, part);
    this.#main.append(part);
    mount(part, this);
  }

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
        } s. Browsers slow hidden tabs down. Training results are ` +
          "correct, but measured times may be too long. Keep the tab visible while you measure.",
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
        const words = `The GPU was lost: ${state.reason} The page keeps its contents. `;
        return line.replaceChildren(words, again);
      }
      case "none":
        return line.replaceChildren("No usable GPU was found: this page can show results, but not compute.");
    }
  });
  return line;
}
