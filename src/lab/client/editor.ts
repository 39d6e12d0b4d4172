import { createEditor } from "prism-code-editor";
import { defaultCommands, setIgnoreTab } from "prism-code-editor/commands";
import { insertText, setSelection } from "prism-code-editor/utils";
import { WGSL } from "../draw/kernel_panel.ts";
import { dom, element, type Notice } from "./elements.ts";

/** Matches a message of the compiler with line and column. */
const MESSAGE = /^\w+\.wgsl:(\d+):(\d+) (.*)$/gm;

setIgnoreTab(true); // Tab moves to the next element, for keyboard users; after Ctrl+M it indents

/** WGSL editor with line numbers, syntax highlighting and marks on lines with errors. */
export class Editor {
  readonly element = element("div", { class: "wgsl" });
  readonly #editor = createEditor(this.element, { language: WGSL, tabSize: 2 }, defaultCommands());

  constructor(label: string, onInput: () => void) {
    const { textarea } = this.#editor;
    textarea.setAttribute("aria-label", label);
    textarea.addEventListener("input", () => {
      this.mark([]); // line numbers may have changed
      onInput();
    });
  }

  get text(): string {
    return this.#editor.value;
  }

  show(value: string, readOnly: boolean): void {
    this.#editor.setOptions({ value, readOnly });
    this.#editor.textarea.readOnly = readOnly;
    this.mark([]);
  }

  /** Replaces the text like typing, so that the user can undo the replacement. */
  replace(text: string): void {
    this.#editor.textarea.focus({ preventScroll: true });
    insertText(this.#editor, text, 0, this.text.length);
  }

  /** Marks lines with errors. @param faulty - numbers of the lines (from 1) */
  mark(faulty: readonly number[]): void {
    const { lines } = this.#editor; // indices of `lines` begin at 1
    for (const [k, line] of [...lines].entries()) line.classList.toggle("fault", faulty.includes(k));
  }

  /** Marks lines with compiler errors, and lists the errors in `results`. Shows other errors as a notice. */
  showErrors(error: unknown, notice: Notice, results: HTMLElement): void {
    const found = [...(error instanceof Error ? error.message : "").matchAll(MESSAGE)].map(
      ([, line, column, words = ""]) => ({ line: Number(line), column: Number(column), words }),
    );
    this.mark(found.map(({ line }) => line));
    const items = found.map(({ line, column, words }) => {
      const onclick = () => this.goTo(line, column);
      return dom`<li>${element("button", { type: "button", onclick }, `Line ${line}`)} ${words}</li>`;
    });
    if (found.length === 0) return notice.fail(error);
    notice.show("Your kernel does not compile.", "error");
    results.replaceChildren(dom`<ul class="faults">${items}</ul>`);
  }

  /** Moves the cursor to a line and a column (both from 1). */
  goTo(line: number, column: number): void {
    const before = this.text.split("\n").slice(0, line - 1).reduce((sum, { length }) => sum + length + 1, 0);
    this.#editor.textarea.focus({ preventScroll: true });
    setSelection(this.#editor, before + column - 1);
    this.#editor.lines[line]?.scrollIntoView({ block: "center" });
  }
}
