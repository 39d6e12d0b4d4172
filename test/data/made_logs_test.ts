/** The made-up logs from their raw files to a trained model, with the defaults of `data` and a quick training. */

import assert from "node:assert/strict";
import * as v from "../../src/schema.ts";
import { impressions } from "../../src/data/prepare/impressions.ts";
import { logRecipe } from "../../src/data/prepare/log.ts";
import { words } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";
import {
  bestFigures,
  logFiles,
  madeFilms,
  type MadeLog,
  madeNews,
  madeShop,
  mindFiles,
} from "./made_logs.ts";
import { defaults, folderWith, prepareIn } from "../prepared_folder.ts";

const figures = v.looseObject({ nll: v.finiteNumber(), prec1: v.finiteNumber() });
const resultSchema = v.looseObject({
  test: v.array(figures),
  baselines: v.looseObject({ random: figures }),
});

const logs: readonly [name: string, log: MadeLog][] = [
  ["news", madeNews(1, { users: 400 })],
  ["films", madeFilms(1, { users: 50, events: 20, items: 100 })],
  ["shop", madeShop(1, { users: 300 })],
];

const runs = await folderWith();
const trainings = new CommandSeries("train", logs.map(([name]) => ["--save-dir", `${runs}/${name}`]));
Deno.test.afterAll(() => trainings[Symbol.asyncDispose]());

for (const [name, log] of logs) {
  Deno.test(`made logs: ${name} as it comes is learned from`, async () => {
    const folder = await folderWith(name === "news" ? mindFiles(log) : logFiles(log));
    const columns = { user: "user", item: "item", time: "time", clicked: "clicked", page: "page" };
    const recipe = name === "news"
      ? impressions({ ...defaults, layout: "mind", source: folder })
      : logRecipe({ ...columns, source: `${folder}/log.csv`, features: `${folder}/items.csv` });
    const shares = { train: 0.7, validation: 0.15 };
    const { folder: set } = await prepareIn(folder, recipe, { shares });
    const small = "--dims 8 --lstm-units 4 --iterations 80 --learning-rate 3e-3 --batch-size 30 --no-report";
    await trainings.ok(["--data", set, "--save-dir", `${runs}/${name}`, ...words(small)]);
    const { test: [best], baselines: { random } } = v.parse(
      resultSchema,
      JSON.parse(await Deno.readTextFile(`${runs}/${name}/result.json`)),
    );
    assert.ok(best);
    // A part of the way from a uniform guess to the truth, which a scale that is wrong does not let it go.
    const truth = bestFigures(log.rows);
    const way = (from: number, found: number, to: number) => (found - from) / (to - from);
    assert.ok(way(random.nll, best.nll, truth.loss) > 0.1, `loss ${best.nll} of ${truth.loss}`);
    assert.ok(way(random.prec1, best.prec1, truth.prec1) > 0.1, `prec@1 ${best.prec1} of ${truth.prec1}`);
  });
}
