/** Helpers for the f64 references of ops, which run on the CPU and check the kernels. */

import type { Activation } from "./tensor.ts";

/** A dense matrix [rows, columns] in f64, row-major. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

/**
 * Computes an op in f64. `inputs` have the order of the node's `inputs`. Returns the output, and `backward`,
 * a function that maps the output's gradient to the inputs' gradients. Gradients are with respect to values
 * after the activation (on the GPU: before the activation).
 * @typeParam R - data of a batch that the reference reads; by default no data
 */
export type ReferenceOp<R = unknown> = (inputs: readonly Matrix[], batch: R) => {
  output: Matrix;
  backward(outputGradient: Matrix): Matrix[];
};

export function makeMatrix(
  rows: number,
  columns: number,
  value?: (row: number, column: number) => number,
): Matrix {
  const data = new Float64Array(rows * columns);
  if (value) {
    for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) data[i * columns + j] = value(i, j);
  }
  return { rows, columns, data };
}

/** Returns an element. @throws RangeError for an element outside of the matrix. */
export function getAt(m: Matrix, row: number, column: number): number {
  const value = m.data[row * m.columns + column];
  if (value === undefined || column >= m.columns) {
    throw new RangeError(`(${row}, ${column}) is outside of [${m.rows}, ${m.columns}]`);
  }
  return value;
}

export function add(m: Matrix, row: number, column: number, value: number): void {
  m.data[row * m.columns + column] = getAt(m, row, column) + value;
}

export function multiply(a: Matrix, b: Matrix, transposeA = false, transposeB = false): Matrix {
  const [rows, inner] = transposeA ? [a.columns, a.rows] : [a.rows, a.columns];
  const [others, columns] = transposeB ? [b.columns, b.rows] : [b.rows, b.columns];
  if (others !== inner) throw new RangeError(`expected [${inner}, ...], found [${others}, ${columns}]`);
  // Read by strides: getAt takes three times as long, and tests spend most of their time in this loop.
  const [nextRow, nextA] = transposeA ? [1, a.columns] : [a.columns, 1];
  const [nextB, nextColumn] = transposeB ? [1, b.columns] : [b.columns, 1];
  return makeMatrix(rows, columns, (i, j) => {
    let sum = 0;
    for (let k = 0; k < inner; k++) {
      sum += a.data[i * nextRow + k * nextA]! * b.data[k * nextB + j * nextColumn]!;
    }
    return sum;
  });
}

export function sumColumns(a: Matrix): Matrix {
  const sums = makeMatrix(1, a.columns);
  for (let i = 0; i < a.rows; i++) for (let j = 0; j < a.columns; j++) add(sums, 0, j, getAt(a, i, j));
  return sums;
}

export function applyElu(z: number): number {
  return z > 0 ? z : Math.expm1(z);
}
export function applySigmoid(z: number): number {
  return 1 / (1 + Math.exp(-z));
}

export function applyActivation(activation: Activation | undefined, z: number): number {
  return activation === "elu" ? applyElu(z) : activation === "relu" ? Math.max(0, z) : z;
}
/** Returns the derivative of an activation, computed from the activation's output y. */
export function computeActivationSlope(activation: Activation | undefined, y: number): number {
  return y > 0 ? 1 : activation === "elu" ? y + 1 : activation === "relu" ? 0 : 1;
}

/** Returns the gradient of an activation's input. @param gradient - gradient of the activation's output */
export function backpropagateActivation(
  activation: Activation | undefined,
  output: Matrix,
  gradient: Matrix,
): Matrix {
  return makeMatrix(
    output.rows,
    output.columns,
    (i, j) => getAt(gradient, i, j) * computeActivationSlope(activation, getAt(output, i, j)),
  );
}
