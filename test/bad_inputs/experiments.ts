/** Options and folders of `tune`, `reproduce` and `report`, and data that are too small for them. */

import { all, bad, type BadInput, type Maker, table, type Words } from "./corpus.ts";
import { alteredText, aroundWith, file, made } from "./files.ts";
import { paperRows, run, seeds, usersOf } from "./good_inputs.ts";

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
const reproduced = (name: string, change: string, says: Words) => {
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
  ...table(reproduced)`
    an experiment of other data | {"data": "other.tsv"} | but data is other.tsv there
    an experiment of no seeds | {"seeds": []} | experiment.json is damaged
    an experiment with a model that is none | {"models": [{"name": 1}]} | experiment.json is damaged
  `,
];

// Folders that a report is to be about, and pages that it is to be written to.

const report = (name: string, files: Maker, says: Words) => bad(name, "report DIR/old", files, says);
/** @param changes makers in words: of a good run, and of nothing */
const changed = (name: string, changes: string, says: Words) => report(name, run(made(changes)), says);
const fresh = (name: string, changes: string, says: Words) => report(name, made(changes), says);
const trainLog = (name: string, change: string, says: Words) =>
  changed(`a train.csv ${name}`, `swap old/train.csv ${change}`, says);
const result = (name: string, text: string, says: Words) =>
  changed(`a result.json ${name}`, `file old/result.json ${text}`, says);
const experiment = (name: string, text: string, says: Words) =>
  fresh(`an experiment.json ${name}`, `file old/experiment.json ${text}`, says);
const written = { code: 0, leaves: ["old/report.html"] };

export const reports: readonly BadInput[] = [
  ...table({})`
    no folder is named | report | missing required argument 'run'
    an empty name | report '' | Expected the path of a folder, got nothing
    no such folder | report DIR/none | no such file or folder
  `,
  bad("a file", "report DIR/log.tsv", made("file log.tsv"), "is a file"),
  ...table(fresh)`
    an empty folder | folder old | found none of these files
    a folder of other things | file old/notes.txt x | found none of these files
    a loop of links | link old DIR/old | old
    a FIFO | fifo old | /old/
    a seeds.json that is empty | file old/seeds.json | seeds.json is damaged
    a seeds.json of no seeds | file old/seeds.json {"seeds":[],"config":{"training":{"seed":1,"iterations":2}}}
      | seeds.json is damaged
  `,
  bad("seeds that have not begun", "report DIR/s", seeds([1], made("without s/seed-1")), "found none yet"),
  ...table({ run: "report DIR/old", files: run(made("folder none; folder p.html")) })`
    a good run and one that is none | DIR/none | found none of these files
    a page of another ending | --out DIR/config.json | Expected a file that ends in .html
    a page without a name | --out DIR/.html | Expected a file that ends in .html
    an empty page | --out '' | Expected a file that ends in .html
    a page that is a folder | --out DIR/p.html | p.html
    a page below a file | --out DIR/log.tsv/p.html | log.tsv
    a page of a name too long | --out DIR/${"p".repeat(300)}.html | the name is too long
  `,
  ...table({ run: "report DIR/old", files: run() }, { only: Deno.build.os === "linux" })`
    a page in /proc | --out /proc/p.html | /proc
  `,
  ...table(changed)`
    a config that is cut | cut old/config.json 99 | config.json is damaged
    a config that is empty | file old/config.json | config.json is damaged
    a config without a seed | json old/config.json training.seed= | config.json is damaged
    a config whose iterations are text | json old/config.json training.iterations="9" | config.json is damaged
    neither rows nor logs | without old/train.csv; without old/validation.csv | found none yet
    a log that is a folder | without old/train.csv; folder old/train.csv | train.csv
    a result.json without rows
      | without old/train.csv; without old/validation.csv; file old/result.json {"iteration": 4, "test": []}
      | found no row
    a train.csv that is binary | file old/train.csv \u0000\u0001\u0002\n\u0003\n
      | train.csv:1: expected a header with a column
  `,
  ...table(changed, written)`
    a config with a script in it
      | json old/config.json adapter.description="</script><script>alert(1)</script>" | The report is
    losses of NaN and infinity, which are not drawn
      | swap old/train.csv 2,1.5 => 2,NaN; swap old/train.csv 3,1.5 => 3,inf | The report is
    losses of 1e300 | swap old/train.csv 2,1.5 => 2,1e300 | The report is
  `,
  {
    ...report(
      "a config nested 2,000 deep",
      run(
        alteredText(
          "old/config.json",
          (text) => text.replace("{", `{"deep": ${"[".repeat(2000)}${"]".repeat(2000)},`),
        ),
      ),
      "The report is",
    ),
    ...written,
  },
  ...table(trainLog)`
    without iterations | iteration => step | train.csv:1: expected a header with a column "iteration"
    with a row too short | 2,1.5, => 2, | train.csv:3: expected 4 values
    with a word for a loss | 2,1.5 => 2,low | train.csv:3: expected a number for loss
    with a row twice | 2,1.5 => 1,1.5 | train.csv:3: expected an iteration above 1
    with an iteration of 1e300 | 2,1.5 => 1e300,1.5 | train.csv:3: expected an iteration
    with a negative iteration | 1,1.5 => -1,1.5 | train.csv:2: expected an iteration
  `,
  ...table(result, { says: "result.json is damaged" })`
    that is empty |
    that is an array | []
    that is a number | 3
    whose iteration is text | {"iteration": "4"}
    whose figures are text
      | {"iteration": 4, "test": [{"snapshot": "last", "iteration": 4, "nll": "low", "prec1": 1, "prec2": 1}]}
    whose test is an object | {"iteration": 4, "test": {}}
  `,
  ...table(experiment)`
    that is empty |  | experiment.json is damaged
    of no models | {"models":[]} | experiment.json is damaged
    of models without folders | {"models":[{"name":"a"}]} | experiment.json is damaged
    whose models have not begun | {"models":[{"name":"a","folder":"a"}]} | found none with a row
    whose folder leads out | {"models":[{"name":"a","folder":"../../../../etc"}]} | found none with a row
    with claims that are none
      | {"models":[{"name":"a","folder":"a"}]}; file old/result.json {"claims":[{"claim":1}]} | result.json is damaged
  `,
];
