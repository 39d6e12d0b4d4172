/** The two ladders (versions of a kernel, each faster) of the LSTM: forward and backward. */

import lstmBackNaive from "../../kernels/lstm/lstm_backward_1_naive.wgsl" with { type: "text" };
import lstmNaive from "../../kernels/lstm/lstm_forward_1_naive.wgsl" with { type: "text" };
import lstmWorkgroup from "../../kernels/lstm/lstm_forward_2_workgroup.wgsl" with { type: "text" };
import lstmVectors from "../../kernels/lstm/lstm_forward_3_vectors.wgsl" with { type: "text" };
import type { Gpu } from "../gpu/device.ts";
import { parseKernel } from "../gpu/kernel.ts";
import { computeLstmBytes, countGroupUsers, type LstmDirection } from "../gpu/kernel_variants.ts";
import { lstmKernels, type LstmWeightStorage, makeGroupUse } from "../ops/kernel_selection.ts";
import { padColumns } from "../tape/tensor.ts";
import { makeLstm } from "../selftest/ops/encoder_recipes.ts";
import { createOpTrial, forGpu } from "../selftest/ops/op_run.ts";
import { createHistoryLog } from "../selftest/small_logs.ts";
import type { LadderSize, LadderStep } from "./check_ladder.ts";

const F = 3;

/**
 * Creates a test case of an LSTM of H units over [users, events], forward and backward. Every third user has
 * one event fewer, and some events have no click.
 * @param hard - if true, half of the gate inputs are large (up to hundreds), and 1/4 of users have no events
 */
export function createLstmTrial(gpu: Gpu, [users = 1, most = 1, H = 1]: LadderSize, hard = false) {
  const log = createHistoryLog(users, {
    events: (user) => hard && user % 4 === 2 ? 0 : Math.max(1, most - (user % 3 === 1 ? 1 : 0)),
    clicks: (e) => e % 7 !== 3,
    width: F,
  });
  const x = Float32Array.from(
    { length: F * 4 * H },
    (_, k) => Math.sin(k + 1) * (hard && k % 2 === 1 ? 100 : 1),
  );
  const c = makeLstm(H)({ log, users: Array.from({ length: users }, (_, user) => user) });
  return createOpTrial(gpu, { ...c, values: new Map([["x", x]]) }, forGpu);
}

/** Properties of a ladder: naive kernel, inputs in uniform buffers, and description of its mat4x4f step. */
const DIRECTIONS = {
  forward: { naive: lstmNaive, uniforms: ["weights", "bias"], matrices: "four k at a time, mat4x4f" },
  backward: {
    naive: lstmBackNaive,
    uniforms: ["weights"],
    matrices: "steps 3 to 5 of the ladder lstm: vectors, a uniform buffer, mat4x4f",
  },
} as const;

/** Lists a ladder's steps. A backward step may combine the ideas of several forward steps. */
export function listLstmSteps(direction: LstmDirection): LadderStep[] {
  const { naive, uniforms, matrices } = DIRECTIONS[direction];
  const { loop, panel } = lstmKernels[direction];
  const users = (each: number) => ({
    constants: () => ({ USERS: each }),
    invocations: ([users = 1]: LadderSize) => [Math.ceil(users / each)] as const,
  });
  const oneEach: LadderStep["invocations"] = ([users = 1]) => [users];
  const group = (size: LadderSize) => 4 * padColumns(size[2] ?? 1);
  const fours = { kernel: parseKernel("lstm_forward_3_vectors", lstmVectors), invocations: oneEach };
  const where = Object.fromEntries(uniforms.map((input) => [input, "uniform" as const]));
  const forward: LadderStep[] = [
    {
      kernel: parseKernel("lstm_forward_2_workgroup", lstmWorkgroup),
      idea: "one workgroup per user",
      constants: (size) => ({ WORKGROUP: group(size) }),
      invocations: (size) => [(size[0] ?? 1) * group(size)],
      refuses: (size) => group(size) <= 256 ? undefined : TOO_MANY,
    },
    { ...fours, idea: "four units at a time", changes: 1 },
    { ...fours, idea: "weights in a uniform buffer", where },
  ];
  return [
    {
      kernel: parseKernel(`lstm_${direction}_1_naive`, naive),
      idea: "one user per invocation",
      invocations: oneEach,
    },
    ...(direction === "forward" ? forward : []),
    { kernel: loop, idea: matrices, where, ...users(1) },
    { kernel: loop, idea: "four users per invocation (shipped for many units)", where, ...users(4) },
    {
      kernel: panel,
      idea: "weights read once, before the loop (shipped)",
      invocations: oneEach,
      where: Object.fromEntries(
        uniforms.filter((input) => input !== "weights").map((input) => [input, "uniform"]),
      ),
      refuses: ([, , units = 1]) => units <= 32 ? undefined : "more than 32 units",
    },
    {
      ...createGroupStep(direction, () => 1, "cache"),
      idea: "one unit per invocation, one barrier per event",
      changes: direction === "forward" ? 2 : 1,
    },
    { ...createGroupStep(direction, () => 1, "workgroup"), idea: "weights in workgroup memory" },
    { ...createGroupStep(direction, () => 4, "workgroup"), idea: "four users per workgroup" },
    {
      ...createGroupStep(direction, (units) => countGroupUsers("group", units / 4) ?? 1, "registers"),
      idea: "weights in registers, users for 64 invocations (shipped for GPUs)",
    },
  ];
}

const TOO_MANY = "needs more than 256 invocations per workgroup";

/** Returns a step with one invocation per LSTM unit. @param each - returns the users per workgroup */
function createGroupStep(
  direction: LstmDirection,
  each: (units: number) => number,
  weights: LstmWeightStorage,
): Omit<LadderStep, "idea"> {
  const units = (size: LadderSize) => padColumns(size[2] ?? 1);
  const shape = (size: LadderSize) => makeGroupUse(direction, units(size) / 4, each(units(size)), weights);
  return {
    kernel: lstmKernels[direction].group,
    constants: (size) => shape(size).constants,
    invocations: (size) => [{ of: "users", ...shape(size).invocations }],
    refuses: (size, workgroupBytes) => {
      const users = each(units(size));
      if (users * units(size) > 256) return TOO_MANY;
      const needed = computeLstmBytes(direction, units(size), users);
      return weights !== "workgroup" || needed <= workgroupBytes
        ? undefined
        : `needs ${needed} bytes of workgroup memory`;
    },
  };
}
