/** Checks the package as Deno and npm do before they publish it, and runs a program that imports it. */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import config from "../../deno.json" with { type: "json" };
import { buildPackage } from "../../src/serve/bundle/build_package.ts";
import { runProcess } from "../command_check.ts";

/** Folder that all runs share. In a new folder, Deno would analyse all modules again, which takes 6 s. */
const folder = join(
  tmpdir(),
  `clickgan-package${new URL("..", import.meta.url).pathname.replace(/\W+/g, "-")}`,
);

Deno.test("the package passes what Deno checks before publishing, packs with types and licence, and runs", async () => {
  using own = await Deno.open(new URL(import.meta.url));
  await own.lock(true); // concurrent runs would write to the same folder
  await Deno.remove(folder, { recursive: true }).catch(() => {}); // left by a killed run
  try {
    const { tarball } = await buildPackage(folder);
    await run(folder, "tar", "-xzf", tarball); // into package/, which replaces the sources of the tarball
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
      `import { makeDemoShop, listUsers } from "${config.name}";
import { computeChoiceProbabilities, defaultModel } from "${config.name}/browser";
const { log } = makeDemoShop(1);
const { items } = computeChoiceProbabilities(defaultModel, Array.from(listUsers(log, "test").subarray(0, 3), () => 0));
console.log(items.every((probability) => probability === 0.25));`,
    );
    assert.equal(await run(folder, Deno.execPath(), "run", "--quiet", "--allow-env", "use.ts"), "true\n");
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
  const { code, stdout, stderr } = await runProcess(new Deno.Command(command, { args, cwd }));
  assert.equal(code, 0, `${command} ${args.join(" ")}: ${stderr}`);
  return stdout;
}
