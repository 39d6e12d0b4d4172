/**
 * The adversarial stage: reward and generator in turn, in the minimax with the L2 regulariser. See
 * kernels/course/9-minimax.md.
 *
 * An iteration takes one batch. The generator steps on it (as often as the config says) against the reward as it stands,
 * then the reward against the generator as it has become. What each measure for its stability does is in
 * src/model/README.md.
 * {@link RewardWatch} tells when the stage makes the reward worse than it found it.
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
import {
  chooseGradientExchange,
  type ClickStageContext,
  ClickTrainer,
  setUpClicks,
} from "./click_trainer.ts";
import { type AdversarialConfig, adversarialConfigSchema, scheduleLearningRate } from "./training_config.ts";
import { type EvaluationContext, NetworkEvaluation } from "./network_evaluation.ts";
import { fitTraining } from "./fit_memory.ts";
import { GENERATOR_PREFIX, type TrainedNetwork } from "./networks.ts";
import { type GameMetrics, makeGameSummary, type ValidationResult } from "./training_results.ts";
import type { DistributedContext } from "./distributed_context.ts";
import { openTrainingSource } from "./training_log.ts";
import type { ClickPrograms, TrainingPhase, UpdateSettings } from "./click_steps.ts";

/** What the adversarial stage needs beside its config. */
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
  /** Of a training that several processes share, of the same model on the same log. */
  readonly together?: DistributedContext;
}

/** What the game's kernels need of the configs. */
export function buildGameOptions(model: UserModel, config: AdversarialConfig): GameOptions {
  const { generatorEta, etaByPage, utilityPenalty, skipNoClick } = config;
  return { eta: model.config.eta, generatorEta, etaByPage, utilityPenalty, skipNoClick };
}

/** Trains a reward and a generator against each other. */
export class AdversarialTrainer extends ClickTrainer<GameMetrics> {
  private constructor(
    /** The reward; it stays when the trainer is freed. */
    readonly model: UserModel,
    /** Undefined for the exact one. */
    readonly generator: UserModel | undefined,
    /** What it was made with. */
    readonly config: AdversarialConfig,
    /**
     * Parts of an iteration, recorded.
     * @internal
     */
    readonly programs: GamePrograms,
    clicks: ClickStageContext<GameMetrics>,
    stack: DisposableStack,
  ) {
    super(clicks, gameSteps(config, programs), stack);
  }

  /**
   * Puts the log on the device and records an iteration.
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
    const { seed, validate = true, windowBatches, together, evaluationShards, validationUsers = null } =
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
        headers: gameHeaders(config),
        windowBatches,
        together,
        validation: validate ? { shards: evaluationShards, users: validationUsers } : undefined,
        networks,
        counted: model.counted,
        summary: makeGameSummary(config.skipNoClick),
        evaluate: ({ log, users, ...how }) =>
          evaluateGame(model, generator, game, log, users, { ...how, counted: model.counted }),
      }, stack);
      const { plan, training: { deviceLog: log }, ring: { view: ring } } = setUp;
      const training = { ...adam, itemDropout: config.itemDropout, ...chooseGradientExchange(setUp) };
      const recording = { name: "game", log, plan, ring, game, generator, reward: model, training };
      const programs = stack.use(await setUp.record(() => GamePrograms.create(recording)));
      return new AdversarialTrainer(model, generator, config, programs, setUp, stack.move());
    };
    return await fitTraining(config.microBatchRows, make);
  }
}

/** The networks that move, and their optimisers. */
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

/** Both players on a fixed set of users; see {@link EvaluationContext}. */
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

/** Steps of the generator in an iteration: none of the exact one. */
function countGeneratorSteps({ generator, generatorSteps }: AdversarialConfig): number {
  return generator === "exact" ? 0 : generatorSteps;
}

/** A header for each step of the generator, then for each of the reward (which also stands for the batch). */
function gameHeaders(config: AdversarialConfig): number {
  return countGeneratorSteps(config) + Math.max(1, config.rewardSteps);
}

/** How the players' programs make an iteration, as often as the config says. */
function gameSteps(config: AdversarialConfig, programs: GamePrograms): ClickPrograms {
  return {
    layout: programs.layout,
    moves: (t) => gameMoves(config, t),
    phases: gamePhases(config, programs),
  };
}

/** A phase for each step of a player, with a header each. */
function gamePhases(config: AdversarialConfig, programs: GamePrograms): TrainingPhase[] {
  const { batch, utilities, acting, generator, reward } = programs;
  const generatorSteps = countGeneratorSteps(config);
  return Array.from({ length: gameHeaders(config) }, (_, header) => {
    const player = header < generatorSteps ? generator : reward;
    // What the player before has moved is computed again.
    const moved = header > generatorSteps ? utilities : acting;
    return {
      ...player,
      header,
      gradients: [batch, utilities, acting, player.gradients],
      again: [moved, player.gradients],
    };
  });
}

/** One for each header. The reward waits while the generator warms up. */
function gameMoves(config: AdversarialConfig, t: number): UpdateSettings[] {
  const { rewardSteps, generatorWarmup, generatorLearningRate, rewardLearningRate, weightDecay } = config;
  const generatorSteps = countGeneratorSteps(config);
  const move = (rate: number, steps: number, k: number, decay: number): UpdateSettings => ({
    learningRate: steps > 0 ? adamRate(rate, (t - 1) * steps + k + 1) : 0,
    decay: rate * decay,
  });
  const generatorRate = scheduleLearningRate(generatorLearningRate, t);
  const waits = generatorSteps > 0 && t <= generatorWarmup;
  const rewardRate = waits ? 0 : scheduleLearningRate(rewardLearningRate, t);
  return Array.from(
    { length: gameHeaders(config) },
    (_, header) =>
      header < generatorSteps
        ? move(generatorRate, generatorSteps, header, 0)
        : move(rewardRate, rewardSteps, header - generatorSteps, weightDecay),
  );
}

/** By this share of its prec@1 a reward may fall: a little of it comes back, as the start is the best of many validations. */
const FALL = 0.05;
/** And by so many standard errors of its prec@1. */
const ERRORS = 2;

type Validation = Pick<ValidationResult<GameMetrics>, "iteration" | "prec1" | "counted">;

/** Looks at the validations of a stage, from the one before its first step on. */
export class RewardWatch {
  #start: Validation | undefined;
  #last: Validation | undefined;
  #told = false;

  /** Takes the next validation. @returns a warning, the first time that there is reason for one */
  take(validation: Validation): string | undefined {
    this.#start ??= validation;
    this.#last = validation;
    if (this.#told || !this.#hasFallen()) return undefined;
    this.#told = true;
    return this.#text();
  }

  /** What is to be said at the end: a warning if the reward ends worse than it began. */
  verdict(): string | undefined {
    return this.#hasFallen() ? this.#text() : undefined;
  }

  #hasFallen(): boolean {
    const [start, last] = [this.#start, this.#last];
    if (!start || !last) return false;
    const { prec1, counted } = start;
    const error = Math.sqrt(prec1 * (1 - prec1) / counted);
    return prec1 - last.prec1 > Math.max(FALL * prec1, ERRORS * error);
  }

  #text(): string {
    const figure = ({ prec1 }: Validation) => prec1.toFixed(3);
    const [start, last] = [this.#start, this.#last];
    if (!start || !last) return "";
    return "WARNING: this stage makes the reward worse: prec@1 of the validation users was " +
      `${figure(start)} ` +
      `${start.iteration === 0 ? "before its first step" : `after iteration ${start.iteration}`} and is ` +
      `${figure(last)} after iteration ${last.iteration}. Use the reward that the stage began with, or ` +
      "try --generator exact, a smaller --reward-learning-rate, --utility-penalty 0.";
  }
}
