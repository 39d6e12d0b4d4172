/** The lab's page as files, with what the bench puts before its scripts. */

import { fileURLToPath } from "node:url";
import { bundle } from "../../src/bundle/bundle.ts";
import { buildLab } from "../../src/lab/build.ts";

/** The page as it is shipped. */
export async function writeLab(folder: string): Promise<void> {
  for (const [name, text] of (await buildLab()).files) await Deno.writeTextFile(`${folder}/${name}`, text);
}

/** The page with a worker that counts, and page.js to run before it. */
export async function writeTrialFiles(folder: string): Promise<void> {
  await writeLab(folder);
  const part = async (name: string) => {
    const entry = fileURLToPath(new URL(`./${name}`, import.meta.url));
    return (await bundle({ entry, format: "iife" })).text;
  };
  const worker = `${folder}/worker.js`;
  await Deno.writeTextFile(worker, `${await part("worker_part.ts")}\n${await Deno.readTextFile(worker)}`);
  await Deno.writeTextFile(`${folder}/page.js`, await part("page_part.ts"));
}
