/** mixed_product: W f of items with mixed features, f = tokens beside dense features. */

import type { ClickDispatch } from "../batch/click_sizes.ts";
import type { ClickCall, ClickReference, ClickTape } from "../batch/click_tape.ts";
import { type ItemTokens, NONE } from "../data/click_log.ts";
import { bufferOf } from "../gpu/memory.ts";
import { at, matrix, product } from "../tape/reference.ts";
import { expectShape } from "./op.ts";
import type { Tensor } from "../tape/tensor.ts";
import { distinctItems, fedItems } from "./click_gather.ts";
import { isTable } from "./first_layer.ts";
import { forwardProduct, weightGradient } from "./linear.ts";
import { above, multiHot, rowsOf, tokenGradient, type TokenRows, tokensOf, tokenSum } from "./token_sum.ts";

export interface MixedProductInputs {
  /** table parameter [V, N] */
  readonly table: Tensor;
  /** constant [I, F] and parameter [F, N]; absent where tokens are all that is known of the items */
  readonly dense?: { readonly features: Tensor; readonly weights: Tensor };
}

/**
 * [items, N], a row per distinct item of the batch, or [events, N], a row per event, of the item that it feeds; the rows
 * of events that feed none are not to be read, and their gradients must be zero.
 * 2 rows F N flops, and N for each token of an item; the same backward.
 * @throws Error for shapes that do not fit, or items without tokens.
 */
export function mixedProduct(
  tape: ClickTape,
  name: string,
  { table, dense }: MixedProductInputs,
  rows: TokenRows,
): Tensor {
  const tokens = tokensOf(tape);
  const N = table.columns;
  if (!isTable(table)) throw new Error(`mixed_product: expected ${table.name} to be a table`);
  expectShape("mixed_product", table, tokens.count, N);
  if (dense) expectShape("mixed_product", dense.weights, dense.features.columns, N);
  if (dense && dense.weights.groups !== table.groups) {
    throw new Error(`mixed_product: expected ${dense.weights.name} to have ${table.groups} groups`);
  }
  const output = tape.tensor(name, rows, N, { groups: table.groups });
  const matmul = dense && {
    input: dense.features,
    weights: dense.weights,
    bias: undefined,
    rows,
    gather: rows === "events" ? fedItems(tape.batch) : distinctItems(tape.batch),
  };

  const forward = (call: ClickCall): ClickDispatch[] => {
    const view = bufferOf(output.view);
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
    // Not the output: its gradient is read by token, in scattered rows, and textures are slow at that.
    rereads: dense ? [dense.features] : [],
    forward,
    backward,
    reference: reference(tokens.host, rows),
  });
}

/** Tokens as the dense features that they stand for. */
function reference(tokens: ItemTokens, rows: TokenRows): ClickReference {
  return ([table, features, kernel], batch) => {
    if (!table) throw new Error("mixed_product: expected a token table");
    const V = table.rows;
    const hot = multiHot(tokens);
    const items = rows === "items" ? batch.slotItem : batch.events.map(({ fed }) => fed);
    const x = matrix(items.length, V + (features?.columns ?? 0), (i, k) => {
      const item = items[i] ?? NONE;
      // An event that feeds no item gathers the dense features of the first: nobody reads the row.
      if (k >= V && features) return at(features, item === NONE ? 0 : item, k - V);
      return item === NONE ? 0 : at(hot, item, k);
    });
    return {
      output: product(x, kernel ? above(table, kernel) : table),
      backward(gradient) {
        const all = product(x, gradient, true);
        const dTable = rowsOf(all, 0, V);
        if (!features) return [dTable];
        return [dTable, matrix(features.rows, features.columns), rowsOf(all, V, all.rows)];
      },
    };
  };
}
