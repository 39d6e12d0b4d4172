/** How the rows of a tensor stand in memory: padded to whole vectors. */

import type { Amount, Dim, Sizes } from "../gpu/sizes.ts";

export function padded(columns: number, groups = 1): number {
  return groups * 4 * Math.ceil(columns / groups / 4);
}

/** Bytes that a tensor takes; rows of a parameter are padded to a multiple of 4 as well. */
export function bytesOf<S extends Sizes>(
  { rows, stride }: { readonly rows: Dim<S>; readonly stride: number },
): Amount<S> {
  return typeof rows === "number" ? parameterBytes(rows, stride) : { of: rows, times: 4 * stride };
}

/** @param stride floats between rows */
export function parameterBytes(rows: number, stride: number): number {
  return 16 * stride * Math.ceil(rows / 4);
}

/** Copies [rows, columns] without padding into the layout of a tensor. */
export function padRows(
  data: ArrayLike<number>,
  rows: number,
  columns: number,
  groups: number,
): Float32Array<ArrayBuffer> {
  const stride = padded(columns, groups);
  if (stride === columns) return copied(data, rows * columns);
  const out = new Float32Array(stride * rows);
  eachElement(rows, columns, groups, (packed, at) => out[at] = data[packed] ?? 0);
  return out;
}

/** The inverse of {@link padRows}. @param stride floats between rows, where more stands behind them. */
export function unpadRows(
  data: ArrayLike<number>,
  rows: number,
  columns: number,
  groups: number,
  stride = padded(columns, groups),
): Float32Array<ArrayBuffer> {
  if (stride === columns) return copied(data, rows * columns);
  const out = new Float32Array(rows * columns);
  eachElement(rows, columns, groups, (packed, at) => out[packed] = data[at] ?? 0, stride);
  return out;
}

/** What needs no padding goes in one piece: tables of many items have tens of millions of values. */
function copied(data: ArrayLike<number>, length: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(length);
  const values = data instanceof Float32Array ? data : Float32Array.from(data);
  out.set(values.subarray(0, length));
  return out;
}

function eachElement(
  rows: number,
  columns: number,
  groups: number,
  visit: (packed: number, at: number) => void,
  stride = padded(columns, groups),
): void {
  const [part, paddedPart] = [columns / groups, padded(columns, groups) / groups];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const group = Math.floor(column / part);
      visit(row * columns + column, row * stride + group * paddedPart + (column - group * part));
    }
  }
}
