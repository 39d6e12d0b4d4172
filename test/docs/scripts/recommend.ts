import * as clickgan from "../../../src/mod.ts";

const data = await clickgan.openDataset("runs/data/mine"); // or "yelp.txt", or "demo"
const run = await clickgan.openRun("runs/mine"); // its best-loss snapshot, or the snapshot that you name
const gpu = await clickgan.openGpu();
const model = run.model(gpu, data);
const history = data.historyOf(data.user(data.users.of(0)));
const candidates = data.items.latest(); // the whole catalogue, which is scored page by page
const [best] = await clickgan.recommend((pages) => model.scoreAll(pages), { history, candidates, top: 1 });
console.log("recommended", best && data.items.of(best.item), best?.utility);
const config = { ...clickgan.defaultAdversarial, batchSize: 50 };
const options = { seed: 1, evaluationShards: 0, validate: false };
const trainer = await clickgan.AdversarialTrainer.create(model, data.source, config, options);
const { lossMin } = await trainer.step(clickgan.usersOf(data.source, "train").subarray(0, 50));
console.log("reward's loss", lossMin);
for (const part of [trainer, model]) part.destroy();
gpu.close();
