/** The library as a package: what JSR and npm ask of it, and that it runs from there. */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import config from "../../deno.json" with { type: "json" };
import type { Features, featuresSchema, manifestSchema, Places } from "../../src/data/manifest.ts";
import * as v from "../../src/schema.ts";
import { buildPackage } from "../../src/serve/bundle/build_package.ts";
import type { KernelShapes, kernelShapesSchema } from "../../src/gpu/kernel_shapes.ts";
import { outputOf } from "../command_check.ts";
import { defaultModel, type ModelConfig, modelConfigSchema } from "../../src/model/config.ts";
import type { gameSchema, SnapshotGame } from "../../src/run/snapshot/snapshot.ts";
import {
  type AdversarialConfig,
  adversarialConfigSchema,
  defaultAdversarial,
  defaultTraining,
  type TrainingConfig,
  trainingConfigSchema,
} from "../../src/train/config.ts";

/** Fails to compile for types that are not the same. */
function same<A, B>(_: [A] extends [B] ? ([B] extends [A] ? true : never) : never): void {}

Deno.test("the configs that are documented are those that are checked", () => {
  same<v.InferOutput<typeof modelConfigSchema>, ModelConfig>(true);
  same<v.InferOutput<typeof trainingConfigSchema>, TrainingConfig>(true);
  same<v.InferOutput<typeof adversarialConfigSchema>, AdversarialConfig>(true);
  same<v.InferOutput<typeof kernelShapesSchema>, KernelShapes>(true);
  same<v.InferOutput<typeof gameSchema>, SnapshotGame>(true);
  same<v.InferOutput<typeof featuresSchema>, Features>(true);
  same<v.InferOutput<typeof manifestSchema>["places"], Places | undefined>(true);
  assert.deepEqual(v.parse(modelConfigSchema, defaultModel), defaultModel);
  assert.deepEqual(v.parse(trainingConfigSchema, defaultTraining), defaultTraining);
  assert.deepEqual(v.parse(adversarialConfigSchema, defaultAdversarial), defaultAdversarial);
});

Deno.test("what a config is refused for is named with its place; what was found is cut, and safe to print", () => {
  const refused = v.safeParse(modelConfigSchema, {
    ...defaultModel,
    lstmUnits: 0,
    dims: [8, "\x1b[2J" + "9".repeat(999)],
  });
  assert.equal(
    v.reasons(refused.issues ?? []),
    `lstmUnits: expected at least 1, got 0\ndims.1: expected number, got "?[2J${"9".repeat(174)} ...`,
  );
});

/** The same for each run of a checkout: what Deno finds out about modules, in 6 s of CPU, it keeps by path and content. */
const folder = join(
  tmpdir(),
  `clickgan-package${new URL("..", import.meta.url).pathname.replace(/\W+/g, "-")}`,
);

Deno.test("the package passes what Deno checks before publishing, packs with types and licence, and runs", async () => {
  using own = await Deno.open(new URL(import.meta.url));
  await own.lock(true); // two runs of one checkout would write the same folder
  await Deno.remove(folder, { recursive: true }).catch(() => {}); // of a run that was killed
  try {
    const { tarball } = await buildPackage(folder);
    await run(folder, "tar", "-xzf", tarball); // into package/, over what it was made from
    const { name, version, license, dependencies, exports } = JSON.parse(
      await Deno.readTextFile(`${folder}/package/package.json`),
    );
    assert.deepEqual({ name, version, license }, {
      name: config.name,
      version: config.version,
      license: "MIT",
    });
    assert.deepEqual(Object.keys(dependencies).sort(), [
      "hyparquet",
      "hyparquet-compressors",
      "pure-rand",
      "valibot",
    ]);
    assert.deepEqual(Object.keys(exports).sort(), [".", "./browser"]);
    const lost = [
      "LICENSE",
      "README.md",
      "src/mod.js",
      "src/browser.js",
      "src/mod.d.ts",
      "kernels/adam/adam.wgsl.js",
    ].filter((file) => !existsSync(`${folder}/package/${file}`));
    assert.deepEqual(lost, []);
    const { imports } = config;
    await Deno.writeTextFile(
      `${folder}/deno.json`,
      JSON.stringify({
        imports: {
          ...imports,
          [config.name]: "./package/src/mod.js",
          [`${config.name}/browser`]: "./package/src/browser.js",
        },
      }),
    );
    await Deno.writeTextFile(
      `${folder}/use.ts`,
      `import { makeDemoShop, usersOf } from "${config.name}";
import { choiceProbabilities, defaultModel } from "${config.name}/browser";
const { log } = makeDemoShop(1);
const { items } = choiceProbabilities(defaultModel, Array.from(usersOf(log, "test").subarray(0, 3), () => 0));
console.log(items.every((probability) => probability === 0.25));`,
    );
    assert.equal(
      await run(folder, Deno.execPath(), "run", "--quiet", "--allow-env", "use.ts"),
      "true\n",
    );
    const npm = await new Deno.Command("npm", { args: ["--version"] }).output().catch(() => undefined);
    if (npm?.success) {
      const [packed] = JSON.parse(await run(`${folder}/package`, "npm", "pack", "--dry-run", "--json"));
      assert.equal(packed.version, config.version);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

async function run(cwd: string, command: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await outputOf(new Deno.Command(command, { args, cwd }));
  assert.equal(code, 0, `${command} ${args.join(" ")}: ${stderr}`);
  return stdout;
}
