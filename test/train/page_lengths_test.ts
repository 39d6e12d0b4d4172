/** The adversarial stage with its defaults on pages of several lengths: the reward stays what it was. */

import { pagedShop } from "../../bench/paged_shop.ts";
import { usersOf } from "../../src/data/click_log.ts";
import { meanSpearman } from "../../src/data/ranking.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { defaultModel } from "../../src/model/config.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { AdversarialTrainer } from "../../src/train/adversarial_trainer.ts";
import { defaultAdversarial, defaultTraining } from "../../src/train/config.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { withGpu } from "../op_check.ts";
import assert from "node:assert/strict";
import { printedBy } from "../command_check.ts";

/**
 * A fiftieth of the default's steps at 25 times its rate; the exact generator needs no time to follow. With a penalty that is a
 * sum over the page, 0.02 as it was, pages of 40 lose 0.03 and mixed ones 0.02.
 */
const hurried = {
  ...defaultAdversarial,
  generator: "exact",
  rewardLearningRate: 5e-4,
  batchSize: 25,
} as const;

/** Items on the pages of a shop. */
type Sizes = readonly number[];
/** Mean Spearman with the truth over the validation users, before the adversarial stage and after it. */
interface Ranking {
  readonly before: number;
  readonly after: number;
}

async function rankings(gpu: Gpu, sizes: Sizes): Promise<Ranking> {
  const { log, truth } = pagedShop(3, sizes, { users: sizes[0] === 40 ? 100 : 300 });
  const users = usersOf(log, "validation");
  const model = new UserModel(gpu, log.items, defaultModel, { seed: 1 });
  const training = { ...defaultTraining, batchSize: 25, learningRate: 3e-3 };
  const shannon = await Trainer.create(model, log, training, { validate: false });
  await shannon.run(150);
  const trainer = await AdversarialTrainer.create(model, log, hurried, {
    seed: 1,
    evaluationShards: 0,
    validate: false,
  });
  const ranking = async () => {
    const evaluation = await trainer.evaluation(users, 0);
    const spearman = meanSpearman(log, users, await evaluation.utilities(), truth.utility);
    evaluation.destroy();
    return spearman;
  };
  const before = await ranking();
  await trainer.run(100);
  const after = await ranking();
  for (const part of [trainer, shannon, model]) part.destroy();
  return { before, after };
}

// In a process of its own, as the driver optimises shaders for a whole process or not at all.
if (import.meta.main && Deno.args.length > 0) {
  const found: Ranking[] = [];
  for (const sizes of JSON.parse(Deno.args[0] ?? "[]")) {
    found.push(await withGpu(undefined, (gpu) => rankings(gpu, sizes)));
  }
  console.log(JSON.stringify(found));
}

const shops: readonly Sizes[] = [[2], [40], [2, 5, 10, 40]];

Deno.test("the adversarial stage keeps the reward's ranking on pages of several lengths", async (t) => {
  const found = await printedBy("train/page_lengths_test.ts", JSON.stringify(shops)) as Ranking[];
  for (const [k, sizes] of shops.entries()) {
    await t.step(`pages of ${sizes.join(", ")}`, () => {
      const { before, after } = found[k] ?? assert.fail("no such shop");
      assert.ok(before > 0.6, `${before}`);
      assert.ok(after > before - 0.015, `Spearman with the truth: ${before} before, ${after} after`);
    });
  }
});
