/**
 * So many steps of a stage, and nothing else that is done by the step. A process for test/trip_test.ts.
 *
 *   deno run test/trip_training.ts shannon|adversarial STEPS
 */

import { makeDemoShop } from "../src/data/demo_shop.ts";
import { openGpu } from "../src/host/open_gpu.ts";
import { defaultModel } from "../src/model/config.ts";
import { UserModel } from "../src/model/user_model.ts";
import { AdversarialTrainer } from "../src/train/adversarial_trainer.ts";
import { defaultAdversarial, defaultTraining } from "../src/train/config.ts";
import { Trainer } from "../src/train/trainer.ts";

const gpu = await openGpu();
const { log } = makeDemoShop(1, { users: 60 });
const model = new UserModel(gpu, log.items, defaultModel, { seed: 1 });
const [stage, steps] = Deno.args;
const options = { seed: 1, evaluationShards: 0, validate: false };
const trainer = stage === "adversarial"
  ? await AdversarialTrainer.create(model, log, { ...defaultAdversarial, batchSize: 4 }, options)
  : await Trainer.create(model, log, { ...defaultTraining, batchSize: 4 }, options);
await trainer.run(Number(steps));
for (const part of [trainer, model]) part.destroy();
gpu.close();
