/**
 * Op pw_table computes the product of position-weighted clicks and the first layer's weights. It is a
 * weighted sum over clicks: of table rows (one-hot items), or of features times weights (mixed features).
 */

import baseText from "../../kernels/pw/pw_base.wgsl" with { type: "text" };
import historyText from "../../kernels/pw/pw_history_gradient.wgsl" with { type: "text" };
import itemBiasText from "../../kernels/pw/pw_item_bias_gradient.wgsl" with { type: "text" };
import backwardText from "../../kernels/pw/pw_table_backward.wgsl" with { type: "text" };
import forwardText from "../../kernels/pw/pw_table_forward.wgsl" with { type: "text" };
import tableText from "../../kernels/pw/pw_table_gradient.wgsl" with { type: "text" };
import weightText from "../../kernels/pw/pw_table_weight_gradient.wgsl" with { type: "text" };
import windowText from "../../kernels/pw/pw_window.wgsl" with { type: "text" };
import type { ClickDispatch, ClickSizes } from "../batch/click_sizes.ts";
import type { ClickCall, ClickReference, ClickTape } from "../batch/click_tape.ts";
import { estimateDistinctRows } from "../gpu/sizes.ts";
import { NONE } from "../data/click_log.ts";
import { parseKernel } from "../gpu/kernel.ts";
import type { Memory, View } from "../gpu/memory.ts";
import type { Cost } from "../gpu/program.ts";
import { add, getAt, makeMatrix, sumColumns } from "../tape/reference.ts";
import { expectShape, getSumConstants, partialViews } from "./op.ts";
import type { GradientTarget } from "../tape/node.ts";
import { formatShape, type Tensor } from "../tape/tensor.ts";
import { sparseEmbeddingGradient } from "./embedding.ts";
import { isTable } from "./first_layer.ts";
import { lastClicks } from "./pw_state.ts";

const baseKernel = parseKernel("pw_base", baseText);
const windowKernel = parseKernel("pw_window", windowText);
const forwardKernel = parseKernel("pw_table_forward", forwardText);
const backwardKernel = parseKernel("pw_table_backward", backwardText);
const weightKernel = parseKernel("pw_table_weight_gradient", weightText);
const historyKernel = parseKernel("pw_history_gradient", historyText);
const tableKernel = parseKernel("pw_table_gradient", tableText);
const itemBiasKernel = parseKernel("pw_item_bias_gradient", itemBiasText);

export interface PwTableInputs {
  /**
   * Products of items' features and the first layer's weights: n groups, one per weighted sum of clicks.
   * One-hot features: a table parameter [I, n * N]. Mixed features: a tensor [items, n * N] if
   * `tape.batch.clicks` is defined, else [events, n * N] (the item read at each event).
   */
  readonly table: Tensor;
  /** Parameter [m, n]; row 0 is for the most recent click. */
  readonly weights: Tensor;
  /** Parameter [1, N]: the first layer's bias. */
  readonly layerBias: Tensor;
  /** Table parameter [I, n]; if present, tanh is applied to each weighted sum, otherwise no activation. */
  readonly itemBias?: Tensor;
}

/**
 * Returns linear(pw_state(clicks)), [events, N], without storing the output of pw_state. For E events,
 * forward takes at most 2 E m n N flops, and backward twice as many. With tanh, forward and backward each
 * take 2 I n N flops more. @throws Error for wrong shapes
 */
export function pwTable(tape: ClickTape, name: string, inputs: PwTableInputs): Tensor {
  const { table, weights, layerBias, itemBias } = inputs;
  const sum = allocateTableSum(tape, name, inputs);
  return tape.record({
    op: "pw_table",
    inputs: itemBias ? [table, weights, layerBias, itemBias] : [table, weights, layerBias],
    output: sum.output,
    forward: () => forward(sum),
    backward: (call) => backward(sum, call),
    reference: reference(sum.BY_EVENT),
  });
}

interface TableSum extends PwTableInputs {
  readonly tape: ClickTape;
  readonly name: string;
  readonly output: Tensor;
  /** True if the table has a row per event, false if a row per item. */
  readonly BY_EVENT: boolean;
  readonly TANH: boolean;
  readonly window: Window | undefined;
  readonly coefficient: Memory;
  readonly I: number;
  readonly m: number;
  readonly n: number;
  readonly N: number;
  readonly N4: number;
  /** Number of vec4f per row of `weights`; a row has the n weights of one lag. */
  readonly blocks: number;
}

function allocateTableSum(tape: ClickTape, name: string, inputs: PwTableInputs): TableSum {
  const { table, weights, layerBias, itemBias } = inputs;
  const m = Number(weights.rows);
  const n = weights.columns;
  const N = layerBias.columns;
  const BY_EVENT = table.rows === "events";
  const byItem = table.rows === "items" && tape.batch.clicks !== undefined;
  const I = byItem ? tape.options.capacity.items : Number(table.rows);
  if (!(BY_EVENT || byItem || isTable(table)) || table.groups !== n) {
    throw new Error(
      `pw_table: expected ${formatShape(table)} to be a table of ${n} groups, got ${table.groups}`,
    );
  }
  expectShape("pw_table", table, BY_EVENT || byItem ? table.rows : I, n * N);
  expectShape("pw_table", weights, m, n);
  expectShape("pw_table", layerBias, 1, N);
  if (itemBias) {
    if (BY_EVENT || byItem) throw new Error(`pw_table: for tanh, ${formatShape(table)} must be a parameter`);
    expectShape("pw_table", itemBias, I, n);
    isTable(itemBias);
  }
  const output = tape.tensor(name, "events", N);
  const window = itemBias && buildWindow(tape, name, { table, weights, layerBias, itemBias });
  const coefficient = window?.coefficient ?? weights.view;
  const flags = { BY_EVENT, TANH: itemBias !== undefined };
  const widths = { I, m, n, N, N4: output.stride / 4, blocks: weights.stride / 4 };
  return { ...inputs, tape, name, output, window, coefficient, ...flags, ...widths };
}

function buildConstants({ N4, m, n, TANH }: TableSum) {
  return { N4, LAGS: m, WEIGHTINGS: n, TANH };
}

/** Estimates cost. @param read - number of vec4f read from the table @param each - further vec4f per event */
function estimateSumCost({ m, n, N }: TableSum, { events }: ClickSizes, read: number, each: number): Cost {
  return { flops: 2 * m * n * N * events, bytes: 16 * (read + each * events) };
}

function countSelectedVectors({ table, n, N4 }: TableSum, s: ClickSizes): number {
  return estimateDistinctRows(s.events, table.rows, s) * n * N4;
}

function forward(sum: TableSum): ClickDispatch[] {
  const { tape, name, table, layerBias, output, window, coefficient, BY_EVENT, TANH, m, N4, blocks } = sum;
  const { clicks, history } = tape.batch;
  const event = clicks ?? tape.batch.event;
  return [
    ...(window?.forward() ?? []),
    {
      kernel: forwardKernel,
      label: `${name} forward`,
      constants: { ...buildConstants(sum), BY_EVENT, LISTS: clicks !== undefined },
      views: {
        event,
        history,
        table: table.view,
        coefficient,
        bias: window?.base ?? layerBias.view,
        output: output.view,
      },
      invocations: [{ of: "events", per: 4, times: N4 }],
      cost: (s) => estimateSumCost(sum, s, countSelectedVectors(sum, s), N4 + (TANH ? m * blocks : 0)),
    },
  ];
}

function backward(sum: TableSum, call: ClickCall): ClickDispatch[] {
  const { tape, name, table, BY_EVENT, TANH, n, N4, blocks } = sum;
  const toTable = call.gradient(table);
  if (!toTable) throw new Error(`pw_table: ${table.name} must be trainable`);
  // With tanh the gradient has one extra row: the sum over all events.
  const row = n * N4 + (TANH ? blocks : 0);
  const rows = tape.options.capacity.events + (TANH ? 1 : 0);
  const source = BY_EVENT
    ? toTable.view
    : tape.options.arena.allocate(`${name} gradient of clicks`, 16 * rows * row);
  const specs = eventGradients(sum, call, source, BY_EVENT && toTable.accumulate, row);
  if (BY_EVENT) return specs;
  const sparse = TANH ? undefined : sparseEmbeddingGradient(tape, call, table, source);
  return [...specs, ...(sparse ? [sparse] : itemGradients(sum, call, source, toTable))];
}

function eventGradients(
  sum: TableSum,
  call: ClickCall,
  source: Memory,
  ACCUMULATE: boolean,
  row: number,
): ClickDispatch[] {
  const { tape, name, table, weights, layerBias, output, coefficient, BY_EVENT, TANH, m, n, N, N4, blocks } =
    sum;
  const { event, history } = tape.batch;
  const constants = buildConstants(sum);
  const output_gradient = call.outputGradient();
  const products = tape.saved(`${name} products`, "events", (TANH ? 2 : 1) * m * weights.stride);
  const sums = tape.saved(`${name} gradient sums`, tape.dimensions.chunks.most, output.stride);
  const toWeights = call.partials(weights);
  const toBias = call.partials(layerBias);
  if (toBias.accumulate !== toWeights.accumulate) {
    throw new Error(`${name}: an op must use both ${layerBias.name} and ${weights.name}, or neither`);
  }
  return [
    {
      kernel: backwardKernel,
      label: `${name} gradient by event`,
      constants: { ...constants, BY_EVENT },
      views: { event, history, table: table.view, coefficient, output_gradient, products },
      invocations: [{ of: "events", times: Math.ceil(m / 4) * blocks }],
      cost: (s) => estimateSumCost(sum, s, countSelectedVectors(sum, s), N4 + (TANH ? 4 : 1) * m * blocks),
    },
    {
      kernel: weightKernel,
      label: `${name} gradient of weights`,
      constants: { ...constants, ACCUMULATE: toWeights.accumulate },
      views: { history, products, output_gradient, sums, ...partialViews(call, toWeights, { bias: toBias }) },
      invocations: [tape.dimensions.scaleByChunks(m * blocks + N4)],
      cost: (s) => ({ flops: s.events * (m * n + N), bytes: 16 * s.events * (m * blocks + N4) }),
    },
    {
      kernel: historyKernel,
      label: `${name} gradient of clicks`,
      constants: { ...constants, ...getSumConstants(tape.options.variants), BY_EVENT, ACCUMULATE },
      views: { event, history, coefficient, output_gradient, products, sums, output: source },
      invocations: [{ of: "events", plus: TANH ? 1 : 0, times: (TANH ? N4 + 1 : N4) * blocks }],
      cost: (s) => estimateSumCost(sum, s, 0, N4 + row + (TANH ? 2 * m * blocks : 0)),
    },
  ];
}

function itemGradients(
  { tape, name, table, itemBias, TANH, I, n, N, N4, blocks }: TableSum,
  call: ClickCall,
  source: Memory,
  toTable: GradientTarget,
): ClickDispatch[] {
  const { row, logged: { ranked, slotFirst, sorted } } = tape.batch;
  const byItem = { source, ranked, slot_first: slotFirst, sorted, row };
  const specs: ClickDispatch[] = [{
    kernel: tableKernel,
    label: `${name} gradient of ${table.name}`,
    constants: { N4, WEIGHTINGS: n, ITEMS: I, TANH, ACCUMULATE: toTable.accumulate },
    views: { ...byItem, item_bias: itemBias?.view ?? table.view, output: toTable.view },
    invocations: [I * blocks * N4],
    cost: (s) => ({ flops: (s.events + (TANH ? 2 * I : 0)) * n * N, bytes: 16 * (s.events + I) * n * N4 }),
  }];
  const toItemBias = itemBias && call.gradient(itemBias);
  if (itemBias && toItemBias) {
    specs.push({
      kernel: itemBiasKernel,
      label: `${name} gradient of ${itemBias.name}`,
      constants: { N4, WEIGHTINGS: n, ITEMS: I, ACCUMULATE: toItemBias.accumulate },
      views: { ...byItem, item_bias: itemBias.view, table: table.view, output: toItemBias.view },
      invocations: [I * blocks],
      cost: (s) => ({
        flops: (2 * I * N + s.events) * n,
        bytes: 16 * (I * n * N4 + (s.events + 2 * I) * blocks),
      }),
    });
  }
  return specs;
}

interface Window {
  /** Buffer [events, 3 * m * n]: three coefficients per event, lag and weighting (see pw_window.wgsl). */
  readonly coefficient: View;
  /** Buffer [1, N]: the output for a user without clicks. */
  readonly base: View;
  forward(): ClickDispatch[];
}

function buildWindow(tape: ClickTape, name: string, inputs: Required<PwTableInputs>): Window {
  const { table, weights, layerBias, itemBias } = inputs;
  const [m, n, I] = [Number(weights.rows), weights.columns, Number(table.rows)];
  const N4 = layerBias.stride / 4;
  const blocks = weights.stride / 4;
  /** Number of chunks (at most 64) into which items are divided; one invocation adds up all chunks' sums. */
  const CHUNKS = Math.min(64, Math.ceil(I / 16));
  const sums = tape.saved(`${name} base sums`, CHUNKS, layerBias.stride);
  const base = tape.saved(`${name} base`, 1, layerBias.stride);
  const coefficient = tape.saved(`${name} coefficients`, "events", 3 * m * weights.stride);
  return {
    coefficient,
    base,
    forward: (): ClickDispatch[] => [
      {
        kernel: baseKernel,
        label: `${name} base`,
        constants: { N4, WEIGHTINGS: n, ITEMS: I, CHUNKS },
        views: { table: table.view, item_bias: itemBias.view, sums },
        invocations: [N4 * CHUNKS],
        cost: () => ({ flops: 2 * I * n * layerBias.columns, bytes: 16 * I * n * N4 }),
      },
      {
        kernel: windowKernel,
        label: `${name} window`,
        constants: { N4, LAGS: m, WEIGHTINGS: n, CHUNKS, LISTS: tape.batch.clicks !== undefined },
        views: {
          event: tape.batch.clicks ?? tape.batch.event,
          history: tape.batch.history,
          weights: weights.view,
          item_bias: itemBias.view,
          bias: layerBias.view,
          sums,
          base,
          coefficient,
        },
        invocations: [{ of: "events", times: m * blocks, least: N4 }],
        cost: (s) => ({
          flops: s.events * m * (m + 50) * n,
          bytes: 16 * blocks * (3 * m * s.events + estimateDistinctRows(s.events, I, s)),
        }),
      },
    ],
  };
}

/**
 * Computes the op in f64: first the states [events, I * n] (n weighted sums of one-hot clicks), then the
 * product with the first layer's weights. @param byEvent - true if `table` has a row per event
 */
const reference = (byEvent: boolean): ClickReference => ([table, weights, layerBias, itemBias], batch) => {
  if (!table || !weights || !layerBias) throw new Error("pw_table: expected table, weights and bias");
  const events = byEvent
    ? batch.events.map((event, e) => ({ ...event, fed: event.fed === NONE ? NONE : e }))
    : batch.events;
  const windows = lastClicks({ ...batch, events }, weights.rows);
  const [n, N, I] = [weights.columns, layerBias.columns, table.rows];
  const state = makeMatrix(windows.length, I * n);
  windows.forEach((window, e) => {
    window.forEach((item, lag) => {
      for (let j = 0; j < n; j++) add(state, e, item * n + j, getAt(weights, lag, j));
    });
  });
  if (itemBias) {
    state.data.forEach((z, i) => state.data[i] = Math.tanh(z + (itemBias.data[i % (I * n)] ?? 0)));
  }
  // Row k n + j of the layer's weights is group j of the table's row k, so both have the same data.
  const layer = { rows: I * n, columns: N, data: table.data };
  const output = makeMatrix(windows.length, N, (_, column) => getAt(layerBias, 0, column));
  state.data.forEach((s, i) => {
    if (s === 0) return;
    const [e, row] = [Math.floor(i / (I * n)), i % (I * n)];
    for (let column = 0; column < N; column++) add(output, e, column, s * getAt(layer, row, column));
  });
  return {
    output,
    backward(gradient) {
      const dTable = makeMatrix(I, n * N);
      const dWeights = makeMatrix(weights.rows, n);
      const dItemBias = makeMatrix(I, n);
      windows.forEach((window, e) => {
        for (let row = 0; row < I * n; row++) {
          const s = getAt(state, e, row);
          const lags = [...window.keys()].filter((lag) => window[lag] === Math.floor(row / n));
          if (s === 0 && !itemBias && lags.length === 0) continue;
          let ds = 0;
          for (let column = 0; column < N; column++) {
            const g = getAt(gradient, e, column);
            dTable.data[row * N + column] = (dTable.data[row * N + column] ?? 0) + s * g;
            ds += g * getAt(layer, row, column);
          }
          if (itemBias) ds *= 1 - s * s;
          dItemBias.data[row] = (dItemBias.data[row] ?? 0) + ds;
          for (const lag of lags) add(dWeights, lag, row % n, ds);
        }
      });
      const gradients = [dTable, dWeights, sumColumns(gradient)];
      return itemBias ? [...gradients, dItemBias] : gradients;
    },
  };
};
