/** Runs the steps of a ladder: each is checked at odd sizes and at its own, and only then all of them are timed. */

import type { Gpu } from "../gpu/device.ts";
import { median, timePasses } from "../gpu/profiler.ts";
import {
  bindSteps,
  type BoundStep,
  changedBy,
  checkAt,
  checkStep,
  type Ladder,
  numberOf,
  workgroupBytesOf,
} from "./check.ts";
import type { Size } from "./problem.ts";
import type { LadderFigures, LadderStepFigure } from "../profile/bench_report.ts";
import { timeRepeated } from "../profile/measure.ts";
import { timingOf } from "../profile/timing.ts";

/** A step as it was timed: over all rounds. Absent times mean that the size cannot be done by it. */
export interface StepResult extends LadderStepFigure {
  readonly flops: number;
  readonly bytes: number;
}

export interface LadderOptions {
  readonly size?: Size;
  readonly rounds: number;
  onProgress?(text: string): void;
}

/** @throws Error for a step that is wrong: then nothing is timed. */
export async function runLadder(gpu: Gpu, ladder: Ladder, options: LadderOptions): Promise<StepResult[]> {
  const { size = ladder.size, rounds, onProgress = () => {} } = options;
  onProgress(`${ladder.name}: compiling, and checking at ${size.join(" x ")}`);
  const { arena, problem, steps } = await bindSteps(gpu, ladder, size);
  try {
    const compiled = new Map<number, number>();
    for (const step of steps) {
      compiled.set(step.number, step.hostMs + await firstRun(gpu, step));
      await checkStep(gpu, problem, step);
    }
    // After that: a kernel that is the same at all sizes is compiled once.
    for (const odd of ladder.oddSizes) await checkAt(gpu, ladder, odd, onProgress);
    const times = new Map<number, { medians: number[]; min: number; error: { error?: number } }>(
      steps.map(({ number }) => [number, { medians: [], min: Infinity, error: {} }]),
    );
    for (let round = 1; round <= rounds; round++) {
      for (const { number, encode } of steps) {
        onProgress(`${ladder.name}: timing, round ${round} of ${rounds}, step ${number}`);
        const timing = await timeRepeated(gpu, encode, { seconds: 0 });
        const own = times.get(number);
        if (!own) continue;
        own.medians.push(timing.median);
        own.min = Math.min(own.min, timing.min);
        if (timing.error !== undefined) own.error = { error: timing.error };
      }
    }
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
      return {
        number,
        kernel: kernel.name,
        idea,
        changes: before,
        ...problem.cost,
        ...(own && { time: { ...timingOf(own.medians), min: own.min, ...own.error } }),
        gainOnFirst: ratio(1, number),
        gain: ratio(before, number),
        compileMs: compiled.get(number),
        refusal: refuses?.(size, workgroupBytesOf(gpu)),
      };
    });
  } finally {
    arena.destroy();
  }
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
    { number, kernel, idea, changes, time, gainOnFirst, gain, compileMs, refusal },
  ): LadderStepFigure => ({ number, kernel, idea, changes, time, gainOnFirst, gain, compileMs, refusal }));
  return { ladder: name, size, steps };
}
