/** Options of `reproduce`, its folder, and data that are too small for it. */

import { all, bad, type BadInput, type Maker, table, type Words } from "./corpus.ts";
import { file, folder } from "./files.ts";
import { paperRows, usersOf } from "./good_data.ts";

const reproduce = (name: string, args: string, says: Words, files: Maker) =>
  bad(name, `reproduce --data DIR/log.tsv ${args}`, files, says);
/** So many train users. */
const log = (users: number) =>
  paperRows([...usersOf(0, users, 0), ...usersOf(users, 9, 1), ...usersOf(users + 9, 9, 2)]);
const big = log(120);
const there = (json: unknown) => all(big, file("experiments/experiment.json", JSON.stringify(json)));
const good = {
  data: "DIR/log.tsv",
  resplit: false,
  seeds: [1],
  iterations: 2000,
  adversarial: 5000,
  models: [{ name: "Baseline 64-64", folder: "baseline-64-64" }],
};

export const reproductions: readonly BadInput[] = [
  ...table({ run: "reproduce --data DIR/log.tsv" })`
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
  ...table({})`
    an empty --data | reproduce --data '' | Expected a path, got nothing
  `,
  reproduce(
    "40 train users",
    "--seeds 1 --models baseline-64-64",
    "Expected at least 50 train users",
    log(40),
  ),
  reproduce(
    "40 train users, and no option that it does not have is blamed",
    "--seeds 1",
    /^(?![^]*--batch-size)/,
    log(40),
  ),
  reproduce(
    "99 train users, too few for the adversarial models",
    "--seeds 1 --models l2-nopretrain-64-64",
    "Expected at least 100 train users",
    log(99),
  ),
  reproduce(
    "a README without its markers",
    "--readme DIR/README.md --seeds 1 --models baseline-64-64 --iterations 10",
    ["README.md to have the lines <!-- reproduce log -->"],
    all(big, file("README.md", "# Mine\n")),
  ),
  reproduce(
    "a README that is not there",
    "--readme DIR/README.md --seeds 1 --models baseline-64-64 --iterations 10",
    "README.md",
    big,
  ),
  reproduce(
    "a folder that holds something else",
    "--save-dir DIR/mine",
    "holds notes.txt",
    all(big, file("mine/notes.txt", "x")),
  ),
  reproduce("a file for a folder", "--save-dir DIR/log.tsv", "log.tsv", big),
  reproduce(
    "an experiment of other data",
    "",
    "but data is other.tsv there",
    there({ ...good, data: "other.tsv" }),
  ),
  reproduce("an experiment of no seeds", "", "experiment.json is damaged", there({ ...good, seeds: [] })),
  reproduce("an experiment that is an array", "", "experiment.json is damaged", there([])),
  reproduce(
    "an experiment that is a folder",
    "",
    "experiment.json",
    all(big, folder("experiments/experiment.json")),
  ),
  reproduce(
    "an experiment with a model that is none",
    "",
    "experiment.json is damaged",
    there({ ...good, models: [{ name: 1 }] }),
  ),
];
