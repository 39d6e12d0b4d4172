/** Folders of seeds, and of runs with an adversarial stage, that are damaged before they are resumed. */

import { bad, type BadInput, type Maker, same, type Words } from "./corpus.ts";
import { alteredJson, cut, file, folder, without } from "./files.ts";
import { beforeAdversarial, run, seeds, snapshot } from "./good_runs.ts";

const ofSeeds = (name: string, files: Maker, says: Words, args = "") =>
  bad(`seeds: ${name}`, `train --resume DIR/s ${args}`, files, says);
/** The Shannon stage has its test figures before the other one is begun. */
const ofStages = (name: string, changes: readonly Maker[], says: Words, args = "") =>
  bad(`adversarial: ${name}`, `train --resume DIR/old ${args}`, beforeAdversarial(...changes), says, {
    leaves: ["old/result.json"],
  });
const damaged = "seeds.json is damaged";

export const stages: readonly BadInput[] = [
  ...same(ofSeeds, damaged, {
    "none": seeds([]),
    "text": seeds(["1"]),
    "an object": seeds({ 0: 1 }),
    "half a seed": seeds([0.5]),
    "a seed below 0": seeds([-1]),
    "a seed of 2^32": seeds([1, 2 ** 32]),
    "a seed twice": seeds([1, 1]),
    "no config": seeds([1], alteredJson("s/seeds.json", { config: undefined })),
    "a config without a model": seeds([1], alteredJson("s/seeds.json", { "config.model": undefined })),
    "a key more": seeds([1], alteredJson("s/seeds.json", { more: 1 })),
    "cut": seeds([1], cut("s/seeds.json", 50)),
  }),
  ofSeeds("data that are gone", seeds([1], without("log.tsv")), "log.tsv"),
  ofSeeds("data that have changed", seeds([1], file("log.tsv", "")), "log.tsv"),
  ofSeeds(
    "fewer iterations than are done",
    seeds([1]),
    "Expected --iterations of at least 4, as so many are done, got 2",
    "--iterations 2",
  ),
  ofSeeds(
    "an adversarial stage that there is not",
    seeds([1]),
    "This run has no adversarial stage",
    "--adversarial 500",
  ),
  ofSeeds(
    "a seed whose snapshot is cut",
    seeds([1], cut("s/seed-1/last.safetensors", 99)),
    "last.safetensors",
  ),
  ofSeeds(
    "a seed's folder that is a file",
    seeds([1], without("s/seed-1"), file("s/seed-1", "mine")),
    "seed-1",
  ),
  bad(
    "seeds: a seed's folder that holds something else, which stays as it is",
    "train --resume DIR/s",
    seeds([1], without("s/seed-1"), file("s/seed-1/notes.txt", "mine")),
    "Results are in",
    { code: 0, leaves: ["s/"] },
  ),
  ofSeeds(
    "a seed without its last snapshot",
    seeds([1], without("s/seed-1/last.safetensors")),
    "last.safetensors",
  ),
  bad(
    "seeds: one of them is resumed, whose config is another seed's",
    "train --resume DIR/s/seed-1",
    seeds([1], alteredJson("s/seed-1/config.json", { "training.seed": "1" })),
    "config.json is damaged",
  ),
  ofStages("its folder is a file", [file("old/adversarial", "mine")], "adversarial"),
  bad(
    "adversarial: its folder holds the user's files, which stay as they are",
    "train --resume DIR/old",
    beforeAdversarial(file("old/adversarial/notes.txt", "mine")),
    "after the adversarial stage",
    {
      code: 0,
      leaves: ["old/", "old/config.json", "old/train.csv", "old/validation.csv", "old/last.safetensors"],
    },
  ),
  ofStages("its folder holds the user's train.csv", [file("old/adversarial/train.csv", "mine")], "train.csv"),
  ofStages(
    "a best snapshot to start from is gone",
    [without("old/best-prec1.safetensors")],
    "best-prec1.safetensors",
  ),
  ofStages(
    "a best snapshot to start from is cut",
    [cut("old/best-prec1.safetensors", 99)],
    "best-prec1.safetensors",
  ),
  ofStages("its last snapshot is one of the Shannon stage", [
    folder("old/adversarial"),
    snapshot(undefined, "old/adversarial/last.safetensors"),
  ], /adversarial\/last\.safetensors/),
  ofStages("more users a batch than there are", [
    alteredJson("old/config.json", { "adversarial.batchSize": 31 }),
  ], "Expected a batch of at most 30 users"),
  ofStages("a config without a generator", [
    alteredJson("old/config.json", { "adversarial.generator": undefined }),
  ], "config.json is damaged"),
  ofStages("a config of behaviour that is none", [
    alteredJson("old/config.json", { "adversarial.behaviourDims": [0] }),
  ], "config.json is damaged"),
  ofStages(
    "a Shannon stage that can no longer be extended",
    [snapshot(undefined, "old/adversarial/last.safetensors")],
    ["has begun from its Shannon stage, which can no longer be extended", "--init "],
    "--iterations 9",
  ),
  bad(
    "adversarial: no stage at all",
    "train --resume DIR/old",
    run(alteredJson("old/config.json", { pretrain: false, adversarial: null })),
    /config\.json|stage/,
    { leaves: ["old/result.json"] },
  ),
];
