/** clickgan itself, as `deno task train` runs it: many steps in flight, the batch made on the device. */

import { openGpu } from "../../src/gpu/host/open_gpu.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { GENERATOR_PREFIX, partOf } from "../../src/train/networks.ts";
import { AdversarialTrainer } from "../../src/train/adversarial_trainer.ts";
import type { ClickTrainer } from "../../src/train/click_trainer.ts";
import { adamKinds } from "../../src/ops/adam.ts";
import { defaultTraining } from "../../src/train/config.ts";
import type { GameFigures } from "../../src/train/results.ts";
import { Trainer } from "../../src/train/trainer.ts";
import type { ChoiceFigures } from "../../src/data/ranking.ts";
import { adversarialOf, type ClickganJob, modelConfigOf, weightsOf } from "./job.ts";
import { CannotError, type Peer } from "./peer.ts";

/** @param adam "dense" or "row-sparse". */
export async function clickganPeer({ job, log, users }: ClickganJob, adam: string): Promise<Peer> {
  const kind = adamKinds.find((kind) => kind === adam);
  if (kind === undefined) throw new Error(`expected one of ${adamKinds.join(", ")}, got ${adam}`);
  if (kind === "row-sparse" && log.items.kind === "dense") {
    throw new CannotError("only with one-hot items are there rows to leave out");
  }
  const gpu = await openGpu();
  const weights = weightsOf(job);
  const model = new UserModel(gpu, log.items, modelConfigOf(job.model), { weights: partOf(weights, "") });
  const note = `${gpu.adapter.description}`;
  if (job.model === "pair") {
    const generatorWeights = partOf(weights, GENERATOR_PREFIX);
    const trainer = await AdversarialTrainer.create(model, log, adversarialOf(job.users), {
      seed: 1,
      evaluationShards: 0,
      generatorWeights,
      validate: false,
    });
    return { note, run: runner<GameFigures>(trainer, users, ({ lossMin }) => lossMin) };
  }
  const config = { ...defaultTraining, batchSize: job.users, adam: kind };
  const trainer = await Trainer.create(model, log, config, { validate: false });
  return { note, run: runner<ChoiceFigures>(trainer, users, ({ nll }) => nll) };
}

function runner<F extends ChoiceFigures>(
  trainer: ClickTrainer<F>,
  users: readonly Uint32Array[],
  lossOf: (figures: F) => number,
): Peer["run"] {
  trainer.takeBatches((t) => users[(t - 1) % users.length] ?? new Uint32Array());
  return async (steps) => {
    let loss = NaN;
    await trainer.run(trainer.iteration + steps, { onStep: (result) => loss = lossOf(result) });
    return loss;
  };
}
