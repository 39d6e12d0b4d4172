/**
 * Hyperparameter search: its state, and the order in which settings are trained until the time is up. It is independent of
 * how a setting is trained.
 *
 * Asynchronous successive halving (Li et al., 2020) with a time limit: whenever three more settings have reached a rung, one
 * more of the best of them is promoted to the next rung; otherwise a new setting starts. Several may be trained at once. The
 * search can be stopped at any time, and needs no estimate of how many runs fit.
 */

import type { TuneSetting } from "./space.ts";
import type { Criterion } from "../train/best_records.ts";

/** Validation metric of a setting over its training. */
export interface ValidationCurve {
  readonly iteration: readonly number[];
  /** Null if missing: precision without a click. */
  readonly value: readonly (number | null)[];
}

/** A setting with its training so far. */
export interface SearchCandidate {
  readonly setting: TuneSetting;
  /** Finished iterations. */
  readonly iterations: number;
  /** Training time, and time to start or resume. */
  readonly seconds: number;
  readonly setUpSeconds: number;
  readonly curve: ValidationCurve;
  /** "stopped" (early stopping) and "diverged" settings are not trained further. */
  readonly end: "open" | "stopped" | "diverged";
}

export interface SearchState {
  readonly criterion: Criterion;
  /**
   * Iterations at which settings are compared, ascending; empty until the default setting has shown how many fit the budget.
   */
  readonly rungs: readonly number[];
  /** Settings by number; 0 is the default. */
  readonly candidates: readonly SearchCandidate[];
}

/** One in this many settings of a rung is promoted to the next one, which is this many times as long. */
const HALVING = 3;
/** With more rungs, settings would be compared so early that fast learners, which overfit, win. */
const RUNGS = 2;

/**
 * Lists the rungs. @param top iterations of the last rung. @param step iterations between validations; rungs are multiples.
 */
export function listRungs(top: number, step: number): number[] {
  const rungs = Array.from({ length: RUNGS }, (_, k) => {
    const wanted = top / HALVING ** (RUNGS - 1 - k);
    return k === RUNGS - 1 ? top : Math.ceil(wanted / step) * step;
  });
  return [...new Set(rungs)].filter((rung) => rung <= top);
}

/** Best validation of a setting. */
export interface BestValidation {
  /** Lower is better (precision is negated); Infinity if missing. */
  readonly rank: number;
  readonly value: number | null;
  readonly iteration: number;
}

/** Returns the best validation up to an iteration; none for a diverged setting. */
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

/** Returns setting numbers, best first, earlier first if equal; settings without a metric come last. */
export function rankSettings({ candidates, criterion }: SearchState, upTo = Infinity): number[] {
  const ranks = candidates.map((candidate) => findBestValidation(candidate, criterion, upTo).rank);
  // Infinity - Infinity is NaN.
  const compare = (
    a: number,
    b: number,
  ) => (ranks[a] === ranks[b] ? a - b : (ranks[a] ?? 0) - (ranks[b] ?? 0));
  return candidates.map((_, number) => number).sort(compare);
}

/** Returns the setting that is best on validation; undefined if none has a metric. */
export function findWinner(state: SearchState): number | undefined {
  const [first] = rankSettings(state);
  const candidate = state.candidates[first ?? 0];
  return candidate && findBestValidation(candidate, state.criterion).value !== null ? first : undefined;
}

/** True if a setting has reached a rung, or ended before it. */
export function hasReached({ iterations, end }: SearchCandidate, rung: number): boolean {
  return iterations >= rung || end !== "open";
}

/** Maximum share of the budget for the default setting; if it is not finished by then, the others will not be either. */
const DEFAULT_SHARE = 0.3;
/** With a larger budget the default is trained further if this adds at least this share to its time. */
const LEAST_MORE = 0.25;

/** An untrained setting. */
const FRESH: SearchCandidate = {
  setting: {},
  iterations: 0,
  seconds: 0,
  setUpSeconds: 0,
  curve: { iteration: [], value: [] },
  end: "open",
};

/** Parameters and callbacks of a search. */
export interface Search {
  readonly budgetSeconds: number;
  /** Iterations of a fully trained setting, and between validations. */
  readonly iterations: number;
  readonly validateEvery: number;
  /** Number of settings trained in parallel; the default is trained first and alone. */
  readonly jobs: number;
  /** Draws setting `number`; undefined if there are no more. */
  readonly draw: (number: number, before: readonly TuneSetting[]) => TuneSetting | undefined;
  /**
   * Starts or resumes a setting and trains it up to an iteration.
   * @param seconds time limit.
   */
  readonly train: (
    number: number,
    candidate: SearchCandidate,
    iterations: number,
    seconds: number,
  ) => Promise<SearchCandidate>;
  /** Called after each training to save the state. */
  readonly keep: (state: SearchState, spentSeconds: number) => Promise<void>;
  /** Returns the seconds of any clock. */
  readonly now: () => number;
  /** Ends the search after the trainings in flight. */
  readonly signal: AbortSignal;
}

/**
 * Runs a search until its budget is spent, or nothing is left to do.
 * @param spent seconds of earlier sessions. @returns its state, and the seconds of all sessions.
 */
export async function search(
  state: SearchState,
  spent: number,
  parts: Search,
): Promise<{ readonly state: SearchState; readonly spentSeconds: number }> {
  const { budgetSeconds, draw, train, keep, now, signal } = parts;
  const began = now();
  const spentSeconds = () => spent + now() - began;
  const left = () => budgetSeconds - spentSeconds();
  let current = state;
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
  return { state: current, spentSeconds: spentSeconds() };
}

function listSettings({ candidates }: SearchState): TuneSetting[] {
  return candidates.map(({ setting }) => setting);
}

function withCandidate(state: SearchState, number: number, candidate: SearchCandidate): SearchState {
  const candidates = state.candidates.slice();
  candidates[number] = candidate;
  return { ...state, candidates };
}

/** Derives the rungs from the iterations of the default setting; none yet if it was stopped in its first training. */
function withRungs(state: SearchState, { iterations, validateEvery, signal }: Search): SearchState {
  const [first] = state.candidates;
  if (!first) return state;
  if (state.rungs.length === 0 && signal.aborted && !hasReached(first, iterations)) return state;
  const top = first.end === "open" ? first.iterations : iterations;
  const whole = Math.max(validateEvery, top - top % validateEvery);
  return { ...state, rungs: listRungs(whole, validateEvery) };
}

/** The next training: a setting, up to an iteration. */
interface Job {
  readonly number: number;
  readonly iterations: number;
  /** Estimated seconds. */
  readonly seconds: number;
}

/** Settings in training, by number. */
type Busy = ReadonlyMap<number, unknown>;

/** Nothing is started with less time than this. */
const LEAST_SECONDS = 1;

/**
 * Chooses the next training. @param secondsLeft of the budget. @param more true if untried settings exist. @param busy
 * settings in training.
 * @returns undefined if nothing fits the remaining time.
 */
function nextJob(state: SearchState, secondsLeft: number, more: boolean, busy: Busy): Job | undefined {
  const { candidates, rungs } = state;
  for (let rung = rungs.length - 2; rung >= 0; rung--) {
    const number = promoted(state, rung, busy);
    const job = number === undefined ? undefined : buildJob(state, number, rung + 1);
    if (job && job.seconds <= secondsLeft) return job;
  }
  const finish = finishing(state, secondsLeft, busy);
  // Settings that were cut short come first: by a stop, or by the first rung of a smaller budget.
  const begun = rankSettings(state).find((number) =>
    !busy.has(number) && !hasReached(candidates[number] ?? FRESH, rungs[0] ?? 0)
  );
  const first = begun === undefined
    ? { number: candidates.length, iterations: rungs[0] ?? 0, seconds: firstSeconds(state) }
    : buildJob(state, begun, 0);
  const isThere = begun !== undefined || more;
  return isThere && first.seconds + (finish?.seconds ?? 0) <= secondsLeft ? first : finish;
}

/**
 * Returns the best setting of a rung that may be promoted, if any: a third of those that have reached it, not counting the
 * default, which is fully trained from the start.
 */
function promoted(state: SearchState, rung: number, busy: Busy): number | undefined {
  const { candidates, rungs } = state;
  const reached = (number: number, at: number) =>
    hasReached(candidates[number] ?? FRESH, rungs[at] ?? Infinity);
  const here = rankSettings(state, rungs[rung]).filter((number) => reached(number, rung));
  const places = Math.floor(here.length / HALVING);
  const gone = here.filter((number) =>
    busy.has(number) || (number > 0 && (candidates[number]?.iterations ?? 0) > (rungs[rung] ?? 0))
  );
  if (gone.length >= places) return undefined;
  return here.slice(0, places).find((number) => !busy.has(number) && !reached(number, rung + 1));
}

/** Trains the best setting so far to the end, or as far as the time allows. */
function finishing(state: SearchState, secondsLeft: number, busy: Busy): Job | undefined {
  const number = findWinner(state);
  const top = state.rungs.length - 1;
  const candidate = state.candidates[number ?? 0];
  if (number === undefined || busy.has(number)) return undefined;
  if (!candidate || hasReached(candidate, state.rungs[top] ?? 0)) return undefined;
  if (secondsLeft < LEAST_SECONDS + candidate.setUpSeconds) return undefined;
  return buildJob(state, number, top);
}

function buildJob(state: SearchState, number: number, rung: number): Job {
  const candidate = state.candidates[number] ?? FRESH;
  const iterations = state.rungs[rung] ?? 0;
  const own = candidate.iterations > 0 ? candidate : state.candidates[0] ?? FRESH;
  const seconds = candidate.setUpSeconds + (iterations - candidate.iterations) * perIteration(own);
  return { number, iterations, seconds };
}

/** Estimates the time of the first rung: the median of the settings so far, as one of them may have met a busy machine. */
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
