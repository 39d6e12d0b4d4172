/** A text of WGSL that can be changed: a field over the same text with its parts marked, beside the numbers of its lines. */

import { markup } from "../../report/html.ts";
import { wgslLine } from "../draw/wgsl.ts";
import { element, fill } from "./elements.ts";

export class Editor {
  readonly element: HTMLElement;
  readonly #area: HTMLTextAreaElement;
  readonly #numbers = element("pre", { class: "line-numbers", "aria-hidden": "true" });
  readonly #drawn = element("pre", { class: "wgsl", "aria-hidden": "true" });
  #faults: ReadonlySet<number> = new Set();

  /** @param onInput told of each change that the reader makes */
  constructor(label: string, onInput: () => void) {
    this.#area = element("textarea", {
      ...{
        "aria-label": label,
        wrap: "off",
        spellcheck: "false",
        autocapitalize: "off",
        autocomplete: "off",
      },
      oninput: () => {
        this.#faults = new Set(); // lines have moved
        this.#draw();
        onInput();
      },
      onkeydown: (event) => {
        if (event instanceof KeyboardEvent && event.key === "Enter" && !event.isComposing) {
          this.#newLine(event);
        }
      },
    });
    this.element = element(
      "div",
      { class: "editor" },
      this.#numbers,
      element("div", { class: "code" }, this.#drawn, this.#area),
    );
  }

  get text(): string {
    return this.#area.value;
  }

  /** Shows another text. */
  show(text: string, readOnly: boolean): void {
    this.#area.value = text;
    this.#area.readOnly = readOnly;
    this.mark([]);
  }

  /** Puts another text in the place of the reader's, as if it was typed: it can be undone. */
  replace(text: string): void {
    this.#area.focus({ preventScroll: true });
    this.#area.select();
    this.#type(text);
  }

  /** @param lines numbers, from 1, of those that something is wrong with */
  mark(lines: readonly number[]): void {
    this.#faults = new Set(lines);
    this.#draw();
  }

  /** The cursor goes to a place, each from 1. */
  goTo(line: number, column: number): void {
    const before = this.text.split("\n").slice(0, line - 1).reduce((sum, { length }) => sum + length + 1, 0);
    this.#area.focus({ preventScroll: true });
    this.#area.setSelectionRange(before + column - 1, before + column - 1);
    this.#drawn.querySelectorAll("code > *")[line - 1]?.scrollIntoView({ block: "center" });
  }

  /** The next line begins below the beginning of this one. */
  #newLine(event: KeyboardEvent): void {
    const { selectionStart, readOnly } = this.#area;
    if (readOnly) return;
    event.preventDefault();
    const line = this.text.slice(this.text.lastIndexOf("\n", selectionStart - 1) + 1, selectionStart);
    this.#type(`\n${/^ */.exec(line)?.[0] ?? ""}`);
  }

  /** By the browser's own command, as nothing else can be undone. */
  #type(text: string): void {
    if (document.execCommand("insertText", false, text)) return;
    this.#area.setRangeText(text, this.#area.selectionStart, this.#area.selectionEnd, "end");
    this.#area.dispatchEvent(new Event("input"));
  }

  #draw(): void {
    const lines = this.text.split("\n");
    this.#area.rows = lines.length;
    this.#area.cols = Math.max(...lines.map(({ length }) => length)) + 1;
    const numbered = lines.map((_, k) =>
      this.#faults.has(k + 1) ? markup`<b>${k + 1}</b>\n` : markup`${k + 1}\n`
    );
    fill(this.#numbers, markup`${numbered}`);
    const drawn = lines.map((line, k) =>
      this.#faults.has(k + 1)
        ? markup`<mark>${wgslLine(line)}</mark>\n`
        : markup`<span>${wgslLine(line)}</span>\n`
    );
    fill(this.#drawn, markup`<code>${drawn}</code>`);
  }
}
