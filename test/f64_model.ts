/**
 * The whole model in f64, written directly from the formulas: features are concatenated for every displayed
 * row, one-hot items are vectors, and events are processed one by one. Each number records the numbers that
 * it was computed from, so gradients follow from the formulas. This code shares only parameter names with the
 * kernels and the tape.
 */

import { adamReference } from "../src/ops/adam.ts";
import { type ClickLog, type ItemFeatures, NONE } from "../src/data/click_log.ts";
import type { ChoiceMetrics } from "../src/data/ranking.ts";
import { MetricCollector } from "../src/metrics/metric_collector.ts";
import type { ModelConfig } from "../src/model/model_config.ts";

/** Returns a log with a dense matrix of item features: one column per token, then the dense features. */
export function toDenseLog(log: ClickLog): ClickLog {
  const { items } = log;
  if (items.kind !== "mixed") throw new Error(`Expected mixed features, got ${items.kind}`);
  const { count, width: F, values, tokens } = items;
  const width = tokens.count + F;
  const wide = new Float32Array(count * width);
  for (let item = 0; item < count; item++) {
    for (const id of tokens.token.subarray(tokens.first[item], tokens.first[item + 1])) {
      wide[item * width + id] = 1;
    }
    wide.set(values.subarray(item * F, (item + 1) * F), item * width + tokens.count);
  }
  return { ...log, items: { kind: "dense", count, width, values: wide } };
}

/** Parameters by name: [rows][columns] numbers. */
export type Parameters64 = Map<string, number[][]>;

export function toParameters64(
  weights: ReadonlyMap<string, ArrayLike<number>>,
  specs: readonly { name: string; rows: number; columns: number }[],
): Parameters64 {
  return new Map(specs.map(({ name, rows, columns }) => {
    const values = Array.from(weights.get(name) ?? []);
    return [name, Array.from({ length: rows }, (_, i) => values.slice(i * columns, (i + 1) * columns))];
  }));
}

/** A number `x` that was computed from `inputs`, and its derivatives with respect to them. */
class Value64 {
  /** Derivative of the final output with respect to this number; {@link addSlopes} computes it. */
  slope = 0;

  constructor(
    readonly x: number,
    readonly inputs: readonly Value64[] = [],
    readonly derivatives: readonly number[] = [],
  ) {}
}

/** A constant 0, for example most features of a one-hot item. Products with this 0 are not computed. */
const ZERO = new Value64(0);
const toConstants = (values: Iterable<number>) => Array.from(values, (x) => x === 0 ? ZERO : new Value64(x));

/** Returns start + sum_k a_k b_k. */
function addProducts(start: Value64, a: readonly Value64[], b: (k: number) => Value64): Value64 {
  let { x } = start;
  const inputs = [start];
  const derivatives = [1];
  a.forEach((left, k) => {
    if (left === ZERO) return;
    const right = b(k);
    x += left.x * right.x;
    inputs.push(left, right);
    derivatives.push(right.x, left.x);
  });
  return inputs.length > 1 ? new Value64(x, inputs, derivatives) : start;
}
const dot = (a: readonly Value64[], b: readonly Value64[]) => addProducts(ZERO, a, (k) => b[k]!);
/** Returns b + x W. */
const affine = (b: readonly Value64[], x: readonly Value64[], W: readonly Value64[][]) =>
  b.map((bias, j) => addProducts(bias, x, (i) => W[i]![j]!));
const add = (a: Value64, b: Value64) => new Value64(a.x + b.x, [a, b], [1, 1]);

function sigmoid(value: Value64, shift = 0): Value64 {
  const y = 1 / (1 + Math.exp(-value.x - shift));
  return new Value64(y, [value], [y * (1 - y)]);
}
function tanh(value: Value64): Value64 {
  const y = Math.tanh(value.x);
  return new Value64(y, [value], [1 - y * y]);
}
function elu(value: Value64, shift = 0): Value64 {
  const z = value.x + shift;
  return z > 0 ? new Value64(z, [value], [1]) : new Value64(Math.expm1(z), [value], [Math.exp(z)]);
}

/** Backpropagates the outputs' derivatives to all numbers that the outputs were computed from. */
function addSlopes(outputs: readonly Value64[]): void {
  const order = new Set<Value64>();
  const visit = (value: Value64) => {
    if (order.has(value)) return;
    value.inputs.forEach(visit);
    order.add(value);
  };
  outputs.forEach(visit);
  for (const { slope, inputs, derivatives } of [...order].reverse()) {
    inputs.forEach((input, k) => input.slope += slope * derivatives[k]!);
  }
}

export interface Page64 {
  readonly u: number[];
  /** Position of the clicked item on the page; -1 for no click. */
  readonly clicked: number;
  /** True for a context event (history that is not predicted), which has zero gradients. */
  readonly given: boolean;
}

interface ComputedPage extends Page64 {
  readonly utilities: readonly Value64[];
}

function computePages(log: ClickLog, users: ArrayLike<number>, model: Forward64): ComputedPage[] {
  return Array.from(users).flatMap((user) => {
    let state = model.initial;
    const events = Array.from(log.eventClick.subarray(log.userEvents[user], log.userEvents[user + 1]));
    return events.map((click, k): ComputedPage => {
      const event = log.userEvents[user]! + k;
      const first = log.eventRows[event]!;
      const seen = model.seen(state);
      const items = log.rowItem.subarray(first, log.eventRows[event + 1]);
      const utilities = Array.from(items, (item) => model.utility(seen, item));
      if (click !== NONE) state = model.next(state, log.rowItem[click]!);
      return {
        ...{ utilities, u: utilities.map(({ x }) => x), given: log.eventKind?.[event] === 1 },
        clicked: click === NONE ? -1 : click - first,
      };
    });
  });
}

/**
 * Computes a network's output for every row of a batch. `gradients`, which is called at most once, returns
 * all gradients, given d loss / d output of each page's rows.
 */
export function computeNetwork64(
  log: ClickLog,
  users: ArrayLike<number>,
  p: Parameters64,
  config: ModelConfig,
) {
  const model = new Forward64(log.items, p, config);
  const pages = computePages(log, users, model);
  const gradients = (slopes: (page: Page64, index: number) => number[]) => {
    for (const [index, page] of pages.entries()) {
      if (page.given) continue;
      slopes(page, index).forEach((slope, k) => page.utilities[k]!.slope = slope);
    }
    addSlopes(pages.flatMap(({ utilities }) => utilities));
    return model.slopes();
  };
  return { pages: pages as readonly Page64[], gradients };
}

/** Returns the mean loss of a batch, the utilities of its rows, and the gradient of every parameter. */
export function computeLossAndGradients64(
  log: ClickLog,
  users: ArrayLike<number>,
  p: Parameters64,
  config: ModelConfig,
) {
  const model = new Forward64(log.items, p, config);
  const pages = computePages(log, users, model);
  const effects = model.row("position/effect");
  const computeLoss = ({ utilities, clicked }: ComputedPage) => {
    const logits = utilities.map((u, k) => {
      const effect = effects[Math.min(k, effects.length) - 1];
      return effect && k > 0 ? add(u, effect) : u;
    });
    const exponentials = logits.map(({ x }) => Math.exp(x));
    const total = exponentials.reduce((sum, v) => sum + v, 1);
    const all = config.loss === "logistic"
      ? exponentials.reduce((sum, v) => sum + Math.log1p(v), 0)
      : Math.log(total);
    const slopes = exponentials.map((v, k) =>
      v / (config.loss === "logistic" ? 1 + v : total) - (k === clicked ? 1 : 0)
    );
    return new Value64(all - (logits[clicked]?.x ?? 0), logits, slopes);
  };
  const losses = pages.filter(({ given }) => !given).map(computeLoss);
  for (const loss of losses) loss.slope = 1 / losses.length;
  addSlopes(losses);
  return {
    loss: losses.reduce((sum, { x }) => sum + x, 0) / losses.length,
    utilities: pages.flatMap(({ u }) => u),
    gradients: model.slopes(),
  };
}

export interface User64 {
  /** Features of the items that the user clicked, oldest click first. */
  readonly clicks: readonly (readonly Value64[])[];
  readonly h: readonly Value64[];
  readonly c: readonly Value64[];
}

/** Contributions of an item's counts to the first layer's sums and to the utility. */
export interface Counted64 {
  readonly layer: readonly number[];
  readonly term: number;
}

export class Forward64 {
  readonly initial: User64;
  readonly #weights: ReadonlyMap<string, Value64[][]>;
  readonly #features = new Map<number, readonly Value64[]>();

  constructor(private readonly items: ItemFeatures, p: Parameters64, private readonly config: ModelConfig) {
    this.#weights = new Map(
      [...p].map(([name, W]) => [name, W.map((row) => row.map((x) => new Value64(x)))]),
    );
    const zeros = new Array<Value64>(config.encoder === "lstm" ? config.lstmUnits : 0).fill(ZERO);
    this.initial = { clicks: [], h: zeros, c: zeros };
  }

  slopes(): Parameters64 {
    return new Map([...this.#weights].map(([name, W]) => [name, W.map((row) => row.map((w) => w.slope))]));
  }

  #get(name: string): Value64[][] {
    return this.#weights.get(name) ?? [];
  }
  row(name: string): Value64[] {
    return this.#get(name)[0] ?? [];
  }

  features(item: number): readonly Value64[] {
    const { items } = this;
    const found = this.#features.get(item) ?? toConstants(
      items.kind === "one-hot"
        ? Array.from({ length: items.count }, (_, k) => (k === item ? 1 : 0))
        : items.values.subarray(item * items.width, (item + 1) * items.width),
    );
    this.#features.set(item, found);
    return found;
  }

  next({ clicks, h, c }: User64, item: number): User64 {
    const { config } = this;
    const f = this.features(item);
    const past = [...clicks, f];
    if (config.encoder !== "lstm") return { ...this.initial, clicks: past };
    const H = config.lstmUnits;
    const W = [...this.#get("encoder/lstm/input_kernel"), ...this.#get("encoder/lstm/recurrent_kernel")];
    const z = affine(this.row("encoder/lstm/bias"), [...f, ...h], W);
    const cell = c.map((value, j) =>
      dot([sigmoid(z[2 * H + j]!, 1), sigmoid(z[j]!)], [value, tanh(z[H + j]!)])
    );
    return { clicks: past, c: cell, h: cell.map((value, j) => dot([sigmoid(z[3 * H + j]!)], [tanh(value)])) };
  }

  /** Computes what all items of a page share: the user state's terms of layer 1 and of the wide part. */
  seen({ clicks, h }: User64) {
    const bias = this.row("utility/layer1/bias");
    const state = this.config.encoder === "pw" ? this.#weighClicks(clicks) : h;
    // A matrix [D, N] or, for one-hot items, a table [I, n N] with the same values in the same order.
    const flat = this.#get("utility/layer1/state_kernel").flat();
    const base = bias.map((start, j) => addProducts(start, state, (k) => flat[k * bias.length + j]!));
    return { base, wide: this.#wideState(clicks) };
  }

  utility({ base, wide }: ReturnType<Forward64["seen"]>, item: number, counted?: Counted64): Value64 {
    const f = this.features(item);
    let x = affine(base, f, this.#get("utility/layer1/item_kernel"))
      .map((z, j) => elu(z, counted?.layer[j]));
    for (let k = 2; k <= this.config.dims.length; k++) {
      const z = affine(this.row(`utility/layer${k}/bias`), x, this.#get(`utility/layer${k}/kernel`));
      x = z.map((sum) => elu(sum));
    }
    const kernel = this.row("utility/output/kernel");
    const deep = addProducts(this.row("utility/output/bias")[0]!, x, (k) => kernel[k]!);
    const more = wide && dot(affine(wide.map(() => ZERO), f, this.#get("wide/item_kernel")), wide);
    const u = more ? add(deep, more) : deep;
    return counted ? new Value64(u.x + counted.term, [u], [1]) : u;
  }

  /** Returns the state [F * n] of position weights: feature k of weighted sum j has index k * n + j. */
  #weighClicks(clicks: User64["clicks"]): Value64[] {
    const { items, config } = this;
    if (config.encoder !== "pw") return [];
    const n = config.pwWeightings;
    const recent = clicks.slice(-config.pwLags).reverse();
    const W = this.#get("encoder/pw/weights");
    const bias = this.#get("encoder/pw/bias").flat();
    const F = items.kind === "one-hot" ? items.count : items.width;
    return Array.from({ length: F * n }, (_, column) => {
      const [k, j] = [Math.floor(column / n), column % n];
      const sum = addProducts(bias[column] ?? ZERO, recent.map((f) => f[k]!), (lag) => W[lag]![j]!);
      return config.pwNonlinearity === "tanh" ? tanh(sum) : sum;
    });
  }

  /** Returns the wide state b + A * sum(w_lag * features); ones without history, undefined if not wide. */
  #wideState(clicks: User64["clicks"]): readonly Value64[] | undefined {
    const columns = this.row("wide/item_kernel");
    if (columns.length === 0) return undefined;
    const w = this.#get("wide/weights");
    if (w.length === 0) return toConstants(columns.map(() => 1));
    const recent = clicks.slice(-20).reverse();
    const h = (recent[0] ?? []).map((_, i) =>
      addProducts(ZERO, recent.map((f) => f[i]!), (lag) => w[lag]![0]!)
    );
    return affine(this.row("wide/bias"), h, this.#get("wide/state_kernel"));
  }
}

export class Adam64 {
  readonly #m = new Map<string, number[][]>();
  readonly #v = new Map<string, number[][]>();
  #t = 0;
  constructor(readonly learningRate: number) {}

  step(parameters: Parameters64, gradients: Parameters64): void {
    const at = { t: ++this.#t, learningRate: this.learningRate };
    const zerosLike = (m: number[][]) => m.map((row) => row.map(() => 0));
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

/** Trains with Adam, and updates the weights in place. Trainings with equal starts share a cached result. */
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
      const { loss, gradients } = computeLossAndGradients64(log, batch, start, config);
      adam.step(start, gradients);
      return { loss, gradients };
    }),
    end: start,
  };
  known.set(key, found);
  return found;
}

/** Computes metrics from the utilities [R] of some users' rows. A metric without a value is NaN. */
export function computeChoiceMetrics(
  log: ClickLog,
  users: ArrayLike<number>,
  scores: ArrayLike<number>,
): ChoiceMetrics {
  const collector = new MetricCollector({ users: users.length, eta: 1 });
  collector.add({ log, places: users, scores });
  const { nll = NaN, prec1 = NaN, prec2 = NaN } = collector.tested().details.metrics;
  return { nll, prec1, prec2 };
}
