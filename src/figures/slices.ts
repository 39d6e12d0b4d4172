/** By what test figures are told apart: lengths of pages and histories, places on the page, and whether an item is new. */

/** Ranges of a whole number: from each bound to the next; the last has no end. */
class Ranges {
  readonly names: readonly string[];

  constructor(private readonly bounds: readonly number[]) {
    this.names = bounds.map((from, k) => {
      const next = bounds[k + 1];
      if (next === undefined) return `${from}+`;
      return next === from + 1 ? String(from) : `${from}-${next - 1}`;
    });
  }

  /** Which of them a number is in. */
  placeOf(value: number): number {
    const { bounds } = this;
    let place = bounds.length - 1;
    while (place > 0 && value < bounds[place]!) place--;
    return place;
  }
}

export const pageLengths = new Ranges([1, 2, 3, 5, 10, 20, 50]);
/** Clicks before the page, given ones too. */
export const historyLengths = new Ranges([0, 1, 3, 6, 11, 21, 51]);
/** From 1. */
export const positions = new Ranges([1, 2, 3, 4, 6, 11, 21]);
/** Whether train users were shown the item. */
export const seen = { names: ["seen in training", "new"], placeOf: (isSeen: boolean) => isSeen ? 0 : 1 };

/** What events are told apart by. */
export type SlicedBy = "page length" | "history" | "position" | "item";

/** All slices. In a slice by position or by item an event is where its first clicked row is. */
export const slicings = [
  { by: "page length", names: pageLengths.names },
  { by: "history", names: historyLengths.names },
  { by: "position", names: positions.names },
  { by: "item", names: seen.names },
] as const satisfies readonly { by: SlicedBy; names: readonly string[] }[];

/** Number of the first slice of each, in one list of all. */
export const firstSlice = (() => {
  let next = 0;
  return Object.fromEntries(slicings.map(({ by, names }) => {
    const first = next;
    next += names.length;
    return [by, first];
  })) as Readonly<Record<SlicedBy, number>>;
})();
export const sliceCount = slicings.reduce((sum, { names }) => sum + names.length, 0);
