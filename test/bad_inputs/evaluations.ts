/** Options of `evaluate`, and data that a good model is evaluated on. */

import { all, bad, type BadInput, type Maker, type More, type Words } from "./corpus.ts";
import { file } from "./files.ts";
import { paper, paperRows, usersOf } from "./paper.ts";
import { snapshot } from "./snapshots.ts";

const MODEL = ["--model", "DIR/model.safetensors"] as const;
const evaluate = (
  name: string,
  args: readonly string[],
  says: Words,
  files: Maker = paper(),
  more: More = {},
) => bad(name, ["evaluate", ...MODEL, "--data", "DIR/log.tsv", ...args], all(files, snapshot()), says, more);

export const evaluations: readonly BadInput[] = [
  bad("no model", ["evaluate"], paper(), "required option '--model <file>' not specified"),
  bad("an empty model", ["evaluate", "--model", ""], paper(), "Expected a path, got nothing"),
  bad(
    "a model on the demo shop, which has other items",
    ["evaluate", ...MODEL],
    snapshot(),
    "is over 30 one-hot items, but demo shows",
  ),
  evaluate("an option of train", ["--iterations", "5"], "unknown option '--iterations'"),
  evaluate("a part that is none", ["--split", "dev"], "Allowed choices are train, validation, test, all"),
  evaluate("an empty part", ["--split", ""], "Allowed choices are train, validation, test, all"),
  evaluate("nothing to compare with", ["--against", ""], "Expected a path, got nothing"),
  evaluate(
    "a log in the place of another snapshot",
    ["--against", "DIR/log.tsv"],
    /log\.tsv is not a whole safetensors file/,
  ),
  evaluate(
    "a snapshot beside itself: no difference",
    ["--against", "DIR/model.safetensors"],
    /prec@1 +\+0\.0000 .*not told apart/,
    paper(),
    { code: 0 },
  ),
  evaluate("a seed of -1", ["--seed", "-1"], "Expected a whole number in 0..4294967295"),
  evaluate("half a shard", ["--evaluation-shards", "0.5"], "Expected a whole number of at least 0"),
  evaluate("an empty --data", ["--data", ""], "Expected a path, got nothing"),
  evaluate(
    "a log of items that the model does not know",
    [],
    "is over 30 one-hot items, but log.tsv shows 31",
    paperRows([[0, 1, 30, 1, 2]]),
  ),
  evaluate(
    "no users of the part",
    ["--split", "validation"],
    "no validation users",
    paperRows(usersOf(0, 3, 2)),
  ),
  evaluate("a log that is empty", [], "the file is empty", file("log.tsv", "")),
  evaluate("more shards than users", ["--evaluation-shards", "100000"], /best-loss +4/, paper(), { code: 0 }),
  evaluate(
    "one user who never clicks: no precision, and no figure in its place",
    [],
    [/best-loss +4 +\d\.\d+ +- +-/, /random +1\.3863 +- +-/],
    paperRows(usersOf(0, 1, 2, 3, false)),
    { code: 0 },
  ),
  evaluate(
    "one user of one page of one item",
    ["--json"],
    ['"events": 1', '"prec1": 1'],
    paperRows(usersOf(0, 1, 2, 1)),
    { code: 0 },
  ),
];
