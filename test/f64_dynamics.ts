/**
 * A learned model as simulated users on the host: the way there of f64_model.ts, with counts of items. It holds what the
 * device simulates to what the model is.
 */

import { type CountsConfig, countWidth } from "../src/counts/columns.ts";
import { countsOf, NOTHING_OWN } from "../src/counts/page_counts.ts";
import type { ItemFeatures } from "../src/data/click_log.ts";
import type { HostDynamics } from "../src/simulate/host/dynamics.ts";
import {
  affine,
  type Counted64,
  Forward64,
  type Parameters64,
  type Shape64,
  type User64,
} from "./f64_model.ts";

/** What a user has clicked, and what the LSTM has made of it. */
export interface State64 extends User64 {
  /** The clicked items, the latest first. */
  readonly recent: readonly number[];
  /** How often items were shown before and not clicked; see {@link shownTo}. */
  readonly passed?: ReadonlyMap<number, number>;
}

/** A page was shown. @param click the clicked item */
export function shownTo(state: State64, shown: ArrayLike<number>, click: number): State64 {
  const passed = new Map(state.passed);
  for (const item of Array.from(shown)) if (item !== click) passed.set(item, (passed.get(item) ?? 0) + 1);
  return { ...state, passed };
}

/** @param p by the model's names, see `toParameters64`. @param eta of the choice model. @param counts of the model's config */
export function modelDynamics(
  items: ItemFeatures,
  p: Parameters64,
  shape: Shape64,
  eta = 1,
  counts: CountsConfig | null = null,
): HostDynamics<State64> {
  const model = new Forward64(items, p, shape);
  const ofCounts = counts && countsIn64(p, counts);
  return {
    name: "model in f64",
    items: items.count,
    eta,
    placeEffects: p.get("position/effect")?.[0] ?? [],
    initial: () => ({ ...model.initial(), recent: [] }),
    utilities: (state, shown) => {
      const seen = model.seen(state);
      const history = { recent: state.recent, clicks: state.recent.length };
      return Float64Array.from(
        Array.from(shown),
        (item) => model.row(seen, item, ofCounts?.(history, item, shown.length, state.passed?.get(item))).u,
      );
    },
    next: (state, item) => ({ ...state, ...model.next(state, item), recent: [item, ...state.recent] }),
  };
}

/** What the counts give the first layer, and the utility. */
function countsIn64(p: Parameters64, config: CountsConfig) {
  const of = (name: string) => p.get(`counts/${name}`) ?? [];
  const [mean = [], scaled = [], [meanRate = NaN, longestPage = NaN, leastUsers = NaN] = []] = of("scale");
  const tables = { config, items: Float32Array.from(of("table").flat()), meanRate, longestPage, leastUsers };
  const [[w = []], [[b = NaN] = []]] = [of("kernel"), of("bias")];
  const kernel = p.get("utility/layer1/count_kernel") ?? [];
  return (
    history: { recent: readonly number[]; clicks: number },
    item: number,
    pageLength: number,
    passed = 0,
  ): Counted64 => {
    const raw = new Float64Array(countWidth(config));
    countsOf(tables, item, history, pageLength, { ...NOTHING_OWN, passed }, raw, 0);
    const c = Array.from(raw, (x, k) => (x - (mean[k] ?? NaN)) * (scaled[k] ?? NaN));
    const zeros = (kernel[0] ?? []).map(() => 0);
    return { layer: affine(c, kernel, zeros), term: c.reduce((sum, x, k) => sum + x * (w[k] ?? NaN), b) };
  };
}
