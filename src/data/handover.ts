/** Hands things over from whoever makes them to whoever writes them down, one at a time, so that they do not pile up. */

/** Iterated over once, by one reader. */
export class Handover<T> implements AsyncIterable<T> {
  #waiting:
    | { readonly value: T; readonly taken: () => void; readonly refused: (why: unknown) => void }
    | undefined;
  #wake: (() => void) | undefined;
  #end: { readonly error: unknown } | undefined;
  #closed: { readonly why: unknown } | undefined;

  /** Waits until the reader has taken it. @throws what ended the reader, if it has ended. */
  put(value: T): Promise<void> {
    if (this.#closed) return Promise.reject(this.#closed.why);
    return new Promise((taken, refused) => {
      this.#waiting = { value, taken, refused };
      this.#wake?.();
    });
  }

  /** There is nothing more. @param error what the reader is to throw in the place of an end. */
  end(error?: unknown): void {
    this.#end = { error };
    this.#wake?.();
  }

  /** Lets the reader work, and passes on what ends it. @param read takes this as its input. */
  async read<R>(read: (from: AsyncIterable<T>) => Promise<R>): Promise<R> {
    try {
      const result = await read(this);
      this.#close(new Error("its reader has ended"));
      return result;
    } catch (error) {
      this.#close(error);
      throw error;
    }
  }

  #close(why: unknown): void {
    this.#closed = { why };
    this.#waiting?.refused(why);
    this.#waiting = undefined;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    while (true) {
      const next = this.#waiting;
      if (next) {
        this.#waiting = undefined;
        next.taken();
        yield next.value;
      } else if (this.#end) {
        if (this.#end.error !== undefined) throw this.#end.error;
        return;
      } else {
        await new Promise<void>((wake) => this.#wake = wake);
        this.#wake = undefined;
      }
    }
  }
}
