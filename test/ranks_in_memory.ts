/** Ranks that are no processes: they meet in memory. */

import assert from "node:assert/strict";
import type { Numbers, Ranks } from "../src/train/ranks.ts";

/** Each call ends when all ranks have made it. */
export function ranksInMemory(size: number): Ranks[] {
  const begin = () => ({ given: new Map<number, Numbers>(), ...Promise.withResolvers<Numbers[]>() });
  let meeting = begin();
  const meet = async <T extends Numbers>(rank: number, values: T): Promise<T[]> => {
    const { given, promise, resolve } = meeting;
    assert.ok(!given.has(rank), "a rank makes one call at a time");
    given.set(rank, values.slice() as T);
    if (given.size === size) {
      meeting = begin();
      resolve([...given].sort(([a], [b]) => a - b).map(([, values]) => values));
    }
    const all = await promise as T[];
    assert.ok(all.every(({ length }) => length === values.length), "ranks give equally many");
    return all.map((values) => values.slice() as T);
  };
  return Array.from({ length: size }, (_, rank): Ranks => ({
    rank,
    size,
    gather: (values) => meet(rank, values),
    first: async (values) => (await meet(rank, values))[0] ?? values,
    async sum(values) {
      const all = await meet(rank, values);
      return values.map((_, k) => all.reduce((sum, of) => Math.fround(sum + (of[k] ?? NaN)), 0));
    },
  }));
}
