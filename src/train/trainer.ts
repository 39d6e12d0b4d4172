/** The Shannon stage: the likelihood of what users did, which is the minimax with its generator in closed form. */

import { BatchBuffers } from "../batch/batch_buffers.ts";
import { batchCapacity, type PlacedBatch, Plan } from "../batch/plan.ts";
import { type ClickLog, usersOf } from "../data/click_log.ts";
import type { LogSource } from "../data/log_source.ts";
import { randomStream } from "../data/random.ts";
import type { ChoiceFigures } from "../data/ranking.ts";
import { Arena } from "../gpu/arena.ts";
import type { Commands } from "../gpu/commands.ts";
import type { View } from "../gpu/memory.ts";
import type { ClickSizes } from "../batch/click_sizes.ts";
import { parseConfig } from "../model/config.ts";
import { ModelProgram } from "../model/model_program.ts";
import type { UserModel } from "../model/user_model.ts";
import { adamRate, AdamState } from "../ops/adam.ts";
import { BatchTrainer, checkBatchSize, placesFor, type TrainerParts } from "./batch_trainer.ts";
import { BestKeeper } from "./best_keeper.ts";
import { learningRateAt, type TrainingConfig, trainingConfigSchema } from "./config.ts";
import { Evaluation } from "./evaluation.ts";
import { choiceSummary } from "./sums.ts";
import { TrainingLog, trainingSource, validationLog } from "./training_log.ts";

export class Trainer extends BatchTrainer<ChoiceFigures> {
  private constructor(
    readonly model: UserModel,
    readonly config: TrainingConfig,
    readonly program: ModelProgram,
    parts: TrainerParts<ChoiceFigures>,
  ) {
    super(parts);
  }

  /**
   * @param options.validate false for a trainer that is only stepped by hand.
   * @param options.windowBatches of a log on disk: batches that are read at once.
   * @throws UserError for a config out of range, a log that does not fit together, or sizes beyond the adapter.
   */
  static async create(
    model: UserModel,
    clicks: ClickLog | LogSource,
    config: TrainingConfig,
    { validate: validates = true, windowBatches }: { validate?: boolean; windowBatches?: number } = {},
  ): Promise<Trainer> {
    parseConfig(trainingConfigSchema, config, "training");
    const source = trainingSource(clicks, model.shape, validates);
    const trainUsers = usersOf(source, "train");
    checkBatchSize(config.batchSize, trainUsers, "--batch-size");
    const { gpu } = model;
    const made: { destroy(): void }[] = [];
    const keep = <T extends { destroy(): void }>(part: T): T => {
      made.push(part);
      return part;
    };
    try {
      const arena = keep(new Arena(gpu, "trainer"));
      // Any user may be stepped on by hand, so all of them count.
      const capacity = batchCapacity(source, "all", config.batchSize);
      const training = keep(new TrainingLog(gpu, source, capacity, windowBatches));
      const { log, deviceLog } = training;
      const places = placesFor(config.batchSize);
      const slices = BatchBuffers.slicesFor(deviceLog, capacity);
      const plan = keep(new Plan(gpu, log, capacity, places, places, 1, slices));
      const adam = keep(new AdamState(model.parameters, config.adam));
      const networks = [{ prefix: "", parameters: model.parameters, adam }];
      let ring: View | undefined;
      const makeRing = (shards: number) => {
        ring = arena.allocate("ring", 16 * (2 * places + shards));
        return { view: ring, firstSlot: 2 * places };
      };
      let validation: TrainerParts<ChoiceFigures>["validation"];
      if (validates) {
        const { evaluationShards: shards, seed, validationUsers: most } = config;
        const v = validationLog(gpu, training, { seed, most }, keep);
        const evaluation = keep(
          await Evaluation.ofModel(model, v.deviceLog, v.log, v.users, shards, makeRing),
        );
        const results = ring ?? makeRing(0).view;
        const keeper = keep(await BestKeeper.create(networks, plan, results, evaluation, choiceSummary));
        validation = { evaluation, keeper };
      }
      const results = ring ?? makeRing(0).view;
      const { itemDropout } = config;
      const program = keep(
        await ModelProgram.create(model, {
          name: "training",
          log: deviceLog,
          plan,
          ring: results,
          training: { adam, itemDropout },
        }),
      );
      return new Trainer(model, config, program, {
        gpu,
        training,
        plan,
        ring: results,
        summary: choiceSummary,
        networks,
        trainUsers,
        validation,
        schedule: config,
        rates: "--learning-rate",
        made,
      });
    } catch (error) {
      for (const part of made.reverse()) part.destroy();
      throw error;
    }
  }

  evaluation(users: ArrayLike<number>, shards: number): Promise<Evaluation> {
    const { source, deviceLog } = this.parts.training;
    return Evaluation.ofModel(this.model, source.log && deviceLog, source, users, shards);
  }

  protected put(t: number, place: number, users: ArrayLike<number>, log: ClickLog): PlacedBatch {
    const rate = learningRateAt(this.config.learningRate, t);
    return this.plan.put(place, users, {
      slot: place,
      learningRate: adamRate(rate, t),
      decay: rate * this.config.weightDecay,
      iteration: t,
      noise: noiseOf(this.config.seed, t),
    }, log);
  }

  protected encodeLayout(commands: Commands, largest: ClickSizes, place: number, count: number): void {
    this.program.layout.encode(commands, largest, this.plan.offset(place), { index: 0, count });
  }

  protected encode(commands: Commands, sizes: ClickSizes, place: number, slice: number): void {
    this.program.program.encode(commands, sizes, this.plan.offset(place), { index: slice, count: 1 });
  }
}

/** What rules item dropout in iteration t. */
export function noiseOf(seed: number, t: number): number {
  return randomStream(seed, "noise", t).integer(2 ** 32);
}
