/**
 * clickgan as a library for browsers: kernels, tape, models, trainers and simulated users. The library needs
 * WebGPU, but no Deno, no Node.js and no files (a test checks this). src/mod.ts adds modules that need files.
 *
 * @module
 */

export type { CountField, CountsConfig } from "./counts/count_columns.ts";
export { buildCountsConfig } from "./counts/count_tables.ts";
export type { TokenField } from "./counts/train_counts.ts";
export { listUsers, NONE } from "./data/click_log.ts";
export type { ClickLog, Clicks, ItemFeatures, ItemTokens, PastPages, Split } from "./data/click_log.ts";
export { drawShopItems, makeDemoShop } from "./data/demo_shop.ts";
export type { DemoOptions, DemoShop, DemoTruth } from "./data/demo_shop.ts";
export type { IdList } from "./data/ids.ts";
export type { ItemCatalogue, ItemsShape } from "./data/item_catalogue.ts";
export { type LogSource, MemoryLog, type OnProgress, type UserIndex } from "./data/log_source.ts";
export type { ChoiceMetrics, RankingMetrics } from "./data/ranking.ts";
export { restless as restlessShop, type ShopTruth } from "./data/shops.ts";
export { type AdapterDescription, type Gpu, type GpuOptions, openDevice } from "./gpu/device.ts";
export { type ChoiceProbabilities, computeChoiceProbabilities } from "./model/choice_probabilities.ts";
export type {
  CommonModelConfig,
  LstmModelConfig,
  ModelConfig,
  NoneModelConfig,
  PwModelConfig,
} from "./model/model_config.ts";
export { defaultModel, defaultPwModel } from "./model/model_config.ts";
export { initializeFromCounts } from "./model/model_counts.ts";
export { addPositionEffects, readPositionEffects } from "./model/position_effect.ts";
export type { ItemScorer, UserState } from "./model/item_blocks.ts";
export type { ScoringRequest } from "./model/scorer.ts";
export { UserModel } from "./model/user_model.ts";
export { createGreedyPolicy, createPopularPolicy, randomPolicy } from "./policy/named_policies.ts";
export { runKernel } from "./profile/run_kernel.ts";
export type { KernelArray, KernelOutputs, KernelRun, KernelTime } from "./profile/run_kernel.ts";
export { decodeSnapshot, encodeSnapshot, type Snapshot, type SnapshotInfo } from "./run/snapshot/snapshot.ts";
export type { EpisodeLog } from "./simulate/episode_log.ts";
export { computeCoverage, meanReturn } from "./simulate/simulation_metrics.ts";
export type { PageTotals, SimulationMetrics } from "./simulate/simulation_metrics.ts";
export { LearnedSource } from "./simulate/learned_users.ts";
export type { Policy } from "./simulate/policy.ts";
export { ShopSource } from "./simulate/shop_users.ts";
export { Simulator, type SimulatorRunOptions, type StepOutcome } from "./simulate/simulator.ts";
export type { UsersSource } from "./simulate/users.ts";
export type { ParameterSpec, Weights } from "./tape/parameters.ts";
export { AdversarialTrainer } from "./train/adversarial_trainer.ts";
export type { AdamKind } from "./ops/adam.ts";
export type { SimulatorOptions } from "./simulate/simulator_options.ts";
export type { PoolOptions } from "./simulate/pool.ts";
export type { StartOptions } from "./simulate/start.ts";
export type { BestRecord, BestRecords, Criterion } from "./train/best_records.ts";
export type { TrainerState } from "./train/networks.ts";
export type { BatchTrainer, TrainingCallbacks } from "./train/batch_trainer.ts";
export type { ClickTrainer } from "./train/click_trainer.ts";
export { defaultAdversarial, defaultTraining } from "./train/training_config.ts";
export type { AdversarialConfig, StageConfig, TrainingConfig } from "./train/training_config.ts";
export { NetworkEvaluation } from "./train/network_evaluation.ts";
export type { EvaluationMetrics, UserOutcomes, UserUtilities } from "./train/network_evaluation.ts";
export type { GameMetrics, TrainingStepResult, ValidationResult } from "./train/training_results.ts";
export { Trainer } from "./train/trainer.ts";
export { UserError } from "./user_error.ts";
