/** Measures bias and interval coverage of off-policy estimators whose model lacks the users' fatigue. */

import { drawShopItems } from "../../src/data/demo_shop.ts";
import { meanAndSd } from "../../src/data/mean_sd.ts";
import { restless } from "../../src/data/shops.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { openGpu } from "../../src/gpu/host/open_gpu.ts";
import type { MeanEstimate } from "../../src/policy/comparison/episode_metrics.ts";
import { type EstimatorName, estimators } from "../../src/policy/evaluation/estimators.ts";
import { evaluate } from "../../src/policy/evaluation/evaluate_policy.ts";
import { collectEvidence } from "../../src/policy/evaluation/evidence.ts";
import { formatDigits } from "../../src/commands/policy/log_evaluation.ts";
import { createGreedyPolicy } from "../../src/policy/named_policies.ts";
import { toClickLog } from "../../src/simulate/episode_log.ts";
import { createExploringPolicy } from "../../src/simulate/exploring_policy.ts";
import { formatMarkdownTable } from "../../src/cli/table.ts";
import { formatPercentCell } from "../study.ts";
import { listCandidates, type PoolPage } from "../../src/simulate/pool.ts";
import { ShopSource } from "../../src/simulate/shop_users.ts";
import { Simulator } from "../../src/simulate/simulator.ts";
import type { ClickLog } from "../../src/data/click_log.ts";
import type { ResultTable } from "./runs.ts";

const [LOGS, USERS, PAGES, SLATE, POOL] = [200, 300, 20, 3, 20];
const LOGGED_AT = 1;
const TARGETS = [0.7, 0.4];
/** Number of users who are simulated under each policy, to find the true value for per-decision DR. */
const PLAYERS = 20_000;
const DRAWS = 8;

export const offPolicyTable: ResultTable = {
  name: "off-policy",
  about: "errors of off-policy estimators on logs whose true values are known",
  async make() {
    using gpu = await openGpu();
    return await study(gpu);
  },
};

interface Target {
  readonly temperature: number;
  readonly estimates: Map<string, MeanEstimate[]>;
  /** True clicks per page in the user states of each log; `shares` has the effective sample sizes. */
  readonly truths: number[];
  readonly shares: number[];
  /** True number of clicks on the first five pages. */
  first: number;
}

async function study(gpu: Gpu): Promise<string> {
  const items = drawShopItems(1);
  const truth = new ShopSource(restless, items);
  const blind = new ShopSource({ ...restless, fatigue: 0 }, items);
  const policy = createGreedyPolicy(blind);
  const options = { slate: SLATE, pool: { random: POOL } };
  const targets = TARGETS.map((temperature): Target => ({
    ...{ temperature, estimates: new Map(), truths: [], shares: [], first: 0 },
  }));
  const look = async (log: ClickLog) => {
    for (const { temperature, estimates: own, truths, shares } of targets) {
      const options = { log, policy, slate: SLATE, pages: PAGES, repeats: false, temperature, draws: DRAWS };
      // The policy uses utilities without fatigue, but clicks follow the true utilities.
      const known = await collectEvidence(gpu, { ...options, model: truth });
      truths.push(meanAndSd([...known.v]).mean);
      const evidence = await collectEvidence(gpu, { ...options, model: blind, loggedTemperature: LOGGED_AT });
      const { estimates: { logged: _, ...estimates }, decisions, effectiveShare: effective } = evaluate(
        evidence,
        policy.name,
        temperature,
      );
      shares.push(effective);
      const all = { ...estimates, ...(decisions?.pages === 5 && { decisions: decisions.clicks }) };
      for (const [name, estimate] of Object.entries(all)) own.set(name, [...own.get(name) ?? [], estimate]);
    }
  };
  using simulator = await Simulator.create(gpu, truth, { ...options, seed: 1, users: USERS, pages: PAGES });
  await simulator.run(createExploringPolicy(policy, { temperature: LOGGED_AT }), {
    episodes: LOGS,
    onLog: async (episode) => {
      const own = (page: PoolPage) => listCandidates(simulator.settings, truth.itemCount, page);
      const shape = { kind: "one-hot", count: truth.itemCount } as const;
      await look(toClickLog([episode], { name: "drawn", items: shape, listCandidates: own }));
      console.error(`log ${targets[0]?.truths.length} of ${LOGS}`);
    },
  });
  for (const target of targets) {
    using players = await Simulator.create(gpu, truth, { ...options, seed: 2, users: PLAYERS, pages: 5 });
    const { returns } = await players.run(createExploringPolicy(policy, target));
    target.first = meanAndSd([...returns]).mean;
  }
  return formatTargets(targets);
}

function formatTargets(targets: readonly Target[]): string {
  const mean = (values: readonly number[]) => meanAndSd([...values]).mean;
  const cells = (name: string, { estimates, truths, first }: Target) => {
    const own = estimates.get(name);
    if (!own) return ["-", "-", "-"];
    const value = name === "decisions" ? first : mean(truths);
    const errors = own.map(({ mean }) => mean - value);
    const held = own.filter(({ interval }) => interval && interval[0] <= value && value <= interval[1]);
    const rmse = Math.sqrt(errors.reduce((sum, error) => sum + error * error, 0) / errors.length);
    const off = mean(errors);
    return [
      (off < 0 ? "" : "+") + formatDigits(off),
      formatDigits(rmse),
      formatPercentCell(held.length / own.length),
    ];
  };
  const title = (name: string) =>
    name === "decisions"
      ? "per-decision DR, clicks on the first 5 pages"
      : estimators[name as EstimatorName].title;
  const about = targets.map(({ temperature, truths, first, shares }) =>
    `At T ${temperature} the true values are ${formatDigits(mean(truths))} clicks per page and ${
      first.toFixed(3)
    } on the ` +
    `first 5 pages; the effective sample size is ${(100 * mean(shares)).toFixed(0)} %.`
  );
  return [
    `Each of the ${LOGS} logs has ${USERS} users of the restless shop on ${PAGES} pages of ${SLATE} items. The log and the ` +
    `evaluated policy draw items from pools of about ${POOL}, by the utilities of a model without the users' fatigue. The ` +
    `log uses temperature ${LOGGED_AT}, the evaluated policy another temperature T. ${about.join(" ")} ` +
    "Bias is the mean error over the logs, and coverage is the share of 95 % intervals that contain the truth.",
    "",
    ...formatMarkdownTable(
      ["", ...TARGETS.flatMap((t) => [`T ${t}: bias`, "rmse", "coverage"])],
      [...targets[0]?.estimates.keys() ?? []].map((
        name,
      ) => [title(name), ...targets.flatMap((target) => cells(name, target))]),
    ),
  ].join("\n");
}
