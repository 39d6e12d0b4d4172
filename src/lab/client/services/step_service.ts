/** Service of the screen "Look inside a step": lists and times the dispatches of a training step. */

import { buildIndexScope } from "../../../batch/click_sizes.ts";
import type { AdapterMeasurement, StepMeasurement } from "../../../profile/bench_report.ts";
import { listUsers } from "../../../data/click_log.ts";
import { makeDemoShop } from "../../../data/demo_shop.ts";
import type { Gpu } from "../../../gpu/device.ts";
import { buildKernelText, STEP, STEPS } from "../../../gpu/kernel.ts";
import { isTexture, isUniform } from "../../../gpu/memory.ts";
import { listTimedWork } from "../../../gpu/profiler.ts";
import { computeInvocations, type DispatchNode, type DispatchSpec, onlySlice } from "../../../gpu/program.ts";
import type { IndexScope } from "../../../kernel_analysis/values.ts";
import { STEP_BYTES } from "../../../gpu/step.ts";
import { measureAdapter } from "../../../profile/adapter_ceilings.ts";
import { chooseClock, type Clock } from "../../../profile/measure.ts";
import { benchModels, createBenchLog, createShannonModel, workloads } from "../../../profile/workloads.ts";
import type { BenchLog, BenchModel, Recording } from "../../../profile/workloads.ts";
import { type BindingAccess, classifyBindings, profileRecording } from "../../../profile/step_profile.ts";
import { defaultTraining } from "../../../train/training_config.ts";
import { UserError } from "../../../user_error.ts";
import { formatCount } from "../../draw/text.ts";
import { type LabWorker, type MeasurementProgress, reportProgress, type ServiceCall } from "../lab_worker.ts";

/** Name of the workload that runs the current model on its training data. */
const TRAINED = "trained";

export interface ProfileRequest {
  readonly workload: string;
  /** Name of the model; ignored for the workload {@link TRAINED}, which uses the current model. */
  readonly model: string;
  /** Seconds for timing whole steps. Each measurement of the adapter's peak rates takes 1/20 of this time. */
  readonly seconds: number;
}

export interface StepProfile {
  /** Measurements of the step in microseconds. */
  readonly result: StepMeasurement;
  /** Summaries of the dispatches, in the order of the measurements in `result`. */
  readonly facts: readonly DispatchSummary[];
  readonly probes: readonly AdapterMeasurement[];
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
    const items = width === 0 ? "items without features" : `${width} features per item`;
    return {
      name,
      about: `${name}: ${formatCount(users * events * page)} rows, ${items}`,
      make: () => createBenchLog(workload),
    };
  }),
];

const models: readonly BenchModel[] = benchModels.filter(({ step }) => step);

interface ChosenWorkload {
  readonly model: BenchModel;
  log(): BenchLog;
}

function findWorkload({ workload, model: modelName }: ProfileRequest): ChosenWorkload {
  const log = logs.find(({ name }) => name === workload);
  const model = models.find(({ name }) => name === modelName);
  if (!log || !model) {
    throw new UserError(`Expected a known model and workload, got ${modelName} and ${workload}.`);
  }
  return { model, log: log.make };
}

/** Returns a workload with the current model's configuration and data. Timing does not change the model. */
function getTrainedWorkload({ current }: LabWorker): ChosenWorkload {
  const log = current?.data.source.log;
  if (!current || !log) {
    throw new UserError(
      "Expected a trained model, found none. Train a model on the screen Train, or choose another workload.",
    );
  }
  const users = Math.min(defaultTraining.batchSize, listUsers(log, "train").length);
  const model = createShannonModel("own model", current.model.config);
  return { model, log: () => ({ name: log.name, log, users }) };
}

export function stepService(worker: LabWorker) {
  const measured = new WeakMap<Gpu, readonly AdapterMeasurement[]>();

  const profile = (request: ProfileRequest, call: ServiceCall<MeasurementProgress>): Promise<StepProfile> =>
    worker.runExclusively("A measurement is running", call.signal, async () => {
      const { log, model } = request.workload === TRAINED
        ? getTrainedWorkload(worker)
        : findWorkload(request);
      const onProgress = reportProgress(call);
      const gpu = await worker.gpu();
      const onProbe = (name: string, share: number) => onProgress(`The adapter: ${name}`, share);
      const probes = measured.get(gpu) ?? await measureAdapter(gpu, request.seconds / 20, onProbe);
      measured.set(gpu, probes);
      onProgress("The step: compiling", 0);
      const { log: clicks, users, name } = log();
      using recording = await model.record(gpu, clicks, users);
      const facts = listDispatches(recording);
      const onStep = (text: string, share: number) => onProgress(`The step: ${text}`, share);
      const parts = await profileRecording(gpu, recording, { seconds: request.seconds, onProgress: onStep });
      const clock = await chooseClock(gpu, () => {});
      return { result: { workload: name, model: model.name, ...parts }, facts, probes, clock };
    });

  /** Lists the available workloads and models. Workloads with `ownModel` have a model of their own. */
  const choices = () => {
    const data = worker.current?.data.source.name;
    const own = data === undefined
      ? []
      : [{ name: TRAINED, about: `${data}, on the model that you trained last`, ownModel: true }];
    return {
      workloads: [...own, ...logs.map(({ name, about }) => ({ name, about, ownModel: false }))],
      models: models.map(({ name }) => name),
    };
  };

  return { choices, profile };
}

export type StepPhase = "batch" | "forward" | "backward" | "optimiser";

export interface BindingSummary {
  readonly name: string;
  readonly access: BindingAccess;
  readonly memory: "storage" | "uniform" | "texture";
  readonly bytes: number;
}

export interface KernelSummary extends IndexScope {
  /** WGSL text of the kernel, as passed to the driver. */
  readonly text: string;
  readonly constants: readonly (readonly [name: string, value: number | boolean])[];
  readonly bindings: readonly BindingSummary[];
  /** Number of invocations with work along x and y (without those that only fill the last workgroups). */
  readonly invocations: readonly [x: number, y: number];
}

export interface DispatchSummary {
  readonly label: string;
  readonly kernel: string;
  readonly phase: StepPhase;
  readonly node?: DispatchNode;
  /** Summary of the kernel; undefined for a copy to a texture, which runs no kernel. */
  readonly code?: KernelSummary;
}

/** Lists a step's dispatches and its copies of outputs to textures, in the order of execution. */
function listDispatches(recording: Recording): DispatchSummary[] {
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
          ...buildIndexScope(program, k, sizes, slice, recording.trainer.plan.dimensions),
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

type BoundKernel = Pick<DispatchSpec, "kernel" | "views">;
function listBindings({ kernel, views }: BoundKernel, text: string): BindingSummary[] {
  const accesses = classifyBindings(kernel, text);
  return kernel.bindings.map(({ name, kind }): BindingSummary => {
    const view = views[name];
    if (name === STEP || name === STEPS || !view) {
      return { name, access: "reads", memory: "uniform", bytes: STEP_BYTES };
    }
    const access = accesses.get(name) ?? "reads";
    const isRead = isTexture(view) && kind === "read";
    const memory = isRead ? "texture" : !isTexture(view) && isUniform(view) ? "uniform" : "storage";
    return { name, access, memory, bytes: view.size };
  });
}
