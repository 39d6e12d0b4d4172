/** What users and items are called in the source of a log, and their numbers in it. */

import * as v from "../schema.ts";
import { GrowingArray } from "./growing_array.ts";
import { UserError } from "../user_error.ts";

/** Ids of the users, or of the items, by their numbers. */
export interface IdList {
  /** How many numbers there are. */
  readonly count: number;
  /** The source's id of a number. */
  of(number: number): string;
  /** The number of an id; of an item in several versions the latest one's. Undefined for an id that there is not. */
  findIndex(id: string): number | undefined;
  /** The numbers of all ids, ascending: of an item in several versions the latest one's. */
  latest(): Uint32Array<ArrayBuffer>;
}

/** Ids that are the numbers themselves. */
export class NumberIds implements IdList {
  /** Of so many. */
  constructor(readonly count: number) {}

  /** The number as text. */
  of(number: number): string {
    return String(number);
  }

  /** Takes a number as it is written. */
  findIndex(id: string): number | undefined {
    return /^(0|[1-9]\d{0,9})$/.test(id) && Number(id) < this.count ? Number(id) : undefined;
  }

  /** All of them. */
  latest(): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.count).map((_, number) => number);
  }
}

/** Ids as a source has them. */
export class TextIds implements IdList {
  /** In the order of the numbers; later versions of an item have larger ones. */
  constructor(private readonly list: TextList) {}

  get count(): number {
    return this.list.length;
  }

  /** The source's id; of a number beyond the list, which a wider model may have, the number. */
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

/** An id in JSON, as text. */
export const idSchema = v.pipe(
  v.union([v.string(), v.wholeNumber()], "expected an id, a text or a whole number"),
  v.transform(String),
);
const listSchema = v.array(idSchema);

/**
 * The ids that a text names: a JSON list, which can write any id, or what `separator` separates, as it stands, as " x" may
 * be another item than "x". None for an empty text.
 * @throws UserError for a JSON list of something else.
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
    return undefined; // an id may begin with a bracket
  }
}

// Many short texts in little memory: their bytes one after another, some 20 a text instead of 100.

export class TextList {
  readonly #decoder = new TextDecoder();
  #index: TextIndex | undefined;

  /** @param bytes of all texts, one after another. @param ends of each in them. */
  constructor(private readonly bytes: Uint8Array, private readonly ends: Float64Array) {}

  static of(texts: Iterable<string>): TextList {
    const list = new TextListWriter();
    for (const text of texts) list.push(text);
    return list.done();
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

  /** The last place of a text. What finds it is made when it is first asked for: 8 to 15 bytes a text. */
  findLast(text: string): number | undefined {
    const bytes = new TextEncoder().encode(text);
    const { index } = this;
    const slot = this.#findSlot(index, hashBytes(bytes, 0, bytes.length), bytes, 0, bytes.length);
    return index.marks[slot] === 0 ? undefined : index.places[slot];
  }

  /** The last place of each different text, ascending. */
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

  /** Where a text stands, or else would stand: the first free slot from that of its hash on. */
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

/** Where texts stand, by the hash of their bytes. Most slots of other texts show by their mark, which is near in memory. */
interface TextIndex {
  /** Seven bits of the hash, and 1 more; 0 for a free slot. */
  readonly marks: Uint8Array;
  readonly places: Uint32Array;
}

/** FNV-1a, with its bits mixed. */
function hashBytes(bytes: Uint8Array, from: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let k = from; k < end; k++) hash = Math.imul(hash ^ (bytes[k] ?? 0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return hash ^ (hash >>> 13);
}

function computeMark(hash: number): number {
  return 1 + (hash >>> 25);
}

/** Takes texts one by one. */
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
    // Beyond ASCII; the encoder takes ten times as long for a short text.
    if (at < 0) at = this.#used + this.#encoder.encodeInto(text, this.#bytes.subarray(this.#used)).written;
    this.#used = at;
    this.#ends.push(this.#used);
  }

  get length(): number {
    return this.#ends.length;
  }

  /** Nothing may be pushed behind it. What is reserved beyond the texts was never written, and takes no memory. */
  done(): TextList {
    return new TextList(this.#bytes.subarray(0, this.#used), this.#ends.values());
  }
}
