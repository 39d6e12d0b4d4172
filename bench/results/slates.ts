/** Slates of two sizes: policies on their own users, on others, and on those of the shop. */

import { markdownTable } from "../../src/run/markers.ts";
import { thousands } from "../../src/thousands.ts";
import { meanAndSd } from "../../src/data/mean_sd.ts";
import { cellsOf, compared, environmentIn, policiesIn } from "./compared.ts";
import { firstModel, PAGES, secondModel, trainedOnModel } from "./policies.ts";
import { fixed, type ResultTable } from "./result_table.ts";

const ROLES = [["trained on", "its own model"], ["second model", "second model"], [
  "truth",
  "the shop",
]] as const;

export const slatesTable: ResultTable = {
  name: "slates",
  about: "policies for slates of 3 and of 5, trained on a model of the restless shop's users",
  async make(runs) {
    const first = await firstModel(runs);
    const second = await secondModel(runs);
    const folders: string[] = [];
    for (const slate of [3, 5]) {
      for (const algorithm of ["slateq", "cdqn"]) {
        folders.push(await trainedOnModel(runs, first, { algorithm, slate }));
      }
    }
    const found = await compared(runs, [
      ...[...folders, "--shop", "restless", "--test-model", second, "--with", "greedy,popular,random"],
    ]);
    const columns = ROLES.flatMap(([role, name]) => found.map((one) => ({ role, name, one })));
    const rate = (policy: string, { role, one }: typeof columns[number]) => {
      const cells = cellsOf(one, policy, environmentIn(one, role));
      return cells.length === 0
        ? ""
        : fixed(meanAndSd(cells.map(({ figures }) => figures.clickRate.mean)).mean);
    };
    const names = [...new Set(found.flatMap(policiesIn))];
    const [one] = found;
    if (!one) throw new Error("expected a comparison");
    return [
      `Clicks a page, ${one.pages} pages of ${thousands(one.users)} users; one training each, of ${
        thousands(PAGES)
      } pages.`,
      "",
      ...markdownTable(
        ["policy", ...columns.map(({ name, one: { slate } }) => `${name}, k = ${slate}`)],
        names.map((name) => [name, ...columns.map((column) => rate(name, column))]),
      ),
    ].join("\n");
  },
};
