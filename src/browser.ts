/**
 * clickgan as a library for browsers: the kernels, the tape, models, trainers and simulated users. It asks for WebGPU and for
 * nothing of Deno, Node.js or files; a test bundles it and looks. src/mod.ts has all of this and what needs files.
 *
 * @module
 */

export {
  checkLog,
  type ClickLog,
  type Clicks,
  type ItemFeatures,
  type ItemTokens,
  NONE,
  type Split,
  splits,
  usersOf,
} from "./data/click_log.ts";
export type {
  DenseFeature,
  Features,
  KnownTransform,
  NumberTransform,
  TokenFeature,
  Transform,
} from "./data/manifest.ts";
export { type LogSource, MemoryLog, type OnProgress, type UserIndex } from "./data/log_source.ts";
export type { Ids } from "./data/ids.ts";
export {
  attainable,
  type DemoOptions,
  type DemoShop,
  type DemoTruth,
  makeDemoShop,
} from "./data/demo_shop.ts";
export {
  type BaselineName,
  baselineNames,
  Baselines,
  type TestedBaseline,
} from "./figures/baselines/baselines.ts";
export type { CountedField, CountsConfig } from "./counts/columns.ts";
export { countsConfigFor } from "./counts/tables.ts";
export type { TokenField } from "./counts/token_fields.ts";
export { countedStart } from "./model/counted.ts";
export { Collector, type CollectorOptions, type ScoredPart } from "./figures/collector.ts";
export type { Interval } from "./figures/bootstrap.ts";
export type { Calibration, ReliabilityBin } from "./figures/calibration.ts";
export type { FigureName } from "./figures/columns.ts";
export type { SlicedBy } from "./figures/slices.ts";
export {
  type Comparable,
  type Details,
  type Difference,
  type Differences,
  differences,
  type Figures,
  type Intervals,
  type Slice,
  type Tested,
} from "./figures/tested.ts";
export type { ChoiceFigures, RankingFigures } from "./data/ranking.ts";
export { UserError } from "./user_error.ts";
export { type AdapterDescription, Gpu, type GpuOptions, openDevice } from "./gpu/device.ts";
export {
  type AdapterKind,
  fixedShapes,
  type KernelShapes,
  type LstmVariant,
  type MatmulVariant,
} from "./gpu/kernel_shapes.ts";
export {
  type CommonModelConfig,
  defaultModel,
  defaultPwModel,
  type LstmModelConfig,
  type ModelConfig,
  type ModelOptions,
  type NoneModelConfig,
  type PwModelConfig,
  type WithDefaults,
} from "./model/config.ts";
export { type ItemCatalogue, type ItemsShape, itemsShape, MemoryItems } from "./data/item_catalogue.ts";
export { initialWeights, type ModelParameter } from "./model/initial_weights.ts";
export type { RecordableModel } from "./model/model_program.ts";
export { type ChoiceProbabilities, choiceProbabilities } from "./model/choice.ts";
export type { PageRequest } from "./model/scorer.ts";
export { modelParameters, UserModel } from "./model/user_model.ts";
export type { ParameterSpec, Weights } from "./tape/parameters.ts";
export { type BestRecord, type BestRecords, criteria, type Criterion } from "./train/best_records.ts";
export {
  type AdversarialConfig,
  defaultAdversarial,
  defaultTraining,
  type StageConfig,
  type TrainingConfig,
} from "./train/config.ts";
export {
  type EvaluatedUsers,
  Evaluation,
  type EvaluationFigures,
  type ScoredUsers,
} from "./train/evaluation.ts";
export { BatchTrainer, type RunCallbacks } from "./train/batch_trainer.ts";
export { ClickTrainer } from "./train/click_trainer.ts";
export { DivergedError, type StepResult, type ValidationResult } from "./train/results.ts";
export type { TrainerState } from "./train/trainer_state.ts";
export { Trainer } from "./train/trainer.ts";
export { AdversarialTrainer } from "./train/adversarial_trainer.ts";
export type { GameFigures } from "./train/sums.ts";
export type { AdamKind } from "./ops/adam.ts";
export { DeviceLog, type LogCapacity } from "./batch/device_log.ts";
export {
  decodeSnapshot,
  encodeSnapshot,
  type Snapshot,
  type SnapshotGame,
  type SnapshotInfo,
} from "./run/snapshot/snapshot.ts";
export { restless as restlessShop, shopNamed, shops, type ShopTruth } from "./data/shops.ts";
export { shopItems } from "./data/demo_shop.ts";
export { type RunOptions, Simulator, type StepOutcome } from "./simulate/simulator.ts";
export type { SimulationSettings, SimulatorOptions } from "./simulate/options.ts";
export type { Rules } from "./simulate/choose.ts";
export type { Pool, PoolOptions } from "./simulate/pool.ts";
export type { StartOptions } from "./simulate/start.ts";
export { type EpisodeLog, episodeLog, type EpisodeLogOptions } from "./simulate/episode_log.ts";
export {
  clickRate,
  coverage,
  meanReturn,
  type PageFigures,
  type SimulationFigures,
} from "./simulate/figures.ts";
export { LearnedSource, type TrainedModel } from "./simulate/learned_source.ts";
export { ShopSource } from "./simulate/shop_users.ts";
export type { Policy } from "./simulate/policy.ts";
export type { UsersSource } from "./simulate/users.ts";
export { greedyPolicy } from "./policy/greedy.ts";
export { popularity, popularPolicy } from "./policy/popular.ts";
export { randomPolicy } from "./policy/random.ts";
