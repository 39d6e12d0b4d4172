/** The service of the screen "Look inside a step": what a training step is made of, and how long each part takes here. */

import { buildIndexScope } from "../../../batch/click_sizes.ts";
import type { AdapterFigure, StepMeasurement } from "../../../profile/bench_report.ts";
import { listUsers } from "../../../data/click_log.ts";
import { makeDemoShop } from "../../../data/demo_shop.ts";
import type { Gpu } from "../../../gpu/device.ts";
import { buildKernelText, type KernelBinding, STEP, STEPS } from "../../../gpu/kernel.ts";
import { isTexture, isUniform, type Memory } from "../../../gpu/memory.ts";
import { listTimedWork } from "../../../gpu/profiler.ts";
import { computeInvocations, type DispatchNode, onlySlice } from "../../../gpu/program.ts";
import type { IndexScope } from "../../../kernel_analysis/values.ts";
import { STEP_BYTES } from "../../../gpu/step.ts";
import { measureAdapter } from "../../../profile/adapter_ceilings.ts";
import { chooseClock, type Clock } from "../../../profile/measure.ts";
import {
  type BenchLog,
  type BenchModel,
  benchModels,
  createBenchLog,
  createShannonModel,
  type Recording,
  workloads,
} from "../../../profile/workloads.ts";
import { listReadWrittenBindings, profileRecording } from "../../../profile/step_profile.ts";
import { defaultTraining } from "../../../train/training_config.ts";
import { UserError } from "../../../user_error.ts";
import { formatCount } from "../../draw/text.ts";
import { type LabWorker, reportProgress, type ServiceCall } from "../lab_worker.ts";

/** What can be chosen. */
export interface StepChoices {
  readonly workloads: readonly StepWorkload[];
  /** Those that may be measured on a workload without a model of its own. */
  readonly models: readonly string[];
}

export interface StepWorkload {
  readonly name: string;
  /** In words. */
  readonly about: string;
  /** Whether it has a model of its own: the one that was trained last, on its data. */
  readonly ownModel: boolean;
}

/** The workload of the model and the data that were trained last. */
const TRAINED = "trained";

export interface ProfileRequest {
  readonly workload: string;
  /** Counts for nothing where the workload has its own. */
  readonly model: string;
  /** Time for whole steps, and for each probe of the adapter a twentieth of it. */
  readonly seconds: number;
}

export interface StepProfile {
  /** Times in microseconds. */
  readonly result: StepMeasurement;
  /** A fact for each of the result's dispatches. */
  readonly facts: readonly DispatchSummary[];
  /** What the adapter does at most. */
  readonly figures: readonly AdapterFigure[];
  /** What the times were read from. */
  readonly clock: Clock;
}

const logs: readonly { readonly name: string; readonly about: string; make(): BenchLog }[] = [
  {
    name: "demo",
    about: "the demo shop, 50 users",
    make() {
      const { log } = makeDemoShop(1);
      return { name: "demo", log, users: Math.min(50, listUsers(log, "train").length) };
    },
  },
  ...[workloads.W0, workloads.W4, workloads.W1, workloads.W2].map((workload) => {
    const { name, users, events, page, width } = workload;
    const items = width === 0 ? "items known by their number" : `${width} features an item`;
    return {
      name,
      about: `${name}: ${formatCount(users * events * page)} rows, ${items}`,
      make: () => createBenchLog(workload),
    };
  }),
];

const models: readonly BenchModel[] = benchModels.filter(({ step }) => step);

interface Chosen {
  readonly model: BenchModel;
  log(): BenchLog;
}

function offered({ workload, model: wanted }: ProfileRequest): Chosen {
  const log = logs.find(({ name }) => name === workload);
  const model = models.find(({ name }) => name === wanted);
  if (!log || !model) throw new UserError(`There is no model ${wanted} on ${workload}.`);
  return { model, log: log.make };
}

/** A model like the one that was trained last, on its data; the trained one stays as it is. */
function trained({ current }: LabWorker): Chosen {
  const log = current?.data.source.log;
  if (!current || !log) {
    throw new UserError("No model was trained yet: train one under Train, or choose a batch.");
  }
  const users = Math.min(defaultTraining.batchSize, listUsers(log, "train").length);
  return {
    model: createShannonModel("own model", current.model.config),
    log: () => ({ name: log.name, log, users }),
  };
}

export function stepService(worker: LabWorker) {
  const measured = new WeakMap<Gpu, readonly AdapterFigure[]>();

  const profile = (request: ProfileRequest, call: ServiceCall<string>): Promise<StepProfile> =>
    worker.alone("A step is being measured", call.signal, async () => {
      const { log, model } = request.workload === TRAINED ? trained(worker) : offered(request);
      const onProgress = reportProgress(call);
      const gpu = await worker.gpu();
      const probes = (name: string) => onProgress(`The adapter: ${name}`);
      const figures = measured.get(gpu) ?? await measureAdapter(gpu, request.seconds / 20, probes);
      measured.set(gpu, figures);
      onProgress("The step: compiling");
      const { log: clicks, users, name } = log();
      using recording = await model.record(gpu, clicks, users);
      const facts = stepFacts(recording);
      const told = (text: string) => onProgress(`The step: ${text}`);
      const parts = await profileRecording(gpu, recording, { seconds: request.seconds, onProgress: told });
      const clock = await chooseClock(gpu, () => {});
      return { result: { workload: name, model: model.name, ...parts }, facts, figures, clock };
    });

  const choices = (): StepChoices => {
    const data = worker.current?.data.source.name;
    const own = data === undefined
      ? []
      : [{ name: TRAINED, about: `${data}, with the model that was trained last`, ownModel: true }];
    return {
      workloads: [...own, ...logs.map(({ name, about }) => ({ name, about, ownModel: false }))],
      models: models.map(({ name }) => name),
    };
  };

  return { choices, profile };
}

export type StepPhase = "batch" | "forward" | "backward" | "optimiser";

/** What a kernel sees at one of its bindings. */
export interface BindingSummary {
  readonly name: string;
  readonly access: "reads" | "writes" | "reads and writes";
  readonly place: "storage" | "uniform" | "texture";
  readonly bytes: number;
}

/** Absent of a copy into a texture, which no kernel does. */
export interface KernelSummary extends IndexScope {
  /** WGSL as the driver gets it. */
  readonly text: string;
  readonly constants: readonly (readonly [name: string, value: number | boolean])[];
  readonly bindings: readonly BindingSummary[];
  /** Invocations that are wanted. */
  readonly invocations: readonly [x: number, y: number];
}

export interface DispatchSummary {
  readonly label: string;
  readonly kernel: string;
  readonly phase: StepPhase;
  readonly node?: DispatchNode;
  readonly code?: KernelSummary;
}

/** What the dispatches of a step are, in its order; copies stand behind the dispatch whose output they copy. */
function stepFacts(recording: Recording): DispatchSummary[] {
  const all: DispatchSummary[] = [];
  for (const { program, sizes, offset, slice = onlySlice } of recording.step()) {
    for (const { label, kernel, dispatch: k } of listTimedWork(program, sizes, offset, slice)) {
      const dispatch = program.dispatches[k];
      if (!dispatch) continue;
      const { spec } = dispatch;
      const { node } = spec;
      const phase = classifyPhase(spec.kernel.name, node);
      if (kernel !== spec.kernel.name) {
        all.push({ label, kernel, phase, node });
        continue;
      }
      const text = buildKernelText(spec);
      all.push({
        ...{ label, kernel, phase, node },
        code: {
          text,
          constants: Object.entries(spec.constants ?? {}),
          bindings: listBindings(spec, text),
          invocations: computeInvocations(spec.invocations, sizes),
          ...buildIndexScope(program, k, sizes, slice),
        },
      });
    }
  }
  return all;
}

function classifyPhase(kernel: string, node: DispatchNode | undefined): StepPhase {
  if (node) return node.direction;
  return /^(adam|gradient_)/.test(kernel) ? "optimiser" : "batch";
}

function listBindings(
  { kernel, views }: {
    kernel: { bindings: readonly KernelBinding[] };
    views: Readonly<Record<string, Memory>>;
  },
  text: string,
): BindingSummary[] {
  const alsoRead = new Set(listReadWrittenBindings(kernel, text));
  return kernel.bindings.map(({ name, kind }): BindingSummary => {
    const view = views[name];
    if (name === STEP || name === STEPS || !view) {
      return { name, access: "reads", place: "uniform", bytes: STEP_BYTES };
    }
    return {
      name,
      access: kind !== "read_write" ? "reads" : alsoRead.has(name) ? "reads and writes" : "writes",
      place: isTexture(view)
        ? (kind === "read" ? "texture" : "storage")
        : isUniform(view)
        ? "uniform"
        : "storage",
      bytes: view.size,
    };
  });
}
