/** Structure and parameters of a Q-network. */

import { drawInitialWeights, type ModelParameter } from "../../model/initial_weights.ts";
import { padColumns, type Tensor } from "../../tape/tensor.ts";
import { expectUnits } from "./slate_score.ts";
import { linear } from "../../ops/linear.ts";
import { forwardProduct } from "../../ops/matrix_product.ts";
import { Arena } from "../../gpu/arena.ts";
import type { Gpu } from "../../gpu/device.ts";
import { asBufferView, type View } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import type { BatchSizes } from "../../gpu/sizes.ts";
import { ParameterArena } from "../../tape/parameters.ts";
import { makeMatrix } from "../../tape/reference.ts";
import type { Tape } from "../../tape/tape.ts";
import { countCatalogueItems, createTape, type SlateRows } from "./slate_rows.ts";

/**
 * Kind of Q-values. `cascade`: each position has a net, which predicts the value of the whole slate from the
 * items at this and earlier positions. `item`: a single net predicts one value per item.
 */
export type QKind = "cascade" | "item";

/**
 * Shape of the network. Q^j is the Q-value of position j, z the trunk's output, g_m the vector of the item at
 * position m, and T the number of pages. W, S, C, E, q and v are weights; b, c and d are biases.
 *     z = relu(W x + b)                             x = [state; page / T]
 *     hidden_j = relu(S_j z + c_j + sum over m < j of C_jm g_m + E_j g_j)
 *     Q^j = q_j . hidden_j + v_j . z + d_j
 */
export interface QShape {
  readonly kind: QKind;
  readonly slate: number;
  /** L, the number of hidden units per position: a multiple of four, at most 64. */
  readonly units: number;
  readonly trunk: number;
  readonly inputs: number;
  readonly itemColumns: number;
  /** True if a network of kind `item` also has a Q-value of no click. */
  readonly zero?: boolean;
}

/** Returns the number of nets: one per position for `cascade`, else 1. */
export function countNets({ kind, slate }: QShape): number {
  return kind === "cascade" ? slate : 1;
}

/** Returns the width of a slot's item table: `units`; with `cascade`, `units` more for each later slot. */
export function getProductWidth({ kind, slate, units }: QShape, slot: number): number {
  return units * (kind === "cascade" ? slate - slot : 1);
}

/** Counts the columns of {@link QState.values}: one per net, and one for no click if `zero` is set. */
export function countStateColumns({ kind, slate, zero }: QShape): number {
  return kind === "item" ? (zero ? 2 : 1) : slate;
}

/** Counts the Q-values of a slate: one per position, and one for no click if `zero` is set. */
export function countValueColumns({ slate, zero }: QShape): number {
  return slate + (zero ? 1 : 0);
}

/** Returns the name of the weights [item columns, width] that map item vectors to an item table. */
export function getItemKernelName(product: number): string {
  return `item${product + 1}/kernel`;
}

/** Lists the parameters of a network. @throws Error for a shape that the kernels do not support. */
export function listQParameters(shape: QShape): ModelParameter[] {
  const { kind, units, trunk, inputs, itemColumns, zero } = shape;
  expectUnits(units);
  if (zero && kind !== "item") {
    throw new Error(`expected a Q-value of "no click" only with kind item, got kind ${kind}`);
  }
  if (padColumns(trunk) !== trunk) {
    throw new Error(`expected a trunk with a multiple of 4 units, got ${trunk}`);
  }
  const nets = countNets(shape);
  const drawn = (name: string, rows: number, columns: number, fanIn: number): ModelParameter => ({
    ...{ name, rows, columns },
    initial: (random) => (2 * random.uniform() - 1) / Math.sqrt(fanIn),
  });
  /** Returns a dense layer with random initial biases. */
  const layer = (name: string, rows: number, columns: number, fanIn = rows): ModelParameter[] => [
    drawn(`${name}/kernel`, rows, columns, fanIn),
    drawn(`${name}/bias`, 1, columns, fanIn),
  ];
  const hidden = trunk + itemColumns;
  return [
    ...layer("trunk", inputs, trunk),
    ...layer("state", trunk, nets * units, hidden),
    ...Array.from(
      { length: nets },
      (_, m) => drawn(getItemKernelName(m), itemColumns, getProductWidth(shape, m), hidden),
    ),
    drawn("output/kernel", 1, nets * units, units),
    ...layer("value", trunk, countStateColumns(shape)),
  ];
}

/** Copy of the weights: "online" weights are trained, "target" weights belong to the target network. */
export type WeightCopy = "online" | "target";

/** Terms of the Q-values that depend on the user state, but not on items. */
export interface QState {
  /** [rows, nets x units] hidden units before relu, without the items' terms: S z + c in {@link QShape}. */
  readonly bases: Tensor;
  /** [rows, values] terms of the Q-values that need no hidden units: v . z + d in {@link QShape}. */
  readonly values: Tensor;
}

export class QNetwork {
  readonly parameters: ParameterArena;
  readonly target: View;
  /** Item tables of each copy of the weights: item vectors x weights [items, {@link getProductWidth}]. */
  readonly tables: Readonly<Record<WeightCopy, readonly View[]>>;
  readonly #arena: Arena;

  /** @throws Error for a shape that the kernels do not support; UserError if the network is too large. */
  constructor(readonly gpu: Gpu, readonly shape: QShape, readonly items: number, seed: number) {
    const declared = listQParameters(shape);
    this.parameters = new ParameterArena(gpu, declared);
    this.#arena = new Arena(gpu, "Q-network");
    this.target = this.#arena.allocate("target weights", 4 * this.parameters.length);
    const table = (copy: WeightCopy, slot: number) =>
      this.#arena.allocate(`${copy} table ${slot + 1}`, 4 * items * padColumns(getProductWidth(shape, slot)));
    const tables = (copy: WeightCopy) =>
      Array.from({ length: countNets(shape) }, (_, slot) => table(copy, slot));
    this.tables = { online: tables("online"), target: tables("target") };
    const weights = drawInitialWeights(declared, seed, "policy/");
    this.parameters.write(weights);
    this.parameters.write(weights, this.target.buffer);
  }

  weights(copy: WeightCopy): View {
    const { weights, length } = this.parameters;
    const { buffer } = copy === "online" ? weights : this.target;
    return { buffer, offset: 0, size: 4 * length };
  }

  /** Returns the item table that a position of the slate reads. @throws Error if the table is missing. */
  table(copy: WeightCopy, position: number): View {
    const table = this.tables[copy][this.shape.kind === "cascade" ? position : 0];
    if (!table) throw new Error(`expected an item table for position ${position}, found none`);
    return table;
  }

  /** Returns a parameter of the online or target weights. Only online weights get gradients. */
  parameter(name: string, copy: WeightCopy): Tensor {
    const own = this.parameters.get(name);
    if (copy === "online") return own;
    return { ...own, trainable: false, view: { ...asBufferView(own.view), buffer: this.target.buffer } };
  }

  /** Returns a parameter's offset in the buffer of all weights, in units of four floats (16 bytes). */
  first4(name: string): number {
    return asBufferView(this.parameters.get(name).view).offset / 16;
  }

  /** Returns a position's offsets and widths in item table, hidden layer and weights, in vec4f (16 bytes). */
  layout(position: number): Record<"tableStride4" | "chosenAt4" | "laterAt4" | "later4" | "output4", number> {
    const { kind, slate, units } = this.shape;
    const units4 = units / 4;
    const cascade = kind === "cascade";
    return {
      tableStride4: getProductWidth(this.shape, position) / 4,
      chosenAt4: units4,
      laterAt4: cascade ? (position + 1) * units4 : 0,
      later4: cascade ? (slate - position - 1) * units4 : 0,
      output4: this.first4("output/kernel") + (cascade ? position * units4 : 0),
    };
  }

  /** Returns dispatches that compute the item tables from weights. @param itemVectors - [items, columns] */
  makeTables<S extends BatchSizes>(
    rows: SlateRows<S>,
    copy: WeightCopy,
    itemVectors: Tensor,
  ): DispatchSpec<S>[] {
    const { shape, items } = this;
    if (countCatalogueItems(rows) !== items || itemVectors.columns !== shape.itemColumns) {
      throw new Error(
        `expected vectors [${items}, ${shape.itemColumns}] of items, got [${countCatalogueItems(rows)}, ` +
          `${itemVectors.columns}]`,
      );
    }
    const tape = createTape<S, unknown>(rows, this.parameters);
    const input: Tensor = { ...itemVectors, rows: rows.items, trainable: false };
    this.tables[copy].forEach((view, slot) => {
      const weights = this.parameter(getItemKernelName(slot), copy);
      const output = tape.tensor(`${copy} table ${slot + 1}`, rows.items, getProductWidth(shape, slot), {
        view,
        trainable: false,
      });
      tape.record({
        op: "item_table",
        inputs: [input, weights],
        output,
        forward: (call) => [
          forwardProduct(call, {
            input,
            weights,
            bias: undefined,
            rows: rows.items,
            gather: undefined,
            output: view,
          }),
        ],
        reference: () => ({ output: makeMatrix(0, 0), backward: () => [] }),
      });
    });
    tape.place();
    return tape.forward();
  }

  /** Computes the terms of Q-values that do not depend on items. @param input - x in {@link QShape} */
  state<S extends BatchSizes, R>(tape: Tape<S, R>, copy: WeightCopy, input: Tensor): QState {
    const of = (name: string) => this.parameter(name, copy);
    const dense = (name: string, from: Tensor, activation?: "relu") =>
      linear(
        tape,
        `${copy} ${name}`,
        { input: from, weights: of(`${name}/kernel`), bias: of(`${name}/bias`) },
        { activation },
      );
    const trunk = dense("trunk", input, "relu");
    return { bases: dense("state", trunk), values: dense("value", trunk) };
  }

  [Symbol.dispose](): void {
    this.parameters[Symbol.dispose]();
    this.#arena.destroy();
  }
}
