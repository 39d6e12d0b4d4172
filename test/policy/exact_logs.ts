/** Logs of a small shop, whose expected clicks are computed exactly as sums over all slates and clicks. */

import { drawShopItems } from "../../src/data/demo_shop.ts";
import { createRandomStream } from "../../src/data/random.ts";
import { restless, type ShopState } from "../../src/data/shops.ts";
import { type LogEvidence, toColumns } from "../../src/policy/evaluation/evidence.ts";
import { computeChoiceWeights, ShopDynamics } from "../../src/simulate/host/dynamics.ts";
import { PlackettLuce } from "../../src/simulate/host/plackett_luce.ts";
import { listRange, sumNumbers } from "./estimates.ts";

export const PAGES = 5;
const ITEMS = listRange(8);
const slates = ITEMS.flatMap((a) => ITEMS.filter((b) => a !== b).map((b) => [a, b]));
const values = drawShopItems(1, ITEMS.length);
const truth = new ShopDynamics(restless, values);
/** A model that ignores the users' fatigue; slates are drawn by its utilities. */
const model = new ShopDynamics({ ...restless, fatigue: 0 }, values);

class Page {
  readonly clicks: number[][];
  readonly predicted: number[];
  readonly #utilities: Float64Array;
  readonly #chances = new Map<string, number[]>();

  constructor(state: ShopState) {
    const chances = (of: ShopDynamics) =>
      slates.map((slate) => {
        const { none, slots } = computeChoiceWeights(of.utilities(state, slate));
        return Array.from(slots, (weight) => weight / (none + sumNumbers([...slots])));
      });
    this.clicks = chances(truth);
    this.predicted = chances(model).map(sumNumbers);
    this.#utilities = model.utilities(state, ITEMS);
  }

  chances(temperature: number, pool = ITEMS.length): number[] {
    const key = `${temperature} ${pool}`;
    const law = new PlackettLuce(this.#utilities.map((u, item) => item < pool ? u : -Infinity), temperature);
    const found = this.#chances.get(key) ??
      slates.map((slate) => Math.max(...slate) < pool ? law.probability(slate) : 0);
    this.#chances.set(key, found);
    return found;
  }
}

const pages = new Map<string, Page>();
function makePage(state: ShopState): Page {
  const key = Object.values(state).join();
  const found = pages.get(key) ?? new Page(state);
  pages.set(key, found);
  return found;
}

const mean = (chances: readonly number[], of: (slate: number) => number) =>
  sumNumbers(chances.map((chance, n) => chance * of(n)));

const exact = new Map<string, number>();

/** Returns the exact mean number of clicks on the first pages for slates drawn at a temperature. */
export function computeExactClicks(temperature: number, left: number, state = truth.initial()): number {
  if (left === 0) return 0;
  const key = [temperature, left, ...Object.values(state)].join();
  const known = exact.get(key);
  if (known !== undefined) return known;
  const { clicks } = makePage(state);
  const drawn = makePage(state).chances(temperature);
  const click = ITEMS.map((item) => mean(drawn, (n) => clicks[n]![slates[n]!.indexOf(item)] ?? 0));
  const after = (item: number) => 1 + computeExactClicks(temperature, left - 1, truth.next(state, item));
  const found = (1 - sumNumbers(click)) * computeExactClicks(temperature, left - 1, state) +
    sumNumbers(click.map((chance, item) => chance * after(item)));
  exact.set(key, found);
  return found;
}

/** A log, and the policy's exact mean number of clicks per page in the log's user states. */
export interface ExactLog {
  readonly evidence: LogEvidence;
  readonly exact: number;
}

/** Draws a log at temperature 1. @param temperature of the policy. @param pool number of items shown */
export function drawLog(seed: number, users: number, temperature: number, pool = ITEMS.length): ExactLog {
  const random = createRandomStream(seed, "exact log");
  const draw = (chances: readonly number[]) => {
    let left = random.uniform();
    return chances.findIndex((chance) => (left -= chance) < 0);
  };
  const unknown = [NaN, NaN];
  const slots = {
    slotReward: unknown,
    prefixWeight: unknown,
    slotWeight: unknown,
    slotQ: unknown,
    slotV: unknown,
  };
  const rows: Parameters<typeof toColumns>[0][number][] = [];
  let exact = 0;
  for (const user of listRange(users)) {
    let state = truth.initial();
    for (const page of listRange(PAGES)) {
      const { clicks, predicted } = makePage(state);
      const [policy, logged] = [makePage(state).chances(temperature), makePage(state).chances(1, pool)];
      const slate = Math.max(0, draw(logged));
      const slot = draw(clicks[slate]!);
      const mu = logged[slate]!;
      rows.push({
        ...{ user, page, mu, weight: policy[slate]! / mu, reward: slot < 0 ? 0 : 1, ...slots },
        ...{ q: predicted[slate]!, v: mean(policy, (n) => predicted[n]!) },
      });
      exact += mean(policy, (n) => sumNumbers(clicks[n]!)) / (users * PAGES);
      if (slot >= 0) state = truth.next(state, slates[slate]![slot]!);
    }
  }
  const evidence = { ...toColumns(rows), slate: 2, samples: [], excluded: 0, propensityRatios: undefined };
  return { evidence, exact };
}
