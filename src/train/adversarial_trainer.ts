/**
 * The adversarial stage: reward and generator in turn, in the minimax with the L2 regulariser. user-model section 4.2.
 *
 * An iteration takes one batch. The generator steps on it (as often as the config says) against the reward as it stands,
 * then the reward against the generator as it has become. What each measure for its stability does is in
 * `bench/stability.md`.
 */

import type { DeviceLog } from "../batch/device_log.ts";
import { BatchBuffers } from "../batch/batch_buffers.ts";
import { batchCapacity, type PlacedBatch, Plan } from "../batch/plan.ts";
import { type ClickLog, usersOf } from "../data/click_log.ts";
import { hasClicks, type LogSource, sourceOf } from "../data/log_source.ts";
import { UserError } from "../user_error.ts";
import { Arena } from "../gpu/arena.ts";
import type { Commands } from "../gpu/commands.ts";
import type { View } from "../gpu/memory.ts";
import type { ClickSizes } from "../batch/click_sizes.ts";
import { parseConfig } from "../model/config.ts";
import { GamePrograms } from "../model/game_programs.ts";
import { createGenerator, generatorConfig } from "../model/generator.ts";
import type { UserModel } from "../model/user_model.ts";
import { adamRate, AdamState } from "../ops/adam.ts";
import type { GameOptions } from "../ops/minimax.ts";
import type { Weights } from "../tape/parameters.ts";
import { BatchTrainer, checkBatchSize, placesFor, type TrainerParts } from "./batch_trainer.ts";
import { BestKeeper } from "./best_keeper.ts";
import { type AdversarialConfig, adversarialConfigSchema, learningRateAt } from "./config.ts";
import { Evaluation, type EvaluationOptions } from "./evaluation.ts";
import { GENERATOR_PREFIX, type TrainedNetwork } from "./networks.ts";
import { type GameFigures, gameSummary } from "./sums.ts";
import { TrainingLog, trainingSource, validationLog } from "./training_log.ts";
import { noiseOf } from "./trainer.ts";

export interface AdversarialOptions {
  /** Rules everything random. */
  readonly seed: number;
  readonly evaluationShards: number;
  /** At most so many users validate; all of them if null or absent. */
  readonly validationUsers?: number | null;
  /** The generator's weights; drawn if not given. */
  readonly generatorWeights?: Weights;
  /** False for a trainer that is only stepped by hand. */
  readonly validate?: boolean;
  /** Of a log on disk: batches that are read at once. */
  readonly windowBatches?: number;
}

/** What the game's kernels need of the configs. */
export function gameOptions(model: UserModel, config: AdversarialConfig): GameOptions {
  const { generatorEta, utilityPenalty, skipNoClick } = config;
  return { eta: model.config.eta, generatorEta, utilityPenalty, skipNoClick };
}

export class AdversarialTrainer extends BatchTrainer<GameFigures> {
  private constructor(
    /** The reward. */
    readonly model: UserModel,
    /** Undefined for the exact one. */
    readonly generator: UserModel | undefined,
    readonly config: AdversarialConfig,
    readonly programs: GamePrograms,
    private readonly seed: number,
    parts: TrainerParts<GameFigures>,
  ) {
    super(parts);
  }

  /**
   * @param model the reward, as it starts.
   * @throws UserError for a config out of range, a log that does not fit together or has no clicks to learn from, or
   *   sizes beyond the adapter.
   */
  static async create(
    model: UserModel,
    clicks: ClickLog | LogSource,
    config: AdversarialConfig,
    options: AdversarialOptions,
  ): Promise<AdversarialTrainer> {
    parseConfig(adversarialConfigSchema, config, "adversarial");
    const { seed, generatorWeights, validate = true, windowBatches } = options;
    const source = trainingSource(clicks, model.shape, validate);
    const trainUsers = usersOf(source, "train");
    checkBatchSize(config.batchSize, trainUsers, "--adversarial-batch-size");
    checkClicks(source);
    const { gpu } = model;
    const made: { destroy(): void }[] = [];
    const keep = <T extends { destroy(): void }>(part: T): T => {
      made.push(part);
      return part;
    };
    try {
      const arena = keep(new Arena(gpu, "adversarial trainer"));
      const capacity = batchCapacity(source, "all", config.batchSize);
      const training = keep(new TrainingLog(gpu, source, capacity, windowBatches));
      const { log, deviceLog } = training;
      const places = placesFor(config.batchSize);
      const exact = config.generator === "exact";
      // A header for each step of the generator, then for each of the reward (which also stands for the batch).
      const headers = (exact ? 0 : config.generatorSteps) + Math.max(1, config.rewardSteps);
      const slices = BatchBuffers.slicesFor(deviceLog, capacity, headers);
      const plan = keep(new Plan(gpu, log, capacity, places, places, headers, slices));
      const rewardAdam = config.rewardSteps > 0
        ? keep(new AdamState(model.parameters, config.adam))
        : undefined;
      const networks: TrainedNetwork[] = [{ prefix: "", parameters: model.parameters, adam: rewardAdam }];
      let generator: UserModel | undefined;
      let generatorAdam: AdamState | undefined;
      if (!exact) {
        const initial = generatorWeights ? { weights: generatorWeights } : { seed };
        const own = generatorConfig(model.config, config);
        generator = keep(createGenerator(gpu, model.items, own, initial));
        generatorAdam = keep(new AdamState(generator.parameters, config.adam));
        networks.push({ prefix: GENERATOR_PREFIX, parameters: generator.parameters, adam: generatorAdam });
      }
      const summary = gameSummary(config.skipNoClick);
      const game = gameOptions(model, config);
      const slot = 16 * summary.vectors;
      let ring: View | undefined;
      const makeRing = (shards: number) => {
        ring = arena.allocate("ring", slot * (2 * places + shards));
        return { view: ring, firstSlot: 2 * places };
      };
      let validation: TrainerParts<GameFigures>["validation"];
      if (validate) {
        const v = validationLog(gpu, training, { seed, most: options.validationUsers ?? null }, keep);
        const evaluation = keep(
          await evaluateGame(model, generator, game, v.deviceLog, v.log, v.users, {
            shards: options.evaluationShards,
            makeRing,
          }),
        );
        const results = ring ?? makeRing(0).view;
        const keeper = keep(await BestKeeper.create(networks, plan, results, evaluation, summary));
        validation = { evaluation, keeper };
      }
      const results = ring ?? makeRing(0).view;
      const programs = keep(
        await GamePrograms.create({
          name: "game",
          log: deviceLog,
          plan,
          ring: results,
          game,
          reward: model,
          generator,
          training: { reward: rewardAdam, generator: generatorAdam, itemDropout: config.itemDropout },
        }),
      );
      return new AdversarialTrainer(model, generator, config, programs, seed, {
        gpu,
        training,
        plan,
        ring: results,
        summary,
        networks,
        trainUsers,
        validation,
        schedule: { ...config, seed },
        rates: "--reward-learning-rate or --generator-learning-rate",
        made,
      });
    } catch (error) {
      for (const part of made.reverse()) part.destroy();
      throw error;
    }
  }

  get #generatorSteps(): number {
    return this.generator ? this.config.generatorSteps : 0;
  }

  evaluation(users: ArrayLike<number>, shards: number): Promise<Evaluation<GameFigures>> {
    const { source, deviceLog } = this.parts.training;
    const game = gameOptions(this.model, this.config);
    return evaluateGame(this.model, this.generator, game, source.log && deviceLog, source, users, { shards });
  }

  protected put(t: number, place: number, users: ArrayLike<number>, log: ClickLog): PlacedBatch {
    const { rewardSteps, generatorWarmup, generatorLearningRate, rewardLearningRate, weightDecay } =
      this.config;
    const generatorSteps = this.#generatorSteps;
    const common = { slot: place, iteration: t, noise: noiseOf(this.seed, t) };
    const purpose = (rate: number, steps: number, k: number, decay: number) => ({
      ...common,
      learningRate: steps > 0 ? adamRate(rate, (t - 1) * steps + k + 1) : 0,
      decay: rate * decay,
    });
    const generatorRate = learningRateAt(generatorLearningRate, t);
    const waits = generatorSteps > 0 && t <= generatorWarmup;
    const rewardRate = waits ? 0 : learningRateAt(rewardLearningRate, t);
    return this.plan.put(place, users, [
      ...Array.from({ length: generatorSteps }, (_, k) => purpose(generatorRate, generatorSteps, k, 0)),
      ...Array.from(
        { length: Math.max(1, rewardSteps) },
        (_, k) => purpose(rewardRate, rewardSteps, k, weightDecay),
      ),
    ], log);
  }

  protected encodeLayout(commands: Commands, largest: ClickSizes, place: number, count: number): void {
    this.programs.layout.encode(commands, largest, this.plan.offset(place), { index: 0, count });
  }

  protected encode(commands: Commands, sizes: ClickSizes, place: number, index: number): void {
    const { batch, utilities, generatorStep, rewardStep, rewardStepAgain } = this.programs;
    const generatorSteps = this.#generatorSteps;
    const slice = { index, count: 1 };
    const offset = (header: number) => this.plan.offset(place, header);
    batch.encode(commands, sizes, offset(0), slice);
    utilities.encode(commands, sizes, offset(0), slice);
    for (let k = 0; k < generatorSteps; k++) generatorStep.encode(commands, sizes, offset(k), slice);
    rewardStep.encode(commands, sizes, offset(generatorSteps), slice);
    for (let k = 1; k < this.config.rewardSteps; k++) {
      utilities.encode(commands, sizes, offset(generatorSteps), slice);
      rewardStepAgain.encode(commands, sizes, offset(generatorSteps + k), slice);
    }
  }
}

/** Both players on a fixed set of users; see {@link EvaluationOptions}. */
export function evaluateGame(
  model: UserModel,
  generator: UserModel | undefined,
  game: GameOptions,
  deviceLog: DeviceLog | undefined,
  log: ClickLog | LogSource,
  users: ArrayLike<number>,
  options: Pick<EvaluationOptions<GameFigures>, "shards" | "makeRing">,
): Promise<Evaluation<GameFigures>> {
  return Evaluation.create({
    gpu: model.gpu,
    source: sourceOf(log),
    deviceLog,
    users,
    summary: gameSummary(game.skipNoClick),
    ...options,
    record: (plan, ring, log) =>
      GamePrograms.evaluation({
        name: "evaluation",
        log,
        plan,
        ring,
        game,
        reward: model,
        generator,
      }),
  });
}

function checkClicks(source: LogSource): void {
  if (hasClicks(source, "train")) return;
  throw new UserError(
    `Expected clicks among the train users of ${source.name}, found none: the adversarial stage has nothing to imitate.`,
  );
}
