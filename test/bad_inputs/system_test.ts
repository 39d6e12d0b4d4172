import { assertRefused, type BadInput, type FileMaker, makeAll, makeCase, makeNothing } from "./corpus.ts";
import { splitArgs } from "../command_check.ts";
import { makeFile, makeFolder } from "./files.ts";
import { makeLog, makeLogText, makeSnapshot } from "./good_inputs.ts";

const QUICK = "--batch-size 12 --iterations 2 --validate-every 1 --dims 8 --lstm-units 4";
const TRAIN = `train --data DIR/log.tsv ${QUICK}`;
const EVALUATE = "evaluate --model DIR/model.safetensors --data DIR/log.tsv";

const only = Deno.build.os === "linux";
const FULL = `exec "$@" >/dev/full`;
/** Case in which standard output is a full disk: the command writes its text to standard error, and fails. */
const full = (name: string, args: string, files: FileMaker, says: string[], leaves: string[] = []) =>
  makeCase(`standard output is full: ${name}`, args, files, [
    "error: standard output could not be written (the disk is full",
    ...says,
  ], { shell: FULL, only, leaves });

const system: readonly BadInput[] = [
  full("train", TRAIN, makeLog(), ["Results are in ", "Test users:"], ["run/"]),
  full("evaluate --json", `${EVALUATE} --json`, makeAll(makeLog(), makeSnapshot()), ['"prec1"']),
  full("--help", "train --help", makeNothing, ["Usage: deno task train"]),
  full("data example", "data example", makeNothing, ["log.csv"], ["out/"]),
  makeCase(
    "standard output is full: a failing command still prints its message",
    "train --data DIR/none.tsv",
    makeNothing,
    "none.tsv",
    { shell: FULL, only },
  ),
  makeCase(
    "standard error is full: a failing command keeps its exit code",
    "train --data DIR/none.tsv",
    makeNothing,
    "it ended with 1",
    { shell: `"$@" 2>/dev/full; code=$?; echo "error: it ended with $code" >&2; exit $code`, only },
  ),
  makeCase("standard error is full: a training succeeds", TRAIN, makeLog(), "Results are in ", {
    ...{ shell: `exec "$@" 2>/dev/full`, only, code: 0, leaves: ["run/"] },
  }),
  makeCase("standard output is closed", "train --data DIR/none.tsv", makeNothing, "none.tsv", {
    shell: `exec "$@" >&-`,
    only,
  }),
  makeCase(
    "a command succeeds if the reader of its output closes the pipe",
    "train --help",
    makeNothing,
    "Usage",
    {
      ...{ shell: `"$@" | head -n 1`, only, code: 0 },
    },
  ),
  makeCase(
    "a log with an unusual file name is read",
    ["train", "--data", 'DIR/it\'s "$(odd)" \u96ea.tsv', ...splitArgs(QUICK)],
    makeFile('it\'s "$(odd)" \u96ea.tsv', makeLogText()),
    "90 users, 242 events",
    { code: 0, leaves: ["run/"] },
  ),
  makeCase(
    "no temporary folder is needed",
    "data log --source DIR/log.csv --user u --item i --time t --clicked c",
    makeFile("log.csv", "u,i,t,c\na,x,1600000000,1\na,y,1600000000,0\n"),
    "1 pages with 2 impressions",
    { env: { TMPDIR: "/nowhere" }, code: 0, leaves: ["out/"] },
  ),
  makeCase(
    "a cache folder that is a file does not stop a training",
    `${TRAIN} --no-autotune`,
    makeAll(makeLog(), makeFile("cache", "")),
    "Results are in ",
    { env: { XDG_CACHE_HOME: "DIR/cache" }, code: 0, leaves: ["run/"] },
  ),
  makeCase(
    "a set that must stay on disk, and a cache folder that is a file",
    `train --data DIR/set --memory-rows 0 ${QUICK}`,
    makeAll(makeFile("cache", ""), makeFolder("set")),
    "Expected a prepared data set",
    { env: { XDG_CACHE_HOME: "DIR/cache" } },
  ),
];

assertRefused({ system });
