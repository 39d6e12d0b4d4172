/**
 * Successive halving, one run at a time and with a clock (the asynchronous form of Li et al., 2020): whenever three
 * settings more have come to a rung, one more of the best of them goes on to the next rung; otherwise a new one is begun.
 * It can be stopped at any moment, and needs no plan of how many runs fit.
 */

import { type Candidate, HALVING, hasReached, ranked, type Standing, winnerOf } from "./standing.ts";

/** What is trained next: a setting, up to an iteration. */
export interface Job {
  readonly number: number;
  readonly iterations: number;
  /** Seconds that it should take. */
  readonly seconds: number;
}

/** Shorter than this, nothing is begun. */
const LEAST_SECONDS = 1;

/**
 * @param secondsLeft of the budget. @param more whether there are settings that were not tried.
 * @returns undefined when nothing is left to do in this time.
 */
export function nextJob(standing: Standing, secondsLeft: number, more: boolean): Job | undefined {
  const { candidates, rungs } = standing;
  for (let rung = rungs.length - 2; rung >= 0; rung--) {
    const number = promoted(standing, rung);
    const job = number === undefined ? undefined : jobOf(standing, number, rung + 1);
    if (job && job.seconds <= secondsLeft) return job;
  }
  const finish = finishing(standing, secondsLeft);
  // What was cut short comes first: by a stop, or by the first rung of a smaller budget.
  const begun = ranked(standing).find((number) => !hasReached(candidates[number] ?? FRESH, rungs[0] ?? 0));
  const first = begun === undefined
    ? { number: candidates.length, iterations: rungs[0] ?? 0, seconds: firstSeconds(standing) }
    : jobOf(standing, begun, 0);
  const isThere = begun !== undefined || more;
  return isThere && first.seconds + (finish?.seconds ?? 0) <= secondsLeft ? first : finish;
}

/**
 * The best of a rung that goes on to the next one, if one may: as many as a third of those that have come to it, without
 * the default, which is at its end from the beginning.
 */
function promoted(standing: Standing, rung: number): number | undefined {
  const { candidates, rungs } = standing;
  const reached = (number: number, at: number) =>
    hasReached(candidates[number] ?? FRESH, rungs[at] ?? Infinity);
  const here = ranked(standing, rungs[rung]).filter((number) => reached(number, rung));
  const places = Math.floor(here.length / HALVING);
  const gone = here.filter((number) =>
    number > 0 && (candidates[number]?.iterations ?? 0) > (rungs[rung] ?? 0)
  );
  if (gone.length >= places) return undefined;
  return here.slice(0, places).find((number) => !reached(number, rung + 1));
}

/** The best so far goes on to the end; if that takes too long, as far as it comes. */
function finishing(standing: Standing, secondsLeft: number): Job | undefined {
  const number = winnerOf(standing);
  const top = standing.rungs.length - 1;
  const candidate = standing.candidates[number ?? 0];
  if (number === undefined || !candidate || hasReached(candidate, standing.rungs[top] ?? 0)) return undefined;
  if (secondsLeft < LEAST_SECONDS + candidate.setUpSeconds) return undefined;
  return jobOf(standing, number, top);
}

function jobOf(standing: Standing, number: number, rung: number): Job {
  const candidate = standing.candidates[number] ?? FRESH;
  const iterations = standing.rungs[rung] ?? 0;
  const own = candidate.iterations > 0 ? candidate : standing.candidates[0] ?? FRESH;
  const seconds = candidate.setUpSeconds + (iterations - candidate.iterations) * perIteration(own);
  return { number, iterations, seconds };
}

/** What the first rung takes: the median of the settings so far, as one of them may have met a busy machine. */
function firstSeconds({ candidates, rungs }: Standing): number {
  const iterations = rungs[0] ?? 0;
  const all = candidates.map((one) => one.setUpSeconds + iterations * perIteration(one)).sort((a, b) =>
    a - b
  );
  return all[all.length >> 1] ?? 0;
}

function perIteration({ seconds, iterations }: Candidate): number {
  return seconds / Math.max(1, iterations);
}

const FRESH: Candidate = {
  setting: {},
  iterations: 0,
  seconds: 0,
  setUpSeconds: 0,
  curve: { iteration: [], value: [] },
  end: "open",
};
