/** Folders of runs that are damaged or altered, before they are resumed, started from, or written to. */

import { defaultPwModel } from "../../src/model/config.ts";
import { all, bad, type BadInput, type Maker, type More, nothing, same, type Words } from "./corpus.ts";
import { altered, alteredJson, alteredText, cut, file, folder, link, without } from "./files.ts";
import { paper } from "./good_data.ts";
import { run, snapshot } from "./good_runs.ts";
import { decodeSafetensors, encodeSafetensors } from "../../src/run/snapshot/safetensors.ts";

const resume = (name: string, changes: readonly Maker[], says: Words, more: More = {}) =>
  bad(`--resume: ${name}`, "train --resume DIR/old", run(...changes), says, more);

const config = (
  name: string,
  values: Readonly<Record<string, unknown>>,
  says: Words = "config.json is damaged",
  more: More = {},
) => resume(`a config ${name}`, [alteredJson("old/config.json", values)], says, more);

/** What a resumed run writes to. */
const WRITTEN = [
  ...["old/", "old/config.json", "old/train.csv", "old/validation.csv", "old/last.safetensors"],
  ...["old/best-loss.safetensors", "old/best-prec1.safetensors", "old/best-prec2.safetensors"],
];

const log = (
  name: string,
  change: (text: string) => string,
  says: Words = "train.csv is not the log that the run wrote",
  more: More = {},
) => resume(`a train.csv ${name}`, [alteredText("old/train.csv", change)], says, more);

const TRAIN = "train --data DIR/log.tsv --batch-size 12 --save-dir";
const saveDir = (name: string, path: string, files: Maker, says: Words, more: More = {}) =>
  bad(`--save-dir: ${name}`, `${TRAIN} "${path}"`, all(paper(), files), says, more);

export const runFolders: readonly BadInput[] = [
  bad(
    "--resume: no such folder",
    "train --resume DIR/none",
    run(),
    "Expected a run folder with a config.json, found none at",
  ),
  bad("--resume: a file", "train --resume DIR/log.tsv", run(), /run folder|a part of this path is a file/),
  bad(
    "--resume: an empty folder",
    "train --resume DIR/old",
    folder("old"),
    "Expected a run folder with a config.json",
  ),
  bad("--resume: the log's folder", "train --resume DIR", run(), "Expected a run folder with a config.json"),
  resume("only the log is there", [without("old/config.json")], "Expected a run folder with a config.json"),
  config("without a model", { model: undefined }),
  config("without training", { training: undefined }),
  config("whose model is null", { model: null }),
  config("whose encoder is not known", { "model.encoder": "gru" }),
  config("whose units are text", { "model.lstmUnits": "4" }),
  config("whose layers are empty", { "model.dims": [] }),
  config("of 1.5 iterations", { "training.iterations": 1.5 }),
  config("of 0 iterations", { "training.iterations": 0 }),
  config("of a batch of nobody", { "training.batchSize": 0 }),
  config("of a batch of half a user", { "training.batchSize": 0.5 }),
  config("of a rate of 1e300", { "training.learningRate": 1e300 }),
  config("of a negative seed", { "training.seed": -1 }),
  config("with a setting more", { "training.momentum": 0.9 }),
  config("of an adapter that is none", { "adapter.kind": "tpu" }),
  config(
    "of kernels that there are not",
    { shapes: { kind: "cpu", matmul: { "x": "y" } } },
    /config\.json|shapes/,
  ),
  config("of data of no kind", { "data.kind": "csv" }),
  config("whose data have no path", { "data.path": undefined }),
  config("whose data's path is a number", { "data.path": 7 }),
  config("whose data's path is empty", { "data.path": "" }, /path/),
  config("whose data's path holds NUL", { "data.path": "a\u0000b" }, /error: .*(name|path|NUL|unusual)/),
  config("whose data are gone", { "data.path": "/nowhere/log.tsv" }, "/nowhere/log.tsv"),
  config("whose data are a folder", { "data.path": "/" }, /prepared data set|manifest/),
  config(
    "whose data have another checksum",
    { "data.sha256": "0".repeat(64) },
    "has changed since the run began",
  ),
  config("whose checksum is a number", { "data.sha256": 12 }),
  config(
    "of another batch than there are users for",
    { "training.batchSize": 31 },
    "Expected a batch of at most 30 users",
  ),
  config("of other layers than the snapshot", { "model.dims": [9] }, "utility/layer1/bias"),
  config("of the other encoder", {
    model: { ...defaultPwModel, pwLags: 4, pwWeightings: 2, dims: [8] },
  }, "do not fit the model"),
  config(
    "that starts from a file that is gone",
    { init: { path: "/nowhere/x.safetensors", sha256: "0" } },
    /going on|iteration|\/nowhere/,
    { code: 0, leaves: WRITTEN },
  ),
  config(
    "of fewer iterations than are done",
    { "training.iterations": 2 },
    "Expected --iterations of at least 4, as so many are done, got 2",
  ),
  ...same(resume, "config.json is damaged", {
    "a config that is empty": [file("old/config.json", "")],
    "a config that is cut": [cut("old/config.json", 200)],
    "a config that is an array": [file("old/config.json", "[]")],
    "a config that is null": [file("old/config.json", "null")],
    "a config in UTF-16": [alteredText("old/config.json", (text) => "\u0000" + text)],
    "a config that is nested 100,000 deep": [
      file("old/config.json", "[".repeat(100_000) + "]".repeat(100_000)),
    ],
  }),
  resume("a config that is a folder", [without("old/config.json"), folder("old/config.json")], "config.json"),
  resume("a config that is a loop of links", [
    without("old/config.json"),
    link("old/config.json", "config.json"),
  ], "config.json"),
  resume(
    "a log that has changed",
    [altered("log.tsv", (bytes) => Uint8Array.of(...bytes, 10))],
    "has changed since the run began",
  ),
  resume("a log that is gone", [without("log.tsv")], "log.tsv"),
  resume("no last snapshot", [without("old/last.safetensors")], "last.safetensors"),
  resume("a last snapshot that is empty", [file("old/last.safetensors", "")], "last.safetensors"),
  resume("a last snapshot that is cut", [cut("old/last.safetensors", 900)], /last\.safetensors.*truncated/),
  resume(
    "a last snapshot that lacks its last byte",
    [cut("old/last.safetensors", -1)],
    /last\.safetensors.*truncated/,
  ),
  resume("a last snapshot that says nothing of its logs", [altered("old/last.safetensors", (bytes) => {
    const { tensors, metadata: { logs: _, ...rest } } = decodeSafetensors(bytes, "last");
    return encodeSafetensors(tensors, rest);
  })], "last.safetensors does not hold the state of a run"),
  resume("a last snapshot of another iteration than its log's", [altered("old/last.safetensors", (bytes) => {
    const { tensors, metadata } = decodeSafetensors(bytes, "last");
    return encodeSafetensors(tensors, { ...metadata, iteration: "3" });
  })], "Expected a snapshot of iteration 4, as "),
  resume("a best snapshot in its place", [
    (folder) => Deno.copyFileSync(`${folder}/old/best-loss.safetensors`, `${folder}/old/last.safetensors`),
  ], "last.safetensors does not hold the state of a run"),
  resume("no best snapshot", [without("old/best-prec1.safetensors")], "best-prec1.safetensors"),
  resume("a best snapshot that is cut", [cut("old/best-loss.safetensors", 100)], "best-loss.safetensors"),
  resume("a best snapshot of another iteration", [
    snapshot(({ metadata }) => void (metadata.iteration = "2"), "old/best-loss.safetensors"),
  ], "old/best-loss.safetensors to be the snapshot of iteration 4"),
  ...same(resume, "seeds.json is damaged", {
    "a seeds.json beside it": [file("old/seeds.json", "{}")],
    "a seeds.json without seeds": [file("old/seeds.json", '{"seeds": []}')],
    "a seeds.json of seeds that are text": [file("old/seeds.json", '{"seeds": ["1"]}')],
  }),
  log("that is empty", () => ""),
  log("cut to its header", (text) => text.slice(0, 27)),
  log("that lacks its first row", (text) => text.replace(/\n1,.*/, "")),
  log("that lacks its last row", (text) => text.replace(/4,.*\n$/, "")),
  log("that lacks its last byte", (text) => text.slice(0, -1)),
  log("of rows in another order", (text) => text.replace(/(2,.*\n)(3,.*\n)/, "$2$1")),
  log("with a row twice", (text) => text.replace(/(2,.*\n)/, "$1$1")),
  log("with a row that is text", (text) => text.replace("2,1.5", "two,1.5")),
  log("with a row too short", (text) => text.replace("2,1.5,", "2,")),
  log("with another loss", (text) => text.replace("2,1.5", "2,1.4")),
  log("of another header", (text) => text.replace("loss", "nll")),
  log("with the line ends of Windows", (text) => text.replaceAll("\n", "\r\n")),
  log(
    "with rows behind the last snapshot, which are dropped",
    (text) => text + text.slice(text.indexOf("\n") + 1) + "9,1.",
    "Results are in",
    { code: 0, leaves: WRITTEN },
  ),
  resume("no train.csv", [without("old/train.csv")], "train.csv"),
  resume("no validation.csv", [without("old/validation.csv")], "validation.csv"),
  resume("a train.csv that is a folder", [without("old/train.csv"), folder("old/train.csv")], "train.csv"),
  bad(
    "--resume: --adversarial of a run without that stage",
    "train --resume DIR/old --adversarial 500",
    run(),
    "This run has no adversarial stage",
  ),
  bad(
    "--resume: fewer iterations than are done",
    "train --resume DIR/old --iterations 2",
    run(),
    "Expected --iterations of at least 4, as so many are done, got 2",
  ),
  bad(
    "--resume: a failing extension leaves the config",
    "train --resume DIR/old --iterations 9",
    run(cut("old/best-loss.safetensors", 100)),
    "best-loss.safetensors",
  ),
  bad(
    "--init: a run on other data",
    "train --data DIR/other.tsv --init DIR/old --batch-size 12",
    all(run(), paper((text) => text + "\n", "other.tsv")),
    "Expected --init of a run on the same data",
  ),
  bad(
    "--init: a run without its best snapshot",
    "train --data DIR/log.tsv --init DIR/old --batch-size 12",
    run(without("old/best-prec1.safetensors")),
    "Expected a run with a best-prec1 snapshot for --init",
  ),
  bad(
    "--init: a folder of seeds",
    "train --data DIR/log.tsv --init DIR/s",
    all(paper(), file("s/seeds.json", "{}")),
    "which holds several: name one of its seeds",
  ),
  bad(
    "--init: a folder that is no run",
    "train --data DIR/log.tsv --init DIR/none",
    all(paper(), folder("none")),
    "it is a folder, and a file was expected",
  ),
  saveDir("a folder that holds other files", "DIR/mine", file("mine/notes.txt", "dear diary"), [
    "holds notes.txt",
    "Choose another --save-dir",
  ]),
  saveDir(
    "a folder that holds a train.csv",
    "DIR/mine",
    all(file("mine/train.csv", "my own"), file("mine/validation.csv", "mine too")),
    /holds (train|validation)\.csv/,
  ),
  saveDir(
    "a folder that holds a config.json of another program",
    "DIR/mine",
    file("mine/config.json", "{}"),
    "holds one. Continue it with --resume",
  ),
  saveDir(
    "the folder of a run, whose name is quoted in the hint",
    "DIR/it's",
    file("it's/config.json", "{}"),
    /--resume '.*it'\\''s'/,
  ),
  saveDir("a folder with a hidden file", "DIR/mine", file("mine/.keep", ""), "holds .keep"),
  saveDir("a file", "DIR/log.tsv", nothing, "log.tsv"),
  saveDir("below a file", "DIR/log.tsv/run", nothing, "log.tsv"),
  saveDir("a link to nothing", "DIR/gone", link("gone", "DIR/nowhere/deep"), "gone"),
  saveDir("a loop of links", "DIR/loop", link("loop", "DIR/loop"), "loop"),
  saveDir("a name too long", "DIR/" + "n".repeat(300), nothing, "the name is too long"),
];
