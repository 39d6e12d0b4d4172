/** A step of a model as a recorded program: forward over a batch, and for training all gradients and Adam. */

import { BatchBuffers } from "../batch/batch_buffers.ts";
import type { DeviceItems, DeviceLog } from "../batch/device_log.ts";
import type { Plan } from "../batch/plan.ts";
import { Arena } from "../gpu/arena.ts";
import type { Gpu } from "../gpu/device.ts";
import { Program, type View } from "../gpu/program.ts";
import type { AdamState } from "../ops/adam.ts";
import { choiceNll } from "../ops/choice_nll.ts";
import type { ParameterArena } from "../tape/parameters.ts";
import { Tape } from "../tape/tape.ts";
import type { Tensor } from "../tape/tensor.ts";

/** What a program needs of a model. */
export interface RecordableModel {
  readonly gpu: Gpu;
  readonly items: DeviceItems;
  readonly parameters: ParameterArena;
  /** Records the model on a tape. @returns utilities [rows, 1] */
  record(tape: Tape): Tensor;
}

export interface ModelProgramOptions {
  readonly name: string;
  readonly log: DeviceLog;
  /** Its capacity is the program's. */
  readonly plan: Plan;
  /** vec4f slots for sums of loss, prec@1, prec@2, clicks. */
  readonly ring: View;
  /** Given: train. Absent: only evaluate. */
  readonly adam?: AdamState;
}

export class ModelProgram {
  private constructor(
    readonly program: Program,
    /** [rows, 1] */
    readonly utilities: Tensor,
    /** [events, 4] loss, prec@1, prec@2, clicked */
    readonly outcomes: Tensor,
    readonly arena: Arena,
  ) {}

  /** @throws UserError when the batch exceeds what the adapter can hold. */
  static async create(model: RecordableModel, options: ModelProgramOptions): Promise<ModelProgram> {
    const { log, plan, ring, adam, name } = options;
    const { capacity } = plan;
    const arena = new Arena(model.gpu, name);
    try {
      const batch = new BatchBuffers(arena, plan.view, model.items, log, capacity);
      const { parameters } = model;
      const tape = new Tape({ arena, batch, parameters, capacity, shapes: model.gpu.shapesFor });
      const utilities = model.record(tape);
      const outcomes = choiceNll(tape, "choice", utilities, ring, adam !== undefined);
      const specs = [...batch.dispatches(), ...tape.forward()];
      if (adam) specs.push(...tape.backward(), ...adam.dispatches());
      const program = await Program.record(model.gpu, name, plan.steps, specs);
      return new ModelProgram(program, utilities, outcomes, arena);
    } catch (error) {
      arena.destroy();
      throw error;
    }
  }

  destroy(): void {
    this.arena.destroy();
  }
}
