/** Outputs that are full or closed, and an environment that lacks something. */

import { all, assertRefused, bad, type BadInput, type Maker, nothing } from "./corpus.ts";
import { words } from "../command_check.ts";
import { file, folder } from "./files.ts";
import { paper, paperText, run, snapshot } from "./good_inputs.ts";

/** A training that ends at once. */
const QUICK = "--batch-size 12 --iterations 2 --validate-every 1 --dims 8 --lstm-units 4";
const TRAIN = `train --data DIR/log.tsv ${QUICK}`;
const EVALUATE = "evaluate --model DIR/model.safetensors --data DIR/log.tsv";

const only = Deno.build.os === "linux";
const FULL = `exec "$@" >/dev/full`;
/** Standard output is full: what was to be printed there goes to standard error, and the command has failed. */
const full = (name: string, args: string, files: Maker, says: string[], leaves: string[] = []) =>
  bad(`standard output is full: ${name}`, args, files, [
    "error: standard output could not be written (the disk is full",
    ...says,
  ], { shell: FULL, only, leaves });

const system: readonly BadInput[] = [
  full("train", TRAIN, paper(), ["Results are in ", "Test users:"], ["run/"]),
  full("evaluate --json", `${EVALUATE} --json`, all(paper(), snapshot()), ['"prec1"']),
  full("--help", "train --help", nothing, ["Usage: deno task train"]),
  full("--version", "report --version", nothing, []),
  full("data example", "data example", nothing, ["log.csv"], ["out/"]),
  full("report", "report DIR/old", run(), ["The report is"], ["old/report.html"]),
  bad(
    "standard output is full: a failure keeps its own words",
    "train --data DIR/none.tsv",
    nothing,
    "none.tsv",
    {
      shell: FULL,
      only,
    },
  ),
  bad(
    "standard error is full: a failure keeps its exit code",
    "train --data DIR/none.tsv",
    nothing,
    "it ended with 1",
    {
      shell: `"$@" 2>/dev/full; code=$?; echo "error: it ended with $code" >&2; exit $code`,
      only,
    },
  ),
  bad("standard error is full: a training ends well", TRAIN, paper(), "Results are in ", {
    ...{ shell: `exec "$@" 2>/dev/full`, only, code: 0, leaves: ["run/"] },
  }),
  bad("standard output is closed", "train --data DIR/none.tsv", nothing, "none.tsv", {
    shell: `exec "$@" >&-`,
    only,
  }),
  bad("a reader that goes away is no failure", "train --help", nothing, "Usage", {
    ...{ shell: `"$@" | head -n 1`, only, code: 0 },
  }),
  bad(
    "a log whose name is odd is read",
    ["train", "--data", 'DIR/it\'s "$(odd)" \u96ea.tsv', ...words(QUICK)],
    file('it\'s "$(odd)" \u96ea.tsv', paperText()),
    "90 users, 242 events",
    { code: 0, leaves: ["run/"] },
  ),
  bad(
    "no temporary folder is needed",
    "data log --source DIR/log.csv --user u --item i --time t --clicked c",
    file("log.csv", "u,i,t,c\na,x,1600000000,1\na,y,1600000000,0\n"),
    "1 pages with 2 displayed items",
    { env: { TMPDIR: "/nowhere" }, code: 0, leaves: ["out/"] },
  ),
  bad(
    "a cache folder that is a file does not stop a training",
    `${TRAIN} --no-calibration`,
    all(paper(), file("cache", "")),
    "Results are in ",
    { env: { XDG_CACHE_HOME: "DIR/cache" }, code: 0, leaves: ["run/"] },
  ),
  bad(
    "a set that is to stay on disk, and a cache folder that is a file",
    `train --data DIR/set --memory-rows 0 ${QUICK}`,
    all(file("cache", ""), folder("set")),
    "Expected a prepared data set",
    { env: { XDG_CACHE_HOME: "DIR/cache" } },
  ),
];

assertRefused({ system });
