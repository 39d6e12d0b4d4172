/**
 * Defines and runs ladders: steps from a naive kernel to the shipped kernel, with one idea per step. A kernel
 * that only one step uses has the number of the step in its file name. All steps are checked at irregular
 * sizes and at the ladder's size. Only correct steps are timed.
 */

import type { BoundStep, Ladder, LadderSize } from "./check_ladder.ts";
import {
  BoundLadder,
  findFaultsAtSize,
  findStepFault,
  getBaseStepNumber,
  getStepNumber,
} from "./check_ladder.ts";
import { createChoiceTrial, listChoiceSteps } from "./choice_ladder.ts";
import { createLstmTrial, listLstmSteps } from "./lstm_ladder.ts";
import {
  createForwardTrial,
  createInputTrial,
  createWeightTrial,
  listForwardSteps,
  listInputSteps,
  listWeightSteps,
} from "./matmul_ladder.ts";
import type { Gpu } from "../gpu/device.ts";
import { timePasses } from "../gpu/profiler.ts";
import type { LadderStepMeasurement, Timing } from "../profile/bench_report.ts";
import { timeRepeated } from "../profile/measure.ts";
import { summarizeTimes } from "../profile/timing.ts";

/** Irregular sizes [M, K, N] of matmuls. The first two share kernels (equal K / 4 and N / 4, rounded up). */
const oddMatmuls: readonly LadderSize[] = [[1, 17, 22], [37, 20, 21], [301, 64, 68]];

export const ladders: readonly Ladder[] = [
  {
    name: "forward",
    title: "matmul forward, ELU(X W + b), [M, K] x [K, N]",
    size: [12_800, 64, 64],
    oddSizes: oddMatmuls,
    open: (gpu, size) => createForwardTrial(gpu, size),
    dispatch: "matmul_forward",
    steps: listForwardSteps(),
    forGpus: [1, 2, 3, 4],
  },
  {
    name: "input",
    title: "matmul, gradient of the input, [M, N] x [K, N]^T",
    size: [12_800, 64, 64],
    oddSizes: oddMatmuls.map(([M = 1, K = 1, N = 1]) => [M, N, K]),
    open: createInputTrial,
    dispatch: "matmul_input_gradient",
    steps: listInputSteps(),
    forGpus: [1, 2, 3],
  },
  {
    name: "weight",
    title: "matmul, gradient of the weights, [M, K]^T x [M, N]",
    size: [12_800, 64, 64],
    oddSizes: [...oddMatmuls, [1027, 12, 9]],
    open: createWeightTrial,
    dispatch: "matmul_weight_gradient",
    steps: listWeightSteps(),
    forGpus: [1, 2, 3, 4],
  },
  ...(["forward", "backward"] as const).map((direction): Ladder => ({
    name: direction === "forward" ? "lstm" : "lstm_backward",
    title: `LSTM ${direction}, B users x T events, H units`,
    size: [128, 20, 20],
    oddSizes: [[1, 1, 7], [11, 5, 6], [3, 9, 21]],
    open: createLstmTrial,
    dispatch: `lstm_${direction}`,
    steps: listLstmSteps(direction),
    forGpus: direction === "forward" ? [1, 2, 8, 9, 10, 11] : [1, 5, 6, 7, 8],
  })),
  {
    name: "choice",
    title: "choice softmax, loss and gradient, E events x K rows",
    size: [2560, 10],
    oddSizes: [[1, 1], [13, 3], [67, 41]],
    open: (gpu, size) => createChoiceTrial(gpu, size),
    dispatch: "choice_nll",
    given: ["u"],
    steps: listChoiceSteps(),
  },
];

/** Returns a ladder by name. @throws Error if the name is unknown */
export function findLadder(name: string): Ladder {
  const found = ladders.find((ladder) => ladder.name === name);
  if (!found) {
    throw new Error(`Expected one of ${ladders.map(({ name }) => name).join(", ")}, got ladder "${name}".`);
  }
  return found;
}

export interface LadderOptions {
  readonly size?: LadderSize;
  readonly rounds: number;
  /** Reports progress. @param share - rises from 0 to 1 during the checks, and again during the timing */
  onProgress?(text: string, share: number): void;
}

/** Checks all steps of a ladder, and times the correct steps. */
export async function runLadder(
  gpu: Gpu,
  ladder: Ladder,
  options: LadderOptions,
): Promise<LadderStepMeasurement[]> {
  const { size = ladder.size, onProgress = () => {} } = options;
  onProgress(`${ladder.name}: compiling and checking at ${size.join(" x ")}`, 0);
  using bound = await BoundLadder.open(gpu, ladder, size);
  const { steps } = bound;
  await bound.prepare();
  const known = new Map<number, StepState>();
  const note = (number: number, fault: string | undefined, more: Partial<StepState> = {}) => {
    const own = known.get(number) ?? { checkedSizes: 0 };
    known.set(number, { ...own, ...more, checkedSizes: own.checkedSizes + 1, fault: own.fault ?? fault });
  };
  const checks = steps.length + ladder.oddSizes.length;
  for (const [k, step] of steps.entries()) {
    onProgress(`${ladder.name}: checking at ${size.join(" x ")}, step ${step.number}`, k / checks);
    const compileMs = step.hostMs + await timeFirstRun(gpu, step);
    const fault = await findStepFault(bound, step);
    const { storage: { reads, readSectors: sectors, writeSectors }, workgroup: { conflicts } } = step
      .counts();
    note(step.number, fault, { compileMs, counts: { reads, sectors, writeSectors, conflicts } });
  }
  // Irregular sizes come last, so that a kernel that all sizes share is compiled at the timed size.
  for (const [k, odd] of ladder.oddSizes.entries()) {
    onProgress(`${ladder.name}: checking at ${odd.join(" x ")}`, (steps.length + k) / checks);
    for (const [number, fault] of await findFaultsAtSize(gpu, ladder, odd)) note(number, fault);
  }
  const right = steps.filter(({ number }) => known.get(number)?.fault === undefined);
  const times = await timeRounds(gpu, ladder.name, right, options);
  const summaries = new Map([...times].map(([number, own]) => [number, summarizeRounds(own)] as const));
  const ratio = (of: number, to: number) => {
    const [a, b] = [summaries.get(of), summaries.get(to)];
    return a && b && a.median / b.median;
  };
  return ladder.steps.map((step, k): LadderStepMeasurement => {
    const { kernel, idea, refuses } = step;
    const number = getStepNumber(step, k);
    const time = summaries.get(number);
    const before = getBaseStepNumber(step, k);
    const { fault, counts, compileMs, checkedSizes } = known.get(number) ?? {};
    return {
      number,
      kernel: kernel.name,
      idea,
      changes: before,
      ...(time && { time }),
      gainOnFirst: ratio(1, number),
      ...(number > 1 && { gain: ratio(before, number) }),
      ...{ counts, compileMs, checkedSizes },
      refusal: fault ?? refuses?.(size, gpu.workgroupBytes),
      ...(fault !== undefined && { isWrong: true }),
    };
  });
}

interface StepState extends Pick<LadderStepMeasurement, "counts" | "compileMs"> {
  /** Number of sizes at which the step was compared with the reference. */
  readonly checkedSizes: number;
  readonly fault?: string | undefined;
}

/** Times each step once per round. @returns the timings of each step, one per round, by step number */
async function timeRounds(
  gpu: Gpu,
  name: string,
  steps: readonly BoundStep[],
  { rounds, onProgress = () => {} }: LadderOptions,
): Promise<Map<number, Timing[]>> {
  const times = new Map(steps.map(({ number }) => [number, new Array<Timing>()]));
  for (let round = 1; round <= rounds; round++) {
    for (const [k, { number, encode }] of steps.entries()) {
      const text = `${name}: timing, round ${round} of ${rounds}, step ${number}`;
      onProgress(text, (round - 1 + k / steps.length) / rounds);
      times.get(number)?.push(await timeRepeated(gpu, encode, { seconds: 0 }));
    }
  }
  return times;
}

/** Summarizes a step's rounds: the median of the rounds' medians, and the minimum of all samples. */
function summarizeRounds(rounds: readonly Timing[]): Timing {
  const error = rounds.at(-1)?.error;
  return {
    ...summarizeTimes(rounds.map(({ median }) => median)),
    min: Math.min(...rounds.map(({ min }) => min)),
    ...(error !== undefined && { error }),
  };
}

/** Returns the milliseconds by which a kernel's first run is slower: some drivers compile it then. */
async function timeFirstRun(gpu: Gpu, { encode }: BoundStep): Promise<number> {
  if (!gpu.hasTimestamps) return 0;
  const [first = 0] = await timePasses(gpu, [encode]);
  const [again = 0] = await timePasses(gpu, [encode]);
  return Math.max(0, first - again) / 1000;
}
