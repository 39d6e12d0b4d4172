/** Creates test cases of exercises: ops with inputs of a given size. */

import { clickDimensions, type ClickSizes } from "../batch/click_sizes.ts";
import { buildReferenceBatch } from "../batch/reference_batch.ts";
import type { ItemFeatures } from "../data/click_log.ts";
import { createRandomStream } from "../data/random.ts";
import { alignBinding } from "../gpu/arena.ts";
import type { Gpu } from "../gpu/device.ts";
import { asBufferView, type View } from "../gpu/memory.ts";
import { adamRate, adamReference, AdamState } from "../ops/adam.ts";
import { sparsemax } from "../ops/minimax.ts";
import { PageBuffers } from "../simulate/page_buffers.ts";
import { ParameterArena } from "../tape/parameters.ts";
import { createBatchTrial } from "../selftest/batch_cases.ts";
import {
  CANARY,
  CanaryArena,
  createStepHeader,
  FINITE_CANARY,
  type KernelTrial,
  listIndices,
  listWriters,
  toFloats,
} from "../selftest/harness.ts";
import type { LadderSize } from "../ladder/check_ladder.ts";
import { createChoicePages, type UtilityFunction } from "../ladder/choice_ladder.ts";
import { makePwState } from "../selftest/ops/encoder_recipes.ts";
import { makeBatchNorm, makeMixedProduct } from "../selftest/ops/layer_recipes.ts";
import { makeExactMinimax } from "../selftest/ops/loss_recipes.ts";
import { U } from "../selftest/ops/op_batches.ts";
import { createOpTrial, useBuffers } from "../selftest/ops/op_run.ts";
import { drawNormals } from "../selftest/optimiser_bench.ts";
import { chooseTrial, listShownSlates } from "../selftest/pages/page_cases.ts";
import { createScoreTrialRows, scoreTrial, type ScoreTrialRows } from "../selftest/slates/slate_cases.ts";
import type { TrainingPage } from "../selftest/small_logs.ts";
import { createHistoryLog, createOneHotItems, createRowsBatch, logOfPages } from "../selftest/small_logs.ts";

/** Number of items in {@link rankTrial}; at most 32, because one word of the input has a bit per item. */
const RANKED_ITEMS = 20;

/**
 * Creates a test case of batch_rank.wgsl. Word 0 of its input has a bit per item, which is set if the batch
 * has the item. The other words have a bit per row, set if the batch has the row. Each user has one row.
 * @param size - [words]
 * @param word - returns word w > 0 of the input. By default, each bit is set with probability 1/4.
 */
export function rankTrial(
  gpu: Gpu,
  [W = 2]: LadderSize,
  word?: (w: number) => number,
): KernelTrial<ClickSizes> {
  const rows = 32 * (W - 1);
  const random = createRandomStream(3, "rank", W);
  const drawn = () => Math.floor(random.uniform() * 2 ** 32);
  const words = listIndices(W - 1).map((w) => (word?.(w + 1) ?? (drawn() & drawn())) >>> 0);
  const getItem = (row: number) => Math.floor(row * RANKED_ITEMS / rows);
  const users = listIndices(rows).filter((row) => ((words[row >>> 5] ?? 0) >>> (row & 31)) & 1);
  const pages = listIndices(rows).map((row): TrainingPage[] => [[[getItem(row)], -1]]);
  const log = logOfPages(createOneHotItems(RANKED_ITEMS), pages);
  const items = users.reduce((bits, row) => (bits | (1 << getItem(row))) >>> 0, 0);
  let before = 0;
  const expected = [items, ...words].flatMap((word) => {
    const own = [word, before];
    for (let rest = word; rest !== 0; rest = (rest & (rest - 1)) >>> 0) before++;
    return own;
  });
  const trial = createBatchTrial(gpu, { log, users });
  const { views = {} } = trial.specs.find(({ kernel }) => kernel.name.startsWith("batch_rank")) ?? {};
  const { bits, ranked } = views;
  if (!bits || !ranked) {
    throw new Error(`Expected the bindings "bits" and "ranked" in kernel batch_rank.`);
  }
  return {
    ...trial,
    start: () => clear(gpu, asBufferView(bits)),
    views: [ranked],
    named: new Map([[ranked, "ranked"]]),
    async compare(found, specs, checks) {
      const by = { kernels: ["batch_rank"], what: "ranked", columns: 2, named: () => ` of [${W}, 2]` };
      checks.same(
        Array.from(found(ranked).slice(0, 2 * W), (word) => word === CANARY ? NaN : word),
        expected,
        by,
      );
      await trial.compare(found, specs, checks);
    },
  };
}

function clear({ queue }: Gpu, { buffer, offset, size }: View): void {
  queue.writeBuffer(buffer, offset, new Uint8Array(size));
}

export interface TableRule {
  /** Returns a row's item (the first `items` rows show each item once). @param u - random number in [0, 1) */
  readonly getItem?: (u: number, items: number) => number;
  readonly clicks?: (event: number) => boolean;
}

const popular = (u: number, items: number) => Math.floor(items * u ** 3);

/**
 * Creates a test case for the gradient of a table with one row per item. At each event, the op reads
 * the table row of the item that was clicked at the previous event.
 * @param size - [events, items, columns]. Each event shows three items, of which the user clicks one or none.
 */
export function createTableTrial(
  gpu: Gpu,
  [E = 1, D = 1, N = 1]: LadderSize,
  { getItem: itemOf = popular, clicks = (e) => e % 7 !== 3 }: TableRule = {},
): KernelTrial<ClickSizes> {
  const random = createRandomStream(3, "table gradient", E, D, N);
  const rows = listIndices(Math.max(3 * E, D)).map((r) => r < D ? r : itemOf(random.uniform(), D));
  const pages = listIndices(E).map((e): TrainingPage => [
    rows.slice(3 * e, e + 1 < E ? 3 * e + 3 : undefined),
    clicks(e) ? e % 3 : -1,
  ]);
  const own = Uint32Array.from(listIndices(D + 1));
  const tokens = { count: D, first: own, token: own.slice(0, D) };
  const items: ItemFeatures = { kind: "mixed", count: D, width: 0, values: new Float32Array(), tokens };
  const batch = { log: logOfPages(items, [pages]), users: [0] };
  const trial = createOpTrial(
    gpu,
    { ...makeMixedProduct("events", N)(batch), tolerance: 4 * U * (E + 8) },
    useBuffers(gpu),
  );
  // A row that is an input of no event gets the index E, after the last event, where a kernel reads canaries.
  const fed = buildReferenceBatch(batch.log, batch.users).rows.flatMap((
    { fedEvent },
  ) => [0, 0, 0, Math.min(fedEvent, E)]);
  const row = trial.arena.upload("fed", Uint32Array.from(fed));
  const specs = trial.specs.map((spec) =>
    spec.kernel.name !== "embedding_gradient"
      ? spec
      : { ...spec, constants: { ...spec.constants, NONE: E }, views: { ...spec.views, row } }
  );
  return { ...trial, specs };
}

/** Tests batch norm. @param size - [rows, columns] @param hard - true: some columns are nearly constant */
export function createNormTrial(gpu: Gpu, [R = 1, N = 1]: LadderSize, hard = false): KernelTrial<ClickSizes> {
  const c = makeBatchNorm(true, "elu", N)(createRowsBatch(R));
  const random = createRandomStream(3, "norm", R, N);
  const kinds = [() => 0.5, (r: number) => 1000 + (r % 3 - 1) / 64];
  const x = Float32Array.from(
    { length: R * N },
    (_, k) => kinds[hard ? k % N % 3 : 2]?.(Math.floor(k / N)) ?? 2 * random.uniform() - 1,
  );
  // The running statistics are not compared, because each run updates the statistics again.
  return createOpTrial(
    gpu,
    { ...c, moves: undefined, values: new Map([["x", x]]), tolerance: 4 * U * 64 },
    useBuffers(gpu),
  );
}

/** Number of rows of the batch (so many that a gradient has several partial sums), and Adam's step t. */
const ADAM = { rows: 1027, iteration: 3 };

export function countAdamParameters([P = 1]: LadderSize): number {
  return alignBinding(4 * P) / 4;
}

/** Creates a case of Adam. @param size - [parameters] @param hard - true: some gradients are 0 or 1e-8 */
export function createAdamTrial(gpu: Gpu, size: LadderSize, hard = false): KernelTrial<ClickSizes> {
  const P = countAdamParameters(size);
  const sizes = { users: 1, events: 1, rows: ADAM.rows, items: 1 };
  const chunks = clickDimensions.countChunks(sizes);
  const scaled = (name: string, length: number, by = 1) =>
    drawNormals(length, name, P).map((x, k) => by * x * (hard ? [0, 1e-8, 1][k % P % 3] ?? NaN : 1));
  const [w, m, partials] = [drawNormals(P, "w"), scaled("m", P, 0.1), scaled("partials", chunks * P)];
  const v = m.map((x) => x * x);
  const gradient = Float64Array.from(
    w,
    (_, k) => listIndices(chunks).reduce((sum, chunk) => sum + (partials[chunk * P + k] ?? NaN), 0),
  );
  const after = { w: Float64Array.from(w), m: Float64Array.from(m), v: Float64Array.from(v) };
  adamReference(after, gradient, { t: ADAM.iteration, learningRate: 0.001 });
  using stack = new DisposableStack();
  const adam = stack.use(
    new AdamState(stack.use(new ParameterArena(gpu, [{ name: "p", rows: 4, columns: P / 4 }]))),
  );
  const [spec] = adam.dispatches({ dimensions: clickDimensions, sparseRows: new Map() });
  if (!spec) throw new Error("Expected a dispatch of Adam, got none.");
  // Canaries are finite numbers, so that a result that a kernel computes from them is wrong but not NaN.
  const arena = stack.use(new CanaryArena(gpu, "adam", 64, FINITE_CANARY));
  const views = {
    partials: arena.upload("partials", partials),
    gradient: arena.allocate("gradient", 4 * P),
    ...{ weights: arena.allocate("w", 4 * P), m: arena.allocate("m", 4 * P), v: arena.allocate("v", 4 * P) },
  };
  const initial = [[views.weights, w], [views.m, m], [views.v, v]] as const;
  const wanted = [["weights", after.w], ["m", after.m], ["v", after.v], ["gradient", gradient]] as const;
  const purpose = { learningRate: adamRate(0.001, ADAM.iteration), iteration: ADAM.iteration };
  const owned = stack.move();
  return {
    ...{ arena, ...createStepHeader(arena, clickDimensions, { sizes, counted: 1 }, purpose) },
    specs: [{ ...spec, views: { ...spec.views, ...views }, invocations: [P / 4] }],
    start: () => initial.forEach(([{ buffer }, data]) => gpu.queue.writeBuffer(buffer, 0, data)),
    views: Object.values(views),
    named: new Map(wanted.map(([name]) => [views[name], name])),
    compare(words, specs, checks) {
      for (const [name, expected] of wanted) {
        const kernels = listWriters(specs, views[name]);
        if (kernels.length === 0) continue;
        const most = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-3);
        const by = { kernels, what: name, columns: P, named: () => ` of [1, ${P}]` };
        checks.numbers(toFloats(words(views[name])), expected, {
          ...by,
          tolerance: 4 * U * (chunks + 16) * most,
        });
      }
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}

const [LAGS, WEIGHTINGS] = [8, 4];

/** Returns the number of events of a user: `most`, or `most` - 1 for every second user. */
function getUserLength(user: number, most: number): number {
  return Math.max(1, most - user % 2);
}

export function countEvents([users = 1, most = 1]: LadderSize): number {
  return listIndices(users).reduce((sum, user) => sum + getUserLength(user, most), 0);
}

/** Tests pw_state_forward. @param size - [users, events, features] @param hard - half the users never click */
export function createLastClicksTrial(
  gpu: Gpu,
  [users = 1, most = 1, F = 1]: LadderSize,
  hard = false,
): KernelTrial<ClickSizes> {
  const log = createHistoryLog(users, {
    events: (user) => getUserLength(user, most),
    clicks: (e, user) => hard ? user % 2 === 0 && e % 3 !== 1 : e % 7 !== 3,
    width: F,
  });
  const c = makePwState(false, { columns: F, lags: LAGS, weightings: WEIGHTINGS })({
    log,
    users: listIndices(users),
  });
  return createOpTrial(gpu, { ...c, forwardOnly: true }, useBuffers(gpu));
}

const GENERATOR_ETA = 0.5;

/** Creates a test of exact_minimax.wgsl, which uses sparsemax. @param size - [events, rows per page] */
export function createSparsemaxTrial(
  gpu: Gpu,
  size: LadderSize,
  utility?: UtilityFunction,
): KernelTrial<ClickSizes> {
  const pages = createChoicePages(size, utility);
  const game = {
    eta: 1,
    generatorEta: GENERATOR_ETA,
    etaByPage: false,
    utilityPenalty: 0,
    skipNoClick: true,
  };
  const trial = createOpTrial(gpu, { ...makeExactMinimax(game)(pages), ...pages }, useBuffers(gpu));
  const { views: { policy } = {} } = trial.specs.find(({ kernel }) => kernel.name === "exact_minimax") ?? {};
  if (!policy) {
    throw new Error("Expected a binding named policy in kernel exact_minimax, found none.");
  }
  const u = pages.values?.get("u") ?? [];
  const { log: { eventRows } } = pages;
  const expected = listIndices(eventRows.length - 1).flatMap((e) =>
    sparsemax(Array.from(u.slice(eventRows[e], eventRows[e + 1]), (x) => GENERATOR_ETA * x))
  );
  return {
    ...trial,
    views: [...trial.views, policy],
    named: new Map([...trial.named ?? [], [policy, "policy"]]),
    async compare(words, specs, checks) {
      const by = { kernels: listWriters(specs, policy), what: "policy", columns: 1 };
      checks.numbers(toFloats(words(policy)), expected, {
        ...{ ...by, tolerance: 4 * U * 57 },
        named: (row) => ` of [${expected.length}, 1]${pages.named?.("rows", row) ?? ""}`,
      });
      await trial.compare(words, specs, checks);
    },
  };
}

/** Creates a test of the clicks of simulated users on two pages. @param size - [users, items per page] */
export function drawTrial(
  gpu: Gpu,
  [users = 1, slate = 1]: LadderSize,
  utility: (normal: number) => number = (normal) => normal,
): KernelTrial<ClickSizes> {
  const arena = new CanaryArena(gpu, "draw");
  const page = new PageBuffers(gpu, arena, { users, slate, items: 16 * slate, pages: 2, startClicks: 0 });
  return chooseTrial(page, arena, {
    eta: 1,
    rules: { reward: "click", leave: 0, patience: 100 },
    utilities: drawNormals(users * slate, "draw", users, slate).map(utility),
    shown: listShownSlates(page),
  });
}

/** Inputs that replace the random inputs of {@link createSlateTrial}. */
export interface SlateRule extends Partial<Pick<ScoreTrialRows, "taken" | "equal">> {
  readonly weights?: (unit: number) => number;
  readonly table?: (item: number, unit: number) => number;
}

/** Creates a test case of slate scores. @param size - [users, items, hidden units] */
export function createSlateTrial(
  gpu: Gpu,
  [rows = 1, items = 1, units = 4]: LadderSize,
  rule: SlateRule = {},
): KernelTrial<ClickSizes> {
  const usual = createScoreTrialRows({ rows, items, units });
  const { weights, table, ...others } = rule;
  const arena = new CanaryArena(gpu, "slates");
  const sizes = { users: rows, events: rows, rows, items };
  const own = { arena, dimensions: clickDimensions, rows: "users", items: "items", capacity: sizes } as const;
  const drawn = drawNormals(items * units, "all items", units);
  const scored = {
    ...usual,
    equal: (item: number) => item,
    ...others,
    ...(weights && { weights: usual.weights.map((_, n) => weights(n)) }),
    table: table ? drawn.map((_, k) => table(Math.floor(k / units), k % units)) : drawn,
  };
  const bench = {
    gpu,
    arena,
    rows: own,
    textured: (name: string, data: Float32Array<ArrayBuffer>) => arena.upload(name, data),
  };
  const step = createStepHeader(arena, clickDimensions, { sizes, counted: 1 });
  return scoreTrial(bench, step, { rows, items, units }, { scored, plain: true });
}
