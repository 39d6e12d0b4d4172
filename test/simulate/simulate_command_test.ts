/** `simulate` as a user runs it: what it prints and writes, that it can be stopped, and that its logs are what they say. */

import assert from "node:assert/strict";
import { makeShop } from "../../src/data/demo_shop.ts";
import { NONE, splits, usersOf } from "../../src/data/click_log.ts";
import { featuresOf, firstState, nextState, restless, shopUtility } from "../../src/data/shops.ts";
import { choiceProbabilities } from "../../src/model/choice.ts";
import { openDataset } from "../../src/data/sets/opened_dataset.ts";
import { filesIn, interrupt, runOk } from "../command_check.ts";
import { withFolder } from "../prepared_folder.ts";

/** Rows of a CSV file without quotes, by the names of its columns. */
async function rowsOf(path: string): Promise<Record<string, string>[]> {
  const [head = "", ...lines] = (await Deno.readTextFile(path)).trim().split("\n");
  const names = head.split(",");
  return lines.map((line) => {
    const cells = line.split(",");
    return Object.fromEntries(names.map((name, k) => [name, cells[k] ?? ""]));
  });
}

Deno.test("a shop's own users: figures, episodes and log say the same, and the log is what the truth says", () =>
  withFolder({}, async (folder) => {
    const [run, log] = [`${folder}/run`, `${folder}/log`];
    const { stdout } = await runOk(
      "simulate",
      ...["--shop", "restless", "--truth", "--data-seed", "3", "--policy", "popular", "--no-rivals"],
      ...["--users", "300", "--pages", "8", "--slate", "4", "--leave", "0.1", "--start", "test"],
      ...["--save-dir", run, "--episodes-file", "csv", "--write-log", log],
    );
    assert.match(stdout, /^300 users, 8 pages of 4 of 500 items; who clicks: the restless shop itself\n/);
    assert.match(stdout, /\nNothing stands beside popular/);
    assert.deepEqual(filesIn(run), ["episodes.csv", "report.html", "result.json", "returns.csv"]);
    const html = await Deno.readTextFile(`${run}/report.html`);
    assert.match(html, /<dt>who clicks<\/dt><dd>the restless shop itself<\/dd>/);
    for (const id of ["return", "coverage", "click-rate", "users", "returns"]) {
      assert.ok(html.includes(`<figure id="${id}">`), id);
    }
    const pages = await rowsOf(`${run}/episodes.csv`);
    const returns = await rowsOf(`${run}/returns.csv`);
    const result = JSON.parse(await Deno.readTextFile(`${run}/result.json`));
    const { source, users } = await openDataset(log);
    const { userEvents, eventRows, eventClick, eventGiven, rowItem } = source.log ?? assert.fail();
    const shop = makeShop(restless, { items: 3, users: 3 });
    assert.ok(shop.log.items.kind === "dense" && source.log?.items.kind === "dense");
    const { values } = shop.log.items;
    assert.deepEqual(source.log.items, shop.log.items);

    let [row, clicks, surprise, spread, chance] = [0, 0, 0, 0, 0];
    const seen = new Set<number>();
    for (let user = 0; user < 300; user++) {
      let state = firstState;
      let own = 0;
      const before = new Set<number>();
      for (let e = userEvents[user]!; e < userEvents[user + 1]!; e++) {
        const [first, end, click] = [eventRows[e]!, eventRows[e + 1]!, eventClick[e]!];
        const items = rowItem.slice(first, end);
        if (!eventGiven?.[e]) {
          const page = pages[row++] ?? assert.fail();
          assert.equal(page.user, String(user));
          assert.deepEqual([1, 2, 3, 4].map((j) => Number(page[`item_${j}`])), Array.from(items));
          assert.equal(page.clicked, click === NONE ? "" : String(rowItem[click]));
          for (const item of items) assert.ok(!before.has(item) && seen.add(item), "clicked before");
          // Law: what they do is as likely as the truth says, of each page by itself.
          const utilities = Array.from(
            items,
            (item) => shopUtility(restless, state, featuresOf(values, item)),
          );
          const { items: p, noClick } = choiceProbabilities({ eta: 1 }, utilities);
          assert.ok(
            Math.abs(Number(page.click_chance) - (1 - noClick)) < 1e-4,
            `${page.click_chance} ${noClick}`,
          );
          const all = [...p, noClick];
          const entropy = all.reduce((sum, q) => sum - q * Math.log(q), 0);
          surprise += -Math.log(all[click === NONE ? 4 : click - first]!) - entropy;
          spread += all.reduce((sum, q) => sum + q * (-Math.log(q) - entropy) ** 2, 0);
          chance += (click === NONE ? 0 : 1) - (1 - noClick);
          if (click !== NONE) own++;
        }
        if (click === NONE) continue;
        before.add(rowItem[click]!);
        state = nextState(state, featuresOf(values, rowItem[click]!));
      }
      clicks += own;
      assert.equal(returns[user]?.popular, String(own));
      const started = usersOf(shop.log, "test").includes(Number(returns[user]?.started_as));
      assert.ok(started, returns[user]?.started_as);
    }
    assert.equal(row, pages.length);
    assert.ok(row < 300 * 8 && row > 300 * 5, "some have left");
    assert.ok(Math.abs(surprise) < 3 * Math.sqrt(spread), `${surprise} of ${Math.sqrt(spread)}`);
    assert.ok(Math.abs(chance) < 3 * Math.sqrt(row / 4), String(chance));
    const [figures] = result.policies;
    assert.ok(Math.abs(figures.return.mean - clicks / 300) < 1e-9);
    assert.ok(Math.abs(figures.clickRate.mean - clicks / row) < 1e-9);
    assert.ok(Math.abs(figures.coverage - seen.size / 500) < 1e-9);
    assert.deepEqual(splits.map((split) => usersOf(source, split).length), [210, 45, 45]);
    assert.equal(users.of(299), "299");
  }));

Deno.test("Ctrl-C ends a simulation: nothing is left of it", () =>
  withFolder({}, async (folder) => {
    const { code, stderr } = await interrupt(
      /\d+\/60,000/,
      "simulate",
      ...["--shop", "demo", "--truth", "--users", "30000", "--save-dir", `${folder}/run`],
      ...["--episodes-file", "parquet", "--write-log", `${folder}/log`],
    );
    assert.equal(code, 130);
    assert.match(stderr, /Stopped; nothing was written\./);
    assert.deepEqual(filesIn(folder), []);
  }));
