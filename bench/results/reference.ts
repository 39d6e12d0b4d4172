/** Test figures beside those of an independent PyTorch implementation of the same formulas. */

import { meanAndSd } from "../../src/data/mean_sd.ts";
import { markdownTable } from "../../src/run/markers.ts";
import { meanWithSd, type ResultTable } from "./result_table.ts";
import { figuresOf } from "./trained_models.ts";

const SEEDS = 5;

/** Mean and sd over its seeds. */
interface Reference {
  readonly seeds: number;
  readonly loss: readonly [number, number];
  readonly prec1: readonly [number, number];
  readonly prec2: readonly [number, number];
}

const of = (
  seeds: number,
  loss: readonly [number, number],
  prec1: readonly [number, number],
  prec2: readonly [number, number],
): Reference => ({ seeds, loss, prec1, prec2 });

const models: readonly { name: string; options: string; yelp: Reference; rsc: Reference }[] = [
  {
    ...{ name: "LSTM 64-64", options: "" },
    yelp: of(5, [0.8747, 0.0161], [0.7332, 0.0112], [0.8709, 0.0064]),
    rsc: of(5, [0.9761, 0.0087], [0.5513, 0.0039], [0.7785, 0.0054]),
  },
  {
    ...{ name: "LSTM 32-64-32", options: "--dims 32-64-32" },
    yelp: of(3, [0.8675, 0.0098], [0.7475, 0.0130], [0.8719, 0.0083]),
    rsc: of(3, [0.9655, 0.0152], [0.5517, 0.0206], [0.7803, 0.0065]),
  },
  {
    ...{ name: "LSTM 64-64, batch norm", options: "--batch-norm" },
    yelp: of(3, [1.0678, 0.0095], [0.7521, 0.0175], [0.8398, 0.0040]),
    rsc: of(3, [1.0904, 0.0342], [0.5632, 0.0365], [0.7789, 0.0153]),
  },
  {
    ...{ name: "PW 64-64", options: "--encoder pw" },
    yelp: of(5, [0.8525, 0.0062], [0.7378, 0.0088], [0.8673, 0.0116]),
    rsc: of(5, [0.9619, 0.0035], [0.5298, 0.0124], [0.7538, 0.0083]),
  },
  {
    ...{ name: "PW tanh 64-64", options: "--encoder pw --pw-nonlinearity tanh" },
    yelp: of(3, [0.7910, 0.0039], [0.7429, 0.0048], [0.8780, 0.0053]),
    rsc: of(3, [0.9145, 0.0011], [0.5118, 0.0104], [0.7512, 0.0084]),
  },
];

export const referenceTable: ResultTable = {
  name: "reference",
  about: "models on yelp and rsc, beside another implementation's figures",
  async make(runs) {
    const rows: string[][] = [];
    for (const data of ["yelp", "rsc"] as const) {
      for (const { name, options, ...references } of models) {
        const ours = await figuresOf(runs, { data, options, seeds: SEEDS });
        const reference = references[data];
        rows.push([
          ...[data, name],
          ...(["loss", "prec1", "prec2"] as const).flatMap((figure) => {
            const [mean, sd] = reference[figure];
            return [meanWithSd({ mean, sd }), meanWithSd(meanAndSd(ours.map((one) => one[figure])))];
          }),
        ]);
      }
    }
    const few = Math.min(...models.flatMap(({ yelp, rsc }) => [yelp.seeds, rsc.seeds]));
    const many = Math.max(...models.flatMap(({ yelp, rsc }) => [yelp.seeds, rsc.seeds]));
    return [
      `Test users, mean and sd: of ${few} or ${many} seeds of the reference, of ${SEEDS} of ours.`,
      "",
      ...markdownTable(
        [
          "data",
          "model",
          "loss: reference",
          "ours",
          "prec@1: reference",
          "ours",
          "prec@2: reference",
          "ours",
        ],
        rows,
      ),
    ].join("\n");
  },
};
