/** The service of the screen "Look inside a step": what a training step is made of, and how long each part takes here. */

import { indexScopeOf } from "../../../batch/click_sizes.ts";
import type { AdapterFigure, StepResult } from "../../../selftest/profile/bench_report.ts";
import { usersOf } from "../../../data/click_log.ts";
import { makeDemoShop } from "../../../data/demo_shop.ts";
import type { Gpu } from "../../../gpu/device.ts";
import { type KernelBinding, kernelText, STEP, STEPS } from "../../../gpu/kernel.ts";
import { isTexture, isUniform, type Memory } from "../../../gpu/memory.ts";
import { workOf } from "../../../gpu/profiler.ts";
import { type DispatchNode, invocationsOf, onlySlice } from "../../../gpu/program.ts";
import type { IndexScope } from "../../../gpu/access_analysis/values.ts";
import { STEP_BYTES } from "../../../gpu/step.ts";
import { measureAdapter } from "../../../selftest/profile/adapter_ceilings.ts";
import { type Clock, clockOf } from "../../../selftest/profile/measure.ts";
import {
  type BenchLog,
  benchLog,
  type BenchModel,
  benchModels,
  type Recording,
  shannon,
  workloads,
} from "../../../selftest/profile/workloads.ts";
import { profileRecording, readsWhatItWrites } from "../../../selftest/profile/step_profile.ts";
import { defaultTraining } from "../../../train/config.ts";
import { UserError } from "../../../user_error.ts";
import { whole } from "../../draw/text.ts";
import { type Call, type LabWorker, tellIn } from "../lab_worker.ts";

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

export interface StepRequest {
  readonly workload: string;
  /** Counts for nothing where the workload has its own. */
  readonly model: string;
  /** Time for whole steps, and for each probe of the adapter a twentieth of it. */
  readonly seconds: number;
}

export interface StepProfile {
  /** Times in microseconds. */
  readonly result: StepResult;
  /** A fact for each of the result's dispatches. */
  readonly facts: readonly DispatchFacts[];
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
      return { name: "demo", log, users: Math.min(50, usersOf(log, "train").length) };
    },
  },
  ...[workloads.W0, workloads.W4, workloads.W1, workloads.W2].map((workload) => {
    const { name, users, events, page, width } = workload;
    const items = width === 0 ? "items known by their number" : `${width} features an item`;
    return {
      name,
      about: `${name}: ${whole(users * events * page)} rows, ${items}`,
      make: () => benchLog(workload),
    };
  }),
];

const models: readonly BenchModel[] = benchModels.filter(({ step }) => step);

interface Chosen {
  readonly model: BenchModel;
  log(): BenchLog;
}

function offered({ workload, model: wanted }: StepRequest): Chosen {
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
  const users = Math.min(defaultTraining.batchSize, usersOf(log, "train").length);
  return {
    model: shannon("own model", current.model.config),
    log: () => ({ name: log.name, log, users }),
  };
}

export function stepService(worker: LabWorker) {
  const measured = new WeakMap<Gpu, readonly AdapterFigure[]>();

  const profile = (request: StepRequest, call: Call<string>): Promise<StepProfile> =>
    worker.alone("A step is being measured", call.signal, async () => {
      const { log, model } = request.workload === TRAINED ? trained(worker) : offered(request);
      const onProgress = tellIn(call);
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
      const clock = await clockOf(gpu, () => {});
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

export type Phase = "batch" | "forward" | "backward" | "optimiser";

/** What a kernel sees at one of its bindings. */
export interface BindingFacts {
  readonly name: string;
  readonly access: "reads" | "writes" | "reads and writes";
  readonly place: "storage" | "uniform" | "texture";
  readonly bytes: number;
}

/** Absent of a copy into a texture, which no kernel does. */
export interface KernelFacts extends IndexScope {
  /** WGSL as the driver gets it. */
  readonly text: string;
  readonly constants: readonly (readonly [name: string, value: number | boolean])[];
  readonly bindings: readonly BindingFacts[];
  /** Invocations that are wanted. */
  readonly invocations: readonly [x: number, y: number];
}

export interface DispatchFacts {
  readonly label: string;
  readonly kernel: string;
  readonly phase: Phase;
  readonly node?: DispatchNode;
  readonly code?: KernelFacts;
}

/** What the dispatches of a step are, in its order; copies stand behind the dispatch whose output they copy. */
function stepFacts(recording: Recording): DispatchFacts[] {
  const all: DispatchFacts[] = [];
  for (const { program, sizes, offset, slice = onlySlice } of recording.step()) {
    for (const { label, kernel, dispatch: k } of workOf(program, sizes, offset, slice)) {
      const dispatch = program.dispatches[k];
      if (!dispatch) continue;
      const { spec } = dispatch;
      const { node } = spec;
      const phase = phaseOf(spec.kernel.name, node);
      if (kernel !== spec.kernel.name) {
        all.push({ label, kernel, phase, node });
        continue;
      }
      const text = kernelText(spec);
      all.push({
        ...{ label, kernel, phase, node },
        code: {
          text,
          constants: Object.entries(spec.constants ?? {}),
          bindings: bindingsOf(spec, text),
          invocations: invocationsOf(spec.invocations, sizes),
          ...indexScopeOf(program, k, sizes, slice),
        },
      });
    }
  }
  return all;
}

function phaseOf(kernel: string, node: DispatchNode | undefined): Phase {
  if (node) return node.direction;
  return /^(adam|gradient_)/.test(kernel) ? "optimiser" : "batch";
}

function bindingsOf(
  { kernel, views }: {
    kernel: { bindings: readonly KernelBinding[] };
    views: Readonly<Record<string, Memory>>;
  },
  text: string,
): BindingFacts[] {
  const alsoRead = new Set(readsWhatItWrites(kernel, text));
  return kernel.bindings.map(({ name, kind }): BindingFacts => {
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
