/** Creates elements of the page. A child of type string becomes text, a child of type Html markup. */

import { Html, markOptions, markup } from "../../report/html.ts";
import { describeShare } from "../../number_text.ts";
import type { MeasurementProgress } from "./lab_worker.ts";

type Child = Node | Html | string | undefined | false;

/** Attributes by name. A function is an event listener (`on...`); `true` sets a flag such as `disabled`. */
export type Attributes = Readonly<
  Record<string, string | number | boolean | undefined | ((event: Event) => void)>
>;

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const created = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") created.addEventListener(name.replace(/^on/, ""), value);
    else if (value === true) created.setAttribute(name, "");
    else if (value !== undefined && value !== false) created.setAttribute(name, String(value));
  }
  for (const child of children) {
    if (child instanceof Html) created.insertAdjacentHTML("beforeend", child.text);
    else if (child !== undefined && child !== false) created.append(child);
  }
  return created;
}

/**
 * Creates an element from a template with elements in it: `` dom`<p class="buttons">${button}</p>` ``. Do not
 * put elements directly into a table or `select`: `dom` first inserts an `<i>`, which is not allowed there.
 */
export function dom(
  pieces: TemplateStringsArray,
  ...values: readonly (Node | readonly Node[] | Html | string | undefined | false)[]
): HTMLElement {
  const nodes: Node[] = [];
  const getMarker = (node: Node) => new Html(`<i data-node="${nodes.push(node) - 1}"></i>`);
  const contents = values.map((value) =>
    typeof value !== "object" || value instanceof Html ? value : [value].flat().map(getMarker)
  );
  const template = element("template");
  fill(template, markup(pieces, ...contents));
  for (const marker of template.content.querySelectorAll<HTMLElement>("[data-node]")) {
    marker.replaceWith(nodes[Number(marker.dataset.node)] ?? "");
  }
  return template.content.firstElementChild as HTMLElement;
}

/** Creates a button that calls `act`, and is disabled while `act` runs. */
export function button(text: string, act: () => unknown, attributes: Attributes = {}): HTMLButtonElement {
  const created = element("button", { type: "button", ...attributes }, text);
  created.addEventListener("click", async () => {
    created.disabled = true;
    try {
      await act();
    } finally {
      created.disabled = false;
    }
  });
  return created;
}

type Work = (signal: AbortSignal) => Promise<void>;

/** Button that stops the running operation. All start buttons are disabled until the operation ends. */
export class StopButton {
  readonly element = element("button", { type: "button", disabled: true }, "Stop");
  readonly #starts: HTMLButtonElement[] = [];
  #running: AbortController | undefined;

  constructor(onStop: () => void = () => {}) {
    this.element.addEventListener("click", () => {
      this.element.disabled = true;
      this.#running?.abort();
      onStop();
    });
  }

  /** True while the operation runs, even after the user has pressed Stop. */
  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  startButton(text: string, work: Work, attributes: Attributes = {}): HTMLButtonElement {
    const created = button(text, () => this.during(work), attributes);
    this.#starts.push(created);
    return created;
  }

  async during(work: Work): Promise<void> {
    this.#running = new AbortController();
    this.element.disabled = false;
    for (const start of this.#starts) start.disabled = true;
    try {
      await work(this.#running.signal);
    } finally {
      this.#running = undefined;
      this.element.disabled = true;
      for (const start of this.#starts) start.disabled = false;
    }
  }
}

/** Line that shows messages. Screen readers announce each message. */
export class Notice {
  readonly element: HTMLElement = element("p", { class: "notice", role: "status", hidden: true });
  readonly #bar = element("progress", { max: 1, "aria-label": "Finished share" });
  #began = 0;

  show(text: string, kind: "plain" | "note" | "error" = "plain"): void {
    this.element.hidden = false;
    this.element.className = `notice ${kind}`;
    fill(this.element, markOptions(text));
  }

  /** Shows a measurement's progress and estimates the remaining time. The first call must have `share` 0. */
  showProgress({ text, share }: MeasurementProgress): void {
    if (share === 0) this.#began = performance.now();
    const left = describeShare(share, (performance.now() - this.#began) / 1000);
    this.show(left === "" ? text : `${text} (${left})`);
    this.#bar.value = share;
    this.element.append(this.#bar);
  }

  fail(error: unknown): void {
    const kind = error instanceof Error && "kind" in error ? error.kind : undefined;
    const text = error instanceof Error ? error.message : String(error);
    if (kind === "stopped") return this.show(text);
    const fault = kind === "fault";
    if (fault) console.error(error);
    this.show(fault ? `Internal error, not caused by your input: ${text}` : text, "error");
  }

  clear(): void {
    this.element.hidden = true;
    this.element.textContent = "";
  }
}

/** Replaces the contents of an element by markup. */
export function fill(target: Element, content: Html): void {
  target.innerHTML = content.text;
}
