/** Runs the steps of a ladder: each is checked at odd sizes and at its own, and only then those that are right are timed. */

import type { Gpu } from "../../gpu/device.ts";
import { median, timePasses } from "../../gpu/profiler.ts";
import { bindSteps, type BoundStep, changedBy, faultOf, faultsAt, type Ladder, numberOf } from "./check.ts";
import type { Size } from "./problem.ts";
import type { LadderCounts, LadderFigures, LadderStepFigure } from "../profile/bench_report.ts";
import { timeRepeated } from "../profile/measure.ts";
import { timingOf } from "../profile/timing.ts";

/** A step as it was timed: over all rounds. Absent times mean that the size cannot be done by it. */
export interface StepResult extends LadderStepFigure {
  readonly flops: number;
  readonly bytes: number;
  /** Whether it gave other numbers than the reference: the refusal says which. */
  readonly isWrong: boolean;
}

export interface LadderOptions {
  readonly size?: Size;
  readonly rounds: number;
  onProgress?(text: string): void;
}

/** A step that is wrong is not timed; the others are. */
export async function runLadder(gpu: Gpu, ladder: Ladder, options: LadderOptions): Promise<StepResult[]> {
  const { size = ladder.size, onProgress = () => {} } = options;
  onProgress(`${ladder.name}: compiling, and checking at ${size.join(" x ")}`);
  const { arena: own, problem, steps } = await bindSteps(gpu, ladder, size);
  using arena = own;
  const compiled = new Map<number, number>();
  const counts = new Map<number, LadderCounts>();
  const checks = new Checks();
  for (const step of steps) {
    onProgress(`${ladder.name}: checking at ${size.join(" x ")}, step ${step.number}`);
    compiled.set(step.number, step.hostMs + await firstRun(gpu, step));
    const began = performance.now();
    checks.add(step.number, await faultOf(arena, problem, step));
    checks.runMs.set(step.number, performance.now() - began);
    const { storage, workgroup } = step.counts();
    counts.set(step.number, {
      reads: storage.reads,
      sectors: storage.readSectors,
      conflicts: workgroup.conflicts,
    });
  }
  // After that: a kernel that is the same at all sizes is compiled once.
  for (const odd of ladder.oddSizes) {
    onProgress(`${ladder.name}: checking at ${odd.join(" x ")}`);
    for (const [number, fault] of await faultsAt(gpu, ladder, odd)) checks.add(number, fault);
  }
  const right = steps.filter(({ number }) => !checks.faults.has(number));
  const times = await timeRounds(gpu, ladder.name, right, checks.runMs, options);
  /** The machine's speed drifts, so steps are compared within each round. */
  const ratio = (of: number, to: number) => {
    const [a, b] = [times.get(of)?.medians ?? [], times.get(to)?.medians ?? []];
    return a.length * b.length === 0 ? undefined : median(b.map((time, k) => (a[k] ?? NaN) / time));
  };
  return ladder.steps.map((step, k): StepResult => {
    const { kernel, idea, refuses } = step;
    const number = numberOf(step, k);
    const own = times.get(number);
    const before = changedBy(step, k);
    const fault = checks.faults.get(number);
    return {
      number,
      kernel: kernel.name,
      idea,
      changes: before,
      ...problem.cost,
      ...(own && { time: { ...timingOf(own.medians), min: own.min, ...own.error } }),
      gainOnFirst: ratio(1, number),
      ...(number > 1 && { gain: ratio(before, number) }),
      counts: counts.get(number),
      compileMs: compiled.get(number),
      checkedSizes: checks.sizes.get(number),
      refusal: fault ?? refuses?.(size, gpu.workgroupBytes),
      isWrong: fault !== undefined,
    };
  });
}

/** What the comparisons with the reference have come to, by the numbers of steps. */
class Checks {
  /** At how many sizes a step was compared. */
  readonly sizes = new Map<number, number>();
  /** The first fault of those that have one. */
  readonly faults = new Map<number, string>();
  /** Milliseconds of what compares a step at the ladder's size: two runs, and what is around them. */
  readonly runMs = new Map<number, number>();

  add(number: number, fault: string | undefined): void {
    this.sizes.set(number, (this.sizes.get(number) ?? 0) + 1);
    if (fault !== undefined && !this.faults.has(number)) this.faults.set(number, fault);
  }
}

interface StepTimes {
  readonly medians: number[];
  min: number;
  error: { error?: number };
}

/** How often timing a step runs it, about. */
const RUNS = 7;

/** All steps in turn, round by round. @param runMs milliseconds of a run of each, to tell how long it will take. */
async function timeRounds(
  gpu: Gpu,
  name: string,
  steps: readonly BoundStep[],
  runMs: ReadonlyMap<number, number>,
  { rounds, onProgress = () => {} }: LadderOptions,
): Promise<Map<number, StepTimes>> {
  const times = new Map<number, StepTimes>(
    steps.map(({ number }) => [number, { medians: [], min: Infinity, error: {} }]),
  );
  const all = rounds * steps.reduce((sum, { number }) => sum + (runMs.get(number) ?? 0), 0);
  const began = performance.now();
  let done = 0;
  for (let round = 1; round <= rounds; round++) {
    for (const { number, encode } of steps) {
      const each = done > 0 ? (performance.now() - began) / done : RUNS;
      onProgress(
        `${name}: timing, round ${round} of ${rounds}, step ${number}; about ` +
          `${Math.ceil(each * (all - done) / 1000)} s left`,
      );
      const timing = await timeRepeated(gpu, encode, { seconds: 0 });
      done += runMs.get(number) ?? 0;
      const own = times.get(number);
      if (!own) continue;
      own.medians.push(timing.median);
      own.min = Math.min(own.min, timing.min);
      if (timing.error !== undefined) own.error = { error: timing.error };
    }
  }
  return times;
}

/** What the first dispatch took longer than the second, in milliseconds: some drivers compile then. */
async function firstRun(gpu: Gpu, { encode }: BoundStep): Promise<number> {
  if (!gpu.hasTimestamps) return 0;
  const [first = 0] = await timePasses(gpu, [encode]);
  const [again = 0] = await timePasses(gpu, [encode]);
  return Math.max(0, first - again) / 1000;
}

/** What is kept of a ladder's results. */
export function ladderFigures({ name }: Ladder, size: Size, results: readonly StepResult[]): LadderFigures {
  const steps = results.map((
    { flops: _flops, bytes: _bytes, isWrong: _isWrong, ...figure },
  ): LadderStepFigure => figure);
  return { ladder: name, size, steps };
}
