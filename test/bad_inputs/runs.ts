/** A run's folder after four iterations on log.tsv, as training would have left it, good or with damage. */

import { createHash } from "node:crypto";
import * as v from "../../src/schema.ts";
import { runConfigSchema } from "../../src/run/run_config.ts";
import { encodeSafetensors, type TensorData } from "../../src/run/snapshot/safetensors.ts";
import { defaultAdversarial, defaultTraining } from "../../src/train/config.ts";
import { all, type Maker } from "./corpus.ts";
import { alteredJson, file } from "./files.ts";
import { paper } from "./paper.ts";
import { goodSnapshot, SMALL_MODEL } from "./snapshots.ts";

const HEADER = "iteration,loss,prec1,prec2\n";

/** log.tsv, and the folder `old` of a run on it; the changes are made to it in order. */
export function run(...changes: readonly Maker[]): Maker {
  return all(paper(), writeRun, ...changes);
}

const writeRun: Maker = async (folder) => {
  const log = Deno.readFileSync(`${folder}/log.tsv`);
  const config = v.parse(runConfigSchema, {
    clickgan: "0.1.0",
    command: ["--data", "log.tsv"],
    data: {
      kind: "paper",
      path: `${folder}/log.tsv`,
      sha256: createHash("sha256").update(log).digest("hex"),
      resplit: null,
    },
    model: SMALL_MODEL,
    training: { ...defaultTraining, iterations: 6, batchSize: 12, validateEvery: 2 },
    pretrain: true,
    adversarial: null,
    init: null,
    adapter: {
      kind: "cpu",
      description: "elsewhere",
      vendor: "",
      architecture: "",
      runtime: "Deno/0",
      driver: "unknown",
    },
    system: "elsewhere",
  });
  const json = (value: unknown) => JSON.stringify(value, null, 2) + "\n";
  const best = { value: 40, iteration: 4 };
  const { tensors, metadata } = goodSnapshot("last");
  const state = new Map<string, TensorData>(tensors);
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
    logs: JSON.stringify({ train: markOf(train), validation: markOf(validation) }),
  };
  const files: readonly Maker[] = [
    file("old/config.json", json(config)),
    file("old/train.csv", train),
    file("old/validation.csv", validation),
    file("old/last.safetensors", encodeSafetensors(state, last)),
    ...["best-loss", "best-prec1", "best-prec2"].map((name) => {
      const own = goodSnapshot(name);
      return file(`old/${name}.safetensors`, encodeSafetensors(own.tensors, own.metadata));
    }),
  ];
  for (const make of files) await make(folder);
};

/** What a snapshot says of a log. */
export function markOf(text: string): { bytes: number; sha256: string } {
  return { bytes: text.length, sha256: createHash("sha256").update(text).digest("hex") };
}

/** The folder `s` of two seeds, of which the first has begun; the changes are made to it in order. */
export function seeds(list: unknown = [1, 2], ...changes: readonly Maker[]): Maker {
  return all(run(), (folder) => {
    Deno.mkdirSync(`${folder}/s`);
    Deno.renameSync(`${folder}/old`, `${folder}/s/seed-1`);
    const config: unknown = JSON.parse(Deno.readTextFileSync(`${folder}/s/seed-1/config.json`));
    Deno.writeTextFileSync(`${folder}/s/seeds.json`, JSON.stringify({ seeds: list, config }, null, 2) + "\n");
  }, ...changes);
}

/** The folder `old` of a run whose Shannon stage is done and whose adversarial stage is to come. */
export function beforeAdversarial(...changes: readonly Maker[]): Maker {
  const adversarial = {
    ...defaultAdversarial,
    iterations: 4,
    batchSize: 12,
    validateEvery: 2,
    behaviourDims: [8],
  };
  return run(alteredJson("old/config.json", { adversarial, "training.iterations": 4 }), ...changes);
}
