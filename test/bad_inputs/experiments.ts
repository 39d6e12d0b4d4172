/** Options of `tune` and `reproduce`, their folders, and data that are too small for them. */

import { all, bad, type BadInput, type Maker, table, type Words } from "./corpus.ts";
import { aroundWith, file, made } from "./files.ts";
import { paperRows, usersOf } from "./good_inputs.ts";

/** So many train users. */
const log = (users: number) =>
  paperRows([...usersOf(0, users, 0), ...usersOf(users, 9, 1), ...usersOf(users + 9, 9, 2)]);

const SEARCH = {
  clickgan: "0.1.0",
  options: ["--data", "DIR/log.tsv"],
  data: { kind: "paper", path: "other.tsv", sha256: "0", resplit: null },
  criterion: "loss",
  spentSeconds: 0,
  rungs: [],
  settings: [],
};
/** A folder of a search with this tune.json, and what is to be said of it. */
const searched = (name: string, json: unknown, says: Words) => {
  const there: Maker = (path) => file("tune/tune.json", JSON.stringify(json).replaceAll("DIR", path))(path);
  return bad(name, "tune --data DIR/log.tsv", all(log(60), there), says);
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
  ...table((name, changes, says) => bad(name, "tune --data DIR/log.tsv", all(log(60), made(changes)), says))`
    a folder that holds something else | file tune/notes.txt x | holds notes.txt
    a search that is a folder | folder tune/tune.json | tune.json
  `,
  searched("a search of other data", SEARCH, "it is on other data. Choose another --save-dir"),
  searched(
    "a search of the demo shop",
    { ...SEARCH, data: { kind: "demo", seed: 1 } },
    "it is on other data",
  ),
  searched("a search that is an array", [], "tune.json is damaged"),
  searched("a search of an iteration below nothing", { ...SEARCH, rungs: [-10] }, "tune.json is damaged"),
  searched(
    "a search that has changed its data",
    { ...SEARCH, data: { ...SEARCH.data, path: "DIR/log.tsv" } },
    "its data have changed since it began",
  ),
];

const REPRODUCE = "reproduce --data DIR/log.tsv";
/** @param cell further arguments, and makers behind " with " */
const reproduce = (name: string, cell: string, says: Words, users = 120) => {
  const [args, changes] = aroundWith(cell);
  return bad(name, `${REPRODUCE} ${args}`, all(log(users), made(changes)), says);
};
const experiment = (name: string, change: string, says: Words) => {
  const models = [{ name: "Baseline 64-64", folder: "baseline-64-64" }];
  const good = {
    data: "DIR/log.tsv",
    resplit: false,
    seeds: [1],
    iterations: 2000,
    adversarial: 5000,
    models,
  };
  const json = JSON.stringify({ ...good, ...JSON.parse(change) });
  return reproduce(name, ` with file experiments/experiment.json ${json}`, says);
};

export const reproductions: readonly BadInput[] = [
  ...table({ run: REPRODUCE })`
    an option of train | --dims 8 | unknown option '--dims'
    no seeds | --seeds 0 | Expected a whole number in 1..1000
    too many seeds | --seeds 1001 | Expected a whole number in 1..1000
    seeds beyond the largest | --seed 4294967295 --seeds 2 | Expected seeds of at most 4294967295
    the largest seed, and five by default | --seed 4294967295 | Expected seeds of at most 4294967295
    too few iterations | --iterations 9 | Expected a whole number in 10..
    too few adversarial iterations | --adversarial 1 | Expected a whole number in 10..
    an unknown model | --models baseline | Expected --models among baseline-64-64, 
    an empty list of models | --models '' | /--models/
    commas for models | --models ,, | /--models/
    an empty folder | --save-dir '' | Expected the path of a folder, got nothing
    an empty --readme | --readme '' | Expected a path, got nothing
    no file |  | log.tsv
  `,
  bad("an empty --data", "reproduce --data ''", () => {}, "Expected a path, got nothing"),
  ...table((name, args, says) => reproduce(name, args, says, 40))`
    40 train users | --seeds 1 --models baseline-64-64 | Expected at least 50 train users
    40 train users, and no option that it does not have is blamed | --seeds 1 | /^(?![^]*--batch-size)/
  `,
  ...table((name, args, says) => reproduce(name, args, says, 99))`
    99 train users, too few for the adversarial models | --seeds 1 --models l2-nopretrain-64-64
      | Expected at least 100 train users
  `,
  ...table(reproduce)`
    a README without its markers
      | --readme DIR/README.md --seeds 1 --models baseline-64-64 --iterations 10 with file README.md # Mine\n
      | README.md to have the lines <!-- reproduce log -->
    a README that is not there | --readme DIR/README.md --seeds 1 --models baseline-64-64 --iterations 10 | README.md
    a folder that holds something else | --save-dir DIR/mine with file mine/notes.txt x | holds notes.txt
    a file for a folder | --save-dir DIR/log.tsv | log.tsv
    an experiment that is a folder | with folder experiments/experiment.json | experiment.json
    an experiment that is an array | with file experiments/experiment.json [] | experiment.json is damaged
  `,
  ...table(experiment)`
    an experiment of other data | {"data": "other.tsv"} | but data is other.tsv there
    an experiment of no seeds | {"seeds": []} | experiment.json is damaged
    an experiment with a model that is none | {"models": [{"name": 1}]} | experiment.json is damaged
  `,
];
