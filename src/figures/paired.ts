/**
 * Scorings of the same users that were made apart, compared in pairs: a run leaves the sums of its groups of users, some
 * 30 KB a snapshot, and the bootstrap of both draws the same groups.
 */

import { bootstrapOf } from "./bootstrap.ts";
import { column, columns, type FigureName } from "./columns.ts";
import { type Comparable, type Difference, difference, measure, type Tested } from "./tested.ts";

/** The sums that are kept, in their order. */
const KEPT = ["events", "clicks", "nll", "prec1", "prec2", "piPrec1"] as const;
/** The figures that they give. */
const FIGURES: readonly FigureName[] = ["nll", "prec1", "prec2", "piPrec1"];

/** What a scoring leaves in a file. */
export interface Paired {
  /** The same for the same users with the same events: see {@link UsersHash}. */
  readonly users: string;
  /** Of users that are resampled. */
  readonly groups: number;
  /** Base64 of float32 [groups, events | clicks | nll | prec1 | prec2 | piPrec1], little-endian; NaN where there is none. */
  readonly sums: string;
}

/** Tells users apart by the length of their pages and the places of their clicks, in their order. */
export class UsersHash {
  #high = 0x811c9dc5;
  #low = 0x2f0b4c47;

  /** Takes a number, an integer below 2^32. */
  add(value: number): void {
    this.#high = Math.imul(this.#high ^ value, 0x01000193);
    this.#low = Math.imul(this.#low ^ value ^ (this.#high >>> 15), 0x5bd1e995);
  }

  /** In hexadecimal. */
  get text(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
  }
}

/** What is kept of a scoring. */
export function pairedOf({ users, groups, sums }: Tested): Paired {
  const kept = new DataView(new ArrayBuffer(4 * groups * KEPT.length));
  for (let g = 0; g < groups; g++) {
    KEPT.forEach((name, k) => {
      kept.setFloat32(4 * (g * KEPT.length + k), sums[g * columns + column[name]]!, true);
    });
  }
  return { users, groups, sums: new Uint8Array(kept.buffer).toBase64() };
}

/** What was kept of a model's scorings, ready to be compared. */
export interface Kept extends Comparable {
  readonly users: string;
}

/**
 * The mean of scorings, such as those of several seeds.
 * @returns undefined where they are not all of the same users, or their sums are damaged.
 */
export function keptOf(scorings: readonly Paired[]): Kept | undefined {
  const [first] = scorings;
  if (!first) return undefined;
  const { users, groups } = first;
  const all = new Float64Array(groups * columns);
  for (const scoring of scorings) {
    const kept = floatsOf(scoring.sums);
    if (scoring.users !== users || kept?.length !== groups * KEPT.length) return undefined;
    for (let g = 0; g < groups; g++) {
      KEPT.forEach((name, k) => {
        const at = g * columns + column[name];
        all[at] = all[at]! + kept[g * KEPT.length + k]!;
      });
    }
  }
  const { figures, resampled } = measure(all, bootstrapOf(groups), FIGURES);
  return { users, groups, details: { figures }, resampled };
}

/**
 * How far a figure of one model is above a figure of another.
 * @returns undefined where one has no such figure, or they are not of the same users.
 */
export function keptDifference(
  one: Kept | undefined,
  name: FigureName,
  other: Kept | undefined,
  to: FigureName = name,
): Difference | undefined {
  if (!one || !other || one.users !== other.users || one.groups !== other.groups) return undefined;
  return difference(one, name, other, to);
}

/** Undefined for what is no base64 of floats. */
function floatsOf(text: string): Float32Array | undefined {
  try {
    const bytes = Uint8Array.fromBase64(text);
    if (bytes.length % 4 > 0) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return Float32Array.from({ length: bytes.length / 4 }, (_, k) => view.getFloat32(4 * k, true));
  } catch {
    return undefined;
  }
}
