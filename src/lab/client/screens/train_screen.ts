/** A training in front of the reader: the form, how it goes, the curves, the snapshots. */

import { formatCount } from "../../draw/text.ts";
import type { CallOptions } from "../connection.ts";
import { dom, element, Notice, saveFile, StopButton } from "../elements.ts";
import type { Lab } from "../lab_app.ts";
import type { BaselineLevel, DataSummary } from "../services/lab_data.ts";
import type { TrainEnd, TrainRequest } from "../services/train_service.ts";
import type { ShownStage, TrainProgress } from "../services/train_service.ts";
import { TrainForm } from "./train/train_form.ts";
import { SnapshotControls, StageProgress, StageView } from "./train/stage_view.ts";

/** Milliseconds between two drawings of the charts. */
const DRAW_MS = 250;
/** The place of the first stage, before there is one. */
const NOT_BEGUN: ShownStage = {
  ...{ name: "shannon", heading: "", iterations: 0 },
  ...{ columns: [], loss: "loss", prec1: "prec@1" },
};

/** A call of the worker that runs a stage. */
type StageCall = (options: CallOptions<TrainProgress>) => Promise<TrainEnd>;

class TrainView {
  readonly element: HTMLElement;
  readonly #form: TrainForm;
  readonly #notice = new Notice();
  readonly #facts = element("p", { class: "facts-line" });
  readonly #standing = new StageProgress();
  readonly #snapshots: SnapshotControls;
  readonly #places = element("div", { class: "results" });
  readonly #train = element("button", { type: "button", class: "main" }, "Train");
  readonly #stop = new StopButton(() =>
    this.#standing.say("Stopping: the steps that are under way are finished")
  );
  readonly #goOn = element("button", { type: "button", disabled: true }, "Go on");
  /** Of the stages that have begun. */
  #stages: StageView[] = [];
  #levels: readonly BaselineLevel[] = [];
  #request: TrainRequest | undefined;
  /** Where the training stands that can go on. */
  #end: TrainEnd | undefined;
  #drawn = 0;
  #drawing = false;

  constructor(private readonly lab: Lab) {
    const buttons = dom`<div class="buttons">${this.#train}${this.#stop.element}${this.#goOn}</div>`;
    this.#form = new TrainForm(lab.call, buttons);
    this.#snapshots = new SnapshotControls({
      fetch: ({ stage, kind }) => lab.call("train", "snapshot", { stage, kind }),
      bring: (file) => this.#bring(file),
      csv: () => {
        const { curves } = this.#stages.at(-1) ?? {};
        if (curves) saveFile(`${curves.stage.name}.csv`, curves.csv(), "text/csv");
      },
      test: () => this.#test(),
      onError: (error) => this.#fail(error),
    });
    this.#train.addEventListener("click", () => void this.#begin());
    this.#goOn.addEventListener("click", () => void this.#resume());
    this.element = dom`<div class="split">${this.#form.element}
<div class="results">${this.#notice.element}${this.#facts}${this.#standing.element}${this.#places}${this.#snapshots.element}
</div></div>`;
    this.#clear();
    this.#takeDrops();
    lab.onDevice(() => this.#enable());
  }

  async #begin(): Promise<void> {
    const request = await this.#read(this.#snapshots.isUsed);
    if (!request) return;
    this.#clear();
    await this.#run(request, (options) => this.lab.call("train", "start", request, options));
  }

  async #resume(): Promise<void> {
    const request = await this.#read(this.#request?.fromSnapshot ?? false);
    if (request) await this.#run(request, (options) => this.lab.call("train", "goOn", request, options));
  }

  async #read(fromSnapshot: boolean): Promise<TrainRequest | undefined> {
    this.#notice.clear();
    try {
      return await this.#form.read(fromSnapshot);
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  #fail(error: unknown): void {
    this.#notice.fail(error);
    bringIntoView(this.#notice.element);
  }

  /** Forgets what stands of an earlier training. */
  #clear(): void {
    this.#stages = [];
    this.#stand(undefined);
    this.#request = undefined;
    this.#places.replaceChildren(new StageView(NOT_BEGUN).element);
  }

  /** Stage after stage, until it is done or stopped. */
  async #run(request: TrainRequest, begin: StageCall): Promise<void> {
    this.#request = request;
    try {
      await this.#stop.during(async (signal) => {
        this.#enable();
        this.#form.makeWay();
        bringIntoView(this.#standing.element);
        await this.#runStage(begin, signal);
        while (this.#end?.isDone) {
          await this.#test();
          if (!this.#end.hasNext || signal.aborted) break;
          await this.#runStage((options) => this.lab.call("train", "goOn", request, options), signal);
        }
      });
    } catch (error) {
      this.#standing.say("");
      this.#fail(error);
      void this.#askStanding();
    } finally {
      this.#enable();
      this.#draw();
      document.title = "Train - clickgan lab";
    }
  }

  /** What was reached is kept, and may be saved or gone on with. A worker that reads on answers when it has read. */
  async #askStanding(): Promise<void> {
    this.#stand(undefined);
    const end = await this.lab.call("train", "standing", undefined).catch(() => undefined);
    if (this.#stop.isNeeded) return;
    this.#stand(end);
    this.#enable();
  }

  async #runStage(call: StageCall, signal: AbortSignal): Promise<void> {
    const began = performance.now();
    let firstStep: number | undefined;
    const end = await call({
      signal,
      finishes: () => firstStep !== undefined,
      onProgress: (progress) => {
        if (progress.kind === "steps" && progress.rows.length > 0) firstStep ??= performance.now() - began;
        this.#take(progress);
      },
    });
    this.#stand(end);
    this.#standing.end(end);
    this.#keep(end, firstStep);
  }

  #stand(end: TrainEnd | undefined): void {
    this.#end = end;
    this.#snapshots.offer(end?.snapshots ?? []);
  }

  #enable(): void {
    const runs = this.#stop.isNeeded;
    this.#train.disabled = runs || this.lab.device.kind === "none";
    this.#goOn.disabled = runs || !this.#end;
  }

  #take(progress: TrainProgress): void {
    switch (progress.kind) {
      case "doing":
        return this.#standing.say(`${progress.what} ...`);
      case "data":
        this.#facts.textContent = [factsText(progress.facts), progress.note].filter((text) => text).join(" ");
        return;
      case "note":
        return this.#notice.say(progress.text, "note");
      case "levels":
        this.#levels = progress.levels;
        return;
      case "stage":
        this.#open(progress.stage);
        return this.#drawSoon();
      case "steps": {
        const { curves } = this.#stages.at(-1) ?? {};
        if (!curves) return;
        curves.add(progress);
        this.#standing.step(curves);
        document.title = `${curves.iteration}/${curves.stage.iterations} - clickgan lab`;
        return this.#drawSoon();
      }
    }
  }

  /** Makes place for a stage that begins; one that goes on has it. */
  #open(stage: ShownStage): void {
    this.#standing.begin(stage);
    const last = this.#stages.at(-1);
    if (last?.curves.stage.name === stage.name) {
      last.curves.stage = stage;
      return;
    }
    const view = new StageView(stage);
    if (!last) this.#places.replaceChildren();
    this.#stages.push(view);
    this.#places.append(view.element);
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
    for (const stage of this.#stages) stage.draw(this.#levels);
  }

  async #test(): Promise<void> {
    try {
      const onProgress = (what: string) => this.#standing.say(`${what} ...`);
      this.#stages.at(-1)?.tell(await this.lab.call("train", "test", undefined, { onProgress }));
      if (this.#end) this.#standing.end(this.#end);
    } catch (error) {
      this.#fail(error);
    }
  }

  async #bring(file: File): Promise<boolean> {
    const request = await this.#read(false);
    if (!request) return false;
    try {
      const found = await this.lab.call("train", "bring", { file, data: request.data });
      this.#form.write(found.texts);
      this.#clear();
      this.#stand(found.training);
      if (found.training) this.#open(found.training.stage);
      this.#enable();
      this.#facts.textContent = factsText(found.facts);
      this.#notice.say(
        `${file.name}: ${found.kind}, after ${
          formatCount(found.iteration)
        } iterations. Train starts from it, and ` +
          `Be the user shows what it has learned. ${found.note}`,
      );
      return true;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  #keep({ stage: { name }, iteration }: TrainEnd, msToFirstStep: number | undefined): void {
    const { curves } = this.#stages.at(-1) ?? {};
    this.lab.keep(name === "shannon" ? "training" : "adversarial", {
      options: this.#request?.options,
      iteration,
      msToFirstStep,
      stepsPerSecond: this.#standing.stepsPerSecond,
      losses: curves?.values(name === "shannon" ? "loss" : "loss_min"),
      validations: curves?.validations,
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

/** On a phone what comes of a button stands far below it. */
function bringIntoView(part: HTMLElement): void {
  const { top, bottom } = part.getBoundingClientRect();
  if (top < 0 || bottom > innerHeight) part.scrollIntoView();
}

function factsText({ name, users, pages, rows, items, features }: DataSummary): string {
  const [train, validation, test] = users;
  return `${name}: ${formatCount(train)} train, ${formatCount(validation)} validation and ${
    formatCount(test)
  } test users, ${formatCount(pages)} pages, ${formatCount(rows)} ` +
    `displayed items of ${formatCount(items)}, ${features}.`;
}

export function train(root: HTMLElement, lab: Lab): void {
  const view = new TrainView(lab);
  root.append(
    dom`<p class="lead">A model learns whom it is looking at from what they were shown and what they clicked. It is the trainer of
this repository with its kernels, on your GPU. Nothing leaves this tab.</p>`,
    view.element,
  );
}
