/**
 * Fits kernel variants to the adapter. It times the variants of each product, and of an LSTM, beside that of the fixed table.
 * Another one is taken only if it is clearly faster in two comparisons. What is timed are the matrix products and the LSTM of
 * a model's training step on a typical batch.
 */

import type { KernelVariant } from "../gpu/kernel_variants.ts";
import { computeMedian, type EncodePass } from "../gpu/profiler.ts";
import { DeviceLog } from "../batch/device_log.ts";
import { BatchPlan, computeBatchCapacity } from "../batch/plan.ts";
import { type ClickLog, listUsers } from "../data/click_log.ts";
import { countRows, type LogSource, readLog, toLogSource } from "../data/log_source.ts";
import { Arena } from "../gpu/arena.ts";
import type { Gpu } from "../gpu/device.ts";
import { getCost, type KernelChoice, Program } from "../gpu/program.ts";
import type { ClickSizes } from "../batch/click_sizes.ts";
import { AdamState } from "../ops/adam.ts";
import { chooseClock, type Clock, repeatWork, timeBy } from "../profile/measure.ts";
import { ParameterArena } from "../tape/parameters.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { loadUncountedLog, recordModelStep } from "../model/model_program.ts";
import { listModelParameters, recordModel } from "../model/user_model.ts";

/** A product, an LSTM or a sum, and the variants that can do it; the first is that of the fixed table. */
export interface TunableKernel {
  /** See formatMatmulKey and formatLstmKey; a sum's is its kernel. */
  readonly key: string;
  readonly variants: readonly KernelVariant[];
}

/** What times. P: a variant that is ready to run. */
export interface KernelMeter<P> {
  /** Compiles a variant and runs it once: a driver may compile when a kernel first runs. */
  prepare(key: string, variant: KernelVariant): Promise<P>;
  /** Runs these one after another. @returns microseconds of each */
  time(prepared: readonly P[]): Promise<number[]>;
  /** Milliseconds. */
  now(): number;
}

export interface TuningResult {
  /** The variants that are clearly faster than those of the fixed table, by product. */
  readonly chosen: Readonly<Record<string, KernelVariant>>;
  /** How many times faster each of them is. */
  readonly gain: Readonly<Record<string, number>>;
  /** What there was no time for, or what does not run here: "forward 64x64 rows". */
  readonly untried: readonly string[];
  /** How many products were timed with at least two variants. */
  readonly compared: number;
  readonly seconds: number;
  /** Of these, what kernels of the fixed table took to compile, which training needs all the same. */
  readonly neededSeconds: number;
}

/** Milliseconds for all that training itself does not need, compilation included. */
export const BUDGET = 2300;
/** The share of the fixed variant's time that another must save. */
const MARGIN = 0.1;
/**
 * Rounds of the first comparison, of all variants, and of the second, of the fixed one and the fastest: of several
 * variants one is the fastest by chance, too.
 */
const ROUNDS = { first: 5, again: 9 };

/** Shares of the budget: at least for the first kernel of a sort, which nothing is known of, and for timing. */
const SHARE = { unknown: 0.65, timing: 0.1 };

interface Ready<P> {
  readonly variant: KernelVariant;
  readonly prepared: P;
}

/**
 * Kernels of the fixed one's sort come first, for all products: others may take a CPU adapter seconds to compile. To compile
 * the fixed ones costs nothing here, as the device keeps them and training needs them. What is compiled is compared, even if
 * it took longer than it should have.
 *
 * @param products the most work first: what there is no time for keeps the fixed table's variant.
 * @param budget milliseconds; a variant is begun only if it should be compiled and timed before they are over.
 */
export async function tuneKernels<P>(
  products: readonly TunableKernel[],
  meter: KernelMeter<P>,
  budget = BUDGET,
): Promise<TuningResult> {
  const began = meter.now();
  const ready = new Map<string, Ready<P>[]>();
  const chosen: Record<string, KernelVariant> = {};
  const gain: Record<string, number> = {};
  const untried: string[] = [];
  let compared = 0;
  /** Milliseconds for what training needs. */
  let needed = 0;
  /** Milliseconds that a kernel of this sort takes to compile, at most so far. */
  const slowest = new Map<string, number>();
  const fits = (sort: string) => {
    const compile = slowest.get(sort) ?? Math.max(SHARE.unknown * budget, ...slowest.values());
    return meter.now() - began - needed + compile + SHARE.timing * budget <= budget;
  };
  for (const own of [true, false]) {
    for (const { key, variants: [fixed, ...others] } of products) {
      if (!fixed || others.length === 0) continue;
      const all = ready.get(key) ?? [];
      ready.set(key, all);
      const before = all.length;
      for (const variant of own ? [fixed, ...others] : others) {
        const sort = getVariantFamily(variant);
        if ((sort === getVariantFamily(fixed)) !== own) continue;
        const start = meter.now();
        // Without the fixed one there is nothing to compare with, and without another one it has nothing to be compared with.
        const wanted = variant === fixed
          ? others.some((other) => fits(getVariantFamily(other)))
          : all[0]?.variant === fixed && fits(sort);
        const made = wanted ? await tryPrepare(meter, key, variant) : undefined;
        const took = meter.now() - start;
        if (variant === fixed) needed += took;
        if (made) {
          all.push(made);
          slowest.set(sort, Math.max(slowest.get(sort) ?? 0, took));
        } else if (variant !== fixed) untried.push(`${key} ${variant}`);
      }
      if (all.length === before || all.length < 2) continue;
      if (before < 2) compared++;
      const winner = await fasterThanFirst(meter, all);
      if (!winner) continue;
      chosen[key] = winner.variant;
      gain[key] = winner.gain;
    }
  }
  const seconds = (meter.now() - began) / 1000;
  return { chosen, gain, untried, compared, seconds, neededSeconds: needed / 1000 };
}

/** "panel" of "panel 64". */
function getVariantFamily(variant: KernelVariant): string {
  return variant.replace(/ \d+$/, "");
}

/** Undefined where none is clearly faster. */
async function fasterThanFirst<P>(
  meter: KernelMeter<P>,
  all: readonly Ready<P>[],
): Promise<{ variant: KernelVariant; gain: number } | undefined> {
  const medians = await inTurn(meter, all, ROUNDS.first);
  const best = Math.min(...medians);
  const [first, fastest] = [all[0], all[medians.indexOf(best)]];
  if (!first || !fastest || !isFaster(best, medians[0])) return undefined;
  const [before, after] = await inTurn(meter, [first, fastest], ROUNDS.again);
  if (before === undefined || after === undefined || !isFaster(after, before)) return undefined;
  return { variant: fastest.variant, gain: before / after };
}

/** Undefined for a kernel that does not run on this adapter: the others do. */
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

/** Medians over rounds in which each has its turn: a machine that others use is now slower, now faster. */
async function inTurn<P>(meter: KernelMeter<P>, all: readonly Ready<P>[], rounds: number): Promise<number[]> {
  const order = Array.from({ length: rounds }, () => all.map(({ prepared }) => prepared)).flat();
  const times = await meter.time(order);
  return all.map((_, k) => computeMedian(times.filter((_, at) => at % all.length === k)));
}

/** A variant that is compiled. */
export interface PreparedProduct {
  readonly encode: EncodePass;
  /** Dispatches in a pass: enough for it to last. */
  readonly repeats: number;
  readonly clock: PassClock;
}

/** A product with less than this share of the largest one's work keeps its kernel: there is nothing to gain. A serial one may take long. */
const LEAST_SHARE = 0.1;
/** Rows of the batch: more tell no more about which variant is fastest. */
const MOST_ROWS = 8192;
/** Microseconds that a pass should last at least. */
const PASS = 300;
/** Steps of the clock that a pass should last, and that are enough for a guess. */
const STEPS = { pass: 30, guess: 15 };
const MOST_REPEATS = 1024;
/** By how much a guess of the repeats may grow at once. */
const MORE = 16;

/** A clock, and how passes are timed by it. */
export interface PassClock extends Pick<Clock, "step"> {
  /** Microseconds of each pass. */
  time(passes: readonly EncodePass[]): Promise<number[]>;
}

/** Values are zeros: they do not matter for time. */
export class StepProducts implements KernelMeter<PreparedProduct> {
  readonly #stack: DisposableStack;
  readonly #choices = new Map<string, { choice: KernelChoice<ClickSizes>; flops: number }>();
  readonly #plan: BatchPlan;
  readonly #sizes: ClickSizes;

  /**
   * @param users of a batch. @param clock the device's better one, by default.
   * @throws UserError for a batch beyond the adapter.
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
    this.#plan = stack.use(new BatchPlan(gpu, log, capacity, 1));
    this.#sizes = this.#plan.put(0, batch, { slot: 0, learningRate: 0, iteration: 0 });
    this.#plan.upload(0, 1);
    const parameters = stack.use(
      new ParameterArena(gpu, listModelParameters(source.items.shape, config)),
    );
    const adam = stack.use(new AdamState(parameters));
    const arena = stack.use(new Arena(gpu, "calibration"));
    const model = { gpu, config, parameters };
    const ring = arena.allocate("ring", 16);
    const { gradients } = recordModelStep(
      { ...model, record: (tape, options) => recordModel(tape, config, options) },
      { name: "calibration", log: deviceLog, plan: this.#plan, ring, training: { adam, itemDropout: 0 } },
      arena,
    );
    for (const choice of gradients.flatMap(({ choices = [] }) => choices)) this.#add(choice);
    this.#stack = stack.move();
  }

  /** Of products of the same sizes the one with the most rows stands for all. */
  #add(choice: KernelChoice<ClickSizes>): void {
    const [fixed] = choice.variants;
    const flops = fixed ? getCost(choice.buildDispatch(fixed), this.#sizes).flops : 0;
    if (flops > (this.#choices.get(choice.key)?.flops ?? 0)) this.#choices.set(choice.key, { choice, flops });
  }

  /** The most work first. */
  products(): TunableKernel[] {
    const all = [...this.#choices.values()].sort((a, b) => b.flops - a.flops);
    const least = LEAST_SHARE * (all[0]?.flops ?? 0);
    return all.filter(({ choice, flops }) => choice.serial || flops >= least)
      .map(({ choice: { key, variants } }) => ({ key, variants }));
  }

  /** Names the sizes; the rows to a power of two, as no two batches are equal. */
  sizes(): string[] {
    return [...this.#choices].map(([key, { flops }]) => `${key} 2^${Math.round(Math.log2(flops))} flops`)
      .sort();
  }

  async prepare(key: string, variant: KernelVariant): Promise<PreparedProduct> {
    const found = this.#choices.get(key);
    if (!found) throw new Error(`there is no product ${key}`);
    const program = await Program.record(this.gpu, "calibration", this.#plan.steps, [
      found.choice.buildDispatch(variant),
    ]);
    const once: EncodePass = (pass) => program.encodeOne(pass, 0, this.#sizes, this.#plan.offset(0));
    const clock = this.clock ?? await this.#clock(once);
    const wanted = Math.max(PASS, STEPS.pass * clock.step);
    // The first run may compile.
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

/** Train users from all over the log, as many as a batch takes, but no more than make up {@link MOST_ROWS}. */
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
