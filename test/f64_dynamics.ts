/**
 * A learned model as simulated users on the host: the forward pass of f64_model.ts, carried on by one click at a time. It
 * holds what the device simulates to what the model is.
 */

import { type CountsConfig, countWidth } from "../src/counts/columns.ts";
import { countsOf, NOTHING_OWN } from "../src/counts/page_counts.ts";
import type { ItemFeatures } from "../src/data/click_log.ts";
import type { HostDynamics } from "../src/simulate/host/dynamics.ts";
import {
  affine,
  featuresOfItem,
  type Parameters64,
  pwState64,
  type Shape64,
  sigmoid,
  Wide64,
} from "./f64_model.ts";

/** What a user has clicked, and what the LSTM has made of it. */
export interface State64 {
  /** Features of the clicked items, oldest first. */
  readonly clicks: readonly number[][];
  /** The clicked items, the latest first. */
  readonly recent: readonly number[];
  /** How often items were shown before and not clicked; see {@link shownTo}. */
  readonly passed?: ReadonlyMap<number, number>;
  readonly h: readonly number[];
  readonly c: readonly number[];
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
  { H, dims, pw, none, wide = 0 }: Shape64,
  eta = 1,
  counts: CountsConfig | null = null,
): HostDynamics<State64> {
  const get = (name: string) => p.get(name) ?? [];
  const only = (name: string) => get(name)[0] ?? [];
  const features = Array.from({ length: items.count }, (_, item) => featuresOfItem(items, item));
  const F = features[0]?.length ?? 0;
  const D = none ? 0 : pw ? F * pw.n : H;
  const N = dims[0] ?? 0;
  // A table [I, n N] holds the same values in the same order as [D, N].
  const flat = get("utility/layer1/state_kernel").flat();
  const stateW = Array.from({ length: D }, (_, k) => flat.slice(k * N, (k + 1) * N));
  const lstmW = [...get("encoder/lstm/input_kernel"), ...get("encoder/lstm/recurrent_kernel")];
  const layers = dims.map((_, k) => ({
    kernel: k === 0 ? [...stateW, ...get("utility/layer1/item_kernel")] : get(`utility/layer${k + 1}/kernel`),
    bias: only(`utility/layer${k + 1}/bias`),
  }));
  const outW = only("utility/output/kernel");
  const outB = only("utility/output/bias")[0] ?? NaN;
  const wideTerm = wide > 0 || dims.length === 0 ? new Wide64(p, Math.max(1, wide)) : undefined;
  const ofCounts = counts && countsIn64(p, counts);
  return {
    name: "model in f64",
    items: items.count,
    eta,
    placeEffects: only("position/effect"),
    initial: () => ({
      clicks: [],
      recent: [],
      h: new Array<number>(H).fill(0),
      c: new Array<number>(H).fill(0),
    }),
    utilities: ({ clicks, recent: items, passed, h }, shown) => {
      const recent = pw ? clicks.slice(-pw.m).reverse() : [];
      const bias = pw?.tanh ? get("encoder/pw/bias").flat() : undefined;
      const state = none ? [] : pw ? pwState64(recent, F, pw.n, get("encoder/pw/weights"), bias) : h;
      const wideState = wideTerm?.state(clicks);
      return Float64Array.from(Array.from(shown), (item) => {
        const f = features[item] ?? [];
        let x = [...state, ...f];
        const counted = ofCounts?.(
          { recent: items, clicks: items.length },
          item,
          shown.length,
          passed?.get(item),
        );
        for (const [k, { kernel, bias }] of layers.entries()) {
          const more = k === 0 ? counted?.layer : undefined;
          x = affine(x, kernel, bias).map((z, j) => z + (more?.[j] ?? 0)).map((z) =>
            z > 0 ? z : Math.expm1(z)
          );
        }
        const deep = dims.length > 0 ? x.reduce((sum, value, j) => sum + value * (outW[j] ?? NaN), 0) : 0;
        return outB + deep + (wideState?.term(f) ?? 0) + (counted?.term ?? 0);
      });
    },
    next: ({ clicks, recent, passed, h, c }, item) => {
      const f = features[item] ?? [];
      const past = { clicks: [...clicks, f], recent: [item, ...recent], ...(passed && { passed }) };
      if (pw || none) return { ...past, h, c };
      const z = affine([...f, ...h], lstmW, only("encoder/lstm/bias"));
      const gate = (k: number, j: number) => z[k * H + j] ?? NaN;
      const cell = c.map((value, j) =>
        sigmoid(gate(2, j) + 1) * value + sigmoid(gate(0, j)) * Math.tanh(gate(1, j))
      );
      return {
        ...past,
        h: cell.map((value, j) => sigmoid(gate(3, j)) * Math.tanh(value)),
        c: cell,
      };
    },
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
  ) => {
    const raw = new Float64Array(countWidth(config));
    countsOf(tables, item, history, pageLength, { ...NOTHING_OWN, passed }, raw, 0);
    const c = Array.from(raw, (x, k) => (x - (mean[k] ?? NaN)) * (scaled[k] ?? NaN));
    const zeros = (kernel[0] ?? []).map(() => 0);
    return { layer: affine(c, kernel, zeros), term: c.reduce((sum, x, k) => sum + x * (w[k] ?? NaN), b) };
  };
}
