import assert from "node:assert/strict";
import { splitScript } from "../../src/data/prepare/sql_engine.ts";
import {
  measurePositionEffect,
  type PositionEffect,
  summarizePositionEffect,
} from "../../src/data/prepare/measure_position_effect.ts";
import { getSharedEngine } from "../prepared_folder.ts";
import script from "../../data/describe_positions.sql" with { type: "text" };

/**
 * Returns SQL of pages with 3 to 12 of 60 items. An item's utility is its strength plus the effect of its
 * position plus noise. The user clicks the best items if the best item's utility exceeds that of no click.
 * Clicks have random order. @param order SQL by which a page is sorted, with an item's strength `w` and a
 * random number `x`. @param effect SQL of the effect of `position` on the utility. @param clicks SQL of the
 * number of clicks
 */
const shop = (order: string, effect: string, users: number, clicks: string) => `
CREATE MACRO chance(a, b, c) AS (hash(a, b, c) % 1000003 + 0.5) / 1000003;
CREATE MACRO gumbel(x) AS -ln(-ln(x));
CREATE OR REPLACE TEMP TABLE position_of AS
SELECT user, page, item, w, row_number() OVER (PARTITION BY user, page ORDER BY ${order}) AS position
FROM (
  SELECT user, page, item, (item % 12) / 6 - 2.5 AS w, chance(user, page, item + 1000) AS x
  FROM range(${users}) u(user), range(6) p(page), range(60) i(item)
  QUALIFY row_number() OVER (PARTITION BY user, page ORDER BY chance(user, page, item)) <= 3 + (user + page) % 10
);
CREATE OR REPLACE TABLE shown AS
SELECT * EXCLUDE is_clicked, if(is_clicked, row_number() OVER (PARTITION BY user, page, is_clicked ORDER BY hash(page, id)), NULL) AS turn
FROM (
SELECT
  user, page, item AS id, position, false AS context,
  rank() OVER (PARTITION BY user, page ORDER BY u DESC) <= ${clicks}
    AND max(u) OVER (PARTITION BY user, page) > gumbel(chance(user, page, -2)) AS is_clicked
FROM (SELECT *, w + ${effect} + gumbel(chance(user, page, item + 2000)) AS u FROM position_of));
CREATE OR REPLACE TABLE page AS
SELECT
  user, page, count(*)::INTEGER AS size, max(position - 1) FILTER (turn = 1) AS clicked,
  coalesce(list(position - 1 ORDER BY turn) FILTER (turn > 1), []) AS additional_clicks, false AS context
FROM shown GROUP BY user, page;
DROP MACRO chance; DROP MACRO gumbel;
DROP TABLE IF EXISTS position_effect;`;

Deno.test("position effect: found if it exists, and not if pages are only sorted or differ in length", async () => {
  const engine = await getSharedEngine();
  const effect = async (
    order: string,
    effect: string,
    users = 1500,
    clicks = "1",
  ): Promise<PositionEffect> => {
    await engine.run(shop(order, effect, users, clicks));
    await engine.runSteps(splitScript(script));
    return await measurePositionEffect(engine, "shown");
  };
  const none = await effect("x", "0");
  assert.equal(none.verdict, "none", none.text);
  assert.equal(none.positions.length, 10);
  // Sorted by strength, first items have most clicks, as have equally strong items elsewhere.
  const sorted = await effect("-w + 2 * x", "0");
  assert.ok(["none", "small"].includes(sorted.verdict), JSON.stringify(sorted));
  const looked = await effect("x", "if(position = 1, 0.7, 0)");
  assert.equal(looked.verdict, "effect", looked.text);
  const [first, second] = looked.positions;
  assert.ok(
    first && second && first.ratio - first.error > 1.3 && second.ratio < 1,
    JSON.stringify(looked.positions),
  );
  // Each of several clicks is a choice among the items not clicked yet.
  const several = "1 + (user + page) % 3";
  const noneOfSeveral = await effect("x", "0", 1000, several);
  assert.equal(noneOfSeveral.verdict, "none", JSON.stringify(noneOfSeveral));
  assert.equal((await effect("x", "if(position = 1, 0.7, 0)", 1000, several)).verdict, "effect");
  const few = await effect("x", "0", 40);
  assert.equal(few.verdict, "unclear", few.text);
});

Deno.test("position effect: the message names the effect", () => {
  const at = (position: number, ratio: number, error: number) => ({
    position,
    shown: 1000,
    clicks: 100 * ratio,
    expected: 100,
    ratio,
    error,
  });
  assert.equal(summarizePositionEffect([at(1, 2, 0.1), at(2, 0.5, 0.1)], "arbitrary").verdict, "unknown");
  assert.equal(summarizePositionEffect([at(1, 2, 0.1), at(2, 0.5, 0.1)], undefined).verdict, "effect");
  assert.equal(summarizePositionEffect([at(1, 1.03, 0.01), at(2, 0.98, 0.01)], "shown").verdict, "small");
  assert.equal(summarizePositionEffect([at(1, 1.03, 0.03), at(2, 0.98, 0.03)], "shown").verdict, "none");
  assert.equal(summarizePositionEffect([at(1, 1.2, 0.4), at(2, 0.9, 0.3)], "shown").verdict, "unclear");
  assert.equal(summarizePositionEffect([at(1, 2, NaN), at(2, 0.5, 0.1)], "shown").verdict, "unclear");
  assert.equal(summarizePositionEffect([], "shown").verdict, "unclear");
});
