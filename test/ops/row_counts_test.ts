import assert from "node:assert/strict";
import type { CountedField } from "../../src/counts/columns.ts";
import { countsConfigFor } from "../../src/counts/tables.ts";
import { MemoryLog } from "../../src/data/log_source.ts";
import { defaultModel } from "../../src/model/config.ts";
import { countedStart } from "../../src/model/counted.ts";
import { recentClicksOf, rowCountsOf } from "../../src/selftest/ops/encoder_recipes.ts";
import {
  batchOf,
  few,
  given,
  many,
  mixed,
  noClicks,
  one,
  oneHot,
} from "../../src/selftest/ops/op_batches.ts";
import { checkOp } from "../op_check.ts";

const none: CountedField[] = [];
const two: CountedField[] = [{ first: 0, count: 20, slots: 3 }, { first: 20, count: 43, slots: 2 }];
const long = batchOf(8, { users: 9, items: 23, width: 0, maxEvents: 60, maxPage: 12 });

Deno.test("row_counts: users whose own pages were counted", async () => {
  for (const batch of [one, few, many, given, oneHot, long, noClicks]) {
    await checkOp(rowCountsOf(batch, none, 8, 5));
  }
});

Deno.test("row_counts: users who were not counted, more neighbours than items", async () => {
  for (const batch of [few, many]) await checkOp(rowCountsOf(batch, none, 64, undefined));
});

Deno.test("row_counts: categories, several tokens of one, none", async () => {
  await checkOp(rowCountsOf(mixed.few, [{ first: 0, count: 6, slots: 4 }], 8, 5));
  for (const batch of [mixed.many, mixed["tokens alone"], mixed.noClicks]) {
    await checkOp(rowCountsOf(batch, two, 10, 500));
  }
});

Deno.test("recent_clicks: more clicks than are looked at, repeats, tokens", async () => {
  await checkOp(recentClicksOf(long, none));
  await checkOp(recentClicksOf(mixed.many, two));
});

Deno.test("a count that is the same on all pages has no part in the utility, whatever a page is like later", () => {
  const [users, pages, length, items] = [100, 1000, 12, 40];
  const upTo = (count: number, of: (k: number) => number) =>
    Uint32Array.from({ length: count }, (_, k) => of(k));
  const source = new MemoryLog({
    name: "pages of one length",
    items: { kind: "one-hot", count: items },
    userSplit: new Uint8Array(users),
    userEvents: upTo(users + 1, (user) => pages / users * user),
    eventRows: upTo(pages + 1, (event) => length * event),
    eventClick: upTo(pages, (event) => length * event + event % length),
    rowItem: upTo(length * pages, (row) => 7 * row % items),
  });
  const counts = countsConfigFor(source, []);
  const scale = countedStart(source, { ...defaultModel, counts }, 1).get("counts/scale") ?? [];
  const C = scale.length / 3;
  assert.equal(scale[2 * C - 1], 0, "1 / standard deviation of the page length");
  assert.ok((scale[2 * C - 2] ?? NaN) > 0, "that of the clicks so far");
});
