/**
 * Fits kernel shapes to the adapter. It times the variants of each product, and of an LSTM, beside that of the fixed table.
 * Another one is taken only if it is clearly faster in two comparisons.
 */

import type { KernelVariant } from "../../gpu/kernel_shapes.ts";
import { median } from "../../gpu/profiler.ts";

/** A product, an LSTM or a sum, and the variants that can do it; the first is that of the fixed table. */
export interface Product {
  /** See matmulKey and lstmKey; a sum's is its kernel. */
  readonly key: string;
  readonly variants: readonly KernelVariant[];
}

/** What times. P: a variant that is ready to run. */
export interface Meter<P> {
  /** Compiles a variant and runs it once: a driver may compile when a kernel first runs. */
  prepare(key: string, variant: KernelVariant): Promise<P>;
  /** Runs these one after another. @returns microseconds of each */
  time(prepared: readonly P[]): Promise<number[]>;
  /** Milliseconds. */
  now(): number;
}

export interface Calibration {
  /** The variants that are clearly faster than those of the fixed table, by product. */
  readonly chosen: Readonly<Record<string, KernelVariant>>;
  /** How many times faster each of them is. */
  readonly gain: Readonly<Record<string, number>>;
  /** What there was no time for, or what does not run here: "forward 64x64 rows". */
  readonly untried: readonly string[];
  /** How many products were timed with at least two variants. */
  readonly compared: number;
  readonly seconds: number;
  /** Of these, what kernels of the fixed table took to compile, which training needs all the same. */
  readonly neededSeconds: number;
}

/** Milliseconds for all that training itself does not need, compilation included. */
export const BUDGET = 2300;
/** The share of the fixed variant's time that another must save. */
const MARGIN = 0.1;
/**
 * Rounds of the first comparison, of all variants, and of the second, of the fixed one and the fastest: of several
 * variants one is the fastest by chance, too.
 */
const ROUNDS = { first: 5, again: 9 };

/** Shares of the budget: at least for the first kernel of a sort, which nothing is known of, and for timing. */
const SHARE = { unknown: 0.65, timing: 0.1 };

interface Ready<P> {
  readonly variant: KernelVariant;
  readonly prepared: P;
}

/**
 * Kernels of the fixed one's sort come first, for all products: others may take a CPU adapter seconds to compile. To compile
 * the fixed ones costs nothing here, as the device keeps them and training needs them. What is compiled is compared, even if
 * it took longer than it should have.
 *
 * @param products the most work first: what there is no time for keeps the fixed table's variant.
 * @param budget milliseconds; a variant is begun only if it should be compiled and timed before they are over.
 */
export async function calibrate<P>(
  products: readonly Product[],
  meter: Meter<P>,
  budget = BUDGET,
): Promise<Calibration> {
  const began = meter.now();
  const ready = new Map<string, Ready<P>[]>();
  const chosen: Record<string, KernelVariant> = {};
  const gain: Record<string, number> = {};
  const untried: string[] = [];
  let compared = 0;
  /** Milliseconds for what training needs. */
  let needed = 0;
  /** Milliseconds that a kernel of this sort takes to compile, at most so far. */
  const slowest = new Map<string, number>();
  const fits = (sort: string) => {
    const compile = slowest.get(sort) ?? Math.max(SHARE.unknown * budget, ...slowest.values());
    return meter.now() - began - needed + compile + SHARE.timing * budget <= budget;
  };
  for (const own of [true, false]) {
    for (const { key, variants: [fixed, ...others] } of products) {
      if (!fixed || others.length === 0) continue;
      const all = ready.get(key) ?? [];
      ready.set(key, all);
      const before = all.length;
      for (const variant of own ? [fixed, ...others] : others) {
        const sort = sortOf(variant);
        if ((sort === sortOf(fixed)) !== own) continue;
        const start = meter.now();
        // Without the fixed one there is nothing to compare with, and without another one it has nothing to be compared with.
        const wanted = variant === fixed
          ? others.some((other) => fits(sortOf(other)))
          : all[0]?.variant === fixed && fits(sort);
        const made = wanted ? await readyOf(meter, key, variant) : undefined;
        const took = meter.now() - start;
        if (variant === fixed) needed += took;
        if (made) {
          all.push(made);
          slowest.set(sort, Math.max(slowest.get(sort) ?? 0, took));
        } else if (variant !== fixed) untried.push(`${key} ${variant}`);
      }
      if (all.length === before || all.length < 2) continue;
      if (before < 2) compared++;
      const winner = await fasterThanFirst(meter, all);
      if (!winner) continue;
      chosen[key] = winner.variant;
      gain[key] = winner.gain;
    }
  }
  const seconds = (meter.now() - began) / 1000;
  return { chosen, gain, untried, compared, seconds, neededSeconds: needed / 1000 };
}

/** "panel" of "panel 64". */
function sortOf(variant: KernelVariant): string {
  return variant.replace(/ \d+$/, "");
}

/** Undefined where none is clearly faster. */
async function fasterThanFirst<P>(
  meter: Meter<P>,
  all: readonly Ready<P>[],
): Promise<{ variant: KernelVariant; gain: number } | undefined> {
  const medians = await inTurn(meter, all, ROUNDS.first);
  const best = Math.min(...medians);
  const [first, fastest] = [all[0], all[medians.indexOf(best)]];
  if (!first || !fastest || !isFaster(best, medians[0])) return undefined;
  const [before, after] = await inTurn(meter, [first, fastest], ROUNDS.again);
  if (before === undefined || after === undefined || !isFaster(after, before)) return undefined;
  return { variant: fastest.variant, gain: before / after };
}

/** Undefined for a kernel that does not run on this adapter: the others do. */
async function readyOf<P>(
  meter: Meter<P>,
  key: string,
  variant: KernelVariant,
): Promise<Ready<P> | undefined> {
  try {
    return { variant, prepared: await meter.prepare(key, variant) };
  } catch {
    return undefined;
  }
}

function isFaster(time = Infinity, fixed = 0): boolean {
  return time <= (1 - MARGIN) * fixed;
}

/** Medians over rounds in which each has its turn: a machine that others use is now slower, now faster. */
async function inTurn<P>(meter: Meter<P>, all: readonly Ready<P>[], rounds: number): Promise<number[]> {
  const order = Array.from({ length: rounds }, () => all.map(({ prepared }) => prepared)).flat();
  const times = await meter.time(order);
  return all.map((_, k) => median(times.filter((_, at) => at % all.length === k)));
}
