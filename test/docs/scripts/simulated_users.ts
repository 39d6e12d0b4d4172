import * as clickgan from "../../../src/mod.ts";

const gpu = await clickgan.openGpu();
const users = new clickgan.ShopSource(clickgan.restlessShop, clickgan.shopItems(1)); // or new clickgan.LearnedSource(model)
const options = { users: 500, slate: 3, pages: 20, seed: 1 };
const simulator = await clickgan.Simulator.create(gpu, users, options);
for (const policy of [clickgan.randomPolicy, clickgan.greedyPolicy()]) {
  const figures = await simulator.run(policy, { episodes: 1 });
  const shown = clickgan.coverage(figures);
  console.log(policy.name, "clicks", clickgan.meanReturn(figures), "of the catalogue", shown);
}
await simulator.reset(); // page by page, with slates of your own
const { reward, choice } = await simulator.step(Array.from({ length: 1500 }, (_, k) => k % 3));
console.log("page 1", reward.slice(0, 5), choice.slice(0, 5));
simulator.destroy();
gpu.close();
