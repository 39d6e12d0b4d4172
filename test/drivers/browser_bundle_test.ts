/** The library for browsers: it bundles, asks for nothing of a host, has a size that a page can bear, and trains. */

import assert from "node:assert/strict";
import { dirname } from "node:path";
import { bundle, sizeOf, withoutComments } from "../../src/serve/bundle/bundle.ts";
import * as source from "../../src/browser.ts";
import { kernel } from "../../src/gpu/kernel.ts";
import { alone } from "../open_alone.ts";
import { kernelFile, kernelFiles } from "../kernel_files.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";
import { smallLstm, WIDTH } from "../small_models.ts";
import { withEmptyFolder } from "../run/folder_check.ts";

/** Folders of src with what needs Deno or files. */
const HOST = [
  "gpu/host",
  "files",
  "commands",
  "serve",
  "data/sets",
  "data/prepare",
  "cli",
  "report",
  "selftest/calibration",
];
/** Bytes of the script as it runs, before compression. */
const MOST_BYTES = { code: 235_000, kernels: 190_000 };

type Library = typeof source;

/** The losses of two steps. */
async function train({ openDevice, UserModel, Trainer, defaultTraining }: Library): Promise<number[]> {
  const log = smallLog(21, { users: 30, items: 41, width: WIDTH, maxEvents: 3, maxPage: 4 });
  using gpu = await alone(() => openDevice());
  using model = new UserModel(gpu, log.items, smallLstm, { seed: 1 });
  using trainer = await Trainer.create(model, log, { ...defaultTraining, batchSize: 5 }, { validate: false });
  const losses: number[] = [];
  await trainer.run(2, { onStep: ({ nll }) => losses.push(nll) });
  gpu.check();
  return losses;
}

Deno.test("src/browser.ts bundles without Deno, Node.js and files, stays small, and trains as the source does", async () => {
  const { text, inputs } = await bundle({
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
  const size = sizeOf({ text, inputs });
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
  const texts = kernelFiles("shipped").map(kernelFile);
  const code = (text: string) => text.replace(/\/\/.*/g, "").replace(/\s+/g, " ").trim();
  for (const text of texts) {
    const plain = withoutComments(text);
    assert.doesNotMatch(plain, /\/\/|^ *\n| \n|^ {2}|^ (?!const )/m);
    assert.equal(code(plain), code(text));
    assert.deepEqual({ ...kernel("k", plain), source: "" }, { ...kernel("k", text), source: "" });
  }
  assert.equal(withoutComments("a; /* b\nc */ d; // e\n\n  f;  \n"), "a;  d;\nf;\n");
});

Deno.test("which file of a package a path means: exact, by pattern, by condition; what is not exported is refused", () =>
  withEmptyFolder(async (folder) => {
    const exports = {
      "./a": { require: "./a.cjs", import: "./a.js" },
      "./b": { browser: { import: "./b.browser.js" }, default: "./b.js" },
      "./c/*.js": { types: "./c/*.d.ts", default: "./src/*.js" },
      "./c/deep/*.js": "./deep/*.js",
    };
    const files = ["a.js", "b.browser.js", "src/x.js", "deep/y.js"];
    for (const file of files) {
      await Deno.mkdir(`${folder}/own/${dirname(file)}`, { recursive: true });
      await Deno.writeTextFile(`${folder}/own/${file}`, `console.log("${file}");`);
    }
    const write = (json: object) => Deno.writeTextFile(`${folder}/own/package.json`, JSON.stringify(json));
    const printedBy = async (...paths: string[]) => {
      await Deno.writeTextFile(`${folder}/entry.js`, paths.map((path) => `import "own/${path}";`).join("\n"));
      const options = {
        entry: `${folder}/entry.js`,
        format: "esm",
        folders: { own: `${folder}/own` },
      } as const;
      return [...(await bundle(options)).text.matchAll(/"(.*?)"/g)].map(([, file]) => file);
    };
    await write({ name: "own", exports });
    assert.deepEqual(await printedBy("a", "b", "c/x.js", "c/deep/y.js"), files);
    await assert.rejects(printedBy("d"), /Could not resolve ".*own\/d"/);
    await write({ name: "own" });
    assert.deepEqual(await printedBy("src/x.js"), ["src/x.js"]);
  }));
