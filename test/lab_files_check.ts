/** Files of the reader's own in the lab's page: what is asked about their columns, by clicks. */

import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import type { Look } from "./lab_measure_check.ts";

/** The header of long.csv, and that of a log which others wrote: nothing says what is a click in it. */
const HEADER = "user,time,page,item,position,clicked";
const OTHERS = "uid,shown_at,request_id,sku,slot,x7";

/** Gives the page long.csv with other names, compressed, and chooses what it cannot guess. */
export async function giveOtherColumns(page: Page, folder: string, look: Look): Promise<void> {
  const text = Deno.readTextFileSync(`${folder}/long.csv`).replace(HEADER, OTHERS);
  const path = `${folder}/others.csv.gz`;
  await Deno.writeFile(path, new Uint8Array(gzipSync(text)));
  await page.setInputFiles("#data-file", path);
  await page.locator("legend", { hasText: "Columns of others.csv.gz" }).waitFor();
  const chosen = await page.locator(".columns select").evaluateAll((all) =>
    all.map((one) => (one as unknown as { value: string }).value)
  );
  assert.deepEqual(chosen, ["uid", "shown_at", "sku", "", "request_id", "slot"]);
  await page.getByRole("button", { name: "Train", exact: true }).click();
  await page.locator(".columns .error", { hasText: "Expected a column for clicked. Choose it." }).waitFor();
  assert.equal(await page.evaluate("document.activeElement.id"), "column-clicked");
  await look.fine(page, "columns to choose");
  await look.picture(page, "columns");
  await page.keyboard.type("x7"); // the focus is where the choice is
  await page.locator(".columns code", { hasText: "--item sku --clicked x7 --page request_id" }).waitFor();
}
