/**
 * Models of tests that are not about sizes. Each distinct text of a kernel is compiled once, which takes 0.1
 * to 4 s of CPU, and depends on sizes in vectors of four alone. So all have layers of two vectors and an LSTM
 * of one, no size fills its vectors, and tests take features of two vectors with them ({@link WIDTH}).
 */

import { defaultModel, defaultPwModel, type ModelConfig } from "../src/model/model_config.ts";
import { MemoryLog } from "../src/data/log_source.ts";
import { createSmallLog } from "../src/selftest/small_logs.ts";

export const WIDTH = 7;

export const smallLstm = { ...defaultModel, lstmUnits: 3, dims: [7, 5] } satisfies ModelConfig;
export const smallPw = { ...defaultPwModel, pwLags: 3, kernelSd: 0.3, dims: [7, 5] } satisfies ModelConfig;

const { lstmUnits: _, ...common } = defaultModel;
export const noHistory: ModelConfig = { ...common, encoder: "none" };

/** Pages stay as they were shown. */
export const tinyData = {
  source: new MemoryLog(createSmallLog(1, { users: 9, items: 5, width: 2 })),
  pageOrder: "shown",
} as const;
