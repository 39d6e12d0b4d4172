/** A typed array to which numbers can be appended. The array doubles its capacity when it is full. */
export class GrowingArray<
  T extends
    | Uint8Array<ArrayBuffer>
    | Uint32Array<ArrayBuffer>
    | Float32Array<ArrayBuffer>
    | Float64Array<ArrayBuffer>,
> {
  #array: T;
  #length = 0;

  constructor(private readonly kind: new (length: number) => T) {
    this.#array = new kind(1024);
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#array.length) {
      const larger = new this.kind(2 * this.#length);
      larger.set(this.#array);
      this.#array = larger;
    }
    this.#array[this.#length++] = value;
  }

  values(): T {
    return this.#array.slice(0, this.#length) as T;
  }

  /** Removes and returns the first `count` values. */
  shift(count: number): T {
    const first = this.#array.slice(0, count) as T;
    this.#array.copyWithin(0, count, this.#length);
    this.#length -= count;
    return first;
  }
}
