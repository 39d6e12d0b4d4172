/** The random values that an op is tried on. */

import type { ClickTape } from "../../batch/click_tape.ts";
import { randomStream } from "../../data/random.ts";
import { type Memory, writeMemory } from "../../gpu/memory.ts";
import { extent } from "../../gpu/sizes.ts";
import { padRows } from "../../tape/layout.ts";
import type { Weights } from "../../tape/parameters.ts";
import { activated, at, type Matrix, matrix, slopeOf } from "../../tape/reference.ts";
import type { Activation, Tensor } from "../../tape/tensor.ts";
import { CANARY } from "../harness.ts";
import type { OpCase } from "./op_case.ts";
import { type Matrices, valueOf } from "../tape_reference.ts";

type Draw = (rows: number, columns: number, activation?: Activation) => Matrix;

/** What an op reads. */
interface OpInputs {
  readonly leaves: ReadonlyMap<string, Tensor>;
  /** Of leaves and parameters. */
  readonly values: Matrices;
  /** Draws on, after these values. */
  readonly draw: Draw;
}

/** Draws the values of leaves and parameters, and writes those of the parameters: leaves have no memory yet. */
export function drawInputs(tape: ClickTape, c: OpCase): OpInputs {
  const values: Matrices = new Map();
  const draw = drawing(c);
  const leaves = makeLeaves(tape, c, values, draw);
  writeParameters(tape, c, values, draw);
  return { leaves, values, draw };
}

function drawing(c: OpCase): Draw {
  const random = randomStream(7, "op check", c.users.length);
  const scale = c.scale ?? 1;
  return (rows, columns, activation) =>
    matrix(rows, columns, () => {
      const x = Math.fround(scale * random.normal());
      return Math.fround(activated(activation, x));
    });
}

function makeLeaves(tape: ClickTape, c: OpCase, values: Matrices, draw: Draw): Map<string, Tensor> {
  const leaves = new Map<string, Tensor>();
  for (const leaf of c.leaves) {
    const trainable = leaf.trainable ?? true;
    const { groups, activation } = leaf;
    const tensor = tape.tensor(leaf.name, leaf.rows, leaf.columns, {
      groups,
      activation,
      trainable,
      textured: true,
      ...(leaf.packed ? { stride: 1 } : {}),
    });
    const value = draw(extent(leaf.rows, tape.options.capacity), leaf.columns, leaf.activation);
    if (leaf.whole) value.data.forEach((x, k) => value.data[k] = Math.round(x));
    values.set(leaf.name, value);
    leaves.set(leaf.name, tensor);
  }
  return leaves;
}

function writeParameters(tape: ClickTape, c: OpCase, values: Matrices, draw: Draw): void {
  const { parameters } = tape.options;
  const weights: Weights = new Map();
  for (const spec of c.parameters) {
    const given = c.values?.get(spec.name);
    const value = draw(spec.rows, spec.columns);
    if (given) value.data.set(given);
    // A running variance is none below zero.
    if (spec.statistic) value.data.forEach((x, k) => value.data[k] = Math.abs(x));
    values.set(spec.name, value);
    weights.set(spec.name, new Float32Array(value.data));
  }
  parameters.write(weights);
  for (const { buffer } of [parameters.gradient, parameters.partials]) {
    parameters.gpu.queue.writeBuffer(buffer, 0, new Uint32Array(buffer.size / 4).fill(CANARY));
  }
}

/** Writes the leaves' values, once the tape has placed them. */
export function uploadLeaves(tape: ClickTape, { leaves, values }: OpInputs): void {
  for (const tensor of leaves.values()) upload(tape, tensor, valueOf(values, tensor), tensor.view);
}

/**
 * Writes the gradient of an output, by the tape's convention that of what went into the activation.
 * @param value of the output
 */
export function uploadOutputGradient(tape: ClickTape, output: Tensor, gradient: Matrix, value: Matrix): void {
  const slope = (i: number, j: number) => slopeOf(output.activation, at(value, i, j));
  const seed = matrix(gradient.rows, gradient.columns, (i, j) => at(gradient, i, j) * slope(i, j));
  upload(tape, output, seed, tape.gradientOf(output));
}

function upload({ options }: ClickTape, tensor: Tensor, value: Matrix, memory: Memory): void {
  const data = tensor.stride === 1
    ? new Float32Array(value.data)
    : padRows(value.data, value.rows, value.columns, tensor.groups);
  writeMemory(options.arena.gpu.queue, memory, data);
}
