/**
 * Matrix products on one thread: 4 x 4 outputs are summed in locals, which the compiler keeps in registers. Numbers are
 * f64 in between, as JavaScript has it, and f32 in memory. All matrices are row-major; `columns` are multiples of 4.
 */

type F32 = Float32Array<ArrayBuffer>;

/** out [rows, columns] = a [rows, inner] b [inner, columns] + bias. `first` elements of a and out are skipped. */
export function product(
  a: F32,
  b: F32,
  out: F32,
  rows: number,
  inner: number,
  columns: number,
  bias?: F32,
  first = { a: 0, out: 0 },
): void {
  const whole = rows - rows % 4;
  for (let r = 0; r < rows; r += r < whole ? 4 : 1) {
    const a0 = first.a + r * inner;
    const o0 = first.out + r * columns;
    if (r < whole) fourRows(a, b, out, inner, columns, bias, a0, o0);
    else oneRow(a, b, out, inner, columns, bias, a0, o0);
  }
}

function fourRows(
  a: F32,
  b: F32,
  out: F32,
  inner: number,
  columns: number,
  bias: F32 | undefined,
  a0: number,
  o0: number,
): void {
  const [a1, a2, a3] = [a0 + inner, a0 + 2 * inner, a0 + 3 * inner];
  for (let c = 0; c < columns; c += 4) {
    let [s00, s01, s02, s03] = bias
      ? [bias[c] ?? 0, bias[c + 1] ?? 0, bias[c + 2] ?? 0, bias[c + 3] ?? 0]
      : [0, 0, 0, 0];
    let [s10, s11, s12, s13] = [s00, s01, s02, s03];
    let [s20, s21, s22, s23] = [s00, s01, s02, s03];
    let [s30, s31, s32, s33] = [s00, s01, s02, s03];
    for (let k = 0, p = c; k < inner; k++, p += columns) {
      const b0 = b[p] ?? 0;
      const b1 = b[p + 1] ?? 0;
      const b2 = b[p + 2] ?? 0;
      const b3 = b[p + 3] ?? 0;
      const x0 = a[a0 + k] ?? 0;
      s00 += x0 * b0;
      s01 += x0 * b1;
      s02 += x0 * b2;
      s03 += x0 * b3;
      const x1 = a[a1 + k] ?? 0;
      s10 += x1 * b0;
      s11 += x1 * b1;
      s12 += x1 * b2;
      s13 += x1 * b3;
      const x2 = a[a2 + k] ?? 0;
      s20 += x2 * b0;
      s21 += x2 * b1;
      s22 += x2 * b2;
      s23 += x2 * b3;
      const x3 = a[a3 + k] ?? 0;
      s30 += x3 * b0;
      s31 += x3 * b1;
      s32 += x3 * b2;
      s33 += x3 * b3;
    }
    let o = o0 + c;
    out[o] = s00;
    out[o + 1] = s01;
    out[o + 2] = s02;
    out[o + 3] = s03;
    o += columns;
    out[o] = s10;
    out[o + 1] = s11;
    out[o + 2] = s12;
    out[o + 3] = s13;
    o += columns;
    out[o] = s20;
    out[o + 1] = s21;
    out[o + 2] = s22;
    out[o + 3] = s23;
    o += columns;
    out[o] = s30;
    out[o + 1] = s31;
    out[o + 2] = s32;
    out[o + 3] = s33;
  }
}

function oneRow(
  a: F32,
  b: F32,
  out: F32,
  inner: number,
  columns: number,
  bias: F32 | undefined,
  a0: number,
  o0: number,
): void {
  for (let c = 0; c < columns; c++) {
    let sum = bias?.[c] ?? 0;
    for (let k = 0; k < inner; k++) sum += (a[a0 + k] ?? 0) * (b[k * columns + c] ?? 0);
    out[o0 + c] = sum;
  }
}

/** Rows that are summed before the result goes to memory: both operands' stay in the first cache. */
const CHUNK = 64;

/** out [inner, columns] += transposed a [rows, inner] times d [rows, columns]. `inner` is a multiple of 4. */
export function addTransposedProduct(
  a: F32,
  d: F32,
  out: F32,
  rows: number,
  inner: number,
  columns: number,
): void {
  for (let from = 0; from < rows; from += CHUNK) {
    const to = Math.min(rows, from + CHUNK);
    for (let k = 0; k < inner; k += 4) {
      for (let c = 0; c < columns; c += 4) fourByFour(a, d, out, from, to, inner, columns, k, c);
    }
  }
}

function fourByFour(
  a: F32,
  d: F32,
  out: F32,
  from: number,
  to: number,
  inner: number,
  columns: number,
  k: number,
  c: number,
): void {
  let [s00, s01, s02, s03] = [0, 0, 0, 0];
  let [s10, s11, s12, s13] = [0, 0, 0, 0];
  let [s20, s21, s22, s23] = [0, 0, 0, 0];
  let [s30, s31, s32, s33] = [0, 0, 0, 0];
  for (let r = from, p = from * inner + k, q = from * columns + c; r < to; r++, p += inner, q += columns) {
    const d0 = d[q] ?? 0;
    const d1 = d[q + 1] ?? 0;
    const d2 = d[q + 2] ?? 0;
    const d3 = d[q + 3] ?? 0;
    const x0 = a[p] ?? 0;
    s00 += x0 * d0;
    s01 += x0 * d1;
    s02 += x0 * d2;
    s03 += x0 * d3;
    const x1 = a[p + 1] ?? 0;
    s10 += x1 * d0;
    s11 += x1 * d1;
    s12 += x1 * d2;
    s13 += x1 * d3;
    const x2 = a[p + 2] ?? 0;
    s20 += x2 * d0;
    s21 += x2 * d1;
    s22 += x2 * d2;
    s23 += x2 * d3;
    const x3 = a[p + 3] ?? 0;
    s30 += x3 * d0;
    s31 += x3 * d1;
    s32 += x3 * d2;
    s33 += x3 * d3;
  }
  const add = (o: number, v: number) => out[o] = (out[o] ?? 0) + v;
  const o = k * columns + c;
  add(o, s00);
  add(o + 1, s01);
  add(o + 2, s02);
  add(o + 3, s03);
  add(o + columns, s10);
  add(o + columns + 1, s11);
  add(o + columns + 2, s12);
  add(o + columns + 3, s13);
  add(o + 2 * columns, s20);
  add(o + 2 * columns + 1, s21);
  add(o + 2 * columns + 2, s22);
  add(o + 2 * columns + 3, s23);
  add(o + 3 * columns, s30);
  add(o + 3 * columns + 1, s31);
  add(o + 3 * columns + 2, s32);
  add(o + 3 * columns + 3, s33);
}

/** out [columns] += the sums of d's columns [rows, columns]. */
export function addColumnSums(d: F32, out: F32, rows: number): void {
  const columns = out.length;
  const sums = new Float64Array(columns);
  for (let r = 0, p = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) sums[c] = (sums[c] ?? 0) + (d[p++] ?? 0);
  }
  for (let c = 0; c < columns; c++) out[c] = (out[c] ?? 0) + (sums[c] ?? 0);
}

/** [columns, rows] of a [rows, columns]. */
export function transposed(a: F32, rows: number, columns: number, out: F32): F32 {
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) out[c * rows + r] = a[r * columns + c] ?? 0;
  }
  return out;
}
