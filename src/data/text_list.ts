/** Many short texts in little memory: their bytes one after another, some 20 a text instead of 100. */

export class TextList {
  readonly #decoder = new TextDecoder();
  private constructor(private readonly bytes: Uint8Array, private readonly ends: Float64Array) {}

  static of(texts: Iterable<string>): TextList {
    const list = new TextListWriter();
    for (const text of texts) list.push(text);
    return list.done();
  }

  /** @internal */
  static from(bytes: Uint8Array, ends: Float64Array): TextList {
    return new TextList(bytes, ends);
  }

  get length(): number {
    return this.ends.length;
  }

  /** Undefined for a number that no text has. */
  at(k: number): string | undefined {
    const end = this.ends[k];
    return end === undefined
      ? undefined
      : this.#decoder.decode(this.bytes.subarray(this.ends[k - 1] ?? 0, end));
  }

  *[Symbol.iterator](): Generator<string> {
    for (let k = 0; k < this.length; k++) yield this.at(k) ?? "";
  }
}

/** Takes texts one by one. */
export class TextListWriter {
  #bytes = new Uint8Array(1024);
  #ends = new Float64Array(64);
  #used = 0;
  #length = 0;
  readonly #encoder = new TextEncoder();

  push(text: string): void {
    if (this.#used + 3 * text.length > this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#bytes.length + 3 * text.length);
      larger.set(this.#bytes.subarray(0, this.#used));
      this.#bytes = larger;
    }
    this.#used += this.#encoder.encodeInto(text, this.#bytes.subarray(this.#used)).written;
    if (this.#length === this.#ends.length) {
      const larger = new Float64Array(2 * this.#length);
      larger.set(this.#ends);
      this.#ends = larger;
    }
    this.#ends[this.#length++] = this.#used;
  }

  get length(): number {
    return this.#length;
  }

  done(): TextList {
    return TextList.from(this.#bytes.slice(0, this.#used), this.#ends.slice(0, this.#length));
  }
}
