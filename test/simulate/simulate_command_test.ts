/**
 * `simulate` as a user runs it: what it prints and writes, that it can be stopped, and that its logs are what they say, of a shop and
 * of a model; and whom the options of simulate and policy name, and that a policy finds again whom it was trained on.
 */

import assert from "node:assert/strict";
import { makeShop, shopItems } from "../../src/data/demo_shop.ts";
import { NONE, splits, usersOf } from "../../src/data/click_log.ts";
import {
  demoFeatures,
  featuresOf,
  firstState,
  nextState,
  restless,
  shopUtility,
} from "../../src/data/shops.ts";
import { choiceProbabilities } from "../../src/model/choice.ts";
import { openDataset } from "../../src/data/sets/opened_dataset.ts";
import { filesIn, interrupt, runOk, withSmallLog, words } from "../command_check.ts";
import { withFolder } from "../prepared_folder.ts";
import { findAgain, findUsers, sameItems, subjectOf } from "../../src/commands/simulate/found_users.ts";
import { findEnvironments } from "../../src/commands/policy/environments.ts";
import { seenBy } from "../../src/commands/simulate/policies.ts";
import { itemsShape } from "../../src/data/item_catalogue.ts";
import type { OpenedPolicy } from "../../src/policy/trained_policy.ts";
import type { DataConfig } from "../../src/data/sets/dataset.ts";
import { encodeSafetensors } from "../../src/run/snapshot/safetensors.ts";
import { all } from "../bad_inputs/corpus.ts";
import { goodSnapshot, paperRows, snapshot, usersOf as madeUsers } from "../bad_inputs/good_inputs.ts";
import { sinkOf } from "../../src/commands/simulate/files.ts";

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
      ...words("--shop restless --truth --data-seed 3 --policy popular --no-rivals --users 300 --pages 8"),
      ...words("--slate 4 --leave 0.1 --start test --episodes-file csv --save-dir", [
        run,
        "--write-log",
        log,
      ]),
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
          const utilityOf = (item: number) => shopUtility(restless, state, featuresOf(values, item));
          const utilities = Array.from(items, utilityOf);
          const { items: p, noClick } = choiceProbabilities({ eta: 1 }, utilities);
          const said = `${page.click_chance} ${noClick}`;
          assert.ok(Math.abs(Number(page.click_chance) - (1 - noClick)) < 1e-4, said);
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
      ...words(`--shop demo --truth --users 30000 --save-dir ${folder}/run --episodes-file parquet`),
      ...["--write-log", `${folder}/log`],
    );
    assert.equal(code, 130);
    assert.match(stderr, /Stopped; nothing was written\./);
    assert.deepEqual(filesIn(folder), []);
  }));

const GIVEN = { truth: false, uncalibrated: false, memoryRows: 4_000_000, seed: 1, resplit: false };

Deno.test("a model without its run is found again with the data that it was opened over, unless its file has changed", () =>
  withSmallLog(async (folder, data) => {
    await snapshot()(folder);
    const model = `${folder}/model.safetensors`;
    const found = await findUsers({ ...GIVEN, model, data });
    const subject = subjectOf(found);
    assert.equal(subject.kind, "model");
    const again = await findAgain(subject, GIVEN); // nothing beside the snapshot says which data
    assert.ok(sameItems(found.data, again.data));
    assert.deepEqual(subjectOf(again), subject);
    await assert.rejects(
      () => findUsers({ ...GIVEN, model, data, truth: true }),
      /of a log it is not known why/,
    );
    await snapshot(({ tensors }) => [...tensors.values()][0]?.data.fill(0))(folder);
    await assert.rejects(() => findAgain(subject, GIVEN), /has changed since its training began/);
  }));

Deno.test("policies of a model whose log has a click on every page are not compared", () =>
  withFolder({}, async (folder) => {
    await all(paperRows(madeUsers(0, 3, 0)), snapshot())(folder);
    const given = { model: `${folder}/model.safetensors`, data: `${folder}/log.tsv` };
    const subject = subjectOf(await findUsers({ ...GIVEN, ...given }));
    await assert.rejects(findEnvironments(subject, GIVEN), /pages without a click, to plan/);
  }));

Deno.test("a truth is found again by its shop and the seed of its items", async () => {
  const found = await findUsers({ ...GIVEN, shop: "restless", truth: true, dataSeed: 3, dataUsersSeed: 4 });
  const subject = subjectOf(found);
  assert.deepEqual(subject, { kind: "truth", shop: "restless", dataSeed: 3 });
  assert.ok(sameItems(found.data, (await findAgain(subject, GIVEN)).data));
  assert.ok(!sameItems(found.data, (await findAgain({ ...subject, dataSeed: 4 }, GIVEN)).data));
});

/** A model of the items of a made-up shop, in a run that says so if there is one. */
async function shopModel(folder: string, data?: DataConfig): Promise<string> {
  const items = itemsShape({ kind: "dense", count: 500, width: demoFeatures, values: shopItems(1) });
  const { tensors, metadata } = goodSnapshot("best-loss", 4, items);
  await Deno.mkdir(folder);
  await Deno.writeFile(`${folder}/best-loss.safetensors`, encodeSafetensors(tensors, metadata));
  if (data) await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify({ data }));
  return `${folder}/best-loss.safetensors`;
}

Deno.test("the shop of a model is the one that it was trained in, whatever --seed is, and a policy knows its items", () =>
  withFolder({}, async (folder) => {
    const data = { kind: "demo", seed: 3, shop: "restless" } as const;
    const model = await shopModel(`${folder}/run`, data);
    const given = { ...GIVEN, model, seed: 2 };
    const found = await findUsers({ ...given, shop: "restless", truth: true });
    assert.deepEqual(found.truth, { kind: "truth", shop: "restless", dataSeed: 3 });
    assert.deepEqual((await findUsers({ ...given, shop: "restless" })).data.dataset.config, data);
    assert.equal((await findUsers({ ...given, data: "demo", truth: true })).truth?.dataSeed, 3);
    for (const shop of ["restless", undefined]) {
      await assert.rejects(
        findUsers({ ...given, shop, truth: true, dataSeed: 2 }),
        /with the items of the model/,
      );
    }
    // Without its run nothing says which shop it was; one that is named is believed.
    const alone = { ...given, model: await shopModel(`${folder}/alone`), shop: "restless", truth: true };
    await assert.rejects(findUsers(alone), /Expected --data-seed/);
    assert.equal((await findUsers({ ...alone, dataSeed: 5 })).truth?.dataSeed, 5);

    const own = { ...found, truth: undefined };
    const policy = { path: "runs/p", config: { trainedOn: subjectOf(own) } } as OpenedPolicy;
    const other = await findUsers({ ...given, shop: "restless", dataSeed: 2 });
    for (const [users, fits] of [[own, true], [other, false]] as const) {
      const seen = { found: users, data: users.data, environment: users } as unknown as Parameters<
        typeof seenBy
      >[1];
      const sight = seenBy(policy, seen, GIVEN);
      if (fits) assert.equal(await sight, users);
      else await assert.rejects(sight, /Expected a policy over the items of restless/);
    }
  }));

Deno.test("a sink's pages arrive in order, one at a time; what ends the writing ends whoever puts, and the other way round", async () => {
  const seen: number[] = [];
  const sink = sinkOf<number>(async (from) => {
    for await (const value of from) seen.push(value);
  });
  for (let k = 0; k < 5; k++) {
    await sink.put(k);
    assert.ok(seen.length >= k - 1); // no more than one is on the way
  }
  await sink.finish();
  assert.deepEqual(seen, [0, 1, 2, 3, 4]);
  const full = sinkOf<number>(async (from) => {
    for await (const value of from) if (value === 1) throw new Error("the disk is full");
  });
  await full.put(0);
  await full.put(1);
  for (let k = 0; k < 2; k++) await assert.rejects(full.put(2), /the disk is full/);
  await assert.rejects(full.finish(), /the disk is full/);
  let why: unknown;
  const stopped = sinkOf<number>((from) => Array.fromAsync(from).catch((error) => why = error));
  await stopped.put(0);
  await stopped.abandon(new Error("stopped"));
  assert.match(String(why), /stopped/);
});
