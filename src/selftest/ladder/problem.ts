/**
 * What the steps of a ladder compute: inputs by the names of the kernels' bindings, and what the outputs have to be by
 * f64 references. Those of each family are in problems/.
 */

import type { ReferenceBatch } from "../../batch/reference_batch.ts";
import { randomStream } from "../../data/random.ts";
import type { Constants } from "../../gpu/kernel.ts";
import type { Cost } from "../../gpu/program.ts";
import type { ClickSizes } from "../../batch/click_sizes.ts";
import type { StepPurpose } from "../../gpu/step.ts";
import { type Matrix, matrix } from "../../tape/reference.ts";
import { padded, padRows, unpadRows } from "../../tape/layout.ts";

export interface Output {
  /** Floats, with padding. */
  readonly length: number;
  readonly expected: Matrix;
  /** What counts of the floats that a step has written, in the order of `expected`. */
  dense(found: Float32Array<ArrayBuffer>, chunks: number): ArrayLike<number>;
  /** Relative to the largest value: c 2^-24 times the terms of the longest sum. */
  readonly tolerance: number;
  /** What it holds before, for a kernel that reads it too; absent where nothing may be read. */
  readonly initial?: Float32Array<ArrayBuffer>;
  /** A kernel may leave it out. */
  readonly optional?: boolean;
  /** Whether a float pads a row. */
  readonly pads?: (float: number) => boolean;
  /** What a place of `expected` is, such as "event 3, feature 1"; its row and column, where it is not said. */
  readonly named?: (row: number, column: number) => string;
  /** What is wrong, in words, where that says more than the worst number. */
  readonly fault?: (found: Float32Array<ArrayBuffer>) => string | undefined;
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

/** What is as large as a problem wants it: see its `@param size`. */
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
  own: new Uint32Array(),
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
export function uploadWeights({ rows, columns, data }: Matrix, groups = 1): Float32Array<ArrayBuffer> {
  const whole = matrix(padded(rows), columns);
  whole.data.set(data);
  return upload(whole, groups);
}

export function output(expected: Matrix, terms: number, groups = 1): Output {
  const { rows, columns } = expected;
  const stride = padded(columns, groups);
  return {
    length: rows * stride,
    expected,
    dense: (found) => unpadRows(found, rows, columns, groups),
    tolerance: 4 * ROUNDING * terms,
    pads: (float) => (float % (stride / groups)) >= columns / groups,
  };
}

/** Events as kernels read them. */
export function uploadEvents(events: ReferenceBatch["events"]): Uint32Array<ArrayBuffer> {
  return Uint32Array.from(events.flatMap(({ first, end, click, fed }) => [first, end, click, fed]));
}
