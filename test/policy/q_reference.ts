/** A simple Q-network in f64 on the host, to check choices and learning on the device. */

import type { QShape } from "../../src/policy/network/q_network.ts";
import type { Weights } from "../../src/tape/parameters.ts";

type Numbers = ArrayLike<number>;

export class Q64 {
  constructor(
    readonly shape: QShape,
    readonly weights: ReadonlyMap<string, Numbers> | Weights,
    readonly vectors: Numbers,
  ) {}

  #of(name: string): Numbers {
    const values = this.weights.get(name);
    if (!values) throw new Error(`expected weights of ${name}`);
    return values;
  }

  /** Returns x W for a range of columns of W. */
  #product(x: readonly number[], name: string, columns: number, first: number, count: number): number[] {
    const w = this.#of(name);
    return Array.from(
      { length: count },
      (_, n) => x.reduce((sum, xk, k) => sum + xk * (w[k * columns + first + n] ?? NaN), 0),
    );
  }

  trunk(x: readonly number[]): number[] {
    const { trunk } = this.shape;
    const bias = this.#of("trunk/bias");
    return this.#product(x, "trunk/kernel", trunk, 0, trunk).map((z, n) => Math.max(0, z + (bias[n] ?? NaN)));
  }

  item(item: number): number[] {
    const { itemColumns } = this.shape;
    return Array.from({ length: itemColumns }, (_, c) => this.vectors[item * itemColumns + c] ?? NaN);
  }

  value(z: readonly number[], c: number): number {
    const { kind, slate, zero } = this.shape;
    const columns = kind === "item" ? (zero ? 2 : 1) : slate;
    const [sum = NaN] = this.#product(z, "value/kernel", columns, c, 1);
    return sum + (this.#of("value/bias")[c] ?? NaN);
  }

  /** Returns the ReLU's input for a partial slate. A network of kind `item` reads only the last item. */
  before(z: readonly number[], items: readonly number[]): number[] {
    const { kind, slate, units } = this.shape;
    const j = items.length - 1;
    const base = kind === "cascade" ? j * units : 0;
    const bases = kind === "cascade" ? slate * units : units;
    const bias = this.#of("state/bias");
    const parts = [
      this.#product(z, "state/kernel", bases, base, units).map((s, n) => s + (bias[base + n] ?? NaN)),
    ];
    items.forEach((item, m) => {
      if (kind === "item" && m < j) return;
      const [name, columns] = kind === "cascade"
        ? [`item${m + 1}/kernel`, (slate - m) * units]
        : ["item1/kernel", units];
      const first = (j - m) * units;
      parts.push(this.#product(this.item(item), name, columns, first, units));
    });
    return Array.from({ length: units }, (_, n) => parts.reduce((sum, part) => sum + (part[n] ?? NaN), 0));
  }

  /** Returns the Q-value of a partial slate; for kind `item`, of its last item. */
  q(x: readonly number[], items: readonly number[]): number {
    const { kind, units } = this.shape;
    const z = this.trunk(x);
    const j = items.length - 1;
    const first = kind === "cascade" ? j * units : 0;
    const output = this.#of("output/kernel");
    const score = this.before(z, items).reduce(
      (sum, h, n) => sum + Math.max(0, h) * (output[first + n] ?? NaN),
      0,
    );
    return score + this.value(z, kind === "item" ? 0 : j);
  }
}
