/** Files of the reader's own in the lab's page: what is asked about their columns, by clicks. */

import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import type { Page } from "playwright-core";
import type { Look } from "./lab_measure_check.ts";

/** The header of long.csv, and that of a log which others wrote: nothing says what is a click in it. */
const HEADER = "user,time,page,item,position,clicked";
const OTHERS = "uid,shown_at,request_id,sku,slot,x7";

/** Gives the page long.csv with other names, as two gzip files in one, and chooses what it cannot guess. */
export async function giveOtherColumns(page: Page, folder: string, look: Look): Promise<void> {
  const text = Deno.readTextFileSync(`${folder}/long.csv`).replace(HEADER, OTHERS);
  const path = `${folder}/others.csv.gz`;
  const halves = [text.slice(0, 2000), text.slice(2000)].map((half) => new Uint8Array(gzipSync(half)));
  await Deno.writeFile(path, new Uint8Array(await new Blob(halves).arrayBuffer()));
  await page.setInputFiles("#data-file", path);
  await page.locator("legend", { hasText: "Columns of others.csv.gz" }).waitFor();
  const chosen = await page.locator(".columns select").evaluateAll((all) =>
    all.map((one) => (one as unknown as { value: string }).value)
  );
  assert.deepEqual(chosen, ["uid", "shown_at", "sku", "", "request_id", "slot"]);
  await page.getByRole("button", { name: "Train", exact: true }).click();
  await page.locator(".drop .error", { hasText: "Expected a column for clicked. Choose it." }).waitFor();
  assert.equal(await page.evaluate("document.activeElement.id"), "column-clicked");
  await look.fine(page, "columns to choose");
  await look.picture(page, "columns");
  await page.keyboard.type("x7"); // the focus is where the choice is
  await page.locator(".drop code", { hasText: "--item sku --clicked x7 --page request_id" }).waitFor();
}

/** Gives the page long.csv and, compressed, what is known of its items: only the column with their id has to be asked for. */
export async function giveItems(page: Page, folder: string, look: Look): Promise<void> {
  const path = `${folder}/items.csv.zst`;
  await Deno.writeFile(path, new Uint8Array(zstdCompressSync(Deno.readFileSync(`${folder}/items.csv`))));
  await page.setInputFiles("#data-file", [path, `${folder}/long.csv`]);
  await page.locator("legend", { hasText: "Columns of items.csv.zst" }).waitFor();
  assert.equal(await page.inputValue("#column-features-key"), "sku");
  assert.equal(await page.inputValue("#column-item"), "item");
  await page.locator(".drop code", { hasText: "--features items.csv.zst --features-key sku" }).waitFor();
  await look.fine(page, "columns of items to choose");
  await look.picture(page, "items");
}

/** Long.csv, compressed and cut off: by the browser's decoder, and by the page's own. @returns the files */
export async function cutFiles(folder: string): Promise<string[]> {
  const text = Deno.readFileSync(`${folder}/long.csv`);
  const files = [["gz", gzipSync(text)], ["zst", zstdCompressSync(text)]] as const;
  const paths: string[] = [];
  for (const [ending, bytes] of files) {
    paths.push(`${folder}/damaged/cut.csv.${ending}`);
    await Deno.writeFile(paths.at(-1) ?? "", new Uint8Array(bytes.subarray(0, -20)));
  }
  return paths;
}
