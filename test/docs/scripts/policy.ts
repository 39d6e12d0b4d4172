import * as clickgan from "../../../src/mod.ts";

const data = await clickgan.openDataset("log.tsv");
const run = await clickgan.openRun("runs/a");
const policy = await clickgan.openPolicy("runs/plan");
const gpu = await clickgan.openGpu();
const users = clickgan.LearnedSource.ofRun(gpu, run, data); // whom the policy was trained on
const history = ["3", "14"].map((id) => data.item(id));
const { items, noClick, value } = await policy.rank(gpu, users, history, { page: 3 });
for (const { item, utility, probability } of items) {
  console.log("show", data.items.of(item), utility, probability);
}
console.log("no click", noClick, "expected of all pages", value);
users.model.destroy();
gpu.close();
