/** Cases for scoring: models of all kinds on items of all kinds, with non-trivial weights, and pages. */

import type { ClickLog } from "../src/data/click_log.ts";
import { getItemsShape } from "../src/data/item_catalogue.ts";
import { MemoryLog } from "../src/data/log_source.ts";
import { createRandomStream } from "../src/data/random.ts";
import type { ModelConfig } from "../src/model/model_config.ts";
import { initializeFromCounts, SCALE, TABLE } from "../src/model/model_counts.ts";
import type { ScoringRequest } from "../src/model/scorer.ts";
import { listModelParameters } from "../src/model/user_model.ts";
import type { Weights } from "../src/tape/parameters.ts";
import { createSmallLog } from "../src/selftest/small_logs.ts";
import { noHistory, smallLstm, smallPw, WIDTH } from "./small_models.ts";
import { logs as trainedLogs, SIZE } from "./train/trainings.ts";

export interface ScoreCase {
  readonly log: ClickLog;
  readonly config: ModelConfig;
}

const logs = {
  ...trainedLogs,
  mixed: createSmallLog(21, { ...SIZE, width: WIDTH, tokens: 13 }),
  tokens: createSmallLog(22, { ...SIZE, width: 0, tokens: 20 }),
};
const oneField = { fields: [{ first: 0, count: 20, slots: 4 }], neighbours: 8, latest: 500 };
const twoFields = {
  fields: [{ first: 0, count: 6, slots: 2 }, { first: 6, count: 7, slots: 3 }],
  neighbours: 64,
  latest: 500,
};
const noField = { fields: [], neighbours: 6, latest: 500 };
const tanh: ModelConfig = { ...smallPw, pwNonlinearity: "tanh", pwWeightings: 3 };

export const scoreCases: Readonly<Record<string, ScoreCase>> = {
  "LSTM, dense": { log: logs.dense, config: smallLstm },
  "LSTM, one-hot": { log: logs["one-hot"], config: smallLstm },
  "LSTM, mixed, batch norm, eta 2": { log: logs.mixed, config: { ...smallLstm, batchNorm: true, eta: 2 } },
  "LSTM, tokens": { log: logs.tokens, config: smallLstm },
  "PW, dense": { log: logs.dense, config: smallPw },
  "PW, one-hot, batch norm": { log: logs["one-hot"], config: { ...smallPw, batchNorm: true } },
  "PW, mixed": { log: logs.mixed, config: smallPw },
  "PW tanh, dense": { log: logs.dense, config: tanh },
  "no history, wide, dense": {
    log: logs.dense,
    config: { ...noHistory, dims: [7, 5], wide: 3, positions: 3 },
  },
  "wide alone, mixed": { log: logs.mixed, config: { ...noHistory, dims: [], wide: 5 } },
  "conditional logit, one-hot": {
    log: logs["one-hot"],
    config: { ...noHistory, dims: [], loss: "logistic" },
  },
  "PW tanh, one-hot": { log: logs["one-hot"], config: tanh },
  "counts, LSTM, tokens": { log: logs.tokens, config: { ...smallLstm, counts: oneField } },
  "counts, PW, mixed, two fields": { log: logs.mixed, config: { ...smallPw, counts: twoFields } },
  "counts, no history, dense, wide": {
    log: logs.dense,
    config: { ...noHistory, dims: [7, 5], wide: 3, counts: noField },
  },
  "counts alone, one-hot": { log: logs["one-hot"], config: { ...noHistory, dims: [], counts: noField } },
};

/**
 * Draws weights similar to trained weights: biases are not 0, and statistics of batch normalisation differ
 * from their initial values. Count tables have the counts of the log.
 */
export function drawWeights({ log, config }: ScoreCase, seed = 5): Weights {
  const random = createRandomStream(seed, "scored weights");
  const counted = initializeFromCounts(new MemoryLog(log), config, seed);
  const weights = new Map(
    listModelParameters(getItemsShape(log.items), config).map(({ name, rows, columns }) => [
      name,
      Float32Array.from({ length: rows * columns }, () => {
        const value = 0.4 * random.normal();
        return name.endsWith("variance") ? 0.5 + value * value : value;
      }),
    ]),
  );
  for (const name of [TABLE, SCALE]) {
    const values = counted.get(name);
    if (values) weights.set(name, values);
  }
  return weights;
}

const LONG = [19, 20, 25, 20];

/**
 * Draws scoring requests. Histories have no click, one click, a few, or more than the model reads; some
 * repeat items. Pages have one or more items. From the 13th request on, histories have 19 to 25 items.
 */
export function drawRequests({ log }: ScoreCase, count = 12): ScoringRequest[] {
  const random = createRandomStream(7, "requests");
  const items = (n: number) => Array.from({ length: n }, () => random.integer(log.items.count));
  return Array.from({ length: count }, (_, k) => {
    const history = items(k < 12 ? k % 6 : LONG[k % LONG.length] ?? 0);
    return { history: k % 4 === 3 ? [...history, ...history.slice(-2)] : history, page: items(1 + k % 5) };
  });
}
