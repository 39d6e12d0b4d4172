/**
 * The whole model again, in f64 and straight from the formulas: features are concatenated for every displayed row,
 * one-hot vectors are vectors, events are walked one by one, gradients are written out by hand. It shares nothing with
 * the kernels or the tape but the names of the parameters.
 */

import { type ClickLog, NONE } from "../src/data/click_log.ts";
import type { ModelConfig } from "../src/model/config.ts";

/** [rows][columns] by name. */
export type Parameters64 = Map<string, number[][]>;

export interface Shape64 {
  /** Units of the LSTM. */
  readonly H: number;
  readonly dims: readonly number[];
  /** Position weights in its place: m lags, n weightings. */
  readonly pw?: { readonly m: number; readonly n: number; readonly tanh: boolean };
}

export function shape64(config: ModelConfig): Shape64 {
  const { dims } = config;
  if (config.encoder === "lstm") return { H: config.lstmUnits, dims };
  const { pwLags: m, pwWeightings: n, pwNonlinearity } = config;
  return { H: 0, dims, pw: { m, n, tanh: pwNonlinearity === "tanh" } };
}

export function toParameters64(
  weights: ReadonlyMap<string, ArrayLike<number>>,
  specs: readonly { name: string; rows: number; columns: number }[],
): Parameters64 {
  return new Map(specs.map(({ name, rows, columns }) => {
    const values = Array.from(weights.get(name) ?? []);
    return [name, Array.from({ length: rows }, (_, i) => values.slice(i * columns, (i + 1) * columns))];
  }));
}

const zerosLike = (m: number[][]) => m.map((row) => row.map(() => 0));
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

function featuresOf(log: ClickLog, item: number): number[] {
  const { items } = log;
  if (items.kind === "one-hot") return Array.from({ length: items.count }, (_, k) => (k === item ? 1 : 0));
  return Array.from(items.values.subarray(item * items.width, (item + 1) * items.width));
}

/** y = x W + b */
function affine(x: number[], W: number[][], b: number[]): number[] {
  return b.map((value, j) => x.reduce((sum, xi, i) => sum + xi * (W[i]?.[j] ?? NaN), value));
}
/** Adds x^T dy to dW and dy to db; returns dx. */
function affineBackward(x: number[], W: number[][], dy: number[], dW: number[][], db: number[]): number[] {
  dy.forEach((d, j) => db[j] = (db[j] ?? NaN) + d);
  return x.map((xi, i) => {
    const [row, grad] = [W[i] ?? [], dW[i] ?? []];
    dy.forEach((d, j) => grad[j] = (grad[j] ?? NaN) + xi * d);
    return row.reduce((sum, w, j) => sum + w * (dy[j] ?? NaN), 0);
  });
}

/** What a batch's pages are, and where their clicks. */
export interface Page64 {
  readonly u: number[];
  /** Place on the page, or -1. */
  readonly clicked: number;
  /** History, of which nothing is predicted: its slopes are 0, and it does not count. */
  readonly given: boolean;
}

/** d loss / d output for every row of a page. */
type Slopes = (page: Page64, index: number) => number[];

/**
 * A network over a batch: its output for every row of every page, and the gradient of every parameter for given slopes
 * of the outputs.
 */
export function network64(log: ClickLog, users: ArrayLike<number>, p: Parameters64, shape: Shape64) {
  const pages: Page64[] = [];
  walk64(log, users, p, shape, (page) => {
    pages.push(page);
    return page.u.map(() => 0);
  });
  return { pages, gradients: (slopes: Slopes) => walk64(log, users, p, shape, slopes) };
}

/** Mean loss of a batch, the utilities of its rows in order, and the gradient of every parameter. */
export function lossAndGradients64(
  log: ClickLog,
  users: ArrayLike<number>,
  p: Parameters64,
  shape: Shape64,
) {
  const { pages, gradients } = network64(log, users, p, shape);
  const counted = pages.filter(({ given }) => !given);
  const sumOf = (u: readonly number[]) => u.reduce((s, x) => s + Math.exp(x), 1);
  const loss = counted.reduce((s, { u, clicked }) => s + Math.log(sumOf(u)) - (u[clicked] ?? 0), 0) /
    counted.length;
  return {
    loss,
    utilities: pages.flatMap(({ u }) => u),
    gradients: gradients(({ u, clicked }) =>
      u.map((x, k) => (Math.exp(x) / sumOf(u) - (k === clicked ? 1 : 0)) / counted.length)
    ),
  };
}

/** Walks the batch there and back. */
function walk64(
  log: ClickLog,
  users: ArrayLike<number>,
  p: Parameters64,
  { H, dims, pw }: Shape64,
  slopes: Slopes,
): Parameters64 {
  const get = (name: string) => p.get(name) ?? [];
  const only = (name: string) => get(name)[0] ?? [];
  const stack = (a: number[][], b: number[][]) => [...a, ...b];
  const N = dims[0] ?? 0;
  const F = log.items.kind === "one-hot" ? log.items.count : log.items.width;
  const D = pw ? F * pw.n : H;
  // [D, N]; a table [I, n N] holds the same values in the same order.
  const flat = get("utility/layer1/state_kernel").flat();
  const stateW = Array.from({ length: D }, (_, k) => flat.slice(k * N, (k + 1) * N));
  // The concatenated kernels.
  const lstmW = pw ? [] : stack(get("encoder/lstm/input_kernel"), get("encoder/lstm/recurrent_kernel"));
  const layerW = dims.map((_, k) =>
    k === 0 ? stack(stateW, get("utility/layer1/item_kernel")) : get(`utility/layer${k + 1}/kernel`)
  );
  const layerB = dims.map((_, k) => only(`utility/layer${k + 1}/bias`));
  const outW = only("utility/output/kernel");
  const outB = only("utility/output/bias")[0] ?? NaN;
  const pwW = get("encoder/pw/weights");
  const pwB = get("encoder/pw/bias").flat();
  const dPwW = zerosLike(pwW);
  const dPwB = pwB.map(() => 0);
  const dLstmW = zerosLike(lstmW);
  const dLstmB = only("encoder/lstm/bias").map(() => 0);
  const dLayerW = layerW.map(zerosLike);
  const dLayerB = layerB.map((b) => b.map(() => 0));
  const dOutW = outW.map(() => 0);
  let dOutB = 0;

  let index = 0;
  for (const user of Array.from(users)) {
    let [h, c] = [new Array<number>(H).fill(0), new Array<number>(H).fill(0)];
    const clicks: number[][] = [];
    const trace: { x: number[]; z: number[]; c: number[]; cNext: number[]; fed: boolean; ds: number[] }[] =
      [];
    for (let e = log.userEvents[user] ?? 0; e < (log.userEvents[user + 1] ?? 0); e++) {
      const click = log.eventClick[e] ?? NONE;
      const [first, end] = [log.eventRows[e] ?? 0, log.eventRows[e + 1] ?? 0];
      const recent = pw ? clicks.slice(-pw.m).reverse() : [];
      const state = pw ? pwState64(recent, F, pw.n, pwW, pw.tanh ? pwB : undefined) : h;
      // Forward over the page.
      const rows: { inputs: number[][]; u: number }[] = [];
      for (let r = first; r < end; r++) {
        let x = [...state, ...featuresOf(log, log.rowItem[r] ?? 0)];
        const inputs = [x];
        layerW.forEach((W, k) => {
          x = affine(x, W, layerB[k] ?? []).map((z) => (z > 0 ? z : Math.expm1(z)));
          inputs.push(x);
        });
        rows.push({ inputs, u: x.reduce((sum, value, j) => sum + value * (outW[j] ?? NaN), outB) });
      }
      const page = {
        u: rows.map(({ u }) => u),
        clicked: click === NONE ? -1 : click - first,
        given: log.eventGiven?.[e] === 1,
      };
      const wanted = slopes(page, index++);
      const slope = page.given ? wanted.map(() => 0) : wanted;
      // Backward over the page, down to the state.
      const ds = state.map(() => 0);
      rows.forEach(({ inputs }, k) => {
        const du = slope[k] ?? NaN;
        const top = inputs.at(-1) ?? [];
        dOutB += du;
        top.forEach((value, j) => dOutW[j] = (dOutW[j] ?? NaN) + du * value);
        let d = outW.map((w) => du * w);
        for (let layer = layerW.length - 1; layer >= 0; layer--) {
          const dz = d.map((value, j) => {
            const y = inputs[layer + 1]?.[j] ?? NaN;
            return value * (y > 0 ? 1 : y + 1);
          });
          d = affineBackward(
            inputs[layer] ?? [],
            layerW[layer] ?? [],
            dz,
            dLayerW[layer] ?? [],
            dLayerB[layer] ?? [],
          );
        }
        ds.forEach((value, j) => ds[j] = value + (d[j] ?? NaN));
      });
      if (pw) {
        const { n } = pw;
        ds.forEach((value, column) => {
          const [k, j] = [Math.floor(column / n), column % n];
          const dz = pw.tanh ? value * (1 - (state[column] ?? NaN) ** 2) : value;
          if (pw.tanh) dPwB[column] = (dPwB[column] ?? NaN) + dz;
          recent.forEach((f, lag) => {
            const row = dPwW[lag] ?? [];
            row[j] = (row[j] ?? NaN) + dz * (f[k] ?? NaN);
          });
        });
      }
      // The state moves on a click.
      const fed = click !== NONE;
      if (fed) clicks.push(featuresOf(log, log.rowItem[click] ?? 0));
      if (pw) continue;
      const x = fed ? [...featuresOf(log, log.rowItem[click] ?? 0), ...h] : [];
      const z = fed ? affine(x, lstmW, only("encoder/lstm/bias")) : [];
      const before = c;
      if (fed) {
        c = c.map((value, j) =>
          sigmoid((z[2 * H + j] ?? NaN) + 1) * value + sigmoid(z[j] ?? NaN) * Math.tanh(z[H + j] ?? NaN)
        );
        h = c.map((value, j) => sigmoid(z[3 * H + j] ?? NaN) * Math.tanh(value));
      }
      trace.push({ x, z, c: before, cNext: c, fed, ds });
    }
    // Back through time.
    let [dh, dc] = [h.map(() => 0), h.map(() => 0)];
    for (const { x, z, c: before, cNext, fed, ds } of trace.reverse()) {
      if (fed) {
        const dz = new Array<number>(4 * H).fill(0);
        dc = dc.map((value, j) => {
          const [i, g] = [sigmoid(z[j] ?? NaN), Math.tanh(z[H + j] ?? NaN)];
          const [f, o] = [sigmoid((z[2 * H + j] ?? NaN) + 1), sigmoid(z[3 * H + j] ?? NaN)];
          const t = Math.tanh(cNext[j] ?? NaN);
          const d = value + (dh[j] ?? NaN) * o * (1 - t * t);
          dz[j] = d * g * i * (1 - i);
          dz[H + j] = d * i * (1 - g * g);
          dz[2 * H + j] = d * (before[j] ?? NaN) * f * (1 - f);
          dz[3 * H + j] = (dh[j] ?? NaN) * t * o * (1 - o);
          return d * f;
        });
        dh = affineBackward(x, lstmW, dz, dLstmW, dLstmB).slice(-H);
      }
      dh = dh.map((value, j) => value + (ds[j] ?? NaN));
    }
  }
  const shaped = (name: string, values: number[]) => {
    const columns = only(name).length;
    return get(name).map((_, row) => values.slice(row * columns, (row + 1) * columns));
  };
  const gradients: Parameters64 = new Map([
    [
      "utility/layer1/state_kernel",
      shaped("utility/layer1/state_kernel", (dLayerW[0] ?? []).slice(0, D).flat()),
    ],
    ["utility/layer1/item_kernel", (dLayerW[0] ?? []).slice(D)],
    ["utility/output/kernel", [dOutW]],
    ["utility/output/bias", [[dOutB]]],
  ]);
  if (pw) {
    gradients.set("encoder/pw/weights", dPwW);
    if (pw.tanh) gradients.set("encoder/pw/bias", shaped("encoder/pw/bias", dPwB));
  } else {
    gradients.set("encoder/lstm/input_kernel", dLstmW.slice(0, F));
    gradients.set("encoder/lstm/recurrent_kernel", dLstmW.slice(F));
    gradients.set("encoder/lstm/bias", [dLstmB]);
  }
  dims.forEach((_, k) => {
    gradients.set(`utility/layer${k + 1}/bias`, [dLayerB[k] ?? []]);
    if (k > 0) gradients.set(`utility/layer${k + 1}/kernel`, dLayerW[k] ?? []);
  });
  return gradients;
}

/** [F n], feature k under weighting j at k n + j. @param recent features of the last clicks, the latest first. */
function pwState64(
  recent: readonly number[][],
  F: number,
  n: number,
  W: number[][],
  bias: readonly number[] | undefined,
): number[] {
  return Array.from({ length: F * n }, (_, column) => {
    const [k, j] = [Math.floor(column / n), column % n];
    const sum = recent.reduce((s, f, lag) => s + (f[k] ?? NaN) * (W[lag]?.[j] ?? NaN), bias?.[column] ?? 0);
    return bias ? Math.tanh(sum) : sum;
  });
}

/** Adam in TensorFlow's form, in f64. */
export class Adam64 {
  readonly #m = new Map<string, number[][]>();
  readonly #v = new Map<string, number[][]>();
  #t = 0;
  constructor(readonly learningRate: number) {}

  step(parameters: Parameters64, gradients: Parameters64): void {
    this.#t++;
    const rate = this.learningRate * Math.sqrt(1 - 0.999 ** this.#t) / (1 - 0.9 ** this.#t);
    for (const [name, W] of parameters) {
      const g = gradients.get(name) ?? [];
      const m = this.#m.get(name) ?? zerosLike(W);
      const v = this.#v.get(name) ?? zerosLike(W);
      this.#m.set(name, m);
      this.#v.set(name, v);
      W.forEach((row, i) =>
        row.forEach((w, j) => {
          const gij = g[i]?.[j] ?? NaN;
          const mij = 0.9 * (m[i]?.[j] ?? 0) + 0.1 * gij;
          const vij = 0.999 * (v[i]?.[j] ?? 0) + 0.001 * gij * gij;
          (m[i] ?? [])[j] = mij;
          (v[i] ?? [])[j] = vij;
          row[j] = w - rate * mij / (Math.sqrt(vij) + 1e-8);
        })
      );
    }
  }
}
