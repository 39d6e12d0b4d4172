/** Converts the ids of users and items to the numbers 0, 1, 2, ... and back. */

import * as v from "../schema.ts";
import { GrowingArray } from "./growing_array.ts";
import { UserError } from "../user_error.ts";

/** Ids of all users, or of all items. An item whose features changed has several numbers, but one id. */
export interface IdList {
  /** Number of ids. */
  readonly count: number;
  /** Returns the id of a user or item, given its number. */
  of(number: number): string;
  /** Returns the number of a user or item (its latest version) with this id; undefined for an unknown id. */
  findIndex(id: string): number | undefined;
  /** Returns one number per id, in ascending order. If an item has several numbers, returns its latest. */
  latest(): Uint32Array<ArrayBuffer>;
}

/** Ids for data without ids: the number of a user or item is its id. */
export class NumberIds implements IdList {
  constructor(readonly count: number) {}

  of(number: number): string {
    return String(number);
  }

  findIndex(id: string): number | undefined {
    return /^(0|[1-9]\d{0,9})$/.test(id) && Number(id) < this.count ? Number(id) : undefined;
  }

  latest(): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.count).map((_, number) => number);
  }
}

export class TextIds implements IdList {
  /** @param list: the id of each user or item, by number. All versions of an item have one id. */
  constructor(private readonly list: TextList) {}

  get count(): number {
    return this.list.length;
  }

  of(number: number): string {
    return this.list.at(number) ?? String(number);
  }

  findIndex(id: string): number | undefined {
    return this.list.findLast(id);
  }

  latest(): Uint32Array<ArrayBuffer> {
    return this.list.lasts();
  }
}

/** Schema of an id in JSON: a text, or a whole number, which is converted to text. */
export const idSchema = v.pipe(
  v.union(
    [v.string(), v.wholeNumber()],
    ({ input }) => `expected an id, a text or a whole number, got ${JSON.stringify(input)}`,
  ),
  v.transform(String),
);
const listSchema = v.array(idSchema);

/**
 * Parses a list of ids: either JSON, or ids joined by `separator`. An id that contains the separator needs
 * JSON. An empty text gives []. Spaces are kept, because " x" and "x" may be different items.
 * @throws UserError if an entry of a JSON list is not an id.
 */
export function parseIds(text: string, separator: string | RegExp): string[] {
  if (text === "") return [];
  const json = listIn(text);
  if (json === undefined) return text.split(separator);
  const parsed = v.safeParse(listSchema, json);
  if (parsed.success) return parsed.output;
  throw new UserError(`Expected a JSON list of ids: ${v.describeIssues(parsed.issues.slice(0, 1))}.`);
}

function listIn(text: string): unknown {
  if (!text.trimStart().startsWith("[")) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not JSON: an id may begin with a bracket
  }
}

/** Stores many short texts in one byte array: about 20 bytes per text, instead of 100 as strings. */
export class TextList {
  readonly #decoder = new TextDecoder();
  #index: TextIndex | undefined;

  /** @param bytes: concatenated UTF-8 texts. @param ends: index in `bytes` at which each text ends. */
  constructor(private readonly bytes: Uint8Array, private readonly ends: Float64Array) {}

  static of(texts: Iterable<string>): TextList {
    const list = new TextListWriter();
    for (const text of texts) list.push(text);
    return list.done();
  }

  get length(): number {
    return this.ends.length;
  }

  /** Returns the text with index k; undefined if the list is shorter. */
  at(k: number): string | undefined {
    const end = this.ends[k];
    return end === undefined
      ? undefined
      : this.#decoder.decode(this.bytes.subarray(this.ends[k - 1] ?? 0, end));
  }

  /** Returns a text's last index, or undefined. The first call makes a hash table, 8 to 15 bytes per text. */
  findLast(text: string): number | undefined {
    const bytes = new TextEncoder().encode(text);
    const { index } = this;
    const slot = this.#findSlot(index, hashBytes(bytes, 0, bytes.length), bytes, 0, bytes.length);
    return index.marks[slot] === 0 ? undefined : index.places[slot];
  }

  /** Returns the last index of each distinct text, in ascending order. */
  lasts(): Uint32Array<ArrayBuffer> {
    const { marks, places } = this.index;
    const isLast = new Uint8Array(this.length);
    marks.forEach((mark, slot) => mark > 0 && (isLast[places[slot] ?? 0] = 1));
    const found = new Uint32Array(isLast.reduce((sum, own) => sum + own, 0));
    let count = 0;
    isLast.forEach((own, place) => own > 0 && (found[count++] = place));
    return found;
  }

  private get index(): TextIndex {
    if (this.#index) return this.#index;
    const slots = 2 ** Math.ceil(Math.log2(1.5 * this.length + 1));
    const index = { marks: new Uint8Array(slots), places: new Uint32Array(slots) };
    let from = 0;
    this.ends.forEach((end, place) => {
      const hash = hashBytes(this.bytes, from, end);
      const slot = this.#findSlot(index, hash, this.bytes, from, end);
      index.marks[slot] = computeMark(hash);
      index.places[slot] = place;
      from = end;
    });
    return this.#index = index;
  }

  /** Returns the slot of a text in the hash table, or a free slot for a new text (linear probing). */
  #findSlot(
    { marks, places }: TextIndex,
    hash: number,
    bytes: Uint8Array,
    from: number,
    end: number,
  ): number {
    const mark = computeMark(hash);
    for (let slot = hash & (marks.length - 1);; slot = (slot + 1) & (marks.length - 1)) {
      const found = marks[slot];
      if (found === 0 || (found === mark && this.#isAt(places[slot] ?? 0, bytes, from, end))) return slot;
    }
  }

  #isAt(place: number, bytes: Uint8Array, from: number, end: number): boolean {
    const own = this.ends[place - 1] ?? 0;
    if ((this.ends[place] ?? 0) - own !== end - from) return false;
    for (let k = 0; k < end - from; k++) if (this.bytes[own + k] !== bytes[from + k]) return false;
    return true;
  }
}

/** Hash table from texts to last indices. Texts are compared only if seven bits of their hashes are equal. */
interface TextIndex {
  /** For each slot of the table, seven bits of its text's hash, plus 1; 0 for a free slot. */
  readonly marks: Uint8Array;
  /** For each slot, the index of its text in the list. */
  readonly places: Uint32Array;
}

/** Computes the FNV-1a hash of the bytes `from` to `end` - 1, and then mixes the bits of the hash. */
function hashBytes(bytes: Uint8Array, from: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let k = from; k < end; k++) hash = Math.imul(hash ^ (bytes[k] ?? 0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return hash ^ (hash >>> 13);
}

function computeMark(hash: number): number {
  return 1 + (hash >>> 25);
}

export class TextListWriter {
  #bytes = new Uint8Array(1024);
  readonly #ends = new GrowingArray(Float64Array);
  #used = 0;
  readonly #encoder = new TextEncoder();

  push(text: string): void {
    if (this.#used + 3 * text.length > this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#bytes.length + 3 * text.length);
      larger.set(this.#bytes.subarray(0, this.#used));
      this.#bytes = larger;
    }
    let at = this.#used;
    for (let k = 0; k < text.length && at >= 0; k++) {
      const code = text.charCodeAt(k);
      if (code < 0x80) this.#bytes[at++] = code;
      else at = -1;
    }
    // For short texts, TextEncoder takes ten times as long as this loop, so only non-ASCII texts use it.
    if (at < 0) at = this.#used + this.#encoder.encodeInto(text, this.#bytes.subarray(this.#used)).written;
    this.#used = at;
    this.#ends.push(this.#used);
  }

  get length(): number {
    return this.#ends.length;
  }

  /** Returns the list of all pushed texts. After this call, no text may be pushed. */
  done(): TextList {
    return new TextList(this.#bytes.subarray(0, this.#used), this.#ends.values());
  }
}
