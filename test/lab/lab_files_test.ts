/** Files that a reader of the lab's page gives it: what is data, and of what else is shown the command that makes data of it. */

import assert from "node:assert/strict";
import { parseManifest } from "../../src/data/manifest.ts";
import { commandOf, guessColumns, lookInto, readOwn } from "../../src/lab/client/reader.ts";

const files = (texts: Record<string, BlobPart>) =>
  Object.entries(texts).map(([path, bytes]) => ({ path, file: new File([bytes], path) }));

Deno.test("what is no data is refused when it is looked at", async () => {
  const refused = (texts: Record<string, BlobPart>, why: RegExp) =>
    assert.rejects(lookInto(files(texts)), why);
  const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d);
  for (const name of ["shop.png", "log.csv", "log"]) {
    await refused({ [name]: png }, new RegExp(`^UserError: ${name}: expected text, found bytes`));
  }
  for (const name of ["log.csv", "manifest.json", "own.tsv"]) {
    await refused({ [name]: "" }, /the file is empty/);
  }
  await refused({ "a.csv": "x", "b.csv": "y" }, /or all files of a prepared data set, got a\.csv, b\.csv\.$/);
  await refused({}, /got nothing/);
  const both = files({ "a.csv": "x", "b.csv": "y" });
  await assert.rejects(readOwn(both, { tell() {}, parseManifest }), /got a\.csv, b\.csv/);
});

Deno.test("data are taken; of any other log the command is shown, with its columns", async () => {
  const looked = (name: string, text: string) => lookInto(files({ [name]: text }));
  assert.equal(
    await looked("a.tsv", "session_new_index\tTime\titem_new_index\tis_click\ttr_val_tst\n"),
    undefined,
  );
  assert.equal(await looked("manifest.json", "{}"), undefined);
  assert.equal(await looked("pages.parquet", "PAR1"), undefined);
  assert.equal(
    await looked("my log.csv", '\ufeff"uid";ts;sku;label;request;pos\n1;2;3;0;5;6\n'),
    "deno task data log --source 'my log.csv' --user uid --time ts --item sku --clicked label --page request " +
      "--position pos --out runs/data/mine",
  );
  assert.equal(
    await looked("log.jsonl", '{"user":{"id":1},"at":2,"shown":{"sku":"a","x7":1}}\n'),
    "deno task data log --source log.jsonl --user user.id --time at --item shown.sku --clicked COLUMN --out runs/data/mine",
  );
  assert.match(await looked("log.csv.gz", "?") ?? "", /--source log\.csv\.gz --user COLUMN --time COLUMN/);
  assert.match(commandOf("it's.csv", "a,b"), /--source 'it'\\''s\.csv'/);
});

Deno.test("columns are guessed by their names, each once", () => {
  const guessed = (header: string) => guessColumns(header.split(","));
  assert.deepEqual(guessed("userId,itemId,Timestamp,is_click,impression_id,Rank"), {
    ...{ user: "userId", time: "Timestamp", item: "itemId", clicked: "is_click" },
    ...{ page: "impression_id", position: "Rank" },
  });
  assert.deepEqual(guessed("a,b,clicked_item_id"), { item: "clicked_item_id" });
});
