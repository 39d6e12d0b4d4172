/** Makes test cases of layer ops: inputs, ops and tolerance. The caller chooses sizes and batches. */

import type { ClickTape } from "../../batch/click_tape.ts";
import { batchNorm } from "../../ops/batch_norm.ts";
import { firstLayer } from "../../ops/first_layer.ts";
import { itemTerm } from "../../ops/item_term.ts";
import { linear } from "../../ops/linear.ts";
import { mixedProduct } from "../../ops/mixed_product.ts";
import { rowDot, UnmaterializedScores } from "../../ops/row_dot.ts";
import { getAt, makeMatrix, type Matrix } from "../../tape/reference.ts";
import type { Activation, Tensor } from "../../tape/tensor.ts";
import { getDenseWidth, getTokenCount, type TestBatch, U } from "./op_batches.ts";
import type { ParameterSpec } from "../../tape/parameters.ts";
import type { OpCase } from "./op_bench.ts";

export type CaseFactory = (batch: TestBatch) => OpCase;

type Applied = Activation | "none";
const applied = (activation: Applied) => activation === "none" ? undefined : activation;

export interface LinearRecipe {
  /** Activation that produced the layer's input; ELU by default. */
  readonly input?: Applied;
  /** Activation of the layer's output; ELU by default. */
  readonly output?: Applied;
  readonly bias?: boolean;
}

export function makeLinear(
  K: number,
  N: number,
  { input = "elu", output = "elu", bias = true }: LinearRecipe = {},
): CaseFactory {
  return (b) => ({
    ...b,
    leaves: [{ name: "x", rows: "rows", columns: K, activation: applied(input) }],
    parameters: [{ name: "w", rows: K, columns: N }, ...(bias ? [{ name: "b", rows: 1, columns: N }] : [])],
    build: (tape, t) => {
      const of = { input: t("x"), weights: t("w"), bias: bias ? t("b") : undefined };
      return linear(tape, "y", of, { activation: applied(output) });
    },
    tolerance: 4 * U * (K + N + 300),
  });
}

export function makeRowDot(K: number, activation?: Activation): CaseFactory {
  return (b) => ({
    ...b,
    leaves: [{ name: "x", rows: "rows", columns: K, activation }],
    parameters: [{ name: "w", rows: 1, columns: K }, { name: "b", rows: 1, columns: 1 }],
    build: (tape, t) => rowDot(tape, "u", { input: t("x"), weights: t("w"), bias: t("b") }),
    tolerance: 4 * U * 400,
  });
}

/** Makes a test of a weight gradient kernel that also sums outcomes (loss, metrics) over the events. */
export function makeLinearWithSums(K: number, N: number, vectors: number): CaseFactory {
  return (b) => {
    const own = makeLinear(K, N)(b);
    const fixed = own.leaves.map((leaf) => ({ ...leaf, trainable: false }));
    return {
      ...own,
      leaves: [...fixed, { name: "o", rows: "events", columns: 4 * vectors, trainable: false }],
      build: (tape, t) => {
        const y = own.build(tape, t);
        const ring = tape.options.arena.allocate("ring", 16 * vectors);
        if (!tape.nodes.at(-1)?.sumOutcomes?.({ outcome: t("o"), ring })) {
          throw new Error("Only the weight gradient kernels for GPUs also sum the loss.");
        }
        return y;
      },
      sumsOf: "o",
      once: true, // two layers would both write the sums
    };
  };
}

/** Returns the inputs and parameters of a layer [K, N], and of a row_dot op after the layer. */
export function makeHiddenLayer(K: number, N: number): Pick<OpCase, "leaves" | "parameters"> {
  return {
    leaves: [{ name: "x", rows: "rows", columns: K }],
    parameters: [
      { name: "k", rows: K, columns: N },
      { name: "c", rows: 1, columns: N },
      { name: "w", rows: 1, columns: N },
      { name: "b", rows: 1, columns: 1 },
    ],
  };
}

/** Adds the layer of {@link makeHiddenLayer} to the tape. Returns the inputs of the next op, row_dot. */
export function recordHiddenLayer(tape: ClickTape, t: (name: string) => Tensor, activation: Applied = "elu") {
  const of = { input: t("x"), weights: t("k"), bias: t("c") };
  const input = linear(tape, "h", of, { activation: applied(activation) });
  return { input, weights: t("w"), bias: t("b") };
}

/** Makes a test of two dot products per row that are summed: of a layer's output, and of the leaf `y`. */
export function makeRowDotOnLayer(K: number, N: number, activation?: Applied): CaseFactory {
  return (b) => ({
    ...b,
    leaves: [...makeHiddenLayer(K, N).leaves, { name: "y", rows: "rows", columns: K, trainable: false }],
    parameters: [
      ...makeHiddenLayer(K, N).parameters,
      { name: "v", rows: 1, columns: K },
      { name: "d", rows: 1, columns: 1 },
    ],
    build: (tape, t) => {
      const scores = new UnmaterializedScores(tape, "u", recordHiddenLayer(tape, t, activation));
      return scores.plus("sum", { input: t("y"), weights: t("v"), bias: t("d") }).compute();
    },
    tolerance: 4 * U * 400,
  });
}

/** Makes a test of row_dot ops that are fused into the kernel of the preceding layer. */
export function makeRowDotOfLayer(K: number, N: number): CaseFactory {
  const layers = new WeakMap<ClickTape, ReturnType<typeof recordHiddenLayer>>();
  return (b) => ({
    ...b,
    ...makeHiddenLayer(K, N),
    build: (tape, t) => {
      const of = layers.get(tape) ?? recordHiddenLayer(tape, t);
      layers.set(tape, of);
      return rowDot(tape, "u", of);
    },
    tolerance: 4 * U * 400,
  });
}

export function makeMixedProduct(
  rows: "items" | "events",
  columns: number,
  { groups, sparse = false }: { readonly groups?: number; readonly sparse?: boolean } = {},
): CaseFactory {
  return (b) => {
    const F = sparse ? 0 : getDenseWidth(b);
    return {
      ...b,
      leaves: F > 0 ? [{ name: "f", rows: b.log.items.count, columns: F, trainable: false }] : [],
      parameters: [
        { name: "t", rows: getTokenCount(b), columns, groups, table: true },
        ...(F > 0 ? [{ name: "w", rows: F, columns, groups }] : []),
      ],
      build: (tape, t) => {
        const dense = F > 0 ? { features: t("f"), weights: t("w") } : undefined;
        return mixedProduct(tape, "y", { table: t("t"), dense }, rows);
      },
      sparse,
      tolerance: 4 * U * 300,
    };
  };
}

export function makeFirstLayer(columns: number, itemDropout?: number): CaseFactory {
  return (b) => ({
    ...b,
    leaves: [{ name: "item", rows: "items", columns }, { name: "state", rows: "events", columns }],
    parameters: [],
    build: (tape, t) => firstLayer(tape, "h", { item: t("item"), state: t("state") }, { itemDropout }),
    tolerance: 4 * U * 64,
  });
}

/** Makes a test of first_layer with a user state per event: the output of a linear layer with S inputs. */
export function makeFirstLayerOfState(columns: number, S: number): CaseFactory {
  return (b) => ({
    ...b,
    leaves: [{ name: "item", rows: "items", columns }, { name: "s", rows: "events", columns: S }],
    parameters: [{ name: "w", rows: S, columns }, { name: "b", rows: 1, columns }],
    build: (tape, t) => {
      const state = linear(tape, "state", { input: t("s"), weights: t("w"), bias: t("b") });
      return firstLayer(tape, "h", { item: t("item"), state });
    },
    tolerance: 4 * U * 400,
    once: true,
  });
}

/** Makes a test of first_layer with C count features per row. */
export function makeFirstLayerOfCounts(columns: number, C: number): CaseFactory {
  return (b) => ({
    ...b,
    leaves: [
      { name: "item", rows: "items", columns },
      { name: "state", rows: "events", columns },
      { name: "counts", rows: "rows", columns: C, trainable: false },
    ],
    parameters: [{ name: "w", rows: C, columns }],
    build: (tape, t) => {
      const counts = { input: t("counts"), weights: t("w") };
      return firstLayer(tape, "h", { item: t("item"), state: t("state"), counts });
    },
    tolerance: 4 * U * 400,
  });
}

export function makeFirstLayerOfTable(columns: number, sparse: boolean): CaseFactory {
  return (b) => ({
    ...b,
    leaves: [{ name: "state", rows: "events", columns }],
    parameters: [{ name: "item", rows: b.log.items.count, columns, table: true }],
    build: (tape, t) => firstLayer(tape, "h", { item: t("item"), state: t("state") }),
    sparse,
    tolerance: 4 * U * 64,
  });
}

export function makeItemTerm(columns: number, itemDropout?: number): CaseFactory {
  return (b) => ({
    ...b,
    leaves: [
      { name: "item", rows: "items", columns },
      { name: "state", rows: "events", columns },
      { name: "base", rows: "rows", columns: 1, packed: true },
    ],
    parameters: [],
    build: (tape, t) =>
      itemTerm(tape, "u", { item: t("item"), state: t("state"), base: t("base") }, itemDropout),
    tolerance: 4 * U * 64,
    once: true, // only one op may read the base
  });
}

/** Momentum of batch norm in training: new running statistics are 99 % of the old + 1 % of the batch's. */
const MOMENTUM = 0.99;

function movedStatistics(values: ReadonlyMap<string, Matrix>, runs: number): Map<string, Matrix> {
  const [x, mean, variance] = [values.get("x"), values.get("mean"), values.get("variance")];
  if (!x || !mean || !variance) throw new Error("expected an input and its statistics");
  const of = (j: number) => Array.from({ length: x.rows }, (_, i) => getAt(x, i, j));
  const average = (numbers: readonly number[]) => numbers.reduce((sum, y) => sum + y, 0) / x.rows;
  const means = makeMatrix(1, x.columns, (_, j) => average(of(j)));
  const variances = makeMatrix(
    1,
    x.columns,
    (_, j) => average(of(j).map((y) => (y - getAt(means, 0, j)) ** 2)),
  );
  const moved = (before: Matrix, batch: Matrix) =>
    makeMatrix(
      1,
      x.columns,
      (_, j) => getAt(batch, 0, j) + MOMENTUM ** runs * (getAt(before, 0, j) - getAt(batch, 0, j)),
    );
  return new Map([["mean", moved(mean, means)], ["variance", moved(variance, variances)]]);
}

export function makeBatchNorm(training: boolean, activation?: Activation, columns = 17): CaseFactory {
  return (b) => ({
    ...b,
    leaves: [{ name: "x", rows: "rows", columns, activation }],
    parameters: listNormParameters(columns),
    build: (tape, t) => recordNorm(tape, t("x"), training),
    forwardOnly: !training,
    moves: training ? movedStatistics : undefined,
    tolerance: 4 * U * 600,
  });
}

export function listNormParameters(columns: number): ParameterSpec[] {
  return [
    { name: "mean", rows: 1, columns, statistic: true },
    { name: "scale", rows: 1, columns },
    { name: "variance", rows: 1, columns, statistic: true },
    { name: "shift", rows: 1, columns },
  ];
}

/** Adds batch norm to the tape, with the parameters of {@link listNormParameters}. */
export function recordNorm(tape: ClickTape, input: Tensor, training: boolean): Tensor {
  const [mean, scale, variance, shift] = listNormParameters(1).map(({ name }) => tape.parameter(name));
  if (!scale || !shift || !mean || !variance) throw new Error("expected the parameters of batch norm");
  return batchNorm(tape, "y", { input, scale, shift, mean, variance }, { training });
}
