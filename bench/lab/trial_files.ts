/** The lab's page as files, with what the bench puts before its scripts. */

import { fileURLToPath } from "node:url";
import { bundle } from "../../src/serve/bundle/bundle.ts";
import { buildLab } from "../../src/lab/build.ts";

/** The worker as Deno runs it, without a page. */
export const WHOLE_WORKER = "whole_worker.js";

/** The page as it is shipped, and {@link WHOLE_WORKER}. */
export async function writeLab(folder: string): Promise<void> {
  const { files, wholeWorker } = await buildLab();
  for (const [name, text] of [...files, [WHOLE_WORKER, wholeWorker] as const]) {
    await Deno.writeTextFile(`${folder}/${name}`, text);
  }
}

/** The same with workers that count, and page.js to run before the page. */
export async function writeTrialFiles(folder: string): Promise<void> {
  await writeLab(folder);
  const part = async (name: string) => {
    const entry = fileURLToPath(new URL(`./${name}`, import.meta.url));
    return (await bundle({ entry, format: "iife" })).text;
  };
  const before = await part("worker_part.ts");
  for (const worker of ["worker.js", WHOLE_WORKER].map((name) => `${folder}/${name}`)) {
    await Deno.writeTextFile(worker, `${before}\n${await Deno.readTextFile(worker)}`);
  }
  await Deno.writeTextFile(`${folder}/page.js`, await part("page_part.ts"));
}
