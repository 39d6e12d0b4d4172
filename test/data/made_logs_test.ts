/** The made-up logs from their raw files to a trained model and a search, with the defaults of `data` and a quick training. */

import assert from "node:assert/strict";
import * as v from "../../src/schema.ts";
import { impressions } from "../../src/data/prepare/impressions.ts";
import { logRecipe } from "../../src/data/prepare/log.ts";
import { runCommandWith } from "../command_check.ts";
import { AS_USERS_HAVE_IT } from "../driver_settings.ts";
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

for (const [name, log] of logs) {
  Deno.test(`made logs: ${name} as it comes is learned from`, async () => {
    const folder = await folderWith(name === "news" ? mindFiles(log) : logFiles(log));
    const columns = { user: "user", item: "item", time: "time", clicked: "clicked", page: "page" };
    const recipe = name === "news"
      ? impressions({ ...defaults, layout: "mind", source: folder })
      : logRecipe({ ...columns, source: `${folder}/log.csv`, features: `${folder}/items.csv` });
    const shares = { train: 0.7, validation: 0.15 };
    const { folder: set } = await prepareIn(folder, recipe, { shares });
    const options = ["--iterations", "80", "--learning-rate", "3e-3", "--batch-size", "30", "--no-report"];
    const run = await runCommandWith(
      AS_USERS_HAVE_IT,
      "train",
      "--data",
      set,
      "--save-dir",
      `${folder}/run`,
      ...options,
    );
    assert.equal(run.code, 0, run.stderr);
    const { test: [best], baselines: { random } } = v.parse(
      resultSchema,
      JSON.parse(await Deno.readTextFile(`${folder}/run/result.json`)),
    );
    assert.ok(best);
    // A part of the way from a uniform guess to the truth, which a scale that is wrong does not let it go.
    const truth = bestFigures(log.rows);
    const way = (from: number, found: number, to: number) => (found - from) / (to - from);
    assert.ok(way(random.nll, best.nll, truth.loss) > 0.1, `loss ${best.nll} of ${truth.loss}`);
    assert.ok(way(random.prec1, best.prec1, truth.prec1) > 0.1, `prec@1 ${best.prec1} of ${truth.prec1}`);
    await searchOn(set, `${folder}/search`);
  });
}

const besideSchema = v.looseObject({
  difference: v.finiteNumber(),
  interval: v.nullable(v.tuple([v.finiteNumber(), v.finiteNumber()])),
  is: v.picklist(["better", "worse", "not told apart"]),
});
const comparisonSchema = v.looseObject({
  snapshot: v.string(),
  value: v.finiteNumber(),
  rivals: v.array(v.looseObject({ ...besideSchema.entries, name: v.string(), value: v.finiteNumber() })),
});
const searchSchema = v.looseObject({
  verdict: v.looseObject({
    ...comparisonSchema.entries,
    loss: comparisonSchema,
    usual: v.optional(v.looseObject({ prec1: besideSchema, nll: besideSchema })),
  }),
  winner: v.finiteNumber(),
  words: v.array(v.string()),
  test: v.array(v.looseObject({ ...figures.entries, snapshot: v.string() })),
  baselines: v.record(v.string(), v.nullable(figures)),
});

/** Five settings that differ in their dropout: what is said of the best one is what its figures say. */
async function searchOn(set: string, path: string): Promise<void> {
  const run = await runCommandWith(
    AS_USERS_HAVE_IT,
    "tune",
    ...["--data", set, "--save-dir", path, "--budget", "20", "--iterations", "60", "--batch-size", "30"],
    ..."--encoder none --dims none --wide 0 --learning-rate 3e-3 --weight-decay 0".split(" "),
  );
  assert.equal(run.code, 0, run.stderr);
  const result = v.parse(searchSchema, JSON.parse(await Deno.readTextFile(`${path}/result.json`)));
  const { verdict, words, test, baselines, winner } = result;
  const text = words.join("\n");
  for (const line of words) assert.ok(run.stdout.includes(line), line);
  const best = test.find(({ snapshot }) => snapshot === "best: best-loss");
  assert.ok(best);
  const said: readonly [typeof verdict.loss, "prec1" | "nll", RegExp, RegExp][] = [
    [verdict, "prec1", /ranks better than every baseline/, /^NO SETTING BEATS EVERY BASELINE/m],
    [
      verdict.loss,
      "nll",
      /^Its loss .* is better than every baseline/m,
      /By its probabilities NO SETTING BEATS/,
    ],
  ];
  for (const [{ value, rivals }, figure, all, none] of said) {
    assert.equal(value, best[figure]);
    assert.ok(rivals.length >= 4);
    const known = Object.values(baselines).map((baseline) => baseline?.[figure]);
    for (const rival of rivals) {
      assert.ok(known.some((other) => Math.abs((other ?? NaN) - rival.value) < 1e-6), rival.name);
      expectBeside(rival, value - rival.value, figure);
    }
    const isBeaten = rivals.every(({ is }) => is === "better");
    assert.match(text, isBeaten ? all : none);
    assert.doesNotMatch(text, isBeaten ? none : all);
    // Each that is not beaten is named, with what it is.
    const after = text.split(none)[1]?.split("\n") ?? [];
    for (const { is, name } of rivals) {
      const says = is === "worse" ? " WORSE than " : " neither better nor worse than ";
      if (is !== "better") {
        assert.ok(after.some((line) => line.includes(says) && line.includes(name)), `${name}: ${text}`);
      }
    }
  }
  assert.equal(verdict.usual === undefined, winner === 0);
  if (!verdict.usual) return;
  assert.match(
    text,
    /minus the default, on the same test users: prec@1 [^;]*: (better|worse|not told apart); loss/,
  );
  const usual = test.find(({ snapshot }) => snapshot === "default: best-loss");
  for (const figure of ["prec1", "nll"] as const) {
    expectBeside(verdict.usual[figure], best[figure] - (usual?.[figure] ?? NaN), figure);
  }
}

function expectBeside(
  { difference, interval, is }: v.InferOutput<typeof besideSchema>,
  value: number,
  figure: string,
) {
  assert.ok(Math.abs(difference - value) < 1e-5, `${figure}: ${difference}, ${value}`);
  const [low, high] = interval ?? assert.fail("users enough for a range");
  assert.ok(low <= difference && difference <= high);
  const [isAbove, isBelow] = figure === "nll" ? [high < 0, low > 0] : [low > 0, high < 0];
  assert.equal(is, isAbove ? "better" : isBelow ? "worse" : "not told apart");
}
