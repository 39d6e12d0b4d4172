/**
 * Hybrid LinUCB (Li, Chu, Langford, Schapire 2010, algorithm 2) on the host, in float64: a bandit that learns while it
 * recommends, and knows nothing beforehand.
 *
 *   r = z'beta + x'theta_a,   x = [1; m],   z = [f_a * m; f_a]      m: the mean vector of the clicked items, f_a: the item's
 *
 * beta is shared by all items, theta_a is an item's own. Both are ridge estimates (penalty 1), written so that a reward
 * changes little: A_a^-1 by Sherman and Morrison, A_0 and b_0 by what the item added before and adds now.
 */

import { choleskyOf, inverseOf, quadratic, solve } from "./cholesky.ts";

/** What is known of an item that was shown. */
interface Arm {
  /** A_a^-1 [d, d]. */
  readonly inverse: Float64Array;
  /** B_a [d, p]. */
  readonly shared: Float64Array;
  /** b_a [d]. */
  readonly rewards: Float64Array;
  /** A_a^-1 B_a [d, p]. */
  readonly solved: Float64Array;
}

/** What the rewards so far say; made when it is asked for. */
interface Estimate {
  readonly beta: Float64Array;
  /** A_0^-1. */
  readonly inverse: Float64Array;
  /** theta of the items that were asked for. */
  readonly thetas: Map<number, Float64Array>;
}

export class LinUcb {
  readonly #d: number;
  readonly #p: number;
  readonly #a0: Float64Array;
  readonly #b0: Float64Array;
  readonly #arms = new Map<number, Arm>();
  #estimate: Estimate | undefined;

  /**
   * @param vectors [I, width] of the items. @param alpha standard errors that are added to what is expected of an item; 0
   *   never explores. It may be set anew.
   */
  constructor(
    private readonly vectors: Float32Array,
    private readonly width: number,
    public alpha: number,
  ) {
    if (!(alpha >= 0)) throw new RangeError(`expected alpha of at least 0, got ${alpha}`);
    [this.#d, this.#p] = [1 + width, 2 * width];
    this.#a0 = identity(this.#p);
    this.#b0 = new Float64Array(this.#p);
  }

  get items(): number {
    return this.vectors.length / this.width;
  }

  /** beta [2 width], the shared weights. */
  get beta(): Float64Array {
    return this.#estimated().beta;
  }

  /** A_0 [2 width, 2 width], for those who check it. */
  get a0(): Float64Array {
    return this.#a0;
  }

  /** theta_a [1 + width]; zeros for an item that was never shown. */
  theta(item: number): Float64Array {
    const { beta, thetas } = this.#estimated();
    const known = thetas.get(item);
    if (known) return known;
    const theta = new Float64Array(this.#d);
    thetas.set(item, theta);
    const arm = this.#arms.get(item);
    if (!arm) return theta;
    const left = arm.rewards.slice();
    for (let i = 0; i < this.#d; i++) {
      for (let j = 0; j < this.#p; j++) left[i] = left[i]! - arm.shared[i * this.#p + j]! * beta[j]!;
    }
    for (let i = 0; i < this.#d; i++) {
      for (let j = 0; j < this.#d; j++) theta[i] = theta[i]! + arm.inverse[i * this.#d + j]! * left[j]!;
    }
    return theta;
  }

  /** What is expected of an item: z'beta + x'theta. @param mean [width] of the items that the user clicked. */
  expected(mean: ArrayLike<number>, item: number): number {
    const { width, vectors } = this;
    const { beta } = this.#estimated();
    const theta = this.theta(item);
    let sum = theta[0]!;
    for (let k = 0; k < width; k++) {
      sum += vectors[item * width + k]! * (mean[k]! * beta[k]! + beta[width + k]!) + mean[k]! * theta[1 + k]!;
    }
    return sum;
  }

  /** And its standard error. @param mean as of {@link expected}. */
  error(mean: ArrayLike<number>, item: number): number {
    const [d, p] = [this.#d, this.#p];
    const { inverse } = this.#estimated();
    const x = this.#x(mean);
    const z = this.#z(mean, item);
    const arm = this.#arms.get(item);
    if (!arm) return Math.sqrt(quadratic(inverse, p, z) + dot(x, x));
    // z'A0^-1 z - 2 z'A0^-1 w + w'A0^-1 w with w = B'A^-1 x
    for (let i = 0; i < d; i++) {
      for (let j = 0; j < p; j++) z[j] = z[j]! - arm.solved[i * p + j]! * x[i]!;
    }
    return Math.sqrt(quadratic(inverse, p, z) + quadratic(arm.inverse, d, x));
  }

  /**
   * The items of the largest expected reward plus alpha standard errors, best first; of equal ones the smaller number first.
   * @param mean [width] of the clicked items. @param allowed which items may be shown.
   * @throws RangeError where fewer than `size` are.
   */
  slate(mean: ArrayLike<number>, size: number, allowed: (item: number) => boolean): Uint32Array {
    const { alpha } = this;
    const best: { item: number; score: number }[] = [];
    for (let item = 0; item < this.items; item++) {
      if (!allowed(item)) continue;
      const bonus = alpha === 0 ? 0 : alpha * this.error(mean, item);
      const score = this.expected(mean, item) + bonus;
      if (best.length === size && !(score > best[size - 1]!.score)) continue;
      let place = best.length;
      while (place > 0 && score > best[place - 1]!.score) place--;
      best.splice(place, 0, { item, score });
      best.length = Math.min(best.length, size);
    }
    if (best.length < size) {
      throw new RangeError(`expected ${size} items that may be shown, got ${best.length}`);
    }
    return Uint32Array.from(best, ({ item }) => item);
  }

  /** A shown item and its reward. @param mean as it was when the item was shown. */
  learn(mean: ArrayLike<number>, item: number, reward: number): void {
    const [d, p] = [this.#d, this.#p];
    const [x, z] = [this.#x(mean), this.#z(mean, item)];
    const arm = this.#arms.get(item) ?? newArm(d, p);
    this.#arms.set(item, arm);
    this.#addArm(arm, 1);
    shermanMorrison(arm.inverse, d, x);
    for (let i = 0; i < d; i++) {
      for (let j = 0; j < p; j++) arm.shared[i * p + j] = arm.shared[i * p + j]! + x[i]! * z[j]!;
      arm.rewards[i] = arm.rewards[i]! + reward * x[i]!;
    }
    multiply(arm.inverse, arm.shared, d, p, arm.solved);
    for (let i = 0; i < p; i++) {
      for (let j = 0; j < p; j++) this.#a0[i * p + j] = this.#a0[i * p + j]! + z[i]! * z[j]!;
      this.#b0[i] = this.#b0[i]! + reward * z[i]!;
    }
    this.#addArm(arm, -1);
    this.#estimate = undefined;
  }

  /** Adds sign times B'A^-1 B to A_0, and sign times B'A^-1 b to b_0. */
  #addArm({ shared, solved, rewards }: Arm, sign: 1 | -1): void {
    const [d, p] = [this.#d, this.#p];
    for (let k = 0; k < d; k++) {
      for (let i = 0; i < p; i++) {
        const b = sign * shared[k * p + i]!;
        if (b !== 0) {
          for (let j = 0; j < p; j++) this.#a0[i * p + j] = this.#a0[i * p + j]! + b * solved[k * p + j]!;
        }
        this.#b0[i] = this.#b0[i]! + sign * solved[k * p + i]! * rewards[k]!;
      }
    }
  }

  #estimated(): Estimate {
    if (!this.#estimate) {
      const factor = choleskyOf(this.#a0, this.#p);
      this.#estimate = {
        beta: solve(factor, this.#p, this.#b0.slice()),
        inverse: inverseOf(factor, this.#p),
        thetas: new Map(),
      };
    }
    return this.#estimate;
  }

  #x(mean: ArrayLike<number>): Float64Array {
    const x = new Float64Array(this.#d);
    x[0] = 1;
    for (let k = 0; k < this.width; k++) x[1 + k] = mean[k]!;
    return x;
  }

  #z(mean: ArrayLike<number>, item: number): Float64Array {
    const { width, vectors } = this;
    const z = new Float64Array(this.#p);
    for (let k = 0; k < width; k++) {
      const f = vectors[item * width + k]!;
      z[k] = f * mean[k]!;
      z[width + k] = f;
    }
    return z;
  }
}

function newArm(d: number, p: number): Arm {
  return {
    inverse: identity(d),
    shared: new Float64Array(d * p),
    rewards: new Float64Array(d),
    solved: new Float64Array(d * p),
  };
}

function identity(n: number): Float64Array {
  const a = new Float64Array(n * n);
  for (let k = 0; k < n; k++) a[k * n + k] = 1;
  return a;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!;
  return sum;
}

/** Makes A^-1 the inverse of A + x x'. */
function shermanMorrison(inverse: Float64Array, n: number, x: Float64Array): void {
  const v = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) v[i] = v[i]! + inverse[i * n + j]! * x[j]!;
  }
  const scale = 1 / (1 + dot(x, v));
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) inverse[i * n + j] = inverse[i * n + j]! - scale * (v[i]! * v[j]!);
  }
}

/** out [n, p] = A [n, n] B [n, p]. */
function multiply(a: Float64Array, b: Float64Array, n: number, p: number, out: Float64Array): void {
  out.fill(0);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < n; k++) {
      const value = a[i * n + k]!;
      for (let j = 0; j < p; j++) out[i * p + j] = out[i * p + j]! + value * b[k * p + j]!;
    }
  }
}
