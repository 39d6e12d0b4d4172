/** Tables of policies for the restless shop. */

import { meanAndSd } from "../../src/data/mean_sd.ts";
import { signed, signedRange } from "../../src/figures/told.ts";
import { markdownTable } from "../../src/run/markers.ts";
import { thousands } from "../../src/number_text.ts";
import {
  cellsOf,
  clicksOf,
  type Compared,
  compared,
  environmentIn,
  firstModel,
  PAGES,
  policiesIn,
  secondModel,
  trainedOnModel,
} from "./policies.ts";
import { fixed, type ResultTable } from "./runs.ts";

/** What `simulate` prints of a model's users. */
export const simulatedTable: ResultTable = {
  name: "simulated",
  about: "what simulate prints of a model of the restless shop's users",
  async make(runs) {
    const model = await firstModel(runs);
    const printed = await runs.printed("simulate", ["--model", model, "--policy", "greedy"]);
    return ["```", printed.replaceAll(model, "runs/a").trim(), "```"].join("\n");
  },
};

/** How near policies come to the optimum that is computed, trained on the shop itself. */
const TRUTH_SEEDS = [1, 2, 3, 4, 5];
/** Pages of those that learn for longer. */
const LONG = 1_000_000;

/** The key is a part of the folder's name. */
const policies: readonly { key: string; name: string; options: string; steps: number }[] = [
  { key: "gdqn-long", name: "GDQN", options: "--algorithm gdqn", steps: LONG },
  { key: "slateq", name: "SlateQ", options: "--algorithm slateq", steps: PAGES },
  { key: "cdqn-long", name: "CDQN", options: "--algorithm cdqn", steps: LONG },
  { key: "cdqn", name: "CDQN", options: "--algorithm cdqn", steps: PAGES },
  {
    ...{ key: "cdqn-chained", name: "CDQN, `--target chained`", steps: PAGES },
    options: "--algorithm cdqn --target chained",
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
      const folders = await Promise.all(
        TRUTH_SEEDS.map((seed) =>
          runs.trained(`truth-${key}-${seed}`, "policy train", [
            ...["--shop", "restless", "--truth", ...options.split(" "), "--seed", String(seed)],
            ...["--steps", String(steps)],
          ])
        ),
      );
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
      `Clicks of ${thousands(users)} new users of the restless shop, ${slate} items on each of ${pages} ` +
      `pages; ${TRUTH_SEEDS.length} trainings each, seeds ${TRUTH_SEEDS[0]} to ${TRUTH_SEEDS.at(-1)}, ` +
      "with the defaults but for what is named.",
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

/** Slates of two sizes: policies on their own users, on others, and on those of the shop. */
const ROLES = [
  ["trained on", "its own model"],
  ["second model", "second model"],
  ["truth", "the shop"],
] as const;

export const slatesTable: ResultTable = {
  name: "slates",
  about: "policies for slates of 3 and of 5, trained on a model of the restless shop's users",
  async make(runs) {
    const [first, second] = await Promise.all([firstModel(runs), secondModel(runs)]);
    const folders = await Promise.all(
      [3, 5].flatMap((slate) =>
        ["slateq", "cdqn"].map((algorithm) => trainedOnModel(runs, first, { algorithm, slate }))
      ),
    );
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
      `Clicks a page, ${one.pages} pages of ${thousands(one.users)} users; one training each, of ` +
      `${thousands(PAGES)} pages.`,
      "",
      ...markdownTable(
        ["policy", ...columns.map(({ name, one: { slate } }) => `${name}, k = ${slate}`)],
        names.map((name) => [name, ...columns.map((column) => rate(name, column))]),
      ),
    ].join("\n");
  },
};

/** What a policy is worth in its own model, in a second one and in the shop: how far a model's promise is too high. */
const SECOND_SEEDS = [1, 2, 3];
const GREEDY = "greedy";

export const secondModelTable: ResultTable = {
  name: "second-model",
  about: "what two models of users promise of a policy, and what the shop gives",
  async make(runs) {
    const [first, second] = await Promise.all([firstModel(runs), secondModel(runs)]);
    const folders = await Promise.all(
      ["cdqn", "slateq"].flatMap((algorithm) =>
        SECOND_SEEDS.map((seed) => trainedOnModel(runs, first, { algorithm, seed }))
      ),
    );
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
      `Clicks of ${thousands(found.users)} users on ${found.pages} pages of ${found.slate} items; means of ` +
      `${SECOND_SEEDS.length} trainings of ${thousands(PAGES)} pages; 95 % over users or over trainings, ` +
      "whichever is wider.",
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
          ...["own model too high by", "second model too high by"],
          "own model's clicks of the pages shown in the shop",
        ],
        rows,
      ),
    ].join("\n");
  },
};
