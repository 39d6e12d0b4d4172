import assert from "node:assert/strict";
import type { FeatureManifest, featuresSchema, manifestSchema, PageOrder } from "../../src/data/manifest.ts";
import * as v from "../../src/schema.ts";
import * as source from "../../src/browser.ts";
import { parseKernel } from "../../src/gpu/kernel.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { buildBundle, measureBundle, stripComments } from "../../src/serve/bundle/bundle.ts";
import { listKernelFiles, readKernel } from "../kernel_files.ts";
import { runAlone } from "../open_alone.ts";
import { withEmptyFolder } from "../run/folder_check.ts";
import { smallLstm, WIDTH } from "../small_models.ts";
import type { KernelVariants, kernelVariantsSchema } from "../../src/gpu/kernel_variants.ts";
import { defaultModel, type ModelConfig, modelConfigSchema } from "../../src/model/model_config.ts";
import type { gameSchema, SnapshotGame } from "../../src/run/snapshot/snapshot.ts";
import type { AdversarialConfig, TrainingConfig } from "../../src/train/training_config.ts";
import {
  adversarialConfigSchema,
  defaultAdversarial,
  defaultTraining,
  trainingConfigSchema,
} from "../../src/train/training_config.ts";

/** Fails to compile if the types A and B differ. */
function same<A, B>(_: [A] extends [B] ? ([B] extends [A] ? true : never) : never): void {}

Deno.test("the documented config types equal the types of the schemas", () => {
  same<v.InferOutput<typeof modelConfigSchema>, ModelConfig>(true);
  same<v.InferOutput<typeof trainingConfigSchema>, TrainingConfig>(true);
  same<v.InferOutput<typeof adversarialConfigSchema>, AdversarialConfig>(true);
  same<v.InferOutput<typeof kernelVariantsSchema>, KernelVariants>(true);
  same<v.InferOutput<typeof gameSchema>, SnapshotGame>(true);
  same<v.InferOutput<typeof featuresSchema>, FeatureManifest>(true);
  same<v.InferOutput<typeof manifestSchema>["pageOrder"], PageOrder | undefined>(true);
  assert.deepEqual(v.parse(modelConfigSchema, defaultModel), defaultModel);
  assert.deepEqual(v.parse(trainingConfigSchema, defaultTraining), defaultTraining);
  assert.deepEqual(v.parse(adversarialConfigSchema, defaultAdversarial), defaultAdversarial);
});

Deno.test("a refused config is reported with its path; the printed value is short, without control characters", () => {
  const refused = v.safeParse(modelConfigSchema, {
    ...defaultModel,
    lstmUnits: 0,
    dims: [8, "\x1b[2J" + "9".repeat(999)],
  });
  assert.equal(
    v.describeIssues(refused.issues ?? []),
    `lstmUnits: expected at least 1, got 0\ndims.1: expected number, got "?[2J${"9".repeat(174)} ...`,
  );
});

const HOST = "gpu/host files commands serve data/sets data/prepare cli report autotune".split(" ");
/** Largest size of a script in bytes, before compression. */
const MOST_BYTES = { code: 253_000, kernels: 195_000 };

type Library = typeof source;

async function train({ openDevice, UserModel, Trainer, defaultTraining }: Library): Promise<number[]> {
  const log = createSmallLog(21, { users: 30, items: 41, width: WIDTH, maxEvents: 3, maxPage: 4 });
  using gpu = await runAlone(() => openDevice());
  using model = new UserModel(gpu, log.items, smallLstm, { seed: 1 });
  using trainer = await Trainer.create(model, log, { ...defaultTraining, batchSize: 5 }, { validate: false });
  const losses: number[] = [];
  await trainer.run(2, { onStep: ({ nll }) => losses.push(nll) });
  gpu.check();
  return losses;
}

Deno.test("src/browser.ts bundles without Deno, Node.js and files, stays small, and trains as the source does", async () => {
  const { text, inputs } = await buildBundle({
    entry: "src/browser.ts",
    format: "esm",
    kernels: "without comments",
  });
  const paths = [...inputs.keys()];
  const foreign = paths.filter((path) => HOST.some((folder) => path.startsWith(`src/${folder}/`)));
  assert.deepEqual(foreign, []);
  for (const part of ["src/train/trainer.ts", "kernels/adam/adam.wgsl"]) {
    assert.ok(paths.includes(part), part);
  }
  const asking = [...text.matchAll(/\bDeno\.|["']node:|\brequire\(/g)].map(({ index }) =>
    text.slice(index - 30, index + 60)
  );
  assert.deepEqual(asking, []);
  const size = measureBundle({ text, inputs });
  for (const part of ["code", "kernels"] as const) {
    assert.ok(
      size[part] <= MOST_BYTES[part],
      `${size[part]} bytes of ${part}, at most ${MOST_BYTES[part]} expected`,
    );
  }

  await withEmptyFolder(async (folder) => {
    const file = `${folder}/bundle.mjs`;
    await Deno.writeTextFile(file, text);
    const bundled: Library = await import(`file://${file}`);
    const losses = await train(bundled);
    assert.equal(losses.length, 2);
    assert.deepEqual(losses, await train(source));
  });
});

Deno.test("without comments kernels have the same code and interface", () => {
  const texts = listKernelFiles("shipped").map(readKernel);
  const code = (text: string) =>
    text.replace(/\/\/.*/g, "").replace(/\s+/g, " ").replace(/ ?([=,;{}]) ?/g, "$1").trim();
  for (const text of texts) {
    const plain = stripComments(text);
    assert.doesNotMatch(plain, /\/\/|^ *\n| \n|^ {2}|^ (?!const )/m);
    assert.equal(code(plain), code(text));
    assert.deepEqual({ ...parseKernel("k", plain), source: "" }, { ...parseKernel("k", text), source: "" });
  }
  assert.equal(stripComments("a; /* b\nc */ d; // e\n\n  f = g;  \n"), "a;  d;\nf=g;\n");
});
