/**
 * The adversarial stage as recorded programs over one batch: what is shared, a step of the generator, a step of the
 * reward. The trainer decides which of them an iteration replays, and how often.
 *
 * The generator pi says how users would act: a network of the reward's build whose outputs are the logits of a softmax over
 * what is displayed. See kernels/course/9-minimax.md.
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
import {
  evaluating,
  type GradientExchangeFactory,
  type RecordableModel,
  type RecordingOptions,
  recordUpdate,
  type WeightUpdate,
} from "./model_program.ts";

/** The generator beside a reward model: the same encoder, layers of its own, and nothing else. */
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

/** @param initial a seed to draw the weights from, or the weights. */
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
  /** Its capacity is the programs'. */
  readonly plan: BatchPlan;
  /** [., 2] vec4f slots for the sums of {@link minimax}. */
  readonly ring: View;
  readonly game: GameOptions;
  readonly reward: RecordableModel;
  /** Undefined for the exact one. */
  readonly generator: UserModel | undefined;
  /** Absent: only evaluate. A reward without Adam stays as it is. */
  readonly training?: {
    readonly reward: AdamState | undefined;
    readonly generator: AdamState | undefined;
    readonly itemDropout: number;
    /** Whether there are batches in several parts. */
    readonly inParts?: boolean;
    /** Where several processes share a batch. */
    readonly shared?: GradientExchangeFactory;
  };
}

/** Dispatches by what they are for. */
interface GameSpecs {
  /** Lays out the batches of as many steps as the plan has slices. */
  readonly layout: ClickDispatch[];
  /** What the step's own batch still needs after that. */
  readonly batch: ClickDispatch[];
  /** Utilities of the reward as it stands. */
  readonly utilities: ClickDispatch[];
  /** The generator's logits as it stands. */
  readonly acting: ClickDispatch[];
  /** The generator's gradients, behind the utilities and its logits. */
  readonly generator: ClickDispatch[];
  /** Losses, and the reward's gradients where it is trained, behind the utilities and the generator's logits. */
  readonly reward: ClickDispatch[];
  readonly generatorTape: ClickTape | undefined;
  readonly rewardTape: ClickTape;
  readonly outcomes: Tensor;
  /** [rows, 1] */
  readonly u: Tensor;
}

/** A player's part of a step. */
export interface PlayerPrograms extends WeightUpdate {
  /** Its losses and gradients, behind the utilities and the generator's logits. */
  readonly gradients: Program<ClickSizes>;
}

export class GamePrograms {
  private constructor(
    readonly layout: Program<ClickSizes>,
    readonly batch: Program<ClickSizes>,
    readonly utilities: Program<ClickSizes>,
    /** The generator's logits; nothing of the exact one. */
    readonly acting: Program<ClickSizes>,
    readonly generator: PlayerPrograms,
    readonly reward: PlayerPrograms,
    /** [events, 8]; see {@link minimax} */
    readonly outcomes: Tensor,
    readonly arena: Arena,
  ) {}

  /** @throws UserError when the batch exceeds what the adapter can hold. */
  static async create(options: GameProgramOptions): Promise<GamePrograms> {
    const { plan, name, training = {} } = options;
    using stack = new DisposableStack();
    const arena = stack.use(new Arena(plan.gpu, name));
    const specs = gameSpecs(options, arena);
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
      await record("acting", specs.acting),
      await player("generator", specs.generatorTape),
      await player("reward", specs.rewardTape),
      specs.outcomes,
      arena,
    );
    stack.move();
    return programs;
  }

  /** One program that evaluates both players as they stand. */
  static async evaluation(
    options: Omit<GameProgramOptions, "training">,
  ): Promise<{ program: Program<ClickSizes>; outcomes: Tensor; utilities: Tensor } & Disposable> {
    const { plan, name } = options;
    using stack = new DisposableStack();
    const arena = stack.use(new Arena(plan.gpu, name));
    const { layout, batch, utilities, acting, reward, outcomes, u } = gameSpecs(options, arena);
    const dispatches = [...layout, ...batch, ...utilities, ...acting, ...reward];
    const program = await Program.record(plan.gpu, name, plan.steps, dispatches);
    const kept = stack.move();
    return { program, outcomes, utilities: u, [Symbol.dispose]: () => kept.dispose() };
  }

  [Symbol.dispose](): void {
    this.arena.destroy();
  }
}

/** @throws UserError for a reward that the game is not defined for. */
function gameSpecs(options: GameProgramOptions, arena: Arena): GameSpecs {
  const { plan, log, ring, game, reward, generator, training } = options;
  const { capacity } = plan;
  const { positions, loss } = reward.config;
  if (positions > 0 || loss !== "choice") {
    const found = positions > 0 ? `--position-bias ${positions}` : `--loss ${loss}`;
    throw new UserError(
      "Expected a reward of choices, whatever their places, for the adversarial stage: its game knows nothing else. Got " +
        `one with ${found}. Leave that or the stage out.`,
    );
  }
  const batch = new BatchIndexBuffers(arena, plan.view, log, capacity, plan);
  const createTape = ({ parameters, gpu }: RecordableModel, adam: AdamState | undefined) => {
    const touchedOnly = adam?.kind === "row-sparse";
    return new ClickTape(batch, {
      arena,
      parameters,
      capacity,
      variants: gpu.variants,
      sparseGradients: touchedOnly,
    });
  };
  const moves = training?.reward;
  const mode: RecordingOptions = moves ? { training: true, itemDropout: training.itemDropout } : evaluating;

  const rewardTape = createTape(reward, moves);
  const u = materialize(reward.record(rewardTape, mode));
  const generatorTape = generator && createTape(generator, training?.generator);
  const logits = generatorTape && generator.record(generatorTape, { ...mode, itemDropout: 0 });
  if (generatorTape && logits && training?.generator) {
    minimax(generatorTape, "minimax", { u, logits }, undefined, "generator", game);
  }
  const outcomes = logits
    ? minimax(rewardTape, "minimax", { u, logits }, ring, moves ? "reward" : undefined, game)
    : exactMinimax(rewardTape, "exact minimax", u, ring, moves !== undefined, game).outcomes;

  rewardTape.place();
  generatorTape?.place();
  const utilities = rewardTape.forward({ upTo: u });
  const last = logits && getMaterialized(logits);
  const acting = generatorTape?.forward({ upTo: last }) ?? [];
  const generatorGradients = generatorTape && training?.generator
    ? [...generatorTape.forward({ after: last }), ...generatorTape.backward()]
    : [];
  const losses = [...rewardTape.forward({ after: u }), ...(moves ? rewardTape.backward() : [])];
  return {
    layout: batch.layout(),
    batch: batch.ownDispatches(),
    utilities,
    acting,
    generator: generatorGradients,
    reward: losses,
    generatorTape,
    rewardTape,
    outcomes,
    u,
  };
}
