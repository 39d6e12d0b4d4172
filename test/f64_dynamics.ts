/**
 * A learned model as simulated users on the host: the forward pass of f64_model.ts, carried on by one click at a time. It
 * holds what the device simulates to what the model is.
 */

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
  readonly h: readonly number[];
  readonly c: readonly number[];
}

/** @param p by the model's names, see `toParameters64`. @param eta of the choice model. */
export function modelDynamics(
  items: ItemFeatures,
  p: Parameters64,
  { H, dims, pw, none, wide = 0 }: Shape64,
  eta = 1,
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
  return {
    name: "model in f64",
    items: items.count,
    eta,
    placeEffects: only("position/effect"),
    initial: () => ({ clicks: [], h: new Array<number>(H).fill(0), c: new Array<number>(H).fill(0) }),
    utilities: ({ clicks, h }, shown) => {
      const recent = pw ? clicks.slice(-pw.m).reverse() : [];
      const bias = pw?.tanh ? get("encoder/pw/bias").flat() : undefined;
      const state = none ? [] : pw ? pwState64(recent, F, pw.n, get("encoder/pw/weights"), bias) : h;
      const wideState = wideTerm?.state(clicks);
      return Float64Array.from(Array.from(shown), (item) => {
        const f = features[item] ?? [];
        let x = [...state, ...f];
        for (const { kernel, bias } of layers) {
          x = affine(x, kernel, bias).map((z) => (z > 0 ? z : Math.expm1(z)));
        }
        const deep = dims.length > 0 ? x.reduce((sum, value, j) => sum + value * (outW[j] ?? NaN), 0) : 0;
        return outB + deep + (wideState?.term(f) ?? 0);
      });
    },
    next: ({ clicks, h, c }, item) => {
      const f = features[item] ?? [];
      if (pw || none) return { clicks: [...clicks, f], h, c };
      const z = affine([...f, ...h], lstmW, only("encoder/lstm/bias"));
      const gate = (k: number, j: number) => z[k * H + j] ?? NaN;
      const cell = c.map((value, j) =>
        sigmoid(gate(2, j) + 1) * value + sigmoid(gate(0, j)) * Math.tanh(gate(1, j))
      );
      return {
        clicks: [...clicks, f],
        h: cell.map((value, j) => sigmoid(gate(3, j)) * Math.tanh(value)),
        c: cell,
      };
    },
  };
}
