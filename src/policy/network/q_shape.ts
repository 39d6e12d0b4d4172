/** The parts of a Q-network, and its parameters. */

import type { ModelParameter } from "../../model/initial_weights.ts";
import { padded } from "../../tape/layout.ts";
import { expectUnits } from "./slate_score.ts";

/**
 * What is valued. `cascade`: the whole slate at each of its positions, by what was chosen before, with a net a position.
 * `shared`: the same by one net, with a bias a position, that gets the sum of what was chosen. `item`: each item alone.
 */
export type QKind = "cascade" | "shared" | "item";

/**
 *     z = relu(W x + b)                             x = [state; page / T], G: columns of an item's vector g
 *     hidden_j = relu(S_j z + c_j + sum over m < j of C_jm g_m + E_j g_j)
 *     Q^j = q_j . hidden_j + v_j . z + d_j
 */
export interface QShape {
  readonly kind: QKind;
  /** k */
  readonly slate: number;
  /** L, hidden units of a position: a multiple of four, at most 64. */
  readonly units: number;
  /** Units of z. */
  readonly trunk: number;
  /** Columns of x. */
  readonly inputs: number;
  /** G */
  readonly itemColumns: number;
  /** With `item`: a value of a page without a click, beside those of its items. */
  readonly zero?: boolean;
}

/** Bases of a row: one a position, or one for all. */
export function basesOf({ kind, slate }: QShape): number {
  return kind === "cascade" ? slate : 1;
}

/** Columns that the product of an item in a slot has: its own part, and what it adds to later positions. */
export function widthOf({ kind, slate, units }: QShape, slot: number): number {
  return units * (kind === "cascade" ? slate - slot : kind === "shared" ? 2 : 1);
}

/** Different products of items: one a slot, or one for all. */
export function productsOf({ kind, slate }: QShape): number {
  return kind === "cascade" ? slate : 1;
}

/** Columns of the part of the state alone: one a position, or one for all items, and that of no click. */
export function valuesOf({ kind, slate, zero }: QShape): number {
  return kind === "item" ? (zero ? 2 : 1) : slate;
}

/** Columns of the values of a slate: one a position, and that of no click. */
export function columnsOf({ slate, zero }: QShape): number {
  return slate + (zero ? 1 : 0);
}

/** Name of the weights [G, width] of a product of items. @param product from 0 on */
export function itemKernel(product: number): string {
  return `item${product + 1}/kernel`;
}

/** @throws Error for a shape that the kernels do not take. */
export function qParameters(shape: QShape): ModelParameter[] {
  const { kind, slate, units, trunk, inputs, itemColumns, zero } = shape;
  expectUnits(units);
  if (zero && kind !== "item") throw new Error("only a network of single items has a value of no click");
  if (padded(trunk) !== trunk) throw new Error(`expected a multiple of 4 units of the trunk, got ${trunk}`);
  const bases = basesOf(shape);
  const drawn = (name: string, rows: number, columns: number, fanIn: number): ModelParameter => ({
    ...{ name, rows, columns },
    initial: (random) => (2 * random.uniform() - 1) / Math.sqrt(fanIn),
  });
  /** A dense layer of one position's net. Its biases are drawn, too: with zeros, all kinks of ReLU go through the origin. */
  const layer = (name: string, rows: number, columns: number, fanIn = rows): ModelParameter[] => [
    drawn(`${name}/kernel`, rows, columns, fanIn),
    drawn(`${name}/bias`, 1, columns, fanIn),
  ];
  const hidden = trunk + itemColumns;
  return [
    ...layer("trunk", inputs, trunk),
    ...layer("state", trunk, bases * units, hidden),
    ...Array.from(
      { length: productsOf(shape) },
      (_, m) => drawn(itemKernel(m), itemColumns, widthOf(shape, m), hidden),
    ),
    ...(kind === "shared" ? [drawn("position/bias", 1, slate * units, hidden)] : []),
    drawn("output/kernel", 1, bases * units, units),
    ...layer("value", trunk, valuesOf(shape)),
  ];
}
