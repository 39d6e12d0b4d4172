/**
 * Snapshots of another model, of other items, or whose metadata are damaged, are refused in words. What a safetensors file must
 * not be is in safetensors_test.ts.
 */

import { goodSnapshot, type Holds, reshaped, SMALL_MODEL, valued } from "../bad_inputs/good_inputs.ts";
import { refused } from "../case_table.ts";
import { defaultModel, type ModelConfig } from "../../src/model/config.ts";
import { checkWeights, modelParameters } from "../../src/model/user_model.ts";
import { encodeSafetensors } from "../../src/run/snapshot/safetensors.ts";
import { decodeSnapshot } from "../../src/run/snapshot/snapshot.ts";

/** Reads a good snapshot with a change, and compares its weights with the parameters of the model that it names. */
function read(change: (holds: Holds) => unknown): void {
  const holds = goodSnapshot();
  change(holds);
  const bytes = encodeSafetensors(holds.tensors, holds.metadata);
  const { info, weights } = decodeSnapshot(bytes, "model.safetensors");
  if (info) checkWeights(modelParameters(info.items, info.model), weights);
}

const KERNEL = "utility/layer1/item_kernel";
const BIAS = "utility/output/bias";
const one = { shape: [1, 1], data: new Float32Array(1) };
const model = (change: Partial<ModelConfig> | object) => ({ metadata }: Holds) =>
  void (metadata.model = JSON.stringify({ ...SMALL_MODEL, ...change }));
const named = (change: Readonly<Record<string, string>>) => ({ metadata }: Holds) =>
  void Object.assign(metadata, change);

const cases: readonly [says: string, ...changes: ((holds: Holds) => unknown)[]][] = [
  // As many values in another order.
  [
    `${KERNEL}: expected the shape [… found [`,
    reshaped(KERNEL, ([rows = 0, columns = 0]) => [columns, rows]),
    reshaped(KERNEL, (shape) => [shape.reduce((a, b) => a * b)]),
    reshaped(KERNEL, (shape) => [1, ...shape]),
  ],
  ["utility/layer1/bias: expected the shape [1, 8], found [8]", reshaped("utility/layer1/bias", () => [8])],
  // Values.
  [`model.safetensors: expected finite numbers, found NaN in ${BIAS}, element 0`, valued(BIAS, NaN, 0)],
  [`found -Infinity in ${BIAS}, element 0`, valued(BIAS, -Infinity, 0)],
  [
    `expected ${BIAS} to be F32, found U32`,
    ({ tensors }) => tensors.set(BIAS, { shape: [1, 1], data: new Uint32Array(1) }),
  ],
  // Names.
  [`${BIAS} [1, 1] is missing`, ({ tensors }) => tensors.delete(BIAS)],
  ["head/kernel is no parameter of this model", ({ tensors }) => tensors.set("head/kernel", one)],
  ["__proto__ is no parameter of this model", ({ tensors }) => tensors.set("__proto__", one)],
  // What it says of itself.
  [
    "model.safetensors: its metadata is not of a clickgan-1 snapshot",
    named({ format: "clickgan-9" }),
    ({ metadata }) => delete metadata.model,
    ({ metadata }) => delete metadata.kind,
    named({ model: "{" }),
    named({ model: "[]" }),
    named({ iteration: "-1" }),
    named({ iteration: "1" + "0".repeat(99) }),
    named({ game: "no" }),
    model({ eta: 0 }),
    model({ encoder: "gru" }),
    model({ encoder: "pw" }),
    model({ lstmUnits: 0 }),
    model({ dims: "8" }),
    model({ eta: 1e300 }),
    model({ heads: 8 }),
    named({ items: JSON.stringify({ kind: "one-hot", count: -1, width: -1 }) }),
  ],
  ["not fit the model", model({ lstmUnits: 5 }), model({ encoder: defaultModel.encoder, lstmUnits: 3 })],
  ["utility/layer2/kernel [8, 8] is missing", model({ dims: [8, 8] })],
  ["is missing", model({ batchNorm: true })],
  ["not fit the model", named({ items: JSON.stringify({ kind: "one-hot", count: 29, width: 29 }) })],
];

Deno.test("a snapshot that is damaged, or of another model, is refused with what was expected and found", async () => {
  read(() => {});
  for (const [says, ...changes] of cases) {
    for (const change of changes) await refused(() => read(change), says, `${says}: ${change}`);
  }
});
