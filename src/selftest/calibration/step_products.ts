/** The matrix products and the LSTM of a model's training step on a typical batch, ready to be timed by calibrate.ts. */

import { DeviceLog } from "../../batch/device_log.ts";
import { batchCapacity, Plan } from "../../batch/plan.ts";
import { type ClickLog, usersOf } from "../../data/click_log.ts";
import { type LogSource, readLog, rowsOf, sourceOf } from "../../data/log_source.ts";
import { Arena } from "../../gpu/arena.ts";
import type { Meter, Product } from "./calibrate.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { KernelVariant } from "../../gpu/kernel_shapes.ts";
import type { EncodePass } from "../../gpu/profiler.ts";
import { type KernelChoice, Program } from "../../gpu/program.ts";
import type { ClickSizes } from "../../batch/click_sizes.ts";
import { AdamState } from "../../ops/adam.ts";
import { type Clock, clockOf, repeated, timeBy } from "../profile/measure.ts";
import { ParameterArena } from "../../tape/parameters.ts";
import type { ModelConfig } from "../../model/config.ts";
import { modelSpecs, ofOthers } from "../../model/model_program.ts";
import { modelParameters, recordModel } from "../../model/user_model.ts";

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
export class StepProducts implements Meter<PreparedProduct> {
  readonly #stack: DisposableStack;
  readonly #choices = new Map<string, { choice: KernelChoice<ClickSizes>; flops: number }>();
  readonly #plan: Plan;
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
    const source = sourceOf(clicks);
    const chosen = typicalBatch(source, users);
    const log = source.log ?? readLog(source, Uint32Array.from(chosen));
    const batch = source.log ? chosen : [...chosen.keys()];
    const capacity = batchCapacity(log, batch, batch.length);
    const deviceLog = stack.use(new DeviceLog(gpu, log, undefined, undefined, ofOthers({ config })));
    this.#plan = stack.use(new Plan(gpu, log, capacity, 1));
    this.#sizes = this.#plan.put(0, batch, { slot: 0, learningRate: 0, iteration: 0 });
    this.#plan.upload(0, 1);
    const parameters = stack.use(
      new ParameterArena(gpu, modelParameters(source.items.shape, config)),
    );
    const adam = stack.use(new AdamState(parameters));
    const arena = stack.use(new Arena(gpu, "calibration"));
    const model = { gpu, config, parameters };
    const ring = arena.allocate("ring", 16);
    const { gradients } = modelSpecs(
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
    const flops = fixed ? choice.by(fixed).cost(this.#sizes).flops : 0;
    if (flops > (this.#choices.get(choice.key)?.flops ?? 0)) this.#choices.set(choice.key, { choice, flops });
  }

  /** The most work first. */
  products(): Product[] {
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
      found.choice.by(variant),
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
      [pass = 0] = await clock.time([repeated(once, repeats)]);
    }
    repeats = grow(Infinity);
    return { encode: repeated(once, repeats), repeats, clock };
  }

  async time(prepared: readonly PreparedProduct[]): Promise<number[]> {
    const times = await prepared[0]?.clock.time(prepared.map(({ encode }) => encode)) ?? [];
    return times.map((time, k) => time / (prepared[k]?.repeats ?? 1));
  }

  now(): number {
    return performance.now();
  }

  async #clock(once: EncodePass): Promise<PassClock> {
    const clock = await clockOf(this.gpu, once);
    return { step: clock.step, time: (passes) => timeBy(this.gpu, clock, passes) };
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}

/** Train users from all over the log, as many as a batch takes, but no more than make up {@link MOST_ROWS}. */
function typicalBatch(source: LogSource, count: number): number[] {
  const all = usersOf(source, "train");
  const batch: number[] = [];
  let rows = 0;
  for (let k = 0; k < Math.min(count, all.length); k++) {
    const user = all[Math.floor(k * all.length / Math.min(count, all.length))] ?? 0;
    const own = rowsOf(source, user);
    if (batch.length > 0 && rows + own > MOST_ROWS) break;
    batch.push(user);
    rows += own;
  }
  return batch;
}
