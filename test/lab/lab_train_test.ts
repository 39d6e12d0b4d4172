import assert from "node:assert/strict";
import { getItemsShape } from "../../src/data/item_catalogue.ts";
import { MemoryLog } from "../../src/data/log_source.ts";
import { computeDataChecksum } from "../../src/lab/client/services/lab_data.ts";
import {
  formatOptionTexts,
  listChangedFlags,
  readOptions,
} from "../../src/lab/client/services/option_texts.ts";
import { listModelParameters } from "../../src/model/user_model.ts";
import { adversarialGroup, buildStagesConfig } from "../../src/run/options/stages_options.ts";
import { decodeSnapshot } from "../../src/run/snapshot/snapshot.ts";
import {
  encodeTraining,
  readTrainingSetting,
  readTrainingState,
} from "../../src/run/snapshot/training_file.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import type { Weights } from "../../src/tape/parameters.ts";
import { noBest } from "../../src/train/best_records.ts";

const log = createSmallLog(5, { users: 9, items: 7, width: 2 });
const source = new MemoryLog(log);
const read = (texts: Record<string, string>, fromSnapshot = false) =>
  buildStagesConfig(readOptions({ texts, fromSnapshot }), { source });

const OPTIONS = {
  ...{ encoder: "pw", pwLags: "3", dims: "4-3", wide: "2", batchNorm: "yes", kernelSd: "0.2", seed: "7" },
  ...{ iterations: "30", batchSize: "4", earlyStopping: "loss", microBatchRows: "50", validationUsers: "8" },
  ...{ adversarial: "20", adversarialValidateEvery: "5", behaviourDims: "6-2", generator: "exact" },
  ...{ etaByPage: "yes", countNoClick: "yes", utilityPenalty: "0.5", pretrain: "" },
};

Deno.test("written options are read back", () => {
  const config = read(OPTIONS);
  const texts = formatOptionTexts(config);
  const given = Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== ""));
  const typed = Object.fromEntries(Object.entries(OPTIONS).filter(([, text]) => text !== ""));
  assert.deepEqual(given, { ...typed, learningRate: "0.001", positionBias: "0" });
  assert.deepEqual(read(texts), config);
  assert.equal(formatOptionTexts(read({ kernelSd: "0.1" })).kernelSd, "0.1");
  assert.ok(config.model.counts);
  assert.equal(formatOptionTexts(read({ counts: "none" })).counts, "none");
});

Deno.test("contradictory options are refused as by the command", () => {
  const refused = (texts: Record<string, string>, message: RegExp, fromSnapshot = false) =>
    assert.throws(() => read(texts, fromSnapshot), message);
  refused({ generatorEta: "2" }, /^UserError: Expected --adversarial <n> with --generator-eta, got no/);
  refused({ adversarial: "5" }, /--adversarial-validate-every of at most 5, the value of --adversarial/);
  refused({ adversarial: "500", positionBias: "4" }, /either --position-bias or --adversarial/);
  refused({ adversarial: "500", pretrain: "yes" }, /either --no-pretrain .* or --init/, true);
  assert.equal(read({ adversarial: "500" }, true).pretrain, false);
  assert.ok(read({ adversarial: "500", iterations: "1" }, true));
  refused({ adversarial: "500", iterations: "1" }, /Expected --validate-every of at most 1, the number/);
});

Deno.test("changed options are named, except allowed ones", () => {
  const starts: Record<string, string>[] = [{}, { counts: "none" }, { weightDecay: "0.5" }];
  for (const texts of starts) {
    const game = read({ ...texts, adversarial: "500" });
    assert.deepEqual(
      listChangedFlags(read(texts), game, adversarialGroup.options.map(({ name }) => name)),
      [],
      "a stage that is still to come",
    );
    assert.deepEqual(read(formatOptionTexts(game)), game);
  }
  const other = read({ ...OPTIONS, iterations: "40", batchNorm: "", utilityPenalty: "" });
  assert.deepEqual(listChangedFlags(read(OPTIONS), other, ["iterations"]), [
    "--batch-norm",
    "--utility-penalty",
  ]);
});

Deno.test("a training is read back from its file; an incomplete file is refused", () => {
  const config = read(OPTIONS);
  const specs = listModelParameters(getItemsShape(log.items), config.model);
  const weights = (from: number): Weights =>
    new Map(
      specs.map(({ name, rows, columns, constant }, k) => [
        name,
        new Float32Array(rows * columns).fill(constant ? k : from + k),
      ]),
    );
  const moments = (from: number): Weights =>
    new Map(
      [...weights(from)].filter(([name]) => !specs.some((spec) => spec.constant && spec.name === name)),
    );
  const best = { ...noBest, loss: { value: 0.1 + 0.2, iteration: 5 } };
  const state = {
    ...{ iteration: 6, weights: weights(0), m: moments(100), v: moments(200), best },
    snapshots: { loss: weights(300) },
  };
  const setting = { config, stage: "shannon", data: "1a", adapter: "one" } as const;
  const info = { model: config.model, items: getItemsShape(log.items), iteration: 6, kind: "last" };
  const bytes = encodeTraining(specs, state, info, setting);
  const snapshot = decodeSnapshot(bytes, "last.safetensors");
  assert.deepEqual(snapshot.weights, state.weights);
  assert.deepEqual(readTrainingSetting(snapshot, "last.safetensors"), setting);
  assert.deepEqual(readTrainingState(snapshot, specs, "last.safetensors"), state);
  const without = (snapshots: typeof state.snapshots | Record<string, never>) =>
    decodeSnapshot(encodeTraining(specs, { ...state, snapshots }, info, setting), "cut.safetensors");
  assert.throws(
    () => readTrainingState(without({}), specs, "cut.safetensors"),
    /best-loss\/ of cut.safetensors do not fit/,
  );
  assert.throws(
    () => readTrainingSetting({ ...snapshot, metadata: { training: '{"stage":"third"}' } }, "x"),
    /^UserError: x: the training settings of the file are damaged/,
  );
  assert.equal(readTrainingSetting({ ...snapshot, metadata: {} }, "x"), undefined);
});

Deno.test("data with one different click or feature have another checksum", () => {
  const sum = (change: (copy: typeof log) => void) => {
    const copy = structuredClone(log);
    change(copy);
    return computeDataChecksum(new MemoryLog(copy));
  };
  const own = sum(() => {});
  assert.equal(sum(() => {}), own);
  assert.notEqual(sum(({ eventClick }) => eventClick[3] = (eventClick[3] ?? 0) + 1), own);
  assert.notEqual(sum(({ items }) => items.kind === "dense" && (items.values[1] = 9)), own);
});
