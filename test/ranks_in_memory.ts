import assert from "node:assert/strict";
import type { ProcessGroup } from "../src/train/process_group.ts";

type Words = Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** Creates one process group per rank, in memory. A collective call returns when all ranks have made it. */
export function createRanksInMemory(size: number): ProcessGroup[] {
  const begin = () => ({ given: new Map<number, Words>(), ...Promise.withResolvers<Words[]>() });
  let meeting = begin();
  const meet = async <T extends Words>(rank: number, values: T): Promise<T[]> => {
    const { given, promise, resolve } = meeting;
    assert.ok(!given.has(rank), "a rank makes one call at a time");
    given.set(rank, values.slice());
    if (given.size === size) {
      meeting = begin();
      resolve([...given].sort(([a], [b]) => a - b).map(([, values]) => values));
    }
    const all = await promise as T[];
    assert.ok(all.every(({ length }) => length === values.length), "ranks give equally many");
    return all;
  };
  return Array.from({ length: size }, (_, rank): ProcessGroup => ({
    rank,
    size,
    gather: (values) => meet(rank, values),
    async sum(values) {
      const all = await meet(rank, values);
      return values.map((_, k) => all.reduce((sum, of) => Math.fround(sum + (of[k] ?? NaN)), 0));
    },
  }));
}
