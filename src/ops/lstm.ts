/** lstm: the state before every event, from the items that the user clicked before it. */

import backwardText from "../../kernels/lstm_backward.wgsl" with { type: "text" };
import forwardText from "../../kernels/lstm_forward.wgsl" with { type: "text" };
import type { ReferenceBatch } from "../batch/reference_batch.ts";
import { NONE } from "../data/click_log.ts";
import { kernel } from "../gpu/kernel.ts";
import type { DispatchSpec } from "../gpu/program.ts";
import {
  add,
  at,
  columnSums,
  type Matrix,
  matrix,
  product,
  type Reference,
  sigmoid,
} from "../tape/reference.ts";
import { type Call, expectShape, type Tape } from "../tape/tape.ts";
import type { Tensor } from "../tape/tensor.ts";
import { embeddingGradient, isTable } from "./first_layer.ts";
import { weightGradient } from "./linear.ts";

const forwardKernel = kernel("lstm_forward", forwardText);
const backwardKernel = kernel("lstm_backward", backwardText);

export interface LstmInputs {
  /** [events, 4H] the input product of the item that each event feeds; or a table parameter [I, 4H] */
  readonly input: Tensor;
  /** parameter [H, 4H], recurrent; gates i, g, f, o */
  readonly weights: Tensor;
  /** parameter [1, 4H] */
  readonly bias: Tensor;
}

/**
 * [events, H], zero before a user's first event. TensorFlow's BasicLSTMCell: forget bias 1 inside the sigmoid.
 * 8 E H^2 flops forward, 16 backward. @throws Error for shapes that do not fit.
 */
export function lstm(tape: Tape, name: string, { input, weights, bias }: LstmInputs): Tensor {
  const H = Number(weights.rows);
  const oneHot = isTable(input);
  if (!oneHot) expectShape("lstm", input, "events", 4 * H);
  expectShape("lstm", weights, H, 4 * H);
  expectShape("lstm", bias, 1, 4 * H);
  const output = tape.tensor(name, "events", H);
  const H4 = output.stride / 4;
  const cell = tape.saved(`${name} cell`, "events", output.stride);
  const gates = tape.saved(`${name} gates`, "events", 4 * output.stride);

  const forward = (call: Call): DispatchSpec[] => [{
    kernel: forwardKernel,
    label: `${name} forward`,
    constants: { H4, TABLE: oneHot },
    views: {
      plan: call.batch.plan,
      event: call.batch.event,
      input: input.view,
      weights: weights.view,
      bias: bias.view,
      state: output.view,
      cell,
      gates,
    },
    invocations: (s) => [s.users],
    cost: (s) => ({ flops: s.events * 8 * H * H, bytes: s.events * 16 * H4 * 10 }),
  }];

  const backward = (call: Call): DispatchSpec[] => {
    const target = call.gradient(input);
    if (!target || target.accumulate && !oneHot) {
      throw new Error(`lstm: expected ${input.name} to be trainable and to have no other use`);
    }
    // The gradient of the gates is the gradient of the input product; a table's is summed from it by item.
    const gateGradient = oneHot
      ? tape.saved(`${name} gate gradient`, "events", 4 * output.stride)
      : target.view;
    const specs: DispatchSpec[] = [
      {
        kernel: backwardKernel,
        label: `${name} gradient of gates`,
        constants: { H4 },
        views: {
          plan: call.batch.plan,
          event: call.batch.event,
          weights: weights.view,
          cell,
          gates,
          state_gradient: call.outputGradient(),
          gate_gradient: gateGradient,
        },
        invocations: (s) => [s.users],
        cost: (s) => ({ flops: s.events * 8 * H * H, bytes: s.events * 16 * H4 * 10 }),
      },
      weightGradient(call, {
        input: output,
        weights,
        bias,
        rows: "events",
        gather: undefined,
        outputGradient: gateGradient,
      }),
    ];
    if (oneHot) specs.push(embeddingGradient(call, input, gateGradient, target, true));
    return specs;
  };

  return tape.record({
    op: "lstm",
    inputs: [input, weights, bias],
    output,
    forward,
    backward,
    reference: reference(oneHot),
  });
}

/** What one event leaves behind for the way back. */
interface Saved {
  readonly event: number;
  readonly source: number;
  readonly gates: number[][];
  readonly before: { h: number[]; c: number[] };
  readonly tanhCell: number[];
}

function reference(oneHot: boolean): Reference {
  return ([input, weights, bias], batch) => {
    if (!input || !weights || !bias) throw new Error("lstm: expected input, weights and bias");
    const H = weights.rows;
    const output = matrix(batch.events.length, H);
    const saved: Saved[] = [];
    for (const { from, to } of users(batch)) {
      let h = new Array<number>(H).fill(0);
      let c = new Array<number>(H).fill(0);
      for (let event = from; event < to; event++) {
        h.forEach((value, j) => add(output, event, j, value));
        const fed = batch.events[event]?.fed ?? NONE;
        if (fed === NONE) continue;
        const source = oneHot ? fed : event;
        const z = (column: number) =>
          at(input, source, column) + at(bias, 0, column) +
          h.reduce((sum, value, k) => sum + value * at(weights, k, column), 0);
        const gates = h.map((_, j) => [
          sigmoid(z(j)),
          Math.tanh(z(H + j)),
          sigmoid(z(2 * H + j) + 1),
          sigmoid(z(3 * H + j)),
        ]);
        const before = { h, c };
        c = gates.map(([i = 0, g = 0, f = 0], j) => f * (before.c[j] ?? 0) + i * g);
        const tanhCell = c.map(Math.tanh);
        h = gates.map(([, , , o = 0], j) => o * (tanhCell[j] ?? 0));
        saved.push({ event, source, gates, before, tanhCell });
      }
    }
    return { output, backward: (gradient) => backward(gradient, input, weights, output, saved, batch) };
  };
}

function backward(
  gradient: Matrix,
  input: Matrix,
  weights: Matrix,
  output: Matrix,
  saved: readonly Saved[],
  batch: ReferenceBatch,
): Matrix[] {
  const H = weights.rows;
  const dInput = matrix(input.rows, input.columns);
  const dGates = matrix(output.rows, 4 * H);
  const byEvent = new Map(saved.map((s) => [s.event, s]));
  for (const { from, to } of users(batch)) {
    let dh = new Array<number>(H).fill(0);
    const dc = new Array<number>(H).fill(0);
    for (let event = to - 1; event >= from; event--) {
      const s = byEvent.get(event);
      if (s) {
        s.gates.forEach(([i = 0, g = 0, f = 0, o = 0], j) => {
          const t = s.tanhCell[j] ?? 0;
          const d = (dc[j] ?? 0) + (dh[j] ?? 0) * o * (1 - t * t);
          const dz = [
            d * g * i * (1 - i),
            d * i * (1 - g * g),
            d * (s.before.c[j] ?? 0) * f * (1 - f),
            (dh[j] ?? 0) * t * o * (1 - o),
          ];
          dz.forEach((value, gate) => {
            add(dGates, event, gate * H + j, value);
            add(dInput, s.source, gate * H + j, value);
          });
          dc[j] = d * f;
        });
        dh = dh.map((_, k) => {
          let sum = 0;
          for (let column = 0; column < 4 * H; column++) {
            sum += at(dGates, event, column) * at(weights, k, column);
          }
          return sum;
        });
      }
      dh = dh.map((value, j) => value + at(gradient, event, j));
    }
  }
  return [dInput, product(output, dGates, true), columnSums(dGates)];
}

function users(batch: ReferenceBatch): { from: number; to: number }[] {
  return batch.userFirst.slice(0, -1).map((from, u) => ({ from, to: batch.userFirst[u + 1] ?? from }));
}
