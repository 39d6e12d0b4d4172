/** The adversarial stage with its defaults on pages of several lengths: the reward stays what it was. */

import assert from "node:assert/strict";
import { printedBy } from "../command_check.ts";
import type { Ranking, Sizes } from "./page_lengths_training.ts";

const shops: readonly Sizes[] = [[2], [40], [2, 5, 10, 40]];

Deno.test("the adversarial stage keeps the reward's ranking on pages of several lengths", async (t) => {
  const found = await printedBy("train/page_lengths_training.ts", JSON.stringify(shops)) as Ranking[];
  for (const [k, sizes] of shops.entries()) {
    await t.step(`pages of ${sizes.join(", ")}`, () => {
      const { before, after } = found[k] ?? assert.fail("no such shop");
      assert.ok(before > 0.6, `${before}`);
      assert.ok(after > before - 0.015, `Spearman with the truth: ${before} before, ${after} after`);
    });
  }
});
