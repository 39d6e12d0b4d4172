/** Service of the screen "Be the user": scores items by the model and, if known, by the true utilities. */

import {
  advanceShopState,
  computeShopUtility,
  describeDemoItem,
  firstState,
  getItemFeatures,
} from "../../../data/shops.ts";
import { ALL_ITEMS, type ContextRecord, EncodedContext } from "../../../data/context_values.ts";
import { type ContextColumn, type ContextFeature, listContextColumns } from "../../../data/manifest.ts";
import { listModelContext } from "../../../predict/request_context.ts";
import { computeChoiceProbabilities } from "../../../model/choice_probabilities.ts";
import { addPositionEffects, readPositionEffects } from "../../../model/position_effect.ts";
import { UserError } from "../../../user_error.ts";
import type { CurrentModel, LabWorker } from "../lab_worker.ts";

/** Item numbers in the history of a user and on the current page. */
export interface PageView {
  /** Items that the user clicked, from the oldest to the latest click. */
  readonly history: readonly number[];
  readonly page: readonly number[];
  /** Values of context columns by name. On a page, all items have the same values. */
  readonly context?: ContextRecord;
}

/** Utilities and click probabilities of the items on a page, according to the model or the ground truth. */
export interface ModelScores {
  readonly utilities: readonly number[];
  /** Probability of a click on each item, including the effect of the item's position. */
  readonly probabilities: readonly number[];
  readonly noClick: number;
}

export interface ScoredPage {
  /** Number of training steps of the model. */
  readonly iteration: number;
  readonly model: ModelScores;
  /** Scores according to the ground truth; undefined if the shop is not synthetic. */
  readonly truth: ModelScores | undefined;
}

export interface ShopView {
  readonly name: string;
  readonly items: number;
  /** Features of each item by name; undefined if the shop is not synthetic. */
  readonly features: readonly Readonly<Record<string, number>>[] | undefined;
  readonly model: string;
  /** Context columns that are inputs of the model. */
  readonly context: readonly ContextColumn[];
}

export function createUserService(worker: LabWorker) {
  function expectModel(): CurrentModel {
    if (worker.current) return worker.current;
    throw new UserError(
      "Expected a model, found none: train a model on the screen Train, or load a snapshot.",
    );
  }

  return {
    /** Describes the items of the current model. @throws UserError if there is no model */
    shop(): ShopView {
      const { model, data } = expectModel();
      const { source: { name, items }, shop } = data;
      const values = items.items?.kind === "dense" ? items.items.values : undefined;
      return {
        name,
        items: items.shape.count,
        features: shop && values &&
          Array.from({ length: items.shape.count }, (_, item) => describeDemoItem(values, item)),
        model: model.config.encoder,
        context: listContextColumns(listModelContext(model.config, data.features)),
      };
    },

    async score({ history, page, context }: PageView): Promise<ScoredPage> {
      const { model, data, iteration } = expectModel();
      const { source, shop } = data;
      const features = encodePage(listModelContext(model.config, data.features), page, context);
      const utilities = await model.score({ history, page, features });
      const effects = model.config.positions > 0 ? readPositionEffects(await model.weights()) : undefined;
      const values = source.items.items?.kind === "dense" ? source.items.items.values : undefined;
      const known = shop && values && computeTrueUtilities(shop, values, { history, page });
      return {
        iteration: iteration(),
        model: computeScores(utilities, model.config, effects),
        truth: known && computeScores(known, { eta: 1 }),
      };
    },
  };
}

/** Returns the context features [items, features] of a page. @throws UserError if a value is invalid */
function encodePage(
  features: readonly ContextFeature[],
  page: readonly number[],
  values: ContextRecord = {},
): Float32Array<ArrayBuffer> | undefined {
  if (features.length === 0) return undefined;
  const select = (wanted: ContextFeature["kind"]) => {
    const own = listContextColumns(features).filter(({ kind, column }) =>
      kind === wanted && column in values
    );
    return Object.fromEntries(own.map(({ column }) => [column, values[column] ?? null]));
  };
  const context = { page: select("page"), impressions: { [ALL_ITEMS]: select("impression") } };
  return new EncodedContext(features, context).encodeRows(page.map(String));
}

function computeScores(
  utilities: readonly number[],
  config: Parameters<typeof computeChoiceProbabilities>[0],
  effects?: readonly number[],
): ModelScores {
  const { items, noClick } = computeChoiceProbabilities(config, addPositionEffects(utilities, effects));
  return { utilities, probabilities: [...items], noClick };
}

function computeTrueUtilities(
  shop: Parameters<typeof computeShopUtility>[0],
  values: Float32Array,
  { history, page }: PageView,
): number[] {
  let state = firstState;
  for (const item of history) state = advanceShopState(state, getItemFeatures(values, item));
  return page.map((item) => computeShopUtility(shop, state, getItemFeatures(values, item)));
}
