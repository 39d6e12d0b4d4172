/** Kinds of models beside the simple ones, on a small log and on a made-up shop. */

import { meanAndSd } from "../../src/data/mean_sd.ts";
import { markdownTable } from "../../src/run/markers.ts";
import { fixed, meanWithSd, type ResultTable } from "./result_table.ts";
import type { TestFigures } from "./test_figures.ts";
import { figuresOf } from "./trained_models.ts";

const SEEDS = 3;
/** Of models that are linear in what they learn of an item. */
const HIGH_RATE = "--learning-rate 0.01";

/** The options that make each model. */
const models: readonly { name: string; options: string; highRate?: true }[] = [
  { name: "conditional logit", options: "--encoder none --dims none", highRate: true },
  { name: "no history", options: "--encoder none" },
  { name: "wide alone", options: "--encoder none --dims none --wide", highRate: true },
  { name: "LSTM", options: "" },
  { name: "position weights", options: "--encoder pw" },
  { name: "wide & deep", options: "--encoder pw --wide" },
  { name: "wide & deep, logistic", options: "--encoder pw --wide --loss logistic" },
  { name: "with counts, the default", options: "--counts all" },
];

const DATA = ["yelp", "demo"] as const;

export const modelsTable: ResultTable = {
  name: "models",
  about: "kinds of models beside the simple ones, on yelp and the demo shop",
  async make(runs) {
    const rows: string[][] = [];
    /** Of any model: these are the baselines' and the users'. */
    const known: TestFigures[] = [];
    for (const { name, options, highRate } of models) {
      const row = [name, options === "" ? "" : `\`${options}\``];
      for (const [k, data] of DATA.entries()) {
        const trained = highRate ? `${options} ${HIGH_RATE}` : options;
        const seeds = await figuresOf(runs, { data, options: trained, seeds: SEEDS });
        row.push(
          ...(["loss", "prec1"] as const).map((of) => meanWithSd(meanAndSd(seeds.map((one) => one[of])))),
        );
        if (seeds[0]) known[k] ??= seeds[0];
      }
      rows.push(row);
    }
    const clickRate = known.flatMap(({ clickRate: { loss, prec1 } }) => [fixed(loss), fixed(prec1)]);
    const [yelp, demo] = known.map(({ sampling }) => fixed(sampling));
    const fast = models.filter(({ highRate }) => highRate).map(({ name }) => name);
    return [
      `Test users: loss of best-loss, prec@1 of best-prec1; mean and sd of ${SEEDS} seeds, by the defaults of \`train\` (${
        fast.join(" and ")
      }: with \`${HIGH_RATE}\`).`,
      "",
      ...markdownTable(
        ["model", "options", ...DATA.flatMap((data) => [`${data} loss`, `${data} prec@1`])],
        [["click rate", "", ...clickRate], ...rows],
      ),
      "",
      `Other test users would change a prec@1 by some ${yelp} on yelp and ${demo} on the demo shop (half the range of 95 % of ` +
      "their resamples).",
    ].join("\n");
  },
};
