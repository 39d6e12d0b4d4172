/**
 * The Shannon stage and a hurried adversarial one on a shop whose pages have several lengths: how well the reward ranks before
 * and after, as JSON. A process for test/train/page_lengths_test.ts.
 *
 *   deno run test/train/page_lengths_training.ts SHOPS
 */

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
export type Sizes = readonly number[];
/** Mean Spearman with the truth over the validation users, before the adversarial stage and after it. */
export interface Ranking {
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

if (import.meta.main) {
  const found: Ranking[] = [];
  for (const sizes of JSON.parse(Deno.args[0] ?? "[]")) {
    found.push(await withGpu(undefined, (gpu) => rankings(gpu, sizes)));
  }
  console.log(JSON.stringify(found));
}
