/**
 * An op on a batch, run on the device and beside its reference in float64: output, all gradients, words behind every buffer,
 * and two runs that must give the same bits.
 */

import type { Gpu } from "../../gpu/device.ts";
import { Made } from "../../gpu/made.ts";
import { Program } from "../../gpu/program.ts";
import { shareLaunches } from "../../gpu/share_launch.ts";
import { readFloats } from "../../gpu/readback.ts";
import { extent } from "../../gpu/sizes.ts";
import type { Checks } from "../finding.ts";
import { kernelsOf, twice, writersOf } from "../harness.ts";
import {
  drawInputs,
  type OpBench,
  opBench,
  type OpCase,
  type RecordedOp,
  recordOp,
  type ReferenceRun,
  runReference,
  uploadLeaves,
  uploadOutputGradient,
} from "./op_bench.ts";
import {
  checkParameters,
  checkSums,
  compare,
  compareGradients,
  compareMoved,
  gradientOf,
} from "./op_compare.ts";

export interface RunOptions {
  /** How often the op is recorded on the same inputs: gradients are then added to what is there. */
  readonly uses?: 1 | 2;
  readonly inspect?: (run: ReferenceRun) => void;
}

const RUNS = 2;

/**
 * Runs an op twice and compares what it computed.
 * @returns the names of the kernels that ran. @throws Error for a case that is no test.
 */
export async function runOp(
  gpu: Gpu,
  c: OpCase,
  checks: Checks,
  { uses = 1, inspect }: RunOptions = {},
): Promise<string[]> {
  using made = new Made();
  const bench = opBench(gpu, c, made);
  const { arena, tape, sizes } = bench;
  const inputs = drawInputs(tape, c);
  const op = recordOp(bench, c, inputs.leaves, uses);
  uploadLeaves(tape, inputs);
  const { node: { op: name, output }, outputs, own, all } = op;

  const outputGradient = c.loss || c.forwardOnly
    ? undefined
    : inputs.draw(extent(output.rows, sizes), output.columns);
  const reference = runReference(c, bench, op, inputs.values, outputGradient);
  inspect?.(reference);
  if (outputGradient) {
    for (const tensor of outputs) uploadOutputGradient(tape, tensor, outputGradient, reference.output);
  }

  const [value, ...gradients] = await run(bench, op, checks);
  const by = { sizes, checks, tolerance: c.tolerance };
  compare(by, `${name} output`, writersOf(own, output.view), output, value, reference.output);
  if (c.loss && value) await checkSums(arena, all, value, output, by);
  compareGradients(by, tape, op, gradients, reference);
  if (c.moves) await compareMoved(by, tape.options.parameters, op, c.moves(inputs.values, RUNS * uses));
  const kernels = kernelsOf(all);
  await checkParameters(tape.options.parameters, all, checks);
  return kernels;
}

/** The output and all gradients of two runs, which must be the same. */
async function run(
  { arena, plan, tape, sizes }: OpBench,
  { node, trainable, own, all }: RecordedOp,
  checks: Checks,
): Promise<readonly Float32Array<ArrayBuffer>[]> {
  const { gpu } = arena;
  const program = await Program.record(gpu, "op", plan.steps, shareLaunches(gpu, all));
  return await twice(arena, checks, all, {
    encode: (commands) => program.encode(commands, sizes, plan.offset(0)),
    read: () =>
      Promise.all([
        readFloats(gpu, node.output.view),
        ...trainable.map((t) => gradientOf(tape, t, sizes, checks, own)),
      ]),
  });
}
