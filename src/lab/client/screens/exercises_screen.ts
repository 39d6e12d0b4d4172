/** Screen "Exercises": checks the user's kernel, and compares its time with other versions of the kernel. */

import { markup } from "../../../report/html.ts";
import { compareLadder, renderLadderTable } from "../../draw/ladder.ts";
import { Editor } from "../editor.ts";
import { dom, element, fill, Notice, StopButton } from "../elements.ts";
import type { Lab } from "../lab_app.ts";
import type { MeasurementProgress } from "../lab_worker.ts";
import { readPageData } from "../connection.ts";
import type { ExerciseSummary, SolvedExercise } from "../services/kernel_services.ts";

/** Number of rounds, each of which times the user's kernel and all other versions once. */
const ROUNDS = 3;

export function showExercises(root: HTMLElement, lab: Lab): void {
  const notice = new Notice();
  root.append(
    dom`<p>Complete a kernel. The lab compares your kernel with a float64 reference at odd sizes and in
edge cases. You can also time your kernel, a naive kernel and the shipped kernels. The browser saves your
kernel.</p>`,
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
  readonly #solution = element("input", { id: "exercise-solution", type: "checkbox" });
  readonly #about = element("p", { class: "about" });
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
    this.#solution.addEventListener("change", () => {
      this.#notice.clear();
      this.#show();
    });
    const check = this.#stop.startButton("Check", (signal) => this.#check(0, signal));
    const time = this.#stop.startButton("Check and time", (signal) => this.#check(ROUNDS, signal));
    const reset = element("button", { type: "button", onclick: () => this.#reset() }, "Reset");
    this.element = dom`<div>
<div class="buttons"><label>Exercise${this.#names}</label></div>${this.#about}
<div class="buttons">${check}${time}${this.#stop.element}<label>Size${this.#size}</label>
<label>${this.#solution}Show a solution</label>${reset}</div>
${this.#notice.element}${this.#results}${this.#editor.element}</div>`;
  }

  /** Opens an exercise. The name "" means the current exercise or, at the start, the first exercise. */
  open(name: string): void {
    const known = this.all.find((one) => one.name === name);
    const isUnknown = name !== "" && !known;
    if (isUnknown) this.lab.refuse(`the name of an exercise, such as ${this.all[0]?.name}`, name);
    const next = known ?? this.#current ?? this.all[0];
    if (!next || (next === this.#current && !isUnknown)) return;
    this.#current = next;
    this.#names.value = next.name;
    this.#size.value = next.size;
    this.#solution.checked = false;
    this.#notice.clear();
    const chapter = readPageData().texts.chapters[next.chapter];
    const address = `#course/${next.chapter.replace(/\.md$/, "")}`;
    fill(
      this.#about,
      markup`${next.title}. Chapter: <a href="${address}">${chapter?.title ?? next.chapter}</a>. Rules:
<a href="#course/the-exercises">the exercises</a>. Words: <a href="#course/glossary">glossary</a>.`,
    );
    this.#show();
  }

  /** Shows the solution if the user has chosen the solution, otherwise the user's saved text. */
  #show(): void {
    const { name = "", starter = "", solution = "" } = this.#current ?? {};
    this.#results.replaceChildren();
    if (this.#solution.checked) this.#editor.show(solution, true);
    else this.#editor.show(loadText(name) ?? starter, false);
  }

  #save(): void {
    const { name = "", starter } = this.#current ?? {};
    const { text } = this.#editor;
    if (saveText(name, text === starter ? undefined : text)) return;
    this.#notice.show("This browser does not save your text. Copy it before you leave the page.", "note");
  }

  #reset(): void {
    this.#solution.checked = false;
    this.#show();
    this.#editor.replace(this.#current?.starter ?? "");
    this.#notice.show("The editor has the initial text again. Undo (Ctrl+Z) restores your text.");
  }

  async #check(rounds: number, signal: AbortSignal): Promise<void> {
    const exercise = this.#current;
    if (!exercise) return;
    this.#results.replaceChildren();
    this.#editor.mark([]);
    const [text, size] = [this.#editor.text, this.#size.value.trim()];
    const isSolution = this.#solution.checked;
    const request = { exercise: exercise.name, text, size, rounds };
    const onProgress = (done: MeasurementProgress) => this.#notice.showProgress(done);
    try {
      const solved = await this.lab.call("exercises", "check", request, { onProgress, signal });
      this.#showResult(exercise, solved, text, isSolution);
    } catch (error) {
      this.#editor.showErrors(error, this.#notice, this.#results);
    }
  }

  #showResult(exercise: ExerciseSummary, solved: SolvedExercise, text: string, isSolution: boolean): void {
    const { cases, started, times } = solved;
    const { device } = this.lab;
    const onCpu = device.kind === "open" && device.adapter.kind === "cpu";
    // SwiftShader, the browsers' software adapter, also synchronises at the end of a loop with a barrier.
    const caveat = onCpu && text.includes("workgroupBarrier") &&
      markup`<p class="note">A software adapter in a browser may hide a barrier that is missing after a loop;
<code>deno task exercise</code> finds it.</p>`;
    const advice = ' Clear "Show a solution" to check your kernel.';
    this.#notice.show(isSolution ? `The solution is correct.${advice}` : "Your kernel is correct.");
    const shipped = times && findShippedLadder(times);
    const next = this.all[this.all.indexOf(exercise) + 1];
    const onward = next
      ? markup`Next exercise: <a href="#exercise=${next.name}">${next.name}: ${next.what}</a>`
      : markup`This was the last exercise.`;
    fill(
      this.#results,
      markup`<p>Correct at ${cases.join("; ")}.</p>${caveat}<p>${started}</p><p class="next">${onward}</p>${
        times && renderLadderTable(exercise.title, compareLadder(times, shipped), shipped)
      }`,
    );
  }
}

function findShippedLadder({ ladder, size }: { ladder: string; size: readonly number[] }) {
  return readPageData().ladders.find((one) => one.ladder === ladder && one.size.join() === size.join());
}

const getStorageKey = (exercise: string) => `clickgan exercise ${exercise}`;

function loadText(exercise: string): string | undefined {
  try {
    return localStorage.getItem(getStorageKey(exercise)) ?? undefined;
  } catch {
    return undefined; // the browser may forbid storage
  }
}

/** Saves the user's text; if `text` is undefined, removes the saved text. Returns true on success. */
function saveText(exercise: string, text: string | undefined): boolean {
  try {
    if (text === undefined) localStorage.removeItem(getStorageKey(exercise));
    else localStorage.setItem(getStorageKey(exercise), text);
    return true;
  } catch {
    return false; // the browser's storage is full or forbidden
  }
}
