/** Raw logs under random damage: refused in words, or prepared with what is left. */

import fc from "fast-check";
import assert from "node:assert/strict";
import { openPreparedSet } from "../../src/data/sets/prepared_folder.ts";
import type { Prepared } from "../../src/data/prepare/prepare.ts";
import { UserError } from "../../src/user_error.ts";
import { recipe } from "../data_log_check.ts";
import { prepareIn, withFolder } from "../prepared_folder.ts";
import { damagedText, runs } from "./mutations.ts";

const good = "uid,sku,ts,label\n" +
  Array.from(
    { length: 120 },
    (_, k) => `u${k % 40},i${k % 7},${1600000000 + Math.floor(k / 3)},${k % 3 === 0 ? 1 : 0}\n`,
  )
    .join("");

Deno.test("a damaged raw log is refused, or prepared into a set that can be read", () =>
  withFolder({}, async (folder) => {
    let made = 0;
    await fc.assert(
      fc.asyncProperty(damagedText(",", 3), async (damage) => {
        await Deno.writeTextFile(`${folder}/log.csv`, damage(good));
        let prepared: Prepared;
        try {
          prepared = await prepareIn(folder, recipe(`${folder}/log.csv`));
        } catch (error) {
          assert.ok(error instanceof UserError, error instanceof Error ? error.stack : String(error));
          return;
        }
        made++;
        const { manifest } = prepared;
        const set = await openPreparedSet(prepared.folder);
        assert.equal(set.rows, manifest.counts?.rows);
        assert.ok(set.rows <= 130, "more rows than there were");
        await Deno.remove(prepared.folder, { recursive: true });
      }),
      runs(30),
    );
    assert.ok(made > 3, `only ${made} were made`);
  }));
