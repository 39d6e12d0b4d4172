/** A step of a model as a recorded program: forward over a batch, and for training all gradients and Adam. */

import { BatchIndexBuffers } from "../batch/batch_buffers.ts";
import { ClickTape } from "../batch/click_tape.ts";
import type { ClickDispatch, ClickSizes } from "../batch/click_sizes.ts";
import type { DeviceLog, LogWithCounts } from "../batch/device_log.ts";
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

/** How a model is recorded. */
export interface RecordingOptions {
  /** In training batch normalisation takes the batch's statistics, and rows may hide their items. */
  readonly training: boolean;
  readonly itemDropout: number;
  /** What of the history is there already. */
  readonly given?: EncodedState;
}

/** What is made of the history, where that is not left to the model's encoder. */
export interface EncodedState {
  /** [events, H] an LSTM's state. */
  readonly lstm?: Tensor;
  /** [events, N] what the history gives the first layer, with its bias. */
  readonly first?: Tensor;
  /** [events, K] the same of the wide part. */
  readonly wide?: Tensor;
  /** [events, .] the last clicks that counts look back at. */
  readonly recent?: Tensor;
}
export const evaluating: RecordingOptions = { training: false, itemDropout: 0 };

/** What programs and evaluations need of a model. */
export interface RecordableModel {
  /** Where it stands. */
  readonly gpu: Gpu;
  /** What it is. */
  readonly config: ModelConfig;
  /**
   * Its weights.
   * @internal
   */
  readonly parameters: ParameterArena;
  /**
   * Records the model on a tape, over the items of its batch. @returns [rows, 1] utilities; who reads them says how they are made
   * @internal
   */
  record(tape: ClickTape, options: RecordingOptions): ClickScores;
}

/** What a log has to know for the counts of a model, none of whose users were counted; undefined for a model without. */
export function loadUncountedLog({ config }: Pick<RecordableModel, "config">): LogWithCounts | undefined {
  return config.counts ? {} : undefined;
}

export interface ModelProgramOptions {
  readonly name: string;
  readonly log: DeviceLog;
  /** Its capacity is the program's. */
  readonly plan: BatchPlan;
  /** vec4f slots for sums of loss, prec@1, prec@2, clicks. */
  readonly ring: View;
  /** Absent: only evaluate. */
  readonly training?: ModelTraining;
}

export interface ModelTraining {
  readonly adam: AdamState;
  readonly itemDropout: number;
  /** Whether there are batches in several parts. */
  readonly inParts?: boolean;
  /** Where several processes share a batch. */
  readonly shared?: GradientExchangeFactory;
}

/** Makes what takes the place of Adam behind a tape's backward, where several processes share a batch. */
export type GradientExchangeFactory = (
  adam: AdamState,
  tape: ClickTape,
  steps: GPUBuffer,
  arena: Arena,
) => Promise<SharedGradient<ClickSizes>>;

/** What follows a network's gradients in a step; both undefined of a network that stays as it is. */
export interface WeightUpdate {
  /** Moves the weights by the gradients of all parts of the batch. */
  readonly sum: GradientSum<ClickSizes> | undefined;
  /** In the place of the sum, where several processes share a batch. */
  readonly shared: SharedGradient<ClickSizes> | undefined;
}

/** @param tape of the network; its backward is recorded. */
export async function recordUpdate(
  adam: AdamState | undefined,
  tape: ClickTape | undefined,
  { inParts = false, shared }: Pick<ModelTraining, "inParts" | "shared">,
  steps: GPUBuffer,
  arena: Arena,
): Promise<WeightUpdate> {
  if (!adam || !tape) return { sum: undefined, shared: undefined };
  return shared
    ? { sum: undefined, shared: await shared(adam, tape, steps, arena) }
    : { sum: await GradientSum.create(adam, tape, steps, arena, { inParts }), shared: undefined };
}

export class ModelProgram {
  private constructor(
    /** Lays out the batches of as many steps as the plan has slices; empty in an evaluation, whose program does that itself. */
    readonly layout: Program<ClickSizes>,
    /** Forward, and in training the gradients. */
    readonly program: Program<ClickSizes>,
    /** What follows it in training. */
    readonly update: WeightUpdate,
    /** [rows, 1] */
    readonly utilities: Tensor,
    /** [events, 4] loss, prec@1, prec@2, clicked */
    readonly outcomes: Tensor,
    readonly arena: Arena,
  ) {}

  /** @throws UserError when the batch exceeds what the adapter can hold. */
  static async create(model: RecordableModel, options: ModelProgramOptions): Promise<ModelProgram> {
    const { plan, name } = options;
    using stack = new DisposableStack();
    const arena = stack.use(new Arena(model.gpu, name));
    const { layout, gradients, utilities, outcomes, tape } = recordModelStep(model, options, arena);
    const record = (part: string, dispatches: readonly ClickDispatch[]) =>
      Program.record(model.gpu, part, plan.steps, dispatches);
    const { training = {} } = options;
    const apart = options.training !== undefined;
    const programs = new ModelProgram(
      await record(`${name} layout`, apart ? layout : []),
      await record(name, apart ? gradients : [...layout, ...gradients]),
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

/** The dispatches of a step, and where its results stand. */
export interface RecordedModelStep {
  /** Of the batch. */
  readonly layout: readonly ClickDispatch[];
  /** Forward, and in training the gradients, partial sums of them as a rule. */
  readonly gradients: readonly ClickDispatch[];
  readonly utilities: Tensor;
  readonly outcomes: Tensor;
  readonly tape: ClickTape;
}

/** @param arena for everything that the step writes. */
export function recordModelStep(
  model: RecordableModel,
  { log, plan, ring, training }: ModelProgramOptions,
  arena: Arena,
): RecordedModelStep {
  const { capacity } = plan;
  const { parameters } = model;
  const batch = new BatchIndexBuffers(arena, plan.view, log, capacity, plan);
  const { variants } = model.gpu;
  const touchedOnly = training?.adam.kind === "row-sparse";
  const tape = new ClickTape(batch, { arena, parameters, capacity, variants, sparseGradients: touchedOnly });
  const mode = training ? { training: true, itemDropout: training.itemDropout } : evaluating;
  const scores = model.record(tape, mode);
  const { eta, loss: kind } = model.config;
  const place = recordPositionEffect(tape, model.config);
  const loss = { train: training !== undefined, eta, loss: kind, place };
  const outcomes = choiceNll(tape, "choice", scores, ring, loss);
  tape.place();
  const forward = tape.forward();
  const backward = training ? tape.backward() : [];
  // Comes last: what gradients need of the batch is known only after they are recorded.
  const own = batch.ownDispatches();
  return {
    layout: batch.layout(),
    gradients: [...own, ...forward, ...backward],
    utilities: getMaterialized(scores),
    outcomes,
    tape,
  };
}
