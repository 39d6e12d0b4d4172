/**
 * The lab's worker in Deno, without a page: `deno run ... in_deno.ts trial TRIAL` makes the training that the page has asked
 * for, and prints a trial; `in_deno.ts survey SURVEY` measures what the screens measure. Both take JSON and print it.
 */

import { runMain } from "../../src/cli/fail.ts";
import { setDriverThreads } from "../../src/gpu/host/driver_threads.ts";
import type { AdapterFacts, FromWorker, ToWorker } from "../../src/lab/client/protocol.ts";
import { iterationFlops } from "../../src/train/iteration_work.ts";
import { makeDemoShop } from "../../src/data/demo_shop.ts";
import { sourceOf } from "../../src/data/log_source.ts";
import { ladders as allLadders } from "../../src/selftest/ladder/ladders.ts";
import { ladderName, measuredIn, savedReport, selftestFigures, stepName } from "../../src/lab/saved.ts";
import { defaultModel, type ModelConfig } from "../../src/model/config.ts";
import { stagesConfigOf } from "../../src/run/options/train.ts";
import type {
  AdapterFigure,
  BenchReport,
  LadderFigures,
  StepResult,
} from "../../src/selftest/profile/bench_report.ts";
import type { SelftestResult } from "../../src/selftest/results.ts";
import { defaultTraining, type StagesConfig, type TrainingConfig } from "../../src/train/config.ts";
import { version } from "../../src/version.ts";
import { writeRecords } from "../output.ts";
import { Recorder } from "./recorder.ts";
import { type Faults, type Survey, surveyAll, type SurveyPart, tell } from "./survey.ts";
import { type AskedTrial, REQUEST, stepRate, type Trial, WHOLE_WORKER } from "./trial.ts";

/** What of a request to train decides how large a step is. */
interface Trained {
  readonly model: ModelConfig;
  readonly training: TrainingConfig;
}

interface CallOptions {
  onProgress?(progress: unknown): void;
  readonly signal?: AbortSignal;
}

/** The page's end of the line, without its types: what a service answers is for the caller to check. */
class LabInDeno {
  readonly worker: Worker;
  /** What its device is, once it is open. */
  adapter: AdapterFacts | undefined;
  readonly #ready = Promise.withResolvers<void>();
  readonly #listeners = new Map<number, (message: FromWorker) => void>();

  /**
   * @param script the worker's, a file. @param trained what is to be trained, on the demo shop: a software driver gets as many
   * threads as `deno task train` gives it; otherwise those for large steps.
   */
  constructor(script: string, trained?: Trained) {
    setDriverThreads(
      trained && iterationFlops(sourceOf(makeDemoShop(trained.training.seed).log), trained),
    );
    this.worker = new Worker(new URL(`file://${script}`), { type: "module" });
    this.worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
      if (!("event" in data)) return this.#listeners.get(data.id)?.(data);
      if (data.event.name === "ready") this.#ready.resolve();
      if (data.event.name === "device") this.adapter = data.event.adapter;
    });
  }

  /** @throws Error with what the service says of a failure. */
  async call(
    service: string,
    method: string,
    argument: unknown,
    options: CallOptions = {},
  ): Promise<unknown> {
    await this.#ready.promise;
    const id = this.#listeners.size + 1;
    const post = (message: ToWorker) => this.worker.postMessage(message);
    options.signal?.addEventListener("abort", () => post({ id, cancel: true }));
    return await new Promise((resolve, reject) => {
      this.#listeners.set(id, (message) => {
        if ("progress" in message) options.onProgress?.(message.progress);
        else if ("error" in message) reject(new Error(message.error.message));
        else if ("result" in message) resolve(message.result);
      });
      post({ id, service, method, argument });
    });
  }
}

const [what = "", asked = ""] = Deno.args;
const survey: Survey = JSON.parse(asked);

/** The training that the page has asked for, by the same worker. */
async function tried({ folder, seconds }: AskedTrial): Promise<Trial> {
  const request = JSON.parse(await Deno.readTextFile(`${folder}/${REQUEST}`));
  const lab = new LabInDeno(
    `${folder}/${WHOLE_WORKER}`,
    stagesConfigOf(request.options, { source: sourceOf(makeDemoShop(request.options.seed).log) }),
  );
  const recorder = new Recorder(lab.worker);
  await lab.call("adapter", "open", undefined);
  const stop = new AbortController();
  await recorder.begin(seconds, () => stop.abort());
  await lab.call("train", "start", request, { signal: stop.signal });
  const recorded = await recorder.recorded();
  const waits = await recorder.waits();
  lab.worker.terminate();
  return { ...recorded, waits, frames: [], runtime: navigator.userAgent };
}

/** As the page has them. */
const ROUNDS = 5;
const STEP_SECONDS = 1;
/** The paper's model: the form's options for it. */
const texts = { counts: "none" };
const config: StagesConfig = {
  model: defaultModel,
  training: defaultTraining,
  pretrain: true,
  adversarial: null,
};

const kept = new Map<string, unknown>();

/** What a service answers is as its types say, which are a browser's: readBench checks the file. */
async function ask<T>(lab: LabInDeno, part: SurveyPart, method: string, argument: unknown): Promise<T> {
  const onProgress = (progress: unknown) => tell(part, textOf(progress));
  const services = { training: "train", step: "step", ladders: "ladders", selftest: "selftest" };
  return await lab.call(services[part], method, argument, { onProgress }) as T;
}

function textOf(progress: unknown): string {
  if (typeof progress !== "object" || progress === null) return String(progress);
  return "number" in progress && "of" in progress ? `${progress.number} of ${progress.of}` : "";
}

async function training(lab: LabInDeno): Promise<string[]> {
  const recorder = new Recorder(lab.worker);
  const stop = new AbortController();
  recorder.stopAfter(survey.seconds, () => stop.abort());
  const data = { kind: "shop", name: "demo", seed: defaultTraining.seed };
  const options = await lab.call("train", "read", { texts, fromSnapshot: false });
  const request = { data, options, fromSnapshot: false };
  await lab.call("train", "start", request, { signal: stop.signal });
  const { steps, began, losses } = recorder.heard();
  const [first = NaN] = steps[0] ?? [];
  const figures = {
    iteration: losses.length,
    msToFirstStep: first - began,
    stepsPerSecond: stepRate(steps),
  };
  kept.set("training", figures);
  return [];
}

async function step(lab: LabInDeno): Promise<string[]> {
  const request = { workload: "demo", model: "LSTM", seconds: STEP_SECONDS };
  type Profile = { readonly result: StepResult; readonly figures: readonly AdapterFigure[] };
  const { result, figures } = await ask<Profile>(lab, "step", "profile", request);
  kept.set("figures", figures).set(stepName(result), result);
  return [];
}

async function ladders(lab: LabInDeno): Promise<string[]> {
  const wrong: string[] = [];
  for (const { name } of allLadders.filter(({ name }) => survey.ladders?.includes(name) ?? true)) {
    try {
      const figures = await ask<LadderFigures>(lab, "ladders", "race", { ladder: name, rounds: ROUNDS });
      kept.set(ladderName(figures), figures);
    } catch (error) {
      wrong.push(`${name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  return wrong;
}

async function selftest(lab: LabInDeno): Promise<string[]> {
  const kinds = survey.shapes === "both" ? ["gpu", "cpu"] : [survey.shapes];
  const result = await ask<SelftestResult>(lab, "selftest", "run", { kinds, only: "" });
  kept.set("selftest", result);
  return selftestFigures(result.findings, result.leftOut).flatMap(({ kind, differing }) =>
    differing.map(({ name, message }) => `${name} (${kind} shapes): ${message}`)
  );
}

function reportOf({ adapter }: LabInDeno): BenchReport {
  if (!adapter) throw new Error("expected an open device");
  return savedReport(measuredIn(kept), {
    ...{ adapter, name: survey.name, version, date: new Date() },
    ...{ cores: navigator.hardwareConcurrency, timestamps: adapter.hasTimestamps },
  });
}

/** Measures what the screens measure, and saves the same file. @returns what went wrong, by part */
async function surveyed(): Promise<Faults> {
  // A software driver has one setting for a process: the one for small steps only where nothing else is measured.
  const small = survey.parts.every((part) => part === "training" || part === "step");
  const lab = new LabInDeno(`${survey.folder}/${WHOLE_WORKER}`, small ? config : undefined);
  await lab.call("adapter", "open", undefined);
  // What the page does before it asks for a ladder or the self-test.
  await lab.call("adapter", "load", { text: await Deno.readTextFile(`${survey.folder}/kernels.js`) });
  const faults = await surveyAll(survey, {
    training: () => training(lab),
    step: () => step(lab),
    ladders: () => ladders(lab),
    selftest: () => selftest(lab),
  });
  await writeRecords(survey.file, reportOf(lab));
  lab.worker.terminate();
  return faults;
}

await runMain(async () => {
  console.log(JSON.stringify(what === "trial" ? await tried(JSON.parse(asked)) : await surveyed()));
});
