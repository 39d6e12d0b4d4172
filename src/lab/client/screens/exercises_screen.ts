/** Screen "Exercises": checks the user's kernel, and times the kernel and the ladder. Each exercise has its own address. */

import { createEditor } from "prism-code-editor";
import { defaultCommands, setIgnoreTab } from "prism-code-editor/commands";
import { insertText, setSelection } from "prism-code-editor/utils";
import { markup } from "../../../report/html.ts";
import { compareLadder, renderLadderTable } from "../../draw/ladder.ts";
import { renderMarkdown } from "../../draw/text.ts";
import { WGSL } from "../../draw/kernel_panel.ts";
import { button, dom, element, fill, Notice, StopButton } from "../elements.ts";
import type { Lab } from "../lab_app.ts";
import { readPageData } from "../connection.ts";
import type { ExerciseSummary, SolvedExercise } from "../services/kernel_services.ts";

/** Number of rounds. In a round, every step is timed once. */
const ROUNDS = 3;

/** Matches a compiler message with its line and column. */
const MESSAGE = /^\w+\.wgsl:(\d+):(\d+) (.*)$/gm;

export function showExercises(root: HTMLElement, lab: Lab): void {
  const notice = new Notice();
  root.append(
    dom`<p>Complete a kernel. Your answer is compared with float64 at odd sizes and in edge cases, and can be timed against its
ladder. Your text is saved in this browser. Each exercise has its own address.</p>`,
    notice.element,
  );
  void lab.call("exercises", "list", undefined).then((all) => {
    const view = new ExerciseView(lab, all);
    root.append(view.element);
    lab.onShow("exercise", () => view.open(lab.part));
    view.open(lab.part);
  }, (error: unknown) => notice.fail(error));
}

class ExerciseView {
  readonly element: HTMLElement;
  readonly #names = element("select", { id: "exercise-name" });
  readonly #size = element("input", { id: "exercise-size", type: "text", size: 12, autocomplete: "off" });
  readonly #shipped = element("input", { id: "exercise-shipped", type: "checkbox" });
  readonly #about = element("p", { class: "about" });
  readonly #derivation = element("div");
  readonly #editor = new Editor("The kernel", () => this.#save());
  readonly #notice = new Notice();
  readonly #results = element("div", { class: "answered", role: "status" });
  readonly #stop = new StopButton(() => this.#notice.show("Stopping after the current step ..."));
  #current: ExerciseSummary | undefined;

  constructor(private readonly lab: Lab, private readonly all: readonly ExerciseSummary[]) {
    this.#names.append(
      ...all.map((one) => element("option", { value: one.name }, `${one.name}: ${one.what}`)),
    );
    this.#names.addEventListener("change", () => location.hash = `exercise=${this.#names.value}`);
    this.#shipped.addEventListener("change", () => this.#show());
    const check = button("Check", () => this.#check(0));
    const time = button("Check and time", () => this.#check(ROUNDS));
    const reset = element("button", { type: "button", onclick: () => this.#reset() }, "Reset");
    this.element = dom`<div>
<div class="buttons"><label>Exercise${this.#names}</label></div>${this.#about}${this.#derivation}
<div class="buttons">${check}${time}${this.#stop.element}<label>Size${this.#size}</label>
<label>${this.#shipped}Show the shipped kernel</label>${reset}</div>
${this.#notice.element}${this.#results}${this.#editor.element}</div>`;
  }

  /** Opens an exercise. For "", the current exercise or else the first exercise is opened. */
  open(name: string): void {
    const known = this.all.find((one) => one.name === name);
    if (name !== "" && !known) this.#notice.show(`Expected the name of an exercise, got ${name}.`, "error");
    const next = known ?? this.#current ?? this.all[0];
    if (!next || next === this.#current) return;
    this.#current = next;
    this.#names.value = next.name;
    this.#size.value = next.size;
    this.#shipped.checked = false;
    if (known || name === "") this.#notice.clear();
    this.#about.textContent = `${next.title}. Chapter: kernels/course/${next.chapter}`;
    const chapter = readPageData().texts.chapters[next.chapter];
    fill(
      this.#derivation,
      markup`${
        chapter && markup`<details><summary>The derivation: ${chapter.title}</summary>
<div class="prose">${renderMarkdown(chapter.mathematics)}</div></details>`
      }`,
    );
    this.#show();
  }

  /** Shows the user's saved text or, if the user chose it, the shipped kernel. */
  #show(): void {
    const { name = "", starter = "", solution = "" } = this.#current ?? {};
    this.#results.replaceChildren();
    if (this.#shipped.checked) this.#editor.show(solution, true);
    else this.#editor.show(loadText(name) ?? starter, false);
  }

  #save(): void {
    const { name = "", starter } = this.#current ?? {};
    const { text } = this.#editor;
    if (saveText(name, text === starter ? undefined : text)) return;
    this.#notice.show("This browser does not save your text. Copy it before you leave the page.", "note");
  }

  #reset(): void {
    this.#shipped.checked = false;
    this.#show();
    this.#editor.replace(this.#current?.starter ?? "");
    this.#notice.show("The starter is back. Undo (Ctrl+Z) restores your text.");
  }

  async #check(rounds: number): Promise<void> {
    const exercise = this.#current;
    if (!exercise) return;
    this.#results.replaceChildren();
    this.#editor.mark([]);
    const [text, size] = [this.#editor.text, this.#size.value.trim()];
    const request = { exercise: exercise.name, text, size, rounds };
    const onProgress = (text: string) => this.#notice.show(text);
    await this.#stop.during(async (signal) => {
      try {
        const solved = await this.lab.call("exercises", "check", request, { onProgress, signal });
        this.#showResult(exercise, solved);
      } catch (error) {
        this.#notice.fail(error);
        if (error instanceof Error) this.#showCompilerErrors(error.message);
      }
    });
  }

  #showResult({ title }: ExerciseSummary, { cases, started, times }: SolvedExercise): void {
    this.#notice.show("Your kernel is correct.");
    const shipped = times && findShippedLadder(times);
    fill(
      this.#results,
      markup`<p>Correct at ${cases.join("; ")}.</p><p>${started}</p>${
        times && renderLadderTable(title, compareLadder(times, shipped), shipped)
      }`,
    );
  }

  /** Lists the compiler errors in a message. A button at each error moves the cursor to the line of the error. */
  #showCompilerErrors(message: string): void {
    const found = [...message.matchAll(MESSAGE)].map(([, line, column, words = ""]) => ({
      ...{ line: Number(line), column: Number(column), words },
    }));
    if (found.length === 0) return;
    this.#notice.show("Your kernel does not compile.", "error");
    this.#editor.mark(found.map(({ line }) => line));
    const items = found.map(({ line, column, words }) => {
      const onclick = () => this.#editor.goTo(line, column);
      return dom`<li>${element("button", { type: "button", onclick }, `Line ${line}`)} ${words}</li>`;
    });
    this.#results.replaceChildren(dom`<ul class="faults">${items}</ul>`);
  }
}

function findShippedLadder({ ladder, size }: { ladder: string; size: readonly number[] }) {
  return readPageData().ladders.find((one) => one.ladder === ladder && one.size.join() === size.join());
}

const getStorageKey = (exercise: string) => `clickgan exercise ${exercise}`;

/** Returns the text that the user saved for an exercise; undefined without a saved text. */
function loadText(exercise: string): string | undefined {
  try {
    return localStorage.getItem(getStorageKey(exercise)) ?? undefined;
  } catch {
    return undefined; // the browser may forbid storage
  }
}

/** Saves the user's text; for undefined, removes the saved text. Returns true on success. */
function saveText(exercise: string, text: string | undefined): boolean {
  try {
    if (text === undefined) localStorage.removeItem(getStorageKey(exercise));
    else localStorage.setItem(getStorageKey(exercise), text);
    return true;
  } catch {
    return false; // the browser's storage is full or forbidden
  }
}

setIgnoreTab(true); // for keyboard users Tab moves to the next element; Ctrl+M makes Tab indent

/** A WGSL editor with line numbers and syntax highlighting, which can mark lines with errors. */
class Editor {
  readonly element = element("div", { class: "wgsl" });
  readonly #editor = createEditor(this.element, { language: WGSL, tabSize: 2 }, defaultCommands());

  /** @param onInput function that is called after each change by the user */
  constructor(label: string, onInput: () => void) {
    const { textarea } = this.#editor;
    textarea.setAttribute("aria-label", label);
    textarea.addEventListener("input", () => {
      this.mark([]); // marks are removed, because line numbers may have changed
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

  /** Replaces the text as if the user had typed the new text, so that the user can undo the change. */
  replace(text: string): void {
    this.#editor.textarea.focus({ preventScroll: true });
    insertText(this.#editor, text, 0, this.text.length);
  }

  /** Marks lines with errors. @param faulty numbers of the lines, from 1 */
  mark(faulty: readonly number[]): void {
    const { lines } = this.#editor; // indices of `lines` begin at 1
    for (const [k, line] of [...lines].entries()) line.classList.toggle("fault", faulty.includes(k));
  }

  /** Moves the cursor to a line and column, both from 1. */
  goTo(line: number, column: number): void {
    const before = this.text.split("\n").slice(0, line - 1).reduce((sum, { length }) => sum + length + 1, 0);
    this.#editor.textarea.focus({ preventScroll: true });
    setSelection(this.#editor, before + column - 1);
    this.#editor.lines[line]?.scrollIntoView({ block: "center" });
  }
}
