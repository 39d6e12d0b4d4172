/**
 * Op mixed_product computes the product W f for items with mixed features f = (tokens, dense features). A
 * token is a feature that is 1 for items with the token and 0 for all other items. Weights of tokens are a
 * table with a row per token, so the rows of an item's tokens are added up.
 */

import chunksText from "../../kernels/scatter/token_gradient_chunks.wgsl" with { type: "text" };
import gradientText from "../../kernels/scatter/token_gradient.wgsl" with { type: "text" };
import rowsText from "../../kernels/scatter/token_gradient_rows.wgsl" with { type: "text" };
import sumText from "../../kernels/scatter/token_sum.wgsl" with { type: "text" };
import type { ClickDispatch, ClickSizes } from "../batch/click_sizes.ts";
import type { ClickCall, ClickReference, ClickTape } from "../batch/click_tape.ts";
import { type ItemTokens, NONE } from "../data/click_log.ts";
import { asBufferView, type Memory, type View } from "../gpu/memory.ts";
import { add, getAt, makeMatrix, type Matrix, multiply } from "../tape/reference.ts";
import { expectShape, getVectorConstants } from "./op.ts";
import type { Tensor } from "../tape/tensor.ts";
import { distinctItems, eventItemGradient, eventItems } from "./embedding.ts";
import { isTable } from "./first_layer.ts";
import { forwardProduct, weightGradient } from "./matrix_product.ts";
import type { DeviceTokens } from "../batch/device_items.ts";
import { getConstant, parseKernel } from "../gpu/kernel.ts";
import { estimateDistinctRows } from "../gpu/sizes.ts";

export interface MixedProductInputs {
  /** Table parameter [V, N]. */
  readonly table: Tensor;
  /** Constant [I, F] and parameter [F, N]; absent if items have only tokens. */
  readonly dense?: { readonly features: Tensor; readonly weights: Tensor };
}

/**
 * Returns W f [rows, N] for distinct items or events (`rows`). No op may use the row of an event at which the
 * encoder reads no item. For R rows, forward and backward each take 2 R F N flops, plus N per token of each
 * row's item. @throws Error for wrong shapes, or if the items have no tokens
 */
export function mixedProduct(
  tape: ClickTape,
  name: string,
  { table, dense }: MixedProductInputs,
  rows: TokenRows,
): Tensor {
  const tokens = getTokens(tape);
  const N = table.columns;
  if (!isTable(table)) throw new Error(`mixed_product: expected ${table.name} to be a table`);
  expectShape("mixed_product", table, tokens.count, N);
  if (dense) expectShape("mixed_product", dense.weights, dense.features.columns, N);
  if (dense && dense.weights.groups !== table.groups) {
    throw new Error(`mixed_product: expected ${dense.weights.name} to have ${table.groups} column groups`);
  }
  const output = tape.tensor(name, rows, N, { groups: table.groups });
  const matmul = dense && {
    input: dense.features,
    weights: dense.weights,
    bias: undefined,
    rows,
    gather: rows === "events" ? eventItems(tape.batch) : distinctItems(tape.batch),
  };

  const forward = (call: ClickCall): ClickDispatch[] => {
    const view = asBufferView(output.view);
    const sum = tokenSum(tape, call, table, view, rows, matmul !== undefined);
    return matmul ? [forwardProduct(call, { ...matmul, output: view }), sum] : [sum];
  };

  const backward = (call: ClickCall): ClickDispatch[] => {
    const outputGradient = call.outputGradient();
    return [
      ...(matmul ? [weightGradient(call, { ...matmul, outputGradient })] : []),
      ...tokenGradient(tape, call, table, outputGradient, rows),
    ];
  };

  return tape.record({
    op: "mixed_product",
    inputs: dense ? [table, dense.features, dense.weights] : [table],
    output,
    // `rereads` lacks the output, whose gradient is read in scattered rows: textures are slow for those.
    rereads: dense ? [dense.features] : [],
    forward,
    backward,
    reference: reference(tokens.host, rows),
  });
}

/** Computes the op in f64, as if tokens were multi-hot dense features. */
function reference(tokens: ItemTokens, rows: TokenRows): ClickReference {
  return ([table, features, kernel], batch) => {
    if (!table) throw new Error("mixed_product: expected a token table");
    const V = table.rows;
    const hot = multiHot(tokens);
    const items = rows === "items" ? batch.slotItem : batch.events.map(({ fed }) => fed);
    const x = makeMatrix(items.length, V + (features?.columns ?? 0), (i, k) => {
      const item = items[i] ?? NONE;
      // An event without an item gathers the dense features of item 0, in a row that nothing reads.
      if (k >= V && features) return getAt(features, item === NONE ? 0 : item, k - V);
      return item === NONE ? 0 : getAt(hot, item, k);
    });
    return {
      output: multiply(x, kernel ? concatRows(table, kernel) : table),
      backward(gradient) {
        const all = multiply(x, gradient, true);
        const dTable = sliceRows(all, 0, V);
        if (!features) return [dTable];
        return [dTable, makeMatrix(features.rows, features.columns), sliceRows(all, V, all.rows)];
      },
    };
  };
}

const sumKernel = parseKernel("token_sum", sumText);
const chunksKernel = parseKernel("token_gradient_chunks", chunksText);
const rowsKernel = parseKernel("token_gradient_rows", rowsText);
const gradientKernel = parseKernel("token_gradient", gradientText);

/** Number of (item, token) pairs per chunk. The gradient is first summed per chunk, then over chunks. */
const CHUNK = getConstant(gradientKernel, "CHUNK");

/** Rows of the output: the batch's distinct items or, for each event, the item that the encoder reads. */
export type TokenRows = "items" | "events";

export function getTokens({ batch }: ClickTape): DeviceTokens {
  const { tokens, kind } = batch.items;
  if (!tokens) throw new Error(`expected items with tokens, got ${kind} items`);
  return tokens;
}

/** Returns the dispatch that writes (or, if `add`, adds) sums of token rows to `output` [rows, N]. */
export function tokenSum(
  tape: ClickTape,
  call: ClickCall,
  table: Tensor,
  output: View,
  rows: TokenRows,
  add: boolean,
): ClickDispatch {
  const { slotItem, event, items: { tokens } } = tape.batch;
  if (!tokens) throw new Error(`${call.label}: expected items with tokens`);
  const N4 = table.stride / 4;
  const shape = getVectorConstants(call.variants);
  const sums = (s: ClickSizes) => tokens.boundPairs(s[rows]);
  return {
    kernel: sumKernel,
    label: `${call.label} tokens`,
    constants: { N4, ...shape, BY_EVENT: rows === "events", ADD: add },
    views: {
      table: asBufferView(table.view),
      item_first: tokens.itemFirst,
      token: tokens.token,
      slot_item: slotItem,
      event,
      output,
    },
    invocations: [{ of: rows, times: Math.ceil(N4 / shape.VECTORS) }],
    cost: (s) => ({
      flops: sums(s) * table.columns,
      bytes: 16 * (estimateDistinctRows(sums(s), table.rows, s) + (add ? 2 : 1) * s[rows]) * N4,
    }),
  };
}

/** Returns the dispatches for the table's gradient. @param source - gradient [rows, N] of the sums */
export function tokenGradient(
  tape: ClickTape,
  call: ClickCall,
  table: Tensor,
  source: Memory,
  rows: TokenRows,
): ClickDispatch[] {
  const target = call.gradient(table);
  if (!target) return [];
  const pairs = tape.batch.logged.tokenPairs;
  const { tokens, pair, ranked } = pairs;
  const FED = rows === "events";
  const byItem = FED
    ? tape.saved(`${call.label} gradient by item of event`, "items", table.stride)
    : undefined;
  const V = tokens.count;
  const N4 = table.stride / 4;
  const chunksAtMost = (s: ClickSizes) => Math.floor(pairs.boundPairs(s) / CHUNK);
  const sums = (s: ClickSizes) => tokens.boundPairs(Math.min(s.items, s[rows]));
  const read = (s: ClickSizes) => Math.min(sums(s), s.items, s[rows]);
  const { capacity } = tape.options;
  const most = Math.max(1, chunksAtMost(capacity));
  const chunk = tape.saved(`${call.label} chunks of tokens`, most, table.stride);
  const constants = { N4, TOKENS: V, LIST_WORDS: pairs.words, FED, CHUNK };
  const views = { source: byItem ?? source, pair, ranked, chunk };
  const specs: ClickDispatch[] = [{
    kernel: chunksKernel,
    label: `${call.label} chunks of ${table.name}`,
    constants,
    views,
    invocations: [{ of: chunksAtMost, times: N4 }],
    cost: (s) => ({ flops: sums(s) * table.columns, bytes: 16 * read(s) * N4 }),
  }];
  if (byItem) specs.unshift(eventItemGradient(tape, call, source, table.stride, byItem));
  const label = `${call.label} gradient of ${table.name}`;
  const listLength = { of: sums, most: Math.max(1, sums(capacity)) };
  const sparse = tape.options.sparseGradients
    ? call.sparseGradient(table, listLength, tape.saved(`${table.name} rows`, listLength.most, 1))
    : undefined;
  if (sparse) {
    const { list, gradient } = sparse;
    specs.push({
      kernel: rowsKernel,
      label,
      constants: { ...constants, PLACES: listLength.most },
      views: { ...views, token_first: tokens.tokenFirst, sparse_rows: list, output: gradient },
      invocations: [{ of: sums, times: N4 }],
      cost: (s) => ({ flops: sums(s) * table.columns, bytes: 16 * (read(s) + Math.min(sums(s), V)) * N4 }),
    });
    return specs;
  }
  specs.push({
    kernel: gradientKernel,
    label,
    constants: { ...constants, ACCUMULATE: target.accumulate },
    views: { ...views, token_first: tokens.tokenFirst, output: target.view },
    invocations: [V * N4],
    cost: (s) => ({ flops: sums(s) * table.columns, bytes: 16 * (read(s) + V) * N4 }),
  });
  return specs;
}

/** Returns a matrix [I, V] with 1 for the tokens of each item, and 0 elsewhere. */
export function multiHot({ count, first, token }: ItemTokens): Matrix {
  const hot = makeMatrix(first.length - 1, count);
  for (let item = 0; item < hot.rows; item++) {
    for (const id of token.subarray(first[item], first[item + 1])) add(hot, item, id, 1);
  }
  return hot;
}

export function concatColumns(a: Matrix, b: Matrix): Matrix {
  const get = (i: number, j: number) => (j < a.columns ? getAt(a, i, j) : getAt(b, i, j - a.columns));
  return makeMatrix(a.rows, a.columns + b.columns, get);
}

export function concatRows(a: Matrix, b: Matrix): Matrix {
  const get = (i: number, j: number) => (i < a.rows ? getAt(a, i, j) : getAt(b, i - a.rows, j));
  return makeMatrix(a.rows + b.rows, a.columns, get);
}

export function sliceRows(a: Matrix, from: number, to: number): Matrix {
  return makeMatrix(to - from, a.columns, (i, j) => getAt(a, from + i, j));
}
