/**
 * The ops of the self-test: forward and gradients, a few sizes each. What compiles long is the number of shader texts, so
 * the batches of a case share theirs as far as its kernels allow.
 */

import {
  type AdapterKind,
  type KernelShapes,
  lstmKey,
  type LstmVariant,
  type MatmulVariant,
} from "../gpu/kernel_shapes.ts";
import { batchNorm } from "../ops/batch_norm.ts";
import { choiceNll } from "../ops/choice_nll.ts";
import { firstLayer } from "../ops/first_layer.ts";
import { itemTerm } from "../ops/item_term.ts";
import { linear } from "../ops/linear.ts";
import { lstm } from "../ops/lstm.ts";
import { exactMinimax, type GameOptions, minimax } from "../ops/minimax.ts";
import { mixedProduct } from "../ops/mixed_product.ts";
import { pwState } from "../ops/pw_state.ts";
import { pwTable } from "../ops/pw_table.ts";
import { rowDot } from "../ops/row_dot.ts";
import { at, type Matrix, matrix } from "../tape/reference.ts";
import type { Activation } from "../tape/tensor.ts";
import {
  type Batch,
  batchOf,
  chunks,
  few,
  given,
  meanOf,
  mixed,
  oneHot,
  rareItems,
  rareTokens,
  tokensOf,
  U,
  widthOf,
} from "./op_batches.ts";
import type { OpCase } from "./op_case.ts";
import * as clicks from "./pw_batches.ts";

/** An op, on some batches. */
export interface OpCases {
  readonly name: string;
  readonly on: readonly OpCase[];
  /** Other kernels than the fixed table's. */
  readonly shapes?: KernelShapes;
}

type Make = (batch: Batch) => OpCase;

function linearCase(K: number, N: number, activation: Activation = "elu"): Make {
  return (b) => ({
    ...b,
    leaves: [{ name: "x", rows: "rows", columns: K, activation }],
    parameters: [{ name: "w", rows: K, columns: N }, { name: "b", rows: 1, columns: N }],
    build: (tape, t) => linear(tape, "y", { input: t("x"), weights: t("w"), bias: t("b") }, { activation }),
    tolerance: 4 * U * (K + N + 300),
  });
}

/** @param variants of forward and of the gradient of the input, instead of the fixed table's */
function shapesBy(kind: AdapterKind, ...variants: readonly [MatmulVariant, MatmulVariant]): KernelShapes {
  const [forward, input] = variants;
  return { kind, matmul: { "forward 20x20": forward, "input 20x20": input, "weight 20x20": "rows" } };
}

/** Of 8 units, padded. */
function lstmShapes(variant: LstmVariant): KernelShapes {
  return {
    kind: "gpu",
    matmul: {},
    lstm: { [lstmKey("forward", 2)]: variant, [lstmKey("backward", 2)]: variant },
  };
}

function rowDotCase(K: number, activation: Activation = "elu"): Make {
  return (b) => ({
    ...b,
    leaves: [{ name: "x", rows: "rows", columns: K, activation }],
    parameters: [{ name: "w", rows: 1, columns: K }, { name: "b", rows: 1, columns: 1 }],
    build: (tape, t) => rowDot(tape, "u", { input: t("x"), weights: t("w"), bias: t("b") }),
    tolerance: 4 * U * 400,
  });
}

/** The layer makes the products on the way. */
function fusedRowDot(K: number, N: number): Make {
  return (b) => ({
    ...b,
    leaves: [{ name: "x", rows: "rows", columns: K }],
    parameters: [
      { name: "k", rows: K, columns: N },
      { name: "c", rows: 1, columns: N },
      { name: "w", rows: 1, columns: N },
      { name: "b", rows: 1, columns: 1 },
    ],
    build: (tape, t) => {
      const layer = linear(tape, "h", { input: t("x"), weights: t("k"), bias: t("c") }, {
        activation: "elu",
      });
      return rowDot(tape, "u", { input: layer, weights: t("w"), bias: t("b") });
    },
    tolerance: 4 * U * 400,
  });
}

function mixedCase(rows: "items" | "events", touchedOnly = false): Make {
  return (b) => {
    const F = touchedOnly ? 0 : widthOf(b);
    return {
      ...b,
      leaves: F > 0 ? [{ name: "f", rows: b.log.items.count, columns: F, trainable: false }] : [],
      parameters: [
        { name: "t", rows: tokensOf(b), columns: 12, table: true },
        ...(F > 0 ? [{ name: "w", rows: F, columns: 12 }] : []),
      ],
      build: (tape, t) => {
        const dense = F > 0 ? { features: t("f"), weights: t("w") } : undefined;
        return mixedProduct(tape, "y", { table: t("t"), dense }, rows);
      },
      touchedOnly,
      tolerance: 4 * U * 300,
    };
  };
}

function firstLayerCase(itemDropout?: number): Make {
  return (b) => ({
    ...b,
    leaves: [{ name: "item", rows: "items", columns: 17 }, { name: "state", rows: "events", columns: 17 }],
    parameters: [],
    build: (tape, t) => firstLayer(tape, "h", { item: t("item"), state: t("state") }, { itemDropout }),
    tolerance: 4 * U * 64,
  });
}

function firstLayerTable(touchedOnly: boolean): Make {
  return (b) => ({
    ...b,
    leaves: [{ name: "state", rows: "events", columns: 17 }],
    parameters: [{ name: "item", rows: b.log.items.count, columns: 17, table: true }],
    build: (tape, t) => firstLayer(tape, "h", { item: t("item"), state: t("state") }),
    touchedOnly,
    tolerance: 4 * U * 64,
  });
}

function itemTermCase(b: Batch): OpCase {
  return {
    ...b,
    leaves: [
      { name: "item", rows: "items", columns: 5 },
      { name: "state", rows: "events", columns: 5 },
      { name: "base", rows: "rows", columns: 1, packed: true },
    ],
    parameters: [],
    build: (tape, t) => itemTerm(tape, "u", { item: t("item"), state: t("state"), base: t("base") }),
    tolerance: 4 * U * 64,
  };
}

function lstmCase(H: number): Make {
  return (b) => ({
    ...b,
    leaves: [{ name: "f", rows: b.log.items.count, columns: widthOf(b), trainable: false }],
    parameters: [
      { name: "x", rows: widthOf(b), columns: 4 * H, groups: 4 },
      { name: "w", rows: H, columns: 4 * H, groups: 4 },
      { name: "b", rows: 1, columns: 4 * H, groups: 4 },
    ],
    build: (tape, t) =>
      lstm(tape, "s", { features: t("f"), inputWeights: t("x"), weights: t("w"), bias: t("b") }),
    scale: 0.5,
    tolerance: 4 * U * 300,
  });
}

function lstmTable(touchedOnly: boolean): Make {
  return (b) => ({
    ...b,
    leaves: [],
    parameters: [
      { name: "x", rows: b.log.items.count, columns: 20, groups: 4, table: true },
      { name: "w", rows: 5, columns: 20, groups: 4 },
      { name: "b", rows: 1, columns: 20, groups: 4 },
    ],
    build: (tape, t) => lstm(tape, "s", { inputWeights: t("x"), weights: t("w"), bias: t("b") }),
    scale: 0.5,
    touchedOnly,
    tolerance: 4 * U * 300,
  });
}

/** As the op moves them in training: a hundredth towards the batch. */
const MOMENTUM = 0.99;

function movedStatistics(values: ReadonlyMap<string, Matrix>, runs: number): Map<string, Matrix> {
  const [x, mean, variance] = [values.get("x"), values.get("mean"), values.get("variance")];
  if (!x || !mean || !variance) throw new Error("expected an input and its statistics");
  const of = (j: number) => Array.from({ length: x.rows }, (_, i) => at(x, i, j));
  const average = (numbers: readonly number[]) => numbers.reduce((sum, y) => sum + y, 0) / x.rows;
  const means = matrix(1, x.columns, (_, j) => average(of(j)));
  const variances = matrix(1, x.columns, (_, j) => average(of(j).map((y) => (y - at(means, 0, j)) ** 2)));
  const moved = (before: Matrix, batch: Matrix) =>
    matrix(1, x.columns, (_, j) => at(batch, 0, j) + MOMENTUM ** runs * (at(before, 0, j) - at(batch, 0, j)));
  return new Map([["mean", moved(mean, means)], ["variance", moved(variance, variances)]]);
}

function batchNormCase(training: boolean, activation: Activation = "elu"): Make {
  return (b) => ({
    ...b,
    leaves: [{ name: "x", rows: "rows", columns: 17, activation }],
    parameters: [
      { name: "mean", rows: 1, columns: 17, statistic: true },
      { name: "scale", rows: 1, columns: 17 },
      { name: "variance", rows: 1, columns: 17, statistic: true },
      { name: "shift", rows: 1, columns: 17 },
    ],
    build: (tape, t) => {
      const [scale, shift, mean, variance] = [t("scale"), t("shift"), t("mean"), t("variance")];
      return batchNorm(tape, "y", { input: t("x"), scale, shift, mean, variance }, { training });
    },
    forwardOnly: !training,
    moves: training ? movedStatistics : undefined,
    tolerance: 4 * U * 600,
  });
}

function choiceCase(
  more: { place?: boolean; loss?: "logistic"; scale?: number; whole?: boolean },
): Make {
  const { place, scale, loss, whole } = more;
  return (b) => ({
    ...b,
    leaves: [{ name: "u", rows: "rows", columns: 1, packed: true, whole }],
    parameters: place ? [{ name: "place", rows: 1, columns: 3 }] : [],
    build: (tape, t) => {
      const ring = tape.options.arena.allocate("ring", 16);
      const options = { train: true, eta: 2, ...(place && { place: t("place") }), ...(loss && { loss }) };
      return choiceNll(tape, "loss", t("u"), ring, options);
    },
    scale,
    loss: (output) => meanOf(output, 0, b),
    tolerance: 4 * U * 400,
  });
}

/** The last layer makes the products, and the loss adds them up. */
function fusedChoice(K: number, N: number): Make {
  return (b) => ({
    ...b,
    leaves: [{ name: "x", rows: "rows", columns: K }],
    parameters: [
      { name: "k", rows: K, columns: N },
      { name: "c", rows: 1, columns: N },
      { name: "w", rows: 1, columns: N },
      { name: "b", rows: 1, columns: 1 },
    ],
    build: (tape, t) => {
      const ring = tape.options.arena.allocate("ring", 16);
      const layer = linear(tape, "h", { input: t("x"), weights: t("k"), bias: t("c") }, {
        activation: "elu",
      });
      const last = { input: layer, weights: t("w"), bias: t("b") };
      return choiceNll(tape, "loss", rowDot(tape, "u", last, "adds dots"), ring, { train: true, eta: 1 });
    },
    scale: 0.5,
    loss: (output) => meanOf(output, 0, b),
    tolerance: 4 * U * 400,
  });
}

const game: GameOptions = {
  ...{ eta: 3, generatorEta: 1.6, etaByPage: true },
  ...{ utilityPenalty: 0.8, skipNoClick: true },
};

function minimaxCase(player: "generator" | "reward"): Make {
  return (b) => ({
    ...b,
    leaves: [
      { name: "u", rows: "rows", columns: 1, packed: true, trainable: player === "reward" },
      { name: "logits", rows: "rows", columns: 1, packed: true, trainable: player === "generator" },
    ],
    parameters: [],
    build: (tape, t) => {
      const ring = tape.options.arena.allocate("ring", 32);
      return minimax(tape, "game", { u: t("u"), logits: t("logits") }, ring, player, game);
    },
    // What is differentiated does not matter here: the reference has the gradient.
    loss: (output) => meanOf(output, player === "generator" ? 7 : 4, b),
    scale: 2,
    tolerance: 4 * U * 100,
  });
}

function exactCase(b: Batch): OpCase {
  return {
    ...b,
    leaves: [{ name: "u", rows: "rows", columns: 1, packed: true }],
    parameters: [],
    build: (tape, t) => {
      const ring = tape.options.arena.allocate("ring", 32);
      return exactMinimax(tape, "game", t("u"), ring, true, game).outcomes;
    },
    loss: (output) => meanOf(output, 4, b),
    scale: 2,
    tolerance: 4 * U * 100,
  };
}

/** Lags and weightings of position weights. */
const [LAGS, WEIGHTINGS] = [20, 4];

function stateCase(tanh: boolean): Make {
  return (b) => ({
    ...b,
    leaves: [{ name: "x", rows: b.log.items.count, columns: 5, trainable: false }],
    parameters: [
      { name: "w", rows: LAGS, columns: WEIGHTINGS },
      ...(tanh ? [{ name: "b", rows: 1, columns: 5 * WEIGHTINGS }] : []),
    ],
    build: (tape, t) =>
      pwState(tape, "s", { features: t("x"), weights: t("w"), bias: tanh ? t("b") : undefined }),
    scale: 0.7,
    tolerance: 4 * U * 400,
  });
}

function tableCase(tanh: boolean, touchedOnly = false): Make {
  return (b) => {
    const I = b.log.items.count;
    const [N, n] = [5, WEIGHTINGS];
    return {
      ...b,
      leaves: [],
      parameters: [
        { name: "table", rows: I, columns: n * N, groups: n, table: true },
        { name: "w", rows: LAGS, columns: n },
        { name: "b", rows: 1, columns: N },
        ...(tanh ? [{ name: "c", rows: I, columns: n, table: true }] : []),
      ],
      build: (tape, t) => {
        const itemBias = tanh ? t("c") : undefined;
        return pwTable(tape, "z", { table: t("table"), weights: t("w"), layerBias: t("b"), itemBias });
      },
      touchedOnly,
      scale: 0.7,
      tolerance: 4 * U * 400,
    };
  };
}

function byEventCase(b: Batch): OpCase {
  const [N, n] = [5, WEIGHTINGS];
  return {
    ...b,
    leaves: [{ name: "clicks", rows: "events", columns: n * N, groups: n }],
    parameters: [{ name: "w", rows: LAGS, columns: n }, { name: "b", rows: 1, columns: N }],
    build: (tape, t) => pwTable(tape, "z", { table: t("clicks"), weights: t("w"), layerBias: t("b") }),
    scale: 0.7,
    tolerance: 4 * U * 400,
  };
}

const rareClicks = batchOf(7, { users: 30, items: 300, width: 0, maxEvents: 9, maxPage: 6 });

/** All ops, by the kernels of one kind of adapter. */
export function opCases(kind: AdapterKind): OpCases[] {
  const own = (name: string, make: Make, batches: readonly Batch[], shapes?: KernelShapes): OpCases => ({
    name,
    on: batches.map(make),
    ...(shapes && { shapes }),
  });
  const on = [few, chunks];
  return [
    own("linear", linearCase(20, 17), on),
    own("linear, inputs that fill several tiles", linearCase(65, 80), [few]),
    own("linear, row by row, ReLU", linearCase(20, 17, "relu"), on, shapesBy(kind, "rows", "rows")),
    ...(kind === "gpu"
      ? [own("linear, in panels", linearCase(20, 17), [chunks], shapesBy(kind, "panel 128", "panel 128"))]
      : []),
    own("row_dot", rowDotCase(17), on),
    own("row_dot, ReLU", rowDotCase(17, "relu"), [few]),
    own("row_dot, made by a layer", fusedRowDot(12, 84), [chunks]),
    own("mixed_product", mixedCase("items"), [mixed.few, mixed.many]),
    own("mixed_product, of fed items", mixedCase("events"), [mixed.few, mixed.many]),
    own("mixed_product, touched rows", mixedCase("items", true), [rareTokens]),
    own("first_layer", firstLayerCase(), on),
    own("first_layer, rows that hide their items", firstLayerCase(0.2), [chunks]),
    own("first_layer, one-hot items", firstLayerTable(false), [oneHot, rareItems]),
    own("first_layer, touched rows", firstLayerTable(true), [rareItems]),
    own("item_term", itemTermCase, on),
    own("lstm", lstmCase(5), [few, given]),
    ...(kind === "gpu"
      ? [
        own("lstm, four users a workgroup", lstmCase(5), [few, given], lstmShapes("group 4")),
        own("lstm, a user an invocation", lstmCase(5), [few], lstmShapes("user")),
      ]
      : []),
    own("lstm, one-hot items", lstmTable(false), [oneHot]),
    own("lstm, touched rows", lstmTable(true), [rareItems]),
    own("batch_norm", batchNormCase(true), on),
    own("batch_norm, ReLU", batchNormCase(true, "relu"), [few]),
    own("batch_norm, evaluation", batchNormCase(false), on),
    own("choice_nll", choiceCase({ scale: 1 }), [few, chunks, given]),
    own("choice_nll, utilities that are equal", choiceCase({ whole: true }), [few, given]),
    own("choice_nll, of a fused last layer", fusedChoice(12, 84), [few]),
    own("choice_nll, utilities far from zero", choiceCase({ scale: 40 }), [chunks]),
    own("choice_nll, places", choiceCase({ place: true }), [few, chunks]),
    own("choice_nll, logistic", choiceCase({ loss: "logistic" }), [few, given]),
    own("minimax, the generator", minimaxCase("generator"), [few, given]),
    own("minimax, the reward", minimaxCase("reward"), [few, given]),
    own("exact_minimax", exactCase, [few, given]),
    own("pw_state", stateCase(false), [clicks.long, clicks.chunks]),
    own("pw_state, tanh", stateCase(true), [clicks.long, clicks.chunks]),
    own("pw_table", tableCase(false), [clicks.long, clicks.chunks]),
    own("pw_table, tanh", tableCase(true), [clicks.long, clicks.chunks]),
    own("pw_table, touched rows", tableCase(false, true), [rareClicks]),
    own("pw_table, by event", byEventCase, [clicks.long, clicks.chunks]),
  ];
}
