/**
 * Models for tests that need no special sizes. Each shader is compiled once, which takes 0.1 to 4 s of CPU. A
 * shader depends only on the numbers of vectors of four. To share shaders, these models have the same sizes
 * in vectors: layers of two vectors, an LSTM of one vector, features of two vectors ({@link WIDTH}). The last
 * vector always has padding.
 */

import { defaultModel, defaultPwModel, type ModelConfig } from "../src/model/model_config.ts";
import { MemoryLog } from "../src/data/log_source.ts";
import { createSmallLog } from "../src/selftest/small_logs.ts";

export const WIDTH = 7;

export const smallLstm = { ...defaultModel, lstmUnits: 3, dims: [7, 5] } satisfies ModelConfig;
export const smallPw = { ...defaultPwModel, pwLags: 3, kernelSd: 0.3, dims: [7, 5] } satisfies ModelConfig;

const { lstmUnits: _, ...common } = defaultModel;
export const noHistory: ModelConfig = { ...common, encoder: "none" };

/** Data for training: a tiny log whose pages are kept as logged. */
export const tinyData = {
  source: new MemoryLog(createSmallLog(1, { users: 9, items: 5, width: 2 })),
  pageOrder: "shown",
} as const;
