/** Models of all kinds over items of all kinds, with weights that are no special case, and pages to score. */

import type { ClickLog } from "../src/data/click_log.ts";
import { itemsShape } from "../src/data/item_catalogue.ts";
import { randomStream } from "../src/data/random.ts";
import type { ModelConfig } from "../src/model/config.ts";
import type { PageRequest } from "../src/model/scorer.ts";
import { modelParameters } from "../src/model/user_model.ts";
import type { Weights } from "../src/tape/parameters.ts";
import { smallLog } from "../src/selftest/small_logs.ts";
import { noHistory, smallLstm, smallPw, WIDTH } from "./small_models.ts";

export interface ScoreCase {
  readonly log: ClickLog;
  readonly config: ModelConfig;
}

const size = { users: 60, items: 41, maxEvents: 6, maxPage: 7 };
const logs = {
  dense: smallLog(21, { ...size, width: WIDTH }),
  "one-hot": smallLog(22, { ...size, width: 0 }),
  mixed: smallLog(21, { ...size, width: WIDTH, tokens: 13 }),
  tokens: smallLog(22, { ...size, width: 0, tokens: 20 }),
};
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
};

/** Weights of about the size of trained ones, no bias 0, no statistic of batch normalisation at its start. */
export function weightsOf({ log, config }: ScoreCase, seed = 5): Weights {
  const random = randomStream(seed, "scored weights");
  return new Map(
    modelParameters(itemsShape(log.items), config).map(({ name, rows, columns }) => [
      name,
      Float32Array.from({ length: rows * columns }, () => {
        const value = 0.4 * random.normal();
        return name.endsWith("variance") ? 0.5 + value * value : value;
      }),
    ]),
  );
}

/** Histories of no click, one, a few, more than the lags, and with repeated items; pages of one item and more. */
export function requestsOf({ log }: ScoreCase, count = 12): PageRequest[] {
  const random = randomStream(7, "requests");
  const items = (n: number) => Array.from({ length: n }, () => random.integer(log.items.count));
  return Array.from({ length: count }, (_, k) => {
    const history = items(k % 6);
    return { history: k % 4 === 3 ? [...history, ...history.slice(-2)] : history, page: items(1 + k % 5) };
  });
}
