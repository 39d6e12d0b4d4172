/**
 * clickgan as a library: what its commands are made of.
 *
 * A click log becomes a model by way of a {@link Trainer}; src/README.md shows it in twenty lines.
 *
 * @module
 */

export * from "./browser.ts";
export { openDataset, OpenedDataset } from "./data/sets/opened_dataset.ts";
export { recommend, type Recommendation, type RecommendOptions } from "./figures/predict/recommend.ts";
export { readPaperFile } from "./data/sets/paper_file.ts";
export { openGpu, type OpenGpuOptions } from "./gpu/host/open_gpu.ts";
export type { RankedItem, RankedSlate, RankOptions } from "./policy/trained_policy.ts";
export { openPolicy, type TrainedPolicy } from "./policy/trained_policy.ts";
export { type Exploration, exploring } from "./simulate/explore.ts";
export { OpenedRun, openRun } from "./run/open_run.ts";
export { readSnapshot, type ReadWeights, writeSnapshot } from "./run/snapshot.ts";
export { PackedItems, PackedItemsWriter } from "./data/sets/packed_items.ts";
export { PackedLog, PackedLogWriter } from "./data/sets/packed_log.ts";
