/**
 * Whether a log says what a policy would have earned: logs of the restless shop's users, whose truth is known, and a model that
 * is blind to what tires them. How far each estimator is off, and how often its intervals hold the truth.
 */

import { shopItems } from "../../src/data/demo_shop.ts";
import { meanAndSd } from "../../src/data/mean_sd.ts";
import { restless } from "../../src/data/shops.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { openGpu } from "../../src/gpu/host/open_gpu.ts";
import type { MeanFigure } from "../../src/policy/comparison/figures.ts";
import { type EstimatorName, estimators, evaluate } from "../../src/policy/evaluation/evaluate.ts";
import { evidenceOf } from "../../src/policy/evaluation/evidence.ts";
import { greedyPolicy } from "../../src/policy/named.ts";
import { episodeLog } from "../../src/simulate/episode_log.ts";
import { exploring } from "../../src/simulate/explore.ts";
import { candidatesOf } from "../../src/simulate/pool.ts";
import { ShopSource } from "../../src/simulate/shop_users.ts";
import { Simulator } from "../../src/simulate/simulator.ts";
import type { ClickLog } from "../../src/data/click_log.ts";
import type { ResultTable } from "./runs.ts";

/** How large the study is. */
export interface StudySize {
  readonly logs: number;
  readonly users: number;
  readonly pages: number;
}

const SIZE: StudySize = { logs: 200, users: 300, pages: 20 };
const SLATE = 3;
const POOL = 20;
const LOGGED_AT = 1;
const TARGETS = [0.7, 0.4];
/** Users who play the first pages under each policy, for what per-decision DR is of. */
const PLAYERS = 20_000;
/** Slates that an expectation is a mean of. */
const DRAWS = 8;

export const offPolicyTable: ResultTable = {
  name: "off-policy",
  about: "how far off-policy estimators are from a known truth",
  async make() {
    const gpu = await openGpu();
    try {
      return await offPolicyStudy(gpu, SIZE, (text) => console.error(text));
    } finally {
      gpu.close();
    }
  },
};

/** What an estimator said of each log. */
type Said = Map<string, MeanFigure[]>;

/** The study as Markdown. @param tell told how far it is */
export async function offPolicyStudy(
  gpu: Gpu,
  size: StudySize,
  tell: (text: string) => void,
): Promise<string> {
  const items = shopItems(1);
  const truth = new ShopSource(restless, items);
  const blind = new ShopSource({ ...restless, fatigue: 0 }, items);
  const policy = greedyPolicy(blind);
  const options = { slate: SLATE, pool: { random: POOL }, seed: 1 };
  const simulator = await Simulator.create(gpu, truth, { ...options, users: size.users, pages: size.pages });
  const said = TARGETS.map((): Said => new Map());
  const truths = TARGETS.map((): number[] => []);
  const shares = TARGETS.map((): number[] => []);
  const firstPages = TARGETS.map(() => 0);
  const look = async (log: ClickLog) => {
    for (const [k, temperature] of TARGETS.entries()) {
      const asked = {
        log,
        policy,
        slate: SLATE,
        pages: size.pages,
        repeats: false,
        temperature,
        draws: DRAWS,
      };
      // The truth of these states: the policy sees users as the blind model does, and they click as they do.
      const known = await evidenceOf(gpu, { ...asked, model: truth });
      truths[k]!.push(meanAndSd([...known.v]).mean);
      const evidence = await evidenceOf(gpu, { ...asked, model: blind, loggedTemperature: LOGGED_AT });
      const { estimates, decisions, effective } = evaluate(evidence, policy.name, temperature);
      shares[k]!.push(effective);
      const add = (name: string, figure: MeanFigure) => {
        const own = said[k]!.get(name) ?? [];
        own.push(figure);
        said[k]!.set(name, own);
      };
      for (const [name, figure] of Object.entries(estimates)) if (name !== "logged") add(name, figure);
      if (decisions?.pages === 5) add("decisions", decisions.clicks);
    }
  };
  await simulator.run(exploring(policy, { temperature: LOGGED_AT }), {
    episodes: size.logs,
    onLog: async (episode) => {
      const own = (page: Parameters<typeof candidatesOf>[2]) =>
        candidatesOf(simulator.settings, truth.itemCount, page);
      const shape = { kind: "one-hot", count: truth.itemCount } as const;
      await look(episodeLog([episode], { name: "drawn", items: shape, candidatesOf: own }));
      tell(`log ${truths[0]!.length} of ${size.logs}`);
    },
  });
  simulator.destroy();
  for (const [k, temperature] of TARGETS.entries()) {
    const players = await Simulator.create(gpu, truth, { ...options, seed: 2, users: PLAYERS, pages: 5 });
    const { returns } = await players.run(exploring(policy, { temperature }));
    firstPages[k] = meanAndSd([...returns]).mean;
    players.destroy();
  }
  return tableOf(size, said, truths.map((own) => meanAndSd(own).mean), firstPages, shares);
}

function tableOf(
  { logs, users, pages }: StudySize,
  said: readonly Said[],
  truths: readonly number[],
  firstPages: readonly number[],
  shares: readonly (readonly number[])[],
): string {
  const signed = (x: number) => `${x < 0 ? "-" : "+"}${Math.abs(x).toFixed(4).replace(/^0\./, ".")}`;
  const plain = (x: number) => x.toFixed(4).replace(/^0\./, ".");
  const names = [...said[0]?.keys() ?? []];
  const cells = (k: number, name: string) => {
    const figures = said[k]?.get(name);
    if (!figures) return ["-", "-", "-"];
    const value = name === "decisions" ? firstPages[k]! : truths[k]!;
    const errors = figures.map(({ mean }) => mean - value);
    const held =
      figures.filter(({ interval }) => interval && interval[0] <= value && value <= interval[1]).length;
    const rmse = Math.sqrt(errors.reduce((sum, error) => sum + error * error, 0) / errors.length);
    return [signed(meanAndSd(errors).mean), plain(rmse), `${(100 * held / figures.length).toFixed(1)} %`];
  };
  const title = (name: string) =>
    name === "decisions" ? "per-decision DR, clicks on the first 5 pages" : estimators[name as EstimatorName];
  const head = ["", ...TARGETS.flatMap((t) => [`T ${t}: off by`, "rmse", "holds the truth"])];
  const lines = [
    head,
    head.map(() => "---"),
    ...names.map((name) => [title(name), ...TARGETS.flatMap((_, k) => cells(k, name))]),
  ];
  const about = TARGETS.map((t, k) =>
    `T ${t}: truth ${plain(truths[k]!)} clicks a page, ${
      firstPages[k]!.toFixed(3)
    } on the first 5 pages, effective sample ` +
    `${(100 * meanAndSd([...shares[k]!]).mean).toFixed(0)} %`
  );
  return `${logs} logs of ${users} users of the restless shop on ${pages} pages of ${SLATE} items from pools of some ${POOL}, drawn ` +
    `at temperature ${LOGGED_AT} by the utilities of a model that is blind to what tires users; the policy draws by the same at ` +
    `another temperature. ${
      about.join("; ")
    }. Off by: mean over the logs. Holds the truth: the share of the 95 % intervals.\n\n` +
    lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
