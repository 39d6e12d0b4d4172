/** Tries crash points of scenarios, several at once, beside what comes of each scenario without a fault. */

import { type How, hows, type Scenario, type Start, traced, tryPoint, type Verdict } from "./crash_points.ts";

export interface Prepared {
  /** What {@link Scenario.prepare} wrote. */
  readonly base: string;
  /** Operations that a fault of each kind can meet. */
  readonly counts: Record<How, number>;
  readonly expected: Map<string, string>;
  /** Milliseconds that it takes. */
  readonly usual: number;
}

const prepared = new Map<Scenario, Promise<Prepared>>();

export function preparedOf(scenario: Scenario): Promise<Prepared> {
  const found = prepared.get(scenario) ?? prepare(scenario);
  prepared.set(scenario, found);
  return found;
}

async function prepare(scenario: Scenario): Promise<Prepared> {
  const base = await Deno.makeTempDir({ prefix: "clickgan-base-" });
  await scenario.prepare(base);
  const began = performance.now();
  const found = await traced(scenario, base);
  return { base, ...found, usual: performance.now() - began };
}

/** Removes what was prepared. */
export async function removePrepared(): Promise<void> {
  for (const one of prepared.values()) await Deno.remove((await one).base, { recursive: true });
  prepared.clear();
}

export interface Tried {
  readonly scenario: string;
  readonly how: How;
  readonly at: number;
  readonly of: number;
  readonly verdict: Verdict;
}

export interface PointOptions {
  /** Of the points of a scenario and a kind of fault, one in so many. */
  readonly every: number;
  /** The first of them. */
  readonly first: number;
  /** Kinds of faults; all of them if absent. */
  readonly how?: readonly How[];
  /** How many at once. */
  readonly jobs: number;
  /** What starts a command the second time, if not a process for each. */
  readonly again?: Start;
  readonly onTried?: (tried: Tried) => void;
}

/** @returns all that was tried. */
export async function tryPoints(
  scenarios: readonly Scenario[],
  { every, first, jobs, how: chosen = hows, again, onTried }: PointOptions,
): Promise<Tried[]> {
  const all: Tried[] = [];
  for (const scenario of scenarios) {
    const { base, counts, expected } = await preparedOf(scenario);
    const points: { how: How; at: number; of: number }[] = [];
    for (const [k, how] of hows.entries()) {
      if (!chosen.includes(how)) continue;
      const of = counts[how];
      for (let at = 1 + (first + k * 7) % every; at <= of; at += every) points.push({ how, at, of });
    }
    const known = new Map<string, Verdict>();
    const work = points[Symbol.iterator]();
    const worker = async () => {
      for (const point of work) {
        const verdict = await tryPoint(scenario, base, expected, known, point.how, point.at, again);
        const tried = { scenario: scenario.name, ...point, verdict };
        all.push(tried);
        onTried?.(tried);
      }
    };
    await Promise.all(Array.from({ length: jobs }, worker));
  }
  return all;
}
