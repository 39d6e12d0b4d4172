/** Folders of runs, of seeds, and of runs with an adversarial stage, damaged or altered before they are resumed, started from, or written to. */

import { defaultPwModel } from "../../src/model/config.ts";
import { all, bad, type BadInput, type Maker, same, table, type Words } from "./corpus.ts";
import { altered, alteredJson, alteredText, aroundWith, cut, file, made } from "./files.ts";
import { decodeSafetensors, encodeSafetensors, type TensorFile } from "../../src/run/snapshot/safetensors.ts";
import { beforeAdversarial, paper, run, seeds, snapshot } from "./good_inputs.ts";

const resume = (name: string, files: Maker, says: Words) =>
  bad(`--resume: ${name}`, "train --resume DIR/old", files, says);
/** @param changes makers in words */
const resumed = (name: string, changes: string, says: Words) => resume(name, run(made(changes)), says);
/** @param values of its JSON, by their paths */
const config = (name: string, values: string, says: Words) =>
  resumed(`a config ${name}`, `json old/config.json ${values}`, says);
const lastSnapshot = (name: string, change: (file: TensorFile) => TensorFile, says: Words) =>
  resume(
    `a last snapshot ${name}`,
    run(altered("old/last.safetensors", (bytes) => {
      const { tensors, metadata } = change(decodeSafetensors(bytes, "last"));
      return encodeSafetensors(tensors, metadata);
    })),
    says,
  );
const log = (name: string, change: (text: string) => string, says: Words) =>
  resume(`a train.csv ${name}`, run(alteredText("old/train.csv", change)), says);

/** It goes on, and writes to these. */
const goesOn = {
  code: 0,
  leaves: [
    ...["old/", "old/config.json", "old/train.csv", "old/validation.csv", "old/last.safetensors"],
    ...["old/best-loss.safetensors", "old/best-prec1.safetensors", "old/best-prec2.safetensors"],
  ],
};

const saveDir = (name: string, cell: string, says: Words) => {
  const [path, changes] = aroundWith(cell);
  const args = `train --data DIR/log.tsv --batch-size 12 --save-dir "${path}"`;
  return bad(`--save-dir: ${name}`, args, all(paper(), made(changes)), says);
};

export const runFolders: readonly BadInput[] = [
  ...table({ run: "train --resume", files: run(), named: "--resume: " })`
    no such folder | DIR/none | Expected a run folder with a config.json, found none at
    a file | DIR/log.tsv | /run folder|a part of this path is a file/
    the log's folder | DIR | Expected a run folder with a config.json
    --adversarial of a run without that stage | DIR/old --adversarial 500 | This run has no adversarial stage
    fewer iterations than are done | DIR/old --iterations 2
      | Expected --iterations of at least 4, as so many are done, got 2
  `,
  resume("an empty folder", made("folder old"), "Expected a run folder with a config.json"),
  ...table(config, { says: "config.json is damaged" })`
    without a model | model=
    without training | training=
    whose model is null | model=null
    whose encoder is not known | model.encoder="gru"
    whose units are text | model.lstmUnits="4"
    whose layers are empty | model.dims=[]
    of 1.5 iterations | training.iterations=1.5
    of 0 iterations | training.iterations=0
    of a batch of nobody | training.batchSize=0
    of a batch of half a user | training.batchSize=0.5
    of a rate of 1e300 | training.learningRate=1e300
    of a negative seed | training.seed=-1
    with a setting more | training.momentum=0.9
    of an adapter that is none | adapter.kind="tpu"
    of data of no kind | data.kind="csv"
    whose data have no path | data.path=
    whose data's path is a number | data.path=7
    whose checksum is a number | data.sha256=12
  `,
  ...table(config)`
    of kernels that there are not | shapes={"kind":"cpu","matmul":{"x":"y"}} | /config\.json|shapes/
    whose data's path is empty | data.path="" | /path/
    whose data's path holds NUL | data.path="a\u0000b" | /error: .*(name|path|NUL|unusual)/
    whose data are gone | data.path="/nowhere/log.tsv" | /nowhere/log.tsv
    whose data are a folder | data.path="/" | /prepared data set|manifest/
    whose data have another checksum | data.sha256="${"0".repeat(64)}" | has changed since the run began
    of another batch than there are users for | training.batchSize=31 | Expected a batch of at most 30 users
    of other layers than the snapshot | model.dims=[9] | utility/layer1/bias
    of fewer iterations than are done | training.iterations=2
      | Expected --iterations of at least 4, as so many are done, got 2
  `,
  ...table(config, goesOn)`
    that starts from a file that is gone | init={"path":"/nowhere/x.safetensors","sha256":"0"}
      | /going on|iteration|\/nowhere/
  `,
  resume(
    "a config of the other encoder",
    run(
      alteredJson("old/config.json", { model: { ...defaultPwModel, pwLags: 4, pwWeightings: 2, dims: [8] } }),
    ),
    "do not fit the model",
  ),
  ...same(resume, "config.json is damaged", {
    "a config in UTF-16": run(alteredText("old/config.json", (text) => "\u0000" + text)),
    "a config that is nested 100,000 deep": run(
      file("old/config.json", "[".repeat(100_000) + "]".repeat(100_000)),
    ),
  }),
  ...table(resumed)`
    only the log is there | without old/config.json | Expected a run folder with a config.json
    a config that is empty | file old/config.json | config.json is damaged
    a config that is cut | cut old/config.json 200 | config.json is damaged
    a config that is an array | file old/config.json [] | config.json is damaged
    a config that is null | file old/config.json null | config.json is damaged
    a config that is a folder | without old/config.json; folder old/config.json | config.json
    a config that is a loop of links | without old/config.json; link old/config.json config.json | config.json
    a log that is gone | without log.tsv | log.tsv
    no last snapshot | without old/last.safetensors | last.safetensors
    a last snapshot that is empty | file old/last.safetensors | last.safetensors
    a last snapshot that is cut | cut old/last.safetensors 900 | /last\.safetensors.*truncated/
    a last snapshot that lacks its last byte | cut old/last.safetensors -1 | /last\.safetensors.*truncated/
    no best snapshot | without old/best-prec1.safetensors | best-prec1.safetensors
    a best snapshot that is cut | cut old/best-loss.safetensors 100 | best-loss.safetensors
    a seeds.json beside it | file old/seeds.json {} | seeds.json is damaged
    a seeds.json without seeds | file old/seeds.json {"seeds": []} | seeds.json is damaged
    a seeds.json of seeds that are text | file old/seeds.json {"seeds": ["1"]} | seeds.json is damaged
    no train.csv | without old/train.csv | train.csv
    no validation.csv | without old/validation.csv | validation.csv
    a train.csv that is a folder | without old/train.csv; folder old/train.csv | train.csv
  `,
  resume(
    "a log that has changed",
    run(altered("log.tsv", (bytes) => Uint8Array.of(...bytes, 10))),
    "has changed since the run began",
  ),
  lastSnapshot("that says nothing of its logs", ({ tensors, metadata: { logs: _, ...metadata } }) => {
    return { tensors, metadata };
  }, "last.safetensors does not hold the state of a run"),
  lastSnapshot("of another iteration than its log's", ({ tensors, metadata }) => {
    return { tensors, metadata: { ...metadata, iteration: "3" } };
  }, "Expected a snapshot of iteration 4, as "),
  resume(
    "a best snapshot in its place",
    run((folder) =>
      Deno.copyFileSync(`${folder}/old/best-loss.safetensors`, `${folder}/old/last.safetensors`)
    ),
    "last.safetensors does not hold the state of a run",
  ),
  resume(
    "a best snapshot of another iteration",
    run(snapshot(({ metadata }) => void (metadata.iteration = "2"), "old/best-loss.safetensors")),
    "old/best-loss.safetensors to be the snapshot of iteration 4",
  ),
  ...same(log, "train.csv is not the log that the run wrote", {
    "that is empty": () => "",
    "cut to its header": (text) => text.slice(0, 27),
    "that lacks its first row": (text) => text.replace(/\n1,.*/, ""),
    "that lacks its last row": (text) => text.replace(/4,.*\n$/, ""),
    "that lacks its last byte": (text) => text.slice(0, -1),
    "of rows in another order": (text) => text.replace(/(2,.*\n)(3,.*\n)/, "$2$1"),
    "with a row twice": (text) => text.replace(/(2,.*\n)/, "$1$1"),
    "with a row that is text": (text) => text.replace("2,1.5", "two,1.5"),
    "with a row too short": (text) => text.replace("2,1.5,", "2,"),
    "with another loss": (text) => text.replace("2,1.5", "2,1.4"),
    "of another header": (text) => text.replace("loss", "nll"),
    "with the line ends of Windows": (text) => text.replaceAll("\n", "\r\n"),
  }),
  ...same(log, "Results are in", {
    "with rows behind the last snapshot, which are dropped": (text) =>
      text + text.slice(text.indexOf("\n") + 1) + "9,1.",
  }).map((one) => ({ ...one, ...goesOn })),
  bad(
    "--resume: a failing extension leaves the config",
    "train --resume DIR/old --iterations 9",
    run(cut("old/best-loss.safetensors", 100)),
    "best-loss.safetensors",
  ),
  bad(
    "--init: a run on other data",
    "train --data DIR/other.tsv --init DIR/old --batch-size 12",
    all(run(), paper((text) => text + "\n", "other.tsv")),
    "Expected --init of a run on the same data",
  ),
  bad(
    "--init: a run without its best snapshot",
    "train --data DIR/log.tsv --init DIR/old --batch-size 12",
    run(made("without old/best-prec1.safetensors")),
    "Expected a run with a best-prec1 snapshot for --init",
  ),
  ...table((name, changes, says) =>
    bad(`--init: ${name}`, "train --data DIR/log.tsv --init DIR/s", all(paper(), made(changes)), says)
  )`
    a folder of seeds | file s/seeds.json {} | which holds several: name one of its seeds
    a folder that is no run | folder s | it is a folder, and a file was expected
  `,
  ...table(saveDir)`
    a folder that holds other files | DIR/mine with file mine/notes.txt dear diary
      | holds notes.txt | Choose another --save-dir
    a folder that holds a train.csv | DIR/mine with file mine/train.csv my own; file mine/validation.csv mine too
      | /holds (train|validation)\.csv/
    a folder that holds a config.json of another program | DIR/mine with file mine/config.json {}
      | holds one. Continue it with --resume
    the folder of a run, whose name is quoted in the hint | DIR/it's with file it's/config.json {}
      | /--resume '.*it'\\''s'/
    a folder with a hidden file | DIR/mine with file mine/.keep | holds .keep
    a file | DIR/log.tsv | log.tsv
    below a file | DIR/log.tsv/run | log.tsv
    a link to nothing | DIR/gone with link gone DIR/nowhere/deep | gone
    a loop of links | DIR/loop with link loop DIR/loop | loop
    a name too long | DIR/${"n".repeat(300)} | the name is too long
  `,
];

// Folders of seeds, and of runs with an adversarial stage.

const resumedSeeds = (name: string, changes: string, says: Words) =>
  bad(`seeds: ${name}`, "train --resume DIR/s", seeds([1], made(changes)), says);
const listed = (name: string, list: string, says: Words) =>
  bad(`seeds: ${name}`, "train --resume DIR/s", seeds(JSON.parse(list)), says);
/** The Shannon stage has its test figures before the other one is begun. */
const ofStages = (name: string, changes: string, says: Words) => ({
  ...bad(`adversarial: ${name}`, "train --resume DIR/old", beforeAdversarial(made(changes)), says),
  leaves: ["old/result.json"],
});
const shannonSnapshot = snapshot(undefined, "old/adversarial/last.safetensors");

export const stages: readonly BadInput[] = [
  ...table(listed, { says: "seeds.json is damaged" })`
    none | []
    text | ["1"]
    an object | {"0": 1}
    half a seed | [0.5]
    a seed below 0 | [-1]
    a seed of 2^32 | [1, 4294967296]
    a seed twice | [1, 1]
  `,
  ...table({ run: "train --resume DIR/s", files: seeds([1]), named: "seeds: " })`
    fewer iterations than are done | --iterations 2
      | Expected --iterations of at least 4, as so many are done, got 2
    an adversarial stage that there is not | --adversarial 500 | This run has no adversarial stage
  `,
  ...table(resumedSeeds)`
    no config | json s/seeds.json config= | seeds.json is damaged
    a config without a model | json s/seeds.json config.model= | seeds.json is damaged
    a key more | json s/seeds.json more=1 | seeds.json is damaged
    cut | cut s/seeds.json 50 | seeds.json is damaged
    data that are gone | without log.tsv | log.tsv
    data that have changed | file log.tsv | log.tsv
    a seed whose snapshot is cut | cut s/seed-1/last.safetensors 99 | last.safetensors
    a seed's folder that is a file | without s/seed-1; file s/seed-1 mine | seed-1
    a seed without its last snapshot | without s/seed-1/last.safetensors | last.safetensors
  `,
  ...table(resumedSeeds, { code: 0, leaves: ["s/"] })`
    a seed's folder that holds something else, which stays as it is
      | without s/seed-1; file s/seed-1/notes.txt mine | Results are in
  `,
  bad(
    "seeds: one of them is resumed, whose config is another seed's",
    "train --resume DIR/s/seed-1",
    seeds([1], alteredJson("s/seed-1/config.json", { "training.seed": "1" })),
    "config.json is damaged",
  ),
  ...table(ofStages)`
    its folder is a file | file old/adversarial mine | adversarial
    its folder holds the user's train.csv | file old/adversarial/train.csv mine | train.csv
    a best snapshot to start from is gone | without old/best-prec1.safetensors | best-prec1.safetensors
    a best snapshot to start from is cut | cut old/best-prec1.safetensors 99 | best-prec1.safetensors
    more users a batch than there are | json old/config.json adversarial.batchSize=31
      | Expected a batch of at most 30 users
    a config without a generator | json old/config.json adversarial.generator= | config.json is damaged
    a config of behaviour that is none | json old/config.json adversarial.behaviourDims=[0] | config.json is damaged
  `,
  ...table(ofStages, {
    code: 0,
    leaves: ["old/", "old/config.json", "old/train.csv", "old/validation.csv", "old/last.safetensors"],
  })`
    its folder holds the user's files, which stay as they are | file old/adversarial/notes.txt mine
      | after the adversarial stage
  `,
  bad(
    "adversarial: its last snapshot is one of the Shannon stage",
    "train --resume DIR/old",
    beforeAdversarial(shannonSnapshot),
    /adversarial\/last\.safetensors/,
    { leaves: ["old/result.json"] },
  ),
  bad(
    "adversarial: a Shannon stage that can no longer be extended",
    "train --resume DIR/old --iterations 9",
    beforeAdversarial(shannonSnapshot),
    ["has begun from its Shannon stage, which can no longer be extended", "--init "],
    { leaves: ["old/result.json"] },
  ),
  bad(
    "adversarial: no stage at all",
    "train --resume DIR/old",
    run(made("json old/config.json pretrain=false adversarial=null")),
    /config\.json|stage/,
    { leaves: ["old/result.json"] },
  ),
];
