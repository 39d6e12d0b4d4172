/** Runs the peers (compared libraries) on one job, compares their losses, and times them in turn. */

import { summarizeTimes } from "../../src/profile/timing.ts";
import { type PeerCommand, PeerProcess, UnsupportedJobError } from "./peer.ts";
import type { PeerEntry, PeerVariant } from "./roster.ts";
import { buildCells, type CellColumn, type TableCells } from "../study.ts";

export interface PeerMeasureOptions {
  readonly rounds: number;
  /** Total time in seconds of a peer's timed steps, over all its turns. */
  readonly seconds: number;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  command(entry: PeerEntry, variant: PeerVariant): PeerCommand;
}

/** Number of training steps whose losses are compared, from the first step on. */
export const COMPARED_STEPS = 10;

/**
 * Largest allowed |a - b| / max(1, |a|) of clickgan's loss a and a peer's loss b. The losses of two correct
 * f32 programs differ in ten steps by a few times 1e-6. A missing step, wrong rate or wrong batch changes
 * losses by 1e-4 or more.
 */
export const TOLERANCE = 2e-5;

/** Describes the first step whose loss differs from clickgan's loss; undefined if all losses agree. */
export function findDisagreement(
  expected: readonly number[],
  found: readonly number[],
  tolerance = TOLERANCE,
): string | undefined {
  if (found.length !== expected.length) return `${found.length} losses, expected ${expected.length}`;
  const getLimit = (loss: number) => tolerance * Math.max(1, Math.abs(loss));
  const step = expected.findIndex((loss, k) => !(Math.abs((found[k] ?? NaN) - loss) <= getLimit(loss)));
  const loss = expected[step];
  if (loss === undefined) return undefined;
  return `the loss of step ${step + 1} is ${found[step]?.toPrecision(7)}, clickgan's is ` +
    `${loss.toPrecision(7)}; expected a difference of at most ${getLimit(loss).toPrecision(2)}`;
}

/** Number of blocks of steps that a peer runs when its turn comes. A sample is a block's mean step time. */
const BLOCKS = 2;
/** Number of compared steps of a slow peer: enough to use the first batch twice. */
const LEAST_COMPARED = 5;
/** Time limit in seconds of a peer's start, and of each request to run steps. */
const PATIENCE = 240;

export interface PeerResult {
  readonly entry: PeerEntry;
  readonly variant: PeerVariant;
  /** Milliseconds per step for each block of each turn. */
  readonly turns: number[][];
  readonly stepsPerBlock: number;
  readonly losses: readonly number[];
  readonly failure?: string;
  readonly wrong?: string;
  readonly note?: string;
}

interface Runner extends PeerResult {
  readonly process: PeerProcess;
  failure?: string;
}

/** Measures peers. @param entries - the peers; the first must be clickgan, the reference for losses */
export async function measure(
  entries: readonly PeerEntry[],
  options: PeerMeasureOptions,
): Promise<PeerResult[]> {
  const { rounds, signal, say } = options;
  const results: PeerResult[] = [];
  const runners: Runner[] = [];
  using stack = new DisposableStack();
  for (
    const [entry, variant] of entries.flatMap((entry) => entry.variants.map((one) => [entry, one] as const))
  ) {
    if (signal.aborted) break;
    const label = formatLabel(entry, variant);
    try {
      // clickgan, the first entry, runs all compared steps. A slow peer may run fewer.
      const least = runners.length === 0 ? COMPARED_STEPS : LEAST_COMPARED;
      const { runner, stepMs } = await start(entry, variant, options, least);
      stack.use(runner.process);
      const { losses } = runner;
      const expected = runners[0]?.losses.slice(0, losses.length) ?? losses;
      const wrong = findDisagreement(expected, losses, entry.tolerance);
      if (wrong === undefined) runners.push(runner);
      else runner.process.stop();
      results.push(wrong === undefined ? runner : { ...runner, wrong });
      const note = runner.note ? ` (${runner.note})` : "";
      const verdict = wrong ? `WRONG: ${wrong}` : `losses agree, about ${stepMs.toPrecision(3)} ms per step`;
      say(`${label}${note}: ${verdict}`);
    } catch (error) {
      if (signal.aborted) break;
      const failure = describeError(error);
      say(`${label}: ${failure}`);
      results.push({ entry, variant, turns: [], stepsPerBlock: 0, losses: [], failure });
      if (entry === entries[0]) return results; // without clickgan there is no reference
    }
  }
  for (let round = 1; round <= rounds && !signal.aborted; round++) {
    for (const [k, runner] of runners.entries()) {
      if (signal.aborted) break;
      const spent = runner.stepsPerBlock * runner.turns.flat().reduce((sum, ms) => sum + ms, 0);
      if (runner.failure !== undefined || spent > 1000 * options.seconds) continue;
      const label = formatLabel(runner.entry, runner.variant);
      say(`round ${round} of ${rounds}: ${label} (${k + 1} of ${runners.length})`);
      await takeTurn(runner, signal);
    }
  }
  return results;
}

function formatLabel(entry: PeerEntry, variant: PeerVariant): string {
  return variant.settings === "" ? entry.name : `${entry.name}, ${variant.settings}`;
}

function describeError(error: unknown): string {
  if (error instanceof UnsupportedJobError) return error.message;
  return error instanceof Error ? `failed: ${error.message}` : String(error);
}

/** Starts a peer, runs at least `least` steps to compare their losses, and sets `stepsPerBlock`. */
async function start(
  entry: PeerEntry,
  variant: PeerVariant,
  options: PeerMeasureOptions,
  least: number,
): Promise<{ runner: Runner; stepMs: number }> {
  const process = await PeerProcess.start(options.command(entry, variant), PATIENCE);
  const onAbort = () => process.stop();
  options.signal.addEventListener("abort", onAbort);
  try {
    const losses: number[] = [];
    const times: number[] = [];
    const began = performance.now();
    const late = () => performance.now() - began > 1000 * options.seconds;
    for (let k = 0; k < COMPARED_STEPS && !(k >= least && late()); k++) {
      const { ms, loss } = await process.run(1);
      losses.push(loss);
      times.push(ms);
    }
    // The last three steps include no compilation. On a GPU their times include the wait for the result.
    const block = 1000 * options.seconds / (options.rounds * BLOCKS);
    let stepMs = summarizeTimes(times.slice(-3)).median;
    let steps = Math.max(1, Math.round(Math.min(block, 200) / stepMs));
    if (steps > 1) stepMs = (await process.run(steps)).ms / steps;
    steps = Math.max(1, Math.round(block / stepMs));
    const { note } = process;
    return { runner: { entry, variant, process, note, stepsPerBlock: steps, losses, turns: [] }, stepMs };
  } catch (error) {
    process.stop();
    throw error;
  }
}

async function takeTurn(runner: Runner, signal: AbortSignal): Promise<void> {
  const turn: number[] = [];
  try {
    for (let block = 0; block < (runner.stepsPerBlock === 1 ? 1 : BLOCKS); block++) {
      const { ms, loss } = await runner.process.run(runner.stepsPerBlock);
      if (!Number.isFinite(loss)) throw new Error("its loss is no longer finite");
      turn.push(ms / runner.stepsPerBlock);
    }
  } catch (error) {
    if (!signal.aborted) runner.failure = describeError(error);
  }
  if (turn.length > 0) runner.turns.push(turn);
}

export interface PeerMeasurements {
  readonly peer: string;
  /** Settings of the peer's fastest variant; "" if the peer has only one variant. */
  readonly settings: string;
  /** Versions, threads and BLAS kernels that the peer reported. */
  readonly note?: string;
  /** Median of milliseconds per step; undefined if the peer has no result. */
  readonly median?: number;
  readonly samples: number;
  /** Median step time divided by clickgan's; `ratios`: smallest and largest value over the turns. */
  readonly ratio?: number;
  readonly ratios?: readonly [number, number];
  readonly problem?: string;
  /** True if the losses of a variant of the peer differ from clickgan's losses. */
  readonly wrong: boolean;
}

/** Returns the measurements of each peer's fastest variant. */
export function summarizePeers(results: readonly PeerResult[]): PeerMeasurements[] {
  const reference = results.find(({ entry }) => entry.key === "clickgan");
  return Map.groupBy(results, ({ entry }) => entry).values()
    .map((variants) => summarizePeer(variants, reference)).toArray();
}

function summarizePeer(variants: readonly PeerResult[], reference: PeerResult | undefined): PeerMeasurements {
  const name = variants[0]?.entry.name ?? "";
  const timed = variants.filter(({ turns, wrong }) => turns.length > 0 && wrong === undefined);
  const best = timed.toSorted((a, b) => computeMedianTurn(a) - computeMedianTurn(b))[0];
  const failed = variants.find(({ wrong }) => wrong !== undefined) ??
    variants.find(({ failure }) => failure !== undefined);
  const problem = failed && (failed.wrong ?? failed.failure);
  const wrong = variants.some(({ wrong }) => wrong !== undefined);
  if (!best) {
    return { peer: name, settings: "", samples: 0, problem: problem ?? "stopped before its turn", wrong };
  }
  return {
    peer: name,
    settings: best.variant.settings,
    note: best.note,
    median: computeMedianTurn(best),
    samples: best.turns.flat().length,
    ...(reference && reference.turns.length > 0 ? computeRatios(best, reference) : {}),
    problem,
    wrong,
  };
}

const computeMedianTurn = ({ turns }: PeerResult): number => summarizeTimes(turns.flat()).median;

/** Computes the ratio of median step times, and its smallest and largest value over the turns. */
function computeRatios(
  result: PeerResult,
  reference: PeerResult,
): Pick<PeerMeasurements, "ratio" | "ratios"> {
  const ratios = result.turns.flatMap((turn, k) => {
    const other = reference.turns[k];
    return other ? [summarizeTimes(turn).median / summarizeTimes(other).median] : [];
  });
  return {
    ratio: computeMedianTurn(result) / computeMedianTurn(reference),
    ratios: [Math.min(...ratios), Math.max(...ratios)],
  };
}

export function listTableCells(peers: readonly PeerMeasurements[]): TableCells {
  return buildCells(peers, [
    [
      "",
      ({ peer, settings, median, wrong }) =>
        `${peer}${settings && ` (${settings})`}${
          wrong && median !== undefined ? ": a variant is WRONG" : ""
        }`,
    ],
    ["ms per step", ({ median, wrong }) => median === undefined ? wrong ? "WRONG" : "-" : digits(median)],
    ["x clickgan", ({ ratio }) => ratio?.toFixed(2) ?? "-"],
    ["by turn", ({ ratios }) => ratios?.map((one) => one.toFixed(2)).join("..") ?? "-"],
  ]);
}

/** Formats milliseconds with three significant digits and without an exponent. */
function digits(ms: number): string {
  return ms >= 100 ? ms.toFixed(0) : ms.toPrecision(3);
}

/** Returns a line for each peer with a problem, for example a variant that failed. */
export function listProblems(peers: readonly PeerMeasurements[]): string[] {
  return peers.flatMap(({ peer, problem }) => (problem === undefined ? [] : [`${peer}: ${problem}`]));
}

/** Returns the notes that the peers reported (versions, threads), without duplicates. */
export function listNotes(
  measured: readonly { readonly measurements: readonly PeerMeasurements[] }[],
): string[] {
  const notes = measured.flatMap(({ measurements }) =>
    measurements.flatMap(({ note }) => note ? [note] : [])
  );
  return [...new Set(notes)];
}

/** Returns a table of step times divided by clickgan's, with a row per peer and a column per workload. */
export function listSummaryCells(
  measured: readonly { readonly workload: string; readonly measurements: readonly PeerMeasurements[] }[],
): TableCells {
  const names = new Set(measured.flatMap(({ measurements }) => measurements.map(({ peer }) => peer)));
  return buildCells([...names].filter((name) => name !== "clickgan"), [
    ["", (peer) => peer],
    ...measured.map(({ workload, measurements }): CellColumn<string> => [workload, (peer) => {
      const own = measurements.find((one) => one.peer === peer);
      return own?.wrong ? "WRONG" : own?.ratio?.toFixed(2) ?? "-";
    }]),
  ]);
}
