/** A Q-network on the device: its weights, an older copy of them, and what both make of the catalogue. */

import { initialWeights } from "../../model/initial_weights.ts";
import { forwardProduct, linear } from "../../ops/linear.ts";
import { Arena } from "../../gpu/arena.ts";
import type { Gpu } from "../../gpu/device.ts";
import { bufferOf, type View } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import type { Sizes } from "../../gpu/sizes.ts";
import { ParameterArena } from "../../tape/parameters.ts";
import { matrix } from "../../tape/reference.ts";
import type { Tape } from "../../tape/tape.ts";
import { padded } from "../../tape/layout.ts";
import type { Tensor } from "../../tape/tensor.ts";
import { itemKernel, productsOf, qParameters, type QShape, widthOf } from "./q_shape.ts";
import { itemsOf, type SlateRows, tapeOf } from "./slate_rows.ts";

/** Which weights: those that are trained, or their older copy. */
export type QCopy = "online" | "older";

/** What a copy's weights make of the catalogue: [I, width] for each product of items. See {@link widthOf}. */
export type QTables = readonly View[];

/** What a row's state is made into. */
export interface QState {
  /** [R, L] for each base: a row's stand side by side. */
  readonly bases: Tensor;
  /** [R, values] the part of the state alone. */
  readonly values: Tensor;
}

export class QNetwork {
  readonly parameters: ParameterArena;
  /** The older copy of the weights, laid out like them. */
  readonly older: View;
  readonly tables: Readonly<Record<QCopy, QTables>>;
  readonly #arena: Arena;

  /** @param items I. @param seed draws its weights. @throws Error for a shape that cannot be; UserError for one too large. */
  constructor(readonly gpu: Gpu, readonly shape: QShape, readonly items: number, seed: number) {
    const declared = qParameters(shape);
    this.parameters = new ParameterArena(gpu, declared);
    this.#arena = new Arena(gpu, "Q-network");
    this.older = this.#arena.allocate("older weights", 4 * this.parameters.length);
    const table = (copy: QCopy, slot: number) =>
      this.#arena.allocate(`${copy} table ${slot + 1}`, 4 * items * padded(widthOf(shape, slot)));
    const tables = (copy: QCopy) => Array.from({ length: productsOf(shape) }, (_, slot) => table(copy, slot));
    this.tables = { online: tables("online"), older: tables("older") };
    const weights = initialWeights(declared, seed, "policy/");
    this.parameters.write(weights);
    this.parameters.write(weights, this.older.buffer);
  }

  /** All weights of a copy, in the order of the arena. */
  weights(copy: QCopy): View {
    const { weights, length } = this.parameters;
    const { buffer } = copy === "online" ? weights : this.older;
    return { buffer, offset: 0, size: 4 * length };
  }

  /** What a copy's weights make of the catalogue for a position of the slate. @throws Error for one that it has not. */
  table(copy: QCopy, position: number): View {
    const table = this.tables[copy][this.shape.kind === "cascade" ? position : 0];
    if (!table) throw new Error(`there is no table of position ${position}`);
    return table;
  }

  /** A parameter of a copy. Gradients flow into those that are trained. */
  parameter(name: string, copy: QCopy): Tensor {
    const own = this.parameters.get(name);
    if (copy === "online") return own;
    return { ...own, trainable: false, view: { ...bufferOf(own.view), buffer: this.older.buffer } };
  }

  /** The first vector of a parameter among all weights. */
  first4(name: string): number {
    return bufferOf(this.parameters.get(name).view).offset / 16;
  }

  /**
   * What makes the tables of a copy, after its weights have moved. Before anything else reads them.
   * @param itemVectors [I, G], a constant
   */
  makeTables<S extends Sizes>(rows: SlateRows<S>, copy: QCopy, itemVectors: Tensor): DispatchSpec<S>[] {
    const { shape, items } = this;
    if (itemsOf(rows) !== items || itemVectors.columns !== shape.itemColumns) {
      throw new Error(
        `expected vectors [${items}, ${shape.itemColumns}] of items, got [${
          itemsOf(rows)
        }, ${itemVectors.columns}]`,
      );
    }
    const tape = tapeOf<S, unknown>(rows, this.parameters);
    const input: Tensor = { ...itemVectors, rows: rows.items, trainable: false };
    this.tables[copy].forEach((view, slot) => {
      const weights = this.parameter(itemKernel(slot), copy);
      const output = tape.tensor(`${copy} table ${slot + 1}`, rows.items, widthOf(shape, slot), {
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
        reference: () => ({ output: matrix(0, 0), backward: () => [] }),
      });
    });
    tape.place();
    return tape.forward();
  }

  /** Records what becomes of states. @param input [R, inputs] */
  state<S extends Sizes, R>(tape: Tape<S, R>, copy: QCopy, input: Tensor): QState {
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

  destroy(): void {
    this.parameters.destroy();
    this.#arena.destroy();
  }
}
