/** Whom the options of simulate and policy name, and that a policy finds again whom it was trained on. No device. */

import assert from "node:assert/strict";
import { findAgain, findUsers, subjectOf } from "../src/cli/found_users.ts";
import { sameItems } from "../src/cli/same_items.ts";
import { snapshot } from "./bad_inputs/snapshots.ts";
import { withSmallLog } from "./command_check.ts";

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

Deno.test("a truth is found again by its shop and the seed of its items", async () => {
  const found = await findUsers({ ...GIVEN, shop: "restless", truth: true, dataSeed: 3, dataUsersSeed: 4 });
  const subject = subjectOf(found);
  assert.deepEqual(subject, { kind: "truth", shop: "restless", dataSeed: 3 });
  assert.ok(sameItems(found.data, (await findAgain(subject, GIVEN)).data));
  assert.ok(!sameItems(found.data, (await findAgain({ ...subject, dataSeed: 4 }, GIVEN)).data));
});
