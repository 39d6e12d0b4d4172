/** Makes tables of policies in the restless shop by `policy compare`. Policies train on the shop or on user models. */

import * as v from "../../src/schema.ts";
import { meanAndSd } from "../../src/data/mean_sd.ts";
import { formatSigned, formatSignedRange } from "../../src/metrics/baseline_verdict.ts";
import { formatMarkdownTable } from "../../src/cli/table.ts";
import { formatThousands } from "../../src/number_text.ts";
import { formatFixed, type ResultRuns, type ResultTable } from "./runs.ts";
import type { EnvironmentRole } from "../../src/policy/comparison/comparison.ts";

/** Number of pages on which a policy is trained, unless a table says otherwise. */
const PAGES = 400_000;

/** Options of `train` for the paper's model on the restless shop. The model has no count features. */
const RESTLESS = ["--data", "restless", "--counts", "none", "--no-report"];

/** Returns the folder of the user model on which policies are trained; its log is from the restless shop. */
function firstModel(runs: ResultRuns): Promise<string> {
  return runs.trained("users-a", "train", RESTLESS);
}

/** Returns the folder of a second model, trained on other users of the same items. */
function secondModel(runs: ResultRuns): Promise<string> {
  return runs.trained("users-b", "train", [
    ...[...RESTLESS, "--data-seed", "1", "--data-users-seed", "2", "--seed", "2"],
  ]);
}

function trainedOnModel(
  runs: ResultRuns,
  model: string,
  { algorithm, slate = 3, seed = 1 }: { algorithm: string; slate?: number; seed?: number },
): Promise<string> {
  return runs.trained(`${algorithm}-${slate}-${seed}`, "policy train", [
    ...["--model", model, "--algorithm", algorithm, "--slate", String(slate), "--seed", String(seed)],
    ...["--steps", String(PAGES)],
  ]);
}

const metric = v.looseObject({ mean: v.finiteNumber() });
const comparisonSchema = v.looseObject({
  slate: v.wholeNumber(),
  pages: v.wholeNumber(),
  users: v.wholeNumber(),
  environments: v.array(v.looseObject({
    name: v.string(),
    role: v.picklist(["trained on", "second model", "truth"]),
    optimum: v.optional(v.finiteNumber()),
  })),
  cells: v.array(v.looseObject({
    policy: v.string(),
    seed: v.nullable(v.wholeNumber()),
    environment: v.string(),
    figures: v.looseObject({ return: metric, clickRate: metric }),
    calibration: v.optional(v.looseObject({ predicted: v.finiteNumber() })),
  })),
  differences: v.array(v.looseObject({
    environment: v.string(),
    policy: v.string(),
    rival: v.string(),
    difference: v.looseObject({
      mean: v.finiteNumber(),
      interval: v.nullable(v.tuple([v.finiteNumber(), v.finiteNumber()])),
    }),
  })),
});
type Compared = v.InferOutput<typeof comparisonSchema>;
type Cell = Compared["cells"][number];

/** Runs `policy compare`, and returns a comparison per slate size. @param args - folders of policies, then options */
async function compare(runs: ResultRuns, args: readonly string[]): Promise<Compared[]> {
  return v.parse(v.array(comparisonSchema), await runs.json("policy compare", args));
}

function policiesIn({ cells }: Compared): string[] {
  return [...new Set(cells.map(({ policy }) => policy))];
}

function selectCells({ cells }: Compared, policy: string, environment: string): Cell[] {
  return cells.filter((cell) => cell.policy === policy && cell.environment === environment);
}

function environmentIn({ environments }: Compared, role: EnvironmentRole): string {
  const found = environments.find((each) => each.role === role);
  if (!found) throw new Error(`expected the environment "${role}" in a comparison`);
  return found.name;
}

/** Returns a policy's clicks per user in an environment, averaged over the policy's trainings. */
function computeMeanClicks(comparison: Compared, policy: string, environment: string): number {
  return meanAndSd(selectCells(comparison, policy, environment).map(({ figures }) => figures.return.mean))
    .mean;
}

export const simulatedTable: ResultTable = {
  name: "simulated",
  about: "what simulate prints for a model of the restless shop's users",
  async make(runs) {
    const model = await firstModel(runs);
    const printed = await runs.printed("simulate", ["--model", model, "--policy", "greedy"]);
    return ["```", printed.replaceAll(model, "runs/a").trim(), "```"].join("\n");
  },
};

/** Seeds of the policies that are trained on the shop itself and compared with the computed optimum. */
const TRUTH_SEEDS = [1, 2, 3, 4, 5];
const LONG = 1_000_000;

/** Policies of the table "truth". The key is a part of a policy's folder name. */
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
  about: "policies trained on the restless shop itself, compared with the optimum",
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
      // The optimum is computed only once: it takes seconds, and is the same for all policies.
      const optimum = found.length === 0 ? "fine" : "none";
      const [one] = await compare(runs, [...folders, "--with", "greedy", "--optimum", optimum]);
      if (one) found.push({ name, steps, compared: one });
    }
    const [first] = found;
    const best = first?.compared.environments[0]?.optimum;
    if (!first || best === undefined) throw new Error("expected a comparison with its optimum");
    const share = (clicks: number) => `${(100 * clicks / best).toFixed(1)} %`;
    const greedy = computeMeanClicks(first.compared, "greedy", environmentIn(first.compared, "truth"));
    const rows = found.map(({ name, steps, compared: { cells } }) => {
      const learned = cells.filter(({ seed }) => seed !== null);
      const returns = learned.map(({ figures }) => figures.return.mean);
      const { mean } = meanAndSd(returns);
      const [least, most] = [Math.min(...returns), Math.max(...returns)];
      return [
        ...[name, formatThousands(steps)],
        `${mean.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})`,
        share(mean),
      ];
    });
    const { slate, pages, users } = first.compared;
    return [
      `The table has clicks per user of ${
        formatThousands(users)
      } new users of the restless shop, on ${pages} pages of ${slate} items. ` +
      `Each trained policy has ${TRUTH_SEEDS.length} trainings (seeds ${TRUTH_SEEDS[0]} to ` +
      `${TRUTH_SEEDS.at(-1)}) with default options, except for the options in its row.`,
      "",
      ...formatMarkdownTable(
        ["policy", "pages trained", "clicks, mean (least to most)", "share of the optimum"],
        [
          ["optimum's policy", "-", best.toFixed(2), "100 %"],
          ...rows,
          ["greedy", "-", greedy.toFixed(2), share(greedy)],
        ],
      ),
    ].join("\n");
  },
};

const ROLES = [
  ["trained on", "its own model"],
  ["second model", "second model"],
  ["truth", "the shop"],
] as const;

export const slatesTable: ResultTable = {
  name: "slates",
  about: "policies for slates of 3 and of 5 items, trained on a model of the restless shop's users",
  async make(runs) {
    const [first, second] = await Promise.all([firstModel(runs), secondModel(runs)]);
    const folders = await Promise.all(
      [3, 5].flatMap((slate) =>
        ["slateq", "cdqn"].map((algorithm) => trainedOnModel(runs, first, { algorithm, slate }))
      ),
    );
    const found = await compare(runs, [
      ...[...folders, "--shop", "restless", "--test-model", second, "--with", "greedy,popular,random"],
    ]);
    const columns = ROLES.flatMap(([role, name]) => found.map((one) => ({ role, name, one })));
    const rate = (policy: string, { role, one }: typeof columns[number]) => {
      const cells = selectCells(one, policy, environmentIn(one, role));
      return cells.length === 0
        ? ""
        : formatFixed(meanAndSd(cells.map(({ figures }) => figures.clickRate.mean)).mean);
    };
    const names = [...new Set(found.flatMap(policiesIn))];
    const [one] = found;
    if (!one) throw new Error("expected a comparison");
    return [
      `The table has clicks per page of ${formatThousands(one.users)} users on ${one.pages} pages. ` +
      `Each trained policy had one training of ${formatThousands(PAGES)} pages.`,
      "",
      ...formatMarkdownTable(
        ["policy", ...columns.map(({ name, one: { slate } }) => `${name}, k = ${slate}`)],
        names.map((name) => [name, ...columns.map((column) => rate(name, column))]),
      ),
    ].join("\n");
  },
};

/** Seeds of policies whose clicks in three simulators are compared: their own model, a second model, the shop. */
const SECOND_SEEDS = [1, 2, 3];
const GREEDY = "greedy";

export const secondModelTable: ResultTable = {
  name: "second-model",
  about: "a policy's clicks in the model it was trained on, a second model and the shop",
  async make(runs) {
    const [first, second] = await Promise.all([firstModel(runs), secondModel(runs)]);
    const folders = await Promise.all(
      ["cdqn", "slateq"].flatMap((algorithm) =>
        SECOND_SEEDS.map((seed) => trainedOnModel(runs, first, { algorithm, seed }))
      ),
    );
    const [found] = await compare(runs, [
      ...[...folders, "--shop", "restless", "--test-model", second, "--with", GREEDY, "--optimum", "none"],
    ]);
    if (!found) throw new Error("expected a comparison");
    const own = environmentIn(found, "trained on");
    const other = environmentIn(found, "second model");
    const shop = environmentIn(found, "truth");
    const clicks = (policy: string, environment: string) => computeMeanClicks(found, policy, environment);
    // The policy that is greedy on the truth is left out, because it uses information that no model has.
    const names = policiesIn(found).filter((name) => !name.includes("on the truth"));
    const rows = names.map((name) => {
      const real = clicks(name, shop);
      const calibrations = selectCells(found, name, shop).flatMap(({ calibration }) => calibration ?? []);
      const gain = found.differences.find((one) =>
        one.environment === shop && one.policy === name && one.rival === GREEDY
      )?.difference;
      const range = gain?.interval ? ` (${formatSignedRange(gain.interval)})` : "";
      return [
        ...[name, clicks(name, own).toFixed(2), clicks(name, other).toFixed(2), real.toFixed(2)],
        gain ? `${formatSigned(gain.mean)}${range}` : "",
        ...[own, other].map((model) => `${(100 * (clicks(name, model) / real - 1)).toFixed(0)} %`),
        meanAndSd(calibrations.map(({ predicted }) => predicted)).mean.toFixed(2),
      ];
    });
    return [
      `The table has clicks per user of ${
        formatThousands(found.users)
      } users on ${found.pages} pages of ${found.slate} items. ` +
      `Each trained policy has ${SECOND_SEEDS.length} trainings of ${
        formatThousands(PAGES)
      } pages. The 95 % interval is over users or over trainings, whichever is wider.`,
      "",
      ...formatMarkdownTable(
        [
          ...[
            "policy",
            "its own model",
            "second model",
            "the shop",
            `gain over ${GREEDY} in the shop (95 %)`,
          ],
          ...["own model's bias", "second model's bias", "own model's clicks on the pages shown in the shop"],
        ],
        rows,
      ),
    ].join("\n");
  },
};
