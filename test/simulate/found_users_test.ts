/** Whom the options of simulate and policy name, and that a policy finds again whom it was trained on. No device. */

import assert from "node:assert/strict";
import { findAgain, findUsers, sameItems, subjectOf } from "../../src/simulate/commands/found_users.ts";
import { findEnvironments } from "../../src/policy/commands/environments.ts";
import { seenBy } from "../../src/simulate/commands/policies.ts";
import { shopItems } from "../../src/data/demo_shop.ts";
import { itemsShape } from "../../src/data/item_catalogue.ts";
import { demoFeatures } from "../../src/data/shops.ts";
import type { OpenedPolicy } from "../../src/policy/trained_policy.ts";
import type { DataConfig } from "../../src/data/sets/dataset.ts";
import { encodeSafetensors } from "../../src/run/snapshot/safetensors.ts";
import { all } from "../bad_inputs/corpus.ts";
import { goodSnapshot, paperRows, snapshot, usersOf } from "../bad_inputs/good_inputs.ts";
import { withSmallLog } from "../command_check.ts";
import { withFolder } from "../prepared_folder.ts";

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
    await all(paperRows(usersOf(0, 3, 0)), snapshot())(folder);
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
