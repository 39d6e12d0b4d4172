/** Op pw_state computes n weighted sums of the features of the last m clicks before an event. */

import backwardText from "../../kernels/pw/pw_state_backward.wgsl" with { type: "text" };
import forwardText from "../../kernels/pw/pw_state_forward.wgsl" with { type: "text" };
import weightText from "../../kernels/pw/pw_state_weight_gradient.wgsl" with { type: "text" };
import type { ClickDispatch, ClickSizes } from "../batch/click_sizes.ts";
import type { ClickCall, ClickReference, ClickTape } from "../batch/click_tape.ts";
import type { ReferenceBatch } from "../batch/reference_batch.ts";
import { NONE } from "../data/click_log.ts";
import { parseKernel } from "../gpu/kernel.ts";
import { estimateDistinctRows } from "../gpu/sizes.ts";
import { add, getAt, makeMatrix, sumColumns } from "../tape/reference.ts";
import { expectShape, partialViews } from "./op.ts";
import { formatShape, type Tensor } from "../tape/tensor.ts";

const forwardKernel = parseKernel("pw_state_forward", forwardText);
const backwardKernel = parseKernel("pw_state_backward", backwardText);
const weightKernel = parseKernel("pw_state_weight_gradient", weightText);

export interface PwStateInputs {
  /** Constant [I, F]. */
  readonly features: Tensor;
  /** Parameter [m, n]; row 0 is for the most recent click. */
  readonly weights: Tensor;
  /** Parameter [1, F * n], added to the sums before tanh. Without a bias, tanh is not applied. */
  readonly bias?: Tensor;
}

/**
 * Returns [events, F * n]. Column k * n + j is the sum over the last m clicks of weights[lag, j] * feature k;
 * with a bias, the column is tanh(bias + sum). If a user has fewer than m clicks, the missing ones count
 * as zero. For E events, forward and backward each take at most 2 E m F n flops.
 * @throws Error for wrong shapes
 */
export function pwState(tape: ClickTape, name: string, { features, weights, bias }: PwStateInputs): Tensor {
  const F = features.columns;
  const m = Number(weights.rows);
  const n = weights.columns;
  if (features.trainable || typeof features.rows !== "number") {
    throw new Error(`pw_state: expected ${formatShape(features)} to be a constant with a row per item`);
  }
  expectShape("pw_state", weights, m, n);
  if (bias) expectShape("pw_state", bias, 1, F * n);
  const output = tape.tensor(name, "events", F * n);
  const state: PwState = { tape, name, features, weights, bias, output };
  return tape.record({
    op: "pw_state",
    inputs: bias ? [features, weights, bias] : [features, weights],
    output,
    forward: () => forward(state),
    backward: (call) => backward(state, call),
    reference,
  });
}

interface PwState extends PwStateInputs {
  readonly tape: ClickTape;
  readonly name: string;
  readonly output: Tensor;
}

function getPwSizes({ features, weights, bias, output }: PwState) {
  const [F, F4, COLUMNS4] = [features.columns, features.stride / 4, output.stride / 4];
  const [m, n, blocks] = [Number(weights.rows), weights.columns, weights.stride / 4];
  const TANH = bias !== undefined;
  const constants = { LAGS: m, WEIGHTINGS: n, COLUMNS4, TANH };
  const countRows = (s: ClickSizes) => estimateDistinctRows(s.events, features.rows, s);
  return { F, F4, COLUMNS4, m, n, blocks, TANH, constants, countRows };
}

function forward(state: PwState): ClickDispatch[] {
  const { tape, name, features, weights, bias, output } = state;
  const { F, F4, COLUMNS4, m, n, constants, countRows } = getPwSizes(state);
  return [{
    kernel: forwardKernel,
    label: `${name} forward`,
    constants: { F4, ...constants, LISTS: tape.batch.clicks !== undefined },
    views: {
      event: tape.batch.clicks ?? tape.batch.event,
      history: tape.batch.history,
      features: features.view,
      weights: weights.view,
      bias: bias?.view ?? weights.view,
      state: output.view,
    },
    invocations: [{ of: "events", times: F4 }],
    cost: (s) => ({ flops: 2 * s.events * m * F * n, bytes: 16 * (countRows(s) * F4 + s.events * COLUMNS4) }),
  }];
}

function backward(state: PwState, call: ClickCall): ClickDispatch[] {
  const { tape, name, features, weights, bias, output } = state;
  const { F, F4, COLUMNS4, m, n, blocks, TANH, constants, countRows } = getPwSizes(state);
  const { event, history } = tape.batch;
  const output_gradient = call.outputGradient();
  const products = tape.saved(`${name} products`, "events", m * weights.stride);
  const toWeights = call.partials(weights);
  const toBias = bias && call.partials(bias);
  if (toBias && toBias.accumulate !== toWeights.accumulate) {
    throw new Error(`${name}: an op must use both ${bias.name} and ${weights.name}, or neither`);
  }
  return [
    {
      kernel: backwardKernel,
      label: `${name} gradient by event`,
      constants: { F, F4, ...constants },
      views: { event, history, features: features.view, state: output.view, output_gradient, products },
      invocations: [{ of: "events", times: Math.ceil(m / 4) * blocks }],
      cost: (s) => ({
        flops: 2 * s.events * m * F * n,
        bytes: 16 * (countRows(s) * F4 + s.events * ((TANH ? 2 : 1) * COLUMNS4 + m * blocks)),
      }),
    },
    {
      kernel: weightKernel,
      label: `${name} gradient of weights`,
      constants: { ...constants, ACCUMULATE: toWeights.accumulate },
      views: {
        history,
        products,
        state: output.view,
        output_gradient,
        ...partialViews(call, toWeights, { bias: toBias }),
      },
      invocations: [tape.dimensions.scaleByChunks(m * blocks + (TANH ? COLUMNS4 : 0))],
      cost: (s) => ({
        flops: s.events * (m * n + (TANH ? 4 * F * n : 0)),
        bytes: 16 * s.events * (m * blocks + (TANH ? 2 * COLUMNS4 : 0)),
      }),
    },
  ];
}

/** Returns the items of the last m clicks before every event, the most recent first. */
export function lastClicks(batch: ReferenceBatch, m: number): number[][] {
  return batch.userFirst.slice(0, -1).flatMap((from, user) => {
    const clicks: number[] = [];
    return batch.events.slice(from, batch.userFirst[user + 1]).map(({ fed }) => {
      const window = clicks.slice(-m).reverse();
      if (fed !== NONE) clicks.push(fed);
      return window;
    });
  });
}

export const reference: ClickReference = ([features, weights, bias], batch) => {
  if (!features || !weights) throw new Error("pw_state: expected features and weights");
  const windows = lastClicks(batch, weights.rows);
  const n = weights.columns;
  const output = makeMatrix(windows.length, features.columns * n, (e, c) => {
    const [k, j] = [Math.floor(c / n), c % n];
    const z = windows[e]?.reduce((sum, item, lag) =>
      sum + getAt(weights, lag, j) * getAt(features, item, k), 0) ??
      0;
    return bias ? Math.tanh(z + getAt(bias, 0, c)) : z;
  });
  return {
    output,
    backward(gradient) {
      const dz = makeMatrix(
        output.rows,
        output.columns,
        (e, c) => getAt(gradient, e, c) * (bias ? 1 - getAt(output, e, c) ** 2 : 1),
      );
      const dWeights = makeMatrix(weights.rows, n);
      windows.forEach((window, e) =>
        window.forEach((item, lag) => {
          for (let c = 0; c < dz.columns; c++) {
            add(dWeights, lag, c % n, getAt(dz, e, c) * getAt(features, item, Math.floor(c / n)));
          }
        })
      );
      const dFeatures = makeMatrix(features.rows, features.columns);
      return bias ? [dFeatures, dWeights, sumColumns(dz)] : [dFeatures, dWeights];
    },
  };
};
