/** `deno task bench demo`: what `deno task train` prints in the end, kept on a page. */

import { Command } from "commander";
import { permissionFlags } from "../src/cli/launch.ts";
import { GPU_ENVIRONMENT } from "../src/cli/setup.ts";
import { DENO_FLAGS } from "../src/deno_flags.ts";
import { expectMarkers, writeBetweenMarkers } from "../src/run/markers.ts";
import { UserError } from "../src/user_error.ts";

const MARKERS = "bench demo";

export function demoCommand(): Command {
  return new Command("demo")
    .description(
      "Trains on the demo shop as deno task train does, and shows how long it took and what it printed.",
    )
    .option("--iterations <n>", "as of train", "2000")
    .option("--readme <file>", `a page that gets it, between its lines <!-- ${MARKERS} -->`)
    .action(demo);
}

async function demo({ readme, iterations }: { readme?: string; iterations: string }): Promise<void> {
  if (readme !== undefined) await expectMarkers(readme, MARKERS);
  const folder = await Deno.makeTempDir({ prefix: "clickgan-demo-" });
  try {
    const args = ["--save-dir", `${folder}/run`, "--iterations", iterations];
    const began = performance.now();
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", ...DENO_FLAGS, ...permissionFlags("train", args, undefined), SCRIPT, ...args],
      env: { ...GPU_ENVIRONMENT, NO_COLOR: "1" },
      stderr: "inherit",
    }).output();
    if (code !== 0) throw new UserError(`Expected train to end well, it ended with exit code ${code}.`);
    const seconds = Math.round((performance.now() - began) / 1000);
    const printed = new TextDecoder().decode(stdout).replaceAll(`${folder}/run`, "runs/demo-...").trim();
    const text = `\`\`\`\n${printed}\n\`\`\`\n\nThis run took ${seconds} s.`;
    console.log(text);
    if (readme !== undefined) await writeBetweenMarkers(readme, MARKERS, text);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const SCRIPT = new URL("../src/cli/train.ts", import.meta.url).href;
