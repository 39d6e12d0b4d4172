/**
 * Adversarial stage: trains a reward model and a click generator in turn on a minimax loss with an L2
 * regulariser (kernels/course/9-minimax.md). Each iteration draws one batch. The generator takes its steps on
 * the batch first, against the current reward. Then the reward takes its steps on the batch, against the
 * updated generator. src/model/README.md explains the options that keep training stable.
 * {@link RewardWatch} warns if the stage makes the reward worse.
 */

import type { ClickLog } from "../data/click_log.ts";
import { hasClicks, type LogSource, toLogSource } from "../data/log_source.ts";
import { parseConfig } from "../model/model_config.ts";
import { buildGeneratorConfig, createGenerator, GamePrograms } from "../model/game_programs.ts";
import { loadCountedLog } from "../model/model_counts.ts";
import type { UserModel } from "../model/user_model.ts";
import { adamRate, AdamState } from "../ops/adam.ts";
import type { GameOptions } from "../ops/minimax.ts";
import type { Weights } from "../tape/parameters.ts";
import { UserError } from "../user_error.ts";
import { chooseExchange, type ClickStageContext, ClickTrainer, setUpClicks } from "./click_trainer.ts";
import { adversarialConfigSchema, getTableDecay, scheduleLearningRate } from "./training_config.ts";
import type { AdversarialConfig } from "./training_config.ts";
import { type EvaluationContext, NetworkEvaluation } from "./network_evaluation.ts";
import { fitTraining } from "./fit_memory.ts";
import { GENERATOR_PREFIX, type TrainedNetwork } from "./networks.ts";
import { type GameMetrics, makeGameSummary, type ValidationResult } from "./training_results.ts";
import type { DistributedContext } from "./distributed_context.ts";
import { openTrainingSource } from "./training_log.ts";
import type { ClickPrograms, TrainingPhase, UpdateSettings } from "./click_steps.ts";

export interface AdversarialOptions {
  readonly seed: number;
  readonly evaluationShards: number;
  /** Largest number of validation users; null or absent for all validation users. */
  readonly validationUsers?: number | null;
  /** Initial weights of the generator; by default, weights are drawn from the seed. */
  readonly generatorWeights?: Weights;
  /** False to train without validation. */
  readonly validate?: boolean;
  /** For a log on disk: number of batches whose clicks are read at once. */
  readonly windowBatches?: number;
  /** Context of a distributed training; undefined for a single process. */
  readonly distributed?: DistributedContext;
}

/** Returns the options of the kernels that compute the minimax loss. */
export function buildGameOptions(model: UserModel, config: AdversarialConfig): GameOptions {
  const { generatorEta, etaByPage, utilityPenalty, skipNoClick } = config;
  return { eta: model.config.eta, generatorEta, etaByPage, utilityPenalty, skipNoClick };
}

/** Trains a reward and a generator against each other. */
export class AdversarialTrainer extends ClickTrainer<GameMetrics> {
  private constructor(
    /** Reward model. Freeing the trainer does not free the reward model. */
    readonly model: UserModel,
    /** Generator network; undefined for the exact generator, which is computed without a network. */
    readonly generator: UserModel | undefined,
    readonly config: AdversarialConfig,
    /** @internal GPU programs of an iteration. */
    readonly programs: GamePrograms,
    clicks: ClickStageContext<GameMetrics>,
    stack: DisposableStack,
  ) {
    super(clicks, combinePrograms(config, model.shape.kind === "mixed", programs), stack);
  }

  /**
   * Uploads the click log and creates the GPU programs of an iteration.
   * @param model - reward model with its initial weights. @throws UserError if a config value is out of
   * range, the log has no clicks or does not fit the model, or a buffer exceeds the limits of the adapter.
   */
  static async create(
    model: UserModel,
    clicks: ClickLog | LogSource,
    config: AdversarialConfig,
    options: AdversarialOptions,
  ): Promise<AdversarialTrainer> {
    parseConfig(adversarialConfigSchema, config, "adversarial");
    const { seed, validate = true, windowBatches, distributed, evaluationShards, validationUsers = null } =
      options;
    const source = openTrainingSource(clicks, model.shape, validate);
    checkClicks(source);
    const make = async (microBatchRows: number) => {
      using stack = new DisposableStack();
      const { networks, generator, adam } = createPlayers(model, config, options, stack);
      const game = buildGameOptions(model, config);
      const setUp = await setUpClicks({
        name: "adversarial trainer",
        gpu: model.gpu,
        source,
        schedule: { ...config, seed },
        microBatchRows,
        batchOption: "--adversarial-batch-size",
        rates: "--reward-learning-rate or --generator-learning-rate",
        headers: countHeaders(config),
        windowBatches,
        distributed,
        validation: validate ? { shards: evaluationShards, users: validationUsers } : undefined,
        networks,
        counted: model.counted,
        summary: makeGameSummary(config.skipNoClick),
        evaluate: ({ log, users, ...how }) =>
          evaluateGame(model, generator, game, log, users, { ...how, counted: model.counted }),
      }, stack);
      const { plan, training: { deviceLog: log }, ring: { view: ring } } = setUp;
      const training = { ...adam, itemDropout: config.itemDropout, ...chooseExchange(setUp) };
      const recording = { name: "game", log, plan, ring, game, generator, reward: model, training };
      const programs = stack.use(await setUp.record(() => GamePrograms.create(recording)));
      return new AdversarialTrainer(model, generator, config, programs, setUp, stack.move());
    };
    return await fitTraining(config.microBatchRows, make);
  }
}

function createPlayers(
  model: UserModel,
  config: AdversarialConfig,
  { seed, generatorWeights }: AdversarialOptions,
  stack: DisposableStack,
) {
  const { gpu, parameters } = model;
  const reward = config.rewardSteps > 0 ? stack.use(new AdamState(parameters, config.adam)) : undefined;
  const networks: TrainedNetwork[] = [{ prefix: "", parameters, adam: reward }];
  if (config.generator === "exact") {
    return { networks, generator: undefined, adam: { reward, generator: undefined } };
  }
  const initial = generatorWeights ? { weights: generatorWeights } : { seed };
  const own = buildGeneratorConfig(model.config, config);
  const generator = stack.use(createGenerator(gpu, model.items, own, initial));
  const adam = stack.use(new AdamState(generator.parameters, config.adam));
  networks.push({ prefix: GENERATOR_PREFIX, parameters: generator.parameters, adam });
  return { networks, generator, adam: { reward, generator: adam } };
}

export function evaluateGame(
  model: UserModel,
  generator: UserModel | undefined,
  game: GameOptions,
  log: ClickLog | LogSource,
  users: ArrayLike<number>,
  how: EvaluationContext<GameMetrics> = {},
): Promise<NetworkEvaluation<GameMetrics>> {
  const source = toLogSource(log);
  return NetworkEvaluation.create({
    gpu: model.gpu,
    source,
    users,
    summary: makeGameSummary(game.skipNoClick),
    ...how,
    counted: how.counted ?? loadCountedLog(model, source, users),
    record: (plan, ring, log) =>
      GamePrograms.evaluation({ name: "evaluation", log, plan, ring, game, reward: model, generator }),
  });
}

function checkClicks(source: LogSource): void {
  if (hasClicks(source, "train")) return;
  throw new UserError(
    `Expected clicks of train users in ${source.name}, found none: the adversarial stage learns from clicks.`,
  );
}

function countGeneratorSteps({ generator, generatorSteps }: AdversarialConfig): number {
  return generator === "exact" ? 0 : generatorSteps;
}

/** Returns the number of weight updates per iteration. A frozen reward has one with rate 0. */
function countHeaders(config: AdversarialConfig): number {
  return countGeneratorSteps(config) + Math.max(1, config.rewardSteps);
}

function combinePrograms(
  config: AdversarialConfig,
  hasTokens: boolean,
  programs: GamePrograms,
): ClickPrograms {
  return {
    layout: programs.layout,
    settings: (t) => listSettings(config, hasTokens, t),
    phases: listPhases(config, programs),
  };
}

function listPhases(config: AdversarialConfig, programs: GamePrograms): TrainingPhase[] {
  const { batch, utilities, logits, generator, reward } = programs;
  const generatorSteps = countGeneratorSteps(config);
  return Array.from({ length: countHeaders(config) }, (_, header) => {
    const player = header < generatorSteps ? generator : reward;
    // After an update, only the updated network's outputs are computed again.
    const updated = header > generatorSteps ? utilities : logits;
    return {
      ...player,
      header,
      gradients: [batch, utilities, logits, player.gradients],
      recompute: [updated, player.gradients],
    };
  });
}

/** Returns the settings of all weight updates in iteration t. Warm-up iterations do not update the reward. */
function listSettings(config: AdversarialConfig, hasTokens: boolean, t: number): UpdateSettings[] {
  const { rewardSteps, generatorWarmup, generatorLearningRate, rewardLearningRate, weightDecay } = config;
  const generatorSteps = countGeneratorSteps(config);
  const getRate = (rate: number, steps: number, k: number) =>
    steps > 0 ? adamRate(rate, (t - 1) * steps + k + 1) : 0;
  const generatorRate = scheduleLearningRate(generatorLearningRate, t);
  const isWarmup = generatorSteps > 0 && t <= generatorWarmup;
  const rewardRate = isWarmup ? 0 : scheduleLearningRate(rewardLearningRate, t);
  return Array.from(
    { length: countHeaders(config) },
    (_, header) =>
      header < generatorSteps ? { learningRate: getRate(generatorRate, generatorSteps, header) } : {
        learningRate: getRate(rewardRate, rewardSteps, header - generatorSteps),
        decay: rewardRate * weightDecay,
        tableDecay: rewardRate * getTableDecay(config, hasTokens),
      },
  );
}

/** Tolerated relative drop of the reward's prec@1. */
const RELATIVE_DROP = 0.05;
/** Tolerated drop of the reward's prec@1, in standard errors of prec@1. */
const STANDARD_ERRORS = 2;

type Validation = Pick<ValidationResult<GameMetrics>, "iteration" | "prec1" | "counted">;

/** Warns if the reward's validation prec@1 falls too far below its value at the start of this stage. */
export class RewardWatch {
  #start: Validation | undefined;
  #last: Validation | undefined;
  #warned = false;

  /** Records a validation. @returns a warning the first time that prec@1 has dropped too far */
  take(validation: Validation): string | undefined {
    this.#start ??= validation;
    this.#last = validation;
    const warning = this.#warned ? undefined : this.verdict();
    this.#warned ||= warning !== undefined;
    return warning;
  }

  /** Returns a warning if the last prec@1 is too far below prec@1 at the start of the adversarial stage. */
  verdict(): string | undefined {
    const [start, last] = [this.#start, this.#last];
    if (!start || !last) return undefined;
    const { prec1, counted, iteration } = start;
    const error = Math.sqrt(prec1 * (1 - prec1) / counted);
    if (!(prec1 - last.prec1 > Math.max(RELATIVE_DROP * prec1, STANDARD_ERRORS * error))) return undefined;
    const then = iteration === 0 ? "before the stage's first step" : `after iteration ${iteration}`;
    return "WARNING: the adversarial stage makes the reward worse: prec@1 of the validation users was " +
      `${prec1.toFixed(3)} ${then} and is ${last.prec1.toFixed(3)} after iteration ${last.iteration}. ` +
      "Use the reward from before this stage, or try --generator exact, a smaller --reward-learning-rate, " +
      "or --utility-penalty 0.";
  }
}
