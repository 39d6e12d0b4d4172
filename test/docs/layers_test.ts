/** The folders of src are layers: a layer imports from itself and lower layers. Names of types are unique. */

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";

/** Folder of commands, which may import from every layer, but from which no layer imports. */
const COMMANDS = "commands";
const COMMAND = /^commands\/|\/build_package\.ts$/;

/** Layers, lowest first. Layers on one line may import from each other. A nested folder may be a layer. */
const LAYERS = [
  [
    "user_error.ts",
    "number_text.ts",
    "shell_word.ts",
    "csv.ts",
    "version.ts",
    "deno_flags.ts",
    "schema.ts",
    "option.ts",
  ],
  ["gpu", "kernel_analysis"],
  ["tape"],
  ["data"],
  ["metrics"],
  ["counts"],
  ["metrics/baselines", "metrics/baseline_verdict.ts"],
  ["batch"],
  ["ops"],
  ["model"],
  ["train"],
  ["profile"],
  ["run/snapshot"],
  ["run/options"],
  ["simulate"],
  ["gpu/host"],
  ["files"],
  ["serve/bundle"],
  ["data/sets"],
  ["run", "data/prepare"],
  ["policy"],
  ["mod.ts", "browser.ts", "autotune", "report", "predict", "serve/onnx", "selftest", "ladder", "exercise"],
  ["lab", "serve", "tune"],
  ["cli"],
  [COMMANDS],
];

const ROOT = new URL("../../", import.meta.url);

/** Returns the paths of all TypeScript files in the folders, relative to {@link ROOT}. */
function listScripts(...folders: readonly string[]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(new URL(folder, ROOT), { recursive: true, encoding: "utf8" }).map((name) =>
      `${folder}/${name}`
    )
  ).filter((path) => path.endsWith(".ts"));
}

const SRC = new URL("src/", ROOT);

function readImports(): Map<string, string[]> {
  const files = listScripts("src").map((path) => path.slice("src/".length));
  return new Map(files.map((path) => {
    const text = Deno.readTextFileSync(new URL(path, SRC));
    const names = [...text.matchAll(/\b(?:from |await import\()"(\.[^"]+)"/g)].map(([, name]) => name ?? "");
    const urls = names.map((name) => new URL(name, new URL(path, SRC)).href);
    return [path, urls.filter((url) => url.startsWith(SRC.href)).map((url) => url.slice(SRC.href.length))];
  }));
}

function getLayer(file: string): number {
  const [first = "", second] = file.split("/");
  const findLine = (name: string) => LAYERS.findIndex((names) => names.includes(name));
  if (COMMAND.test(file)) return findLine(COMMANDS);
  const inside = findLine(`${first}/${second}`);
  const layer = inside >= 0 ? inside : findLine(first);
  assert.ok(layer >= 0, `Expected src/${first} in the list of layers in test/docs/layers_test.ts.`);
  return layer;
}

Deno.test("no file of src imports from a layer above its own", () => {
  const up: string[] = [];
  for (const [file, imports] of readImports()) {
    for (const used of imports) if (getLayer(used) > getLayer(file)) up.push(`${file} imports ${used}`);
  }
  assert.deepEqual(up, []);
});

/** First layer that may use Deno, Node.js and files; all higher layers may, too. */
const HOST = "gpu/host/";

Deno.test("nothing below the host layer uses Deno or Node.js", () => {
  const asking = [...readImports().keys()].filter((file) => {
    if (!file.includes("/") || getLayer(file) >= getLayer(HOST)) return false;
    const code = Deno.readTextFileSync(new URL(file, SRC)).replace(/\/\*[^]*?\*\/|\/\/.*/g, "");
    return /\bDeno\b|"node:|\bprocess\./.test(code);
  });
  assert.deepEqual(asking, []);
});

/** Folders that are independent of clicks: their code works for batches of any kind. */
const GENERAL = ["gpu", "tape"];

Deno.test("the device and the tape do not depend on batches", () => {
  const wrong = [...readImports()].filter(([file]) => GENERAL.includes(file.replace(/\/.*/, "")))
    .flatMap(([file, imports]) => imports.map((used) => ({ file, used })))
    .filter(({ used }) => used.includes("/") && !GENERAL.includes(used.replace(/\/.*/, "")))
    .map(({ file, used }) => `${file} imports ${used}`);
  assert.deepEqual(wrong, []);
});

Deno.test("imports in src have no cycle", () => {
  const imports = readImports();
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]) => {
    const from = path.indexOf(file);
    assert.ok(from < 0, `Expected no circle of imports, found ${[...path.slice(from), file].join(" -> ")}`);
    if (done.has(file)) return;
    for (const used of imports.get(file) ?? []) visit(used, [...path, file]);
    done.add(file);
  };
  for (const file of imports.keys()) visit(file, []);
});

/** Modules that may open files directly, for example files of Deno, of the system or of a native library. */
const OPENS_ITSELF =
  /^src\/(files|lab\/build|report\/page_shell|serve\/bundle\/|gpu\/host\/driver)|^bench\/compiled\/gather/;

Deno.test("only src/files opens files; it reads only regular files, and replaces only files of this program", () => {
  const opening = listScripts("src", "bench").filter((path) => !OPENS_ITSELF.test(path)).filter((path) => {
    const text = Deno.readTextFileSync(new URL(path, ROOT));
    return /Deno\.(open|create|readFile|readTextFile|writeFile|writeTextFile|copyFile|mkdir|link|symlink)(Sync)?\((?!requireWritable)/
      .test(text);
  });
  assert.deepEqual(opening, []);
});

Deno.test("no two exported types share a name, and no two scripts of src", () => {
  const types = listScripts("src", "bench", "test").flatMap((path) => {
    const text = Deno.readTextFileSync(new URL(path, ROOT));
    return [...text.matchAll(/^export (?:abstract )?(?:interface|type|class) (\w+)/gm)].map(([, name]) =>
      name
    );
  });
  const scripts = listScripts("src").map((path) => path.replace(/.*\//, ""));
  const findRepeated = (names: readonly unknown[]) => names.filter((name, k) => names.indexOf(name) !== k);
  assert.deepEqual(findRepeated(types), []);
  assert.deepEqual(findRepeated(scripts).filter((name) => name !== "command.ts"), []);
});
