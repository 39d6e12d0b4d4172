/** The service of the screen Be the user: pages of the shop, with what the model and the truth say of them. */

import {
  advanceShopState,
  computeShopUtility,
  describeDemoItem,
  firstState,
  getItemFeatures,
  type ShopState,
} from "../../../data/shops.ts";
import { computeChoiceProbabilities } from "../../../model/choice_probabilities.ts";
import { addPositionEffects, readPositionEffects } from "../../../model/position_effect.ts";
import { UserError } from "../../../user_error.ts";
import type { CurrentModel, LabWorker } from "../lab_worker.ts";

/** A user in front of a page: items by their numbers. */
export interface PageView {
  /** Items clicked, oldest first. */
  readonly history: readonly number[];
  /** Items displayed. */
  readonly page: readonly number[];
}

/** What somebody says of a page. */
export interface ModelScores {
  readonly utilities: readonly number[];
  /** Of a click on each item, at its position on the page. */
  readonly probabilities: readonly number[];
  readonly noClick: number;
}

export interface ScoredPage {
  /** Steps that the model was trained. */
  readonly iteration: number;
  readonly model: ModelScores;
  /** Of a made-up shop. */
  readonly truth: ModelScores | undefined;
  /** The true state of the user, of a made-up shop. */
  readonly state: ShopState | undefined;
}

/** What there is to choose from. */
export interface ShopView {
  readonly name: string;
  /** I. */
  readonly items: number;
  /** What is known of each item by name; of a made-up shop. */
  readonly features: readonly Readonly<Record<string, number>>[] | undefined;
  /** A text of what the model is. */
  readonly model: string;
}

export function createUserService(worker: LabWorker) {
  function expectModel(): CurrentModel {
    if (worker.current) return worker.current;
    throw new UserError("There is no model yet. Train one on the screen Train, or bring a snapshot there.");
  }

  return {
    /** The shop of the model that was trained last. @throws UserError where there is none. */
    shop(): ShopView {
      const { model, data: { source, truth } } = expectModel();
      const { items } = source;
      const values = items.items?.kind === "dense" ? items.items.values : undefined;
      return {
        name: source.name,
        items: items.shape.count,
        features: truth && values &&
          Array.from({ length: items.shape.count }, (_, item) => describeDemoItem(values, item)),
        model: model.config.encoder,
      };
    },

    /** What is thought of a page. */
    async look({ history, page }: PageView): Promise<ScoredPage> {
      const { model, data: { source, truth }, iteration } = expectModel();
      const utilities = await model.score({ history, page });
      const effects = model.config.positions > 0 ? readPositionEffects(await model.weights()) : undefined;
      const values = source.items.items?.kind === "dense" ? source.items.items.values : undefined;
      const known = truth && values && trueView(truth.shop, values, { history, page });
      return {
        iteration: iteration(),
        model: computeScores(utilities, model.config, effects),
        truth: known && computeScores(known.utilities, { eta: 1 }),
        state: known?.state,
      };
    },
  };
}

function computeScores(
  utilities: readonly number[],
  config: Parameters<typeof computeChoiceProbabilities>[0],
  effects?: readonly number[],
): ModelScores {
  const { items, noClick } = computeChoiceProbabilities(config, addPositionEffects(utilities, effects));
  return { utilities, probabilities: [...items], noClick };
}

function trueView(
  shop: Parameters<typeof computeShopUtility>[0],
  values: Float32Array,
  { history, page }: PageView,
): { readonly utilities: number[]; readonly state: ShopState } {
  let state = firstState;
  for (const item of history) state = advanceShopState(state, getItemFeatures(values, item));
  return {
    state,
    utilities: page.map((item) => computeShopUtility(shop, state, getItemFeatures(values, item))),
  };
}
