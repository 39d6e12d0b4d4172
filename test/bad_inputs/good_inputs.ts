import { writePaperFile } from "../command_check.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { type FileMaker, makeAll } from "./corpus.ts";
import { alterJson, type FileContent, makeFile } from "./files.ts";
import { rewrite, writeSet } from "../foreign_set.ts";
import type { ItemsShape } from "../../src/data/item_catalogue.ts";
import { defaultModel, type ModelConfig } from "../../src/model/model_config.ts";
import { drawInitialWeights } from "../../src/model/initial_weights.ts";
import { listModelParameters } from "../../src/model/user_model.ts";
import { encodeSafetensors, type TensorData, type TensorFile } from "../../src/run/snapshot/safetensors.ts";
import { buildSnapshot } from "../../src/run/snapshot/snapshot.ts";
import { createHash } from "node:crypto";
import { makeRunConfig } from "../run/folder_check.ts";
import { defaultAdversarial, defaultTraining } from "../../src/train/training_config.ts";

export const COLUMNS = ["session_new_index", "Time", "item_new_index", "is_click", "tr_val_tst"] as const;

let text: string | undefined;

/** Returns a log of 90 users and 30 items; a third of the users is in each split. */
export function makeLogText(): string {
  if (text === undefined) {
    const path = Deno.makeTempFileSync({ prefix: "clickgan-bad-" });
    try {
      writePaperFile(path, createSmallLog(31, { users: 90, items: 30, width: 0 }));
      text = Deno.readTextFileSync(path);
    } finally {
      Deno.removeSync(path);
    }
  }
  return text;
}

export function makeLog(change: (text: string) => FileContent = (text) => text): FileMaker {
  return (folder) => makeFile("log.tsv", change(makeLogText()))(folder);
}

export function makePaperRows(rows: readonly (readonly (string | number)[])[]): FileMaker {
  return makeFile("log.tsv", [COLUMNS, ...rows].map((row) => row.join("\t")).join("\n") + "\n");
}

/** Returns the rows of a split's users. Each user has one page of `page` items and clicks the first item. */
export function makeUsers(first: number, users: number, part: number, page = 3, clicks = true): (number)[][] {
  const rows: number[][] = [];
  for (let user = first; user < first + users; user++) {
    for (let item = 0; item < page; item++) rows.push([user, 1, item, clicks && item === 0 ? 1 : 0, part]);
  }
  return rows;
}

/** SQL queries that compute the damaged rows of each table from its good rows, the table `t`. */
export interface TableDamage {
  readonly users?: string;
  readonly items?: string;
  readonly pages?: string;
  readonly manifest?: string | Readonly<Record<string, unknown>>;
}

export function makeSet({ manifest = {}, ...tables }: TableDamage = {}): FileMaker {
  return async (folder) => {
    const set = `${folder}/set`;
    Deno.mkdirSync(set);
    await writeSet(set, createSmallLog(31, { users: 90, items: 30, width: 2 }));
    for (const [part, sql] of Object.entries(tables)) await rewrite(set, part, sql);
    const json = typeof manifest === "string" ? manifest : JSON.stringify({ ...goodManifest, ...manifest });
    Deno.writeTextFileSync(`${set}/manifest.json`, json);
  };
}

export const goodManifest = {
  format: "clickgan-dataset",
  version: 1,
  features: { dense: [{ name: "price" }, { name: "age" }], tokens: [] },
};

export const SMALL_MODEL: ModelConfig = { ...defaultModel, lstmUnits: 4, dims: [8] };
const SMALL_ITEMS: ItemsShape = { kind: "one-hot", count: 30, width: 30 };

export function makeGoodSnapshot(kind = "best-loss", iteration = 4, items = SMALL_ITEMS): TensorFile {
  const specs = listModelParameters(items, SMALL_MODEL);
  const info = { model: SMALL_MODEL, items, iteration, kind };
  return buildSnapshot(specs, drawInitialWeights(specs, 7), info);
}

export function makeSnapshot(
  change: (holds: TensorFile) => unknown = () => {},
  name = "model.safetensors",
): FileMaker {
  return (folder) => {
    const holds = makeGoodSnapshot();
    change(holds);
    return makeFile(name, encodeSafetensors(holds.tensors, holds.metadata))(folder);
  };
}

export const makeGameSnapshot = (change: object = {}): FileMaker =>
  makeSnapshot(({ metadata }) => {
    const usual = {
      generator: null,
      eta: 1,
      generatorEta: 1,
      etaByPage: false,
      utilityPenalty: 0,
      skipNoClick: false,
    };
    metadata.game = JSON.stringify({ ...usual, ...change });
  });

export function reshapeTensor(
  name: string,
  shape: (old: readonly number[]) => number[],
): (holds: TensorFile) => void {
  return changeTensor(name, (tensor) => ({ ...tensor, shape: shape(tensor.shape) }));
}

export function setFirstValue(name: string, value: number): (holds: TensorFile) => void {
  return changeTensor(name, (tensor) => ({ ...tensor, data: tensor.data.with(0, value) }));
}

function changeTensor(name: string, change: (old: TensorData) => TensorData): (holds: TensorFile) => void {
  return ({ tensors }) => {
    const tensor = tensors.get(name);
    if (!tensor) throw new Error(`no tensor ${name}`);
    tensors.set(name, change(tensor));
  };
}

const HEADER = "iteration,loss,prec1,prec2\n";

/** Creates log.tsv and the folder `old` of a run on it, and then applies the changes in order. */
export function run(...changes: readonly FileMaker[]): FileMaker {
  return makeAll(makeLog(), writeRun, ...changes);
}

const writeRun: FileMaker = async (folder) => {
  const log = Deno.readFileSync(`${folder}/log.tsv`);
  const config = makeRunConfig({
    data: {
      kind: "paper",
      path: `${folder}/log.tsv`,
      sha256: createHash("sha256").update(log).digest("hex"),
      resplit: null,
    },
    model: SMALL_MODEL,
    training: { ...defaultTraining, iterations: 6, batchSize: 12, validateEvery: 2 },
  });
  const json = (value: unknown) => JSON.stringify(value, null, 2) + "\n";
  const best = { value: 40, iteration: 4 };
  const { tensors, metadata } = makeGoodSnapshot("last");
  const state = new Map(tensors);
  for (const prefix of ["adam.m/", "adam.v/"]) {
    for (const [name, { shape, data }] of tensors) {
      state.set(prefix + name, { shape, data: new Float32Array(data.length) });
    }
  }
  const rows = (iterations: readonly number[]) =>
    HEADER + iterations.map((k) => `${k},1.5,0.25,0.5\n`).join("");
  const [train, validation] = [rows([1, 2, 3, 4]), rows([0, 2, 4])];
  const last = {
    ...metadata,
    best: JSON.stringify({ loss: best, prec1: best, prec2: best }),
    logs: JSON.stringify({ train: computeLogMark(train), validation: computeLogMark(validation) }),
  };
  const files: readonly FileMaker[] = [
    makeFile("old/config.json", json(config)),
    makeFile("old/train.csv", train),
    makeFile("old/validation.csv", validation),
    makeFile("old/last.safetensors", encodeSafetensors(state, last)),
    ...["best-loss", "best-prec1", "best-prec2"].map((name) => {
      const own = makeGoodSnapshot(name);
      return makeFile(`old/${name}.safetensors`, encodeSafetensors(own.tensors, own.metadata));
    }),
  ];
  for (const make of files) await make(folder);
};

export function computeLogMark(text: string): { bytes: number; sha256: string } {
  return { bytes: text.length, sha256: createHash("sha256").update(text).digest("hex") };
}

/** Creates the folder `s` of a run with two seeds, one of which has started, and then applies the changes. */
export function makeSeeds(list: unknown = [1, 2], ...changes: readonly FileMaker[]): FileMaker {
  return makeAll(run(), (folder) => {
    Deno.mkdirSync(`${folder}/s`);
    Deno.renameSync(`${folder}/old`, `${folder}/s/seed-1`);
    const config: unknown = JSON.parse(Deno.readTextFileSync(`${folder}/s/seed-1/config.json`));
    Deno.writeTextFileSync(
      `${folder}/s/seeds.json`,
      JSON.stringify({ format: "clickgan-seeds", seeds: list, config }, null, 2) + "\n",
    );
  }, ...changes);
}

export function makeRunBeforeAdversarial(...changes: readonly FileMaker[]): FileMaker {
  const adversarial = {
    ...defaultAdversarial,
    iterations: 4,
    batchSize: 12,
    validateEvery: 2,
    behaviourDims: [8],
  };
  return run(alterJson("old/config.json", { adversarial, "training.iterations": 4 }), ...changes);
}
