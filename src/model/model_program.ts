/** A step of a model as a recorded program: forward over a batch, and for training all gradients and Adam. */

import { BatchBuffers } from "../batch/batch_buffers.ts";
import type { DeviceLog } from "../batch/device_log.ts";
import type { Plan } from "../batch/plan.ts";
import { Arena } from "../gpu/arena.ts";
import type { Gpu } from "../gpu/device.ts";
import { type DispatchSpec, Program } from "../gpu/program.ts";
import type { View } from "../gpu/memory.ts";
import type { AdamState } from "../ops/adam.ts";
import { choiceNll } from "../ops/choice_nll.ts";
import type { RowDotInputs } from "../ops/row_dot.ts";
import type { ParameterArena } from "../tape/parameters.ts";
import { Tape } from "../tape/tape.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { ModelConfig } from "./config.ts";

/** How a model is recorded. */
export interface RecordOptions {
  /** In training batch normalisation takes the batch's statistics, and rows may hide their items. */
  readonly training: boolean;
  readonly itemDropout: number;
}
export const evaluating: RecordOptions = { training: false, itemDropout: 0 };

/** What a program needs of a model. */
export interface RecordableModel {
  readonly gpu: Gpu;
  readonly config: ModelConfig;
  readonly parameters: ParameterArena;
  /** Records the model on a tape, over the items of its batch. */
  record(tape: Tape, options: RecordOptions & { fused?: boolean }): ModelOutput;
}

/** What a recorded model gives for every row. */
export interface ModelOutput {
  /** [rows, 1] */
  readonly utilities: Tensor;
  /** What they are made of in the last layer. */
  readonly last: RowDotInputs;
}

export interface ModelProgramOptions {
  readonly name: string;
  readonly log: DeviceLog;
  /** Its capacity is the program's. */
  readonly plan: Plan;
  /** vec4f slots for sums of loss, prec@1, prec@2, clicks. */
  readonly ring: View;
  /** Absent: only evaluate. */
  readonly training?: { readonly adam: AdamState; readonly itemDropout: number };
}

export class ModelProgram {
  private constructor(
    /** Lays out the batches of as many steps as the plan has slices; empty in an evaluation, whose program does that itself. */
    readonly layout: Program,
    readonly program: Program,
    /** [rows, 1] */
    readonly utilities: Tensor,
    /** [events, 4] loss, prec@1, prec@2, clicked */
    readonly outcomes: Tensor,
    readonly arena: Arena,
  ) {}

  /** @throws UserError when the batch exceeds what the adapter can hold. */
  static async create(model: RecordableModel, options: ModelProgramOptions): Promise<ModelProgram> {
    const { plan, name } = options;
    const arena = new Arena(model.gpu, name);
    try {
      const { layout, specs, utilities, outcomes } = modelSpecs(model, options, arena);
      const record = (part: string, dispatches: readonly DispatchSpec[]) =>
        Program.record(model.gpu, part, plan.steps, dispatches);
      const apart = options.training !== undefined;
      return new ModelProgram(
        await record(`${name} layout`, apart ? layout : []),
        await record(name, apart ? specs : [...layout, ...specs]),
        utilities,
        outcomes,
        arena,
      );
    } catch (error) {
      arena.destroy();
      throw error;
    }
  }

  destroy(): void {
    this.arena.destroy();
  }
}

/** The dispatches of a step, and where its results stand. */
export interface ModelSpecs {
  /** Of the batch. */
  readonly layout: readonly DispatchSpec[];
  readonly specs: readonly DispatchSpec[];
  readonly utilities: Tensor;
  readonly outcomes: Tensor;
}

/** @param arena for everything that the step writes. */
export function modelSpecs(
  model: RecordableModel,
  { log, plan, ring, training }: ModelProgramOptions,
  arena: Arena,
): ModelSpecs {
  const { capacity } = plan;
  const batch = new BatchBuffers(arena, plan.view, log, capacity, plan);
  const { parameters } = model;
  const { shapes } = model.gpu;
  const touchedOnly = training?.adam.kind === "row-sparse";
  const tape = new Tape({ arena, batch, parameters, capacity, shapes, touchedOnly });
  const mode = training ? { training: true, itemDropout: training.itemDropout } : evaluating;
  const { utilities, last } = model.record(tape, { ...mode, fused: true });
  const loss = { train: training !== undefined, eta: model.config.eta, last };
  const outcomes = choiceNll(tape, "choice", utilities, ring, loss);
  const specs = tape.forward();
  if (training) specs.push(...tape.backward(), ...training.adam.dispatches(tape.touched));
  // Last: gradients say what they need of the batch.
  specs.unshift(...batch.ownDispatches());
  return { layout: batch.layout(), specs, utilities, outcomes };
}
