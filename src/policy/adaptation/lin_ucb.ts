/**
 * Hybrid LinUCB (Li, Chu, Langford, Schapire 2010, algorithm 2) on the host, in float64: a bandit that learns while it
 * recommends, and knows nothing beforehand.
 *
 *   r = z'beta + x'theta_a,   x = [1; m],   z = [f_a * m; f_a]      m: the mean vector of the clicked items, f_a: the item's
 *   an item's score: z'beta + x'theta_a + alpha sqrt(s_a),
 *   s_a = (z - w)' A_0^-1 (z - w) + x' A_a^-1 x,   w = B_a' A_a^-1 x
 *
 * beta is shared by all items, theta_a is an item's own: both are ridge estimates with penalty 1. The paper's updates, put
 * into each other, are of rank one. With K = A_a^-1 before, q = K x, c = 1 / (1 + x'q), v = z - w, e = r - x' K b_a:
 *
 *   A_0 += c v v',   b_0 += c e v,   K -= c q q',   K B_a += c q v',   K b_a += c e q
 *
 * s_a is the variance of an estimate given all that was seen, times a constant: what is seen later makes none larger. So an s_a of
 * before is a bound, and the costly matrix of an item is made anew only where the bound lets the item into the slate.
 */

/** What is known of an item that was shown. */
interface Arm {
  /** A_a^-1 [d, d]. */
  readonly inverse: Float64Array;
  /** A_a^-1 B_a [d, p]. */
  readonly shared: Float64Array;
  /** A_a^-1 b_a [d]. */
  readonly rewards: Float64Array;
}

/** What s_a of an item is for a user: x' S x, in x alone, as z is linear in it. */
interface Spread {
  /** S, the lower half, row by row; what is beside the diagonal twice, as it counts twice. */
  readonly packed: Float64Array;
  /** Rewards that had been learned by then. */
  readonly rewards: number;
}

/** A bound is that but for rounding: so much more is still within it. */
const BOUND = 1 + 1e-9;

export class LinUcb {
  readonly #d: number;
  readonly #p: number;
  /** A_0^-1 [p, p]. */
  readonly #inverse: Float64Array;
  readonly #b0: Float64Array;
  readonly #arms = new Map<number, Arm>();
  #rewards = 0;
  /** Of this moment: a reward undoes them. */
  #beta: Float64Array | undefined;
  /** An item's expected reward is own'x. */
  #own: (Float64Array | undefined)[] = [];
  /** Of this moment or of one before. */
  readonly #spreads: (Spread | undefined)[] = [];
  #alpha: number;

  /**
   * @param vectors [I, width] of the items. @param alpha standard errors that are added to what is expected of an item; 0
   *   never explores.
   */
  constructor(private readonly vectors: Float32Array, private readonly width: number, alpha: number) {
    if (!(alpha >= 0)) throw new RangeError(`expected alpha of at least 0, got ${alpha}`);
    [this.#d, this.#p, this.#alpha] = [1 + width, 2 * width, alpha];
    this.#inverse = identity(this.#p);
    this.#b0 = new Float64Array(this.#p);
  }

  get items(): number {
    return this.vectors.length / this.width;
  }

  /** From now on it only shows what it holds best. */
  stopExploring(): void {
    this.#alpha = 0;
  }

  /** beta [2 width], the shared weights. */
  get beta(): Float64Array {
    return this.#beta ??= times(this.#inverse, this.#b0, this.#p);
  }

  /** A_0^-1 [2 width, 2 width]. */
  get inverse(): Float64Array {
    return this.#inverse;
  }

  /** theta_a [1 + width]; zeros for an item that was never shown. */
  theta(item: number): Float64Array {
    const arm = this.#arms.get(item);
    if (!arm) return new Float64Array(this.#d);
    const { beta } = this;
    return arm.rewards.map((reward, i) => {
      let sum = reward;
      for (let j = 0; j < this.#p; j++) sum -= arm.shared[i * this.#p + j]! * beta[j]!;
      return sum;
    });
  }

  /** What is expected of an item: z'beta + x'theta. @param mean [width] of the items that the user clicked. */
  expected(mean: ArrayLike<number>, item: number): number {
    return dot(this.#ownOf(item), this.#x(mean));
  }

  /** Its standard error. @param mean as of {@link expected}. */
  error(mean: ArrayLike<number>, item: number): number {
    return Math.sqrt(dot(this.#spreadOf(item).packed, products(this.#x(mean))));
  }

  /**
   * The items of the largest expected reward plus alpha standard errors, best first; of equal ones the smaller number first.
   * @param mean [width] of the clicked items. @param allowed which items may be shown.
   * @throws RangeError where fewer than `size` are.
   */
  slate(mean: ArrayLike<number>, size: number, allowed: (item: number) => boolean): Uint32Array {
    const best: { item: number; score: number }[] = [];
    const x = this.#x(mean);
    const xx = products(x);
    for (let item = 0; item < this.items; item++) {
      if (!allowed(item)) continue;
      const expected = dot(this.#ownOf(item), x);
      const bonus = ({ packed }: Spread) => this.#alpha * Math.sqrt(dot(packed, xx));
      const least = best.length === size ? best[size - 1]!.score : -Infinity;
      const before = this.#spreads[item];
      if (this.#alpha > 0 && before && expected + BOUND * bonus(before) <= least) continue;
      const score = expected + (this.#alpha > 0 ? bonus(this.#spreadOf(item)) : 0);
      if (!(score > least)) continue;
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
    const arm = this.#arms.get(item) ?? newArm(d, p);
    this.#arms.set(item, arm);
    const x = this.#x(mean);
    const v = this.#z(mean, item);
    for (let i = 0; i < d; i++) {
      for (let j = 0; j < p; j++) v[j] = v[j]! - arm.shared[i * p + j]! * x[i]!;
    }
    const q = times(arm.inverse, x, d);
    const c = 1 / (1 + dot(x, q));
    const e = reward - dot(x, arm.rewards);
    const moved = times(this.#inverse, v, p);
    addOuter(this.#inverse, p, p, -c / (1 + c * dot(v, moved)), moved, moved);
    for (let j = 0; j < p; j++) this.#b0[j] = this.#b0[j]! + c * e * v[j]!;
    addOuter(arm.inverse, d, d, -c, q, q);
    addOuter(arm.shared, d, p, c, q, v);
    for (let i = 0; i < d; i++) arm.rewards[i] = arm.rewards[i]! + c * e * q[i]!;
    this.#rewards++;
    this.#beta = undefined;
    this.#own = [];
  }

  #ownOf(item: number): Float64Array {
    const known = this.#own[item];
    if (known) return known;
    const { width, vectors, beta } = this;
    const own = this.theta(item);
    for (let k = 0; k < width; k++) {
      const f = vectors[item * width + k]!;
      own[0] = own[0]! + f * beta[width + k]!;
      own[1 + k] = own[1 + k]! + f * beta[k]!;
    }
    return this.#own[item] = own;
  }

  /** T' A_0^-1 T + A_a^-1, where z - w = T x. */
  #spreadOf(item: number): Spread {
    const known = this.#spreads[item];
    if (known?.rewards === this.#rewards) return known;
    const [d, p] = [this.#d, this.#p];
    const { width, vectors } = this;
    const arm = this.#arms.get(item);
    const rows = new Float64Array(d * p); // T'
    for (let k = 0; k < width; k++) {
      const f = vectors[item * width + k]!;
      rows[width + k] = f;
      rows[(1 + k) * p + k] = f;
    }
    if (arm) { for (let k = 0; k < d * p; k++) rows[k] = rows[k]! - arm.shared[k]!; }
    const packed = new Float64Array(d * (d + 1) / 2);
    for (let i = 0, at = 0; i < d; i++) {
      const moved = times(this.#inverse, rows.subarray(i * p, (i + 1) * p), p);
      for (let j = 0; j <= i; j++) {
        let sum = arm ? arm.inverse[i * d + j]! : i === j ? 1 : 0;
        for (let k = 0; k < p; k++) sum += moved[k]! * rows[j * p + k]!;
        packed[at++] = i === j ? sum : 2 * sum;
      }
    }
    return this.#spreads[item] = { packed, rewards: this.#rewards };
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
  return { inverse: identity(d), shared: new Float64Array(d * p), rewards: new Float64Array(d) };
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

/** A x of A [n, n]. */
function times(a: Float64Array, x: Float64Array, n: number): Float64Array {
  const out = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let k = 0; k < n; k++) sum += a[i * n + k]! * x[k]!;
    out[i] = sum;
  }
  return out;
}

/** A [n, m] += scale a b'. */
function addOuter(
  into: Float64Array,
  n: number,
  m: number,
  scale: number,
  a: Float64Array,
  b: Float64Array,
): void {
  for (let i = 0; i < n; i++) {
    const factor = scale * a[i]!;
    for (let j = 0; j < m; j++) into[i * m + j] = into[i * m + j]! + factor * b[j]!;
  }
}

/** x_i x_j for j <= i, row by row. */
function products(x: Float64Array): Float64Array {
  const out = new Float64Array(x.length * (x.length + 1) / 2);
  for (let i = 0, at = 0; i < x.length; i++) {
    for (let j = 0; j <= i; j++) out[at++] = x[i]! * x[j]!;
  }
  return out;
}
