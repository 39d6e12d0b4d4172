/** LinUCB with users: it keeps what they clicked, writes slates for all of them, and learns from what became of these. */

import type { LinUcb } from "./lin_ucb.ts";

export class LinUcbAgent {
  /** [U, width] sums of the vectors of clicked items. */
  readonly #sums: Float64Array;
  /** [U] clicks. */
  readonly #counts: Uint32Array;
  readonly #clicked: Set<number>[];

  /**
   * @param bandit over these vectors. @param vectors [I, width] of the items. @param repeats whether what a user clicked may be
   *   shown to them again.
   */
  constructor(
    readonly bandit: LinUcb,
    private readonly vectors: Float32Array,
    private readonly width: number,
    private readonly users: number,
    private readonly slate: number,
    private readonly repeats: boolean,
  ) {
    this.#sums = new Float64Array(users * width);
    this.#counts = new Uint32Array(users);
    this.#clicked = Array.from({ length: users }, () => new Set<number>());
  }

  /** Users without a click take the places of those who were there; what was learned stays. */
  newUsers(): void {
    this.#sums.fill(0);
    this.#counts.fill(0);
    for (const clicked of this.#clicked) clicked.clear();
  }

  /** [U, k] for a page of all users. @throws RangeError where too few items are left. */
  slates(): Uint32Array<ArrayBuffer> {
    const slates = new Uint32Array(this.users * this.slate);
    for (let user = 0; user < this.users; user++) {
      const clicked = this.#clicked[user]!;
      const allowed = (item: number) => this.repeats || !clicked.has(item);
      slates.set(this.bandit.slate(this.#mean(user), this.slate, allowed), user * this.slate);
    }
    return slates;
  }

  /**
   * Moves users by what became of the slates. @param slots [U] that were clicked, k or more for none.
   * @param present who saw them. @param learns whether the bandit gets to know.
   */
  tell(
    slates: ArrayLike<number>,
    slots: ArrayLike<number>,
    present: (user: number) => boolean,
    learns: boolean,
  ): void {
    for (let user = 0; user < this.users; user++) {
      if (!present(user)) continue;
      const mean = this.#mean(user);
      for (let j = 0; j < this.slate && learns; j++) {
        this.bandit.learn(mean, slates[user * this.slate + j]!, slots[user] === j ? 1 : 0);
      }
      const slot = slots[user]!;
      if (slot < this.slate) this.#click(user, slates[user * this.slate + slot]!);
    }
  }

  #click(user: number, item: number): void {
    const { width, vectors } = this;
    for (let k = 0; k < width; k++) {
      this.#sums[user * width + k] = this.#sums[user * width + k]! + vectors[item * width + k]!;
    }
    this.#clicked[user]!.add(item);
    this.#counts[user] = this.#counts[user]! + 1;
  }

  #mean(user: number): Float64Array {
    const count = Math.max(1, this.#counts[user]!);
    return this.#sums.slice(user * this.width, (user + 1) * this.width).map((sum) => sum / count);
  }
}
