/** What an op is recorded with: its batch on the device, with canaries behind every buffer, and a tape over it. */

import { BatchBuffers } from "../../batch/batch_buffers.ts";
import type { ClickSizes } from "../../batch/click_sizes.ts";
import { ClickTape } from "../../batch/click_tape.ts";
import { DeviceLog } from "../../batch/device_log.ts";
import { batchCapacity, Plan } from "../../batch/plan.ts";
import { type ReferenceBatch, referenceBatch } from "../../batch/reference_batch.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { Made } from "../../gpu/made.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import type { Node } from "../../tape/node.ts";
import { ParameterArena } from "../../tape/parameters.ts";
import type { Tensor } from "../../tape/tensor.ts";
import { CanaryArena } from "../harness.ts";
import type { OpCase } from "./op_case.ts";

/** Of the step: any number. */
const NOISE = 0x9e3779b9;

export interface OpBench {
  readonly arena: CanaryArena;
  readonly plan: Plan;
  readonly sizes: ClickSizes;
  readonly batch: BatchBuffers;
  /** The same batch as references read it. */
  readonly batch64: ReferenceBatch;
  readonly tape: ClickTape;
}

/** @param made is to free it. */
export function opBench(
  gpu: Gpu,
  { log, users, parameters, touchedOnly, counted }: OpCase,
  made: Made,
): OpBench {
  const capacity = batchCapacity(log, users, users.length);
  const arena = made.keep(new CanaryArena(gpu, "test"));
  const deviceLog = made.keep(new DeviceLog(gpu, log, undefined, undefined, counted));
  const plan = made.keep(new Plan(gpu, log, capacity, 1));
  const sizes = plan.put(0, users, { slot: 0, learningRate: 0, iteration: 0, noise: NOISE });
  plan.upload(0, 1);
  const batch = new BatchBuffers(arena, plan.view, deviceLog, capacity);
  const tape = new ClickTape(batch, {
    arena,
    parameters: made.keep(new ParameterArena(gpu, parameters)),
    capacity: sizes,
    shapes: gpu.shapes,
    touchedOnly,
  });
  return { arena, plan, sizes, batch, batch64: referenceBatch(log, users, NOISE, counted?.latest), tape };
}

/** An op on the tape, and the dispatches of it and its gradients. */
export interface RecordedOp {
  readonly node: Node<ClickSizes, ReferenceBatch>;
  /** Of each time that it was recorded on the same inputs, the node's own last. */
  readonly outputs: readonly Tensor[];
  /** Inputs whose gradients it makes. */
  readonly trainable: readonly Tensor[];
  /** Without those that lay out the batch. */
  readonly own: readonly DispatchSpec<ClickSizes>[];
  readonly all: readonly DispatchSpec<ClickSizes>[];
}

/** @param uses how often it is recorded. @throws Error where the op under test is not the last one. */
export function recordOp(
  { tape, batch }: OpBench,
  { build, forwardOnly }: OpCase,
  leaves: ReadonlyMap<string, Tensor>,
  uses: number,
): RecordedOp {
  const outputs = Array.from(
    { length: uses },
    () => build(tape, (name) => leaves.get(name) ?? tape.parameter(name)),
  );
  tape.place();
  const node = tape.nodes.at(-1);
  if (!node || node.output !== outputs.at(-1)) {
    throw new Error("expected the op under test to be the last one");
  }
  const forward = tape.forward();
  const backward = forwardOnly ? [] : tape.backward(outputs);
  const own = [...batch.ownDispatches(), ...forward, ...backward];
  const trainable = forwardOnly ? [] : node.inputs.filter((t) => t.trainable);
  return { node, outputs, trainable, own, all: [...batch.layout(), ...own] };
}
