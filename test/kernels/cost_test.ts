/**
 * Compares the cost (FLOPs, bytes) of every dispatch with a count by hand. The bench's rates are cost / time,
 * so too large a cost would look like speed. `p(n)` is n columns with padding; an f32 has 4 bytes.
 */

import assert from "node:assert/strict";
import { BatchIndexBuffers } from "../../src/batch/batch_buffers.ts";
import { countBitWords, DeviceLog } from "../../src/batch/device_log.ts";
import { roundUp } from "../../src/batch/rank_bits.ts";
import { BatchPlan, computeBatchCapacity } from "../../src/batch/plan.ts";
import { clickDimensions } from "../../src/batch/click_sizes.ts";
import type { ClickLog } from "../../src/data/click_log.ts";
import { Arena } from "../../src/gpu/arena.ts";
import type { AdapterKind } from "../../src/gpu/kernel_variants.ts";
import type { DispatchSpec } from "../../src/gpu/program.ts";
import { BoundLadder } from "../../src/ladder/check_ladder.ts";
import { exercises } from "../../src/exercise/exercises.ts";
import { BestKeeper } from "../../src/train/best_keeper.ts";
import { ResultRing } from "../../src/train/training_results.ts";
import { AdamState } from "../../src/ops/adam.ts";
import { ParameterArena, type ParameterSpec } from "../../src/tape/parameters.ts";
import { makeLstm, makePwState, makePwTable, makeRowCounts } from "../../src/selftest/ops/encoder_recipes.ts";
import {
  makeBatchNorm,
  makeFirstLayer,
  makeFirstLayerOfState,
  makeItemTerm,
  makeLinear,
  makeLinearWithSums,
  makeMixedProduct,
  makeRowDot,
  makeRowDotOfLayer,
  makeRowDotOnLayer,
} from "../../src/selftest/ops/layer_recipes.ts";
import { makeChoice, makeExactMinimax, makeMinimax } from "../../src/selftest/ops/loss_recipes.ts";
import {
  chunks,
  few,
  getDenseWidth,
  getTokenCount,
  many,
  mixed,
  oneHot,
  rareTokens,
} from "../../src/selftest/ops/op_batches.ts";
import { createOpBench, drawInputs, type OpCase, recordOp } from "../../src/selftest/ops/op_bench.ts";
import { countWidth } from "../../src/counts/count_columns.ts";
import { withGpu } from "../op_check.ts";

type Pair = readonly [flops: number, bytes: number];

/** Batches. The first batch's rows are one chunk; the second's are three chunks, or ten on a GPU. */
const batches = [
  { users: 3, events: 5, rows: 17, items: 4, chunks: 1 },
  { users: 4, events: 19, rows: 600, items: 6, chunks: 3 },
];
type Counts = typeof batches[number];

const p = (columns: number) => 4 * Math.ceil(columns / 4);

type Expected = Readonly<Record<string, (s: Counts) => Pair>>;

function assertCosts(specs: readonly DispatchSpec[], expected: Expected, kind: AdapterKind = "cpu"): void {
  assert.deepEqual(specs.map(({ label }) => label).sort(), Object.keys(expected).sort());
  for (const { label, cost } of specs) {
    for (const batch of batches) {
      const sizes = kind === "gpu" ? { ...batch, chunks: Math.ceil(batch.rows / 64) } : batch;
      const { flops, bytes } = cost?.(sizes) ?? assert.fail(`${label} says no cost`);
      assert.deepEqual([flops, bytes], expected[label]?.(sizes), `${label}, ${JSON.stringify(sizes)}`);
    }
  }
}

function costCase(name: string, own: OpCase, expected: Expected, kind: AdapterKind = "cpu"): void {
  Deno.test(`cost: ${name}`, () =>
    withGpu(kind, (gpu) => {
      using stack = new DisposableStack();
      const bench = createOpBench(gpu, own, stack);
      const op = recordOp(bench, own, drawInputs(bench.tape, own).leaves, 1);
      assertCosts(op.own.slice(bench.batch.ownDispatches().length), expected, kind);
    }));
}

const product = (m: number, K: number, N: number, copies = 1): Pair => [
  2 * m * K * N,
  4 * (m * (p(K) + p(N)) + copies * p(K) * p(N)),
];

/** Cost of a dispatch that reads output gradient and input once, and writes the input gradient. */
const gradients = (m: number, K: number, N: number, chunks: number): Pair => [
  4 * m * K * N,
  4 * (m * (2 * p(K) + p(N)) + (1 + chunks) * p(K) * p(N)),
];

const plus = ([flops, bytes]: Pair, more: number): Pair => [flops, bytes + more];
/** Cost of a product whose input rows are gathered from a matrix of `from` rows. */
const gathered = (m: number, from: number, K: number, N: number, copies = 1): Pair =>
  plus(product(m, K, N, copies), -4 * Math.max(0, m - from) * p(K));

for (const kind of ["cpu", "gpu"] as const) {
  for (const [K, N, input] of [[1, 1, "none"], [5, 17, "elu"], [64, 32, "elu"]] as const) {
    costCase(`linear ${K} -> ${N}, ${kind} variants`, makeLinear(K, N, { input })(few), {
      "y forward": ({ rows }) => product(rows, K, N),
      ...(kind === "gpu" ? { "y gradients": ({ rows, chunks }) => gradients(rows, K, N, chunks) } : {
        "y gradient of weights": ({ rows, chunks }) => product(rows, K, N, chunks),
        // The input is also read, because the slope of its activation depends on it.
        "y gradient of input": ({ rows }) => plus(product(rows, K, N), input === "elu" ? 4 * rows * p(K) : 0),
      }),
    }, kind);
  }
}
costCase("row_dot of 6", makeRowDot(6)(few), {
  "u forward": ({ rows }) => [2 * rows * 6, 4 * rows * (8 + 1)],
  "u gradients": ({ rows }) => [5 * rows * 6, 4 * rows * (2 * 8 + 1)],
});

// The layer computes a dot product per panel of 16 columns of a row in registers; row_dot adds these up.
costCase("row_dot, made by a layer", makeRowDotOfLayer(12, 84)(chunks), {
  "h forward": ({ rows }) => {
    const [flops, bytes] = product(rows, 12, 84);
    return [flops + 2 * rows * 84, bytes + 4 * rows * 6];
  },
  "u forward": ({ rows }) => [rows * 6, 4 * rows * (6 + 1)],
  "u gradients": ({ rows }) => [5 * rows * 84, 4 * rows * (2 * 84 + 1)],
  "h gradient of weights": ({ rows, chunks }) => product(rows, 12, 84, chunks),
  "h gradient of input": ({ rows }) => product(rows, 12, 84),
});

const choice = ({ rows, events }: Counts): Pair => [20 * rows, 8 * rows + 32 * events];
const choiceSum = ({ events }: Counts): Pair => [4 * events, 16 * events];
costCase("choice_nll", makeChoice({})(few), { "loss forward and gradient": choice, "loss sum": choiceSum });
costCase("linear with the sums of a loss", makeLinearWithSums(20, 17, 2)(few), {
  "y forward": ({ rows }) => product(rows, 20, 17),
  "y gradient of weights, o sum": ({ rows, events, chunks }) => {
    const [flops, bytes] = product(rows, 20, 17, chunks);
    return [flops + 8 * events, bytes + 32 * events];
  },
}, "gpu");
// Weights of row_dot take 2 flops per number; the gradient of the layer's output takes 3.
costCase("row_dot, gradients computed by a layer", makeRowDotOnLayer(12, 20)(chunks), {
  "h forward": ({ rows }) => {
    const [flops, bytes] = product(rows, 12, 20);
    return [flops + 2 * rows * 20, bytes + 4 * rows];
  },
  "sum forward": ({ rows }) => [rows * (2 * 12 + 1), 4 * rows * (12 + 1 + 1)],
  "h and output gradients": ({ rows, chunks }) => {
    const [flops, bytes] = gradients(rows, 12, 20, chunks);
    return [flops + rows * (5 * 20 + 2 * 12), bytes + 4 * rows * (1 + 20 + 12)];
  },
}, "gpu");
costCase("choice_nll with places", makeChoice({ place: true })(few), {
  "loss forward and gradient": choice,
  "loss gradient of place": ({ rows, events }) => [rows, 4 * rows + 8 * events * 3],
  "loss sum": choiceSum,
});
for (const N of [1, 6]) {
  const bytes = ({ rows, events, items }: Counts, own: number) => 4 * p(N) * (items + events) + own * rows;
  costCase(`item_term of ${N}`, makeItemTerm(N)(few), {
    "u forward": (s) => [2 * s.rows * N, bytes(s, 12)],
    "u gradients by event": (s) => [2 * s.rows * N, bytes(s, 12)],
    "u gradient by item": (s) => [2 * s.rows * N, bytes(s, 16)],
  });
}
const gameSum = ({ events }: Counts): Pair => [8 * events, 32 * events];
costCase("minimax", makeMinimax("reward")(few), {
  "game and gradient of the reward": ({ rows, events }) => [40 * rows, 12 * rows + 48 * events],
  "game sum": gameSum,
});
costCase("exact_minimax", makeExactMinimax()(few), {
  // Every row is compared with every other of its page.
  "game and gradient of the reward": ({ rows, events }) => [
    4 * rows * rows / events + 40 * rows,
    12 * rows + 48 * events,
  ],
  "game sum": gameSum,
});

for (const [batch, H] of [[few, 3], [many, 20], [chunks, 33]] as const) {
  const [F, items] = [getDenseWidth(batch), batch.log.items.count];
  // An event reads its input and writes gates, state and cell: 4 + 4 + 1 + 1.
  const through = ({ events }: Counts): Pair => [2 * events * H * 4 * H, 4 * events * 10 * p(H)];
  costCase(`lstm of ${H} units over ${F} features`, makeLstm(H)(batch), {
    "s input forward": ({ events }) => [
      2 * events * F * 4 * H,
      4 * (Math.min(events, items) * p(F) + events * 4 * p(H) + p(F) * 4 * p(H)),
    ],
    "s forward": through,
    "s gradient of gates": through,
    "s gradient of weights": ({ events, chunks }) => [
      2 * events * (F + H) * 4 * H,
      4 * (Math.min(events, items) * p(F) + events * 5 * p(H) + chunks * (p(F) + p(H)) * 4 * p(H)),
    ],
  });
}
costCase("lstm over a table, sparse rows", makeLstm(6, { sparse: true })(oneHot), {
  "s forward": ({ events }) => [2 * events * 6 * 24, 4 * events * 10 * 8],
  "s gradient of gates": ({ events }) => [2 * events * 6 * 24, 4 * events * 10 * 8],
  "s gradient of weights": ({ events, chunks }) => [
    2 * events * 6 * 24,
    4 * (events * (8 + 32) + chunks * 8 * 32),
  ],
  "s gradient of x": ({ events }) => [24 * events, 4 * 32 * 2 * events],
});
for (const N of [3, 16]) {
  costCase(`first_layer of ${N}`, makeFirstLayer(N)(few), {
    "h forward": ({ rows, events, items }) => [3 * rows * N, 4 * p(N) * (items + events + rows)],
    "h gradients of item and state": ({ rows, events, items }) => [
      2 * rows * N,
      4 * p(N) * (rows + events + items),
    ],
  });
}
// On a GPU, this dispatch also computes the state's part, a layer of 3 x 5.
costCase("first_layer over a state that it makes", makeFirstLayerOfState(5, 3)(few), {
  "h forward": ({ rows, events, items }) => [
    3 * rows * 5 + 2 * events * 3 * 5,
    4 * (p(5) * (items + rows) + p(3) * (events + p(5))),
  ],
  "h gradients of item and state": (
    { rows, events, items },
  ) => [2 * rows * 5, 4 * 8 * (rows + events + items)],
  "state gradients": ({ events, chunks }) => gradients(events, 3, 5, chunks),
}, "gpu");
for (const N of [3, 16]) {
  for (const training of [true, false]) {
    const name = `batch_norm of ${N}, ${training ? "training" : "running"}`;
    costCase(name, makeBatchNorm(training, undefined, N)(few), {
      "y forward": ({ rows }) => [3 * rows * N, 4 * 2 * rows * p(N)],
      ...(training && {
        "y statistics": ({ rows, chunks }) => [4 * rows * N, 4 * p(N) * (rows + 2 * chunks)],
        "y gradient of scale and shift": ({ rows, chunks }) => [
          4 * rows * N,
          4 * p(N) * (2 * rows + 4 * chunks),
        ],
        "y gradient of input": ({ rows }) => [7 * rows * N, 4 * 3 * rows * p(N)],
      }),
    });
  }
}

for (const tanh of [false, true]) {
  const sigma = tanh ? "tanh" : "none";
  const [m, n, F, N, I] = [6, 5, 5, 9, 70];
  const items = few.log.items.count;
  costCase(`pw_state, ${sigma}`, makePwState(tanh, { columns: F, lags: m, weightings: n })(few), {
    "s forward": ({ events }) => [
      2 * events * m * F * n,
      4 * (Math.min(events, items) * p(F) + events * p(F * n)),
    ],
    "s gradient by event": ({ events }) => [
      2 * events * m * F * n,
      4 * (Math.min(events, items) * p(F) + events * ((tanh ? 2 : 1) * p(F * n) + m * p(n))),
    ],
    "s gradient of weights": ({ events }) => [
      events * (m * n + (tanh ? 4 * F * n : 0)),
      4 * events * (m * p(n) + (tanh ? 2 * p(F * n) : 0)),
    ],
  });
  /** @param own floats per event besides the table's gathered rows, and the output or its gradient */
  const look = ({ events }: Counts, own: number): Pair => [
    2 * events * m * n * N,
    4 * events * ((n + 1) * p(N) + own),
  ];
  costCase(`pw_table, ${sigma}`, makePwTable(tanh, { columns: N, lags: m, weightings: n })(oneHot), {
    "z forward": (s) => look(s, tanh ? m * p(n) : 0),
    "z gradient by event": (s) => look(s, (tanh ? 4 : 1) * m * p(n)),
    "z gradient of weights": ({ events }) => [events * (m * n + N), 4 * events * (m * p(n) + p(N))],
    // The dispatch reads no table, and writes one row of the table per click.
    "z gradient of clicks": (s) => look(s, tanh ? (2 * m + 1) * p(n) : 0),
    "z gradient of table": ({ events }) => [
      (events + (tanh ? 2 * I : 0)) * n * N,
      4 * (events + I) * n * p(N),
    ],
    ...(tanh && {
      "z base": () => [2 * I * n * N, 4 * I * n * p(N)],
      "z window": ({ events }) => [events * m * (m + 50) * n, 4 * events * (3 * m + 1) * p(n)],
      "z gradient of c": ({ events }) => [
        (2 * I * N + events) * n,
        4 * (I * n * p(N) + (events + 2 * I) * p(n)),
      ],
    }),
  });
}

function mostTokens({ items }: ClickLog, count: number): number {
  if (items.kind !== "mixed") throw new Error("expected tokens");
  const { first } = items.tokens;
  const counts = Array.from({ length: items.count }, (_, i) => (first[i + 1] ?? 0) - (first[i] ?? 0));
  return counts.sort((a, b) => b - a).slice(0, count).reduce((sum, x) => sum + x, 0);
}
function touchedCost(items: number, rowsOf: (sums: number) => number): Pair {
  const sums = mostTokens(rareTokens.log, items);
  return [sums * 12, 4 * 12 * rowsOf(sums)];
}
for (const rows of ["items", "events"] as const) {
  const { log } = mixed.few;
  const [N, F, V] = [6, getDenseWidth(mixed.few), getTokenCount(mixed.few)];
  costCase(`mixed_product: ${rows}`, makeMixedProduct(rows, N)(mixed.few), {
    "y forward": (s) => gathered(s[rows], log.items.count, F, N),
    "y tokens": (s) => {
      const sums = mostTokens(log, s[rows]);
      return [sums * N, 4 * (Math.min(sums, V) + 2 * s[rows]) * p(N)];
    },
    "y gradient of weights": (s) => gathered(s[rows], log.items.count, F, N, s.chunks),
    ...(rows === "events" && {
      // With padding, because the gradient per item is not stored in a parameter.
      "y gradient by item of event": (s) => [s.events * p(N), 4 * (s.events + s.items) * p(N)],
    }),
    "y chunks of t": (s) => {
      const sums = mostTokens(log, Math.min(s.items, s[rows]));
      return [sums * N, 4 * Math.min(sums, s.items, s[rows]) * p(N)];
    },
    "y gradient of t": (s) => {
      const sums = mostTokens(log, Math.min(s.items, s[rows]));
      return [sums * N, 4 * (Math.min(sums, s.items, s[rows]) + V) * p(N)];
    },
  });
}
costCase("mixed_product, sparse rows", makeMixedProduct("items", 12, { sparse: true })(rareTokens), {
  "y tokens": ({ items }) => touchedCost(items, (sums) => items + Math.min(sums, getTokenCount(rareTokens))),
  "y chunks of t": ({ items }) => touchedCost(items, (sums) => Math.min(sums, items)),
  "y gradient of t": ({ items }) =>
    touchedCost(items, (sums) => Math.min(sums, items) + Math.min(sums, getTokenCount(rareTokens))),
});
// Binary search finds each item among 8 neighbours. The 20 clicks take two words each, after two words.
costCase("counts", makeRowCounts(few, [], 8, 5), {
  "recent forward": ({ events }) => [0, 8 * events * 42],
  "counts forward": ({ events, rows }) => {
    const C = p(countWidth({ fields: [], neighbours: 8, latest: 5 }));
    return [4 * 20 * 3 * rows, rows * (4 * 20 * 3 + 4 * C) + 4 * p(42) * events];
  },
});

for (const { log } of [oneHot, rareTokens]) {
  Deno.test(`cost: building a batch of ${log.items.kind} items`, () =>
    withGpu("cpu", (gpu) => {
      const capacity = computeBatchCapacity(log, "all", log.userSplit.length);
      using arena = new Arena(gpu, "cost");
      using deviceLog = new DeviceLog(gpu, log);
      using plan = new BatchPlan(gpu, log, capacity, 1);
      const steps = { slices: 1, headersEach: 1, multiple: 1 };
      const batch = new BatchIndexBuffers(arena, plan.view, deviceLog, capacity, steps);
      const words = countBitWords(deviceLog.itemBits) + countBitWords(log.rowItem.length);
      assertCosts(batch.layout(), {
        "batch expand": ({ events, rows }) => [0, 52 * events + 36 * rows],
        "batch rank": () => [0, 20 * words],
        "batch group": ({ rows }) => [0, 48 * rows],
      });
      if (log.items.kind === "mixed") {
        const pairs = ({ items, events }: Counts) =>
          mostTokens(log, items) + mostTokens(log, Math.min(items, events));
        const all = 2 * roundUp(countBitWords(mostTokens(log, Infinity))) + 1;
        assert.ok(batch.tokenPairs);
        assertCosts(batch.ownDispatches(), {
          "batch tokens": (s) => [0, 20 * s.rows + 8 * pairs(s)],
          "batch rank of tokens": () => [0, 20 * all],
          "batch group of tokens": (s) => [0, 24 * pairs(s)],
        });
      }
    }));
}

Deno.test("cost: adam, by parameter and by partial sum", () =>
  withGpu("cpu", (gpu) => {
    const specs: ParameterSpec[] = [
      { name: "kernel", rows: 9, columns: 17 },
      { name: "table", rows: 90, columns: 5, table: true },
    ];
    using parameters = new ParameterArena(gpu, specs);
    using adam = new AdamState(parameters);
    const { length, summed } = parameters;
    assertCosts(adam.dispatches({ dimensions: clickDimensions, sparseRows: new Map() }), {
      adam: ({ chunks }) => [12 * length + summed * chunks, 28 * length + 4 * summed * chunks],
    });
    using arena = new Arena(gpu, "cost");
    const table = parameters.get("table");
    const view = arena.allocate("list", 1024);
    const sparseRows = new Map([[table, { count: "items" as const, list: view, gradient: view }]]);
    assertCosts(adam.dispatches({ dimensions: clickDimensions, sparseRows }), {
      // The table has sparse gradients, so only summed parameters remain.
      adam: ({ chunks }) => [12 * summed + summed * chunks, 28 * summed + 4 * summed * chunks],
      "adam of sparse rows of table": ({ items }) => [12 * items * 8, 28 * items * 8],
    });
  }));

Deno.test("cost: the comparison of a validation with the best", () =>
  withGpu("cpu", async (gpu) => {
    using arena = new Arena(gpu, "cost");
    const ring = new ResultRing(arena, 1, 2, 3);
    using keeper = await BestKeeper.create([], gpu, ring, { firstSlot: 0, shards: 3 }, {
      vectors: 2,
      bestBy: 0,
    });
    const specs = keeper.program.dispatches.map(({ spec }) => spec as DispatchSpec);
    // Three slots are read and one is written; three numbers of the record are read, and nine are written.
    assertCosts(specs, { "compare with the best": () => [0, 16 * 2 * (3 + 1) + 4 * (3 + 9)] });
  }));

const timed: readonly (readonly [exercise: string, size: number[], expected: Expected])[] = [
  // A utility and an item are read, and the item is written to the log.
  ["draw", [37, 3], { choose_click: ({ users, rows }) => [30 * rows, 12 * rows + 40 * users] }],
  // For each of three panels, the mask is read, and the best score and its item are written.
  ["slate_score", [37, 70, 8], {
    score: ({ users }) => [3 * users * 70 * 8, 4 * 8 * (users + 70) + 12 * users * 3],
  }],
];
for (const [name, size, expected] of timed) {
  Deno.test(`cost: exercise ${name}`, () =>
    withGpu("cpu", async (gpu) => {
      const { ladder } = exercises.find((one) => one.name === name) ?? assert.fail();
      using bound = await BoundLadder.open(gpu, { ...ladder, steps: [] }, size);
      assertCosts([bound.target as unknown as DispatchSpec], expected);
    }));
}
