/**
 * Predicts the clicks on all pages of a log, and writes one row per displayed item. Users are scored in
 * groups (shards), to save memory.
 */

import { ADDITIONAL_CLICK, listClickedRows, type Split, splits } from "../data/click_log.ts";
import { type PageLabel, readPageLabels } from "../data/sets/page_labels.ts";
import { computeChoiceProbabilities } from "../model/choice_probabilities.ts";
import { addPositionEffects } from "../model/position_effect.ts";
import { BaselineModel } from "./baseline_model.ts";
import type { UserModel } from "../model/user_model.ts";
import type { OpenedDataset } from "../data/sets/opened_dataset.ts";
import { NetworkEvaluation } from "../train/network_evaluation.ts";
import { expectReplaceable } from "../files/atomic_write.ts";
import { getRowsMark, type RowColumn, type RowsWritten, writeRows } from "../files/row_file.ts";

/** Predicted click on one displayed item of a page. */
export interface Prediction extends PageLabel {
  readonly user: string;
  /** Split to which the page belongs: train, validation or test. */
  readonly split: Split;
  /** Number of the page among the user's pages, from 0. */
  readonly page: number;
  /** Position on the page, from 0. */
  readonly position: number;
  readonly item: string;
  readonly utility: number;
  /** Probability that this item is the first click on the page. */
  readonly probability: number;
  /** Probability that no item on the page is clicked. */
  readonly noClick: number;
  readonly clicked: boolean;
  /** 1 for the page's first clicked item, 2 for the second, and so on; 0 for an item without a click. */
  readonly clickOrder: number;
}

export interface PredictOptions {
  /** Number of shards (groups of users); with 0, the smallest number whose shards fit in memory. */
  readonly shards: number;
  /** [positions] position effects to add to utilities. Default: the first position's effect for all items. */
  readonly effects?: readonly number[] | undefined;
  readonly signal: AbortSignal;
  readonly onShard?: (done: number, all: number) => void;
}

/**
 * Yields a list of predictions per user. Skips context events, which are only part of a user's history.
 * @param model - model with the data set's items. @param users - distinct ascending user numbers.
 * @throws UserError if no user has a predicted page; DOMException if the signal is aborted.
 */
export async function* predictPages(
  model: UserModel | BaselineModel,
  data: OpenedDataset,
  users: ArrayLike<number>,
  { shards, effects, signal, onShard }: PredictOptions,
): AsyncGenerator<Prediction[]> {
  const { source, users: userIds, items } = data;
  const getLabel = await readPageLabels(data.dataset.config, users);
  const computeChances = (page: Float32Array) =>
    computeChoiceProbabilities(model.config, addPositionEffects(page, effects));
  using stack = new DisposableStack();
  const parts = model instanceof BaselineModel
    ? model.scored(Uint32Array.from(users), onShard)
    : stack.use(await NetworkEvaluation.ofModel(model, source, users, { shards })).scored(onShard);
  for await (const { users: own, log, utilities } of parts) {
    signal.throwIfAborted();
    for (const [k, user] of own.entries()) {
      const { userEvents, eventRows, eventKind, rowItem } = log;
      const rows: Prediction[] = [];
      const split = splits[source.userSplit[user]!]!;
      let page = -1;
      for (let e = userEvents[k] ?? 0; e < (userEvents[k + 1] ?? 0); e++) {
        if (eventKind?.[e] !== ADDITIONAL_CLICK) page++;
        if (eventKind?.[e]) continue;
        const clicked = listClickedRows(log, e);
        const [from, to] = [eventRows[e] ?? 0, eventRows[e + 1] ?? 0];
        const { items: chances, noClick } = computeChances(utilities.subarray(from, to));
        const label = getLabel(user, page);
        for (let row = from; row < to; row++) {
          rows.push({
            user: userIds.of(user),
            split,
            page,
            position: row - from,
            item: items.of(rowItem[row] ?? 0),
            utility: utilities[row] ?? NaN,
            probability: chances[row - from] ?? NaN,
            noClick,
            clicked: clicked.includes(row),
            clickOrder: clicked.indexOf(row) + 1,
            ...label,
          });
        }
      }
      yield rows;
    }
  }
}

const COLUMNS: readonly RowColumn<Prediction>[] = [
  { name: "user", of: ({ user }) => user, type: "STRING" },
  { name: "page", of: ({ page }) => page, type: "INT32" },
  { name: "position", of: ({ position }) => position, type: "INT32" },
  { name: "item", of: ({ item }) => item, type: "STRING" },
  { name: "utility", of: ({ utility }) => utility, type: "FLOAT" },
  { name: "probability", of: ({ probability }) => probability, type: "FLOAT" },
  { name: "no_click", of: ({ noClick }) => noClick, type: "FLOAT" },
  { name: "clicked", of: ({ clicked }) => clicked, type: "BOOLEAN" },
  { name: "click_order", of: ({ clickOrder }) => clickOrder, type: "INT32" },
  { name: "time", of: ({ time }) => time, type: "STRING", nullable: true },
  { name: "page_id", of: ({ pageId }) => pageId, type: "STRING", nullable: true },
  { name: "split", of: ({ split }) => split, type: "STRING" },
];

/** @throws UserError if `path` exists and was not written by `predict`. */
export function expectPredictions(path: string): void {
  expectReplaceable(path, getRowsMark(path, "predictions", COLUMNS));
}

/** Writes predictions to a CSV or Parquet file. @throws UserError if the file cannot be written. */
export function writePredictions(path: string, lists: AsyncIterable<Prediction[]>): Promise<RowsWritten> {
  return writeRows(path, "predictions", COLUMNS, lists);
}
