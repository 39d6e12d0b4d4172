/**
 * Hyperparameter search: the state of a search, and the order in which settings are trained within the time budget. Callbacks
 * train the settings.
 *
 * Asynchronous successive halving (Li et al., 2020) with a time limit: a rung is a number of iterations at which settings are
 * compared. Whenever three more settings have reached a rung, the best setting on the rung that is not yet promoted continues
 * to the next rung. Otherwise a new setting starts. Several settings may be trained at once. The search can be stopped at any
 * time, and needs no estimate of the number of settings that fit the budget.
 */

import type { TuneSetting } from "./space.ts";
import type { Criterion } from "../train/best_records.ts";

/** Validation metric of a setting at each validation. */
export interface ValidationCurve {
  readonly iteration: readonly number[];
  /** Value of the metric at each validation. Null for an undefined metric, such as precision if no page has a click. */
  readonly value: readonly (number | null)[];
}

/** A setting, with the progress and result of its training so far. */
export interface SearchCandidate {
  readonly setting: TuneSetting;
  /** Number of iterations that the setting has been trained for. */
  readonly iterations: number;
  /** Seconds spent on the setting, including starts and resumes. */
  readonly seconds: number;
  readonly setUpSeconds: number;
  readonly curve: ValidationCurve;
  /** State of the training. "stopped" (by early stopping) and "diverged" mean that the setting is not trained further. */
  readonly end: "open" | "stopped" | "diverged";
}

export interface SearchState {
  readonly criterion: Criterion;
  /**
   * Numbers of iterations at which settings are compared, ascending. Empty until the default setting was trained, because its
   * speed determines the rungs.
   */
  readonly rungs: readonly number[];
  /** All settings so far, by number. Setting 0 is the default. */
  readonly candidates: readonly SearchCandidate[];
}

/** Ratio of the iterations of consecutive rungs. Of HALVING settings on a rung, one setting is promoted. */
const HALVING = 3;
/** Maximum number of rungs. More rungs would compare settings so early that fast learners, which overfit, would win. */
const RUNGS = 2;

/** Lists the rungs. @param top - iterations of the last rung. @param step - iterations between validations. */
export function listRungs(top: number, step: number): number[] {
  const rungs = Array.from({ length: RUNGS }, (_, k) => {
    const wanted = top / HALVING ** (RUNGS - 1 - k);
    return k === RUNGS - 1 ? top : Math.ceil(wanted / step) * step;
  });
  return [...new Set(rungs)].filter((rung) => rung <= top);
}

/** Best validation of a setting: the iteration, and the value of the metric. */
export interface BestValidation {
  /** Number by which settings are ranked: a loss or a negative precision, so lower is better. Infinity without a metric. */
  readonly rank: number;
  readonly value: number | null;
  readonly iteration: number;
}

/** Returns the best validation up to an iteration. A diverged setting has no best validation. */
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

/** Returns the numbers of the settings, best setting first. Settings without a metric are last. */
export function rankSettings({ candidates, criterion }: SearchState, upTo = Infinity): number[] {
  const ranks = candidates.map((candidate) => findBestValidation(candidate, criterion, upTo).rank);
  // Infinity - Infinity is NaN.
  const compare = (
    a: number,
    b: number,
  ) => (ranks[a] === ranks[b] ? a - b : (ranks[a] ?? 0) - (ranks[b] ?? 0));
  return candidates.map((_, number) => number).sort(compare);
}

/** Returns the number of the setting with the best validation; undefined if no setting has a metric. */
export function findWinner(state: SearchState): number | undefined {
  const [first] = rankSettings(state);
  const candidate = state.candidates[first ?? 0];
  return candidate && findBestValidation(candidate, state.criterion).value !== null ? first : undefined;
}

/** Returns true if a setting has reached a rung, or if its training ended before the rung. */
export function hasReached({ iterations, end }: SearchCandidate, rung: number): boolean {
  return iterations >= rung || end !== "open";
}

/** Maximum share of the budget for the default setting. If the default needs more time, other settings cannot finish either. */
const DEFAULT_SHARE = 0.3;
/** Minimum relative increase of the default's training time, below which a larger budget does not continue the default. */
const LEAST_MORE = 0.25;

/** Initial state of a setting that has not been trained. */
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
  /** Number of iterations of a complete training. `validateEvery` is the number of iterations between two validations. */
  readonly iterations: number;
  readonly validateEvery: number;
  /** Maximum number of settings in training at the same time. The default is trained first and alone. */
  readonly jobs: number;
  /** Draws the setting with the given number. Returns undefined if all settings have been drawn. */
  readonly draw: (number: number, before: readonly TuneSetting[]) => TuneSetting | undefined;
  /** Starts or resumes a setting, and trains it up to an iteration. @param seconds - time limit. */
  readonly train: (
    number: number,
    candidate: SearchCandidate,
    iterations: number,
    seconds: number,
  ) => Promise<SearchCandidate>;
  /** Saves the state of the search. Called after each training. */
  readonly keep: (state: SearchState, spentSeconds: number) => Promise<void>;
  /** Returns the current time of any clock in seconds. */
  readonly now: () => number;
  /** When the signal is aborted, the search ends after the running trainings. */
  readonly signal: AbortSignal;
}

/**
 * Runs a search until its time budget is spent or no setting is left to train.
 * @param spent - seconds of earlier sessions. @returns the state of the search, and the seconds of all sessions.
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
    current = withCandidate(current, number, before); // its setting must not be drawn again
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

/** Computes the rungs from the default setting's iterations. Adds no rungs if the default's first training was interrupted. */
function withRungs(state: SearchState, { iterations, validateEvery, signal }: Search): SearchState {
  const [first] = state.candidates;
  if (!first) return state;
  if (state.rungs.length === 0 && signal.aborted && !hasReached(first, iterations)) return state;
  const top = first.end === "open" ? first.iterations : iterations;
  const whole = Math.max(validateEvery, top - top % validateEvery);
  return { ...state, rungs: listRungs(whole, validateEvery) };
}

/** A training to start: the setting's number, and the iteration up to which it is trained. */
interface Job {
  readonly number: number;
  readonly iterations: number;
  /** Estimated seconds of the training. */
  readonly seconds: number;
}

/** Settings that are in training, by number. */
type Busy = ReadonlyMap<number, unknown>;

/** Minimum seconds that must remain to start a training. */
const LEAST_SECONDS = 1;

/**
 * Chooses the training to start next. @param secondsLeft - remaining seconds of the budget. @param more - true if there are
 * untried settings. @param busy - settings in training. @returns undefined if no training fits the remaining time.
 */
function nextJob(state: SearchState, secondsLeft: number, more: boolean, busy: Busy): Job | undefined {
  const { candidates, rungs } = state;
  for (let rung = rungs.length - 2; rung >= 0; rung--) {
    const number = promoted(state, rung, busy);
    const job = number === undefined ? undefined : buildJob(state, number, rung + 1);
    if (job && job.seconds <= secondsLeft) return job;
  }
  const finish = finishing(state, secondsLeft, busy);
  // Settings whose training was cut short come first: by a stop, or by the first rung of a smaller budget.
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
 * Returns the number of the best setting on a rung that may be promoted, if any. A third of the settings that have reached
 * the rung are promoted. The default is not counted, because its training is complete before.
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

/** Continues the best setting up to the last iteration, or as far as the time allows. */
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

/** Estimates the seconds of a training up to the first rung, by the median of earlier settings. */
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
