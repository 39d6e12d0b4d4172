/** The best held-out likelihood, with what there is against over-fitting, and the same models without it. */

import { meanAndSd } from "../../src/data/mean_sd.ts";
import { pairedDifference } from "../../src/data/paired.ts";
import { markdownTable } from "../../src/run/markers.ts";
import { fixed, meanWithSd, type ResultTable } from "./result_table.ts";
import { figuresOf } from "./trained_models.ts";

const SEEDS = 15;

const settings = [
  {
    data: "yelp",
    model: "PW tanh",
    options: "--encoder pw --pw-nonlinearity tanh",
    against: "--weight-decay 10 --early-stopping loss --patience 300",
  },
  {
    data: "rsc",
    model: "LSTM",
    options: "",
    against:
      "--weight-decay 20 --item-dropout 0.2 --learning-rate 1e-3 --iterations 8000 --early-stopping loss --patience 300",
  },
] as const;

export const likelihoodTable: ResultTable = {
  name: "likelihood",
  about: "the best held-out likelihood on yelp and rsc",
  async make(runs) {
    const rows: string[][] = [];
    for (const { data, model, options, against } of settings) {
      const losses = async (options: string) =>
        (await figuresOf(runs, { data, options, seeds: SEEDS })).map(({ loss }) => loss);
      const best = await losses(`${options} ${against}`);
      const plain = await losses(options);
      const { mean, low, high } = pairedDifference(best, plain);
      rows.push([
        ...[data, model, `\`${[options, against].join(" ").trim()}\``],
        ...[meanWithSd(meanAndSd(best)), meanWithSd(meanAndSd(plain))],
        `${fixed(mean)} (${fixed(low)} to ${fixed(high)})`,
      ]);
    }
    return [
      `Test loss, mean and sd of seeds 1 to ${SEEDS}; the difference with its 95 % interval over the seeds.`,
      "",
      ...markdownTable(["data", "model", "settings", "test loss", "without them", "difference"], rows),
    ].join("\n");
  },
};
