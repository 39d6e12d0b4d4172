/** The lab: its page in a browser, with a device of its own, and that what it saves is read elsewhere. */

import assert from "node:assert/strict";
import { DENO_FLAGS } from "../src/deno_flags.ts";
import { buildLab, MOST_SCRIPT_BYTES } from "../src/lab/build.ts";
import { findChromium } from "./chromium.ts";
import { runCommand, writePaperFile } from "./command_check.ts";
import { smallLog } from "../src/selftest/small_logs.ts";

const page = await buildLab();

Deno.test("the page has at most 400 KB of script, nothing of Deno or Node.js, and needs no file beside it", () => {
  const { scripts, unpacked, single, files } = page;
  const bytes = Object.values(scripts).reduce(
    (sum, { text }) => sum + new TextEncoder().encode(text).length,
    0,
  );
  assert.ok(bytes <= MOST_SCRIPT_BYTES, `${bytes} bytes of script`);
  for (const { text, inputs } of [...Object.values(scripts), unpacked]) {
    assert.doesNotMatch(text, /\bDeno\.|["']node:/);
    const hosts = [...inputs.keys()].filter((path) => /^src\/(files|host|sets|prepare|cli)\//.test(path));
    assert.deepEqual(hosts, []);
  }
  assert.doesNotMatch(single, /<(script|link|img)[^>]* (src|href)="(?!data:)/);
  assert.deepEqual([...files.keys()], ["index.html", "lab.css", "lab.js", "worker.js", "lab.html"]);
});

const chromium = await findChromium();
if (typeof chromium !== "string") console.warn(`The lab is not tested in a browser: ${chromium.missing}`);

Deno.test({
  name:
    "the lab in a browser: trains as Deno does, takes a log and a snapshot, shows pages, outlives its device",
  ignore: typeof chromium !== "string",
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "clickgan-lab-" });
    try {
      await Deno.writeTextFile(`${folder}/lab.html`, page.single);
      writePaperFile(`${folder}/own.tsv`, smallLog(31, { users: 90, items: 30, width: 0 }));
      // The browser's driver looks at places of the system that no smaller permission covers.
      const script = new URL("./lab_page_check.ts", import.meta.url).href;
      const args = ["run", ...DENO_FLAGS, "--allow-all", script, String(chromium), folder];
      const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
      const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      assert.ok(success, decode(stdout) + decode(stderr));
      const model = `${folder}/best-loss.safetensors`;
      const evaluated = await runCommand("evaluate", "--model", model, "--data", `${folder}/own.tsv`);
      assert.equal(evaluated.code, 0, evaluated.stderr);
      assert.match(evaluated.stdout, /best-loss/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
