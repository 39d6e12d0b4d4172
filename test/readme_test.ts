/** The README's script runs as it stands. */

import assert from "node:assert/strict";
import { DENO_FLAGS } from "../src/deno_flags.ts";
import { GPU_ENVIRONMENT } from "../src/cli/setup.ts";

Deno.test("the README's library example runs, and is short", async () => {
  const root = new URL("../", import.meta.url);
  const readme = await Deno.readTextFile(new URL("README.md", root));
  const script = readme.match(/```ts\n([^]*?)```/)?.[1] ?? assert.fail("the README has no script");
  assert.ok(script.trim().split("\n").filter((line) => line !== "").length <= 20, "longer than twenty lines");
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, script.replace("./src/mod.ts", new URL("src/mod.ts", root).href));
    const config = new URL("deno.json", root).pathname;
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", ...DENO_FLAGS, "--no-prompt", "--check", "--allow-read", "--config", config, file],
      env: { ...GPU_ENVIRONMENT, NO_COLOR: "1" },
    }).output();
    const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assert.equal(code, 0, errors);
    const losses = [...(out ?? "").matchAll(/^step \d+: loss (\d+\.\d+)/gm)].map((m) => Number(m[1]));
    assert.equal(losses.length, 20);
    assert.ok((losses[19] ?? Infinity) < (losses[0] ?? 0), "the loss on the same users falls");
    assert.match(out ?? "", /^utilities \[ -?\d[^\]]*\]$/m);
  } finally {
    await Deno.remove(file);
  }
});
