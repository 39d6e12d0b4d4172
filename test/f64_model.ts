/**
 * The whole model in f64, written directly from the formulas: features are concatenated for every displayed
 * row, one-hot items are vectors, events are processed one by one, and gradients are derived by hand. The
 * model shares only parameter names with kernels and tape.
 */

import { adamReference } from "../src/ops/adam.ts";
import { type ClickLog, type ItemFeatures, NONE } from "../src/data/click_log.ts";
import type { ModelConfig } from "../src/model/model_config.ts";

/** Parameters by name: [rows][columns] numbers. */
export type Parameters64 = Map<string, number[][]>;

export interface Shape64 {
  readonly H: number;
  readonly dims: readonly number[];
  /** Position weights instead of the LSTM: n weighted sums of the last m clicks. */
  readonly pw?: { readonly m: number; readonly n: number; readonly tanh: boolean };
  readonly none?: boolean;
  /** Number of columns of the wide part. Without hidden layers, 0 is the linear model. */
  readonly wide?: number;
  /** True for the logistic loss, in which rows of a page are clicked independently. */
  readonly logistic?: boolean;
}

export function getShape64(config: ModelConfig): Shape64 {
  const { dims, wide } = config;
  const common = { dims, wide, logistic: config.loss === "logistic" };
  if (config.encoder === "lstm") return { H: config.lstmUnits, ...common };
  if (config.encoder === "none") return { H: 0, none: true, ...common };
  const { pwLags: m, pwWeightings: n, pwNonlinearity } = config;
  return { H: 0, pw: { m, n, tanh: pwNonlinearity === "tanh" }, ...common };
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

function addScaled(y: number[], factor: number, x: readonly number[]): void {
  for (let j = 0; j < y.length; j++) y[j] = (y[j] ?? NaN) + factor * (x[j] ?? NaN);
}
function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let j = 0; j < a.length; j++) sum += (a[j] ?? NaN) * (b[j] ?? NaN);
  return sum;
}

/** Returns x W + b. Skips zeros of x, which may be one-hot. */
export function computeAffine64(x: number[], W: number[][], b: number[]): number[] {
  const y = [...b];
  x.forEach((xi, i) => {
    if (xi !== 0) addScaled(y, xi, W[i] ?? []);
  });
  return y;
}
/** Adds x^T dy to dW and dy to db. @returns the first `wanted` entries of dx */
function affineBackward(
  x: number[],
  W: number[][],
  dy: number[],
  dW: number[][],
  db: number[],
  wanted: number,
): number[] {
  addScaled(db, 1, dy);
  x.forEach((xi, i) => {
    if (xi !== 0) addScaled(dW[i] ?? [], xi, dy);
  });
  return W.slice(0, wanted).map((row) => dot(row, dy));
}

export interface Page64 {
  readonly u: number[];
  /** Position of the clicked item on the page; -1 for no click. */
  readonly clicked: number;
  /** True for a context event (history that is not predicted), whose slopes are 0. */
  readonly given: boolean;
}

/** Returns d loss / d output (the slopes) for every row of a page; undefined if no gradients are needed. */
type Slopes = (page: Page64, index: number) => number[] | undefined;

/** Computes a network's output for every row of a batch, and all gradients for given output slopes. */
export function computeNetwork64(log: ClickLog, users: ArrayLike<number>, p: Parameters64, shape: Shape64) {
  const pages: Page64[] = [];
  walk64(log, users, p, shape, (page) => void pages.push(page));
  return { pages, gradients: (slopes: Slopes) => walk64(log, users, p, shape, slopes) };
}

/** Returns the mean loss of a batch, the utilities of its rows, and the gradient of every parameter. */
export function computeLossAndGradients64(
  log: ClickLog,
  users: ArrayLike<number>,
  p: Parameters64,
  shape: Shape64,
) {
  const { pages, gradients } = computeNetwork64(log, users, p, shape);
  const counted = pages.filter(({ given }) => !given);
  const sumValues = (z: readonly number[]) => z.reduce((s, x) => s + Math.exp(x), 1);
  const effects = p.get("position/effect")?.[0] ?? [];
  const effectAt = (place: number) => Math.min(place, effects.length) - 1;
  const logits = ({ u }: Page64) => u.map((x, k) => x + (effects[effectAt(k)] ?? 0));
  const computeLoss = (z: readonly number[], clicked: number) => {
    const all = shape.logistic
      ? z.reduce((sum, x) => sum + Math.log1p(Math.exp(x)), 0)
      : Math.log(sumValues(z));
    return all - (z[clicked] ?? 0);
  };
  const slopes = (page: Page64) => {
    const z = logits(page);
    const probability = (x: number) => shape.logistic ? sigmoid(x) : Math.exp(x) / sumValues(z);
    return z.map((x, k) => (probability(x) - (k === page.clicked ? 1 : 0)) / counted.length);
  };
  const found = gradients(slopes);
  if (effects.length > 0) {
    const dEffects = effects.map(() => 0);
    for (const page of counted) {
      slopes(page).forEach((slope, k) => {
        if (k > 0) dEffects[effectAt(k)] = (dEffects[effectAt(k)] ?? NaN) + slope;
      });
    }
    found.set("position/effect", [dEffects]);
  }
  return {
    loss: counted.reduce((s, page) => s + computeLoss(logits(page), page.clicked), 0) / counted.length,
    utilities: pages.flatMap(({ u }) => u),
    gradients: found,
  };
}

export interface User64 {
  /** Features of the items that the user clicked, the oldest click first. */
  readonly clicks: readonly number[][];
  readonly h: number[];
  readonly c: number[];
  /** Input of the LSTM at the last click; `z`: sums of the gates at this click. */
  readonly x: number[];
  readonly z: number[];
}

/** Contributions of an item's counts to the first layer's sums and to the utility. */
export interface Counted64 {
  readonly layer: readonly number[];
  readonly term: number;
}

export class Forward64 {
  readonly F: number;
  /** Number of columns of the state that the first layer gets. */
  readonly D: number;
  readonly lstmW: number[][];
  readonly layerW: number[][][];
  readonly layerB: number[][];
  readonly outW: number[];
  readonly wide: Wide64 | undefined;
  readonly #features = new Map<number, number[]>();
  readonly #initial: User64;

  constructor(
    private readonly items: ItemFeatures,
    private readonly p: Parameters64,
    private readonly shape: Shape64,
  ) {
    const { H, dims, pw, none, wide = 0 } = shape;
    const N = dims[0] ?? 0;
    this.F = items.kind === "one-hot" ? items.count : items.width;
    this.D = none ? 0 : pw ? this.F * pw.n : H;
    const get = (name: string) => p.get(name) ?? [];
    // [D, N]; a table [I, n N] holds the same values in the same order.
    const flat = get("utility/layer1/state_kernel").flat();
    const stateW = Array.from({ length: this.D }, (_, k) => flat.slice(k * N, (k + 1) * N));
    this.lstmW = [...get("encoder/lstm/input_kernel"), ...get("encoder/lstm/recurrent_kernel")];
    this.layerW = dims.map((_, k) =>
      k === 0 ? [...stateW, ...get("utility/layer1/item_kernel")] : get(`utility/layer${k + 1}/kernel`)
    );
    this.layerB = dims.map((_, k) => get(`utility/layer${k + 1}/bias`)[0] ?? []);
    this.outW = get("utility/output/kernel")[0] ?? [];
    this.wide = wide > 0 || dims.length === 0 ? new Wide64(p, Math.max(1, wide)) : undefined;
    const zeros = new Array<number>(H).fill(0);
    this.#initial = { clicks: [], h: zeros, c: zeros, x: [], z: [] };
  }

  features(item: number): number[] {
    const { items } = this;
    const found = this.#features.get(item) ??
      (items.kind === "one-hot"
        ? Array.from({ length: items.count }, (_, k) => (k === item ? 1 : 0))
        : Array.from(items.values.subarray(item * items.width, (item + 1) * items.width)));
    this.#features.set(item, found);
    return found;
  }

  initial(): User64 {
    return this.#initial;
  }

  next({ clicks, h, c }: User64, item: number): User64 {
    const f = this.features(item);
    const past = [...clicks, f];
    const { H, pw, none } = this.shape;
    if (pw || none) return { ...this.#initial, clicks: past };
    const x = [...f, ...h];
    const z = computeAffine64(x, this.lstmW, this.p.get("encoder/lstm/bias")?.[0] ?? []);
    const cell = c.map((value, j) =>
      sigmoid((z[2 * H + j] ?? NaN) + 1) * value + sigmoid(z[j] ?? NaN) * Math.tanh(z[H + j] ?? NaN)
    );
    const own = cell.map((value, j) => sigmoid(z[3 * H + j] ?? NaN) * Math.tanh(value));
    return { clicks: past, h: own, c: cell, x, z };
  }

  seen({ clicks, h }: User64) {
    const { pw, none } = this.shape;
    const recent = pw ? clicks.slice(-pw.m).reverse() : [];
    const bias = pw?.tanh ? (this.p.get("encoder/pw/bias") ?? []).flat() : undefined;
    const W = this.p.get("encoder/pw/weights") ?? [];
    const state = none ? [] : pw ? pwState64(recent, this.F, pw.n, W, bias) : h;
    return { recent, state, wide: this.wide?.state(clicks) };
  }

  /** @returns the input of each layer, the output of the last one, and the utility */
  row({ state, wide }: ReturnType<Forward64["seen"]>, item: number, counted?: Counted64) {
    const f = this.features(item);
    let x = [...state, ...f];
    const inputs = [x];
    this.layerW.forEach((W, k) => {
      const more = k === 0 ? counted?.layer : undefined;
      x = computeAffine64(x, W, this.layerB[k] ?? []).map((sum, j) => {
        const z = sum + (more?.[j] ?? 0);
        return z > 0 ? z : Math.expm1(z);
      });
      inputs.push(x);
    });
    const deep = this.layerW.length > 0 ? dot(x, this.outW) : 0;
    const outB = this.p.get("utility/output/bias")?.[0]?.[0] ?? NaN;
    return { inputs, u: outB + deep + (wide?.term(f) ?? 0) + (counted?.term ?? 0) };
  }
}

function walk64(
  log: ClickLog,
  users: ArrayLike<number>,
  p: Parameters64,
  shape: Shape64,
  slopes: Slopes,
): Parameters64 {
  const { H, dims, pw, none } = shape;
  const model = new Forward64(log.items, p, shape);
  const { F, D, lstmW, layerW, layerB, outW } = model;
  const get = (name: string) => p.get(name) ?? [];
  const only = (name: string) => get(name)[0] ?? [];
  const dPwW = zerosLike(get("encoder/pw/weights"));
  const dPwB = get("encoder/pw/bias").flat().map(() => 0);
  const dLstmW = zerosLike(lstmW);
  const dLstmB = only("encoder/lstm/bias").map(() => 0);
  const dLayerW = layerW.map(zerosLike);
  const dLayerB = layerB.map((b) => b.map(() => 0));
  const dOutW = outW.map(() => 0);
  let dOutB = 0;

  let index = 0;
  for (const user of Array.from(users)) {
    let own = model.initial();
    const trace: { x: number[]; z: number[]; c: number[]; cNext: number[]; fed: boolean; ds: number[] }[] =
      [];
    for (let e = log.userEvents[user] ?? 0; e < (log.userEvents[user + 1] ?? 0); e++) {
      const click = log.eventClick[e] ?? NONE;
      const [first, end] = [log.eventRows[e] ?? 0, log.eventRows[e + 1] ?? 0];
      const seen = model.seen(own);
      const rows = Array.from(log.rowItem.subarray(first, end), (item) => model.row(seen, item));
      const page = {
        u: rows.map(({ u }) => u),
        clicked: click === NONE ? -1 : click - first,
        given: log.eventKind?.[e] === 1,
      };
      const wanted = slopes(page, index++);
      const slope = page.given ? [] : wanted ?? [];
      // Backward over the page, down to the state.
      const ds = seen.state.map(() => 0);
      slope.forEach((du, k) => {
        const { inputs } = rows[k] ?? { inputs: [] };
        const top = inputs.at(-1) ?? [];
        dOutB += du;
        seen.wide?.backward(model.features(log.rowItem[first + k] ?? 0), du);
        if (dims.length === 0) return;
        addScaled(dOutW, du, top);
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
            layer > 0 ? dims[layer - 1] ?? NaN : D,
          );
        }
        addScaled(ds, 1, d);
      });
      if (pw && slope.length > 0) {
        const { n } = pw;
        ds.forEach((value, column) => {
          const [k, j] = [Math.floor(column / n), column % n];
          const dz = pw.tanh ? value * (1 - (seen.state[column] ?? NaN) ** 2) : value;
          if (pw.tanh) dPwB[column] = (dPwB[column] ?? NaN) + dz;
          seen.recent.forEach((f, lag) => {
            const row = dPwW[lag] ?? [];
            row[j] = (row[j] ?? NaN) + dz * (f[k] ?? NaN);
          });
        });
      }
      // A click changes the state.
      const fed = click !== NONE;
      const before = own;
      if (fed) own = model.next(before, log.rowItem[click] ?? 0);
      const { x, z, c: cNext } = own;
      if (wanted && !pw && !none) trace.push({ x, z, c: before.c, cNext, fed, ds });
    }
    let [dh, dc] = [own.h.map(() => 0), own.h.map(() => 0)];
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
        dh = affineBackward(x, lstmW, dz, dLstmW, dLstmB, F + H).slice(-H);
      }
      dh = dh.map((value, j) => value + (ds[j] ?? NaN));
    }
  }
  const shaped = (name: string, values: number[]) => {
    const columns = only(name).length;
    return get(name).map((_, row) => values.slice(row * columns, (row + 1) * columns));
  };
  const gradients: Parameters64 = new Map([
    ["utility/output/bias", [[dOutB]]],
    ...model.wide?.gradients() ?? [],
  ]);
  if (dims.length > 0) {
    gradients.set("utility/layer1/item_kernel", (dLayerW[0] ?? []).slice(D));
    gradients.set("utility/output/kernel", [dOutW]);
  }
  if (!none) {
    const name = "utility/layer1/state_kernel";
    gradients.set(name, shaped(name, (dLayerW[0] ?? []).slice(0, D).flat()));
  }
  if (pw) {
    gradients.set("encoder/pw/weights", dPwW);
    if (pw.tanh) gradients.set("encoder/pw/bias", shaped("encoder/pw/bias", dPwB));
  } else if (!none) {
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

/** Returns the state [F n]: feature k in weighted sum j is at k n + j. @param recent clicks, latest first */
function pwState64(
  recent: readonly number[][],
  F: number,
  n: number,
  W: number[][],
  bias: readonly number[] | undefined,
): number[] {
  return Array.from({ length: F * n }, (_, column) => {
    const [k, j] = [Math.floor(column / n), column % n];
    let sum = bias?.[column] ?? 0;
    recent.forEach((f, lag) => {
      if (f[k] !== 0) sum += (f[k] ?? NaN) * (W[lag]?.[j] ?? NaN);
    });
    return bias ? Math.tanh(sum) : sum;
  });
}

/** Wide part (b + A h) . (B f), where h = sum of w_lag f_lag over the last clicks. Without A: 1 . (B f). */
class Wide64 {
  readonly #gradients: Parameters64 = new Map();

  constructor(private readonly p: Parameters64, private readonly K: number) {
    for (const name of ["weights", "bias", "state_kernel", "item_kernel"]) {
      const values = p.get(`wide/${name}`);
      if (values) this.#gradients.set(`wide/${name}`, zerosLike(values));
    }
  }

  gradients(): Parameters64 {
    return this.#gradients;
  }

  state(clicks: readonly number[][]) {
    const { p, K } = this;
    const of = (name: string) => p.get(`wide/${name}`) ?? [];
    const recent = clicks.slice(-20).reverse();
    const columns = Array.from({ length: K }, (_, k) => k);
    const product = (W: number[][], k: number, f: readonly number[]) =>
      f.reduce((sum, x, i) => x === 0 ? sum : sum + x * (W[i]?.[k] ?? NaN), 0);
    const [bias = columns.map(() => 1)] = of("bias");
    const h = (recent[0] ?? []).map((_, i) =>
      recent.reduce((sum, f, lag) => sum + (of("weights")[lag]?.[0] ?? NaN) * (f[i] ?? NaN), 0)
    );
    const crossed = of("weights").length > 0;
    const a = columns.map((k) => (bias[k] ?? NaN) + (crossed ? product(of("state_kernel"), k, h) : 0));
    const add = (name: string, row: number, column: number, value: number) => {
      const to = this.#gradients.get(`wide/${name}`)?.[row];
      if (to) to[column] = (to[column] ?? NaN) + value;
    };
    return {
      term: (f: number[]) =>
        columns.reduce((sum, k) => sum + (a[k] ?? NaN) * product(of("item_kernel"), k, f), 0),
      backward: (f: number[], slope: number) => {
        for (const k of columns) {
          f.forEach((x, i) => add("item_kernel", i, k, slope * (a[k] ?? NaN) * x));
          if (!crossed) continue;
          const da = slope * product(of("item_kernel"), k, f);
          add("bias", 0, k, da);
          h.forEach((x, i) => add("state_kernel", i, k, da * x));
          recent.forEach((clicked, lag) =>
            add("weights", lag, 0, da * product(of("state_kernel"), k, clicked))
          );
        }
      },
    };
  }
}

export class Adam64 {
  readonly #m = new Map<string, number[][]>();
  readonly #v = new Map<string, number[][]>();
  #t = 0;
  constructor(readonly learningRate: number) {}

  step(parameters: Parameters64, gradients: Parameters64): void {
    const at = { t: ++this.#t, learningRate: this.learningRate };
    for (const [name, W] of parameters) {
      const [m, v] = [this.#m.get(name) ?? zerosLike(W), this.#v.get(name) ?? zerosLike(W)];
      this.#m.set(name, m);
      this.#v.set(name, v);
      W.forEach((w, i) =>
        adamReference({ w, m: m[i] ?? [], v: v[i] ?? [] }, gradients.get(name)?.[i] ?? [], at)
      );
    }
  }
}

export interface Trajectory64 {
  readonly steps: readonly { readonly loss: number; readonly gradients: Parameters64 }[];
  readonly end: Parameters64;
}
const trajectories = new WeakMap<ClickLog, Map<string, Trajectory64>>();

/** Runs steps of Adam, and updates the weights in place. Equal starts share one cached trajectory. */
export function trainTrajectory64(
  log: ClickLog,
  batches: readonly Iterable<number>[],
  start: Parameters64,
  config: ModelConfig,
  learningRate: number,
): Trajectory64 {
  const known = trajectories.get(log) ?? new Map<string, Trajectory64>();
  trajectories.set(log, known);
  const users = batches.map((batch) => Array.from(batch));
  const key = JSON.stringify([users, [...start], config, learningRate]);
  const adam = new Adam64(learningRate);
  const found = known.get(key) ?? {
    steps: users.map((batch) => {
      const { loss, gradients } = computeLossAndGradients64(log, batch, start, getShape64(config));
      adam.step(start, gradients);
      return { loss, gradients };
    }),
    end: start,
  };
  known.set(key, found);
  return found;
}
