import * as clickgan from "../../../src/mod.ts";

const { log } = clickgan.makeDemoShop(1); // or clickgan.readPaperFile("yelp.txt")
const gpu = await clickgan.openGpu();
const model = new clickgan.UserModel(gpu, log.items, clickgan.defaultModel, { seed: 7 }); // or { weights }, by name
const trainer = await clickgan.Trainer.create(model, log, clickgan.defaultTraining);
const users = clickgan.usersOf(log, "train").subarray(0, 50);
for (let step = 1; step <= 20; step++) {
  const { nll, prec1 } = await trainer.step(users);
  console.log(`step ${step}: loss ${nll.toFixed(4)}, prec@1 ${prec1.toFixed(3)}`);
}
const gradient = (await model.gradients()).get("utility/layer2/kernel"); // [64, 64]
const bias = (await model.weights()).get("utility/output/bias");
console.log("gradient", gradient?.subarray(0, 4), "bias", bias);
console.log("utilities", await model.score({ history: [3, 141, 59], page: [26, 53, 58] }));
for (const part of [trainer, model]) part.destroy();
gpu.close();
