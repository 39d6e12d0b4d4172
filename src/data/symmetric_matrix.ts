/** Computes sums of squares, Cholesky factors and triangular solves for small symmetric matrices. */

/**
 * Adds a weighted sum of outer products p x x' (x: a row, p: its weight) to the lower triangle of `to`
 * [n, n]. Rows are added in pairs, which halves the accesses to `to`. @param x - [rows, n] @param p - [rows]
 */
export function addSquares(to: Float64Array, x: Float64Array, p: Float64Array): void {
  const D = Math.sqrt(to.length);
  for (let row = 0; row < p.length; row += 2) {
    const a = row * D;
    // If the number of rows is odd, the last row is added a second time, multiplied by 0.
    const b = row + 1 < p.length ? a + D : a;
    const [pa = 0, pb = 0] = p.subarray(row, row + 2);
    for (let k = 0; k < D; k++) {
      const fa = pa * x[a + k]!;
      const fb = pb * x[b + k]!;
      if (!fa && !fb) continue; // position indicators are often 0
      for (let j = 0; j <= k; j++) to[k * D + j]! += fa * x[a + j]! + fb * x[b + j]!;
    }
  }
}

/**
 * Returns the Cholesky factor of A: the lower triangular L [n, n] with A = L L'. @param a - lower triangle of
 * A. @param leastPivot - value that replaces smaller pivots. @throws RangeError if `leastPivot` is 0 and A is
 * not positive definite
 */
export function decomposeCholesky(a: Float64Array, n: number, leastPivot = 0): Float64Array {
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= l[i * n + k]! * l[j * n + k]!;
      const pivot = sum > leastPivot ? sum : leastPivot;
      if (i > j) l[i * n + j] = sum / l[j * n + j]!;
      else if (pivot > 0) l[i * n + i] = Math.sqrt(pivot);
      else throw new RangeError(`expected a positive definite matrix, got the pivot ${sum} in row ${i}`);
    }
  }
  return l;
}

/** Solves L x = b for x. The solution replaces b, and is returned. */
export function solveLower(l: Float64Array, n: number, b: Float64Array): Float64Array {
  for (let i = 0; i < n; i++) {
    let sum = b[i]!;
    for (let k = 0; k < i; k++) sum -= l[i * n + k]! * b[k]!;
    b[i] = sum / l[i * n + i]!;
  }
  return b;
}

/** Solves L' x = b for x. The solution replaces b, and is returned. @param l - lower triangular L [n, n] */
export function solveUpper(l: Float64Array, n: number, b: Float64Array): Float64Array {
  for (let i = n - 1; i >= 0; i--) {
    let sum = b[i]!;
    for (let k = i + 1; k < n; k++) sum -= l[k * n + i]! * b[k]!;
    b[i] = sum / l[i * n + i]!;
  }
  return b;
}
