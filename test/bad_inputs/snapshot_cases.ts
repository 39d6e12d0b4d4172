/** Snapshots that are damaged, of another model or of other items, or whose weights are no weights. */

import { all, bad, type BadInput, type Maker, nothing, same, table, type Words } from "./corpus.ts";
import { altered, file, made, sparse } from "./files.ts";
import {
  game,
  type Holds,
  paper,
  prepared,
  reshaped,
  safetensorsFile,
  SMALL_MODEL,
  snapshot,
  valued,
} from "./good_inputs.ts";

/** Features of a set whose ids are hashed. */
const hashedTo = (hashed: number) => ({
  features: {
    dense: [],
    tokens: [{ name: "item", first: 0, count: 2 * hashed, column: null, hashed, sha256: String(hashed) }],
  },
});

const MODEL = "DIR/model.safetensors";
const DATA = "--data DIR/log.tsv";
const FILE = "model.safetensors";

const evaluate = (name: string, files: Maker, says: Words) =>
  bad(name, `evaluate --model ${MODEL} ${DATA}`, all(paper(), files), says);
/** @param changes makers in words: of a good snapshot */
const broken = (name: string, changes: string, says: Words) =>
  evaluate(name, all(snapshot(), made(changes)), says);
const changed = (name: string, change: (holds: Holds) => unknown, says: Words) =>
  evaluate(name, snapshot(change), says);
/** A file of a header, behind so many bytes of data. */
const holding = (name: string, cell: string, says: Words) => {
  const [, bytes, header = ""] = /^(\d+) (.*)$/.exec(cell) ?? [];
  return evaluate(name, file(FILE, safetensorsFile(header, Number(bytes))), says);
};
/** The same to start a training from. */
const init = (name: string, files: Maker, says: Words, args = "") =>
  bad(`--init: ${name}`, `train --init ${MODEL} ${DATA} --batch-size 12 ${args}`, all(paper(), files), says);

const metadata = (change: Readonly<Record<string, string | undefined>>) =>
  snapshot((holds: Holds) => {
    for (const [name, value] of Object.entries(change)) {
      if (value === undefined) delete holds.metadata[name];
      else holds.metadata[name] = value;
    }
  });
const items = (kind: string, count: number, width: number) =>
  metadata({ items: JSON.stringify({ kind, count, width }) });
const model = (change: object) => metadata({ model: JSON.stringify({ ...SMALL_MODEL, ...change }) });

const transposed = reshaped("utility/layer1/item_kernel", ([rows = 0, columns = 0]) => [columns, rows]);
const flat = reshaped("utility/layer1/item_kernel", (shape) => [shape.reduce((a, b) => a * b)]);
const flatBias = reshaped("utility/layer1/bias", ([, columns = 0]) => [columns]);
const deep = reshaped("utility/layer1/item_kernel", (shape) => [1, ...shape]);
const BIAS = "utility/output/bias";
const one = { shape: [1, 1], data: new Float32Array(1) };
const OTHER_SHAPE = "utility/layer1/item_kernel: expected the shape";
const huge = (holds: Holds) => {
  for (const name of holds.tensors.keys()) valued(name, 3e38)(holds);
};
const noFinite = "Expected utilities and losses that are finite numbers";

export const snapshotCases: readonly BadInput[] = [
  // Cut at many places.
  ...[0, 1, 7, 8, 9, 100, -4, -1, -1000].map((bytes) =>
    broken(`cut at byte ${bytes}`, `cut ${FILE} ${bytes}`, /model\.safetensors.*(truncated|at least)/)
  ),
  ...Object.entries<[(all: Uint8Array<ArrayBuffer>) => Uint8Array, Words]>({
    "bytes behind the end": [
      (all) => Uint8Array.of(...all, 1, 2, 3, 4),
      "4 bytes at its end belong to no tensor",
    ],
    "a header of 2^63 bytes": [(all) => all.fill(255, 0, 8), "at most 100,000,000 are expected"],
    "a header that is no JSON": [(all) => all.fill(33, 8, 12), "its header is not JSON"],
    "a header in latin1": [(all) => all.fill(0xe9, 20, 21), /header|metadata/],
  }).map(([name, [change, says]]) => evaluate(name, all(snapshot(), altered(FILE, change)), says)),
  ...same(evaluate, "is not a whole safetensors file", {
    "text": file(FILE, "these are no weights, but a text"),
    "a pickle of PyTorch": file(FILE, Uint8Array.of(0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9)),
  }),
  ...table(holding)`
    sizes whose product is beyond any number
      | 4 {"a":{"dtype":"F32","shape":[9007199254740991,9007199254740991],"data_offsets":[0,4]}}
      | is not a whole safetensors file
    a header that is an array | 0 [] | its header should be a JSON object
    a tensor that is a number | 0 {"a":3} | tensor "a"
    no tensor at all | 0 {} | does not say what model it is
    half precision | 4 {"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}
      | has type F16, and only F32 and U32 can be read. Convert the file to F32
    tensors that overlap
      | 4 {"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}
      | /overlap/
    a name that is there twice
      | 8 {"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}
      | belong to none
    a size below 0 | 4 {"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}} | tensor "a": shape.0
  `,
  // Shapes that hold as many values in another order.
  changed("a transposed kernel", transposed, [OTHER_SHAPE, "found [8,"]),
  changed("a flat kernel", flat, [OTHER_SHAPE, /the shape \[\d+, 8\], found \[\d+\]/]),
  changed("a flat bias", flatBias, "utility/layer1/bias: expected the shape [1, 8], found [8]"),
  changed("a kernel with a dimension more", deep, OTHER_SHAPE),
  init("a transposed kernel", snapshot(transposed), OTHER_SHAPE),
  init("a flat kernel", snapshot(flat), OTHER_SHAPE),
  init(
    "a transposed kernel without metadata",
    snapshot((holds) => {
      transposed(holds);
      for (const name of Object.keys(holds.metadata)) delete holds.metadata[name];
    }),
    OTHER_SHAPE,
    "--dims 8 --lstm-units 4",
  ),
  // Values.
  ...[NaN, Infinity, -Infinity].map((value) =>
    changed(
      `a weight of ${value}`,
      valued(BIAS, value, 0),
      `expected finite numbers, found ${value} in ${BIAS}, element 0`,
    )
  ),
  changed("weights of 3e38", huge, noFinite),
  changed("one weight of 3e38, another of -3e38", (holds) => {
    valued("utility/output/kernel", 3e38, 0)(holds);
    valued("utility/layer1/bias", 3e38, 0)(holds);
  }, noFinite),
  {
    ...init("weights of 3e38", snapshot(huge), ["is not a finite number", "smaller weights to start from"]),
    leaves: ["run/"],
  },
  changed("weights of U32", ({ tensors }) => {
    tensors.set(BIAS, { shape: [1, 1], data: new Uint32Array(1) });
  }, `expected ${BIAS} to be F32, found U32`),
  // Names.
  changed("a missing tensor", ({ tensors }) => tensors.delete(BIAS), `${BIAS} [1, 1] is missing`),
  changed("a renamed tensor", ({ tensors }) => {
    tensors.set("utility/out/bias", one);
    tensors.delete(BIAS);
  }, [`${BIAS} [1, 1] is missing`, "utility/out/bias is no parameter of this model"]),
  ...["head/kernel", "__proto__"].map((name) =>
    changed(
      `a tensor more, ${name}`,
      ({ tensors }) => tensors.set(name, one),
      `${name} is no parameter of this model`,
    )
  ),
  // What it says of itself.
  evaluate("no metadata", metadata({ format: undefined }), "does not say what model it is"),
  ...same(evaluate, "its metadata is not of a clickgan-1 snapshot", {
    "another format": metadata({ format: "clickgan-9" }),
    "no model": metadata({ model: undefined }),
    "a model that is no JSON": metadata({ model: "{" }),
    "a model that is an array": metadata({ model: "[]" }),
    "an encoder that is not known": model({ encoder: "gru" }),
    "another encoder": model({ encoder: "pw" }),
    "0 units": model({ lstmUnits: 0 }),
    "layers of text": model({ dims: "8" }),
    "an eta of 0": model({ eta: 0 }),
    "an eta of 1e300": model({ eta: 1e300 }),
    "a setting more": model({ heads: 8 }),
    "items below 0": items("one-hot", -1, -1),
    "an iteration of -1": metadata({ iteration: "-1" }),
    "no kind": metadata({ kind: undefined }),
    "a game that is no JSON": metadata({ game: "no" }),
  }),
  evaluate("other units", model({ lstmUnits: 5 }), /do not fit the model|does not fit the model/),
  evaluate("other layers", model({ dims: [8, 8] }), "utility/layer2/kernel [8, 8] is missing"),
  evaluate("batch normalisation that it does not have", model({ batchNorm: true }), "is missing"),
  evaluate("10^15 items", items("one-hot", 1e15, 1e15), /error: /),
  evaluate("fewer items", items("one-hot", 29, 29), "is over 29 one-hot items, but log.tsv shows 30"),
  evaluate("items of a width that is not theirs", items("one-hot", 30, 7), /one-hot items|metadata/),
  evaluate(
    "dense items",
    items("dense", 30, 30),
    "is over 30 dense items of 30 features, but log.tsv shows 30 one-hot items",
  ),
  evaluate("an iteration of 1e99", metadata({ iteration: "1" + "0".repeat(99) }), /iteration|metadata/),
  evaluate("a generator that it does not have", game({ generator: SMALL_MODEL }), "is missing"),
  bad(
    "a model over other features",
    `evaluate --model ${MODEL} --data DIR/set`,
    all(prepared(), snapshot()),
    "is over 30 one-hot items, but prepared shows 30 dense items of 2 features",
  ),
  bad(
    "a model over other hashes of ids",
    `evaluate --model ${MODEL} --data DIR/set`,
    all(
      prepared({
        manifest: hashedTo(10),
        items:
          "SELECT * REPLACE ([]::FLOAT[] AS dense, [item % 10, 10 + item // 3]::UINTEGER[] AS tokens) FROM t",
      }),
      snapshot(({ metadata }) => metadata.features = JSON.stringify(hashedTo(15).features)),
    ),
    ["ids of items are hashed to 15 there, hashed to 10 here", "Prepare this log with --like"],
  ),
  init(
    "another model than the options say",
    snapshot(),
    "utility/layer1/bias: expected 9 values [1, 9], got 8",
    "--dims 9 --lstm-units 4",
  ),
  init("a missing file", nothing, "no such file"),
  // What is at the path.
  ...table((name, changes, says) => evaluate(name, made(changes), says))`
    no file |  | no such file or folder
    a folder | folder ${FILE} | it is a folder, and a file was expected
    a dangling link | link ${FILE} DIR/gone | no such file or folder
    a loop of links | link ${FILE} ${MODEL} | model.safetensors
    a FIFO | fifo ${FILE} | expected a regular file
  `,
  evaluate("a file of a terabyte", sparse(FILE, 2 ** 40), "its header is not JSON"),
  ...table({ run: `evaluate ${DATA} --model`, files: paper() })`
    /dev/zero as a snapshot | /dev/zero | /dev/zero: expected a regular file
    /dev/null as a snapshot | /dev/null | /dev/null: expected a regular file
  `,
];
