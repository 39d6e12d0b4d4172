/**
 * clickgan as a library for Deno: the modules on which the commands are built. src/README.md shows how to
 * train a model with a {@link Trainer} in twenty lines.
 *
 * @module
 */

export * from "./browser.ts";
export { openDataset, type OpenedDataset } from "./data/sets/opened_dataset.ts";
export { PackedLog, PackedLogWriter } from "./data/sets/packed_log.ts";
export { readPaperFile } from "./data/sets/paper_file.ts";
export {
  type PageScorer,
  recommend,
  type Recommendation,
  type RecommendOptions,
} from "./predict/recommend_items.ts";
export { openGpu, type OpenGpuOptions } from "./gpu/host/open_gpu.ts";
export { openPolicy } from "./policy/trained_policy.ts";
export type { RankedItem, RankedSlate, RankOptions, TrainedPolicy } from "./policy/trained_policy.ts";
export { type OpenedRun, openRun } from "./run/open_run.ts";
export { createExploringPolicy, type Exploration } from "./simulate/exploring_policy.ts";
