/** The made-up logs from their raw files to a trained model, with the defaults of `data` and a quick training. */

import assert from "node:assert/strict";
import { z } from "zod";
import { recipeOf } from "../src/cli/data_impressions.ts";
import { logRecipe } from "../src/prepare/log.ts";
import { runCommand } from "./command_check.ts";
import {
  bestFigures,
  logFiles,
  madeFilms,
  type MadeLog,
  madeNews,
  madeShop,
  mindFiles,
} from "./made_logs.ts";
import { defaults, prepareIn, withFolder } from "./prepared_folder.ts";

const figures = z.looseObject({ nll: z.number(), prec1: z.number() });
const resultSchema = z.looseObject({
  test: z.array(figures),
  baselines: z.looseObject({ random: figures }),
});

const logs: readonly [name: string, log: MadeLog][] = [
  ["news", madeNews(1, { users: 400 })],
  ["films", madeFilms(1, { users: 50, events: 20, items: 100 })],
  ["shop", madeShop(1, { users: 300 })],
];

for (const [name, log] of logs) {
  Deno.test(`made logs: ${name} as it comes is learned from`, async () => {
    await withFolder(name === "news" ? mindFiles(log) : logFiles(log), async (folder) => {
      const columns = { user: "user", item: "item", time: "time", clicked: "clicked", page: "page" };
      const recipe = name === "news"
        ? recipeOf({ ...defaults, out: "", layout: "mind", source: folder })
        : logRecipe({ ...columns, source: `${folder}/log.csv`, features: `${folder}/items.csv` });
      const shares = { train: 0.7, validation: 0.15 };
      const { folder: set } = await prepareIn(folder, recipe, { shares });
      const options = ["--iterations", "80", "--learning-rate", "3e-3", "--batch-size", "30", "--no-report"];
      const run = await runCommand("train", "--data", set, "--save-dir", `${folder}/run`, ...options);
      assert.equal(run.code, 0, run.stderr);
      const { test: [best], baselines: { random } } = resultSchema.parse(
        JSON.parse(await Deno.readTextFile(`${folder}/run/result.json`)),
      );
      assert.ok(best);
      // A part of the way from a uniform guess to the truth, which a scale that is wrong does not let it go.
      const truth = bestFigures(log.rows);
      const way = (from: number, found: number, to: number) => (found - from) / (to - from);
      assert.ok(way(random.nll, best.nll, truth.loss) > 0.1, `loss ${best.nll} of ${truth.loss}`);
      assert.ok(way(random.prec1, best.prec1, truth.prec1) > 0.1, `prec@1 ${best.prec1} of ${truth.prec1}`);
    });
  });
}
