/** The programs that the benches time: steps and evaluations of real models, recorded as in training. */

import { countsConfigFor } from "../../counts/tables.ts";
import type { ClickLog } from "../../data/click_log.ts";
import { MemoryLog } from "../../data/log_source.ts";
import { countedStart } from "../../model/counted.ts";
import { Arena } from "../../gpu/arena.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { Program, Slice } from "../../gpu/program.ts";
import { largestOf } from "../../batch/plan.ts";
import type { ClickSizes } from "../../batch/click_sizes.ts";
import { defaultModel, defaultPwModel, type ModelConfig } from "../../model/config.ts";
import { GamePrograms } from "../../model/game_programs.ts";
import { ModelProgram } from "../../model/model_program.ts";
import { UserModel } from "../../model/user_model.ts";
import { AdversarialTrainer, gameOptions } from "../../train/adversarial_trainer.ts";
import type { ClickTrainer } from "../../train/click_trainer.ts";
import { choiceSummary, ResultRing } from "../../train/results.ts";
import { BestKeeper } from "../../train/best_keeper.ts";
import { defaultAdversarial, defaultTraining } from "../../train/config.ts";
import type { TrainedNetwork } from "../../train/networks.ts";
import { Trainer } from "../../train/trainer.ts";
import type { AdamKind } from "../../ops/adam.ts";

/** A program as a step replays it. */
export interface Part {
  readonly program: Program<ClickSizes>;
  readonly sizes: ClickSizes;
  /** Of its header, in bytes. */
  readonly offset: number;
  /** With how many batches it works at once, where it is not one. */
  readonly slice?: Slice;
}

/** A model on the GPU that is ready to step. Replaying its parts changes no weight: their learning rate is 0. */
export interface Recording extends Disposable {
  readonly sizes: ClickSizes;
  /** What a step replays, in order. Puts the batch again, as training reuses its place. */
  step(): Part[];
  /** Programs of the same model beside its training: evaluation, and keeping the best. */
  others(): Promise<Part[]>;
  readonly trainer: Steppable;
}

/** What both stages' trainers have, whatever their figures. */
export type Steppable =
  & Pick<ClickTrainer<never>, "iteration" | "places" | "plan" | "batchOf" | "stepPrograms">
  & {
    run(to: number): Promise<void>;
  };

export interface BenchModel {
  readonly name: string;
  /** Whether its step is listed; the others are here for the kernels that only they use. */
  readonly step: boolean;
  /** Whether it can be recorded over mixed features. */
  readonly mixed: boolean;
  record(gpu: Gpu, log: ClickLog, users: number): Promise<Recording>;
}

const { lstmUnits: _, ...common } = defaultModel;
const wideAlone: ModelConfig = { ...common, encoder: "none", dims: [], wide: 8, positions: 20 };
const pwTanh: ModelConfig = { ...defaultPwModel, pwNonlinearity: "tanh" };

export const benchModels: readonly BenchModel[] = [
  shannon("LSTM", defaultModel, { step: true }),
  shannon("PW", defaultPwModel, { step: true }),
  shannon("LSTM counts", defaultModel, { step: true, counts: true }),
  shannon("PW tanh", pwTanh),
  shannon("wide alone", wideAlone),
  shannon("LSTM batch norm", { ...defaultModel, batchNorm: true }),
  shannon("LSTM item dropout", defaultModel, { itemDropout: 0.2 }),
  shannon("LSTM row-sparse Adam", defaultModel, { adam: "row-sparse" }),
  // Products that sum over more than 256 columns, and an LSTM of more than 32 units, take other kernels.
  shannon("LSTM 36, 16-264-16", { ...defaultModel, lstmUnits: 36, dims: [16, 264, 16] }),
  game("minimax pair", "network", { step: true }),
  game("minimax exact", "exact"),
];

/** The Shannon stage of a model. */
export function shannon(
  name: string,
  config: ModelConfig,
  { step = false, counts = false, itemDropout = 0, adam = "dense" }: {
    step?: boolean;
    counts?: boolean;
    itemDropout?: number;
    adam?: AdamKind;
  } = {},
): BenchModel {
  const record = async (gpu: Gpu, log: ClickLog, users: number): Promise<Recording> => {
    using stack = new DisposableStack();
    const source = new MemoryLog(log);
    const own = counts ? { ...config, counts: countsConfigFor(source, []) } : config;
    const initial = { seed: 1, start: countedStart(source, own, 1) };
    const model = stack.use(new UserModel(gpu, log.items, own, initial));
    const training = { ...defaultTraining, batchSize: users, itemDropout, adam };
    const trainer = stack.use(await Trainer.create(model, log, training, { validate: false }));
    const { plan } = trainer;
    const { put, layout } = batches(trainer, trainer.program.layout);
    const part = (program: Program<ClickSizes>): Part => ({
      program,
      sizes: put(),
      offset: plan.offset(0),
    });
    const others = async () => {
      const arena = kept.use(new Arena(gpu, "bench"));
      const ring = new ResultRing(arena, 1, choiceSummary.vectors, 1);
      const options = { name: "evaluation", log: trainer.deviceLog, plan, ring: ring.view };
      const evaluation = kept.use(await ModelProgram.create(model, options));
      const network: TrainedNetwork = { prefix: "", parameters: model.parameters, adam: undefined };
      const keeper = kept.use(
        await BestKeeper.create([network], gpu, ring, { firstSlot: 0, shards: 1 }, choiceSummary),
      );
      return [part(evaluation.program), part(keeper.program)];
    };
    const sizes = put();
    const kept = stack.move();
    return {
      sizes,
      step: () => [layout(), ...stepParts(trainer, put())],
      others,
      trainer,
      [Symbol.dispose]: () => kept.dispose(),
    };
  };
  const tanh = config.encoder === "pw" && config.pwNonlinearity === "tanh";
  return { name, step, mixed: !tanh, record };
}

/** What follows the layout in a step on the batch at the first place. */
function stepParts({ plan, stepPrograms }: Steppable, sizes: ClickSizes): Part[] {
  return stepPrograms.map(({ program, header }) => ({ program, sizes, offset: plan.offset(0, header) }));
}

/** The batches of the first steps, in the first places: as many as are laid out at once in a run of many steps. */
function batches(trainer: Steppable, program: Program<ClickSizes>): { put(): ClickSizes; layout(): Part } {
  const { plan } = trainer;
  const users = Array.from({ length: plan.slices }, (_, k) => trainer.batchOf(k + 1));
  const putAll = () => {
    const all = users.map((own, k) => plan.put(k, own, { slot: k, learningRate: 0, iteration: k + 1 }));
    plan.upload(0, all.length);
    return all;
  };
  return {
    put: () => putAll()[0] ?? nothing,
    layout: () => {
      const slice = { index: 0, count: plan.slices };
      return { program, sizes: largestOf(putAll()), offset: plan.offset(0), slice };
    },
  };
}
const nothing: ClickSizes = { users: 0, events: 0, rows: 0, items: 0 };

/** An iteration of the adversarial stage: the generator's step and the reward's. */
function game(
  name: string,
  generator: "network" | "exact",
  { step = false }: { step?: boolean } = {},
): BenchModel {
  const record = async (gpu: Gpu, log: ClickLog, users: number): Promise<Recording> => {
    using stack = new DisposableStack();
    const model = stack.use(new UserModel(gpu, log.items, defaultModel, { seed: 1 }));
    const config = { ...defaultAdversarial, generator, batchSize: users };
    const options = { seed: 1, evaluationShards: 0, validate: false };
    const trainer = stack.use(await AdversarialTrainer.create(model, log, config, options));
    const { plan, programs } = trainer;
    const { put, layout } = batches(trainer, programs.layout);
    const others = async () => {
      const arena = kept.use(new Arena(gpu, "bench"));
      const ring = arena.allocate("ring", 32 * 2);
      const evaluation = kept.use(
        await GamePrograms.evaluation({
          name: "evaluation",
          log: trainer.deviceLog,
          plan,
          ring,
          game: gameOptions(model, config),
          reward: model,
          generator: trainer.generator,
        }),
      );
      return [{ program: evaluation.program, sizes: put(), offset: plan.offset(0) }];
    };
    const sizes = put();
    const kept = stack.move();
    return {
      sizes,
      step: () => [layout(), ...stepParts(trainer, put())],
      others,
      trainer,
      [Symbol.dispose]: () => kept.dispose(),
    };
  };
  return { name, step, mixed: true, record };
}

/** The models that can be recorded over a log. */
export function modelsFor(log: ClickLog, models: readonly BenchModel[] = benchModels): BenchModel[] {
  return models.filter(({ mixed }) => mixed || log.items.kind !== "mixed");
}
