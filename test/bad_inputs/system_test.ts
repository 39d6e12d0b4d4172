/** What the system does not do: full devices, special files, limits, names that no file can have. */

import { all, assertRefused, bad, type BadInput, type Maker, nothing, table, type Words } from "./corpus.ts";
import { words } from "../command_check.ts";
import { aroundWith, file, made, sparse } from "./files.ts";
import { paper, paperText, run, snapshot } from "./good_inputs.ts";

/** A training that ends at once. */
const QUICK = "--batch-size 12 --iterations 2 --validate-every 1 --dims 8 --lstm-units 4";
/** @param cell a path, and makers behind " with " */
const data = (name: string, cell: string, says: Words) => {
  const [path, changes] = aroundWith(cell);
  return bad(`--data: ${name}`, `train --data '${path}' ${QUICK}`, made(changes), says);
};
const saveDir = (name: string, path: string, says: Words) =>
  bad(`--save-dir: ${name}`, `train --data DIR/log.tsv --save-dir ${path} ${QUICK}`, paper(), says);
const TRAIN = `train --data DIR/log.tsv ${QUICK}`;
const EVALUATE = "evaluate --model DIR/model.safetensors --data DIR/log.tsv";

const linux = Deno.build.os === "linux";
const full = { shell: `exec "$@" >/dev/full`, only: linux };
const fullFor = (name: string, args: string, files: Maker, says: string[], leaves: string[] = []) =>
  bad(`standard output is full: ${name}`, args, files, [
    "error: standard output could not be written (the disk is full",
    ...says,
  ], { ...full, leaves });

export const system: readonly BadInput[] = [
  // Paths that are no log.
  ...table(data)`
    demo in capitals | DEMO | DEMO
    no file | DIR/none.tsv | none.tsv
    a folder | DIR/set with folder set | Expected a prepared data set, a folder with a manifest.json
    a dangling link | DIR/log.tsv with link log.tsv DIR/gone | log.tsv
    a loop of links | DIR/log.tsv with link log.tsv DIR/log.tsv | log.tsv
    a loop of links on the way | DIR/loop/log.tsv with link loop DIR/loop | log.tsv
    a FIFO | DIR/log.tsv with fifo log.tsv | /FIFO|regular/
    /dev/null | /dev/null | /dev/null
    /dev/zero | /dev/zero | /dev/zero
    a file of /proc that says it is empty | /proc/self/status | /proc/self/status
    a file of /proc that cannot be read | /proc/self/mem | /proc/self/mem
    a path of 5,000 characters | DIR/${"p".repeat(5000)} | /too long/
    a name of 300 characters | DIR/${"p".repeat(300)} | /too long/
    an address | https://example.org/log.tsv | https://example.org/log.tsv | /no such file|this machine/
    the address of a file | file://DIR/log.tsv | Name it without file://
    a name of a hyphen | - | -
  `,
  data("a name that a shell would run", "DIR/$(touch x);`id`", "no such file"),
  bad("--data: a file as a folder", `train --data DIR/log.tsv/x ${QUICK}`, paper(), "log.tsv/x"),
  bad("--data: a file of 100 GB", TRAIN, sparse("log.tsv", 1e11), [
    "100,000,000,000 bytes",
    "expected at most 500,000,000",
  ]),
  bad("--data: a name on two lines", `train --data 'DIR/a\nb.tsv' ${QUICK}`, nothing, "no such file"),
  // Names that are odd, and fine.
  bad(
    "a log whose name is odd",
    ["train", "--data", 'DIR/it\'s "$(odd)" \u96ea.tsv', ...words(QUICK)],
    file('it\'s "$(odd)" \u96ea.tsv', paperText()),
    "90 users, 242 events",
    { code: 0, leaves: ["run/"] },
  ),
  // Where a run cannot be written.
  ...table(saveDir, { only: linux })`
    /proc | /proc/clickgan | /proc/clickgan
    /dev/null | /dev/null | /dev/null
    below /dev/null | /dev/null/run | /dev/null
    /dev/full | /dev/full | /dev/full
  `,
  saveDir("a path of 5,000 characters", `DIR/${"p/".repeat(2500)}`, "too long"),
  // Outputs that are full. What was to be said is said on the other one, and the command has failed.
  fullFor("train", TRAIN, paper(), ["Results are in ", "Test users:"], ["run/"]),
  fullFor("evaluate", EVALUATE, all(paper(), snapshot()), ["best-loss"]),
  fullFor("evaluate --json", `${EVALUATE} --json`, all(paper(), snapshot()), ['"prec1"']),
  fullFor("--help", "train --help", nothing, ["Usage: deno task train"]),
  fullFor("--version", "report --version", nothing, []),
  fullFor("data example", "data example", nothing, ["log.csv"], ["out/"]),
  fullFor("report", "report DIR/old", run(), ["The report is"], ["old/report.html"]),
  ...table({ run: "train" }, full)`
    a failure behind a full standard output keeps its own words | --data DIR/none.tsv | none.tsv
  `,
  bad(
    "standard error is full: a failure keeps its exit code",
    "train --data DIR/none.tsv",
    nothing,
    "error: it ended with 1",
    { shell: `"$@" 2>/dev/full; code=$?; echo "error: it ended with $code" >&2; exit $code`, only: linux },
  ),
  bad("standard error is full: a training ends well", TRAIN, paper(), "Results are in ", {
    ...{ shell: `exec "$@" 2>/dev/full`, only: linux, code: 0, leaves: ["run/"] },
  }),
  bad("standard output is closed", "train --data DIR/none.tsv", nothing, "none.tsv", {
    ...{ shell: `exec "$@" >&-`, only: linux },
  }),
  bad("a reader that goes away is no failure", "train --help", nothing, "Usage", {
    ...{ shell: `"$@" | head -n 1`, only: linux, code: 0 },
  }),
  bad(
    "no temporary folder",
    "data log --source DIR/log.csv --user u --item i --time t --clicked c",
    file("log.csv", "u,i,t,c\na,x,1600000000,1\na,y,1600000000,0\n"),
    "1 pages with 2 displayed items",
    { env: { TMPDIR: "/nowhere" }, code: 0, leaves: ["out/"] },
  ),
  // The environment.
  bad(
    "a cache folder that is a file",
    `train --data DIR/log.tsv ${QUICK} --no-calibration`,
    all(paper(), made("file cache")),
    "Results are in ",
    { env: { XDG_CACHE_HOME: "DIR/cache" }, code: 0, leaves: ["run/"] },
  ),
  bad(
    "a prepared set that is to stay on disk, and a cache folder that is a file",
    `train --data DIR/set --memory-rows 0 ${QUICK}`,
    made("file cache; folder set"),
    "Expected a prepared data set",
    { env: { XDG_CACHE_HOME: "DIR/cache" } },
  ),
];

assertRefused({
  system: system,
});
