/** What a policy is worth in its own model, in a second one and in the shop: how far a model's promise is too high. */

import { markdownTable } from "../../src/run/markers.ts";
import { thousands } from "../../src/thousands.ts";
import { meanAndSd } from "../../src/data/mean_sd.ts";
import { signed, signedRange } from "../../src/figures/told.ts";
import { cellsOf, clicksOf, compared, environmentIn, policiesIn } from "./compared.ts";
import { firstModel, PAGES, secondModel, trainedOnModel } from "./policies.ts";
import type { ResultTable } from "./result_table.ts";

const SEEDS = [1, 2, 3];
const GREEDY = "greedy";

export const secondModelTable: ResultTable = {
  name: "second-model",
  about: "what two models of users promise of a policy, and what the shop gives",
  async make(runs) {
    const first = await firstModel(runs);
    const second = await secondModel(runs);
    const folders: string[] = [];
    for (const algorithm of ["cdqn", "slateq"]) {
      for (const seed of SEEDS) folders.push(await trainedOnModel(runs, first, { algorithm, seed }));
    }
    const [found] = await compared(runs, [
      ...[...folders, "--shop", "restless", "--test-model", second, "--with", GREEDY, "--optimum", "none"],
    ]);
    if (!found) throw new Error("expected a comparison");
    const own = environmentIn(found, "trained on");
    const other = environmentIn(found, "second model");
    const shop = environmentIn(found, "truth");
    const clicks = (policy: string, environment: string) => clicksOf(found, policy, environment);
    // Greedy on the truth knows what nobody does.
    const names = policiesIn(found).filter((name) => !name.includes("on the truth"));
    const rows = names.map((name) => {
      const real = clicks(name, shop);
      const calibrations = cellsOf(found, name, shop).flatMap(({ calibration }) => calibration ?? []);
      const gain = found.differences.find((one) =>
        one.environment === shop && one.policy === name && one.rival === GREEDY
      )?.difference;
      const range = gain?.interval ? ` (${signedRange(gain.interval)})` : "";
      return [
        ...[name, clicks(name, own).toFixed(2), clicks(name, other).toFixed(2), real.toFixed(2)],
        gain ? `${signed(gain.mean)}${range}` : "",
        ...[own, other].map((model) => `${(100 * (clicks(name, model) / real - 1)).toFixed(0)} %`),
        meanAndSd(calibrations.map(({ predicted }) => predicted)).mean.toFixed(2),
      ];
    });
    return [
      `Clicks of ${
        thousands(found.users)
      } users on ${found.pages} pages of ${found.slate} items; means of ${SEEDS.length} ` +
      `trainings of ${thousands(PAGES)} pages; 95 % over users or over trainings, whichever is wider.`,
      "",
      ...markdownTable(
        [
          ...[
            "policy",
            "its own model",
            "second model",
            "the shop",
            `gain over ${GREEDY} in the shop (95 %)`,
          ],
          ...[
            "own model too high by",
            "second model too high by",
            "own model's clicks of the pages shown in the shop",
          ],
        ],
        rows,
      ),
    ].join("\n");
  },
};
