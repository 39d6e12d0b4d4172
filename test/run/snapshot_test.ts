import { crc32 } from "node:zlib";
import fc from "fast-check";
import assert from "node:assert/strict";
import { UserError } from "../../src/user_error.ts";
import {
  readSafetensors,
  readSnapshot,
  writeSafetensors,
  writeSnapshot,
} from "../../src/run/snapshot_file.ts";
import { defaultModel, type ModelConfig } from "../../src/model/model_config.ts";
import { checkWeights, listModelParameters } from "../../src/model/user_model.ts";
import { decodeSnapshot } from "../../src/run/snapshot/snapshot.ts";
import { makeGoodSnapshot, reshapeTensor, setFirstValue, SMALL_MODEL } from "../bad_inputs/good_inputs.ts";
import { expectRefusal } from "../case_table.ts";
import type { TensorData, TensorFile } from "../../src/run/snapshot/safetensors.ts";
import { decodeSafetensors, encodeSafetensors } from "../../src/run/snapshot/safetensors.ts";
import { isUserError, withEmptyFolder } from "./folder_check.ts";

function file(header: unknown, data: Uint8Array | number = 0): Uint8Array<ArrayBuffer> {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const length = new Uint8Array(BigUint64Array.of(BigInt(json.length)).buffer);
  return Uint8Array.from([...length, ...json, ...typeof data === "number" ? new Uint8Array(data) : data]);
}

function f32(begin: number, end: number, shape = [(end - begin) / 4]) {
  return { dtype: "F32", shape, data_offsets: [begin, end] };
}

function rejects(bytes: Uint8Array<ArrayBuffer>, message: RegExp): void {
  assert.throws(() => decodeSafetensors(bytes, "m.safetensors"), isUserError(/^m\.safetensors/, message));
}

const tensor: fc.Arbitrary<TensorData> = fc.array(fc.nat(4), { maxLength: 4 }).chain((shape) => {
  const length = shape.reduce((product, size) => product * size, 1);
  const size = { minLength: length, maxLength: length };
  return fc.oneof(fc.float32Array(size), fc.uint32Array(size)).map((data) => ({ shape, data }));
});
const name = fc.string({ unit: "grapheme" }).filter((text) => text !== "__metadata__");
const content = fc.record({
  tensors: fc.uniqueArray(fc.tuple(name, tensor), { selector: ([key]) => key, maxLength: 6 }),
  metadata: fc.dictionary(fc.string({ unit: "grapheme" }), fc.string(), { noNullPrototype: true }),
});

Deno.test("a safetensors file is read back bit for bit", () => {
  fc.assert(fc.property(content, ({ tensors, metadata }) => {
    const bytes = encodeSafetensors(new Map(tensors), metadata);
    const read = decodeSafetensors(bytes, "m");
    assert.deepEqual(read.metadata, metadata);
    assert.equal(read.tensors.size, tensors.length);
    for (const [key, { shape, data }] of tensors) {
      const found = read.tensors.get(key);
      assert.ok(found !== undefined);
      assert.deepEqual(found.shape, shape);
      assert.equal(found.data.constructor, data.constructor);
      assert.deepEqual(new Uint8Array(found.data.slice().buffer), new Uint8Array(data.slice().buffer));
    }
    assert.deepEqual(encodeSafetensors(new Map(tensors), metadata), bytes);
  }));
});

Deno.test("tensors keep their order, also with names like __proto__ and 1", () => {
  const one = { shape: [1], data: new Float32Array([1]) };
  const names = ["b", "1", "__proto__", "0", "a"];
  const bytes = encodeSafetensors(new Map(names.map((key) => [key, one])), { "0": "x" });
  assert.deepEqual([...decodeSafetensors(bytes, "m").tensors.keys()], names);
});

Deno.test("the bytes follow the format, with data aligned to 8", () => {
  const data = new Float32Array([1, -2]);
  const bytes = encodeSafetensors(new Map([["w", { shape: [2], data }]]), { step: "7" });
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = new TextDecoder().decode(bytes.subarray(8, 8 + length));
  const sum = crc32(new Uint8Array(data.buffer), crc32('{"step":"7"}'));
  assert.equal(
    header.trimEnd(),
    `{"__metadata__":{"step":"7","crc32":"${
      sum.toString(16)
    }"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`,
  );
  assert.equal((8 + length) % 8, 0);
  assert.deepEqual([...bytes.subarray(8 + length)], [0, 0, 128, 63, 0, 0, 0, 192]);
});

Deno.test("a file made by hand is read, aligned or not, with data in any order", () => {
  const data = new Uint8Array([0, 0, 128, 63, 0, 0, 0, 192, 7, 0, 0, 0]);
  for (let pad = 0; pad < 8; pad++) {
    const header = { u: { dtype: "U32", shape: [], data_offsets: [8, 12] }, f: f32(0, 8, [1, 2]) };
    const { tensors, metadata } = decodeSafetensors(
      file(JSON.stringify(header) + " ".repeat(pad), data),
      "m",
    );
    assert.deepEqual([...tensors], [
      ["f", { shape: [1, 2], data: new Float32Array([1, -2]) }],
      ["u", { shape: [], data: new Uint32Array([7]) }],
    ]);
    assert.deepEqual(metadata, {});
  }
});

Deno.test("every truncation of a file is detected", () => {
  const tensors = new Map([["a", { shape: [3], data: new Float32Array(3) }]]);
  const bytes = encodeSafetensors(tensors, { k: "v" });
  for (let length = 0; length < bytes.length; length++) {
    rejects(
      bytes.slice(0, length),
      /at least [\d,]+ bytes expected|truncated: [\d,]+ bytes expected, [\d,]+ found/,
    );
  }
});

Deno.test("any flipped bit of data or metadata is detected", () => {
  const data = Float32Array.from({ length: 9 }, (_, k) => Math.sin(k));
  const whole = encodeSafetensors(new Map([["a", { shape: [9], data }]]), { iteration: "128" });
  const of = new TextDecoder().decode(whole).indexOf("128");
  for (let bit = 0; bit < 8 * data.byteLength; bit++) {
    const bytes = whole.slice();
    bytes[whole.length - 1 - (bit >> 3)]! ^= 1 << (bit & 7);
    rejects(bytes, /expected the checksum/);
  }
  const bytes = whole.slice();
  bytes[of + 2] = "7".charCodeAt(0);
  rejects(bytes, /checksum/);
});

Deno.test("damage is reported by kind", () => {
  rejects(new Uint8Array(3), /at least 8 bytes expected, 3 found/);
  rejects(new Uint8Array(8).fill(255), /its header would be .* bytes long/);
  rejects(file({ a: f32(0, 1200) }, 1000), /truncated: 1,2\d\d bytes expected, 1,0\d\d found/);
  rejects(file('{"a":'), /its header is not JSON/);
  rejects(file("[]"), /should be a JSON object/);
  rejects(file("null"), /should be a JSON object/);
  rejects(file({ a: 3 }), /tensor "a": entry: /);
  rejects(file({ a: { ...f32(0, 4), shape: [-1] } }, 4), /tensor "a": shape\.0: /);
  rejects(file({ a: { ...f32(0, 4), shape: [0.25] } }, 4), /tensor "a": shape\.0: /);
  rejects(file({ a: { ...f32(0, 4), data_offsets: [0] } }, 4), /tensor "a": data_offsets/);
  rejects(file({ a: f32(8, 4, [1]) }, 8), /the data begin at byte 8, but end at byte 4/);
  rejects(file({ a: f32(0, 8, [3]) }, 8), /shape \[3\] of F32 takes 12 bytes, 8 found/);
  rejects(file({ a: f32(0, 8), b: f32(4, 12) }, 12), /tensors "a" and "b" overlap/);
  rejects(file({ a: f32(0, 4), b: f32(8, 12) }, 12), /4 bytes before tensor "b" belong to no tensor/);
  rejects(file({ a: f32(0, 4) }, 6), /2 bytes at the file.s end belong to no tensor/);
  rejects(file({ a: { ...f32(0, 4, [2]), dtype: "F16" } }, 4), /type F16, expected F32 or U32/);
  rejects(file({ __metadata__: 1 }), /__metadata__ should be an object of strings/);
  rejects(file({ __metadata__: { k: 1 } }), /__metadata__\.k should be a string, found number/);
  rejects(file(new TextDecoder("latin1").decode(new Uint8Array([0]))), /not JSON/);
  const invalidUtf8 = file('{"a":1}');
  invalidUtf8[10] = 0xff;
  rejects(invalidUtf8, /not JSON/);
});

Deno.test("a shape that does not fit its data is refused", () => {
  const data = new Float32Array(3);
  assert.throws(
    () => encodeSafetensors(new Map([["a", { shape: [2], data }]])),
    /shape \[2\] does not fit 3/,
  );
  assert.throws(() => encodeSafetensors(new Map([["__metadata__", { shape: [3], data }]])), RangeError);
});

Deno.test("a snapshot stores constants among its weights, not among the moments", () =>
  withEmptyFolder(async (folder) => {
    const specs = [{ name: "a", rows: 1, columns: 3 }, { name: "c", rows: 2, columns: 1, constant: true }];
    const info = {
      model: defaultModel,
      items: { kind: "dense", count: 1, width: 1 },
      iteration: 3,
      kind: "last",
    } as const;
    const weights = new Map([["a", Float32Array.of(1, 2, 3)], ["c", Float32Array.of(5, 6)]]);
    const m = new Map([["a", Float32Array.of(7, 8, 9)], ["c", Float32Array.of(5, 6)]]);
    const path = `${folder}/last.safetensors`;
    await writeSnapshot(path, specs, weights, info, new Map([["adam.m/", m]]));
    const read = await readSnapshot(path);
    assert.deepEqual(read.weights, weights);
    assert.deepEqual(read.part("adam.m/"), new Map([...m].slice(0, 1)));
  }));

Deno.test("readSafetensors and writeSafetensors name the path", () =>
  withEmptyFolder(async (folder) => {
    const path = `${folder}/model.safetensors`;
    await assert.rejects(readSafetensors(path), /cannot read .*model\.safetensors: no such file or folder/);
    await assert.rejects(
      readSafetensors(folder),
      /cannot read .*: the path is a folder, and a file was expected/,
    );
    const shared = new Float32Array([0, 1, 2, 3, 4]);
    await writeSafetensors(path, new Map([["w", { shape: [2], data: shared.subarray(1, 3) }]]));
    const { tensors } = await readSafetensors(path);
    assert.deepEqual(tensors.get("w"), { shape: [2], data: new Float32Array([1, 2]) });
    await assert.rejects(writeSafetensors(`${path}/x`, new Map()), UserError);
  }));

function read(change: (holds: TensorFile) => unknown): void {
  const holds = makeGoodSnapshot();
  change(holds);
  const bytes = encodeSafetensors(holds.tensors, holds.metadata);
  const { info, weights } = decodeSnapshot(bytes, "model.safetensors");
  if (info) checkWeights(listModelParameters(info.items, info.model), weights);
}

const KERNEL = "utility/layer1/item_kernel";
const BIAS = "utility/output/bias";
const oneValue = { shape: [1, 1], data: new Float32Array(1) };
const model = (change: Partial<ModelConfig> | object) => ({ metadata }: TensorFile) =>
  void (metadata.model = JSON.stringify({ ...SMALL_MODEL, ...change }));
const named = (change: Readonly<Record<string, string>>) => ({ metadata }: TensorFile) =>
  void Object.assign(metadata, change);

const cases: readonly [says: string, ...changes: ((holds: TensorFile) => unknown)[]][] = [
  [
    `${KERNEL}: expected the shape [… found [`,
    reshapeTensor(KERNEL, ([rows = 0, columns = 0]) => [columns, rows]),
    reshapeTensor(KERNEL, (shape) => [shape.reduce((a, b) => a * b)]),
    reshapeTensor(KERNEL, (shape) => [1, ...shape]),
  ],
  [
    "utility/layer1/bias: expected the shape [1, 8], found [8]",
    reshapeTensor("utility/layer1/bias", () => [8]),
  ],
  [
    `model.safetensors: expected finite numbers, found NaN in ${BIAS}, element 0`,
    setFirstValue(BIAS, NaN),
  ],
  [`found -Infinity in ${BIAS}, element 0`, setFirstValue(BIAS, -Infinity)],
  [
    `expected ${BIAS} to be F32, found U32`,
    ({ tensors }) => tensors.set(BIAS, { shape: [1, 1], data: new Uint32Array(1) }),
  ],
  [`${BIAS} [1, 1] is missing`, ({ tensors }) => tensors.delete(BIAS)],
  ["head/kernel is not a parameter of this model", ({ tensors }) => tensors.set("head/kernel", oneValue)],
  ["__proto__ is not a parameter of this model", ({ tensors }) => tensors.set("__proto__", oneValue)],
  [
    "model.safetensors: expected the metadata of a clickgan-1 snapshot",
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

Deno.test("a damaged or foreign snapshot is refused with the expected and found values", async () => {
  read(() => {});
  for (const [says, ...changes] of cases) {
    for (const change of changes) await expectRefusal(() => read(change), says, `${says}: ${change}`);
  }
});
