/**
 * What the steps of a ladder compute: inputs by the names of the kernels' bindings, and what the outputs have to be by the
 * ops' own f64 references.
 */

import type { ReferenceBatch } from "../batch/reference_batch.ts";
import { NONE } from "../data/click_log.ts";
import { randomStream } from "../data/random.ts";
import type { Constants } from "../gpu/kernel.ts";
import type { Cost } from "../gpu/program.ts";
import { clickDimensions, type ClickSizes } from "../batch/click_sizes.ts";
import type { StepPurpose } from "../gpu/step.ts";
import { reference as choiceReference } from "../ops/choice_nll.ts";
import { reference as linearReference } from "../ops/linear.ts";
import { reference as lstmReference } from "../ops/lstm.ts";
import { at, type Matrix, matrix, sigmoid } from "../tape/reference.ts";
import { padded, padRows, unpadRows } from "../tape/tensor.ts";

export interface Output {
  /** Floats, with padding. */
  readonly length: number;
  readonly expected: Matrix;
  /** What counts of the floats that a step has written, in the order of `expected`. */
  dense(found: Float32Array, chunks: number): ArrayLike<number>;
  /** Relative to the largest value: c 2^-24 times the terms of the longest sum. */
  readonly tolerance: number;
  /** What it holds before, for a kernel that reads it too; absent where nothing may be read. */
  readonly initial?: Float32Array<ArrayBuffer>;
  /** A kernel may leave it out. */
  readonly optional?: boolean;
}

export interface Problem {
  readonly inputs: Readonly<Record<string, Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>>>;
  readonly outputs: Readonly<Record<string, Output>>;
  /** A step is given those that its kernel has. */
  readonly constants: Constants;
  readonly sizes: ClickSizes;
  /** Of the step's header, what is not 0. */
  readonly header?: Partial<StepPurpose>;
  readonly cost: Cost;
}

/** What a size means: [rows, K, N], [users, events, H], or [events, rows of a page]. */
export type Size = readonly number[];

/** The largest rounding error of one addition or product, relative. */
export const ROUNDING = 2 ** -24;

export const noBatch: ReferenceBatch = {
  userFirst: [],
  events: [],
  history: [],
  rows: [],
  rowSlot: [],
  slotItem: [],
  noise: 0,
};

/** The values of a size, always the same: f32, so that kernel and reference compute with equal ones. */
export function drawing(size: Size): (rows: number, columns: number, scale?: number) => Matrix {
  const random = randomStream(3, "ladder", ...size);
  return (rows, columns, scale = 1) =>
    matrix(rows, columns, () => Math.fround(scale * (2 * random.uniform() - 1)));
}

export function upload(m: Matrix, groups = 1): Float32Array<ArrayBuffer> {
  return padRows(m.data, m.rows, m.columns, groups);
}

/** Rows of weights are padded as their columns are. */
function uploadWeights({ rows, columns, data }: Matrix, groups = 1): Float32Array<ArrayBuffer> {
  const whole = matrix(padded(rows), columns);
  whole.data.set(data);
  return upload(whole, groups);
}

export function output(expected: Matrix, terms: number, groups = 1): Output {
  const { rows, columns } = expected;
  return {
    length: rows * padded(columns, groups),
    expected,
    dense: (found) => unpadRows(found, rows, columns, groups),
    tolerance: 4 * ROUNDING * terms,
  };
}

export type MatmulName = "forward" | "input" | "weight";

/** A dense layer [M, K] x [K, N], or one of its gradients. @param scale of the forward layer's input. */
export function matmulProblem(name: MatmulName, size: Size, scale = 1): Problem {
  const [M = 1, K = 1, N = 1] = size;
  const draw = drawing(size);
  const weights = draw(K, N);
  const bias = draw(1, N);
  const [K4, N4] = [padded(K) / 4, padded(N) / 4];
  const sizes = { users: 1, events: 1, rows: M, items: 1 };
  const flops = 2 * M * K * N;
  if (name === "forward") {
    const input = draw(M, K, scale);
    const { output: expected } = linearReference({ activation: "elu" })([input, weights, bias], noBatch);
    return {
      inputs: {
        input: upload(input),
        index: new Uint32Array(1),
        weights: uploadWeights(weights),
        bias: upload(bias),
        // Of a dot product that is switched off.
        dot_weights: new Float32Array(4),
        dots: new Float32Array(4),
      },
      outputs: { output: output(expected, K + 8) },
      constants: { K4, N4, ELU: true, BIAS: true },
      sizes,
      cost: { flops, bytes: 16 * (M * (K4 + N4) + 4 * K4 * N4) },
    };
  }
  const gradient = draw(M, N);
  if (name === "input") {
    // What ELU can give: above -1. The layer below has it as its activation, so its slope is part of the result.
    const input = draw(M, K);
    const empty = matrix(0, 0);
    const { rows, columns } = input;
    const [back = empty] = linearReference({})([input, weights], noBatch).backward(gradient);
    const slope = (x: number) => x > 0 ? 1 : x + 1;
    const expected = matrix(rows, columns, (i, j) => at(back, i, j) * slope(at(input, i, j)));
    return {
      inputs: {
        output_gradient: upload(gradient),
        weights: uploadWeights(weights),
        input: upload(input),
      },
      outputs: { input_gradient: output(expected, N + 8) },
      constants: { K4, N4, ELU: true },
      sizes,
      cost: { flops, bytes: 16 * (M * (2 * K4 + N4) + 4 * K4 * N4) },
    };
  }
  const input = draw(M, K);
  const [, expected = matrix(0, 0)] = linearReference({})([input, weights], noBatch).backward(gradient);
  const chunks = clickDimensions.chunks(sizes);
  const partials = 16 * K4 * N4;
  return {
    inputs: {
      input: upload(input),
      index: new Uint32Array(1),
      second: new Float32Array(4),
      output_gradient: upload(gradient),
      places: Uint32Array.of(partials, 0, 0, 0),
    },
    outputs: {
      partials: {
        length: chunks * partials,
        expected,
        dense(found, chunks) {
          const sums = new Float64Array(partials);
          for (let k = 0; k < chunks * partials; k++) {
            sums[k % partials] = (sums[k % partials] ?? NaN) + (found[k] ?? NaN);
          }
          return unpadRows(sums, K, N, 1);
        },
        tolerance: 4 * ROUNDING * (M + 8),
      },
    },
    constants: { K4, N4, BIAS: false },
    sizes,
    cost: { flops, bytes: 16 * (M * (K4 + N4) + chunks * 4 * K4 * N4) },
  };
}

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

/** The utility of row k of page e, which has `length` rows; an f32. */
export type Utility = (k: number, e: number, length: number) => number;

/**
 * `events` pages of about `page` rows, some without a click.
 * @param utility without one: some with ties, one of 90.
 * @returns u [R, 1]
 */
export function choicePages(size: Size, utility?: Utility): { events: ReferenceBatch["events"]; u: Matrix } {
  const [E = 1, page = 1] = size;
  const random = randomStream(3, "ladder", ...size);
  const drawn: Utility = (k, e) => k === 0 && e === 0 ? 90 : Math.round(8 * random.normal()) / 4;
  const events: ReferenceBatch["events"] = [];
  const u: number[] = [];
  for (let e = 0; e < E; e++) {
    const [first, length] = [u.length, Math.max(1, page + e % 3 - 1)];
    for (let k = 0; k < length; k++) u.push((utility ?? drawn)(k, e, length));
    events.push({ first, end: u.length, click: e % 5 === 4 ? NONE : first + (e * 7) % length, fed: NONE });
  }
  return { events, u: matrix(u.length, 1, (r) => u[r] ?? NaN) };
}

/** Events as kernels read them. */
export function uploadEvents(events: ReferenceBatch["events"]): Uint32Array<ArrayBuffer> {
  return Uint32Array.from(events.flatMap(({ first, end, click, fed }) => [first, end, click, fed]));
}

/** The choice on {@link choicePages}. */
export function choiceProblem(size: Size, utility?: Utility): Problem {
  const [E = 1, page = 1] = size;
  const { events, u } = choicePages(size, utility);
  const R = u.rows;
  const result = choiceReference(1)([u], { ...noBatch, events });
  const [gradient = matrix(0, 0)] = result.backward(matrix(E, 4));
  return {
    inputs: {
      u: new Float32Array(u.data),
      // Utilities are there, and places have no effect: nothing is made of these.
      dots: new Float32Array(4),
      bias: new Float32Array(1),
      place: new Float32Array(1),
      event: uploadEvents(events),
    },
    outputs: {
      outcome: output(result.output, page + 16),
      u_gradient: {
        length: R,
        expected: gradient,
        dense: (found) => found,
        tolerance: 4 * ROUNDING * (page + 16),
      },
    },
    constants: { ETA: 1 },
    sizes: { users: 1, events: E, rows: R, items: 1 },
    cost: { flops: 20 * R, bytes: 16 * R + 32 * E },
  };
}
