/** The search: what is trained one after the other until the time is up. How a setting is trained, it does not know. */

import type { Setting } from "./space.ts";
import { nextJob } from "./next_job.ts";
import { type Candidate, hasReached, rungsUpTo, type Standing } from "./standing.ts";

/** The most of the budget that the default takes; if it is not at its end then, neither will the others be. */
const DEFAULT_SHARE = 0.3;
/** A larger budget takes the default further than a smaller one did, if by this share of its time or more. */
const LEAST_MORE = 0.25;

/** What a search is told, and what it asks. */
export interface Search {
  readonly budgetSeconds: number;
  /** Iterations of a setting that is trained to its end, and between validations. */
  readonly iterations: number;
  readonly validateEvery: number;
  /** Setting `number`; undefined when there are no more. */
  readonly draw: (number: number, before: readonly Setting[]) => Setting | undefined;
  /**
   * Trains a setting up to an iteration, begins it where it was not begun.
   * @param seconds after which it is cut short.
   */
  readonly train: (
    number: number,
    candidate: Candidate,
    iterations: number,
    seconds: number,
  ) => Promise<Candidate>;
  /** Told after each of them; what is told is kept for the next session. */
  readonly keep: (standing: Standing, spentSeconds: number) => Promise<void>;
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
  standing: Standing,
  spent: number,
  parts: Search,
): Promise<{ readonly standing: Standing; readonly spentSeconds: number }> {
  const { budgetSeconds, draw, train, keep, now, signal } = parts;
  const began = now();
  const spentSeconds = () => spent + now() - began;
  const left = () => budgetSeconds - spentSeconds();
  let current = standing;
  const run = async (number: number, iterations: number, seconds: number) => {
    const before = current.candidates[number] ?? fresh(draw(number, settingsOf(current)) ?? {});
    const after = await train(number, before, iterations, seconds);
    current = withCandidate(current, number, after);
    if (number === 0) current = withRungs(current, parts);
    await keep(current, spentSeconds());
  };
  const share = DEFAULT_SHARE * budgetSeconds;
  const { candidates: [usual = fresh({})], rungs } = current;
  const had = usual.seconds + usual.setUpSeconds;
  const further = Math.min(left(), share - had);
  if (rungs.length === 0) await run(0, parts.iterations, Math.max(0, share - spentSeconds()));
  else if (further > LEAST_MORE * had && !hasReached(usual, parts.iterations)) {
    await run(0, parts.iterations, further);
  }
  while (!signal.aborted && current.rungs.length > 0) {
    const more = draw(current.candidates.length, settingsOf(current)) !== undefined;
    const job = nextJob(current, left(), more);
    if (!job) break;
    await run(job.number, job.iterations, left());
  }
  return { standing: current, spentSeconds: spentSeconds() };
}

function settingsOf({ candidates }: Standing): Setting[] {
  return candidates.map(({ setting }) => setting);
}

function fresh(setting: Setting): Candidate {
  return {
    setting,
    iterations: 0,
    seconds: 0,
    setUpSeconds: 0,
    curve: { iteration: [], value: [] },
    end: "open",
  };
}

function withCandidate(standing: Standing, number: number, candidate: Candidate): Standing {
  const candidates = standing.candidates.slice();
  candidates[number] = candidate;
  return { ...standing, candidates };
}

/** The rungs follow from how far the default came; where it was stopped on its first way there, none do yet. */
function withRungs(standing: Standing, { iterations, validateEvery, signal }: Search): Standing {
  const [first] = standing.candidates;
  if (!first) return standing;
  if (standing.rungs.length === 0 && signal.aborted && !hasReached(first, iterations)) return standing;
  const top = first.end === "open" ? first.iterations : iterations;
  const whole = Math.max(validateEvery, top - top % validateEvery);
  return { ...standing, rungs: rungsUpTo(whole, validateEvery) };
}
