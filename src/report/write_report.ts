/** A report on runs, as a file. */

import { dirname } from "node:path";
import { atomicWriteFile, makeFolder } from "../run/atomic_write.ts";
import { chartsOf } from "./charts.ts";
import { collect } from "./collect.ts";
import { pageOf } from "./page.ts";

/**
 * Writes one HTML page about runs; it can be read without the network.
 *
 * @param folders runs, seeds folders, or experiments; finished or not
 * @param out the page, which is replaced if it is there
 * @throws UserError for folders without a run and for damaged ones, and when the page cannot be written
 */
export async function writeReport(folders: readonly string[], out: string): Promise<void> {
  const data = await collect(folders);
  const [style, script] = await Promise.all(["page.css", "client_bundle.js"].map(textBeside));
  const page = pageOf(data, chartsOf(data), { style: style ?? "", script: script ?? "" });
  await makeFolder(dirname(out));
  await atomicWriteFile(out, page);
}

function textBeside(name: string): Promise<string> {
  return Deno.readTextFile(new URL(name, import.meta.url));
}
