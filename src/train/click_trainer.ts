/** What all stages that train on clicks have in common: the log on the device, the plan, the ring, the validation. */

import { BatchIndexBuffers } from "../batch/batch_buffers.ts";
import type { DeviceLog, LogWithCounts } from "../batch/device_log.ts";
import { BatchPlan, computeBatchCapacity, countScoredEvents, planMicroBatches } from "../batch/plan.ts";
import { type ClickLog, listUsers } from "../data/click_log.ts";
import type { LogSource } from "../data/log_source.ts";
import type { ChoiceMetrics } from "../data/ranking.ts";
import { Arena } from "../gpu/arena.ts";
import type { Gpu } from "../gpu/device.ts";
import { UserError } from "../user_error.ts";
import type { GradientExchangeFactory } from "../model/model_program.ts";
import { BatchTrainer, type TrainerComponents } from "./batch_trainer.ts";
import type { ValidationSchedule } from "./best_records.ts";
import { BestKeeper } from "./best_keeper.ts";
import { type ClickBatches, type ClickPrograms, ClickSteps } from "./click_steps.ts";
import type { EvaluationOptions, NetworkEvaluation } from "./network_evaluation.ts";
import { fitMicroBatches } from "./fit_memory.ts";
import type { TrainedNetwork } from "./networks.ts";
import type { DistributedContext } from "./distributed_context.ts";
import { type MetricSummary, ResultRing } from "./training_results.ts";
import { openValidationLog, TrainingLog } from "./training_log.ts";

/** Steps that the ring holds at most, and as many validations; fewer for batches of very many users. */
const MOST_PLACES = 256;
/** Users in all places of the plan, at 16 bytes. */
const PLAN_USERS = 2 ** 20;

/** How a stage draws its batches and validates; part of its config. */
export interface ClickSchedule extends ValidationSchedule {
  /** Rules everything random. */
  readonly seed: number;
  /** Users a batch. */
  readonly batchSize: number;
}

/** Users to evaluate a stage's networks on. */
export interface EvaluationUserSet<F extends ChoiceMetrics> {
  readonly log: ClickLog | LogSource;
  /** Where the whole log stands; undefined to read each shard when it is evaluated. */
  readonly deviceLog: DeviceLog | undefined;
  readonly users: ArrayLike<number>;
  /** 0 for as few as fit. */
  readonly shards: number;
  readonly makeRing?: EvaluationOptions<F>["makeRing"];
}

/** What a stage brings. */
export interface ClickStage<F extends ChoiceMetrics> {
  /** In messages about memory. */
  readonly name: string;
  readonly gpu: Gpu;
  /** Over the items of the model: see {@link import("./training_log.ts").trainingSource}. */
  readonly source: LogSource;
  readonly schedule: ClickSchedule;
  /** Rows of a part at most: a batch with more is cut. */
  readonly microBatchRows: number;
  /** The option that sets the batch size. */
  readonly batchOption: string;
  /** The options that set its learning rates. */
  readonly rates: string;
  /** Headers of a step: its programs that work on one batch may differ in how they move the weights. */
  readonly headers: number;
  /** Of a log on disk: batches that are read at once. */
  readonly windowBatches?: number;
  /** Of a training that several processes share: a batch is of all of them. */
  readonly together?: DistributedContext;
  /** Undefined for a trainer that is only stepped by hand. `users`: at most so many; null for all. */
  readonly validation: { readonly shards: number; readonly users: number | null } | undefined;
  readonly networks: readonly TrainedNetwork[];
  /** Of models with counts. */
  readonly counted: LogWithCounts | undefined;
  readonly summary: MetricSummary<F>;
  /** An evaluation of its networks as they stand. */
  evaluate(on: EvaluationUserSet<F>): Promise<NetworkEvaluation<F>>;
}

interface ClickValidation<F extends ChoiceMetrics> {
  readonly counted: number;
  /** Of this rank's share of the users. */
  readonly evaluation: NetworkEvaluation<F>;
  readonly keeper: BestKeeper;
  /** Makes one of all the users, where they are shared out. */
  readonly whole: (() => Promise<NetworkEvaluation<F>>) | undefined;
}

/** A stage with all that it needs but its programs, which are recorded over the plan, the log and the ring. */
export interface ClickStageContext<F extends ChoiceMetrics>
  extends ClickBatches, Omit<TrainerComponents<never, F>, "steps" | "validation" | "stack"> {
  readonly validation: ClickValidation<F> | undefined;
  readonly schedule: ClickSchedule;
  readonly evaluate: ClickStage<F>["evaluate"];
  /** Makes what computes batches or parts of them. @throws as {@link fitMicroBatches}. */
  record<T>(make: () => Promise<T>): Promise<T>;
}

/** @param stack takes what is made. @throws UserError for fewer train users than a batch takes, or sizes beyond the adapter. */
export async function setUpClicks<F extends ChoiceMetrics>(
  stage: ClickStage<F>,
  stack: DisposableStack,
): Promise<ClickStageContext<F>> {
  const { gpu, source, schedule: { seed, batchSize }, networks, summary, microBatchRows, together } = stage;
  const trainUsers = listUsers(source, "train");
  checkBatchSize(batchSize, trainUsers, stage.batchOption);
  const arena = stack.use(new Arena(gpu, stage.name));
  // Any user may be stepped on by hand, so all of them count.
  const { ranks, how } = together ?? {};
  if (ranks) how?.expectShares(ranks, batchSize, `users in a batch (${stage.batchOption})`);
  const whole = computeBatchCapacity(source, "all", Math.ceil(batchSize / (ranks?.size ?? 1)));
  const single = computeBatchCapacity(source, "all", 1);
  const cut = planMicroBatches(whole, single, microBatchRows);
  const { capacity, parts } = cut;
  const training = stack.use(
    new TrainingLog(gpu, source, whole, stage.batchOption, stage.windowBatches, stage.counted),
  );
  const places = placesFor(batchSize, parts);
  // Parts of one batch are laid out one by one, as each is added to what came before.
  const slices = parts > 1 ? 1 : BatchIndexBuffers.countSlices(training.deviceLog, capacity, stage.headers);
  const plan = stack.use(new BatchPlan(gpu, training.log, capacity, places * parts, stage.headers, slices));
  const record = <T>(make: () => Promise<T>) => fitMicroBatches(cut, single, make);
  const common = { ...stage, training, plan, cut, trainUsers, record };
  if (!stage.validation) {
    const ring = new ResultRing(arena, places, summary.vectors, 0, parts);
    return { ...common, ring, validation: undefined };
  }
  const { shards, users: most } = stage.validation;
  const validating = openValidationLog(gpu, training, { seed, most }, (log) => stack.use(log));
  let ring: ResultRing | undefined;
  const makeRing = (shards: number) => {
    ring = new ResultRing(arena, places, summary.vectors, shards, parts);
    return { view: ring.view, firstSlot: ring.firstShard };
  };
  const present = validating.users.filter((user) => countScoredEvents(validating.log, [user]) > 0);
  if (ranks) how?.expectShares(ranks, present.length, "validation users with pages");
  const users = ranks && how ? how.shareOf(ranks, present) : validating.users;
  const evaluation = stack.use(await stage.evaluate({ ...validating, users, shards, makeRing }));
  if (!ring) throw new Error("the validation has made no ring");
  const keeper = stack.use(await BestKeeper.create(networks, gpu, ring, evaluation, summary));
  const counted = ranks ? countScoredEvents(validating.log, present) : evaluation.counted;
  const wholeOf = ranks && (() => stage.evaluate({ ...validating, shards }));
  return { ...common, ring, validation: { counted, evaluation, keeper, whole: wholeOf } };
}

/**
 * How a step's gradients come together before Adam, as its programs are recorded.
 * @throws UserError for a share of a batch that is computed in parts: their gradients would come together twice.
 */
export function chooseGradientExchange({ cut: { parts }, together }: Pick<ClickBatches, "cut" | "together">) {
  const joint = together?.syncEvery === 1 ? together : undefined;
  joint?.how.expectWhole(parts);
  const shared: GradientExchangeFactory | undefined = joint &&
    ((...of) => joint.how.SharedGradient.create(...of, joint.ranks.size));
  return { inParts: parts > 1, shared };
}

/** How many steps a ring holds: each part of a batch has a place of its own in the plan. */
function placesFor(batchSize: number, parts: number): number {
  const inPlan = Math.min(MOST_PLACES, Math.floor(PLAN_USERS / (batchSize + 1)));
  return Math.max(4, Math.floor(inPlan / parts));
}

/** @throws UserError when there are fewer train users than a batch takes. */
export function checkBatchSize(batchSize: number, trainUsers: Uint32Array, option: string): void {
  if (batchSize <= trainUsers.length) return;
  throw new UserError(
    `Expected a batch of at most ${trainUsers.length} users (there are no more train users), ` +
      `got ${option} ${batchSize}.`,
  );
}

/** Trains on users of a click log. A batch is given as the users' numbers, all different. */
export class ClickTrainer<F extends ChoiceMetrics> extends BatchTrainer<ArrayLike<number>, F> {
  readonly #clicks: ClickStageContext<F>;
  readonly #steps: ClickSteps;

  /** @internal */
  protected constructor(clicks: ClickStageContext<F>, programs: ClickPrograms, stack: DisposableStack) {
    const steps = new ClickSteps(clicks, programs);
    super({ ...clicks, steps, stack });
    this.#clicks = clicks;
    this.#steps = steps;
  }

  /**
   * Users of the steps in flight.
   * @internal
   */
  get plan(): BatchPlan {
    return this.#clicks.plan;
  }
  /** Parts that its largest batch is computed in: 1 where it fits the device as a whole. */
  get batchParts(): number {
    return this.#clicks.cut.parts;
  }
  /**
   * Where the log stands: the whole log, or the users of the next steps of a log on disk.
   * @internal
   */
  get deviceLog(): DeviceLog {
    return this.#clicks.training.deviceLog;
  }

  /**
   * The programs of an iteration on a batch of one part that is laid out, in order, each with the header of its place.
   * @internal
   */
  get stepPrograms(): ClickSteps["programsOfOne"] {
    return this.#steps.programsOfOne;
  }

  /** The train users of iteration t. */
  drawBatch(t: number): Uint32Array {
    return this.#steps.draw(t);
  }

  /**
   * Takes these batches instead of those that it draws, as what is compared with other programs must.
   * @internal
   */
  takeBatches(batchOf: (t: number) => Uint32Array): void {
    this.#steps.draw = batchOf;
  }

  /**
   * Of the networks as they stand, on the users whom it validates on; undefined for a trainer that does not.
   * @internal
   */
  async withValidation<T>(use: (evaluation: NetworkEvaluation<F> | undefined) => Promise<T>): Promise<T> {
    const { evaluation, whole } = this.#clicks.validation ?? {};
    const own = await whole?.();
    try {
      return await use(own ?? evaluation);
    } finally {
      own?.destroy();
    }
  }

  /**
   * Of the networks as they stand, on any users of the log. The caller frees it.
   * @param shards 0 for as few as fit. @throws UserError without users with events to predict.
   */
  evaluation(users: ArrayLike<number>, shards: number): Promise<NetworkEvaluation<F>> {
    const { source, deviceLog } = this.#clicks.training;
    return this.#clicks.evaluate({ log: source, deviceLog: source.log && deviceLog, users, shards });
  }
}
