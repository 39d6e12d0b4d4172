/**
 * What every dispatch says it costs, against a count by hand: the bench divides by it, so that a factor too many would
 * pass for speed. `p(n)` are n columns with their padding; an f32 is 4 bytes.
 */

import assert from "node:assert/strict";
import { BatchBuffers } from "../../src/batch/batch_buffers.ts";
import { bitWords, DeviceLog } from "../../src/batch/device_log.ts";
import { batchCapacity, Plan } from "../../src/batch/plan.ts";
import { clickDimensions, type ClickDispatch } from "../../src/batch/click_sizes.ts";
import type { ClickLog } from "../../src/data/click_log.ts";
import { shopItems } from "../../src/data/demo_shop.ts";
import { shopNamed } from "../../src/data/shops.ts";
import { Arena } from "../../src/gpu/arena.ts";
import type { AdapterKind } from "../../src/gpu/kernel_shapes.ts";
import type { Cost, DispatchSpec } from "../../src/gpu/program.ts";
import { AdamState } from "../../src/ops/adam.ts";
import { batchNorm } from "../../src/ops/batch_norm.ts";
import { choiceNll } from "../../src/ops/choice_nll.ts";
import { firstLayer } from "../../src/ops/first_layer.ts";
import { linear } from "../../src/ops/linear.ts";
import { itemTerm } from "../../src/ops/item_term.ts";
import { lstm } from "../../src/ops/lstm.ts";
import { exactMinimax, type GameOptions, minimax } from "../../src/ops/minimax.ts";
import { mixedProduct } from "../../src/ops/mixed_product.ts";
import { pwState } from "../../src/ops/pw_state.ts";
import { pwTable } from "../../src/ops/pw_table.ts";
import { rowDot } from "../../src/ops/row_dot.ts";
import { defaultPolicyTraining } from "../../src/policy/learning/config.ts";
import { PolicyTrainer } from "../../src/policy/learning/policy_trainer.ts";
import { pageReward } from "../../src/policy/learning/q_loss.ts";
import { clickLists, lstmStep, passOver, pushClick, takeRows } from "../../src/simulate/carried.ts";
import { fill } from "../../src/simulate/pool.ts";
import { Page } from "../../src/simulate/page.ts";
import { ShopSource } from "../../src/simulate/shop_users.ts";
import { popularSlate, topSlate } from "../../src/simulate/slates.ts";
import { Starts } from "../../src/simulate/start.ts";
import { ParameterArena, type ParameterSpec } from "../../src/tape/parameters.ts";
import { ClickTape } from "../../src/batch/click_tape.ts";
import type { Tensor } from "../../src/tape/tensor.ts";
import { few, mixed, oneHot, rareTokens } from "../../src/selftest/ops/op_batches.ts";
import { type Leaf, withGpu } from "../op_check.ts";

/** FLOPs and bytes. */
type Pair = readonly [flops: number, bytes: number];

/** Two batches; the first has one chunk of rows, the second three. */
const batches = [
  { users: 3, events: 5, rows: 17, items: 4, chunks: 1 },
  { users: 4, events: 19, rows: 600, items: 6, chunks: 3 },
];
type Counts = typeof batches[number];

const p = (columns: number) => 4 * Math.ceil(columns / 4);

interface CostCase {
  readonly log?: ClickLog;
  readonly kind?: AdapterKind;
  readonly leaves?: readonly Leaf[];
  readonly parameters?: readonly ParameterSpec[];
  readonly touchedOnly?: boolean;
  /** Evaluates only. */
  readonly forwardOnly?: boolean;
  build(tape: ClickTape, tensor: (name: string) => Tensor): Tensor;
  /** Of every dispatch by its label. */
  readonly expected: Readonly<Record<string, (s: Counts) => Pair>>;
}

function assertCosts(specs: readonly DispatchSpec[], expected: CostCase["expected"]): void {
  assert.deepEqual(specs.map(({ label }) => label).sort(), Object.keys(expected).sort());
  for (const { label, cost } of specs) {
    for (const sizes of batches) {
      const { flops, bytes } = cost(sizes);
      assert.deepEqual([flops, bytes], expected[label]?.(sizes), `${label}, ${JSON.stringify(sizes)}`);
    }
  }
}

const ring = (tape: ClickTape) => tape.options.arena.allocate("ring", 32);

function costCase(name: string, c: CostCase): void {
  Deno.test(`cost: ${name}`, () =>
    withGpu(c.kind ?? "cpu", (gpu) => {
      const log = c.log ?? few.log;
      const capacity = batchCapacity(log, "all", log.userSplit.length);
      const arena = new Arena(gpu, "cost");
      const deviceLog = new DeviceLog(gpu, log);
      const plan = new Plan(gpu, log, capacity, 1);
      const parameters = new ParameterArena(gpu, c.parameters ?? []);
      const batch = new BatchBuffers(arena, plan.view, deviceLog, capacity);
      const { shapes } = gpu;
      const tape = new ClickTape(batch, { arena, parameters, capacity, shapes, touchedOnly: c.touchedOnly });
      try {
        const leaves = new Map((c.leaves ?? []).map((leaf) => {
          const { rows, columns, trainable = true, packed, activation } = leaf;
          const more = { trainable, activation, ...(packed && { stride: 1 }) };
          return [leaf.name, tape.tensor(leaf.name, rows, columns, more)];
        }));
        const output = c.build(tape, (name) => leaves.get(name) ?? tape.parameter(name));
        tape.place();
        const forward = tape.forward();
        assertCosts(c.forwardOnly ? forward : [...forward, ...tape.backward([output])], c.expected);
      } finally {
        for (const part of [arena, deviceLog, plan, parameters]) part.destroy();
      }
      return Promise.resolve();
    }));
}

const product = (m: number, K: number, N: number, copies = 1): Pair => [
  2 * m * K * N,
  4 * (m * (p(K) + p(N)) + copies * p(K) * p(N)),
];

const fewItems = few.log.items.count;
const plus = ([flops, bytes]: Pair, more: number): Pair => [flops, bytes + more];
/** A product whose input's rows are picked from a matrix of `from`. */
const gathered = (m: number, from: number, K: number, N: number, copies = 1): Pair =>
  plus(product(m, K, N, copies), -4 * Math.max(0, m - from) * p(K));

for (const kind of ["cpu", "gpu"] as const) {
  for (const [K, N, elu] of [[1, 1, false], [5, 17, true], [64, 32, true]] as const) {
    costCase(`linear ${K} -> ${N}, ${kind} shapes`, {
      kind,
      leaves: [{ name: "x", rows: "rows", columns: K, ...(elu && { activation: "elu" as const }) }],
      parameters: [{ name: "w", rows: K, columns: N }, { name: "b", rows: 1, columns: N }],
      build: (tape, t) =>
        linear(tape, "y", { input: t("x"), weights: t("w"), bias: t("b") }, { activation: "elu" }),
      expected: {
        "y forward": ({ rows }) => product(rows, K, N),
        "y gradient of weights": ({ rows, chunks }) => product(rows, K, N, chunks),
        // The slope of the input's own activation follows from the input: it is read, too.
        "y gradient of input": ({ rows }) => plus(product(rows, K, N), elu ? 4 * rows * p(K) : 0),
      },
    });
  }
}
costCase("a layer that makes the next one's dots in two panels", {
  leaves: [{ name: "x", rows: "rows", columns: 7 }],
  parameters: [
    { name: "w", rows: 7, columns: 21 },
    { name: "v", rows: 1, columns: 21 },
    { name: "b", rows: 1, columns: 1 },
  ],
  build: (tape, t) => {
    const input = linear(tape, "y", { input: t("x"), weights: t("w") });
    return rowDot(tape, "u", { input, weights: t("v"), bias: t("b") });
  },
  expected: {
    "y forward": ({ rows }) => {
      const [flops, bytes] = product(rows, 7, 21);
      return [flops + 2 * rows * 21, bytes + 4 * rows * 2];
    },
    "u forward": ({ rows }) => [2 * rows, 4 * rows * 3],
    "u gradients": ({ rows }) => [5 * rows * 21, 4 * rows * (2 * 24 + 1)],
    "y gradient of weights": ({ rows, chunks }) => product(rows, 7, 21, chunks),
    "y gradient of input": ({ rows }) => product(rows, 7, 21),
  },
});
for (const K of [1, 6, 64]) {
  costCase(`row_dot of ${K}`, {
    leaves: [{ name: "x", rows: "rows", columns: K }],
    parameters: [{ name: "w", rows: 1, columns: K }, { name: "b", rows: 1, columns: 1 }],
    build: (tape, t) => rowDot(tape, "u", { input: t("x"), weights: t("w"), bias: t("b") }),
    expected: {
      "u forward": ({ rows }) => [2 * rows * K, 4 * rows * (p(K) + 1)],
      "u gradients": ({ rows }) => [5 * rows * K, 4 * rows * (2 * p(K) + 1)],
    },
  });
}

const utilities: Leaf = { name: "u", rows: "rows", columns: 1, packed: true };
const logits: Leaf = { name: "z", rows: "rows", columns: 1, packed: true };
const game: GameOptions = {
  eta: 1,
  generatorEta: 1,
  etaByPage: false,
  utilityPenalty: 0,
  skipNoClick: false,
};
costCase("choice_nll", {
  leaves: [utilities],
  build: (tape, t) => choiceNll(tape, "loss", t("u"), ring(tape), { train: true, eta: 1 }),
  expected: {
    "loss forward and gradient": ({ rows, events }) => [20 * rows, 8 * rows + 32 * events],
    "loss sum": ({ events }) => [4 * events, 16 * events],
  },
});
costCase("choice_nll with places", {
  leaves: [utilities],
  parameters: [{ name: "p", rows: 1, columns: 6 }],
  build: (tape, t) => choiceNll(tape, "loss", t("u"), ring(tape), { train: true, eta: 1, place: t("p") }),
  expected: {
    "loss forward and gradient": ({ rows, events }) => [20 * rows, 8 * rows + 32 * events],
    "loss gradient of p": ({ rows, events }) => [rows, 4 * rows + 8 * events * 6],
    "loss sum": ({ events }) => [4 * events, 16 * events],
  },
});
for (const N of [1, 6]) {
  costCase(`item_term of ${N}`, {
    leaves: [
      { name: "i", rows: "items", columns: N },
      { name: "s", rows: "events", columns: N },
      { ...utilities, name: "b" },
    ],
    build: (tape, t) => itemTerm(tape, "y", { item: t("i"), state: t("s"), base: t("b") }),
    expected: {
      "y forward": ({ rows, events, items }) => [2 * rows * N, 4 * p(N) * (items + events) + 12 * rows],
      "y gradients by event": ({ rows, events, items }) => [
        2 * rows * N,
        4 * p(N) * (items + events) + 12 * rows,
      ],
      "y gradient by item": ({ rows, events, items }) => [
        2 * rows * N,
        4 * p(N) * (items + events) + 16 * rows,
      ],
    },
  });
}
costCase("minimax", {
  leaves: [utilities, { ...logits, trainable: false }],
  build: (tape, t) => minimax(tape, "game", { u: t("u"), logits: t("z") }, ring(tape), "reward", game),
  expected: {
    "game and gradient of the reward": ({ rows, events }) => [40 * rows, 12 * rows + 48 * events],
    "game sum": ({ events }) => [8 * events, 32 * events],
  },
});
costCase("exact_minimax", {
  leaves: [utilities],
  build: (tape, t) => exactMinimax(tape, "game", t("u"), ring(tape), true, game).outcomes,
  expected: {
    // Every row is compared with every other of its page.
    "game and gradient of the reward": ({ rows, events }) => [
      4 * rows * rows / events + 40 * rows,
      12 * rows + 48 * events,
    ],
    "game sum": ({ events }) => [8 * events, 32 * events],
  },
});

for (const [F, H] of [[5, 3], [17, 20], [4, 33]] as const) {
  costCase(`lstm of ${H} units over ${F} features`, {
    leaves: [{ name: "f", rows: few.log.items.count, columns: F, trainable: false }],
    parameters: [
      { name: "x", rows: F, columns: 4 * H, groups: 4 },
      { name: "w", rows: H, columns: 4 * H, groups: 4 },
      { name: "b", rows: 1, columns: 4 * H, groups: 4 },
    ],
    build: (tape, t) =>
      lstm(tape, "s", { features: t("f"), inputWeights: t("x"), weights: t("w"), bias: t("b") }),
    expected: {
      "s input forward": ({ events }) => [
        2 * events * F * 4 * H,
        4 * (Math.min(events, fewItems) * p(F) + events * 4 * p(H) + p(F) * 4 * p(H)),
      ],
      // An event reads its input and writes gates, state and cell: 4 + 4 + 1 + 1.
      "s forward": ({ events }) => [2 * events * H * 4 * H, 4 * events * 10 * p(H)],
      "s gradient of gates": ({ events }) => [2 * events * H * 4 * H, 4 * events * 10 * p(H)],
      "s gradient of weights": ({ events, chunks }) => [
        2 * events * (F + H) * 4 * H,
        4 * (Math.min(events, fewItems) * p(F) + events * 5 * p(H) + chunks * (p(F) + p(H)) * 4 * p(H)),
      ],
    },
  });
}
for (const touchedOnly of [false, true]) {
  costCase(`lstm over a table${touchedOnly ? ", touched rows" : ""}`, {
    log: oneHot.log,
    touchedOnly,
    parameters: [
      { name: "x", rows: 70, columns: 24, groups: 4, table: true },
      { name: "w", rows: 6, columns: 24, groups: 4 },
      { name: "b", rows: 1, columns: 24, groups: 4 },
    ],
    build: (tape, t) => lstm(tape, "s", { inputWeights: t("x"), weights: t("w"), bias: t("b") }),
    expected: {
      "s forward": ({ events }) => [2 * events * 6 * 24, 4 * events * 10 * 8],
      "s gradient of gates": ({ events }) => [2 * events * 6 * 24, 4 * events * 10 * 8],
      "s gradient of weights": ({ events, chunks }) => [
        2 * events * 6 * 24,
        4 * (events * (8 + 32) + chunks * 8 * 32),
      ],
      "s gradient of x": ({ events }) => [24 * events, 4 * 32 * (touchedOnly ? 2 * events : events + 70)],
    },
  });
}
for (const N of [3, 16]) {
  costCase(`first_layer of ${N}`, {
    leaves: [{ name: "i", rows: "items", columns: N }, { name: "s", rows: "events", columns: N }],
    build: (tape, t) => firstLayer(tape, "h", { item: t("i"), state: t("s") }),
    expected: {
      "h forward": ({ rows, events, items }) => [3 * rows * N, 4 * p(N) * (items + events + rows)],
      "h gradients of both parts": ({ rows, events, items }) => [
        2 * rows * N,
        4 * p(N) * (rows + events + items),
      ],
    },
  });
}
costCase("first_layer over a table", {
  log: oneHot.log,
  leaves: [{ name: "s", rows: "events", columns: 5 }],
  parameters: [{ name: "i", rows: 70, columns: 5, table: true }],
  build: (tape, t) => firstLayer(tape, "h", { item: t("i"), state: t("s") }),
  expected: {
    "h forward": ({ rows, events, items }) => [3 * rows * 5, 4 * 8 * (items + events + rows)],
    "h gradients of both parts": ({ rows, events }) => [2 * rows * 5, 4 * 8 * (rows + events + 70)],
  },
});

for (const N of [3, 16]) {
  for (const training of [true, false]) {
    costCase(`batch_norm of ${N}, ${training ? "training" : "running"}`, {
      forwardOnly: !training,
      leaves: [{ name: "x", rows: "rows", columns: N }],
      parameters: ["scale", "shift", "mean", "variance"].map((name, k) => ({
        name,
        rows: 1,
        columns: N,
        statistic: k > 1,
      })),
      build: (tape, t) =>
        batchNorm(tape, "n", {
          input: t("x"),
          scale: t("scale"),
          shift: t("shift"),
          mean: t("mean"),
          variance: t("variance"),
        }, { training }),
      expected: {
        "n forward": ({ rows }) => [3 * rows * N, 4 * 2 * rows * p(N)],
        ...(training && {
          "n statistics": ({ rows, chunks }) => [4 * rows * N, 4 * p(N) * (rows + 2 * chunks)],
          "n gradient of scale and shift": ({ rows, chunks }) => [
            4 * rows * N,
            4 * p(N) * (2 * rows + 4 * chunks),
          ],
          "n gradient of input": ({ rows }) => [7 * rows * N, 4 * 3 * rows * p(N)],
        }),
      },
    });
  }
}

for (const tanh of [false, true]) {
  const sigma = tanh ? "tanh" : "none";
  const [m, n, F, N, I] = [6, 3, 5, 9, 70];
  costCase(`pw_state, ${sigma}`, {
    leaves: [{ name: "f", rows: few.log.items.count, columns: F, trainable: false }],
    parameters: [
      { name: "w", rows: m, columns: n },
      ...(tanh ? [{ name: "b", rows: 1, columns: F * n }] : []),
    ],
    build: (tape, t) =>
      pwState(tape, "s", { features: t("f"), weights: t("w"), bias: tanh ? t("b") : undefined }),
    expected: {
      "s forward": ({ events }) => [
        2 * events * m * F * n,
        4 * (Math.min(events, fewItems) * p(F) + events * p(F * n)),
      ],
      "s gradient by event": ({ events }) => [
        2 * events * m * F * n,
        4 * (Math.min(events, fewItems) * p(F) + events * ((tanh ? 2 : 1) * p(F * n) + m * p(n))),
      ],
      "s gradient of weights": ({ events }) => [
        events * (m * n + (tanh ? 4 * F * n : 0)),
        4 * events * (m * p(n) + (tanh ? 2 * p(F * n) : 0)),
      ],
    },
  });
  /** @param own floats of an event beside the rows of the table that clicks pick, and of the output or its gradient */
  const look = ({ events }: Counts, own: number): Pair => [
    2 * events * m * n * N,
    4 * events * ((n + 1) * p(N) + own),
  ];
  costCase(`pw_table, ${sigma}`, {
    log: oneHot.log,
    parameters: [
      { name: "t", rows: I, columns: n * N, groups: n, table: true },
      { name: "w", rows: m, columns: n },
      { name: "l", rows: 1, columns: N },
      ...(tanh ? [{ name: "i", rows: I, columns: n, table: true }] : []),
    ],
    build: (tape, t) =>
      pwTable(tape, "s", {
        table: t("t"),
        weights: t("w"),
        layerBias: t("l"),
        itemBias: tanh ? t("i") : undefined,
      }),
    expected: {
      "s forward": (s) => look(s, tanh ? m * p(n) : 0),
      "s gradient by event": (s) => look(s, (tanh ? 4 : 1) * m * p(n)),
      "s gradient of weights": ({ events }) => [events * (m * n + N), 4 * events * (m * p(n) + p(N))],
      // It reads no table, and writes a row of it for each click.
      "s gradient of clicks": (s) => look(s, tanh ? (2 * m + 1) * p(n) : 0),
      "s gradient of t": ({ events }) => [
        (events + (tanh ? 2 * I : 0)) * n * N,
        4 * (events + I) * n * p(N),
      ],
      ...(tanh && {
        "s base": () => [2 * I * n * N, 4 * I * n * p(N)],
        "s window": ({ events }) => [events * m * (m + 50) * n, 4 * events * (3 * m + 1) * p(n)],
        "s gradient of i": ({ events }) => [
          (2 * I * N + events) * n,
          4 * (I * n * p(N) + (events + 2 * I) * p(n)),
        ],
      }),
    },
  });
}

/** Tokens of the `count` items that have the most. */
function mostTokens({ items }: ClickLog, count: number): number {
  if (items.kind !== "mixed") throw new Error("expected tokens");
  const { first } = items.tokens;
  const counts = Array.from({ length: items.count }, (_, i) => (first[i + 1] ?? 0) - (first[i] ?? 0));
  return counts.sort((a, b) => b - a).slice(0, count).reduce((sum, x) => sum + x, 0);
}
for (const rows of ["items", "events"] as const) {
  const { log } = mixed.few;
  const [N, F, V] = [6, 5, 6];
  costCase(`mixed_product: ${rows}`, {
    log,
    leaves: [{ name: "f", rows: log.items.count, columns: F, trainable: false }],
    parameters: [{ name: "t", rows: V, columns: N, table: true }, { name: "w", rows: F, columns: N }],
    build: (tape, t) =>
      mixedProduct(tape, "y", { table: t("t"), dense: { features: t("f"), weights: t("w") } }, rows),
    expected: {
      "y forward": (s) => gathered(s[rows], log.items.count, F, N),
      "y tokens": (s) => {
        const sums = mostTokens(log, s[rows]);
        return [sums * N, 4 * (Math.min(sums, V) + 2 * s[rows]) * p(N)];
      },
      "y gradient of weights": (s) => gathered(s[rows], log.items.count, F, N, s.chunks),
      ...(rows === "events" && {
        // Padding too: the gradient stands by item beside no parameter.
        "y gradient by fed item": (s) => [s.events * p(N), 4 * (s.events + s.items) * p(N)],
      }),
      "y stretches of t": (s) => {
        const sums = mostTokens(log, Math.min(s.items, s[rows]));
        return [sums * N, 4 * Math.min(sums, s.items, s[rows]) * p(N)];
      },
      "y gradient of t": (s) => {
        const sums = mostTokens(log, Math.min(s.items, s[rows]));
        return [sums * N, 4 * (Math.min(sums, s.items, s[rows]) + V) * p(N)];
      },
    },
  });
}
costCase("mixed_product: touched rows", {
  log: rareTokens.log,
  touchedOnly: true,
  parameters: [{ name: "t", rows: 500, columns: 17, table: true }],
  build: (tape, t) => mixedProduct(tape, "y", { table: t("t") }, "items"),
  expected: {
    "y tokens": ({ items }) => {
      const sums = mostTokens(rareTokens.log, items);
      return [sums * 17, 4 * (Math.min(sums, 500) + items) * 20];
    },
    "y stretches of t": ({ items }) => {
      const sums = mostTokens(rareTokens.log, items);
      return [sums * 17, 4 * Math.min(sums, items) * 20];
    },
    "y gradient of t": ({ items }) => {
      const sums = mostTokens(rareTokens.log, items);
      return [sums * 17, 4 * (Math.min(sums, items) + Math.min(sums, 500)) * 20];
    },
  },
});

Deno.test("cost: laying out a batch", () =>
  withGpu("cpu", (gpu) => {
    const { log } = oneHot;
    const capacity = batchCapacity(log, "all", log.userSplit.length);
    const arena = new Arena(gpu, "cost");
    const deviceLog = new DeviceLog(gpu, log);
    const plan = new Plan(gpu, log, capacity, 1);
    const batch = new BatchBuffers(arena, plan.view, deviceLog, capacity);
    const words = bitWords(deviceLog.itemBits) + bitWords(log.rowItem.length);
    assertCosts(batch.layout(), {
      "batch expand": ({ events, rows }) => [0, 52 * events + 36 * rows],
      "batch rank": () => [0, 20 * words],
      "batch group": ({ rows }) => [0, 48 * rows],
    });
    for (const part of [arena, deviceLog, plan]) part.destroy();
    return Promise.resolve();
  }));

Deno.test("cost: adam, a parameter and a partial sum at a time", () =>
  withGpu("cpu", (gpu) => {
    const specs: ParameterSpec[] = [
      { name: "kernel", rows: 9, columns: 17 },
      { name: "table", rows: 90, columns: 5, table: true },
    ];
    const parameters = new ParameterArena(gpu, specs);
    const adam = new AdamState(parameters);
    const { length, summed } = parameters;
    assertCosts(adam.dispatches({ dimensions: clickDimensions, touched: new Map() }), {
      adam: ({ chunks }) => [10 * length + summed * chunks, 28 * length + 4 * summed * chunks],
    });
    const arena = new Arena(gpu, "cost");
    const table = parameters.get("table");
    const view = arena.allocate("list", 1024);
    const touched = new Map([[table, { count: "items" as const, list: view, gradient: view }]]);
    assertCosts(adam.dispatches({ dimensions: clickDimensions, touched }), {
      // The table goes by row; what is left are the summed parameters.
      adam: ({ chunks }) => [10 * summed + summed * chunks, 28 * summed + 4 * summed * chunks],
      "adam of touched rows of table": ({ items }) => [10 * items * 8, 28 * items * 8],
    });
    for (const part of [arena, adam, parameters]) part.destroy();
    return Promise.resolve();
  }));

/** Of a policy over a shop: U users, k items of I a page; B remembered pages of S numbers a state, L hidden units. */
const [U, k, I, T, B, L, EPISODES] = [64, 3, 70, 4, 128, 8, 3];
const [PANELS, STATE] = [3, 4]; // of 32 items; of a state with page / T, padded
/** Of every label, for so many rows; the same networks run for users and for remembered pages. */
const networkCosts = (algorithm: "cdqn" | "gdqn"): Record<string, (rows: number) => Pair> => {
  const later = (slot: number) => algorithm === "cdqn" ? (k - 1 - slot) * L : 0;
  const pick = (later: number, panels = PANELS) => (rows: number): Pair => [
    rows * (panels + later + L),
    4 * rows * (2 * panels + 3 * later + 2 * L + 4),
  ];
  const value = (slot: number) => (rows: number): Pair => [
    rows * (4 * L + later(slot)),
    4 * rows * (4 * L + 3 * later(slot)),
  ];
  const slots = Array.from({ length: k }, (_, slot) => slot);
  const wanted = algorithm === "gdqn" ? k : 1;
  const score = (rows: number): Pair => [3 * rows * I * L, 4 * L * (rows + I) + 12 * rows * PANELS];
  const columns = slots.reduce((sum, slot) => sum + L + later(slot), 0);
  return {
    "state and time": (rows) => [0, 8 * rows * STATE],
    "first base": pick(0, 0),
    ...Object.fromEntries(slots.flatMap((slot) => [
      [`score ${slot + 1}`, score],
      [`pick ${slot + 1}`, pick(later(slot))],
      [`online values of slates ${slot + 1}`, value(slot)],
      [`older values of slates ${slot + 1}`, value(slot)],
    ])),
    "online values of slates gradients": (rows) => [6 * rows * k * L, 4 * rows * (2 * k * L + columns)],
    "wanted values": (rows) => [2 * rows, rows * (16 + 4 * wanted + 4)],
    "loss of values": (rows) => [6 * rows * k, rows * (8 * p(k) + 36)],
    "loss of values sum": (rows) => [4 * rows, 16 * rows],
  };
};
const shown: Record<string, Pair> = {
  "page mask": [0, 8 * U * PANELS],
  "remember the start": [0, 8 * U * STATE],
  explore: [0, 12 * U * k],
  // A state for each user, and of the items those that must differ.
  "shop utilities": [40 * U * k, 8 * U * k + 16 * (U + Math.min(U * k, I))],
  choose: [30 * U * k, 12 * U * k + 40 * U],
  "shop step": [9 * U, 64 * U],
  "remember a page": [0, U * (8 * STATE + 8 * k + 44)],
  "starts of remembered users": [0, 12 * U],
  "draw remembered pages": [0, B * (16 + 8 * EPISODES)],
  "recall pages": [0, B * (16 * STATE + 8 * k + 40)],
  "masks of remembered pages": [0, 8 * B * (PANELS + T / 2 + 1)],
};
for (const algorithm of ["cdqn", "gdqn"] as const) {
  Deno.test(`cost: a page and a lesson of ${algorithm}`, () =>
    withGpu("cpu", async (gpu) => {
      const config = {
        ...{ ...defaultPolicyTraining, algorithm, users: U, slate: k, pages: T, rows: B, hidden: L },
        ...{ replay: (EPISODES - 1) * U * T, steps: U * T },
      };
      const source = new ShopSource(shopNamed("restless") ?? assert.fail(), shopItems(1, I));
      const trainer = await PolicyTrainer.create(gpu, source, config);
      const { page, lesson } = trainer.calls;
      const network = networkCosts(algorithm);
      const seen = new Set<string>();
      const check = (calls: typeof page | typeof lesson, rows: number) => {
        for (const { program: { dispatches }, sizes } of calls) {
          for (const { spec: { label, cost } } of dispatches) {
            const expected = shown[label] ?? network[label]?.(rows);
            if (!expected) continue; // of layers, and of Adam: above
            seen.add(label);
            const { flops, bytes } = (cost as (s: typeof sizes) => Cost)(sizes);
            assert.deepEqual([flops, bytes], expected, label);
          }
        }
      };
      check(page, U);
      check(lesson, B);
      assert.deepEqual([...seen].sort(), [...Object.keys(shown), ...Object.keys(network)].sort());
      trainer.destroy();
    }));
}

Deno.test("cost: what simulates users, and rewards of a page", () =>
  withGpu("cpu", (gpu) => {
    const arena = new Arena(gpu, "cost");
    const page = new Page(gpu, arena, { users: 9, slate: 2, items: 70, pages: 4, startClicks: 3 });
    const view = arena.allocate("anything", 4096);
    const [stride, columns] = [8, 5];
    const state: Tensor = {
      ...{ name: "state", rows: "events", columns, groups: 1, stride, view, trainable: false },
    };
    const lists = clickLists(page, arena);
    const specs: ClickDispatch[] = [
      fill("words", view, 3),
      new Starts(page, [[1, 2, 3]]).feed(),
      lstmStep(page, { input: state, product: state, state, cell: view }),
      pushClick(page, lists),
      passOver(page, view),
      takeRows(state, view),
      popularSlate(page, view),
      topSlate(page, view),
      pageReward({ users: 9 }, { outcome: view, ring: view }) as ClickDispatch,
    ];
    assertCosts(specs as unknown as DispatchSpec[], {
      words: ({ users }) => [0, 12 * users],
      "feed click": ({ users }) => [0, 36 * users],
      "encoder/lstm/state step": ({ events }) => [40 * events * columns, 48 * events * stride],
      "push click": ({ users }) => [0, 40 * users],
      "pass over": ({ users }) => [0, (16 + 12 * 2) * users],
      "state of some users": ({ events }) => [0, 8 * events * stride],
      "popular slate": ({ users }) => [0, 16 * users * 2],
      "top slate": ({ users, rows }) => [0, 4 * rows + 4 * 2 * users],
      "rewards of the page": () => [2 * 9, 16 * 9],
    });
    arena.destroy();
    return Promise.resolve();
  }));
