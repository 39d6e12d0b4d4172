/** Times clickgan. As in `deno task train`, the CPU submits steps without waiting for the GPU's results. */

import { openGpu } from "../../src/gpu/host/open_gpu.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { GENERATOR_PREFIX, selectNetworkWeights } from "../../src/train/networks.ts";
import { AdversarialTrainer } from "../../src/train/adversarial_trainer.ts";
import type { ClickTrainer } from "../../src/train/click_trainer.ts";
import { adamKinds } from "../../src/ops/adam.ts";
import { defaultTraining } from "../../src/train/training_config.ts";
import type { GameMetrics } from "../../src/train/training_results.ts";
import { Trainer } from "../../src/train/trainer.ts";
import type { ChoiceMetrics } from "../../src/data/ranking.ts";
import { buildAdversarialConfig, getModelConfig, type PeerJob } from "./job.ts";
import { type Peer, UnsupportedJobError } from "./peer.ts";

/** Creates the peer. @param adam - "dense" or "row-sparse" Adam. */
export async function createClickganPeer(job: PeerJob, adam: string): Promise<Peer> {
  const kind = adamKinds.find((kind) => kind === adam);
  if (kind === undefined) throw new Error(`expected one of ${adamKinds.join(", ")}, got ${adam}`);
  const { log, batchUsers } = job;
  if (kind === "row-sparse" && log.items.kind === "dense") {
    throw new UnsupportedJobError("row-sparse Adam needs one-hot items");
  }
  const gpu = await openGpu();
  const weights = new Map(Array.from(job.weights, ([name, { data }]) => [name, data]));
  const model = new UserModel(gpu, log.items, getModelConfig(job.model), {
    weights: selectNetworkWeights(weights, ""),
  });
  const note = `${gpu.adapter.description}`;
  if (job.model === "pair") {
    const generatorWeights = selectNetworkWeights(weights, GENERATOR_PREFIX);
    const trainer = await AdversarialTrainer.create(model, log, buildAdversarialConfig(job.users), {
      seed: 1,
      evaluationShards: 0,
      generatorWeights,
      validate: false,
    });
    return { note, run: createRunner<GameMetrics>(trainer, batchUsers, ({ lossMin }) => lossMin) };
  }
  const config = { ...defaultTraining, batchSize: job.users, adam: kind };
  const trainer = await Trainer.create(model, log, config, { validate: false });
  return { note, run: createRunner<ChoiceMetrics>(trainer, batchUsers, ({ nll }) => nll) };
}

function createRunner<F extends ChoiceMetrics>(
  trainer: ClickTrainer<F>,
  users: readonly Uint32Array[],
  getLoss: (metrics: F) => number,
): Peer["run"] {
  trainer.takeBatches((t) => users[(t - 1) % users.length] ?? new Uint32Array());
  return async (steps) => {
    let loss = NaN;
    await trainer.run(trainer.iteration + steps, { onStep: (result) => loss = getLoss(result) });
    return loss;
  };
}
