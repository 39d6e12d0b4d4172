/** Options of `tune`, and its folder. */

import { all, bad, type BadInput, type Maker, nothing, type Words } from "./corpus.ts";
import { file, folder } from "./files.ts";
import { paperRows, usersOf } from "./paper.ts";

const tune = (name: string, args: readonly string[], says: Words, files: Maker = nothing) =>
  bad(name, ["tune", "--data", "DIR/log.tsv", ...args], files, says);
const log = paperRows([...usersOf(0, 60, 0), ...usersOf(60, 9, 1), ...usersOf(69, 9, 2)]);
const there = (json: unknown): Maker =>
  all(log, (path) => file("tune/tune.json", JSON.stringify(json).replaceAll("DIR", path))(path));
const good = {
  clickgan: "0.1.0",
  options: ["--data", "DIR/log.tsv"],
  data: { kind: "paper", path: "other.tsv", sha256: "0", resplit: null },
  criterion: "loss",
  spentSeconds: 0,
  rungs: [],
  settings: [],
};

export const searches: readonly BadInput[] = [
  tune("no budget", ["--budget", "0"], "Expected a number of minutes above 0"),
  tune("a budget in words", ["--budget", "ten"], "Expected a number of minutes above 0"),
  tune("a budget below nothing", ["--budget=-1"], "Expected a number of minutes above 0"),
  tune("a budget without end", ["--budget", "Infinity"], "Expected a number of minutes above 0"),
  tune("an unknown criterion", ["--criterion", "auc"], "Allowed choices are loss, prec1, prec2"),
  tune("an option of another stage", ["--adversarial", "100"], "unknown option '--adversarial'"),
  tune("an encoder called a model", ["--model", "none"], "Expected --encoder none, got --model none"),
  tune("--resume", ["--resume", "DIR/tune"], "unknown option '--resume'"),
  tune(
    "options of train that make no sense together",
    ["--iterations", "5"],
    "--validate-every of at most the 5",
  ),
  tune("no file", [], "log.tsv"),
  tune("a folder that holds something else", [], "holds notes.txt", all(log, file("tune/notes.txt", "x"))),
  tune("a search of other data", [], "it is on other data. Choose another --save-dir", there(good)),
  tune(
    "a search of the demo shop",
    [],
    "it is on other data",
    there({ ...good, data: { kind: "demo", seed: 1 } }),
  ),
  tune("a search that is an array", [], "tune.json is damaged", there([])),
  tune(
    "a search of an iteration below nothing",
    [],
    "tune.json is damaged",
    there({ ...good, rungs: [-10] }),
  ),
  tune("a search that is a folder", [], "tune.json", all(log, folder("tune/tune.json"))),
  tune(
    "a search that has changed its data",
    [],
    "its data have changed since it began",
    there({ ...good, data: { ...good.data, path: "DIR/log.tsv" } }),
  ),
];
