/** What an op is tried on: a batch, values that it reads, and how it is recorded. */

import type { ClickSizes } from "../../batch/click_sizes.ts";
import type { ClickTape } from "../../batch/click_tape.ts";
import type { CountedLog } from "../../batch/device_log.ts";
import type { ClickLog } from "../../data/click_log.ts";
import type { ParameterSpec, Weights } from "../../tape/parameters.ts";
import type { Matrix } from "../../tape/reference.ts";
import type { Activation, Tensor } from "../../tape/tensor.ts";

/** A leaf that an op is tried on: a value with a gradient, but no parameter. */
export interface Leaf {
  readonly name: string;
  readonly rows: keyof ClickSizes | number;
  readonly columns: number;
  readonly groups?: number;
  readonly activation?: Activation;
  readonly trainable?: boolean;
  /** Stride 1: a utility. */
  readonly packed?: boolean;
  /** Whole numbers, so that some are equal. */
  readonly whole?: boolean;
}

export interface OpCase {
  readonly log: ClickLog;
  readonly users: readonly number[];
  readonly leaves: readonly Leaf[];
  readonly parameters: readonly ParameterSpec[];
  /** Records the op under test, the last one, and what comes before it; it gets leaves and parameters by name. */
  readonly build: (tape: ClickTape, tensor: (name: string) => Tensor) => Tensor;
  /** Of an op that reads counts: whether the log's train users were counted. */
  readonly counted?: CountedLog;
  /** Values of parameters that are not drawn, by name. */
  readonly values?: Weights;
  /** Standard deviation of the random values. */
  readonly scale?: number;
  /** Relative to the largest value: c 2^-24 K, from the op's longest sum. */
  readonly tolerance: number;
  /** Gradients of tables are wanted for the rows alone that the batch touches. */
  readonly touchedOnly?: boolean;
  /** Not tried with the op recorded twice, which compiles its gradients' shaders once more. For all but a few sizes. */
  readonly once?: boolean;
  /** The op is a loss: what is differentiated, of its output and its inputs. */
  readonly loss?: (output: Matrix, inputs: readonly Matrix[]) => number;
  /** The op has no gradient. */
  readonly forwardOnly?: boolean;
  /** Parameters that the op itself moves, and what they are after so many runs. */
  readonly moves?: (values: ReadonlyMap<string, Matrix>, runs: number) => ReadonlyMap<string, Matrix>;
}
