/** Places in a chart: those of values, and of the names of lines across it. */

export type Range = readonly [number, number];

export class Scale {
  constructor(readonly values: Range, private readonly places: Range) {}

  /** Where a value stands. */
  at(value: number): number {
    const [[from, to], [start, end]] = [this.values, this.places];
    return start + (value - from) / (to - from) * (end - start);
  }

  /** Which value stands at a place. */
  from(place: number): number {
    const [[from, to], [start, end]] = [this.values, this.places];
    return from + (place - start) / (end - start) * (to - from);
  }
}

/** A little more than all values span. */
export function rangeOf(values: readonly number[]): Range {
  const finite = values.filter((value) => Number.isFinite(value));
  if (finite.length === 0) return [0, 1];
  const [min, max] = [Math.min(...finite), Math.max(...finite)];
  const room = 0.05 * (max - min || 1);
  return [min - room, max + room];
}

/** Between the feet of two names, at least. */
const LINE = 13;
/** From a line to the foot of a name below it. */
const BELOW = 10;
/** Of a letter, about. */
const LETTER = 6;

interface Place {
  readonly x: number;
  readonly y: number;
}

interface PlacedName {
  readonly name: string;
  /** Its foot, at the end of the chart that it stands at. */
  readonly place: Place;
  readonly end: "left" | "right";
}

/**
 * Where the names of levels stand: each above its line, at the right end. Where the curve is there, at the left one; where it is
 * at both, the lowest name stands below its line. Where the line above a name is too near, it is moved up past that; what would be cut at the top is left out.
 * @param levels with their heights. @param points of the curve. @param ends of the lines. @param bottom of the chart
 */
export function placeNames(
  levels: readonly { readonly name: string; readonly at: number }[],
  points: readonly Place[],
  [left, right]: readonly [number, number],
  bottom: number,
): PlacedName[] {
  const fromBelow = levels.toSorted((a, b) => b.at - a.at);
  const isFree = (from: number, to: number, foot: number, top = foot - LINE) =>
    !points.some(({ x, y }) => x > from && x < to && y > top && y < foot + 4);
  let taken = Infinity;
  return fromBelow.flatMap(({ name, at }, k): PlacedName[] => {
    const clear = fromBelow.slice(k).reduce(
      (foot, other) => other.at > foot - LINE && other.at < foot + 3 ? other.at - 3 : foot,
      at - 3,
    );
    const y = Math.min(clear, taken - LINE);
    if (y - LINE < 0) return [];
    const wide = LETTER * name.length;
    const atRight = (y: number): PlacedName => ({ name, place: { x: right, y }, end: "right" });
    if (!isFree(right - wide, right + 4, y)) {
      const below = at + BELOW;
      if (isFree(left - 4, left + wide, y)) {
        taken = y;
        return [{ name, place: { x: left, y }, end: "left" }];
      }
      if (k === 0 && below <= bottom && isFree(right - wide, right + 4, below, at + 1)) {
        return [atRight(below)];
      }
    }
    taken = y;
    return [atRight(y)];
  });
}
