/** `deno task bench demo`: what `deno task train` prints in the end, kept on a page. */

import { Command } from "commander";
import { expectMarkers, writeBetweenMarkers } from "../src/run/markers.ts";
import { runCommand } from "./run_command.ts";

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
    const stdout = await runCommand("train", args);
    const seconds = Math.round((performance.now() - began) / 1000);
    const printed = stdout.replaceAll(`${folder}/run`, "runs/demo-...").trim();
    const text = `\`\`\`\n${printed}\n\`\`\`\n\nThis run took ${seconds} s.`;
    console.log(text);
    if (readme !== undefined) await writeBetweenMarkers(readme, MARKERS, text);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
