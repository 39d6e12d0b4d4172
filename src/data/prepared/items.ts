/** The items of a prepared data set, as its manifest says. */

import type { ItemFeatures } from "../click_log.ts";
import { type ColumnType, floatOf, foundText, wholeOf } from "./foreign_column.ts";
import { Growing } from "../growing.ts";
import type { ItemsShape } from "../item_catalogue.ts";
import type { Manifest } from "../manifest.ts";
import type { TableFile } from "./files.ts";
import { readParquet } from "./parquet.ts";
import { UserError } from "../../user_error.ts";

const MOST_ITEMS = 2 ** 32;

/**
 * Hands over the items of a file, a row group at a time.
 * @param before items of the files before.
 * @returns how many there are up to its end.
 * @throws UserError for what is no item, feature or token as the manifest says.
 */
export async function readItems(
  table: TableFile,
  { features }: Manifest,
  shape: ItemsShape,
  before: number,
  take: (chunk: ItemFeatures, itemsBefore: number) => void,
): Promise<number> {
  const { path } = table;
  const { kind } = shape;
  const width = features.dense.length;
  const V = shape.kind === "mixed" ? shape.tokens : 0;
  const wanted: Record<"item" | "dense" | "tokens", ColumnType | undefined> = {
    item: { of: "whole" },
    dense: width > 0 ? { of: "number", list: true } : undefined,
    tokens: V > 0 ? { of: "whole", list: true } : undefined,
  };
  let items = before;
  await readParquet(table, wanted, (columns, { rows: count }) => {
    const values = new Float32Array(kind === "one-hot" ? 0 : count * width);
    const first = new Uint32Array(count + 1);
    const token = new Growing(Uint32Array);
    for (let k = 0; k < count; k++) {
      const fail: Fail = (expected, found) => {
        throw new UserError(
          `${path}: item ${items + k}: expected ${expected}, found ${found}. Prepare the data again.`,
        );
      };
      if (wholeOf(columns.item[k], MOST_ITEMS) !== items + k) {
        fail("items numbered 0, 1, 2, ... in order", foundText(columns.item[k]));
      }
      if (width > 0) readDense(columns.dense[k], features.dense, values.subarray(k * width), fail);
      if (V > 0) readTokens(columns.tokens[k], V, token, fail);
      first[k + 1] = token.length;
    }
    const tokens = { count: V, first, token: token.values() };
    if (kind === "one-hot") take({ kind, count }, items);
    else if (kind === "dense") take({ kind, count, width, values }, items);
    else take({ kind, count, width, values, tokens }, items);
    items += count;
  });
  return items;
}

/** Throws for the item that is being read. */
type Fail = (expected: string, found: string) => never;

/** Reads the numbers of an item. @param into takes them at its beginning. */
function readDense(dense: unknown, columns: Manifest["features"]["dense"], into: Float32Array, fail: Fail) {
  const width = columns.length;
  if (!Array.isArray(dense) || dense.length !== width) {
    const found = Array.isArray(dense) ? String(dense.length) : foundText(dense);
    return fail(`${width} dense features as in the manifest`, found);
  }
  for (let place = 0; place < width; place++) {
    const value = floatOf(dense[place]);
    if (Number.isNaN(value)) {
      fail(
        Number.isFinite(dense[place])
          ? "features that a 32-bit float holds (up to 3.4e38)"
          : "finite features",
        `${foundText(dense[place])} for ${columns[place]?.name} in dense`,
      );
    }
    into[place] = value;
  }
}

/** Adds the tokens of an item. @param V how many tokens there are. */
function readTokens(tokens: unknown, V: number, into: Growing<Uint32Array<ArrayBuffer>>, fail: Fail) {
  if (!Array.isArray(tokens)) return fail("tokens to be a list, an empty one for none", foundText(tokens));
  for (let place = 0; place < tokens.length; place++) {
    const id = wholeOf(tokens[place], V);
    if (id < 0) fail(`tokens of 0..${V - 1}`, foundText(tokens[place]));
    into.push(id);
  }
  if (hasTwice(tokens)) fail("each token once", tokens.slice(0, 100).join(", "));
}

/** Most items have few tokens: comparing them is faster than a set. */
const FEW = 16;

function hasTwice(values: readonly unknown[]): boolean {
  if (values.length > FEW) return new Set(values).size < values.length;
  for (let k = 1; k < values.length; k++) {
    for (let earlier = 0; earlier < k; earlier++) if (values[k] === values[earlier]) return true;
  }
  return false;
}
