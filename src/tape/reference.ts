/** The ops in f64 on the CPU: written for clarity, to check kernels against. Never used to train. */

import type { Activation } from "./tensor.ts";

/** A dense matrix [rows, columns] in f64, row-major, without padding. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

/**
 * Computes an op from the values of its inputs, in the order of the node's `inputs`, and returns the function that
 * takes the gradient of the output (after the activation) to the gradients of the inputs (after theirs).
 *
 * @typeParam R what it reads of a batch; nothing by default
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

/** Element (row, column). @throws RangeError outside of the matrix: a reference must not read what is not there. */
export function getElement(m: Matrix, row: number, column: number): number {
  const value = m.data[row * m.columns + column];
  if (value === undefined || column >= m.columns) {
    throw new RangeError(`(${row}, ${column}) is outside of [${m.rows}, ${m.columns}]`);
  }
  return value;
}

export function add(m: Matrix, row: number, column: number, value: number): void {
  m.data[row * m.columns + column] = getElement(m, row, column) + value;
}

/** a b, with either transposed. */
export function multiplyMatrices(a: Matrix, b: Matrix, transposeA = false, transposeB = false): Matrix {
  const [rows, inner] = transposeA ? [a.columns, a.rows] : [a.rows, a.columns];
  const [others, columns] = transposeB ? [b.columns, b.rows] : [b.rows, b.columns];
  if (others !== inner) throw new RangeError(`expected [${inner}, ...], found [${others}, ${columns}]`);
  // How far it is to the next row and column: tests spend most of their time here, and at() takes three times as long.
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
  for (let i = 0; i < a.rows; i++) for (let j = 0; j < a.columns; j++) add(sums, 0, j, getElement(a, i, j));
  return sums;
}

export function applyElu(z: number): number {
  return z > 0 ? z : Math.expm1(z);
}
/** ELU' from the output y = ELU(z). */
function eluSlope(y: number): number {
  return y > 0 ? 1 : y + 1;
}
export function applySigmoid(z: number): number {
  return 1 / (1 + Math.exp(-z));
}

/** The gradient of what went into ELU, from the gradient of its output. */
export function backpropagateElu(output: Matrix, gradient: Matrix): Matrix {
  return backpropagateActivation("elu", output, gradient);
}

/** An activation of a number; without one, the number. */
export function applyActivation(activation: Activation | undefined, z: number): number {
  return activation === "elu" ? applyElu(z) : activation === "relu" ? Math.max(0, z) : z;
}
/** Its slope, from its output. */
export function computeActivationSlope(activation: Activation | undefined, y: number): number {
  return activation === "elu" ? eluSlope(y) : activation === "relu" && y <= 0 ? 0 : 1;
}

/** The gradient of what went into an activation, from the gradient of its output. */
export function backpropagateActivation(
  activation: Activation | undefined,
  output: Matrix,
  gradient: Matrix,
): Matrix {
  return makeMatrix(
    output.rows,
    output.columns,
    (i, j) => getElement(gradient, i, j) * computeActivationSlope(activation, getElement(output, i, j)),
  );
}
