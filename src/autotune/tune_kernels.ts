/**
 * Autotuning: times the kernel variants of a training step's matrix products, LSTM and sums on a typical
 * batch. A fixed table lists the default variants. Another variant replaces the default variant only if it
 * takes at least 10 % less time in two comparisons.
 */

import type { KernelVariant } from "../gpu/kernel_variants.ts";
import type { EncodePass } from "../gpu/profiler.ts";
import { DeviceLog } from "../batch/device_log.ts";
import { BatchPlan, computeBatchCapacity } from "../batch/plan.ts";
import { type ClickLog, listUsers } from "../data/click_log.ts";
import { countRows, type LogSource, readLog, toLogSource } from "../data/log_source.ts";
import { Arena } from "../gpu/arena.ts";
import type { Gpu } from "../gpu/device.ts";
import { getCost, type KernelChoice, Program } from "../gpu/program.ts";
import { clickDimensions, type ClickSizes } from "../batch/click_sizes.ts";
import { AdamState } from "../ops/adam.ts";
import { chooseClock, type Clock, repeatWork, timeBy } from "../profile/measure.ts";
import { summarizeTimes } from "../profile/timing.ts";
import { ParameterArena } from "../tape/parameters.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { loadUncountedLog, recordModelStep } from "../model/model_program.ts";
import { listModelParameters, recordModel } from "../model/user_model.ts";

/** Matrix product, LSTM or sum (here all called "product") with its kernel variants, the default first. */
export interface TunableKernel {
  /** Key such as "forward 64x64" or "lstm backward 20"; for a sum, the name of the kernel. */
  readonly key: string;
  readonly variants: readonly KernelVariant[];
}

/** Compiles and times kernel variants. P is the type of a compiled variant. */
export interface KernelMeter<P> {
  /** Lists the products to tune. Those with most FLOPs are first: the time limit may end the tuning. */
  products(): readonly TunableKernel[];
  /** Compiles a variant and runs it once, because a driver may compile a kernel only at its first run. */
  prepare(key: string, variant: KernelVariant): Promise<P>;
  /** Runs variants one after another. @returns microseconds per variant */
  time(prepared: readonly P[]): Promise<number[]>;
  now(): number;
}

export interface TuningResult {
  /** Fastest variants by kernel key. A kernel that keeps its default variant has no entry. */
  readonly chosen: Readonly<Record<string, KernelVariant>>;
  readonly gain: Readonly<Record<string, number>>;
  /** Variants ("KEY VARIANT") that were not timed, as time ran out or the adapter cannot run them. */
  readonly untried: readonly string[];
  /** Number of products (matrix products, LSTMs, sums) for which at least two variants were timed. */
  readonly compared: number;
  readonly seconds: number;
  /** Seconds for the compilation of default variants, which training needs in any case. */
  readonly neededSeconds: number;
}

/** Time limit of autotuning in ms, not counting the compilation of default variants. */
export const BUDGET = 2300;
/** A variant replaces the default variant only if it saves this fraction of the default variant's time. */
const MARGIN = 0.1;
/** Numbers of rounds that time all variants (`first`), and only the default and the fastest (`again`). */
const ROUNDS = { first: 5, again: 9 };

/** Assumed fractions of BUDGET to compile a family's first variant (`unknown`), and to time a variant. */
const SHARE = { unknown: 0.65, timing: 0.1 };

interface Ready<P> {
  readonly variant: KernelVariant;
  readonly prepared: P;
}

/**
 * Tunes kernels. First tries the family of the default variant (such as all "panel" variants), because a CPU
 * adapter may need seconds to compile another family. Times each compiled variant, even after the time limit.
 */
export async function tuneKernels<P>(meter: KernelMeter<P>): Promise<TuningResult> {
  const began = meter.now();
  const ready = new Map<string, Ready<P>[]>();
  const chosen: Record<string, KernelVariant> = {};
  const gain: Record<string, number> = {};
  const untried: string[] = [];
  let compared = 0;
  let needed = 0;
  /** Milliseconds of the longest compilation so far, per variant family. */
  const slowest = new Map<string, number>();
  const fits = (family: string) => {
    const compile = slowest.get(family) ?? Math.max(SHARE.unknown * BUDGET, ...slowest.values());
    return meter.now() - began - needed + compile + SHARE.timing * BUDGET <= BUDGET;
  };
  for (const own of [true, false]) {
    for (const { key, variants: [fixed, ...others] } of meter.products()) {
      if (!fixed || others.length === 0) continue;
      const all = ready.get(key) ?? [];
      ready.set(key, all);
      const before = all.length;
      for (const variant of own ? [fixed, ...others] : others) {
        const family = getVariantFamily(variant);
        if ((family === getVariantFamily(fixed)) !== own) continue;
        const start = meter.now();
        // A comparison needs the default variant and at least one other variant.
        const wanted = variant === fixed
          ? others.some((other) => fits(getVariantFamily(other)))
          : all[0]?.variant === fixed && fits(family);
        const prepared = wanted ? await tryPrepare(meter, key, variant) : undefined;
        const took = meter.now() - start;
        if (variant === fixed) needed += took;
        if (prepared) {
          all.push(prepared);
          slowest.set(family, Math.max(slowest.get(family) ?? 0, took));
        } else if (variant !== fixed) untried.push(`${key} ${variant}`);
      }
      if (all.length === before || all.length < 2) continue;
      if (before < 2) compared++;
      const winner = await findFasterVariant(meter, all);
      if (!winner) continue;
      chosen[key] = winner.variant;
      gain[key] = winner.gain;
    }
  }
  const seconds = (meter.now() - began) / 1000;
  return { chosen, gain, untried, compared, seconds, neededSeconds: needed / 1000 };
}

/** Returns the family of a variant, such as "panel" for "panel 64". */
function getVariantFamily(variant: KernelVariant): string {
  return variant.replace(/ \d+$/, "");
}

/** Returns the fastest variant, or undefined if no variant is clearly faster than the default. */
async function findFasterVariant<P>(
  meter: KernelMeter<P>,
  all: readonly Ready<P>[],
): Promise<{ variant: KernelVariant; gain: number } | undefined> {
  const medians = await timeInTurn(meter, all, ROUNDS.first);
  const best = Math.min(...medians);
  const [first, fastest] = [all[0], all[medians.indexOf(best)]];
  if (!first || !fastest || !isFaster(best, medians[0])) return undefined;
  const [before, after] = await timeInTurn(meter, [first, fastest], ROUNDS.again);
  if (before === undefined || after === undefined || !isFaster(after, before)) return undefined;
  return { variant: fastest.variant, gain: before / after };
}

/** Prepares a variant; returns undefined if the variant does not run on this adapter. */
async function tryPrepare<P>(
  meter: KernelMeter<P>,
  key: string,
  variant: KernelVariant,
): Promise<Ready<P> | undefined> {
  try {
    return { variant, prepared: await meter.prepare(key, variant) };
  } catch {
    return undefined;
  }
}

function isFaster(time = Infinity, fixed = 0): boolean {
  return time <= (1 - MARGIN) * fixed;
}

/** Returns each variant's median time. Every round times all variants: the machine's speed may change. */
async function timeInTurn<P>(
  meter: KernelMeter<P>,
  all: readonly Ready<P>[],
  rounds: number,
): Promise<number[]> {
  const order = Array.from({ length: rounds }, () => all.map(({ prepared }) => prepared)).flat();
  const times = await meter.time(order);
  return all.map((_, k) => summarizeTimes(times.filter((_, at) => at % all.length === k)).median);
}

export interface PreparedProduct {
  readonly encode: EncodePass;
  /** Number of dispatches per timed pass, so large that the clock can measure the pass. */
  readonly repeats: number;
  readonly clock: PassClock;
}

/**
 * Matrix products with less than this fraction of the largest product's FLOPs are not tuned. LSTMs and sums
 * are always tuned.
 */
const LEAST_SHARE = 0.1;
/** Maximum number of rows of the timed batch. More rows do not change which variant is fastest. */
const MOST_ROWS = 8192;
/** Minimum duration of a timed pass in microseconds. */
const PASS = 300;
/** Minimum clock ticks: `pass` of a timed pass, `guess` of a pass that only estimates `repeats`. */
const STEPS = { pass: 30, guess: 15 };
const MOST_REPEATS = 1024;
/** If a pass is too short to be timed, its number of repeats is multiplied by at most this factor. */
const MORE = 16;

export interface PassClock extends Pick<Clock, "step"> {
  time(passes: readonly EncodePass[]): Promise<number[]>;
}

/** Times matrix products, LSTMs and sums of a training step. Inputs are 0: no value affects the time. */
export class StepProducts implements KernelMeter<PreparedProduct> {
  readonly #stack: DisposableStack;
  readonly #choices = new Map<string, { choice: KernelChoice<ClickSizes>; flops: number }>();
  readonly #plan: BatchPlan;
  readonly #sizes: ClickSizes;

  /**
   * @param users - number of users per batch @param clock - default: GPU timestamps, else host time
   * @throws UserError if a batch exceeds the adapter's limits
   */
  constructor(
    readonly gpu: Gpu,
    clicks: ClickLog | LogSource,
    config: ModelConfig,
    users: number,
    private readonly clock?: PassClock,
  ) {
    using stack = new DisposableStack();
    const source = toLogSource(clicks);
    const chosen = typicalBatch(source, users);
    const log = source.log ?? readLog(source, Uint32Array.from(chosen));
    const batch = source.log ? chosen : [...chosen.keys()];
    const capacity = computeBatchCapacity(log, batch, batch.length);
    const deviceLog = stack.use(new DeviceLog(gpu, log, undefined, undefined, loadUncountedLog({ config })));
    const parameters = stack.use(new ParameterArena(gpu, listModelParameters(source.items.shape, config)));
    const dimensions = clickDimensions.withChunks(parameters.chunks);
    this.#plan = stack.use(new BatchPlan(gpu, log, capacity, 1, 1, 1, dimensions));
    this.#sizes = this.#plan.put(0, batch, { slot: 0, learningRate: 0, iteration: 0 });
    this.#plan.upload(0, 1);
    const adam = stack.use(new AdamState(parameters));
    const arena = stack.use(new Arena(gpu, "autotuning"));
    const model = { gpu, config, parameters };
    const ring = arena.allocate("ring", 16);
    const { gradients } = recordModelStep(
      { ...model, record: (tape, options) => recordModel(tape, config, options) },
      { name: "autotuning", log: deviceLog, plan: this.#plan, ring, training: { adam, itemDropout: 0 } },
      arena,
    );
    for (const choice of gradients.flatMap(({ choices = [] }) => choices)) this.#add(choice);
    this.#stack = stack.move();
  }

  /** Adds a product, or replaces a product that has the same key and fewer FLOPs. */
  #add(choice: KernelChoice<ClickSizes>): void {
    const [fixed] = choice.variants;
    const flops = fixed ? getCost(choice.buildDispatch(fixed), this.#sizes).flops : 0;
    if (flops > (this.#choices.get(choice.key)?.flops ?? 0)) this.#choices.set(choice.key, { choice, flops });
  }

  products(): TunableKernel[] {
    const all = [...this.#choices.values()].sort((a, b) => b.flops - a.flops);
    const least = LEAST_SHARE * (all[0]?.flops ?? 0);
    return all.filter(({ choice, flops }) => choice.serial || flops >= least)
      .map(({ choice: { key, variants } }) => ({ key, variants }));
  }

  /** Returns the key and FLOPs of each product, such as "lstm backward 20 2^24 flops". */
  sizes(): string[] {
    return [...this.#choices].map(([key, { flops }]) => `${key} 2^${Math.round(Math.log2(flops))} flops`)
      .sort();
  }

  async prepare(key: string, variant: KernelVariant): Promise<PreparedProduct> {
    const found = this.#choices.get(key);
    if (!found) throw new Error(`No matrix product has the key ${key}.`);
    const program = await Program.record(this.gpu, "autotuning", this.#plan.steps, [
      found.choice.buildDispatch(variant),
    ]);
    const once: EncodePass = (pass) => program.encodeOne(pass, 0, this.#sizes, this.#plan.offset(0));
    const clock = this.clock ?? await this.#clock(once);
    const wanted = Math.max(PASS, STEPS.pass * clock.step);
    // The first run may include compilation, so the second run is used.
    let [, pass = 0] = await clock.time([once, once]);
    let repeats = 1;
    const grow = (most: number) =>
      Math.min(MOST_REPEATS, Math.max(1, Math.ceil(repeats * Math.min(most, wanted / Math.max(pass, 0.1)))));
    while (pass < STEPS.guess * clock.step && repeats < MOST_REPEATS) {
      repeats = grow(MORE);
      [pass = 0] = await clock.time([repeatWork(once, repeats)]);
    }
    repeats = grow(Infinity);
    return { encode: repeatWork(once, repeats), repeats, clock };
  }

  async time(prepared: readonly PreparedProduct[]): Promise<number[]> {
    const times = await prepared[0]?.clock.time(prepared.map(({ encode }) => encode)) ?? [];
    return times.map((time, k) => time / (prepared[k]?.repeats ?? 1));
  }

  now(): number {
    return performance.now();
  }

  async #clock(once: EncodePass): Promise<PassClock> {
    const clock = await chooseClock(this.gpu, once);
    return { step: clock.step, time: (passes) => timeBy(this.gpu, clock, passes) };
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}

/** Returns up to `count` train users, evenly spaced, with up to {@link MOST_ROWS} rows in total. */
function typicalBatch(source: LogSource, count: number): number[] {
  const all = listUsers(source, "train");
  const batch: number[] = [];
  let rows = 0;
  for (let k = 0; k < Math.min(count, all.length); k++) {
    const user = all[Math.floor(k * all.length / Math.min(count, all.length))] ?? 0;
    const own = countRows(source, user);
    if (batch.length > 0 && rows + own > MOST_ROWS) break;
    batch.push(user);
    rows += own;
  }
  return batch;
}
