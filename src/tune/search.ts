/**
 * Hyperparameter search within a time budget: chooses which setting to train next. Callbacks train settings.
 *
 * The method is asynchronous successive halving (Li et al., 2020) with a time limit. A rung is a number of
 * iterations at which settings are compared. Up to a third of the settings on a rung are promoted, the best
 * first: their training continues to the next rung. If no setting can be promoted, training of a new setting
 * starts. Settings may train in parallel. The search can be stopped at any time.
 */

import type { TuneSetting } from "./space.ts";
import type { RunLog } from "../report/report_data.ts";
import type { Criterion } from "../train/best_records.ts";

/** A setting (a set of `train` options), with the progress and the results of its training so far. */
export interface SearchCandidate {
  readonly number: number;
  readonly setting: TuneSetting;
  readonly iterations: number;
  /** Seconds of training without set-up; the set-up of the last start or resume took `setUpSeconds`. */
  readonly seconds: number;
  readonly setUpSeconds: number;
  /** Log of the validations, with a column per criterion (loss, prec@1, prec@2). */
  readonly curve: RunLog;
  /** State of training: "open" can be continued; "stopped" (by early stopping) and "diverged" cannot. */
  readonly end: "open" | "stopped" | "diverged";
}

export interface SearchState {
  readonly criterion: Criterion;
  /**
   * Numbers of iterations at which settings are compared, ascending. The list depends on how fast the default
   * setting trains, so it is empty until the default setting was trained.
   */
  readonly rungs: readonly number[];
  /** All settings whose training has begun, in the order of their numbers. */
  readonly candidates: readonly SearchCandidate[];
}

/** Factor between the iterations of successive rungs; 1 / HALVING of the settings on a rung are promoted. */
const HALVING = 3;
/** Maximum number of rungs. With more and earlier rungs, settings that learn fast but overfit would win. */
const RUNGS = 2;

/** Lists the rungs, ascending. @param top - last rung. @param step - iterations between two validations. */
export function listRungs(top: number, step: number): number[] {
  const rungs = Array.from({ length: RUNGS }, (_, k) => {
    const wanted = top / HALVING ** (RUNGS - 1 - k);
    return k === RUNGS - 1 ? top : Math.ceil(wanted / step) * step;
  });
  return [...new Set(rungs)].filter((rung) => rung <= top);
}

/** Best validation of a setting: the iteration, and the metric's value. */
export interface BestValidation {
  /** Loss, or negative precision, by which settings are ranked (lower is better); Infinity for no value. */
  readonly rank: number;
  readonly value: number | null;
  readonly iteration: number;
}

/** Returns a setting's best validation up to an iteration. For a diverged setting, `value` is null. */
export function findBestValidation(
  { curve, end }: SearchCandidate,
  criterion: Criterion,
  upTo = Infinity,
): BestValidation {
  let best: BestValidation = { rank: Infinity, value: null, iteration: 0 };
  if (end === "diverged") return best;
  curve.columns.get(criterion)?.forEach((value, k) => {
    const iteration = curve.iteration[k] ?? 0;
    if (value === null || iteration > upTo) return;
    const rank = criterion === "loss" ? value : -value;
    if (rank < best.rank) best = { rank, value, iteration };
  });
  return best;
}

/** Returns all settings, the best first. Settings without a value of the metric come last. */
export function rankSettings({ candidates, criterion }: SearchState, upTo = Infinity): SearchCandidate[] {
  const ranked = candidates.map((candidate) => ({
    candidate,
    rank: findBestValidation(candidate, criterion, upTo).rank,
  }));
  // Equal ranks stay in the order of the numbers, also without metrics: Infinity - Infinity is NaN, taken as 0.
  return ranked.sort((a, b) => a.rank - b.rank).map(({ candidate }) => candidate);
}

/** Returns the setting with the best validation; undefined if no setting was validated. */
export function findWinner(state: SearchState): SearchCandidate | undefined {
  const [first] = rankSettings(state);
  return first && findBestValidation(first, state.criterion).value !== null ? first : undefined;
}

/** Returns true if a setting was trained up to a rung, or can no longer be trained. */
export function hasReached({ iterations, end }: SearchCandidate, rung: number): boolean {
  return iterations >= rung || end !== "open";
}

/** Maximum share of the time budget that the default setting may use. Other settings use the rest. */
const DEFAULT_SHARE = 0.3;
/** The default setting's training is resumed only if a larger budget lengthens it by at least this share. */
const LEAST_MORE = 0.25;

const FRESH: SearchCandidate = {
  number: 0,
  setting: {},
  iterations: 0,
  seconds: 0,
  setUpSeconds: 0,
  curve: { iteration: [], columns: new Map() },
  end: "open",
};

export interface Search {
  readonly budgetSeconds: number;
  /** Number of iterations of a complete training, which is validated every `validateEvery` iterations. */
  readonly iterations: number;
  readonly validateEvery: number;
  /** Maximum number of settings that are trained in parallel. The default setting is trained first, alone. */
  readonly jobs: number;
  /** Draws setting `number`; undefined if no new setting is left. @param before - settings drawn earlier */
  readonly draw: (number: number, before: readonly TuneSetting[]) => TuneSetting | undefined;
  /** Trains a setting, or continues its training: up to iteration `iterations`, for at most `seconds`. */
  readonly train: (
    candidate: SearchCandidate,
    iterations: number,
    seconds: number,
  ) => Promise<SearchCandidate>;
  /** Saves the state of the search. Called after the training of a setting has paused or ended. */
  readonly keep: (state: SearchState, spentSeconds: number) => Promise<void>;
  readonly now: () => number;
  /** If this signal is aborted, the search ends as soon as the running trainings have ended. */
  readonly signal: AbortSignal;
}

/**
 * Runs a search until its time budget is spent, or no setting is left to train.
 * @param spent - seconds that the search took before this call. @returns final state, and total seconds
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
  const run = async (candidate: SearchCandidate, iterations: number, seconds: number) => {
    current = withCandidate(current, candidate); // so that the setting is not drawn again
    const after = await train(candidate, iterations, seconds);
    current = withCandidate(current, after);
    if (after.number === 0) current = withRungs(current, parts);
    await (kept = kept.then(() => keep(current, spentSeconds())));
  };
  const begin = ({ candidate, iterations }: Job, seconds: number) => {
    const task = run(candidate, iterations, seconds)
      .catch((error) => void (failure ??= { error }))
      .finally(() => busy.delete(candidate.number));
    busy.set(candidate.number, task);
  };
  const share = DEFAULT_SHARE * budgetSeconds;
  const { candidates: [usual = FRESH], rungs } = current;
  const had = usual.seconds + usual.setUpSeconds;
  const further = Math.min(left(), share - had);
  if (rungs.length === 0) await run(usual, parts.iterations, Math.max(0, share - spentSeconds()));
  else if (further > LEAST_MORE * had && !hasReached(usual, parts.iterations)) {
    await run(usual, parts.iterations, further);
  }
  for (;;) {
    while (busy.size < parts.jobs && !failure && !signal.aborted && current.rungs.length > 0) {
      const number = current.candidates.length;
      const setting = draw(number, current.candidates.map(({ setting }) => setting));
      const job = nextJob(current, left(), setting && { ...FRESH, number, setting }, busy);
      if (!job) break;
      begin(job, left());
    }
    if (busy.size === 0) break;
    await Promise.race(busy.values());
  }
  if (failure) throw failure.error;
  return { state: current, spentSeconds: spentSeconds() };
}

function withCandidate(state: SearchState, candidate: SearchCandidate): SearchState {
  return { ...state, candidates: state.candidates.toSpliced(candidate.number, 1, candidate) };
}

/** Computes the rungs from the default setting's iterations, unless its training was interrupted. */
function withRungs(state: SearchState, { iterations, validateEvery, signal }: Search): SearchState {
  const [first] = state.candidates;
  if (!first) return state;
  if (state.rungs.length === 0 && signal.aborted && !hasReached(first, iterations)) return state;
  const top = first.end === "open" ? first.iterations : iterations;
  const whole = Math.max(validateEvery, top - top % validateEvery);
  return { ...state, rungs: listRungs(whole, validateEvery) };
}

/** Next training, of `candidate` up to iteration `iterations`, which takes about `seconds` seconds. */
interface Job {
  readonly candidate: SearchCandidate;
  readonly iterations: number;
  readonly seconds: number;
}

/** Settings that are being trained now; the keys are their numbers. */
type Busy = ReadonlyMap<number, unknown>;

const LEAST_SECONDS = 1;

/**
 * Chooses the next training; undefined if `secondsLeft` is too short for any training.
 * @param untried - new setting, if there is one. @param busy - settings that are being trained now.
 */
function nextJob(
  state: SearchState,
  secondsLeft: number,
  untried: SearchCandidate | undefined,
  busy: Busy,
): Job | undefined {
  const { rungs } = state;
  for (let rung = rungs.length - 2; rung >= 0; rung--) {
    const candidate = findPromoted(state, rung, busy);
    const job = candidate && buildJob(state, candidate, rung + 1);
    if (job && job.seconds <= secondsLeft) return job;
  }
  const finish = buildFinish(state, secondsLeft, busy);
  // Settings below the first rung come first: their training was interrupted, or a smaller budget ended it.
  const begun = rankSettings(state).find((one) => !busy.has(one.number) && !hasReached(one, rungs[0] ?? 0));
  const first = begun
    ? buildJob(state, begun, 0)
    : untried && { candidate: untried, iterations: rungs[0] ?? 0, seconds: firstSeconds(state) };
  return first && first.seconds + (finish?.seconds ?? 0) <= secondsLeft ? first : finish;
}

/**
 * Returns the best setting that may be promoted from a rung; undefined if there is none. A third of the
 * settings on the rung may be promoted. The default setting, which is trained to the end in any case, does
 * not count as a promotion.
 */
function findPromoted(state: SearchState, rung: number, busy: Busy): SearchCandidate | undefined {
  const [from = Infinity, to = Infinity] = state.rungs.slice(rung);
  const here = rankSettings(state, from).filter((one) => hasReached(one, from));
  const places = Math.floor(here.length / HALVING);
  const gone = here.filter(({ number, iterations }) => busy.has(number) || (number > 0 && iterations > from));
  if (gone.length >= places) return undefined;
  return here.slice(0, places).find((one) => !busy.has(one.number) && !hasReached(one, to));
}

/** Returns a job that trains the best setting up to the last rung; undefined if it cannot start now. */
function buildFinish(state: SearchState, secondsLeft: number, busy: Busy): Job | undefined {
  const winner = findWinner(state);
  const top = state.rungs.length - 1;
  if (!winner || busy.has(winner.number) || hasReached(winner, state.rungs[top] ?? 0)) return undefined;
  if (secondsLeft < LEAST_SECONDS + winner.setUpSeconds) return undefined;
  return buildJob(state, winner, top);
}

function buildJob({ candidates, rungs }: SearchState, candidate: SearchCandidate, rung: number): Job {
  const iterations = rungs[rung] ?? 0;
  const timed = candidate.iterations > 0 ? candidate : candidates[0] ?? FRESH;
  const seconds = candidate.setUpSeconds + (iterations - candidate.iterations) * perIteration(timed);
  return { candidate, iterations, seconds };
}

/** Estimates how many seconds a new setting needs to reach the first rung: the median of earlier settings. */
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
