/** Item ids as two hashed tokens (`data log --hash-items`): the same words everywhere, from the log to simulated users. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { itemIdsOf } from "../../src/data/item_ids.ts";
import { logRecipe } from "../../src/data/prepare/log.ts";
import type { Prepared } from "../../src/data/prepare/prepare.ts";
import type { FeatureOptions } from "../../src/data/prepare/features.ts";
import { runCommand, words } from "../command_check.ts";
import { folderWith, prepareIn, query } from "../prepared_folder.ts";
import { logFiles, madeShop } from "./made_logs.ts";

const columns = { user: "user", item: "item", time: "time", clicked: "clicked", page: "page" };
const folder = await folderWith(logFiles(madeShop(3, { users: 60, items: 80, events: 4 })));
const prepared = (more: FeatureOptions, log = "log.csv") =>
  prepareIn(folder, logRecipe({ ...columns, source: `${folder}/${log}`, ...more }));

/** As the page about data has it. */
function tokensOf(id: string, first: number, buckets: number): number[] {
  const md5 = createHash("md5").update(id).digest("hex");
  const hash = (digit: number) => Number.parseInt(md5.slice(digit, digit + 8), 16) % buckets;
  return [first + hash(0), first + buckets + hash(8)];
}

async function expectHashed({ folder, manifest: { features } }: Prepared, buckets: number): Promise<void> {
  const field = features.tokens.at(-1) ?? assert.fail("a field of tokens");
  assert.deepEqual([field.name, field.column, field.hashed, field.count], [
    "item",
    null,
    buckets,
    2 * buckets,
  ]);
  const items = await query(folder, "SELECT id, tokens FROM items");
  assert.ok(items.length > 20);
  for (const { id, tokens } of items) {
    const own = (Array.isArray(tokens) ? tokens.map(Number) : []).filter((token) => token >= field.first);
    assert.deepEqual(own, tokensOf(String(id), field.first, buckets), String(id));
  }
}

Deno.test("hashed ids: two tokens of an item's id behind those of its features, and the same for the next log", async () => {
  const bare = await prepared({ hashItems: 7 });
  await expectHashed(bare, 7);
  assert.equal(bare.manifest.features.tokens[0]?.first, 0);
  const first = await prepared({ hashItems: 50, features: `${folder}/items.csv` });
  await expectHashed(first, 50);
  assert.ok(itemIdsOf(first.manifest.features), "train --no-item-ids can leave them out");
  const text = Deno.readTextFileSync(`${folder}/log.csv`);
  Deno.writeTextFileSync(`${folder}/next.csv`, text.replaceAll("sku-1,", "sku-new,"));
  const next = await prepared({ features: `${folder}/items.csv`, like: first.folder }, "next.csv");
  await expectHashed(next, 50);
  assert.ok((await query(next.folder, "SELECT id FROM items")).some(({ id }) => id === "sku-new"));
  assert.deepEqual(next.manifest.features, first.manifest.features);
  assert.deepEqual((await prepared({ like: bare.folder })).manifest.features, bare.manifest.features);
});

Deno.test("hashed ids: a model of them recommends items by their own ids, is simulated, and refuses other hashes", async () => {
  const ran = async (command: Parameters<typeof runCommand>[0], ...args: string[]) => {
    const { code, stdout, stderr } = await runCommand(command, ...words(...args));
    assert.equal(code, 0, stderr);
    return stdout + stderr;
  };
  const { folder: set } = await prepared({ hashItems: 50 });
  const run = `${folder}/run`;
  const sizes = "--iterations 4 --batch-size 9 --validate-every 2 --dims 8 --lstm-units 4";
  const trained = await ran("train", `--data ${set} --save-dir ${run} ${sizes}`);
  assert.match(trained, /100 tokens, ids hashed to 2 x 50 of them/);
  assert.match(Deno.readTextFileSync(`${run}/report.html`), /ids hashed to 2 x 50 tokens/);
  const ids = new Set((await query(set, "SELECT id FROM items")).map(({ id }) => String(id)));
  const [user] = await query(set, "SELECT id FROM users");
  const recommended = await ran("recommend", `--model ${run} --data ${set} --user ${user?.id} --top 3`);
  const named = [...recommended.matchAll(/sku-\d+/g)].map(([id]) => id);
  assert.ok(named.length >= 3 && named.every((id) => ids.has(id)), recommended);
  await ran("simulate", `--model ${run} --data ${set} --users 20 --pages 2 --slate 3`);
  const other = await prepared({ hashItems: 60 });
  const refused = await runCommand(
    "evaluate",
    ...words(`--model ${run}/best-loss.safetensors --data ${other.folder}`),
  );
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /hashed to 50 there, hashed to 60 here/);
});
