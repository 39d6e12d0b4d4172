/** A policy that goes on learning with users whom it has never met. */

import * as v from "../../src/schema.ts";
import { markdownTable } from "../../src/run/markers.ts";
import { thousands } from "../../src/thousands.ts";
import { firstModel, trainedOnModel } from "./policies.ts";
import { fixed, meanWithSd, type ResultTable } from "./result_table.ts";

const INTERACTIONS = 1900;
const RUNS = 10;
/** From one row to the next. */
const EVERY = 300;

const adaptedSchema = v.looseObject({
  users: v.wholeNumber(),
  window: v.wholeNumber(),
  curves: v.array(v.looseObject({
    name: v.string(),
    points: v.array(v.looseObject({
      interactions: v.wholeNumber(),
      mean: v.finiteNumber(),
      sd: v.nullable(v.finiteNumber()),
    })),
  })),
  differences: v.array(v.looseObject({
    policy: v.string(),
    rival: v.string(),
    mean: v.finiteNumber(),
    interval: v.nullable(v.tuple([v.finiteNumber(), v.finiteNumber()])),
  })),
});

export const newUsersTable: ResultTable = {
  name: "new-users",
  about: "a policy that goes on learning with users it has never met",
  async make(runs) {
    const policy = await trainedOnModel(runs, await firstModel(runs), { algorithm: "cdqn" });
    const { users, window, curves, differences } = v.parse(
      adaptedSchema,
      await runs.json("policy adapt", [
        ...[policy, "--shop", "restless", "--interactions", String(INTERACTIONS), "--runs", String(RUNS)],
      ]),
    );
    const points = curves[0]?.points ?? [];
    const rows = points.flatMap(({ interactions }, k) =>
      interactions % EVERY === window % EVERY
        ? [[
          thousands(interactions),
          ...curves.map(({ points }) =>
            meanWithSd({ mean: points[k]?.mean ?? NaN, sd: points[k]?.sd ?? NaN })
          ),
        ]]
        : []
    );
    return [
      `Clicks a page over the last ${window} interactions, an interaction being one page of each of ${users} users; mean and ` +
      `sd of ${RUNS} runs.`,
      "",
      ...markdownTable(["interactions", ...curves.map(({ name }) => name)], rows),
      "",
      ...differences.map(({ policy, rival, mean, interval }) => {
        const range = interval ? ` (95 % over runs: ${interval.map((end) => fixed(end)).join(" to ")})` : "";
        return `- ${policy} less ${rival}, over all interactions: ${fixed(mean)}${range}.`;
      }),
    ].join("\n");
  },
};
