/**
 * Scorings of the same users that were made apart, compared in pairs: a run leaves the sums of its groups of users, some
 * 30 KB a snapshot, and the bootstrap of both draws the same groups.
 */

import { bootstrapOf } from "./bootstrap.ts";
import { column, columns, type FigureName } from "./columns.ts";
import { type Comparable, type Differences, differences, measure, type Tested } from "./tested.ts";

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

/**
 * How far one model is above another; each is the mean of its scorings, such as those of several seeds.
 * @returns undefined where they are not all of the same users.
 */
export function pairedDifferences(
  one: readonly Paired[],
  other: readonly Paired[],
): Differences | undefined {
  const [first] = one;
  const all = [...one, ...other];
  if (!first || other.length === 0) return undefined;
  if (all.some(({ users, groups }) => users !== first.users || groups !== first.groups)) return undefined;
  const [a, b] = [comparable(one, first.groups), comparable(other, first.groups)];
  return a && b ? differences(a, b) : undefined;
}

/** Undefined for sums of another size than said. */
function comparable(scorings: readonly Paired[], groups: number): Comparable | undefined {
  const sums = new Float64Array(groups * columns);
  for (const { sums: text } of scorings) {
    const kept = floatsOf(text);
    if (kept?.length !== groups * KEPT.length) return undefined;
    for (let g = 0; g < groups; g++) {
      KEPT.forEach((name, k) => {
        const at = g * columns + column[name];
        sums[at] = sums[at]! + kept[g * KEPT.length + k]!;
      });
    }
  }
  const { figures, resampled } = measure(sums, columns, bootstrapOf(groups), FIGURES);
  return { details: { figures }, resampled, groups };
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
