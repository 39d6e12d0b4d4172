/** "Exercises": a kernel of the reader's, checked and raced beside its ladder on this adapter, at an address of its own. */

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

/** How often the steps are timed in turn. */
const ROUNDS = 3;

/** What a compiler says of a line. */
const MESSAGE = /^\w+\.wgsl:(\d+):(\d+) (.*)$/gm;

export function showExercises(root: HTMLElement, lab: Lab): void {
  const notice = new Notice();
  root.append(
    dom`<p>A kernel with a hole, which you fill. It is compared with float64 at odd sizes and hard cases, and then it may race
beside its ladder. What you write stays in this browser. The address of an exercise leads back to it.</p>`,
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
  readonly #derived = element("div");
  readonly #editor = new Editor("The kernel", () => this.#keep());
  readonly #notice = new Notice();
  readonly #results = element("div", { class: "answered", role: "status" });
  readonly #stop = new StopButton(() => this.#notice.say("Stopping when what is under way is done ..."));
  #current: ExerciseSummary | undefined;

  constructor(private readonly lab: Lab, private readonly all: readonly ExerciseSummary[]) {
    this.#names.append(
      ...all.map(({ name, what }) => element("option", { value: name }, `${name}: ${what}`)),
    );
    this.#names.addEventListener("change", () => location.hash = `exercise=${this.#names.value}`);
    this.#shipped.addEventListener("change", () => this.#show());
    const check = button("Check", () => this.#take(0));
    const race = button("Check and race", () => this.#take(ROUNDS));
    const reset = element("button", { type: "button", onclick: () => this.#reset() }, "Reset");
    this.element = dom`<div>
<div class="buttons"><label>Exercise${this.#names}</label></div>${this.#about}${this.#derived}
<div class="buttons">${check}${race}${this.#stop.element}<label>Size${this.#size}</label>
<label>${this.#shipped}Show the shipped kernel</label>${reset}</div>
${this.#notice.element}${this.#results}${this.#editor.element}</div>`;
  }

  /** @param name "" for the one that stands there, or the first. */
  open(name: string): void {
    const known = this.all.find((one) => one.name === name);
    if (name !== "" && !known) this.#notice.say(`There is no exercise ${name}.`, "error");
    const next = known ?? this.#current ?? this.all[0];
    if (!next || next === this.#current) return;
    this.#current = next;
    this.#names.value = next.name;
    this.#size.value = next.size;
    this.#shipped.checked = false;
    if (known || name === "") this.#notice.clear();
    this.#about.textContent = `${next.title}. Chapter: kernels/course/${next.chapter}`;
    const derived = readPageData().texts.chapters[next.chapter];
    fill(
      this.#derived,
      markup`${
        derived && markup`<details><summary>The derivation: ${derived.title}</summary>
<div class="prose">${renderMarkdown(derived.mathematics)}</div></details>`
      }`,
    );
    this.#show();
  }

  /** The reader's text, as it was left, or the shipped kernel. */
  #show(): void {
    const { name = "", starter = "", solution = "" } = this.#current ?? {};
    this.#results.replaceChildren();
    if (this.#shipped.checked) this.#editor.show(solution, true);
    else this.#editor.show(kept(name) ?? starter, false);
  }

  #keep(): void {
    const { name = "", starter } = this.#current ?? {};
    const { text } = this.#editor;
    if (keep(name, text === starter ? undefined : text)) return;
    this.#notice.say(
      "This browser keeps nothing for this page: copy what you write before you leave it.",
      "note",
    );
  }

  #reset(): void {
    this.#shipped.checked = false;
    this.#show();
    this.#editor.replace(this.#current?.starter ?? "");
    this.#notice.say("The text is as it was given. To undo is to have yours back.");
  }

  async #take(rounds: number): Promise<void> {
    const asked = this.#current;
    if (!asked) return;
    this.#results.replaceChildren();
    this.#editor.mark([]);
    const request = { exercise: asked.name, text: this.#editor.text, size: this.#size.value.trim(), rounds };
    const onProgress = (text: string) => this.#notice.say(text);
    await this.#stop.during(async (signal) => {
      try {
        this.#tell(asked, await this.lab.call("exercises", "take", request, { onProgress, signal }));
      } catch (error) {
        this.#notice.fail(error);
        if (error instanceof Error) this.#lead(error.message);
      }
    });
  }

  #tell({ title }: ExerciseSummary, { cases, started, figures }: SolvedExercise): void {
    this.#notice.say("It is right.");
    fill(
      this.#results,
      markup`<p>Right at ${cases.join("; ")}.</p><p>${started}</p>${
        figures &&
        renderLadderTable(title, compareLadder(figures, shippedLadder(figures)), shippedLadder(figures))
      }`,
    );
  }

  /** From the lines that a compiler names there. */
  #lead(message: string): void {
    const found = [...message.matchAll(MESSAGE)].map(([, line, column, words = ""]) => ({
      ...{ line: Number(line), column: Number(column), words },
    }));
    if (found.length === 0) return;
    this.#notice.say("It does not compile.", "error");
    this.#editor.mark(found.map(({ line }) => line));
    const items = found.map(({ line, column, words }) => {
      const onclick = () => this.#editor.goTo(line, column);
      return dom`<li>${element("button", { type: "button", onclick }, `Line ${line}`)} ${words}</li>`;
    });
    this.#results.replaceChildren(dom`<ul class="faults">${items}</ul>`);
  }
}

function shippedLadder({ ladder, size }: { ladder: string; size: readonly number[] }) {
  return readPageData().ladders.find((one) => one.ladder === ladder && one.size.join() === size.join());
}

const getStorageKey = (exercise: string) => `clickgan exercise ${exercise}`;

/** What the reader has written; undefined where nothing was, or nothing is kept. */
function kept(exercise: string): string | undefined {
  try {
    return localStorage.getItem(getStorageKey(exercise)) ?? undefined;
  } catch {
    return undefined; // a browser may forbid it
  }
}

/** @param text undefined: nothing that is worth it. @returns whether it is kept. */
function keep(exercise: string, text: string | undefined): boolean {
  try {
    if (text === undefined) localStorage.removeItem(getStorageKey(exercise));
    else localStorage.setItem(getStorageKey(exercise), text);
    return true;
  } catch {
    return false; // it is full, or forbidden
  }
}

setIgnoreTab(true); // a keyboard gets past the field; Ctrl+M has Tab indent

/** A text of WGSL that can be changed: lines have numbers, parts are marked, lines with a fault stand out. */
class Editor {
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
