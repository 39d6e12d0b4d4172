/**
 * GPU programs of the adversarial stage for one batch: a generator step, a reward step, and programs that
 * both steps need. The trainer decides which programs an iteration runs, and how often. The generator pi
 * models the users' clicks. Its network is built like the reward network, but outputs the logits of a softmax
 * over the displayed items. See kernels/course/9-minimax.md.
 */

import type { ItemCatalogue } from "../data/item_catalogue.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Weights } from "../tape/parameters.ts";
import type { ModelConfig } from "./model_config.ts";
import { drawInitialWeights } from "./initial_weights.ts";
import { listModelParameters, UserModel } from "./user_model.ts";
import { BatchIndexBuffers } from "../batch/batch_buffers.ts";
import { ClickTape } from "../batch/click_tape.ts";
import type { ClickDispatch, ClickSizes } from "../batch/click_sizes.ts";
import type { DeviceLog } from "../batch/device_log.ts";
import type { BatchPlan } from "../batch/plan.ts";
import { UserError } from "../user_error.ts";
import { Arena } from "../gpu/arena.ts";
import { Program } from "../gpu/program.ts";
import type { View } from "../gpu/memory.ts";
import type { AdamState } from "../ops/adam.ts";
import { exactMinimax, type GameOptions, minimax } from "../ops/minimax.ts";
import { getMaterialized, materialize } from "../ops/row_dot.ts";
import type { Tensor } from "../tape/tensor.ts";
import type {
  GradientExchangeFactory,
  RecordableModel,
  RecordingOptions,
  WeightUpdate,
} from "./model_program.ts";
import { evaluating, recordUpdate } from "./model_program.ts";

export function buildGeneratorConfig(
  reward: ModelConfig,
  { behaviourDims, behaviourSd }: { behaviourDims: number[]; behaviourSd: number },
): ModelConfig {
  return {
    ...reward,
    dims: behaviourDims,
    kernelSd: behaviourSd,
    batchNorm: false,
    wide: 0,
    counts: null,
    loss: "choice",
    positions: 0,
  };
}

/** Creates the generator's network. @param initial - all weights, or a seed from which they are drawn */
export function createGenerator(
  gpu: Gpu,
  items: ItemCatalogue,
  config: ModelConfig,
  initial: { readonly seed: number } | { readonly weights: Weights },
): UserModel {
  const weights = "weights" in initial
    ? initial.weights
    : drawInitialWeights(listModelParameters(items.shape, config), initial.seed, "generator/");
  return new UserModel(gpu, items, config, { weights });
}

export interface GameProgramOptions {
  readonly name: string;
  readonly log: DeviceLog;
  readonly plan: BatchPlan;
  /** Ring buffer with two vec4f per step: sums of the metrics that {@link minimax} lists. */
  readonly ring: View;
  readonly game: GameOptions;
  readonly reward: RecordableModel;
  readonly generator: UserModel | undefined;
  /** Training settings; undefined in an evaluation. A network with undefined Adam state is not trained. */
  readonly training?: {
    readonly reward: AdamState | undefined;
    readonly generator: AdamState | undefined;
    readonly itemDropout: number;
    /** True if a batch may have several micro-batches. */
    readonly accumulates?: boolean;
    /** Function that creates the exchange of gradients between ranks; undefined for a single process. */
    readonly shared?: GradientExchangeFactory;
  };
}

interface GameSpecs {
  /** Dispatches that build index arrays for the batches of several steps at once. */
  readonly layout: ClickDispatch[];
  /** Dispatches that build index arrays for the batch of a single step (those not built by `layout`). */
  readonly batch: ClickDispatch[];
  readonly utilities: ClickDispatch[];
  readonly logits: ClickDispatch[];
  readonly generator: ClickDispatch[];
  /** Dispatches that compute the losses and, in training, the reward's gradients. */
  readonly reward: ClickDispatch[];
  readonly generatorTape: ClickTape | undefined;
  readonly rewardTape: ClickTape;
  readonly outcomes: Tensor;
  readonly u: Tensor;
}

export interface PlayerPrograms extends WeightUpdate {
  readonly gradients: Program<ClickSizes>;
}

export class GamePrograms {
  private constructor(
    readonly layout: Program<ClickSizes>,
    readonly batch: Program<ClickSizes>,
    readonly utilities: Program<ClickSizes>,
    /** Program of the generator's logits; empty without a generator network. */
    readonly logits: Program<ClickSizes>,
    readonly generator: PlayerPrograms,
    readonly reward: PlayerPrograms,
    /** Tensor [events, 8] of losses and metrics; see {@link minimax}. */
    readonly outcomes: Tensor,
    readonly arena: Arena,
  ) {}

  /** @throws UserError if a buffer for the batches exceeds a limit of the adapter. */
  static async create(options: GameProgramOptions): Promise<GamePrograms> {
    const { plan, name, training = {} } = options;
    using stack = new DisposableStack();
    const arena = stack.use(new Arena(plan.gpu, name));
    const specs = recordGame(options, arena);
    const record = (part: string, dispatches: ClickDispatch[]) =>
      Program.record(plan.gpu, `${name} ${part}`, plan.steps, dispatches);
    const player = async (name: "generator" | "reward", tape: ClickTape | undefined) => ({
      gradients: await record(name, specs[name]),
      ...await recordUpdate(options.training?.[name], tape, training, plan.steps, arena),
    });
    const programs = new GamePrograms(
      await record("layout", specs.layout),
      await record("batch", specs.batch),
      await record("utilities", specs.utilities),
      await record("logits", specs.logits),
      await player("generator", specs.generatorTape),
      await player("reward", specs.rewardTape),
      specs.outcomes,
      arena,
    );
    stack.move();
    return programs;
  }

  /** Creates one program that evaluates the reward and the generator with their current weights. */
  static async evaluation(
    options: Omit<GameProgramOptions, "training">,
  ): Promise<{ program: Program<ClickSizes>; outcomes: Tensor; utilities: Tensor } & Disposable> {
    const { plan, name } = options;
    using stack = new DisposableStack();
    const arena = stack.use(new Arena(plan.gpu, name));
    const { layout, batch, utilities, logits, reward, outcomes, u } = recordGame(options, arena);
    const dispatches = [...layout, ...batch, ...utilities, ...logits, ...reward];
    const program = await Program.record(plan.gpu, name, plan.steps, dispatches);
    const kept = stack.move();
    return { program, outcomes, utilities: u, [Symbol.dispose]: () => kept.dispose() };
  }

  [Symbol.dispose](): void {
    this.arena.destroy();
  }
}

/** Adds ops of both networks and their losses. @throws UserError for logistic loss or position effects. */
function recordGame(options: GameProgramOptions, arena: Arena): GameSpecs {
  const { plan, log, ring, game, reward, generator, training } = options;
  const { capacity, dimensions } = plan;
  const { positions, loss } = reward.config;
  if (positions > 0 || loss !== "choice") {
    const found = positions > 0 ? `--position-bias ${positions}` : `--loss ${loss}`;
    throw new UserError(
      `Expected a reward model with --loss choice and --position-bias 0 for the adversarial stage, got ` +
        `${found}. Use --loss choice and --position-bias 0, or train without the adversarial stage.`,
    );
  }
  const batch = new BatchIndexBuffers(arena, plan.view, log, capacity, plan);
  const createTape = ({ parameters, gpu: { variants } }: RecordableModel, adam: AdamState | undefined) => {
    const sparse = adam?.kind === "row-sparse";
    const own = { arena, dimensions, parameters, capacity, variants };
    return new ClickTape(batch, { ...own, sparseGradients: sparse });
  };
  const rewardAdam = training?.reward;
  const mode: RecordingOptions = rewardAdam
    ? { training: true, itemDropout: training.itemDropout }
    : evaluating;

  const rewardTape = createTape(reward, rewardAdam);
  const u = materialize(reward.record(rewardTape, mode));
  const generatorTape = generator && createTape(generator, training?.generator);
  const logits = generatorTape && generator.record(generatorTape, { ...mode, itemDropout: 0 });
  if (generatorTape && logits && training?.generator) {
    minimax(generatorTape, "minimax", { u, logits }, undefined, "generator", game);
  }
  const outcomes = logits
    ? minimax(rewardTape, "minimax", { u, logits }, ring, rewardAdam ? "reward" : undefined, game)
    : exactMinimax(rewardTape, "exact minimax", u, ring, rewardAdam !== undefined, game).outcomes;

  rewardTape.place();
  generatorTape?.place();
  const utilities = rewardTape.forward({ upTo: u });
  const last = logits && getMaterialized(logits);
  const logitDispatches = generatorTape?.forward({ upTo: last }) ?? [];
  const generatorGradients = generatorTape && training?.generator
    ? [...generatorTape.forward({ after: last }), ...generatorTape.backward()]
    : [];
  const losses = [...rewardTape.forward({ after: u }), ...(rewardAdam ? rewardTape.backward() : [])];
  return {
    layout: batch.layout(),
    batch: batch.ownDispatches(),
    utilities,
    logits: logitDispatches,
    generator: generatorGradients,
    reward: losses,
    generatorTape,
    rewardTape,
    outcomes,
    u,
  };
}
