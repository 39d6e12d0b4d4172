/** What uses a trained model: predict, recommend, serve, export. */

import { all, bad, type BadInput, type Maker, type More, nothing, type Words } from "./corpus.ts";
import { file, folder, link } from "./files.ts";
import { prepared } from "./prepared.ts";
import { paper, paperRows, usersOf } from "./paper.ts";
import { snapshot } from "./snapshots.ts";

const GIVEN = ["--model", "DIR/model.safetensors", "--data", "DIR/log.tsv"] as const;
type Use = "predict" | "recommend" | "serve" | "export";
const use = (
  command: Use,
  name: string,
  args: readonly string[],
  says: Words,
  files: Maker = paper(),
  more: More = {},
) => bad(`${command}: ${name}`, [command, ...GIVEN, ...args], all(files, snapshot()), says, more);

const predict = ["--out", "DIR/p.csv"];

export const uses: readonly BadInput[] = [
  bad("predict: no model", ["predict", ...predict], paper(), "required option '--model <run>' not specified"),
  use("predict", "no file", [], "required option '--out <file>' not specified"),
  use("predict", "a file of another kind", ["--out", "DIR/p.xlsx"], "ends in .parquet or .csv"),
  use("predict", "a folder that is not there", ["--out", "DIR/x/p.csv"], "no such file or folder"),
  use("predict", "a comma in the file's path", ["--out", "DIR/a,b.csv"], "without a comma in its path"),
  bad(
    "predict: the log as the file",
    ["predict", "--model", "DIR/model.safetensors", "--data", "DIR/log.csv", "--out", "DIR/p.csv"],
    all(paper(), snapshot(), link("log.csv", "DIR/log.tsv"), link("p.csv", "DIR/log.tsv")),
    "Expected --out apart from what --data names",
  ),
  use(
    "predict",
    "a file of a data set",
    ["--out", "DIR/set/pages.parquet"],
    "Expected --out apart from what another command made",
    all(paper(), prepared()),
  ),
  use("predict", "users without a page of the part", ["--split", "validation", ...predict], [
    "Expected users with events to predict, found none",
  ], paperRows(usersOf(0, 3, 2))),
  use(
    "predict",
    "a log of other items",
    predict,
    "is over 30 one-hot items, but log.tsv shows 31",
    paperRows([[0, 1, 30, 1, 2]]),
  ),
  use("predict", "a log that is empty", predict, "the file is empty", file("log.tsv", "")),
  bad(
    "recommend: a snapshot without its run, and no data",
    ["recommend", "--model", "DIR/model.safetensors", "--history", "1"],
    snapshot(),
    "Expected --data: ",
  ),
  use("recommend", "nobody", [], "Expected either --user (the id of a user of the data set) or --history"),
  use("recommend", "a user and a history", ["--user", "0", "--history", "1"], "got both"),
  use(
    "recommend",
    "a user that is not there",
    ["--user", "u1"],
    'Expected the id of a user of log.tsv, got "u1"',
  ),
  use(
    "recommend",
    "an item that is not there",
    ["--history", "1,30"],
    'Expected the id of an item of log.tsv, got "30"',
  ),
  use("recommend", "a space before an item", ["--history", "1, 3"], 'got " 3"'),
  use("recommend", "a JSON list of items", ["--history", '[1, "3,4"]'], 'got "3,4"'),
  use("recommend", "a JSON list of no ids", ["--history", "[1, null]"], "Expected a JSON list of ids: 1: "),
  use("recommend", "no item at all", ["--history", "1", "--top", "0"], "Expected a whole number in 1..10000"),
  bad("serve: a folder without a run", ["serve", "--model", "DIR"], nothing, "a folder without them"),
  use("serve", "a port that is none", ["--port", "65536"], "Expected a whole number in 0..65535"),
  use("serve", "a port that is words", ["--port", "http"], "Expected a whole number in 0..65535"),
  use("serve", "an address as a host", ["--allow-host", "http://shop.example"], "Expected a host's name"),
  use("serve", "a batch of nobody", ["--max-batch", "0"], "Expected a whole number in 1..4096"),
  use("export", "no file", [], "required option '--onnx <file>' not specified"),
  use(
    "export",
    "a folder in the file's place",
    ["--onnx", "DIR/m.onnx"],
    "is a folder",
    all(paper(), folder("m.onnx")),
  ),
  use("export", "the model in the file's place", ["--onnx", "DIR/model.safetensors"], "ends in .onnx"),
  use(
    "export",
    "an option of predict",
    ["--onnx", "DIR/m.onnx", "--out", "DIR/p.csv"],
    "unknown option '--out'",
  ),
];
