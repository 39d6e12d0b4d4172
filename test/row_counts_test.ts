import { type CountedField } from "../src/counts/columns.ts";
import { recentClicksOf, rowCountsOf } from "../src/selftest/ops/count_recipes.ts";
import { batchOf, few, given, many, mixed, noClicks, one, oneHot } from "../src/selftest/ops/op_batches.ts";
import { checkOp } from "./op_check.ts";

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
