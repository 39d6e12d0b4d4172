/** What the items of a catalogue give a layer, made once at the export: a row each. */

import type { ItemCatalogue } from "../../data/item_catalogue.ts";

/** Items that are folded at once. */
const ITEMS = 2 ** 14;

export interface ItemWeights {
  /** [F, C] of dense features; with one-hot items [I, C]. Absent where there are none. */
  readonly kernel: Float32Array<ArrayBuffer> | undefined;
  /** [V, C] of tokens. */
  readonly tokens: Float32Array<ArrayBuffer> | undefined;
  /** C */
  readonly columns: number;
}

/** [I, C] W f of every item, summed in float64. One-hot items have it already. */
export function foldItems(
  catalogue: ItemCatalogue,
  { kernel, tokens, columns }: ItemWeights,
): Float32Array<ArrayBuffer> {
  const { kind, count } = catalogue.shape;
  if (kind === "one-hot") return kernel ?? new Float32Array(count * columns);
  const folded = new Float32Array(count * columns);
  const sum = new Float64Array(columns);
  for (let first = 0; first < count; first += ITEMS) {
    const ids = Uint32Array.from({ length: Math.min(ITEMS, count - first) }, (_, k) => first + k);
    const items = catalogue.read(ids);
    if (items.kind === "one-hot") throw new Error("one-hot items in a catalogue of another kind");
    const { width, values } = items;
    for (let k = 0; k < ids.length; k++) {
      sum.fill(0);
      for (let f = 0; f < width; f++) {
        addRow(sum, kernel, f, values[k * width + f] ?? 0);
      }
      if (items.kind === "mixed") {
        const { first: from, token } = items.tokens;
        for (let p = from[k] ?? 0; p < (from[k + 1] ?? 0); p++) addRow(sum, tokens, token[p] ?? 0, 1);
      }
      folded.set(sum, (first + k) * columns);
    }
  }
  return folded;
}

function addRow(sum: Float64Array, table: Float32Array | undefined, row: number, factor: number): void {
  if (!table) return;
  const start = row * sum.length;
  for (let c = 0; c < sum.length; c++) sum[c] = (sum[c] ?? 0) + factor * (table[start + c] ?? 0);
}
