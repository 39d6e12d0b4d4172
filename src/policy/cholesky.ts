/** Symmetric positive definite matrices in float64, by rows: factors, and what is solved by them. */

/** The lower factor L [n, n] of A = L L'. @param a [n, n] of which the lower half is read. @throws RangeError where A is not positive definite. */
export function choleskyOf(a: Float64Array, n: number): Float64Array {
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= l[i * n + k]! * l[j * n + k]!;
      if (i > j) l[i * n + j] = sum / l[j * n + j]!;
      else if (sum > 0) l[i * n + i] = Math.sqrt(sum);
      else throw new RangeError(`expected a positive definite matrix, got one with ${sum} at pivot ${i}`);
    }
  }
  return l;
}

/** x of L x = b, written over b. */
export function solveLower(l: Float64Array, n: number, b: Float64Array): Float64Array {
  for (let i = 0; i < n; i++) {
    let sum = b[i]!;
    for (let k = 0; k < i; k++) sum -= l[i * n + k]! * b[k]!;
    b[i] = sum / l[i * n + i]!;
  }
  return b;
}

/** x of L L' x = b, written over b. */
export function solve(l: Float64Array, n: number, b: Float64Array): Float64Array {
  solveLower(l, n, b);
  for (let i = n - 1; i >= 0; i--) {
    let sum = b[i]!;
    for (let k = i + 1; k < n; k++) sum -= l[k * n + i]! * b[k]!;
    b[i] = sum / l[i * n + i]!;
  }
  return b;
}

/** A^-1 [n, n] from its factor, symmetric bit for bit. */
export function inverseOf(l: Float64Array, n: number): Float64Array {
  const inverse = new Float64Array(n * n);
  for (let j = 0; j < n; j++) {
    const column = new Float64Array(n);
    column[j] = 1;
    solve(l, n, column);
    for (let i = j; i < n; i++) inverse[i * n + j] = inverse[j * n + i] = column[i]!;
  }
  return inverse;
}

/** v'A v for a symmetric A [n, n]. */
export function quadratic(a: Float64Array, n: number, v: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < n; i++) {
    let row = 0;
    for (let j = 0; j < i; j++) row += a[i * n + j]! * v[j]!;
    sum += v[i]! * (2 * row + a[i * n + i]! * v[i]!);
  }
  return sum;
}
