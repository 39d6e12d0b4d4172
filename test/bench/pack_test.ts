/** What is packed for another machine, and how the parts are run there: whatever becomes of one, the others follow. */

import assert from "node:assert/strict";
import { awayParts } from "../../bench/pack/away.ts";
import { isLeftOut, lockedPackages } from "../../bench/pack.ts";
import { withEmptyFolder } from "../run/folder_check.ts";
import { jsonFile, type Part, runPart, testFigures } from "../../bench/pack/run_part.ts";

const root = new URL("../../", import.meta.url);

Deno.test("pack: the locked packages, each version once", () => {
  const lock = JSON.stringify({
    version: "5",
    npm: {
      "@tensorflow/tfjs@4.22.0_seedrandom@3.0.5": { integrity: "x" },
      "@tensorflow/tfjs@4.22.0": {},
      "@duckdb/node-api@1.5.6-r.1": {},
      "valibot@1.5.0": {},
    },
  });
  assert.deepEqual(lockedPackages(lock), [
    { name: "@tensorflow/tfjs", version: "4.22.0" },
    { name: "@duckdb/node-api", version: "1.5.6-r.1" },
    { name: "valibot", version: "1.5.0" },
  ]);
  const own = lockedPackages(Deno.readTextFileSync(new URL("deno.lock", root)));
  const { imports } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", root)));
  for (const wanted of Object.values<string>(imports)) {
    assert.ok(own.some(({ name, version }) => wanted === `npm:${name}@${version}`), wanted);
  }
  assert.throws(() => lockedPackages("{}"), /Expected deno.lock with a list of npm packages/);
});

Deno.test("pack: what no run reads is left out", () => {
  const cases: [string, string, boolean][] = [
    ["valibot", "dist/index.mjs", false],
    ["valibot", "dist/index.d.cts", true],
    ["chart.js", "dist/chart.js.map", true],
    ["webgpu", "dist/linux-x64/dawn.node", false],
    ["webgpu", "dist/win32-x64/dawn.node", true],
    ["webgpu", "index.js", false],
    ["@duckdb/node-bindings-linux-x64-musl", "libduckdb.so", true],
    ["@duckdb/node-bindings-linux-x64-musl", "package.json", false],
    ["@duckdb/node-bindings-linux-x64", "libduckdb.so", false],
    ["@tensorflow/tfjs", "dist/miniprogram/index.js", true],
    ["@tensorflow/tfjs-core", "dist/ops/add.js", false],
    ["onnxruntime-web", "dist/ort.wasm.min.mjs", false],
    ["onnxruntime-web", "dist/ort-wasm-simd-threaded.wasm", false],
    ["onnxruntime-web", "dist/ort-wasm-simd-threaded.jsep.wasm", true],
  ];
  for (const [name, path, out] of cases) assert.equal(isLeftOut(name, path), out, `${name}/${path}`);
});

Deno.test({
  name: "pack: a part is done, fails, or takes too long, and says why",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withEmptyFolder(async (folder) => {
      const file = `${folder}/figures.json`;
      const part = (script: string, figures?: Part["figures"]): Part => ({
        name: "a part",
        about: "a shell",
        minutes: 1,
        command: { program: "sh", args: ["-c", script], environment: { FIGURES: file } },
        ...(figures && { figures }),
      });
      const run = (one: Part, seconds = 20) => runPart(one, seconds, `${folder}/log`);
      const figures = jsonFile(file);
      const none = await run(part("echo nothing", figures));
      assert.deepEqual([none.outcome, none.why], ["failed", "it left no figures: it has written no file"]);
      const done = await run(part('echo \'{"us": 3}\' > "$FIGURES"', figures));
      assert.deepEqual([done.outcome, done.why, done.figures, done.end], [
        "done",
        undefined,
        { us: 3 },
        undefined,
      ]);
      const failed = await run(
        part("echo one; printf 'old\\rnew\\n'; echo 'Error: no card' >&2; echo two; exit 7"),
      );
      assert.deepEqual([failed.outcome, failed.why], ["failed", "exit code 7: Error: no card"]);
      assert.deepEqual(failed.end, ["one", "new", "Error: no card", "two"]);
      // What it has started ends with it, and what it has written is kept.
      const late = await run(part(`sleep 60 & echo $! > ${folder}/pid; echo waiting; wait`, figures), 1);
      assert.deepEqual([late.outcome, late.why, late.figures], ["too long", "it was ended after 1 s", {
        us: 3,
      }]);
      assert.deepEqual(late.end, ["waiting"]);
      const pid = (await Deno.readTextFile(`${folder}/pid`)).trim();
      const state = () => Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
      const gone = async () => /^$|\) Z /.test(await state());
      for (let k = 0; k < 100 && !await gone(); k++) await new Promise((done) => setTimeout(done, 50));
      assert.ok(await gone(), "the process that it started is still there");
      const missing = await run({ ...part(""), command: { program: "no-such-program", args: [] } });
      assert.equal(missing.outcome, "failed");
      assert.match(missing.why ?? "", /no-such-program/);
    }),
});

Deno.test("pack: of tests it keeps how many passed, and which did not", async () => {
  const said = "running 3 tests from ./test/a_test.ts\n" +
    "an op: 3 units ... \x1b[0m\x1b[32mok\x1b[0m \x1b[0m(3ms)\nanother ... FAILED (4ms)\nlast ... ignored (0ms)\n" +
    " ERRORS \n\nanother => ./test/a_test.ts:1:2\nFAILED | 1 passed | 1 failed | 1 ignored (10ms)\n";
  assert.deepEqual(await testFigures(said), { passed: 1, failed: ["another"], ignored: 1 });
  assert.throws(() => testFigures("error: no such file"), /no test ran/);
});

Deno.test("pack: the parts are commands of files that are there", async () => {
  for (const short of [true, false]) {
    const parts = awayParts({ folder: "/tmp", short, python: "/usr/bin/python3" });
    const names = parts.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    for (const wanted of ["tests-ops", "ladders-gpu", "calibration", "bench-W0", "peers-W0", "tests-all"]) {
      assert.ok(names.includes(wanted), wanted);
    }
    for (const { name, command: { args } } of parts) {
      assert.equal(args.includes("--keep"), name.startsWith("bench-"), name);
      const files = args.filter((arg) => arg.endsWith(".ts"));
      for (const file of files) await Deno.stat(file);
    }
  }
});
