/** A training in front of the reader: the form, how it goes, the curves, the snapshots. */

import { whole } from "../../../draw/number.ts";
import { element, Notice, saveFile } from "../../elements.ts";
import type { Lab } from "../../lab.ts";
import type { DataFacts } from "../../services/lab_data.ts";
import type { TrainEnd, TrainRequest } from "../../services/train.ts";
import type { TrainProgress } from "../../services/train_progress.ts";
import { Curves } from "./curves.ts";
import { LiveChart } from "./live_chart.ts";
import { Snapshots } from "./snapshots.ts";
import { Standing } from "./standing.ts";
import { testView } from "./test_view.ts";
import { TrainForm } from "./train_form.ts";

/** Milliseconds between two drawings of the charts. */
const DRAW_MS = 250;

export class TrainView {
  readonly element: HTMLElement;
  readonly #form: TrainForm;
  readonly #notice = new Notice();
  readonly #facts = element("p", { class: "facts-line" });
  readonly #standing = new Standing();
  readonly #charts: readonly LiveChart[];
  readonly #snapshots: Snapshots;
  readonly #tested = element("div");
  readonly #train = element("button", { type: "button", class: "main" }, "Train");
  readonly #stop = element("button", { type: "button", disabled: true }, "Stop");
  readonly #goOn = element("button", { type: "button", disabled: true }, "Go on");
  #curves = new Curves();
  #iterations = 0;
  #request: TrainRequest | undefined;
  #running: AbortController | undefined;
  #drawn = 0;
  #drawing = false;

  constructor(private readonly lab: Lab) {
    this.#form = new TrainForm(
      lab.call,
      element("div", { class: "buttons" }, this.#train, this.#stop, this.#goOn),
    );
    this.#charts = [
      new LiveChart("loss", "Loss"),
      new LiveChart("prec1", "prec@1: the clicked item is ranked first"),
    ];
    this.#snapshots = new Snapshots({
      fetch: (name) => lab.call("train", "snapshot", { name }),
      bring: (file) => this.#bring(file),
      csv: () => saveFile("training.csv", this.#curves.csv(), "text/csv"),
      test: () => this.#test(),
      onError: (error) => this.#notice.fail(error),
    });
    this.#train.addEventListener("click", () => void this.#begin());
    this.#goOn.addEventListener("click", () => void this.#resume());
    this.#stop.addEventListener("click", () => {
      this.#stop.disabled = true;
      this.#standing.say("Stopping: the steps that are under way are finished");
      this.#running?.abort();
    });
    this.element = element(
      "div",
      { class: "split" },
      this.#form.element,
      element(
        "div",
        { class: "results" },
        this.#notice.element,
        this.#facts,
        this.#standing.element,
        element("div", { class: "charts" }, ...this.#charts.map((chart) => chart.element)),
        this.#snapshots.element,
        this.#tested,
      ),
    );
    this.#takeDrops();
  }

  async #begin(): Promise<void> {
    const request = await this.#read();
    if (!request) return;
    this.#request = request;
    this.#curves = new Curves();
    this.#tested.replaceChildren();
    await this.#run(
      request.training.iterations,
      (options) => this.lab.call("train", "start", request, options),
    );
  }

  async #resume(): Promise<void> {
    const iterations = (await this.#read())?.training.iterations;
    if (iterations === undefined) return;
    const done = this.#curves.iteration;
    if (iterations <= done) {
      this.#notice.say(
        `Expected --iterations above ${done}, as so many are done, got ${iterations}. Raise it, then go on.`,
        "error",
      );
      return;
    }
    await this.#run(iterations, (options) => this.lab.call("train", "goOn", { iterations }, options));
  }

  async #read(): Promise<TrainRequest | undefined> {
    this.#notice.clear();
    try {
      const request = await this.#form.read();
      return request && { ...request, fromSnapshot: this.#snapshots.isUsed };
    } catch (error) {
      this.#notice.fail(error);
      return undefined;
    }
  }

  async #run(
    iterations: number,
    call: (options: { onProgress(progress: TrainProgress): void; signal: AbortSignal }) => Promise<TrainEnd>,
  ): Promise<void> {
    const controller = this.#running = new AbortController();
    this.#iterations = iterations;
    this.#enable();
    this.#standing.begin(iterations);
    const began = performance.now();
    let firstStep: number | undefined;
    try {
      const end = await call({
        signal: controller.signal,
        onProgress: (progress) => {
          if (progress.kind === "steps" && progress.loss.length > 0) firstStep ??= performance.now() - began;
          this.#take(progress);
        },
      });
      this.#standing.end(end);
      this.#snapshots.offer(end.snapshots);
      this.#keep(end, firstStep);
      if (end.iteration >= end.iterations || end.stoppedEarly) await this.#test();
    } catch (error) {
      this.#standing.say("");
      this.#notice.fail(error);
    } finally {
      this.#running = undefined;
      this.#enable();
      this.#draw();
      document.title = "Train - clickgan lab";
    }
  }

  #enable(): void {
    const runs = this.#running !== undefined;
    this.#train.disabled = runs;
    this.#stop.disabled = !runs;
    this.#goOn.disabled = runs || this.#curves.iteration === 0;
  }

  #take(progress: TrainProgress): void {
    switch (progress.kind) {
      case "doing":
        return this.#standing.say(`${progress.what} ...`);
      case "data":
        this.#facts.textContent = [factsText(progress.facts), progress.note].filter((text) => text).join(" ");
        return;
      case "parts":
        return this.#notice.say(
          `A batch is computed in up to ${progress.parts} parts of whole users, as it is larger than the adapter or ` +
            "--part-rows allows.",
          "note",
        );
      case "levels":
        this.#curves.levels = progress.levels;
        return this.#drawSoon();
      case "steps":
        this.#curves.add(progress);
        this.#standing.step(this.#curves);
        document.title = `${this.#curves.iteration}/${this.#iterations} - clickgan lab`;
        return this.#drawSoon();
    }
  }

  /** At most every DRAW_MS, and only while somebody sees it. */
  #drawSoon(): void {
    if (this.#drawing) return;
    this.#drawing = true;
    setTimeout(() =>
      requestAnimationFrame(() => {
        this.#drawing = false;
        this.#draw();
      }), Math.max(0, this.#drawn + DRAW_MS - performance.now()));
  }

  #draw(): void {
    this.#drawn = performance.now();
    const iterations = Math.max(this.#iterations, this.#curves.iteration);
    for (const chart of this.#charts) chart.draw(this.#curves, iterations);
  }

  async #test(): Promise<void> {
    try {
      const onProgress = (what: string) => this.#standing.say(`${what} ...`);
      this.#tested.replaceChildren(testView(await this.lab.call("train", "test", undefined, { onProgress })));
      this.#standing.say("");
    } catch (error) {
      this.#notice.fail(error);
    }
  }

  async #bring(file: File): Promise<boolean> {
    const request = await this.#read();
    if (!request) return false;
    try {
      const found = await this.lab.call("train", "bring", { file, data: request.data });
      this.#form.writeModel(found.model);
      this.#curves = new Curves();
      this.#tested.replaceChildren();
      this.#enable();
      this.#facts.textContent = factsText(found.facts);
      this.#notice.say(
        `${file.name}: ${found.kind}, after ${
          whole(found.iteration)
        } iterations. Train starts from it, and ` +
          "Be the user shows what it has learned.",
      );
      return true;
    } catch (error) {
      this.#notice.fail(error);
      return false;
    }
  }

  #keep({ iteration }: TrainEnd, msToFirstStep: number | undefined): void {
    const { model, training } = this.#request ?? {};
    this.lab.keep("training", {
      model,
      training,
      iteration,
      msToFirstStep,
      stepsPerSecond: this.#standing.stepsPerSecond,
      losses: this.#curves.losses,
      validations: this.#curves.validations,
    });
  }

  /** A log, or a snapshot, may be dropped anywhere on the screen. */
  #takeDrops(): void {
    this.element.addEventListener("dragover", (event) => event.preventDefault());
    this.element.addEventListener("drop", (event) => {
      event.preventDefault();
      const file = event.dataTransfer?.files[0];
      if (file?.name.endsWith(".safetensors")) void this.#snapshots.take(file);
      else if (event.dataTransfer) {
        void this.#form.data.takeDropped(event.dataTransfer);
      }
    });
  }
}

function factsText({ name, users, pages, rows, items, features }: DataFacts): string {
  const [train, validation, test] = users;
  return `${name}: ${whole(train)} train, ${whole(validation)} validation and ${whole(test)} test users, ${
    whole(pages)
  } pages, ${whole(rows)} ` +
    `displayed items of ${whole(items)}, ${features}.`;
}
