/** GPU program of a step of a model: forward pass over a batch; in training, also gradients and update. */

import { BatchIndexBuffers } from "../batch/batch_buffers.ts";
import { ClickTape } from "../batch/click_tape.ts";
import type { ClickDispatch, ClickSizes } from "../batch/click_sizes.ts";
import type { DeviceLog } from "../batch/device_log.ts";
import type { LogWithCounts } from "../counts/page_counts.ts";
import type { BatchPlan } from "../batch/plan.ts";
import { Arena } from "../gpu/arena.ts";
import type { Gpu } from "../gpu/device.ts";
import { Program } from "../gpu/program.ts";
import type { View } from "../gpu/memory.ts";
import type { AdamState } from "../ops/adam.ts";
import { choiceNll } from "../ops/choice_nll.ts";
import { GradientSum, type SharedGradient } from "../ops/gradient_sum.ts";
import { type ClickScores, getMaterialized } from "../ops/row_dot.ts";
import type { ParameterArena } from "../tape/parameters.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { ModelConfig } from "./model_config.ts";
import { recordPositionEffect } from "./position_effect.ts";

export interface RecordingOptions {
  /** True for training: item dropout is applied, and batch normalisation uses the batch's statistics. */
  readonly training: boolean;
  readonly itemDropout: number;
  /** True if the caller reads the tensor `first` of {@link EncodedState}, so that it must be stored. */
  readonly storesState?: boolean;
  /** Tensors of the encoded click history, if they are already computed. */
  readonly encoded?: EncodedState;
}

/** Encoded click history. The model computes all tensors that are undefined here. */
export interface EncodedState {
  /** Tensor [events, H]: states of an LSTM. */
  readonly lstm?: Tensor;
  /** Tensor [events, N]: W_state s + bias, from the utility network's first layer. */
  readonly first?: Tensor;
  /** Tensor [events, K]: the vector b + A h in the wide part (see utility.ts). */
  readonly wide?: Tensor;
  /** Tensor with the last clicks before each event, an input of the count features. */
  readonly recent?: Tensor;
}
export const evaluating: RecordingOptions = { training: false, itemDropout: 0 };

export interface RecordableModel {
  readonly gpu: Gpu;
  readonly config: ModelConfig;
  /** @internal */
  readonly parameters: ParameterArena;
  /** @internal Adds the model's ops to a tape, for the tape's batch. @returns utilities [rows, 1] */
  record(tape: ClickTape, options: RecordingOptions): ClickScores;
}

/** Returns settings for count features of new users, who are not in the model's count tables. */
export function loadUncountedLog({ config }: Pick<RecordableModel, "config">): LogWithCounts | undefined {
  const { counts } = config;
  return counts ? { sampledPages: counts.sampledPages, rowFeatures: counts.rowFeatures } : undefined;
}

export interface ModelProgramOptions {
  readonly name: string;
  readonly log: DeviceLog;
  readonly plan: BatchPlan;
  /** Ring buffer of vec4f: each step's sums of loss, prec@1 and prec@2, and number of events with a click. */
  readonly ring: View;
  /** Training settings; undefined in an evaluation. */
  readonly training?: ModelTraining;
}

export interface ModelTraining {
  readonly adam: AdamState;
  readonly itemDropout: number;
  /** True if a batch may have several micro-batches. */
  readonly accumulates?: boolean;
  /** Function that creates the exchange of gradients between ranks; undefined for a single process. */
  readonly shared?: GradientExchangeFactory;
}

/** Creates the object that sums gradients over all ranks (processes). */
export type GradientExchangeFactory = (
  adam: AdamState,
  tape: ClickTape,
  steps: GPUBuffer,
  arena: Arena,
) => Promise<SharedGradient<ClickSizes>>;

/** Update of a network's weights by `sum` or `shared`, which are both undefined in an evaluation. */
export interface WeightUpdate {
  /** Sums the gradients of all micro-batches, and updates the weights. */
  readonly sum: GradientSum<ClickSizes> | undefined;
  /** Sums the gradients of all ranks, and updates the weights. Replaces `sum` in a distributed training. */
  readonly shared: SharedGradient<ClickSizes> | undefined;
}

/** Creates the update of a network's weights. @param tape - the network's tape, with its backward pass */
export async function recordUpdate(
  adam: AdamState | undefined,
  tape: ClickTape | undefined,
  { accumulates = false, shared }: Pick<ModelTraining, "accumulates" | "shared">,
  steps: GPUBuffer,
  arena: Arena,
): Promise<WeightUpdate> {
  if (!adam || !tape) return { sum: undefined, shared: undefined };
  return shared
    ? { sum: undefined, shared: await shared(adam, tape, steps, arena) }
    : { sum: await GradientSum.create(adam, tape, steps, arena, { accumulates }), shared: undefined };
}

export class ModelProgram {
  private constructor(
    /** Program that builds a batch's index arrays; empty in an evaluation, where `program` builds them. */
    readonly layout: Program<ClickSizes>,
    readonly program: Program<ClickSizes>,
    readonly update: WeightUpdate,
    readonly utilities: Tensor,
    /** Tensor [events, 4]: loss, prec@1, prec@2, and 1 if the event has a click. */
    readonly outcomes: Tensor,
    readonly arena: Arena,
  ) {}

  /** @throws UserError if a buffer for the batches exceeds a limit of the adapter. */
  static async create(model: RecordableModel, options: ModelProgramOptions): Promise<ModelProgram> {
    const { plan, name } = options;
    using stack = new DisposableStack();
    const arena = stack.use(new Arena(model.gpu, name));
    const { layout, gradients, utilities, outcomes, tape } = recordModelStep(model, options, arena);
    const record = (part: string, dispatches: readonly ClickDispatch[]) =>
      Program.record(model.gpu, part, plan.steps, dispatches);
    const { training = {} } = options;
    const isSeparate = options.training !== undefined;
    const programs = new ModelProgram(
      await record(`${name} layout`, isSeparate ? layout : []),
      await record(name, isSeparate ? gradients : [...layout, ...gradients]),
      await recordUpdate(options.training?.adam, tape, training, plan.steps, arena),
      utilities,
      outcomes,
      arena,
    );
    stack.move();
    return programs;
  }

  [Symbol.dispose](): void {
    this.arena.destroy();
  }
}

export interface RecordedModelStep {
  readonly layout: readonly ClickDispatch[];
  /** Dispatches of the forward pass and, in training, the backward pass. */
  readonly gradients: readonly ClickDispatch[];
  readonly utilities: Tensor;
  readonly outcomes: Tensor;
  readonly tape: ClickTape;
}

/** Adds all ops of a model's step to a tape. @param arena - owner of all buffers that the step writes */
export function recordModelStep(
  model: RecordableModel,
  { log, plan, ring, training }: ModelProgramOptions,
  arena: Arena,
): RecordedModelStep {
  const { capacity, dimensions } = plan;
  const { parameters } = model;
  const batch = new BatchIndexBuffers(arena, plan.view, log, capacity, plan);
  const { variants } = model.gpu;
  const sparse = training?.adam.kind === "row-sparse";
  const own = { arena, dimensions, parameters, capacity, variants };
  const tape = new ClickTape(batch, { ...own, sparseGradients: sparse });
  const mode = training ? { training: true, itemDropout: training.itemDropout } : evaluating;
  const scores = model.record(tape, mode);
  const { eta, loss: kind } = model.config;
  const positionEffect = recordPositionEffect(tape, model.config);
  const loss = { train: training !== undefined, eta, loss: kind, positionEffect };
  const outcomes = choiceNll(tape, "choice", scores, ring, loss);
  tape.place();
  const forward = tape.forward();
  const backward = training ? tape.backward() : [];
  // These dispatches come last, because the recorded gradients determine which index arrays are needed.
  const rows = batch.ownDispatches();
  return {
    layout: batch.layout(),
    gradients: [...rows, ...forward, ...backward],
    utilities: getMaterialized(scores),
    outcomes,
    tape,
  };
}
