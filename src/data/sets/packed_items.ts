/**
 * Item catalogue in a packed file, from which items are read one by one. The file has these sections:
 *
 *   header     16 words: mark (2 words), version, kind (0 one-hot, 1 dense, 2 mixed), numbers of items I,
 *              features F and tokens V, number of pairs (item, its token), length C of `counts`, zeros,
 *              and three checksums
 *   items      for each item, in order: F features as f32, and then the item's tokens as words
 *   index      [I+1] words, only for mixed items: number of words of `items` before each item
 *   counts     [C] words: number of items with 0, 1, 2, ... tokens
 */

import type { ItemFeatures } from "../click_log.ts";
import type { ItemCatalogue, ItemsShape } from "../item_catalogue.ts";
import { HEADER_WORDS, PackedFile, PackedFileWriter } from "./packed_file.ts";
import { GrowingArray } from "../growing_array.ts";
import { UserError } from "../../user_error.ts";

const MAGIC = [0x63696c63, 0x6d657469]; // "clicitem"
const VERSION = 2;
const KINDS = ["one-hot", "dense", "mixed"] as const;

/** Number of 32-bit words that one read of the file loads. */
const BLOCK = 4096;

/** A catalogue that stays on disk, except for `tokenCounts` and two buffers of 16 KiB. */
export class PackedItems implements ItemCatalogue, Disposable {
  /** Always undefined, because the whole catalogue is never in memory. */
  readonly items: undefined = undefined;
  readonly #index: Block;
  readonly #words: Block;

  private constructor(
    private readonly file: PackedFile,
    readonly shape: ItemsShape,
    readonly tokenCounts: Uint32Array,
    tokens: number,
  ) {
    const { kind, count, width } = shape;
    const words = kind === "one-hot" ? 0 : count * width + tokens;
    this.#words = new Block(file, HEADER_WORDS, words);
    this.#index = new Block(file, HEADER_WORDS + words, kind === "mixed" ? count + 1 : 0);
  }

  /**
   * Opens a file that {@link PackedItemsWriter} wrote, and verifies the checksums of the whole file.
   * @throws {UserError} for a file that cannot be read, is of another kind, or has changed
   */
  static open(path: string): PackedItems {
    const file = PackedFile.open(path, "catalogue");
    try {
      const [, , , code = 0, count = 0, width = 0, V = 0, tokens = 0, counts = 0] = file.header(
        MAGIC,
        VERSION,
      );
      const kind = KINDS[code] ?? "one-hot";
      const shape: ItemsShape = kind === "mixed"
        ? { kind, count, width, tokens: V }
        : { kind, count, width: kind === "dense" ? width : count };
      const own = kind === "one-hot" ? 0 : count * width + tokens + (kind === "mixed" ? count + 1 : 0);
      const tokenCounts = new Uint32Array(counts);
      file.readAt(4 * (HEADER_WORDS + own), tokenCounts);
      return new PackedItems(file, shape, tokenCounts, tokens);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /**
   * Reads the features of some items. For one-hot items, which have no stored features, `ids` is ignored.
   * @param ids: ascending, distinct numbers. @throws {UserError} for an unreadable file, or an unknown item
   */
  read(ids: Uint32Array): ItemFeatures {
    const { shape } = this;
    if (shape.kind === "one-hot") return { kind: shape.kind, count: shape.count };
    const [count, width] = [ids.length, shape.width];
    const values = new Float32Array(count * width);
    if (shape.kind !== "mixed") {
      ids.forEach((id, k) => this.#words.copyFloats(id * width, width, values, k * width));
      return { kind: "dense", count, width, values };
    }
    const first = new Uint32Array(count + 1);
    const starts = new Uint32Array(count);
    ids.forEach((id, k) => {
      const start = this.#index.word(id);
      const tokens = this.#index.word(id + 1) - start - width;
      starts[k] = start;
      first[k + 1] = (first[k] ?? 0) + tokens;
    });
    const token = new Uint32Array(first[count] ?? 0);
    ids.forEach((_, k) => {
      const [from, to, start] = [first[k] ?? 0, first[k + 1] ?? 0, starts[k] ?? 0];
      this.#words.copyFloats(start, width, values, k * width);
      for (let p = from; p < to; p++) token[p] = this.#words.word(start + width + p - from);
    });
    return { kind: shape.kind, count, width, values, tokens: { count: shape.tokens, first, token } };
  }

  /** Closes the file, after which no item can be read. */
  close(): void {
    this.file.close();
  }
  [Symbol.dispose](): void {
    this.close();
  }
}

/** Reads words of a section of a file through a buffer of one block (4,096 words). */
class Block {
  #first = 0;
  #end = 0;
  readonly #words = new Uint32Array(BLOCK);
  readonly #floats = new Float32Array(this.#words.buffer);

  /** @param start: index of the section's first word in the file. @param length: number of words. */
  constructor(
    private readonly file: PackedFile,
    private readonly start: number,
    private readonly length: number,
  ) {}

  word(at: number): number {
    return this.#words[this.#place(at)] ?? 0;
  }

  /** Copies `count` floats of the section, from index `first` on, to `target`, from index `place` on. */
  copyFloats(first: number, count: number, target: Float32Array, place: number): void {
    for (let k = 0; k < count; k++) target[place + k] = this.#floats[this.#place(first + k)] ?? 0;
  }

  #place(at: number): number {
    if (at < this.#first || at >= this.#end) this.#read(at);
    return at - this.#first;
  }

  #read(first: number): void {
    if (first >= this.length) throw this.file.damaged(`word ${first} of ${this.length} is missing`);
    const words = this.#words.subarray(0, Math.min(BLOCK, this.length - first));
    this.file.readAt(4 * (this.start + first), words);
    this.#first = first;
    this.#end = first + words.length;
  }
}

const MOST = 2 ** 32 - 1;

/** Writes a packed catalogue piece by piece. Keeps 4 bytes per item in memory if items have tokens. */
export class PackedItemsWriter implements Disposable {
  readonly #index = new GrowingArray(Uint32Array);
  readonly #tokenCounts: number[] = [];
  #count = 0;
  #words = 0;
  #tokens = 0;

  private constructor(private readonly file: PackedFileWriter, private readonly shape: ItemsShape) {
    if (shape.kind === "mixed") this.#index.push(0);
  }

  /**
   * Creates a temporary file, which {@link finish} renames to `path`.
   * @param shape: the items' shape; its `count` is ignored. @throws {UserError} if the file cannot be created
   */
  static create(path: string, shape: ItemsShape): PackedItemsWriter {
    return new PackedItemsWriter(PackedFileWriter.create(path), shape);
  }

  /** Appends items. @throws UserError if the file would have more than 2^32 - 1 features and tokens. */
  write(items: ItemFeatures): void {
    this.#count += items.count;
    if (items.kind === "one-hot") return;
    const { count, width, values } = items;
    const tokens = items.kind === "mixed" ? items.tokens : undefined;
    const length = values.length + (tokens?.token.length ?? 0);
    if (this.#words + length > MOST) {
      throw new UserError(`Expected at most ${MOST} features and tokens in ${this.file.path}, got more.`);
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

  /** Completes the file, and gives it its final name. @throws UserError if the file cannot be written. */
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

  /** Removes the temporary file if {@link finish} was not called. */
  [Symbol.dispose](): void {
    this.file[Symbol.dispose]();
  }
}
