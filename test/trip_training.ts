/**
 * So many steps of a training, and nothing else that is done by the step. A process for test/trip_test.ts.
 *
 *   deno run test/trip_training.ts STEPS
 */

import { makeDemoShop } from "../src/data/demo_shop.ts";
import { openGpu } from "../src/host/open_gpu.ts";
import { defaultModel } from "../src/model/config.ts";
import { UserModel } from "../src/model/user_model.ts";
import { defaultTraining } from "../src/train/config.ts";
import { Trainer } from "../src/train/trainer.ts";

const gpu = await openGpu();
const { log } = makeDemoShop(1, { users: 60 });
const model = new UserModel(gpu, log.items, defaultModel, { seed: 1 });
const trainer = await Trainer.create(model, log, { ...defaultTraining, batchSize: 4 }, { validate: false });
await trainer.run(Number(Deno.args[0]));
for (const part of [trainer, model]) part.destroy();
gpu.close();
