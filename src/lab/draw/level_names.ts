/** Where the names of levels stand in a chart: each above its line, at the right end, or at the left where a curve is there. */

/** Between the feet of two names, at least. */
const LINE = 13;
/** Of a letter, about. */
const LETTER = 6;

interface Place {
  readonly x: number;
  readonly y: number;
}

export interface PlacedName {
  readonly name: string;
  /** Its foot, at the end of the chart that it stands at. */
  readonly place: Place;
  readonly end: "left" | "right";
}

/**
 * Where the line above a name is too near, it is moved up past that; what would be cut at the top is left out.
 * @param levels with their heights. @param points of the curves. @param ends of the lines
 */
export function placeNames(
  levels: readonly { readonly name: string; readonly at: number }[],
  points: readonly Place[],
  [left, right]: readonly [number, number],
): PlacedName[] {
  const fromBelow = levels.toSorted((a, b) => b.at - a.at);
  const isFree = (from: number, to: number, foot: number) =>
    !points.some(({ x, y }) => x > from && x < to && y > foot - LINE && y < foot + 4);
  let taken = Infinity;
  return fromBelow.flatMap(({ name, at }, k): PlacedName[] => {
    const clear = fromBelow.slice(k).reduce(
      (foot, other) => other.at > foot - LINE && other.at < foot + 3 ? other.at - 3 : foot,
      at - 3,
    );
    const y = Math.min(clear, taken - LINE);
    if (y - LINE < 0) return [];
    taken = y;
    const wide = LETTER * name.length;
    const isRight = isFree(right - wide, right + 4, y) || !isFree(left - 4, left + wide, y);
    return [{ name, place: { x: isRight ? right : left, y }, end: isRight ? "right" : "left" }];
  });
}
