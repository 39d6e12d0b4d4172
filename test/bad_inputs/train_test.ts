/**
 * Bad inputs that `train` refuses: data, and runs and snapshots to resume or to start from. Bad values in
 * files and options are tested in options_test.ts, paper_file_test.ts, foreign_set_test.ts, snapshot_test.ts
 * and csv_log_test.ts.
 */

import type { BadInput, FileMaker } from "./corpus.ts";
import { assertRefused, makeAll, makeCase, makeCases, makeNothing } from "./corpus.ts";
import {
  alterFile,
  alterJson,
  compressText,
  cut,
  link,
  makeFifo,
  makeFile,
  makeFolder,
  makeSparseFile,
  remove,
} from "./files.ts";
import {
  makeLog,
  makePaperRows,
  makeRunBeforeAdversarial,
  makeSeeds,
  makeSet,
  makeSnapshot,
  makeUsers,
  reshapeTensor,
  run,
} from "./good_inputs.ts";
import { decodeSafetensors, encodeSafetensors } from "../../src/run/snapshot/safetensors.ts";

const QUICK = "--batch-size 5 --iterations 2 --validate-every 1 --dims 4 --lstm-units 4";
const train = (name: string, files: FileMaker, says: string) =>
  makeCase(name, `train --data DIR/log.tsv ${QUICK}`, files, says);
const onSet = (name: string, files: FileMaker, says: string) =>
  makeCase(name, `train --data DIR/set ${QUICK}`, files, says);

const allParts = (page: number, clicks = true) => [
  ...makeUsers(0, 8, 0, page, clicks),
  ...makeUsers(8, 2, 1, page, clicks),
  ...makeUsers(10, 2, 2, page, clicks),
];

const data: readonly BadInput[] = [
  ...makeCases(makeNothing, "train")`
    a synthetic shop without item ids | --data demo --no-item-ids | Expected item ids and other features
  `,
  makeCase(
    "a name with a quote, whose hint must not run",
    ["train", "--resume", "DIR/it's $(touch x)", "--dims", "8"],
    makeNothing,
    "--init '…it'\\''s $(touch x)/last.safetensors'",
  ),
  ...makeCases(makeLog(), "train --data DIR/log.tsv")`
    more users per batch than in the log | --batch-size 31 | Expected a batch of at most 30 users | --batch-size 31
    a batch of more users than any number of bytes | --batch-size 9007199254740991
      | Expected a batch of at most 30 users
    an adversarial batch of more users than there are | --adversarial 200
      | Expected a batch of at most 30 users | --adversarial-batch-size 100
  `,
  train("a truncated row", makeLog((text) => text.slice(0, -12)), "log.tsv:#: expected"),
  train("a log that is compressed", makeLog(compressText), "log.tsv"),
  train("only pages of one item, each clicked", makePaperRows(allParts(1)), "--pages sampled"),
  {
    ...train("users who never click have no precision", makePaperRows(allParts(3, false)), "prec@1 -"),
    ...{ code: 0, leaves: ["run/"] },
  },
  onSet("a set that is a loop of links", link("set", "DIR/set"), "set"),
  onSet(
    "a displayed item that does not exist",
    makeSet({ pages: "SELECT * REPLACE ([30]::UINTEGER[] AS items) FROM t" }),
    "set/pages.parquet",
  ),
  onSet(
    "no train users",
    makeSet({ users: "SELECT * REPLACE ('test' AS split) FROM t" }),
    "has no train users",
  ),
  makeCase(
    "positions of pages without an order",
    "train --data DIR/set --position-bias",
    makeSet({ manifest: { pageOrder: "arbitrary" } }),
    "its pages lack the order in which items were shown",
  ),
];

const saveDir = (name: string, path: string, files: FileMaker, says: string | string[]) =>
  makeCase(
    name,
    `train --data DIR/log.tsv --batch-size 12 --save-dir "${path}"`,
    makeAll(makeLog(), files),
    says,
  );

const saveDirs: readonly BadInput[] = [
  saveDir("a folder with foreign files", "DIR/mine", makeFile("mine/.keep", "dear diary"), [
    "holds .keep",
    "Choose another --save-dir",
  ]),
  saveDir("a foreign config", "DIR/mine", makeFile("mine/config.json", "{}"), "Continue it with --resume"),
  saveDir("a quoted name", "DIR/it's", makeFile("it's/config.json", "{}"), "--resume '…it'\\''s'"),
  saveDir("a link to nothing", "DIR/gone", link("gone", "DIR/nowhere/deep"), "gone"),
];

const resume = (name: string, files: FileMaker, says: string | string[]) =>
  makeCase(name, "train --resume DIR/old", files, says);
const OLD = ["config.json", "train.csv", "validation.csv", "last.safetensors"].map((name) => `old/${name}`);
const goesOn = {
  code: 0,
  leaves: ["old/", ...OLD, ...["loss", "prec1", "prec2"].map((name) => `old/best-${name}.safetensors`)],
};
const last = (change: (metadata: Record<string, string>) => void) =>
  run(alterFile("old/last.safetensors", (bytes) => {
    const { tensors, metadata } = decodeSafetensors(bytes, "last");
    change(metadata);
    return encodeSafetensors(tensors, metadata);
  }));
const config = (values: Readonly<Record<string, unknown>>) => run(alterJson("old/config.json", values));
const DAMAGED = "config.json is damaged";

const resumed: readonly BadInput[] = [
  ...makeCases(run(), "train --resume")`
    no such folder | DIR/none | Expected a run folder with a config.json, found none at
    a file | DIR/log.tsv | log.tsv
    --adversarial of a run without that stage | DIR/old --adversarial 500 | This run has no adversarial stage
    fewer iterations than are finished | DIR/old --iterations 2 | Expected --iterations of at least 4, the number of finished iterations, got 2
  `,
  resume("a truncated config", run(cut("old/config.json", 200)), DAMAGED),
  resume("a config without a model", config({ model: undefined }), DAMAGED),
  resume("a config of 1.5 iterations", config({ "training.iterations": 1.5 }), DAMAGED),
  resume("a config with an unknown setting", config({ "training.momentum": 0.9 }), DAMAGED),
  resume("a config with an unknown kind of data", config({ "data.kind": "csv" }), DAMAGED),
  resume("a config nested 100,000 deep", run(makeFile("old/config.json", "[".repeat(100_000))), DAMAGED),
  resume("a folder as config", run(remove("old/config.json"), makeFolder("old/config.json")), "config.json"),
  resume("a path with NUL", config({ "data.path": "a\0b" }), "error: "),
  resume("missing data", config({ "data.path": "/nowhere/log.tsv" }), "/nowhere/log.tsv"),
  resume("changed data", run(alterFile("log.tsv", (log) => Uint8Array.of(...log, 10))), "has changed since"),
  resume(
    "more users per batch than the log has",
    config({ "training.batchSize": 31 }),
    "Expected a batch of at most 30 users",
  ),
  resume("other layers than the snapshot", config({ "model.dims": [9] }), "utility/layer1/bias"),
  {
    ...resume(
      "its initial snapshot is missing",
      config({ init: { path: "/nowhere/x", sha256: "0" } }),
      "resuming",
    ),
    ...goesOn,
  },
  resume("a truncated last snapshot", run(cut("old/last.safetensors", -1)), "last.safetensors…truncated"),
  resume(
    "a last snapshot without logs",
    last((m) => void delete m.logs),
    "Expected the training state of a run in",
  ),
  resume("another iteration", last((m) => void (m.iteration = "3")), "a snapshot of iteration 4"),
  resume(
    "a best snapshot of another iteration",
    run(makeSnapshot(({ metadata }) => void (metadata.iteration = "2"), "old/best-loss.safetensors")),
    "old/best-loss.safetensors is missing, or is not the snapshot of iteration 4",
  ),
  resume(
    "a log with a row less",
    run(alterFile("old/train.csv", (log) => log.slice(0, -9))),
    "to be unchanged since the run was last saved",
  ),
  resume("a log that is a folder", run(remove("old/train.csv"), makeFolder("old/train.csv")), "train.csv"),
  makeCase(
    "an extension that fails leaves the config",
    "train --resume DIR/old --iterations 9",
    run(cut("old/best-loss.safetensors", 100)),
    "best-loss.safetensors",
  ),
];

const init = (name: string, from: string, files: FileMaker, says: string) =>
  makeCase(`--init: ${name}`, `train --data DIR/log.tsv --init ${from} --batch-size 12`, files, says);
const KERNEL = "utility/layer1/item_kernel";

const starts: readonly BadInput[] = [
  init(
    "a transposed kernel",
    "DIR/model.safetensors",
    makeAll(makeLog(), makeSnapshot(reshapeTensor(KERNEL, ([rows = 0, columns = 0]) => [columns, rows]))),
    `${KERNEL}: expected the shape`,
  ),
  init(
    "a model that contradicts the options",
    "DIR/model.safetensors --dims 9 --lstm-units 4",
    makeAll(makeLog(), makeSnapshot()),
    "utility/layer1/bias: expected 9 values [1, 9], got 8",
  ),
  init("seeds' folder", "DIR/s", makeAll(makeLog(), makeFile("s/seeds.json", "{}")), "folder of one seed"),
  init("no best snapshot", "DIR/old", run(remove("old/best-prec1.safetensors")), "a best-prec1 snapshot"),
  init("other data", "DIR/old", makeAll(run(), makeLog((text) => text + "\n")), "of a run on the same data"),
];

const seed = (name: string, change: FileMaker, says: string, more = {}) =>
  makeCase(`seeds: ${name}`, "train --resume DIR/s", makeSeeds([1], change), says, more);
const stage = (name: string, change: FileMaker, says: string, more = {}) =>
  makeCase(`adversarial: ${name}`, "train --resume DIR/old", makeRunBeforeAdversarial(change), says, {
    leaves: ["old/result.json"],
    ...more,
  });

const stages: readonly BadInput[] = [
  seed("a list of text", alterJson("s/seeds.json", { seeds: ["1"] }), "seeds.json is damaged"),
  seed("no seeds", alterJson("s/seeds.json", { seeds: [] }), "seeds.json is damaged"),
  seed("missing data", remove("log.tsv"), "log.tsv"),
  seed("a truncated snapshot", cut("s/seed-1/last.safetensors", 99), "last.safetensors"),
  seed("a folder that is a file", makeAll(remove("s/seed-1"), makeFile("s/seed-1", "mine")), "seed-1"),
  seed(
    "a folder with foreign files, which are unchanged",
    makeAll(remove("s/seed-1"), makeFile("s/seed-1/notes.txt", "mine")),
    "Results are in",
    { code: 0, leaves: ["s/"] },
  ),
  stage("its folder is a file", makeFile("old/adversarial", "mine"), "adversarial"),
  stage("its folder has the user's train.csv", makeFile("old/adversarial/train.csv", "mine"), "train.csv"),
  stage(
    "its folder has the user's notes, which are unchanged",
    makeFile("old/adversarial/notes.txt", "mine"),
    "after the adversarial stage",
    { code: 0, leaves: ["old/", ...OLD] },
  ),
  stage(
    "the snapshot to start from is missing",
    remove("old/best-prec1.safetensors"),
    "best-prec1.safetensors",
  ),
  stage(
    "a snapshot of the other stage",
    makeSnapshot(undefined, "old/adversarial/last.safetensors"),
    "adversarial/last.safetensors",
  ),
  stage("no generator", alterJson("old/config.json", { "adversarial.generator": undefined }), DAMAGED),
];

const LINUX = { only: Deno.build.os === "linux" };

const paths: readonly BadInput[] = [
  ...makeCases(makeNothing, "train --data")`
    demo in capitals | DEMO | DEMO
    no file | DIR/none.tsv | none.tsv
    a path of 5,000 characters | DIR/${"p".repeat(5000)} | too long
    a name that a shell would run | 'DIR/$(touch x);\`id\`' | no such file
    the address of a file | file://DIR/log.tsv | Remove file:// from the path
    a name of a hyphen | - | -
  `,
  ...makeCases(makeNothing, "train --data", LINUX)`
    a device | /dev/zero | /dev/zero
    a file of /proc that says it is empty | /proc/self/status | /proc/self/status
    a file of /proc that cannot be read | /proc/self/mem | /proc/self/mem
  `,
  makeCase("a name on two lines", ["train", "--data", "DIR/a\nb.tsv"], makeNothing, "no such file"),
  train("a dangling link", link("log.tsv", "DIR/gone"), "log.tsv"),
  train("a FIFO", makeFifo("log.tsv"), "FIFO"),
  train("100 GB", makeSparseFile("log.tsv", 1e11), "100,000,000,000 bytes…expected at most 500,000,000"),
  ...makeCases(makeLog(), `train --data DIR/log.tsv ${QUICK} --save-dir`, LINUX)`
    a run in /proc | /proc/clickgan | /proc/clickgan
    a run below a device | /dev/null/run | /dev/null
    a run in the place of a device | /dev/full | /dev/full
  `,
];

assertRefused({ data, "--save-dir": saveDirs, "--resume": resumed, "--init": starts, stages, paths });
