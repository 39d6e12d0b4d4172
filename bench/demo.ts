/** `deno task bench demo`: writes the final output of `deno task train` to a page. */

import type { Command } from "commander";
import { createReadmeOption, createStudy, runCommand, StudyPage, withTemporaryFolder } from "./study.ts";

const MARKERS = "bench demo";

export function createCommand(): Command {
  const about = "Trains on the demo shop as deno task train does, and shows its time and output.";
  return createStudy("demo", about)
    .option("--iterations <n>", "as of train", "2000")
    .option(...createReadmeOption(MARKERS, "the output"))
    .action(demo);
}

async function demo({ readme, iterations }: { readme?: string; iterations: string }): Promise<void> {
  const page = await StudyPage.open(readme, MARKERS);
  await withTemporaryFolder("demo", async (folder) => {
    const began = performance.now();
    const stdout = await runCommand("train", ["--save-dir", `${folder}/run`, "--iterations", iterations]);
    const seconds = Math.round((performance.now() - began) / 1000);
    const printed = stdout.replaceAll(`${folder}/run`, "runs/demo-...").trim();
    const text = `\`\`\`\n${printed}\n\`\`\`\n\nThis run took ${seconds} s.`;
    console.log(text);
    await page.write(MARKERS, text);
  });
}
