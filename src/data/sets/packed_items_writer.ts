/** Writes the files that packed_items.ts reads. */

import type { ItemFeatures } from "../click_log.ts";
import { Growing } from "../growing.ts";
import type { ItemsShape } from "../item_catalogue.ts";
import { PackedFileWriter } from "./packed_file.ts";
import { KINDS, MAGIC, VERSION } from "./packed_items.ts";
import { UserError } from "../../user_error.ts";

/** Words are counted in u32. */
const MOST = 2 ** 32 - 1;

/** Writes a catalogue chunk by chunk: what is in memory is 4 bytes an item with tokens, and the chunk at hand. */
export class PackedItemsWriter implements Disposable {
  readonly #index = new Growing(Uint32Array);
  readonly #tokenCounts: number[] = [];
  #count = 0;
  #words = 0;
  #tokens = 0;

  private constructor(private readonly file: PackedFileWriter, private readonly shape: ItemsShape) {
    if (shape.kind === "mixed") this.#index.push(0);
  }

  /**
   * Begins a file beside `path`, which takes its place when it is finished.
   * @param shape of the items; its count is not used: how many there are shows in the end.
   * @throws {UserError} where the file cannot be made
   */
  static create(path: string, shape: ItemsShape): PackedItemsWriter {
    return new PackedItemsWriter(PackedFileWriter.create(path), shape);
  }

  /** Appends items of the same kind. @throws UserError for a catalogue beyond what the file can count. */
  write(items: ItemFeatures): void {
    this.#count += items.count;
    if (items.kind === "one-hot") return;
    const { count, width, values } = items;
    const tokens = items.kind === "mixed" ? items.tokens : undefined;
    const length = values.length + (tokens?.token.length ?? 0);
    if (this.#words + length > MOST) {
      throw new UserError(`Expected at most ${MOST} features and tokens for ${this.file.path}, got more.`);
    }
    const words = new Uint32Array(length);
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
    let at = 0;
    for (let item = 0; item < count; item++) {
      words.set(bits.subarray(item * width, (item + 1) * width), at);
      at += width;
      if (!tokens) continue;
      const own = tokens.token.subarray(tokens.first[item], tokens.first[item + 1]);
      words.set(own, at);
      at += own.length;
      this.#tokenCounts[own.length] = (this.#tokenCounts[own.length] ?? 0) + 1;
      this.#index.push(this.#words + at);
    }
    this.#words += at;
    this.#tokens += tokens?.token.length ?? 0;
    this.file.append(words);
  }

  /** Ends the file and gives it its name. @throws UserError where it cannot be written. */
  finish(): void {
    const { shape } = this;
    const counts = Uint32Array.from(this.#tokenCounts, (items) => items ?? 0);
    this.file.append(this.#index.values());
    this.file.append(counts);
    const width = shape.kind === "one-hot" ? 0 : shape.width;
    const V = shape.kind === "mixed" ? shape.tokens : 0;
    const own = [KINDS.indexOf(shape.kind), this.#count, width, V, this.#tokens, counts.length];
    this.file.finish([...MAGIC, VERSION, ...own]);
  }

  /** Takes an unfinished file back. */
  [Symbol.dispose](): void {
    this.file[Symbol.dispose]();
  }
}
