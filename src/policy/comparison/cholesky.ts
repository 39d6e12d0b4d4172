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
