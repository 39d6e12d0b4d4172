/** `deno task bench truth`: compares policies with the computed optimum in the synthetic shops; see truth.md. */

import { type Command, Option } from "commander";
import { LARGEST_SEED, parseWholeNumber } from "../src/cli/command_options.ts";
import { drawShopItems } from "../src/data/demo_shop.ts";
import { meanAndSd } from "../src/data/mean_sd.ts";
import { demo, restless, type ShopState, type ShopTruth } from "../src/data/shops.ts";
import { createOptimalPolicy, ShopPlan, usualPoints } from "../src/simulate/host/exact_shop.ts";
import {
  createHostGreedyPolicy,
  createRandomPolicy,
  type HostPolicy,
  simulateOnHost,
} from "../src/simulate/host/host_simulator.ts";
import {
  createOnlyOption,
  createReadmeOption,
  createStudy,
  printTable,
  selectMatching,
  StudyPage,
} from "./study.ts";

const MARKERS = "bench truth";

interface Options {
  users: number;
  seed: number;
  dataSeed: number;
  points: "fine" | "coarse";
  only: RegExp;
  readme?: string;
}

interface Case {
  readonly name: string;
  readonly shop: ShopTruth;
  readonly slate: number;
  readonly pages: number;
  readonly reward: "click" | "utility";
  readonly leave?: number;
  readonly randomPool?: number;
}

const usual = { slate: 3, pages: 20, reward: "click" } as const;

const cases: readonly Case[] = [
  { ...usual, name: "demo", shop: demo },
  { ...usual, name: "demo, k = 5", shop: demo, slate: 5 },
  { ...usual, name: "demo, k = 10", shop: demo, slate: 10 },
  { ...usual, name: "demo, pool of 20", shop: demo, randomPool: 20 },
  { ...usual, name: "demo, reward u", shop: demo, reward: "utility" },
  { ...usual, name: "demo, reward u, k = 5", shop: demo, reward: "utility", slate: 5 },
  { ...usual, name: "demo, constant lowered by 4", shop: { ...demo, constant: demo.constant - 4 } },
  { ...usual, name: "restless", shop: restless },
  { ...usual, name: "restless, k = 5", shop: restless, slate: 5 },
  { ...usual, name: "restless, k = 10", shop: restless, slate: 10 },
  { ...usual, name: "restless, T = 50", shop: restless, pages: 50 },
  { ...usual, name: "restless, pool of 50", shop: restless, randomPool: 50 },
  { ...usual, name: "restless, leave .2", shop: restless, leave: 0.2 },
  { ...usual, name: "restless, fatigue 1.25", shop: { ...restless, fatigue: 1.25 } },
  { ...usual, name: "restless, fatigue 1.0", shop: { ...restless, fatigue: 1 } },
];

const HEAD = [
  "shop",
  "random",
  "greedy",
  "optimum's policy",
  "above greedy",
  "bound",
  "users that gain / lose",
];

export function createCommand(): Command {
  const own = createStudy(
    "truth",
    "Simulates users of the synthetic shops under three policies: random slates, the best slate of each " +
      "page, and the optimal slates for the whole episode.",
  )
    .option("--users <n>", "users per policy", parseWholeNumber(2), 4000)
    .option(
      "--seed <n>",
      "seed of the users' random choices, the same for all policies",
      parseWholeNumber(0, LARGEST_SEED),
      1,
    )
    .option("--data-seed <n>", "seed of the shop's items", parseWholeNumber(0, LARGEST_SEED), 1)
    .addOption(
      new Option("--points <grid>", `grid of the optimum: ${usualPoints.join(" x ")} or, coarse, 17 x 17 x 7`)
        .choices(["fine", "coarse"]).default("fine"),
    )
    .addOption(createOnlyOption("rows whose name"))
    .option(...createReadmeOption(MARKERS));
  return own.action(() => truth(own.opts<Options>()));
}

async function truth(options: Options): Promise<void> {
  const page = await StudyPage.open(options.readme, MARKERS);
  const chosen = selectMatching(cases, options.only, "a row");
  const values = drawShopItems(options.dataSeed);
  const rows = chosen.map((one, k) => formatRow(one, values, options, `${k + 1} of ${chosen.length}`));
  const cells = { head: HEAD, rows };
  printTable(cells);
  const users = options.users.toLocaleString("en");
  const grid = listPoints(options).join(" x ");
  await page.write(
    MARKERS,
    `Shop of seed ${options.dataSeed}, ${users} users per policy, grid of ${grid}:`,
    cells,
  );
}

function listPoints({ points }: Options): readonly [number, number, number] {
  return points === "fine" ? usualPoints : [17, 17, 7];
}

function formatRow(
  { name, shop, ...episode }: Case,
  values: Float32Array,
  options: Options,
  which: string,
): string[] {
  const report = (what: string) => console.error(`${which}, ${name}: ${what}`);
  report("computing the optimum");
  const plan = new ShopPlan(shop, values, { ...episode, points: listPoints(options) });
  const { users, seed } = options;
  const run = (policy: HostPolicy<ShopState>) => {
    report(`simulating ${policy.name}`);
    return simulateOnHost(plan.dynamics, policy, { ...episode, users, seed }).returns;
  };
  const random = run(createRandomPolicy());
  const greedy = run(createHostGreedyPolicy(episode.reward));
  const best = run(createOptimalPolicy(plan));
  const gain = best.map((value, u) => value - greedy[u]!);
  const share = (count: number) => `${Math.round(100 * count / users)}`;
  const { mean, half } = estimateMean(gain);
  const percent = 100 / estimateMean(greedy).mean;
  return [
    name,
    formatMean(random),
    formatMean(greedy),
    formatMean(best),
    `${mean >= 0 ? "+" : ""}${(percent * mean).toFixed(2)} ± ${(percent * half).toFixed(2)} %`,
    plan.bound.toFixed(2),
    `${share(gain.filter((g) => g > 0).length)} / ${share(gain.filter((g) => g < 0).length)} %`,
  ];
}

/** Returns the mean over users, and half of the width of its 95 % interval. */
function estimateMean(values: Float64Array): { mean: number; half: number } {
  const { mean, sd } = meanAndSd(Array.from(values));
  return { mean, half: 1.96 * sd / Math.sqrt(values.length) };
}

function formatMean(values: Float64Array): string {
  const { mean, half } = estimateMean(values);
  return `${mean.toFixed(3)} ± ${half.toFixed(3)}`;
}
