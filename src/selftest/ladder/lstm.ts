/** The LSTM and its way back: the problems of two ladders, and their steps. */

import lstmBackNaive from "../../../kernels/lstm/lstm_backward_1_naive.wgsl" with { type: "text" };
import lstmBackWorkgroup from "../../../kernels/lstm/lstm_backward_2_workgroup.wgsl" with { type: "text" };
import lstmBackVectors from "../../../kernels/lstm/lstm_backward_3_vectors.wgsl" with { type: "text" };
import lstmNaive from "../../../kernels/lstm/lstm_forward_1_naive.wgsl" with { type: "text" };
import lstmWorkgroup from "../../../kernels/lstm/lstm_forward_2_workgroup.wgsl" with { type: "text" };
import lstmVectors from "../../../kernels/lstm/lstm_forward_3_vectors.wgsl" with { type: "text" };
import type { ReferenceBatch } from "../../batch/reference_batch.ts";
import { NONE } from "../../data/click_log.ts";
import { kernel } from "../../gpu/kernel.ts";
import { keptBytes, type LstmDirection, usersOf } from "../../gpu/kernel_shapes.ts";
import { reference as lstmReference } from "../../ops/lstm.ts";
import { groupShape, lstmKernels, type WeightsIn } from "../../ops/lstm_kernels.ts";
import { padded } from "../../tape/layout.ts";
import { at, type Matrix, matrix, sigmoid } from "../../tape/reference.ts";
import type { Step } from "./check.ts";
import {
  drawing,
  noBatch,
  output,
  type Problem,
  type Size,
  upload,
  uploadEvents,
  uploadWeights,
} from "./problem.ts";

/**
 * An LSTM of H units over [users, events]; every third user has an event less, and now and then nothing was clicked.
 * @param hard every second column of what goes into the gates is up to 100, and every fourth user has no events.
 */
function lstmCase(size: Size, hard: boolean) {
  const [users = 1, most = 1, H = 1] = size;
  const draw = drawing(size);
  const userFirst = [0];
  for (let user = 0; user < users; user++) {
    const own = hard && user % 4 === 2 ? 0 : Math.max(1, most - (user % 3 === 1 ? 1 : 0));
    userFirst.push((userFirst.at(-1) ?? 0) + own);
  }
  const E = userFirst.at(-1) ?? 0;
  const last = new Set(userFirst.map((first) => first - 1));
  // Event e is fed row e of the input, as the kernel has it without a table.
  const fed = Array.from({ length: E }, (_, e) => last.has(e) || e % 7 === 3 ? NONE : e);
  const events = fed.map((fed) => ({ first: 0, end: 0, click: NONE, fed }));
  const input = draw(E, 4 * H);
  if (hard) input.data.forEach((x, k) => input.data[k] = k % 2 === 1 ? Math.fround(100 * x) : x);
  const weights = draw(H, 4 * H, 1 / Math.sqrt(H));
  const bias = draw(1, 4 * H);
  const batch = { ...noBatch, userFirst, events };
  const { output: state, backward } = lstmReference(undefined, input, weights, bias, batch);
  const { cell, gates } = lstmGates(state, [input, weights, bias], batch);
  const H4 = padded(H) / 4;
  return {
    ...{ E, H, fed, input, weights, bias, state, backward, cell, gates, draw },
    terms: (H + 16) * Math.min(most, 8),
    shared: {
      plan: Uint32Array.from(userFirst.flatMap((first, user) => [user, first, 0, 0])),
      event: uploadEvents(events),
      weights: uploadWeights(weights, 4),
    },
    rest: {
      constants: { H4, TABLE: false },
      sizes: { users, events: E, rows: 1, items: 1 },
      cost: { flops: E * 8 * H * H, bytes: E * 16 * H4 * 10 },
    },
  };
}

export function lstmProblem(size: Size, hard = false): Problem {
  const { H, fed, input, bias, state, cell, gates, terms, shared, rest } = lstmCase(size, hard);
  const fedOnly = output(gates, terms, 4);
  return {
    inputs: { ...shared, input: upload(input, 4), bias: upload(bias, 4) },
    outputs: {
      state: output(state, terms),
      cell: output(cell, terms),
      gates: {
        ...fedOnly,
        // A sigmoid of what pads a row is 0.5.
        pads: undefined,
        // Nothing is written for an event without a click.
        dense: (found, chunks) =>
          Array.from(fedOnly.dense(found, chunks), (x, k) => fed[Math.floor(k / (4 * H))] === NONE ? 0 : x),
      },
    },
    ...rest,
  };
}

/** The way back through the same LSTM, from gradients of its states. */
export function lstmBackwardProblem(size: Size, hard = false): Problem {
  const { E, H, backward, cell, gates, terms, shared, rest, draw } = lstmCase(size, hard);
  const gradient = draw(E, H);
  // Event e is fed row e of the input, so the input's gradient is that of the gates.
  const [gateGradient = matrix(0, 0)] = backward(gradient);
  return {
    inputs: { ...shared, cell: upload(cell), gates: upload(gates, 4), state_gradient: upload(gradient) },
    outputs: { gate_gradient: output(gateGradient, 4 * terms, 4) },
    ...rest,
  };
}

/** The LSTM's other outputs, from the states that its reference gave. */
function lstmGates(
  state: Matrix,
  [input, weights, bias]: readonly [Matrix, Matrix, Matrix],
  { userFirst, events }: ReferenceBatch,
): { cell: Matrix; gates: Matrix } {
  const H = state.columns;
  const cell = matrix(state.rows, H);
  const gates = matrix(state.rows, 4 * H);
  const firsts = new Set(userFirst);
  let c = new Float64Array(H);
  events.forEach(({ fed }, e) => {
    if (firsts.has(e)) c = new Float64Array(H);
    cell.data.set(c, e * H);
    if (fed === NONE) return;
    c = c.map((before, j) => {
      const [i = 0, g = 0, f = 0, o = 0] = [0, 1, 2, 3].map((gate) => {
        let z = at(input, e, gate * H + j) + at(bias, 0, gate * H + j) + (gate === 2 ? 1 : 0);
        for (let k = 0; k < H; k++) z += at(state, e, k) * at(weights, k, gate * H + j);
        return gate === 1 ? Math.tanh(z) : sigmoid(z);
      });
      [i, g, f, o].forEach((value, gate) => gates.data[e * 4 * H + gate * H + j] = value);
      return f * before + i * g;
    });
  });
  return { cell, gates };
}

/** What the ways differ in: the study's texts, small inputs that may be uniforms, and what a mat4x4f holds. */
const WAYS = {
  forward: {
    texts: { naive: lstmNaive, workgroup: lstmWorkgroup, vectors: lstmVectors },
    uniforms: ["weights", "bias"],
    matrices: "four k at a time, mat4x4f",
  },
  backward: {
    texts: { naive: lstmBackNaive, workgroup: lstmBackWorkgroup, vectors: lstmBackVectors },
    uniforms: ["weights"],
    matrices: "four units of the sum at a time, mat4x4f",
  },
} as const;

export function lstmSteps(direction: LstmDirection): Step[] {
  const { texts: { naive, workgroup, vectors }, uniforms, matrices } = WAYS[direction];
  const { loop, panel } = lstmKernels[direction];
  const users = (each: number) => ({
    constants: () => ({ USERS: each }),
    invocations: ([users = 1]: Size) => [Math.ceil(users / each)] as const,
  });
  const oneEach: Step["invocations"] = ([users = 1]) => [users];
  const group = (size: Size) => 4 * padded(size[2] ?? 1);
  const name = `lstm_${direction}`;
  const fours = { kernel: kernel(`${name}_3_vectors`, vectors), invocations: oneEach };
  const where = Object.fromEntries(uniforms.map((input) => [input, "uniform" as const]));
  return [
    { kernel: kernel(`${name}_1_naive`, naive), idea: "one user an invocation", invocations: oneEach },
    {
      kernel: kernel(`${name}_2_workgroup`, workgroup),
      idea: "a workgroup a user",
      constants: (size) => ({ WORKGROUP: group(size) }),
      invocations: (size) => [(size[0] ?? 1) * group(size)],
      refuses: (size) => group(size) <= 256 ? undefined : TOO_MANY,
    },
    { ...fours, idea: "four units at a time", changes: 1 },
    { ...fours, idea: "weights in a uniform buffer", where },
    { kernel: loop, idea: matrices, where, ...users(1) },
    {
      kernel: loop,
      idea: "four users an invocation (shipped for many units)",
      where,
      ...users(4),
    },
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
      ...groupStep(direction, () => 1, "cache"),
      idea: "a unit an invocation, one barrier an event",
      changes: 2,
    },
    { ...groupStep(direction, () => 1, "workgroup"), idea: "weights in workgroup memory" },
    { ...groupStep(direction, () => 4, "workgroup"), idea: "four users a workgroup" },
    {
      ...groupStep(direction, (units) => usersOf("group", units / 4) ?? 1, "registers"),
      idea: "weights in registers, users for 64 invocations (shipped for GPUs)",
    },
  ];
}

const TOO_MANY = "needs more than 256 invocations a workgroup";

/** The LSTM with an invocation a unit. @param each users of a workgroup, by units. */
function groupStep(
  direction: LstmDirection,
  each: (units: number) => number,
  weights: WeightsIn,
): Omit<Step, "idea"> {
  const units = (size: Size) => padded(size[2] ?? 1);
  const shape = (size: Size) => groupShape(direction, units(size) / 4, each(units(size)), weights);
  return {
    kernel: lstmKernels[direction].group,
    constants: (size) => shape(size).constants,
    invocations: (size) => [{ of: "users", ...shape(size).invocations }],
    refuses: (size, workgroupBytes) => {
      const users = each(units(size));
      if (users * units(size) > 256) return TOO_MANY;
      const needed = keptBytes(direction, units(size), users);
      return weights !== "workgroup" || needed <= workgroupBytes
        ? undefined
        : `needs ${needed} bytes of workgroup memory`;
    },
  };
}
