/** What `simulate` prints of a model's users. */

import { firstModel } from "./policies.ts";
import type { ResultTable } from "./result_table.ts";

export const simulatedTable: ResultTable = {
  name: "simulated",
  about: "what simulate prints of a model of the restless shop's users",
  async make(runs) {
    const model = await firstModel(runs);
    const printed = await runs.printed("simulate", ["--model", model, "--policy", "greedy"]);
    return ["```", printed.replaceAll(model, "runs/a").trim(), "```"].join("\n");
  },
};
