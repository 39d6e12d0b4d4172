/** Scores pages and items by a baseline in place of the trained model. */

import type { Clicks, PastPages } from "../data/click_log.ts";
import type { LogSource } from "../data/log_source.ts";
import type { BaselineName } from "../metrics/baselines/baseline_names.ts";
import type { FittedBaselines, FittedFormula } from "../metrics/baselines/baselines.ts";
import type { UserState } from "../model/item_blocks.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { buildRequestClicks, type ScoringRequest } from "../model/scorer.ts";
import type { PageScorer } from "./recommend_items.ts";
import type { UserUtilities } from "../train/network_evaluation.ts";

/** Number of users that are read from the log at once. */
const CHUNK = 1024;

function raise(name: BaselineName): never {
  throw new Error(`expected the baseline ${name} to be fitted`);
}

/** Baseline whose utilities are log(P(click) / P(no click)). Ignores context features and past pages. */
export class BaselineModel implements PageScorer {
  readonly blockItems = 4096;
  readonly room = { users: Infinity, events: Infinity, rows: Infinity };
  readonly config: ModelConfig;

  /** @param config - config of the trained model. @throws Error for a baseline that was not fitted */
  constructor(
    private readonly source: LogSource,
    private readonly fitted: FittedBaselines,
    private readonly name: BaselineName,
    config: ModelConfig,
  ) {
    this.config = { ...config, eta: 1, loss: "choice", counts: null };
  }

  /** Formula of the baseline's scores. @throws Error for a baseline that was not fitted */
  get formula(): FittedFormula {
    return this.fitted.formula(this.name) ?? raise(this.name);
  }

  #score(log: Clicks, users: Uint32Array): Float32Array<ArrayBuffer> {
    return Float32Array.from(this.fitted.utilities(this.name, log, users) ?? raise(this.name));
  }

  /** Yields the utilities of the items that users saw. @param users - distinct ascending user numbers */
  *scored(users: Uint32Array, onUsers?: (done: number, all: number) => void): Generator<UserUtilities> {
    for (let first = 0; first < users.length; first += CHUNK) {
      onUsers?.(first, users.length);
      const own = users.slice(first, first + CHUNK);
      const log = this.source.read(own);
      const indices = own.map((_, k) => k);
      yield { users: own, log, indices, utilities: this.#score(log, indices) };
    }
  }

  /** See {@link PageScorer}. */
  async score(request: ScoringRequest): Promise<Float32Array<ArrayBuffer>> {
    const [utilities = new Float32Array()] = await this.scoreAll([request]);
    return utilities;
  }

  scoreAll(requests: readonly ScoringRequest[]): Promise<Float32Array<ArrayBuffer>[]> {
    const utilities = this.#score(buildRequestClicks(requests, 0), Uint32Array.from(requests.keys()));
    let row = 0;
    return Promise.resolve(requests.map(({ history, page }) => {
      row += history.length;
      return utilities.slice(row, row += page.length);
    }));
  }

  encode(history: ArrayLike<number>, past?: PastPages): Promise<UserState> {
    return Promise.resolve({ history, past });
  }

  scoreItems(
    { history = [] }: UserState,
    page: Uint32Array<ArrayBuffer>,
  ): Promise<Float32Array<ArrayBuffer>> {
    return this.score({ history, page });
  }

  [Symbol.dispose](): void {}
}
