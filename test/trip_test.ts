/** The trip of one batch: src/README.md names the files that a step runs through, and no step runs through others. */

import assert from "node:assert/strict";
import { DENO_FLAGS } from "../src/deno_flags.ts";
import { GPU_ENVIRONMENT } from "../src/cli/setup.ts";

const root = new URL("../", import.meta.url);
const FEW = 4;
const MANY = 24;

type Stage = "shannon" | "adversarial";

/** How often each function was called in a training of so many steps: by file of src, and by its place there. */
async function callsIn(stage: Stage, steps: number): Promise<Map<string, number>> {
  const folder = await Deno.makeTempDir();
  try {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", ...DENO_FLAGS, "--allow-all", `--coverage=${folder}`],
        ...[new URL("trip_training.ts", import.meta.url).href, stage, String(steps)],
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

/** Files with a function that is called in every step, and those with one that is called at all. */
async function filesOf(stage: Stage): Promise<{ everyStep: string[]; called: string[] }> {
  const [few, many] = [await callsIn(stage, FEW), await callsIn(stage, MANY)];
  const files = (least: (place: string) => number) => {
    const places = [...many].filter(([place, calls]) => calls >= least(place)).map(([place]) => place);
    return [...new Set(places.map((place) => place.split(" ")[0] ?? ""))].sort();
  };
  return { everyStep: files((place) => (few.get(place) ?? 0) + MANY - FEW), called: files(() => 1) };
}

Deno.test("the trip of one batch is in the files that the page names, in no others", async () => {
  const { everyStep, called } = await filesOf("shannon");
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
  const [, instead = "", of = ""] =
    page.match(/^A step of the adversarial stage has `(\S+)` in the place of `(\S+)`/m) ?? [];
  const game = await filesOf("adversarial");
  const namedOfGame = named.map((file) => file === of ? instead : file);
  assert.deepEqual(
    game.everyStep.filter((file) => !namedOfGame.includes(file)),
    [],
    "of the adversarial stage",
  );
  assert.ok(game.everyStep.includes(instead) && !game.everyStep.includes(of), game.everyStep.join(", "));
});
