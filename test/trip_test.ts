/** The trip of one batch: src/README.md names the files that a step runs through, and no step runs through others. */

import assert from "node:assert/strict";
import { DENO_FLAGS } from "../src/deno_flags.ts";
import { GPU_ENVIRONMENT } from "../src/cli/setup.ts";

const root = new URL("../", import.meta.url);
const FEW = 4;
const MANY = 24;

/** How often each function was called in a training of so many steps: by file of src, and by its place there. */
async function callsIn(steps: number): Promise<Map<string, number>> {
  const folder = await Deno.makeTempDir();
  try {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", ...DENO_FLAGS, "--allow-all", `--coverage=${folder}`],
        ...[new URL("trip_training.ts", import.meta.url).href, String(steps)],
      ],
      env: { ...GPU_ENVIRONMENT, NO_COLOR: "1" },
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    const calls = new Map<string, number>();
    for await (const { name } of Deno.readDir(folder)) {
      const { url, functions }: Coverage = JSON.parse(await Deno.readTextFile(`${folder}/${name}`));
      if (!url.startsWith(`${root.href}src/`)) continue;
      for (const { ranges: [range] } of functions) {
        if (range) calls.set(`${url.slice(`${root.href}src/`.length)} ${range.startOffset}`, range.count);
      }
    }
    return calls;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

interface Coverage {
  readonly url: string;
  readonly functions: readonly {
    readonly ranges: readonly { readonly startOffset: number; readonly count: number }[];
  }[];
}

Deno.test("the trip of one batch is in the files that the page names, in no others", async () => {
  const [few, many] = [await callsIn(FEW), await callsIn(MANY)];
  const files = (of: Iterable<string>) =>
    [...new Set([...of].map((place) => place.split(" ")[0] ?? ""))].sort();
  const everyStep = files(
    [...many].filter(([place, calls]) => calls - (few.get(place) ?? 0) >= MANY - FEW).map(([place]) => place),
  );
  const called = files([...many].filter(([, calls]) => calls > 0).map(([place]) => place));
  const page = await Deno.readTextFile(new URL("src/README.md", root));
  const [, list = ""] = page.match(/^To follow a step in the source,([^]*?)\n\n/m) ?? [];
  const named = [...list.matchAll(/`([\w/]+\.ts)`/g)].map(([, file = ""]) => file).sort();
  assert.ok(everyStep.length > 10, `a step runs through ${everyStep.join(", ")}`);
  assert.deepEqual(everyStep.filter((file) => !named.includes(file)), [], "a step runs through these, too");
  // What is read back and copied is done once for several steps, or on a CPU adapter alone.
  assert.deepEqual(named.filter((file) => !called.includes(file)), [], "nothing of these is called");
  assert.ok(
    named.length - everyStep.length <= 2,
    `named are ${named.join(", ")}; of every step ${everyStep.join(", ")}`,
  );
});
