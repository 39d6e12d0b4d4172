/** A text of WGSL that can be changed: lines have numbers, parts are marked, lines with a fault stand out. */

import { createEditor } from "prism-code-editor";
import { defaultCommands, setIgnoreTab } from "prism-code-editor/commands";
import { insertText, setSelection } from "prism-code-editor/utils";
import { WGSL } from "../draw/wgsl.ts";
import { element } from "./elements.ts";

setIgnoreTab(true); // a keyboard gets past the field; Ctrl+M has Tab indent

export class Editor {
  readonly element = element("div", { class: "wgsl" });
  readonly #editor = createEditor(this.element, { language: WGSL, tabSize: 2 }, defaultCommands());

  /** @param onInput told of each change that the reader makes */
  constructor(label: string, onInput: () => void) {
    const { textarea } = this.#editor;
    textarea.setAttribute("aria-label", label);
    textarea.addEventListener("input", () => {
      this.mark([]); // lines have moved
      onInput();
    });
  }

  get text(): string {
    return this.#editor.value;
  }

  /** Shows another text. */
  show(value: string, readOnly: boolean): void {
    this.#editor.setOptions({ value, readOnly });
    this.#editor.textarea.readOnly = readOnly;
    this.mark([]);
  }

  /** Puts another text in the place of the reader's, as if it was typed: it can be undone. */
  replace(text: string): void {
    this.#editor.textarea.focus({ preventScroll: true });
    insertText(this.#editor, text, 0, this.text.length);
  }

  /** @param faulty numbers of lines, from 1 */
  mark(faulty: readonly number[]): void {
    const { lines } = this.#editor; // from 1
    for (const [k, line] of [...lines].entries()) line.classList.toggle("fault", faulty.includes(k));
  }

  /** The cursor goes to a place, each from 1. */
  goTo(line: number, column: number): void {
    const before = this.text.split("\n").slice(0, line - 1).reduce((sum, { length }) => sum + length + 1, 0);
    this.#editor.textarea.focus({ preventScroll: true });
    setSelection(this.#editor, before + column - 1);
    this.#editor.lines[line]?.scrollIntoView({ block: "center" });
  }
}
