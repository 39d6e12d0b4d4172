/** Set-up of all stages that train on clicks: the log on the device, the plan, the ring, the validation. */

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

/** Most steps in the ring, and as many validations; fewer for batches of very many users. */
const MOST_STEPS = 256;
/** At 16 bytes. */
const PLAN_USERS = 2 ** 20;

/** Schedule of a stage's batches and validations; part of its config. */
export interface ClickSchedule extends ValidationSchedule {
  /** Seed of everything random. */
  readonly seed: number;
  /** Users per batch. */
  readonly batchSize: number;
}

/** Users to evaluate a stage's networks on. */
export interface EvaluationUserSet<F extends ChoiceMetrics> {
  readonly log: ClickLog | LogSource;
  /** Device log with the whole log; if undefined, each shard is read when it is evaluated. */
  readonly deviceLog: DeviceLog | undefined;
  readonly users: ArrayLike<number>;
  /** Number of shards, 0 for as few as fit. */
  readonly shards: number;
  readonly makeRing?: EvaluationOptions<F>["makeRing"];
}

export interface ClickStage<F extends ChoiceMetrics> {
  /** For messages about memory. */
  readonly name: string;
  readonly gpu: Gpu;
  /** Source over the items of the model: see {@link import("./training_log.ts").openTrainingSource}. */
  readonly source: LogSource;
  readonly schedule: ClickSchedule;
  /** Most rows per micro-batch: larger batches are split. */
  readonly microBatchRows: number;
  /** Option that sets the batch size, for messages. */
  readonly batchOption: string;
  /** Options that set the learning rates, for messages. */
  readonly rates: string;
  /** Headers per step, one for each update with settings of its own. */
  readonly headers: number;
  /** Batches that are read at once, for a log on disk. */
  readonly windowBatches?: number;
  /** Set for distributed training: each process takes its share of a batch. */
  readonly distributed?: DistributedContext;
  /** Undefined for a trainer that is only stepped by hand. `users`: most validation users; null for all. */
  readonly validation: { readonly shards: number; readonly users: number | null } | undefined;
  readonly networks: readonly TrainedNetwork[];
  readonly counted: LogWithCounts | undefined;
  readonly summary: MetricSummary<F>;
  evaluate(on: EvaluationUserSet<F>): Promise<NetworkEvaluation<F>>;
}

interface ClickValidation<F extends ChoiceMetrics> {
  readonly counted: number;
  /** Evaluation of this rank's share of the users. */
  readonly evaluation: NetworkEvaluation<F>;
  readonly keeper: BestKeeper;
  /** Creates an evaluation on all users, if each rank has a share. */
  readonly whole: (() => Promise<NetworkEvaluation<F>>) | undefined;
}

/** Stage with everything but its programs, which are recorded over the plan, the log and the ring. */
export interface ClickStageContext<F extends ChoiceMetrics>
  extends ClickBatches, Omit<TrainerComponents<never, F>, "steps" | "validation" | "stack"> {
  readonly validation: ClickValidation<F> | undefined;
  readonly schedule: ClickSchedule;
  readonly evaluate: ClickStage<F>["evaluate"];
  /** Records programs for batches or micro-batches. @throws as {@link fitMicroBatches}. */
  record<T>(make: () => Promise<T>): Promise<T>;
}

/** @param stack takes the resources. @throws UserError for fewer train users than the batch size, or sizes beyond the adapter. */
export async function setUpClicks<F extends ChoiceMetrics>(
  stage: ClickStage<F>,
  stack: DisposableStack,
): Promise<ClickStageContext<F>> {
  const { gpu, source, schedule: { seed, batchSize }, networks, summary, microBatchRows, distributed } =
    stage;
  const trainUsers = listUsers(source, "train");
  checkBatchSize(batchSize, trainUsers, stage.batchOption);
  const arena = stack.use(new Arena(gpu, stage.name));
  // Any user may be stepped on by hand, so the capacity covers all of them.
  const { ranks, collectives } = distributed ?? {};
  if (ranks) collectives?.expectShares(ranks, batchSize, `users in a batch (${stage.batchOption})`);
  const full = computeBatchCapacity(source, "all", Math.ceil(batchSize / (ranks?.size ?? 1)));
  const single = computeBatchCapacity(source, "all", 1);
  const cut = planMicroBatches(full, single, microBatchRows);
  const { capacity, parts } = cut;
  const training = stack.use(
    new TrainingLog(gpu, source, full, stage.batchOption, stage.windowBatches, stage.counted),
  );
  const steps = chooseRingSteps(batchSize, parts);
  // Micro-batches of one batch are laid out one by one, because each is added to the sum of those before.
  const slices = parts > 1 ? 1 : BatchIndexBuffers.countSlices(training.deviceLog, capacity, stage.headers);
  const plan = stack.use(new BatchPlan(gpu, training.log, capacity, steps * parts, stage.headers, slices));
  const record = <T>(make: () => Promise<T>) => fitMicroBatches(cut, single, make);
  const common = { ...stage, training, plan, cut, trainUsers, record };
  if (!stage.validation) {
    const ring = new ResultRing(arena, steps, summary.vectors, 0, parts);
    return { ...common, ring, validation: undefined };
  }
  const { shards, users: most } = stage.validation;
  const validating = openValidationLog(gpu, training, { seed, most }, (log) => stack.use(log));
  let ring: ResultRing | undefined;
  const makeRing = (shards: number) => {
    ring = new ResultRing(arena, steps, summary.vectors, shards, parts);
    return { view: ring.view, firstSlot: ring.firstShard };
  };
  const present = validating.users.filter((user) => countScoredEvents(validating.log, [user]) > 0);
  if (ranks) collectives?.expectShares(ranks, present.length, "validation users with pages");
  const users = ranks && collectives ? collectives.selectRankShare(ranks, present) : validating.users;
  const evaluation = stack.use(await stage.evaluate({ ...validating, users, shards, makeRing }));
  if (!ring) throw new Error("the validation has made no ring");
  const keeper = stack.use(await BestKeeper.create(networks, gpu, ring, evaluation, summary));
  const counted = ranks ? countScoredEvents(validating.log, present) : evaluation.counted;
  const whole = ranks && (() => stage.evaluate({ ...validating, shards }));
  return { ...common, ring, validation: { counted, evaluation, keeper, whole } };
}

/**
 * Returns how the gradients of a step are combined before Adam.
 * @throws UserError for micro-batches in synchronous distributed training: their gradients would be summed twice.
 */
export function chooseExchange({ cut: { parts }, distributed }: Pick<ClickBatches, "cut" | "distributed">) {
  const synchronous = distributed?.syncEvery === 1 ? distributed : undefined;
  synchronous?.collectives.expectWhole(parts);
  const shared: GradientExchangeFactory | undefined = synchronous &&
    ((...of) => synchronous.collectives.SharedGradient.create(...of, synchronous.ranks.size));
  return { accumulates: parts > 1, shared };
}

function chooseRingSteps(batchSize: number, parts: number): number {
  const inPlan = Math.min(MOST_STEPS, Math.floor(PLAN_USERS / (batchSize + 1)));
  return Math.max(4, Math.floor(inPlan / parts));
}

/** @throws UserError if there are fewer train users than the batch size. */
export function checkBatchSize(batchSize: number, trainUsers: Uint32Array, option: string): void {
  if (batchSize <= trainUsers.length) return;
  throw new UserError(
    `Expected a batch of at most ${trainUsers.length} users (there are no more train users), ` +
      `got ${option} ${batchSize}.`,
  );
}

/** Trains on users of a click log. A batch is a list of distinct user numbers. */
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
  /** Micro-batches of the largest batch: 1 if it fits the device as a whole. */
  get microBatches(): number {
    return this.#clicks.cut.parts;
  }
  /**
   * The whole log, or for a log on disk the users of the next steps.
   * @internal
   */
  get deviceLog(): DeviceLog {
    return this.#clicks.training.deviceLog;
  }

  /**
   * Programs of an iteration on a batch of one micro-batch, in order, each with the index of its header.
   * @internal
   */
  get stepPrograms(): ClickSteps["wholeBatchPrograms"] {
    return this.#steps.wholeBatchPrograms;
  }

  /** Returns the train users of iteration t. */
  drawBatch(t: number): Uint32Array {
    return this.#steps.draw(t);
  }

  /**
   * Replaces the drawn batches, for comparisons with other programs.
   * @internal
   */
  takeBatches(drawBatch: (t: number) => Uint32Array): void {
    this.#steps.draw = drawBatch;
  }

  /**
   * Calls `use` with the evaluation on all validation users; undefined for a trainer that does not validate.
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
   * Creates an evaluation of the networks on any users of the log. The caller frees it.
   * @param shards 0 for as few as fit. @throws UserError without users with events to predict.
   */
  evaluation(users: ArrayLike<number>, shards: number): Promise<NetworkEvaluation<F>> {
    const { source, deviceLog } = this.#clicks.training;
    return this.#clicks.evaluate({ log: source, deviceLog: source.log && deviceLog, users, shards });
  }
}
