/** A report on runs, as a file. */

import { dirname } from "node:path";
import { atomicWriteFile, makeFolder } from "../run/files/atomic_write.ts";
import { chartsOf } from "./charts.ts";
import { collect } from "./collect.ts";
import { pageOf } from "./page.ts";
import { readPageParts } from "./page_shell.ts";

/**
 * Writes one HTML page about runs; it can be read without the network.
 *
 * @param folders runs, seeds folders, or experiments; finished or not
 * @param out the page, which is replaced if it is there
 * @throws UserError for folders without a run and for damaged ones, and when the page cannot be written
 */
export async function writeReport(folders: readonly string[], out: string): Promise<void> {
  const data = await collect(folders);
  const page = pageOf(data, chartsOf(data), await readPageParts());
  await makeFolder(dirname(out));
  await atomicWriteFile(out, page);
}
