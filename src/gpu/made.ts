/** Parts that are made one after another, and freed together. */

/** What can be freed. */
export interface Destroyable {
  destroy(): void;
}

/** Parts in the order in which they were made. */
export class Made {
  readonly #parts: Destroyable[] = [];

  /** Takes a part, to be freed with the others. @returns the part */
  keep<T extends Destroyable>(part: T): T {
    this.#parts.push(part);
    return part;
  }

  /** Frees all parts, the last one first. */
  destroy(): void {
    for (const part of this.#parts.splice(0).reverse()) part.destroy();
  }
  [Symbol.dispose](): void {
    this.destroy();
  }
}

/** Makes a whole of several parts. When that fails, the parts that were made are freed. */
export async function making<T>(make: (made: Made) => Promise<T>): Promise<T> {
  const made = new Made();
  try {
    return await make(made);
  } catch (error) {
    made.destroy();
    throw error;
  }
}
