/** What the system does not do: full devices, special files, limits, names that no file can have. */

import {
  all,
  assertRefused,
  bad,
  type BadInput,
  type Maker,
  type More,
  nothing,
  table,
  type Words,
} from "./corpus.ts";
import { words } from "../command_check.ts";
import { fifo, file, folder, link, sparse } from "./files.ts";
import { paper, paperText } from "./good_data.ts";
import { run, snapshot } from "./good_runs.ts";

/** A training that ends at once. */
const QUICK = "--batch-size 12 --iterations 2 --validate-every 1 --dims 8 --lstm-units 4";
const data = (name: string, path: string, files: Maker, says: Words, more: More = {}) =>
  bad(`--data: ${name}`, `train --data '${path}' ${QUICK}`, files, says, more);
const saveDir = (name: string, path: string, says: Words, more: More = {}) =>
  bad(`--save-dir: ${name}`, `train --data DIR/log.tsv --save-dir ${path} ${QUICK}`, paper(), says, more);
const evaluate = "evaluate --model DIR/model.safetensors --data DIR/log.tsv";

const linux = Deno.build.os === "linux";
const full = { shell: `exec "$@" >/dev/full`, only: linux };

export const system: readonly BadInput[] = [
  ...table({})`
    --data: demo in capitals | train --data DEMO ${QUICK} | DEMO
  `,
  // Paths that are no log.
  data("no file", "DIR/none.tsv", nothing, "none.tsv"),
  data("a file as a folder", "DIR/log.tsv/x", paper(), "log.tsv/x"),
  data("a folder", "DIR/set", folder("set"), "Expected a prepared data set, a folder with a manifest.json"),
  data("a dangling link", "DIR/log.tsv", link("log.tsv", "DIR/gone"), "log.tsv"),
  data("a loop of links", "DIR/log.tsv", link("log.tsv", "DIR/log.tsv"), "log.tsv"),
  data("a loop of links on the way", "DIR/loop/log.tsv", link("loop", "DIR/loop"), "log.tsv"),
  data("a FIFO", "DIR/log.tsv", fifo("log.tsv"), /FIFO|regular/),
  data("/dev/null", "/dev/null", nothing, "/dev/null"),
  data("/dev/zero", "/dev/zero", nothing, /\/dev\/zero/),
  data("a file of /proc that says it is empty", "/proc/self/status", nothing, "/proc/self/status"),
  data("a file of /proc that cannot be read", "/proc/self/mem", nothing, "/proc/self/mem"),
  data("a path of 5,000 characters", `DIR/${"p".repeat(5000)}`, nothing, /too long/),
  data("a name of 300 characters", `DIR/${"p".repeat(300)}`, nothing, /too long/),
  data("an address", "https://example.org/log.tsv", nothing, [
    "https://example.org/log.tsv",
    /no such file|this machine/,
  ]),
  data("the address of a file", "file://DIR/log.tsv", nothing, "Name it without file://"),
  data("a file of 100 GB", "DIR/log.tsv", sparse("log.tsv", 1e11), [
    "100,000,000,000 bytes",
    "expected at most 500,000,000",
  ]),
  data("a name that a shell would run", "DIR/$(touch x);`id`", nothing, "no such file"),
  data("a name on two lines", "DIR/a\nb.tsv", nothing, "no such file"),
  data("a name of a hyphen", "-", nothing, "-"),
  // Names that are odd, and fine.
  bad(
    "a log whose name is odd",
    ["train", "--data", 'DIR/it\'s "$(odd)" \u96ea.tsv', ...words(QUICK)],
    file('it\'s "$(odd)" \u96ea.tsv', paperText()),
    "90 users, 242 events",
    { code: 0, leaves: ["run/"] },
  ),
  // Where a run cannot be written.
  saveDir("/proc", "/proc/clickgan", "/proc/clickgan", { only: linux }),
  saveDir("/dev/null", "/dev/null", "/dev/null", { only: linux }),
  saveDir("below /dev/null", "/dev/null/run", "/dev/null", { only: linux }),
  saveDir("/dev/full", "/dev/full", "/dev/full", { only: linux }),
  saveDir("a path of 5,000 characters", `DIR/${"p/".repeat(2500)}`, "too long"),
  // Outputs that are full. What was to be said is said on the other one, and the command has failed.
  bad("standard output is full: train", `train --data DIR/log.tsv ${QUICK}`, paper(), [
    "error: standard output could not be written (the disk is full",
    "Results are in ",
    "Test users:",
  ], { ...full, leaves: ["run/"] }),
  bad("standard output is full: evaluate", `${evaluate}`, all(paper(), snapshot()), [
    "error: standard output could not be written (the disk is full",
    "best-loss",
  ], full),
  bad("standard output is full: evaluate --json", `${evaluate} --json`, all(paper(), snapshot()), [
    "error: standard output could not be written (the disk is full",
    '"prec1"',
  ], full),
  bad("standard output is full: --help", "train --help", nothing, [
    "error: standard output could not be written (the disk is full",
    "Usage: deno task train",
  ], full),
  bad(
    "standard output is full: --version",
    "report --version",
    nothing,
    "error: standard output could not be written",
    full,
  ),
  bad("standard output is full: data example", "data example", nothing, [
    "error: standard output could not be written",
    "log.csv",
  ], { ...full, leaves: ["out/"] }),
  bad("standard output is full: report", "report DIR/old", run(), [
    "error: standard output could not be written",
    "The report is",
  ], { ...full, leaves: ["old/report.html"] }),
  bad(
    "a failure behind a full standard output keeps its own words",
    "train --data DIR/none.tsv",
    nothing,
    "none.tsv",
    full,
  ),
  bad(
    "standard error is full: a failure keeps its exit code",
    "train --data DIR/none.tsv",
    nothing,
    "error: it ended with 1",
    { shell: `"$@" 2>/dev/full; code=$?; echo "error: it ended with $code" >&2; exit $code`, only: linux },
  ),
  bad(
    "standard error is full: a training ends well",
    `train --data DIR/log.tsv ${QUICK}`,
    paper(),
    "Results are in ",
    { shell: `exec "$@" 2>/dev/full`, only: linux, code: 0, leaves: ["run/"] },
  ),
  bad("standard output is closed", "train --data DIR/none.tsv", nothing, "none.tsv", {
    shell: `exec "$@" >&-`,
    only: linux,
  }),
  bad("a reader that goes away is no failure", "train --help", nothing, "Usage", {
    shell: `"$@" | head -n 1`,
    only: linux,
    code: 0,
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
    all(paper(), file("cache", "")),
    "Results are in ",
    { env: { XDG_CACHE_HOME: "DIR/cache" }, code: 0, leaves: ["run/"] },
  ),
  bad(
    "a prepared set that is to stay on disk, and a cache folder that is a file",
    `train --data DIR/set --memory-rows 0 ${QUICK}`,
    all(file("cache", ""), folder("set")),
    "Expected a prepared data set",
    { env: { XDG_CACHE_HOME: "DIR/cache" } },
  ),
];

assertRefused({
  system: system,
});
