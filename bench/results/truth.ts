/** How near policies come to the optimum that is computed, trained on the shop itself. */

import { markdownTable } from "../../src/run/markers.ts";
import { thousands } from "../../src/thousands.ts";
import { meanAndSd } from "../../src/data/mean_sd.ts";
import { clicksOf, type Compared, compared, environmentIn } from "./compared.ts";
import { PAGES } from "./policies.ts";
import type { ResultTable } from "./result_table.ts";

const SEEDS = [1, 2, 3, 4, 5];
/** Pages of those that learn for longer. */
const LONG = 1_000_000;

/** The key is a part of the folder's name. */
const policies: readonly { key: string; name: string; options: string; steps: number }[] = [
  { key: "gdqn-long", name: "GDQN", options: "--algorithm gdqn", steps: LONG },
  { key: "slateq", name: "SlateQ", options: "--algorithm slateq", steps: PAGES },
  { key: "cdqn-long", name: "CDQN", options: "--algorithm cdqn", steps: LONG },
  { key: "cdqn", name: "CDQN", options: "--algorithm cdqn", steps: PAGES },
  {
    key: "cdqn-chained",
    name: "CDQN, `--target chained`",
    options: "--algorithm cdqn --target chained",
    steps: PAGES,
  },
  {
    key: "cdqn-published",
    name: "CDQN as published, `--target-every 1 --no-double-q`",
    options: "--algorithm cdqn --target-every 1 --no-double-q",
    steps: PAGES,
  },
];

export const truthTable: ResultTable = {
  name: "truth",
  about: "policies trained on the restless shop itself, beside the optimum",
  async make(runs) {
    const found: { name: string; steps: number; compared: Compared }[] = [];
    for (const { key, name, options, steps } of policies) {
      const folders: string[] = [];
      for (const seed of SEEDS) {
        folders.push(
          await runs.trained(`truth-${key}-${seed}`, "policy train", [
            ...["--shop", "restless", "--truth", ...options.split(" "), "--seed", String(seed)],
            ...["--steps", String(steps)],
          ]),
        );
      }
      // The optimum takes seconds, and is the same for all.
      const optimum = found.length === 0 ? "fine" : "none";
      const [one] = await compared(runs, [...folders, "--with", "greedy", "--optimum", optimum]);
      if (one) found.push({ name, steps, compared: one });
    }
    const [first] = found;
    const best = first?.compared.environments[0]?.optimum;
    if (!first || best === undefined) throw new Error("expected a comparison with its optimum");
    const share = (clicks: number) => `${(100 * clicks / best).toFixed(1)} %`;
    const greedy = clicksOf(first.compared, "greedy", environmentIn(first.compared, "truth"));
    const rows = found.map(({ name, steps, compared: { cells } }) => {
      const learned = cells.filter(({ seed }) => seed !== null);
      const returns = learned.map(({ figures }) => figures.return.mean);
      const { mean } = meanAndSd(returns);
      const [least, most] = [Math.min(...returns), Math.max(...returns)];
      return [
        ...[name, thousands(steps)],
        `${mean.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})`,
        share(mean),
      ];
    });
    const { slate, pages, users } = first.compared;
    return [
      `Clicks of ${
        thousands(users)
      } new users of the restless shop, ${slate} items on each of ${pages} pages; ` +
      `${SEEDS.length} trainings each, seeds ${SEEDS[0]} to ${
        SEEDS.at(-1)
      }, with the defaults but for what is named.`,
      "",
      ...markdownTable(
        ["policy", "pages trained", "clicks, mean (least to most)", "of the optimum's"],
        [
          ["optimum's policy", "-", best.toFixed(2), "100 %"],
          ...rows,
          ["greedy", "-", greedy.toFixed(2), share(greedy)],
        ],
      ),
    ].join("\n");
  },
};
