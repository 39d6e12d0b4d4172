/** Options of `tune`, and its folder. */

import { all, bad, type BadInput, type Maker, table, type Words } from "./corpus.ts";
import { file, folder } from "./files.ts";
import { paperRows, usersOf } from "./good_data.ts";

const tune = (name: string, files: Maker, says: Words) => bad(name, "tune --data DIR/log.tsv", files, says);
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
  ...table({ run: "tune --data DIR/log.tsv" })`
    no budget | --budget 0 | Expected a number of minutes above 0
    a budget in words | --budget ten | Expected a number of minutes above 0
    a budget below nothing | --budget=-1 | Expected a number of minutes above 0
    a budget without end | --budget Infinity | Expected a number of minutes above 0
    an unknown criterion | --criterion auc | Allowed choices are loss, prec1, prec2
    an option of another stage | --adversarial 100 | unknown option '--adversarial'
    an encoder called a model | --model none | Expected --encoder none, got --model none
    --resume | --resume DIR/tune | unknown option '--resume'
    options of train that make no sense together | --iterations 5 | --validate-every of at most the 5
    no file |  | log.tsv
  `,
  tune("a folder that holds something else", all(log, file("tune/notes.txt", "x")), "holds notes.txt"),
  tune("a search of other data", there(good), "it is on other data. Choose another --save-dir"),
  tune(
    "a search of the demo shop",
    there({ ...good, data: { kind: "demo", seed: 1 } }),
    "it is on other data",
  ),
  tune("a search that is an array", there([]), "tune.json is damaged"),
  tune("a search of an iteration below nothing", there({ ...good, rungs: [-10] }), "tune.json is damaged"),
  tune("a search that is a folder", all(log, folder("tune/tune.json")), "tune.json"),
  tune(
    "a search that has changed its data",
    there({ ...good, data: { ...good.data, path: "DIR/log.tsv" } }),
    "its data have changed since it began",
  ),
];
