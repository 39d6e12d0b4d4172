/** Makes elements in few words. Text is always text, and what comes from data is escaped in markup already. */

import { Html, markup } from "../../report/html.ts";
import { withOptions } from "../draw/text.ts";

type Child = Node | Html | string | undefined | false;

/** Attributes by name; `on...` are listeners, `true` an attribute without a value, false and undefined none at all. */
export type Attributes = Readonly<
  Record<string, string | number | boolean | undefined | ((event: Event) => void)>
>;

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.replace(/^on/, ""), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== undefined && value !== false) made.setAttribute(name, String(value));
  }
  for (const child of children) {
    if (child instanceof Html) made.insertAdjacentHTML("beforeend", child.text);
    else if (child !== undefined && child !== false) made.append(child);
  }
  return made;
}

/**
 * An element by a template, in which others may stand: `` dom`<p class="buttons">${button}</p>` ``. Not within a table or a list
 * of options, where the browser takes nothing else.
 */
export function dom(
  pieces: TemplateStringsArray,
  ...values: readonly (Node | readonly Node[] | Html | string | undefined | false)[]
): HTMLElement {
  const nodes: Node[] = [];
  const getMarker = (node: Node) => new Html(`<i data-node="${nodes.push(node) - 1}"></i>`);
  const held = values.map((value) =>
    typeof value !== "object" || value instanceof Html ? value : [value].flat().map(getMarker)
  );
  const template = element("template");
  fill(template, markup(pieces, ...held));
  for (const place of template.content.querySelectorAll<HTMLElement>("[data-node]")) {
    place.replaceWith(nodes[Number(place.dataset.node)] ?? "");
  }
  return template.content.firstElementChild as HTMLElement;
}

/** A button that does one thing at a time: while it does it, it is out of use. */
export function button(text: string, act: () => unknown, attributes: Attributes = {}): HTMLButtonElement {
  const made = element("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", async () => {
    made.disabled = true;
    try {
      await act();
    } finally {
      made.disabled = false;
    }
  });
  return made;
}

/** A button that stops what is under way, while anything is. */
export class StopButton {
  readonly element = element("button", { type: "button", disabled: true }, "Stop");
  #running: AbortController | undefined;

  /** @param stopping told when it is pressed. */
  constructor(stopping: () => void = () => {}) {
    this.element.addEventListener("click", () => {
      this.element.disabled = true;
      this.#running?.abort();
      stopping();
    });
  }

  /** Whether something is under way, stopped or not. */
  get isNeeded(): boolean {
    return this.#running !== undefined;
  }

  /** Does something that can be stopped. */
  async during(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.#running = new AbortController();
    this.element.disabled = false;
    try {
      await work(this.#running.signal);
    } finally {
      this.#running = undefined;
      this.element.disabled = true;
    }
  }
}

/** A line for what has to be said; screen readers read it out. */
export class Notice {
  readonly element: HTMLElement = element("p", { class: "notice", role: "status", hidden: true });

  /** @param kind how it looks */
  say(text: string, kind: "plain" | "note" | "error" = "plain"): void {
    this.element.hidden = false;
    this.element.className = `notice ${kind}`;
    fill(this.element, withOptions(text));
  }

  /** Says why something has failed. */
  fail(error: unknown): void {
    const kind = error instanceof Error && "kind" in error ? error.kind : undefined;
    const text = error instanceof Error ? error.message : String(error);
    if (kind === "stopped") return this.say(text);
    const fault = kind === "fault";
    if (fault) console.error(error);
    this.say(fault ? `This is a fault in the program, not in how you used it: ${text}` : text, "error");
  }

  clear(): void {
    this.element.hidden = true;
    this.element.textContent = "";
  }
}

/** Saves bytes or text as a file of the reader's. */
export function saveFile(name: string, content: BlobPart, type: string): void {
  const link = element("a", { href: URL.createObjectURL(new Blob([content], { type })), download: name });
  link.click();
  // Not at once: the download has only begun.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Puts markup into the page: what comes from data is escaped in it already. */
export function fill(target: Element, content: Html): void {
  target.innerHTML = content.text;
}
