/** Screen "Train": form, progress, curves and snapshots of a training. */

import { formatCount } from "../../draw/text.ts";
import type { CallOptions } from "../connection.ts";
import { dom, element, Notice, StopButton } from "../elements.ts";
import { saveFile } from "../../../report/client/save_file.ts";
import type { Lab } from "../lab_app.ts";
import type { BaselineLevel } from "../services/lab_data.ts";
import type { ShownStage, TrainProgress } from "../services/train_progress.ts";
import type { StageStatus, TrainRequest } from "../services/train_service.ts";
import { TrainForm } from "./train/train_form.ts";
import { SnapshotControls, StageProgress, StageView } from "./train/stage_view.ts";

const DRAW_MS = 250;
/** Stage that the page shows before a training begins. */
const NOT_BEGUN: ShownStage = {
  ...{ name: "shannon", heading: "", iterations: 0 },
  ...{ columns: [], loss: "loss", prec1: "prec@1" },
};

type StageCall = (options: CallOptions<TrainProgress>) => Promise<StageStatus>;

class TrainView {
  readonly element: HTMLElement;
  readonly #form: TrainForm;
  readonly #notice = new Notice();
  readonly #summary = element("p", { class: "facts-line" });
  readonly #progress = new StageProgress();
  readonly #snapshots: SnapshotControls;
  readonly #stageList = element("div", { class: "results" });
  readonly #train = element("button", { type: "button", class: "main" }, "Train");
  readonly #stop = new StopButton(() => this.#progress.show("Stopping after the current steps ..."));
  readonly #resume = element("button", { type: "button", disabled: true }, "Resume");
  #stages: StageView[] = [];
  #levels: readonly BaselineLevel[] = [];
  #request: TrainRequest | undefined;
  #status: StageStatus | undefined;
  #drawn = 0;
  #drawing = false;

  constructor(private readonly lab: Lab) {
    const buttons = dom`<div class="buttons">${this.#train}${this.#stop.element}${this.#resume}</div>`;
    this.#form = new TrainForm(lab.call, buttons);
    this.#snapshots = new SnapshotControls({
      fetch: ({ stage, kind }) => lab.call("train", "snapshot", { stage, kind }),
      load: (file) => this.#load(file),
      csv: () => {
        const { curves } = this.#stages.at(-1) ?? {};
        if (curves) saveFile(`${curves.stage.name}.csv`, curves.csv(), "text/csv");
      },
      test: () => this.#test(),
      onError: (error) => this.#fail(error),
    });
    this.#train.addEventListener("click", () => void this.#begin());
    this.#resume.addEventListener("click", () => void this.#resumeTraining());
    this.element = dom`<div class="split">${this.#form.element}
<div class="results">${this.#notice.element}${this.#summary}${this.#progress.element}${this.#stageList}
${this.#snapshots.element}</div></div>`;
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

  async #resumeTraining(): Promise<void> {
    const request = await this.#read(this.#request?.fromSnapshot ?? false);
    if (request) await this.#run(request, (options) => this.lab.call("train", "resume", request, options));
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

  #clear(): void {
    this.#stages = [];
    this.#setStatus(undefined);
    this.#request = undefined;
    this.#stageList.replaceChildren(new StageView(NOT_BEGUN).element);
  }

  /** Runs the stages of a training in order, until all are done or the user stops the training. */
  async #run(request: TrainRequest, begin: StageCall): Promise<void> {
    this.#request = request;
    try {
      await this.#stop.during(async (signal) => {
        this.#enable();
        this.#form.foldOnPhone();
        bringIntoView(this.#progress.element);
        await this.#runStage(begin, signal);
        while (this.#status?.isDone) {
          await this.#test();
          if (!this.#status.hasNext || signal.aborted) break;
          await this.#runStage((options) => this.lab.call("train", "resume", request, options), signal);
        }
      });
    } catch (error) {
      this.#progress.show("");
      this.#fail(error);
      void this.#refreshStatus();
    } finally {
      this.#enable();
      this.#draw();
      document.title = "Train - clickgan lab";
    }
  }

  async #refreshStatus(): Promise<void> {
    this.#setStatus(undefined);
    const status = await this.lab.call("train", "status", undefined).catch(() => undefined);
    if (this.#stop.isRunning) return;
    this.#setStatus(status);
    this.#enable();
  }

  async #runStage(call: StageCall, signal: AbortSignal): Promise<void> {
    const began = performance.now();
    let firstStep: number | undefined;
    const end = await call({
      signal,
      needsResult: () => firstStep !== undefined,
      onProgress: (progress) => {
        if (progress.kind === "steps" && progress.rows.length > 0) firstStep ??= performance.now() - began;
        this.#onProgress(progress);
      },
    });
    this.#setStatus(end);
    this.#progress.end(end);
    this.#store(end, firstStep);
  }

  #setStatus(status: StageStatus | undefined): void {
    this.#status = status;
    this.#snapshots.offer(status?.snapshots ?? []);
  }

  #enable(): void {
    const runs = this.#stop.isRunning;
    this.#train.disabled = runs || this.lab.device.kind === "none";
    this.#resume.disabled = runs || !this.#status;
  }

  #onProgress(progress: TrainProgress): void {
    switch (progress.kind) {
      case "doing":
        return this.#progress.show(`${progress.what} ...`);
      case "data":
        this.#summary.textContent = progress.text;
        return;
      case "note":
        return this.#notice.show(progress.text, "note");
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
        this.#progress.step(curves);
        document.title = `${curves.iteration}/${curves.stage.iterations} - clickgan lab`;
        return this.#drawSoon();
      }
    }
  }

  /** Adds a view for a new stage. A resumed stage keeps its view. */
  #open(stage: ShownStage): void {
    this.#progress.begin(stage);
    const last = this.#stages.at(-1);
    if (last?.curves.stage.name === stage.name) {
      last.curves.stage = stage;
      return;
    }
    const view = new StageView(stage);
    if (!last) this.#stageList.replaceChildren();
    this.#stages.push(view);
    this.#stageList.append(view.element);
  }

  /** Schedules a redraw of the charts, at most once per DRAW_MS, and only while the page is visible. */
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
      const onProgress = (what: string) => this.#progress.show(`${what} ...`);
      this.#stages.at(-1)?.showTest(await this.lab.call("train", "test", undefined, { onProgress }));
      if (this.#status) this.#progress.end(this.#status);
    } catch (error) {
      this.#fail(error);
    }
  }

  async #load(file: File): Promise<boolean> {
    const request = await this.#read(false);
    if (!request) return false;
    try {
      const found = await this.lab.call("train", "load", { file, data: request.data });
      this.#form.write(found.texts);
      this.#clear();
      this.#setStatus(found.training);
      if (found.training) this.#open(found.training.stage);
      this.#enable();
      this.#summary.textContent = found.data;
      this.#notice.show(
        `Loaded ${file.name}: ${found.kind}, ${
          formatCount(found.iteration)
        } iterations. The button Train starts ` +
          `from this snapshot, and the screen Be the user shows its predictions. ${found.note}`,
      );
      return true;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  #store({ stage: { name }, iteration }: StageStatus, msToFirstStep: number | undefined): void {
    const { curves } = this.#stages.at(-1) ?? {};
    this.lab.store(name === "shannon" ? "training" : "adversarial", {
      options: this.#request?.options,
      iteration,
      msToFirstStep,
      stepsPerSecond: this.#progress.stepsPerSecond,
      losses: curves?.values(name === "shannon" ? "loss" : "loss_min"),
      validations: curves?.validations,
    });
  }

  /** Loads data and snapshots that the user drops anywhere on the screen. */
  #takeDrops(): void {
    this.element.addEventListener("dragover", (event) => event.preventDefault());
    this.element.addEventListener("drop", (event) => {
      event.preventDefault();
      const file = event.dataTransfer?.files[0];
      if (file?.name.endsWith(".safetensors")) void this.#snapshots.load(file);
      else if (event.dataTransfer) void this.#form.data.loadDropped(event.dataTransfer);
    });
  }
}

/** Scrolls to an element unless the whole element is visible. */
function bringIntoView(part: HTMLElement): void {
  const { top, bottom } = part.getBoundingClientRect();
  if (top < 0 || bottom > innerHeight) part.scrollIntoView();
}

export function showTrain(root: HTMLElement, lab: Lab): void {
  const view = new TrainView(lab);
  root.append(
    dom`<p class="lead">Train a user model on a click log with the trainer and kernels of this repository,
on your GPU. No data leave this tab.</p>`,
    view.element,
  );
}
