/**
 * The search: where it stands, and what is trained one after the other until the time is up. How a setting is trained, it
 * does not know.
 *
 * Successive halving, one run at a time and with a clock (the asynchronous form of Li et al., 2020): whenever three
 * settings more have come to a rung, one more of the best of them goes on to the next rung; otherwise a new one is begun.
 * So several may be trained at once.
 * It can be stopped at any moment, and needs no plan of how many runs fit.
 */

import type { TuneSetting } from "./space.ts";
import type { Criterion } from "../train/best_records.ts";

/** The validation figure of a setting, validation by validation. */
export interface ValidationCurve {
  readonly iteration: readonly number[];
  /** Null where there is none: precision without a click. */
  readonly value: readonly (number | null)[];
}

/** A setting that was tried. */
export interface SearchCandidate {
  readonly setting: TuneSetting;
  /** Iterations that are done. */
  readonly iterations: number;
  /** What they took, and what it takes to begin or go on. */
  readonly seconds: number;
  readonly setUpSeconds: number;
  readonly curve: ValidationCurve;
  /** It will not be trained further: it stopped early, or diverged. */
  readonly end: "open" | "stopped" | "diverged";
}

export interface SearchState {
  readonly criterion: Criterion;
  /** Iterations after which settings are compared, ascending; empty until the default has shown how many fit. */
  readonly rungs: readonly number[];
  /** By their numbers; 0 is the default. */
  readonly candidates: readonly SearchCandidate[];
}

/** One in so many settings of a rung goes on to the next one, which is so many times as long. */
const HALVING = 3;
/** More would compare the settings earlier, when those that learn, and over-fit, fast are ahead of all others. */
const RUNGS = 2;

/** @param top iterations of the last rung. @param step iterations between validations, of which each is a multiple. */
export function listRungs(top: number, step: number): number[] {
  const rungs = Array.from({ length: RUNGS }, (_, k) => {
    const wanted = top / HALVING ** (RUNGS - 1 - k);
    return k === RUNGS - 1 ? top : Math.ceil(wanted / step) * step;
  });
  return [...new Set(rungs)].filter((rung) => rung <= top);
}

/** The best validation so far of a setting. */
export interface BestValidation {
  /** Infinity where there is none; less is better, so it is minus the precision. */
  readonly rank: number;
  readonly value: number | null;
  readonly iteration: number;
}

/** Up to an iteration. A setting that has diverged has no best. */
export function findBestValidation(
  { curve, end }: SearchCandidate,
  criterion: Criterion,
  upTo = Infinity,
): BestValidation {
  let best: BestValidation = { rank: Infinity, value: null, iteration: 0 };
  if (end === "diverged") return best;
  curve.value.forEach((value, k) => {
    const iteration = curve.iteration[k] ?? 0;
    if (value === null || iteration > upTo) return;
    const rank = criterion === "loss" ? value : -value;
    if (rank < best.rank) best = { rank, value, iteration };
  });
  return best;
}

/** Numbers of the settings, the best first; of equals the earlier. Those without a figure come last. */
export function rankSettings({ candidates, criterion }: SearchState, upTo = Infinity): number[] {
  const ranks = candidates.map((candidate) => findBestValidation(candidate, criterion, upTo).rank);
  // Infinity less Infinity is no number.
  const compare = (
    a: number,
    b: number,
  ) => (ranks[a] === ranks[b] ? a - b : (ranks[a] ?? 0) - (ranks[b] ?? 0));
  return candidates.map((_, number) => number).sort(compare);
}

/** The setting that is best on validation; undefined when none has a figure. */
export function findWinner(standing: SearchState): number | undefined {
  const [first] = rankSettings(standing);
  const candidate = standing.candidates[first ?? 0];
  return candidate && findBestValidation(candidate, standing.criterion).value !== null ? first : undefined;
}

/** Whether a setting has come to a rung, or ended before it. */
export function hasReached({ iterations, end }: SearchCandidate, rung: number): boolean {
  return iterations >= rung || end !== "open";
}

/** The most of the budget that the default takes; if it is not at its end then, neither will the others be. */
const DEFAULT_SHARE = 0.3;
/** A larger budget takes the default further than a smaller one did, if by this share of its time or more. */
const LEAST_MORE = 0.25;

/** A setting that nothing is known of. */
const FRESH: SearchCandidate = {
  setting: {},
  iterations: 0,
  seconds: 0,
  setUpSeconds: 0,
  curve: { iteration: [], value: [] },
  end: "open",
};

/** What a search is told, and what it asks. */
export interface Search {
  readonly budgetSeconds: number;
  /** Iterations of a setting that is trained to its end, and between validations. */
  readonly iterations: number;
  readonly validateEvery: number;
  /** Settings that are trained at once, but for the default, which comes first and alone. */
  readonly jobs: number;
  /** Setting `number`; undefined when there are no more. */
  readonly draw: (number: number, before: readonly TuneSetting[]) => TuneSetting | undefined;
  /**
   * Trains a setting up to an iteration, begins it where it was not begun.
   * @param seconds after which it is cut short.
   */
  readonly train: (
    number: number,
    candidate: SearchCandidate,
    iterations: number,
    seconds: number,
  ) => Promise<SearchCandidate>;
  /** Told after each of them; what is told is kept for the next session. */
  readonly keep: (standing: SearchState, spentSeconds: number) => Promise<void>;
  /** Seconds, of any clock. */
  readonly now: () => number;
  /** Ends the search after what is under way. */
  readonly signal: AbortSignal;
}

/**
 * Goes on with a search until its budget is spent, or nothing is left to do.
 * @param spent seconds of earlier sessions. @returns where it stands, and the seconds of all sessions.
 */
export async function search(
  standing: SearchState,
  spent: number,
  parts: Search,
): Promise<{ readonly standing: SearchState; readonly spentSeconds: number }> {
  const { budgetSeconds, draw, train, keep, now, signal } = parts;
  const began = now();
  const spentSeconds = () => spent + now() - began;
  const left = () => budgetSeconds - spentSeconds();
  let current = standing;
  let kept = Promise.resolve();
  let failure: { readonly error: unknown } | undefined;
  const busy = new Map<number, Promise<void>>();
  const run = async (number: number, iterations: number, seconds: number) => {
    const before = current.candidates[number] ??
      { ...FRESH, setting: draw(number, listSettings(current)) ?? {} };
    current = withCandidate(current, number, before); // so that its setting is not drawn again
    const after = await train(number, before, iterations, seconds);
    current = withCandidate(current, number, after);
    if (number === 0) current = withRungs(current, parts);
    await (kept = kept.then(() => keep(current, spentSeconds())));
  };
  const begin = ({ number, iterations }: Job, seconds: number) => {
    const task = run(number, iterations, seconds)
      .catch((error) => void (failure ??= { error }))
      .finally(() => busy.delete(number));
    busy.set(number, task);
  };
  const share = DEFAULT_SHARE * budgetSeconds;
  const { candidates: [usual = FRESH], rungs } = current;
  const had = usual.seconds + usual.setUpSeconds;
  const further = Math.min(left(), share - had);
  if (rungs.length === 0) await run(0, parts.iterations, Math.max(0, share - spentSeconds()));
  else if (further > LEAST_MORE * had && !hasReached(usual, parts.iterations)) {
    await run(0, parts.iterations, further);
  }
  for (;;) {
    while (busy.size < parts.jobs && !failure && !signal.aborted && current.rungs.length > 0) {
      const more = draw(current.candidates.length, listSettings(current)) !== undefined;
      const job = nextJob(current, left(), more, busy);
      if (!job) break;
      begin(job, left());
    }
    if (busy.size === 0) break;
    await Promise.race(busy.values());
  }
  if (failure) throw failure.error;
  return { standing: current, spentSeconds: spentSeconds() };
}

function listSettings({ candidates }: SearchState): TuneSetting[] {
  return candidates.map(({ setting }) => setting);
}

function withCandidate(standing: SearchState, number: number, candidate: SearchCandidate): SearchState {
  const candidates = standing.candidates.slice();
  candidates[number] = candidate;
  return { ...standing, candidates };
}

/** The rungs follow from how far the default came; where it was stopped on its first way there, none do yet. */
function withRungs(standing: SearchState, { iterations, validateEvery, signal }: Search): SearchState {
  const [first] = standing.candidates;
  if (!first) return standing;
  if (standing.rungs.length === 0 && signal.aborted && !hasReached(first, iterations)) return standing;
  const top = first.end === "open" ? first.iterations : iterations;
  const whole = Math.max(validateEvery, top - top % validateEvery);
  return { ...standing, rungs: listRungs(whole, validateEvery) };
}

/** What is trained next: a setting, up to an iteration. */
interface Job {
  readonly number: number;
  readonly iterations: number;
  /** Seconds that it should take. */
  readonly seconds: number;
}

/** The settings under way, by their numbers. */
type Busy = ReadonlyMap<number, unknown>;

/** Shorter than this, nothing is begun. */
const LEAST_SECONDS = 1;

/**
 * @param secondsLeft of the budget. @param more whether there are settings that were not tried. @param busy those under way.
 * @returns undefined when nothing is left to do in this time.
 */
function nextJob(standing: SearchState, secondsLeft: number, more: boolean, busy: Busy): Job | undefined {
  const { candidates, rungs } = standing;
  for (let rung = rungs.length - 2; rung >= 0; rung--) {
    const number = promoted(standing, rung, busy);
    const job = number === undefined ? undefined : buildJob(standing, number, rung + 1);
    if (job && job.seconds <= secondsLeft) return job;
  }
  const finish = finishing(standing, secondsLeft, busy);
  // What was cut short comes first: by a stop, or by the first rung of a smaller budget.
  const begun = rankSettings(standing).find((number) =>
    !busy.has(number) && !hasReached(candidates[number] ?? FRESH, rungs[0] ?? 0)
  );
  const first = begun === undefined
    ? { number: candidates.length, iterations: rungs[0] ?? 0, seconds: firstSeconds(standing) }
    : buildJob(standing, begun, 0);
  const isThere = begun !== undefined || more;
  return isThere && first.seconds + (finish?.seconds ?? 0) <= secondsLeft ? first : finish;
}

/**
 * The best of a rung that goes on to the next one, if one may: as many as a third of those that have come to it, without
 * the default, which is at its end from the beginning.
 */
function promoted(standing: SearchState, rung: number, busy: Busy): number | undefined {
  const { candidates, rungs } = standing;
  const reached = (number: number, at: number) =>
    hasReached(candidates[number] ?? FRESH, rungs[at] ?? Infinity);
  const here = rankSettings(standing, rungs[rung]).filter((number) => reached(number, rung));
  const places = Math.floor(here.length / HALVING);
  const gone = here.filter((number) =>
    busy.has(number) || (number > 0 && (candidates[number]?.iterations ?? 0) > (rungs[rung] ?? 0))
  );
  if (gone.length >= places) return undefined;
  return here.slice(0, places).find((number) => !busy.has(number) && !reached(number, rung + 1));
}

/** The best so far goes on to the end; if that takes too long, as far as it comes. */
function finishing(standing: SearchState, secondsLeft: number, busy: Busy): Job | undefined {
  const number = findWinner(standing);
  const top = standing.rungs.length - 1;
  const candidate = standing.candidates[number ?? 0];
  if (number === undefined || busy.has(number)) return undefined;
  if (!candidate || hasReached(candidate, standing.rungs[top] ?? 0)) return undefined;
  if (secondsLeft < LEAST_SECONDS + candidate.setUpSeconds) return undefined;
  return buildJob(standing, number, top);
}

function buildJob(standing: SearchState, number: number, rung: number): Job {
  const candidate = standing.candidates[number] ?? FRESH;
  const iterations = standing.rungs[rung] ?? 0;
  const own = candidate.iterations > 0 ? candidate : standing.candidates[0] ?? FRESH;
  const seconds = candidate.setUpSeconds + (iterations - candidate.iterations) * perIteration(own);
  return { number, iterations, seconds };
}

/** What the first rung takes: the median of the settings so far, as one of them may have met a busy machine. */
function firstSeconds({ candidates, rungs }: SearchState): number {
  const iterations = rungs[0] ?? 0;
  const all = candidates.map((one) => one.setUpSeconds + iterations * perIteration(one)).sort((a, b) =>
    a - b
  );
  return all[all.length >> 1] ?? 0;
}

function perIteration({ seconds, iterations }: SearchCandidate): number {
  return seconds / Math.max(1, iterations);
}
