/** Op lstm computes the recurrent state before every event from the items that the user clicked earlier. */

import type { ClickDispatch } from "../batch/click_sizes.ts";
import { estimateDistinctRows } from "../gpu/sizes.ts";
import type { ClickCall, ClickReference, ClickTape } from "../batch/click_tape.ts";
import type { ReferenceBatch } from "../batch/reference_batch.ts";
import { type ItemTokens, NONE } from "../data/click_log.ts";
import { asBufferView, type Memory, toUniformIfSmall, type View } from "../gpu/memory.ts";
import {
  add,
  applySigmoid,
  getAt,
  makeMatrix,
  type Matrix,
  multiply as productOf,
  sumColumns,
} from "../tape/reference.ts";
import { expectShape } from "./op.ts";
import type { Tensor } from "../tape/tensor.ts";
import { embeddingGradient, eventItems } from "./embedding.ts";
import { isTable } from "./first_layer.ts";
import { createSumsHost, forwardProduct, isTiled, type SumsHost, weightGradient } from "./matrix_product.ts";
import { lstmDispatch, lstmKernels } from "./kernel_selection.ts";
import {
  concatColumns,
  concatRows,
  getTokens,
  multiHot,
  sliceRows,
  tokenGradient,
  tokenSum,
} from "./mixed_product.ts";

export interface LstmInputs {
  /** Constant [I, F]; absent for one-hot features, whose product with `inputWeights` is a row of weights. */
  readonly features?: Tensor;
  /** [F, 4H] for gates i, g, f, o; for one-hot features a table [I, 4H]; absent if items have only tokens. */
  readonly inputWeights?: Tensor;
  /** Table [V, 4H] with a row per token: an item's token rows are added to features * inputWeights. */
  readonly tokenTable?: Tensor;
  /** Recurrent parameter [H, 4H]. */
  readonly weights: Tensor;
  /** Parameter [1, 4H]. */
  readonly bias: Tensor;
}

/**
 * Returns states [events, H]; a user's state is zero at the first event. The cell is TensorFlow's
 * BasicLSTMCell with a forget bias of 1 inside the sigmoid. For E events, forward takes 2 E 4H (F + H) flops
 * and backward twice as many. One matrix product computes features * inputWeights for all events.
 * @throws Error for wrong shapes
 */
export function lstm(tape: ClickTape, name: string, inputs: LstmInputs): Tensor {
  const { features, inputWeights, tokenTable, weights, bias } = inputs;
  const cell = allocateCell(tape, name, inputs);
  const own = [features, inputWeights, tokenTable].filter((tensor) => tensor !== undefined);
  return tape.record({
    op: "lstm",
    inputs: [...own, weights, bias],
    output: cell.output,
    forward: (call) => forward(cell, call),
    backward: (call) => backward(cell, call),
    sumOutcomes: cell.host.sumOutcomes,
    reference: tokenTable
      ? tokenReference(getTokens(tape).host)
      : features
      ? ([x, inputs, weights, bias], batch) => reference(x, inputs, weights, bias, batch)
      : ([inputs, weights, bias], batch) => reference(undefined, inputs, weights, bias, batch),
  });
}

interface Cell extends LstmInputs {
  readonly tape: ClickTape;
  readonly name: string;
  readonly output: Tensor;
  readonly H: number;
  readonly H4: number;
  readonly dense: { readonly input: Tensor; readonly weights: Tensor } | undefined;
  readonly lookedUp: Tensor | undefined;
  /** Products features * inputWeights [events, 4H]; undefined for one-hot features, which need no product. */
  readonly products: View | undefined;
  readonly input: Memory;
  /** Buffer [events, H]. */
  readonly cells: View;
  /** Buffer [events, 4H]. */
  readonly gates: View;
  readonly host: SumsHost;
}

function allocateCell(tape: ClickTape, name: string, inputs: LstmInputs): Cell {
  const { features, inputWeights, tokenTable, weights, bias } = inputs;
  const H = Number(weights.rows);
  if (features && !inputWeights) throw new Error(`lstm: expected input weights for ${features.name}`);
  const dense = features && inputWeights && { input: features, weights: inputWeights };
  if (dense) expectShape("lstm", dense.weights, dense.input.columns, 4 * H);
  for (const table of [dense ? undefined : inputWeights, tokenTable]) {
    if (table && (!isTable(table) || table.columns !== 4 * H)) {
      throw new Error(`lstm: expected ${table.name} to be a table of ${4 * H} columns`);
    }
  }
  const lookedUp = dense || tokenTable ? undefined : inputWeights;
  expectShape("lstm", weights, H, 4 * H);
  expectShape("lstm", bias, 1, 4 * H);
  const output = tape.tensor(name, "events", H);
  const cells = tape.saved(`${name} cell`, "events", output.stride);
  const gates = tape.saved(`${name} gates`, "events", 4 * output.stride);
  const products = dense || tokenTable ? tape.saved(`${name} input`, "events", 4 * output.stride) : undefined;
  const input = lookedUp?.view ?? products;
  if (!input) {
    throw new Error("lstm: expected input weights or a token table, got neither");
  }
  const H4 = output.stride / 4;
  const { input: own, weights: read } = dense ?? { input: output, weights };
  const host = createSumsHost(() => isTiled(tape, "weight", own, read, "events"));
  return { ...inputs, tape, name, output, H, H4, dense, lookedUp, products, input, cells, gates, host };
}

function bindWeights({ tape }: Cell, { view }: Tensor, copied = false): View {
  return tape.options.variants.kind === "cpu" && !copied
    ? toUniformIfSmall(asBufferView(view))
    : asBufferView(view);
}

/** Selects the features of the item that the encoder reads at each event. */
function gatherFedItems({ batch }: ClickTape) {
  return { rows: "events", gather: eventItems(batch) } as const;
}

function forward(lstm: Cell, call: ClickCall): ClickDispatch[] {
  const { tape, name, output, H, H4, dense, lookedUp, tokenTable, input, products, cells: cell, gates } =
    lstm;
  const specs = [
    lstmDispatch("forward", { h4: H4, units: H }, tape.choice, (use): ClickDispatch => ({
      kernel: use.kernel,
      label: `${name} forward`,
      constants: { ...use.constants, TABLE: lookedUp !== undefined },
      views: {
        plan: tape.batch.logged.plan,
        event: tape.batch.event,
        input,
        weights: bindWeights(lstm, lstm.weights, use.kernel === lstmKernels.forward.panel),
        bias: bindWeights(lstm, lstm.bias),
        state: output.view,
        cell,
        gates,
      },
      invocations: [{ of: "users", ...use.invocations }],
      cost: (s) => ({
        flops: s.events * 8 * H * H,
        bytes: 16 * H4 * (4 * estimateDistinctRows(s.events, lookedUp?.rows ?? "events", s) + 6 * s.events),
      }),
    })),
  ];
  if (!products) return specs;
  const own = { ...call, label: `${name} input` };
  const inputSpecs: ClickDispatch[] = [];
  if (dense) {
    inputSpecs.push(
      forwardProduct(own, { ...gatherFedItems(tape), ...dense, bias: undefined, output: products }),
    );
  }
  if (tokenTable) inputSpecs.push(tokenSum(tape, own, tokenTable, products, "events", dense !== undefined));
  return [...inputSpecs, ...specs];
}

function backward(lstm: Cell, call: ClickCall): ClickDispatch[] {
  const { tape, name, output, H, H4, dense, lookedUp, tokenTable, cells: cell, gates } = lstm;
  const gateGradient = tape.savedForProducts(`${name} gate gradient`, "events", 4 * output.stride);
  const stateGradient = call.outputGradient();
  const specs = [
    lstmDispatch("backward", { h4: H4, units: H }, tape.choice, (use): ClickDispatch => ({
      kernel: use.kernel,
      label: `${name} gradient of gates`,
      constants: use.constants,
      views: {
        plan: tape.batch.logged.plan,
        event: tape.batch.event,
        weights: bindWeights(lstm, lstm.weights, use.kernel === lstmKernels.backward.panel),
        cell,
        gates,
        state_gradient: stateGradient,
        gate_gradient: gateGradient,
      },
      invocations: [{ of: "users", ...use.invocations }],
      cost: (s) => ({ flops: s.events * 8 * H * H, bytes: s.events * 16 * H4 * 10 }),
    })),
  ];
  const recurrent = { input: output, weights: lstm.weights };
  const rest = { bias: lstm.bias, outputGradient: gateGradient, host: lstm.host };
  if (dense) {
    specs.push(weightGradient(call, { ...gatherFedItems(tape), ...dense, second: recurrent, ...rest }));
  } else {
    specs.push(weightGradient(call, { ...recurrent, rows: "events", gather: undefined, ...rest }));
  }
  const target = lookedUp && call.gradient(lookedUp);
  if (lookedUp && target) specs.push(embeddingGradient(tape, call, lookedUp, gateGradient, target));
  if (tokenTable) specs.push(...tokenGradient(tape, call, tokenTable, gateGradient, "events"));
  return specs;
}

/** Computes the op in f64 for items with tokens, as if tokens were multi-hot dense features. */
function tokenReference(tokens: ItemTokens): ClickReference {
  return (inputs, batch) => {
    const [bias, weights, table, kernel, features] = [...inputs].reverse();
    if (!table) throw new Error("lstm: expected a token table");
    const hot = multiHot(tokens);
    const wide = features ? concatColumns(hot, features) : hot;
    const tall = kernel ? concatRows(table, kernel) : table;
    const { output, backward } = reference(wide, tall, weights, bias, batch);
    return {
      output,
      backward(gradient) {
        const [, dWide, ...rest] = backward(gradient);
        if (!dWide) throw new Error("lstm: expected a gradient of the input weights");
        const dTable = sliceRows(dWide, 0, table.rows);
        if (!features) return [dTable, ...rest];
        const dFeatures = makeMatrix(features.rows, features.columns); // a constant has no gradient
        return [dFeatures, sliceRows(dWide, table.rows, dWide.rows), dTable, ...rest];
      },
    };
  };
}

/** Intermediate results of the forward pass at one event, which the backward pass needs. */
interface Saved {
  readonly event: number;
  readonly item: number;
  readonly gates: number[][];
  readonly before: { h: number[]; c: number[] };
  readonly tanhCell: number[];
}

/** Computes the op in f64. @param features - undefined for one-hot features */
export function reference(
  features: Matrix | undefined,
  inputWeights: Matrix | undefined,
  weights: Matrix | undefined,
  bias: Matrix | undefined,
  batch: ReferenceBatch,
): ReturnType<ClickReference> {
  if (!inputWeights || !weights || !bias) throw new Error("lstm: expected input and recurrent weights, bias");
  const H = weights.rows;
  /** Product features * inputWeights per item; for one-hot features, this is `inputWeights` itself. */
  const product = features ? productOf(features, inputWeights) : inputWeights;
  const output = makeMatrix(batch.events.length, H);
  const saved: Saved[] = [];
  for (const { from, to } of users(batch)) {
    let h = new Array<number>(H).fill(0);
    let c = new Array<number>(H).fill(0);
    for (let event = from; event < to; event++) {
      h.forEach((value, j) => add(output, event, j, value));
      const item = batch.events[event]?.fed ?? NONE;
      if (item === NONE) continue;
      const z = (column: number) =>
        getAt(product, item, column) + getAt(bias, 0, column) +
        h.reduce((sum, value, k) => sum + value * getAt(weights, k, column), 0);
      const gates = h.map((_, j) => [
        applySigmoid(z(j)),
        Math.tanh(z(H + j)),
        applySigmoid(z(2 * H + j) + 1),
        applySigmoid(z(3 * H + j)),
      ]);
      const before = { h, c };
      c = gates.map(([i = 0, g = 0, f = 0], j) => f * (before.c[j] ?? 0) + i * g);
      const tanhCell = c.map(Math.tanh);
      h = gates.map(([, , , o = 0], j) => o * (tanhCell[j] ?? 0));
      saved.push({ event, item, gates, before, tanhCell });
    }
  }
  return {
    output,
    backward(gradient) {
      const dGates = gateGradients(gradient, weights, saved, batch);
      const dProduct = makeMatrix(product.rows, product.columns);
      for (const { event, item } of saved) {
        for (let column = 0; column < 4 * H; column++) {
          add(dProduct, item, column, getAt(dGates, event, column));
        }
      }
      const rest = [productOf(output, dGates, true), sumColumns(dGates)];
      if (!features) return [dProduct, ...rest];
      const dFeatures = makeMatrix(features.rows, features.columns); // a constant has no gradient
      return [dFeatures, productOf(features, dProduct, true), ...rest];
    },
  };
}

/** Returns gradients of the gates' inputs, [events, 4H], by backpropagation through time. */
function gateGradients(
  gradient: Matrix,
  weights: Matrix,
  saved: readonly Saved[],
  batch: ReferenceBatch,
): Matrix {
  const H = weights.rows;
  const dGates = makeMatrix(gradient.rows, 4 * H);
  const byEvent = new Map(saved.map((s) => [s.event, s]));
  for (const { from, to } of users(batch)) {
    let dh = new Array<number>(H).fill(0);
    const dc = new Array<number>(H).fill(0);
    for (let event = to - 1; event >= from; event--) {
      const s = byEvent.get(event);
      if (s) {
        s.gates.forEach(([i = 0, g = 0, f = 0, o = 0], j) => {
          const t = s.tanhCell[j] ?? 0;
          const d = (dc[j] ?? 0) + (dh[j] ?? 0) * o * (1 - t * t);
          const dz = [
            d * g * i * (1 - i),
            d * i * (1 - g * g),
            d * (s.before.c[j] ?? 0) * f * (1 - f),
            (dh[j] ?? 0) * t * o * (1 - o),
          ];
          dz.forEach((value, gate) => add(dGates, event, gate * H + j, value));
          dc[j] = d * f;
        });
        dh = dh.map((_, k) => {
          let sum = 0;
          for (let column = 0; column < 4 * H; column++) {
            sum += getAt(dGates, event, column) * getAt(weights, k, column);
          }
          return sum;
        });
      }
      dh = dh.map((value, j) => value + getAt(gradient, event, j));
    }
  }
  return dGates;
}

function users(batch: ReferenceBatch): { from: number; to: number }[] {
  return batch.userFirst.slice(0, -1).map((from, u) => ({ from, to: batch.userFirst[u + 1] ?? from }));
}
