/** `policy compare`: compares policies on users simulated by one or two models and a ground truth. */

import { Command, Option } from "commander";
import type { Gpu } from "../../gpu/device.ts";
import type { PolicyComparison } from "../../policy/comparison/comparison.ts";
import {
  findDifference,
  getRewardUnit,
  groupBySlateSize,
  listDifferences,
  listPoliciesIn,
  nameTasks,
  summarizeTrainings,
} from "../../policy/comparison/comparison.ts";
import type { PolicyName } from "../../policy/named_policies.ts";
import { createGreedyPolicy, namedPolicies, policyNames } from "../../policy/named_policies.ts";
import { readCurve } from "../../policy/learning/policy_run.ts";
import type { PolicyGroup, TrainedPolicy } from "../../policy/trained_policy.ts";
import { groupPolicies, openPolicy } from "../../policy/trained_policy.ts";
import type { ComparedPolicy, CompareOptions } from "../../policy/comparison/compare_policies.ts";
import { compare, makeOptimalPolicy } from "../../policy/comparison/compare_policies.ts";
import { tryPolicy } from "../../policy/comparison/episode_prediction.ts";
import { describeSubject } from "../../policy/policy_config.ts";
import { judgePolicies, RIVAL } from "../../policy/comparison/policy_verdict.ts";
import { expectPage, writePage } from "../../report/page_shell.ts";
import { buildPolicyPage } from "../../report/policy_page.ts";
import { ShopSource } from "../../simulate/shop_users.ts";
import { expectReturns, writeReturns } from "../simulate/simulation_files.ts";
import { withDevice } from "../simulate/user_selection.ts";
import { UserError } from "../../user_error.ts";
import { OUT_FILE } from "../../cli/arguments.ts";
import { buildStartOptions } from "./episode_setting.ts";
import { addShopTruth, createExploreOption } from "../simulate/simulate_options.ts";
import { MEMORY_LIMIT } from "../../cli/open_data.ts";
import type { Exploration } from "../../simulate/exploring_policy.ts";
import type { Policy } from "../../simulate/policy.ts";
import {
  createSeedOption,
  eachFolder,
  makeOutputFileParser,
  parseWholeNumber,
  path,
} from "../../cli/command_options.ts";
import { type EnvironmentOptions, findEnvironments, type OpenedEnvironments } from "./open_environments.ts";
import type { LogEvaluationContext, PolicyLogResult } from "./log_evaluation.ts";
import {
  evaluatePoliciesOnLog,
  formatLogComparison,
  openLogged,
  selectEvaluationClicks,
} from "./log_evaluation.ts";
import { stepProgress } from "../../cli/progress.ts";
import { formatThousands } from "../../number_text.ts";
import { formatSigned, formatSignedRange } from "../../metrics/baseline_verdict.ts";
import { describeEnvironment } from "../../report/policy_charts.ts";
import { formatTable } from "../../cli/table.ts";

/**
 * Number of grid points per axis of a shop's state space. Finer grids than `fine` change the best policy's
 * return by less than 0.3 %. For 500 items and 20 pages, a CPU takes 10 s with `fine`, and 1 s with `coarse`.
 */
const GRIDS = { fine: [33, 33, 17], coarse: [17, 17, 7], none: undefined } as const;
const DEFAULT_PAGE = "runs/compared.html";

interface Options extends EnvironmentOptions {
  with: readonly PolicyName[];
  users: number;
  optimum: keyof typeof GRIDS;
  log?: string;
  explore?: Exploration;
  seed: number;
  out: string;
  json: boolean;
}

export function createPolicyCompareCommand(): Command {
  const command = new Command("compare")
    .description(
      "Compares policies with each other and with baselines, for the same users and random numbers. Clicks " +
        "follow the model of their training, a second model, or the ground truth of a synthetic shop.",
    )
    .argument(
      "<policy...>",
      "folders that policy train wrote; trainings that differ only in the seed count as one policy",
      eachFolder,
    )
    .option(
      "--with <names>",
      `baselines among ${policyNames.join(", ")}; greedy shows the slate with the highest predicted reward`,
      rivals,
      ["greedy", "popular", "random"] as const,
    )
    .option("--users <n>", "number of users per policy and environment", parseWholeNumber(2, 2 ** 24), 10_000)
    .addOption(
      new Option("--optimum <grid>", "with --shop: grid of user states on which the best policy is computed")
        .choices(["fine", "coarse", "none"]).default("fine"),
    )
    .option(
      "--log <folder>",
      "a log with propensities, on which each policy is also evaluated, as policy evaluate does",
      path,
    )
    .addOption(
      createExploreOption("with --log: draw slates by the policy's scores, if the policy scores items"),
    )
    .addOption(createSeedOption("seed of the users and their random numbers"))
    .option(OUT_FILE, "HTML file to write", makeOutputFileParser(".html", ".htm"), DEFAULT_PAGE)
    .option("--json", "print all metrics as JSON", false)
    .addHelpText(
      "after",
      "\nExample:\n  deno task -q policy compare runs/slateq runs/cdqn --test-model runs/b --shop restless --out compared.html",
    )
    .optionsGroup("Click model:")
    .option("--test-model <run>", "a second model with the same items, trained on other users", path)
    .option("--uncalibrated", "accept a --test-model of the adversarial stage", false)
    .option(...MEMORY_LIMIT);
  const about =
    "also compare on the ground truth of this synthetic shop, on whose clicks the model was trained";
  return addShopTruth(command, about, "the seed of the model's shop, else 1").action(run);
}

function getReturnsPath(page: string): string {
  return page.replace(/\.html?$/i, "-returns.csv");
}

function rivals(text: string): PolicyName[] {
  const names = text.split(",").map((name) => name.trim()).filter((name) => name !== "");
  return names.map((name) => {
    const known = policyNames.find((rival) => rival === name);
    if (known) return known;
    throw new UserError(
      `Expected --with of ${policyNames.join(", ")}, separated by commas, got ${JSON.stringify(name)}.`,
    );
  });
}

async function run(folders: readonly string[], options: Options): Promise<void> {
  const { log, explore } = options;
  if (explore && log === undefined) {
    throw new UserError(
      "Expected --log with --explore, got no --log: only estimates from a log use --explore. Omit --explore.",
    );
  }
  expectPage(options.out, "policies");
  expectReturns(getReturnsPath(options.out));
  const opened = await Promise.all(folders.map(openPolicy));
  const groups = groupPolicies(opened);
  const subject = opened[0]!.config.trainedOn;
  const found = await findEnvironments(subject, options);
  const onLog = log === undefined ? undefined : selectEvaluationClicks(
    await openLogged(log, found.own, options.memoryRows),
    found.own,
  );
  using progress = stepProgress();
  await withDevice(async (gpu, stack) => {
    const tried = found.open(gpu, stack);
    const logged = await tried.logged();
    const comparisons: PolicyComparison[] = [];
    const said: PolicyLogResult[][] = [];
    const notes = opened.flatMap(({ unfinished }) => unfinished ?? []);
    const names = nameTasks(groups.map(({ task }) => task));
    for (const [k, group] of groups.entries()) {
      const { start: startAs, ...task } = group.task;
      const own: CompareOptions = {
        ...{ ...task, startAs, start: buildStartOptions(tried.log, startAs) },
        ...{ users: options.users, seed: options.seed, logged },
        onProgress: (title, round, rounds) =>
          progress.begin({
            ...{ title: names[k] ? `${names[k]}: ${title}` : title, number: 0, of: 0 },
            ...{ round, rounds },
          }),
      };
      const contenders = openContenders(gpu, stack, group, tried, options, own);
      const comparison = await compare(tried.environments, contenders, own);
      comparisons.push(comparison);
      if (log === undefined || !onLog) continue;
      const context: LogEvaluationContext = {
        ...{ clicks: onLog.clicks, getUserId: onLog.getUserId, model: tried.logObserver, explore },
        onProgress: (name, round, rounds) =>
          progress.begin({ title: `the log under ${name}`, number: 0, of: 0, round, rounds }),
      };
      const policies = listLoggedPolicies(stack, group, tried, options);
      const told = await evaluatePoliciesOnLog(gpu, context, group.task, policies);
      said.push(told);
      notes.push(formatLogComparison(log, comparison, told), ...onLog.notes);
    }
    progress.stop();
    gpu.check();
    await tell(comparisons, opened, { notes, about: found.notes, said }, options);
  });
}

function openContenders(
  gpu: Gpu,
  stack: DisposableStack,
  { policies, task }: PolicyGroup,
  { observer, log, environments }: OpenedEnvironments,
  options: Options,
  simulated: CompareOptions,
): ComparedPolicy[] {
  const device = (about: Omit<ComparedPolicy, "run">, policy: Policy): ComparedPolicy => ({
    ...about,
    run: (environment, onPage) => tryPolicy(gpu, environment, observer, policy, simulated, onPage),
  });
  const learned = policies.map(({ name, seed, policy }) =>
    device({ policy: name, seed }, stack.use(policy.policy(observer)))
  );
  const others: ComparedPolicy[] = [];
  for (const rival of options.with) {
    others.push(device({ policy: rival, seed: null }, namedPolicies[rival].make({ log, known: observer })));
    if (
      rival === "greedy" && environments.some(({ role, source }) => role === "truth" && source !== observer)
    ) {
      others.push(device({ policy: "greedy on the truth", seed: null, only: "truth" }, createGreedyPolicy()));
    }
  }
  const truth = environments.find(({ role }) => role === "truth")?.source;
  const points = GRIDS[options.optimum];
  // The best policy can be computed only for users who start without clicks.
  if (truth instanceof ShopSource && points && task.start === "empty") {
    others.push(makeOptimalPolicy(truth, simulated, points));
  }
  return [...learned, ...others];
}

/** Lists the policies for evaluation on a log: each trained policy (its first seed only), and baselines. */
function listLoggedPolicies(
  stack: DisposableStack,
  { policies }: PolicyGroup,
  { logObserver: observer, log }: OpenedEnvironments,
  options: Options,
): { name: string; policy: Policy }[] {
  const first = policies.filter(({ name }, k) => policies.findIndex((other) => other.name === name) === k);
  return [
    ...first.map(({ name, policy }) => ({ name, policy: stack.use(policy.policy(observer)) })),
    ...options.with.map((name) => ({ name, policy: namedPolicies[name].make({ log, known: observer }) })),
  ];
}

async function tell(
  comparisons: readonly PolicyComparison[],
  policies: readonly TrainedPolicy[],
  { notes, about, said }: {
    readonly notes: readonly string[];
    readonly about: readonly string[];
    readonly said: readonly (readonly PolicyLogResult[])[];
  },
  { out, json, users, seed }: Options,
): Promise<void> {
  const head = {
    title: "Policies compared",
    facts: [
      ["policies", policies.map(({ path }) => path).join(", ")],
      ["trained on", describeSubject(policies[0]!.config.trainedOn)],
      ["users", formatThousands(users)],
      ["seed", String(seed)],
    ] as const,
    notes,
    about,
    curves: await Promise.all(policies.map(async ({ path, name, config: { training: { seed } } }) => ({
      name: `${name} (${path}), seed ${seed}`,
      points: await readCurve(path),
    }))),
  };
  await writePage(out, buildPolicyPage(head, comparisons));
  await writeReturns(getReturnsPath(out), { startedAs: undefined }, listReturns(comparisons));
  const verdicts = comparisons.map((comparison) => judgePolicies(comparison));
  if (json) {
    const all = comparisons.map((comparison, k) => ({
      ...comparison,
      differences: listDifferences(comparison),
      verdicts: verdicts[k],
      ...(said[k] && { logged: said[k] }),
    }));
    console.log(JSON.stringify(all, plain, 2));
    return;
  }
  const names = nameTasks(comparisons);
  comparisons.forEach((comparison, k) => {
    if (k > 0) console.log("");
    for (const { text } of verdicts[k] ?? []) console.log(`${text}\n`);
    console.log(formatComparison(comparison, names[k]));
  });
  for (const note of [...notes, ...about]) console.log(`\n${note}`);
  const beside = formatSlateSizes(comparisons);
  if (beside !== undefined) console.log(`\n${beside}`);
  console.log(`\nThe page is ${out}\nReturn of each user: ${getReturnsPath(out)}`);
}

/** Returns one array per policy, seed and environment: the return of each user. */
function listReturns(comparisons: readonly PolicyComparison[]): { name: string; returns: Float64Array }[] {
  const tasks = nameTasks(comparisons);
  return comparisons.flatMap(({ cells }, k) =>
    cells.map(({ policy, seed, environment, metrics: { returns } }) => ({
      name: [policy, ...(seed === null ? [] : [`seed ${seed}`]), environment, ...(tasks[k] ? [tasks[k]] : [])]
        .join("; "),
      returns,
    }))
  );
}

function plain(key: string, value: unknown): unknown {
  return ["returns", "points", "sorted"].includes(key) ? undefined : value;
}

/** Formats a comparison. @param task - slate size and pages, such as "slates of 3, 20 pages" */
function formatComparison(comparison: PolicyComparison, task = ""): string {
  const { slate, pages, users, environments } = comparison;
  const columns = [
    "",
    `${getRewardUnit(comparison)}/user`,
    "per page",
    "click rate",
    "coverage",
    "predicted",
    `minus ${RIVAL}`,
    "95 % CI",
  ];
  const parts = environments.map((environment) => {
    const rows = listPoliciesIn(comparison, environment.name).map(({ name, cells }) => {
      const mean = (of: Parameters<typeof summarizeTrainings>[1], digits: number) => {
        const found = summarizeTrainings(cells, of);
        return found.mean.toFixed(digits) + (found.sd === null ? "" : ` +- ${found.sd.toFixed(digits)}`);
      };
      const predicted = cells.flatMap(({ calibration }) => calibration?.predicted ?? []);
      const difference = name === RIVAL
        ? undefined
        : findDifference(comparison, name, RIVAL, environment.name);
      const range = difference?.interval;
      return [
        cells.length > 1 ? `${name} (${cells.length} trainings)` : name,
        mean((metrics) => metrics.return.mean, 2),
        mean((metrics) => metrics.rewardPerPage.mean, 3),
        mean((metrics) => metrics.clickRate.mean, 3),
        mean((metrics) => 100 * metrics.coverage, 0) + " %",
        predicted.length > 0 ? (predicted.reduce((sum, x) => sum + x, 0) / predicted.length).toFixed(2) : "-",
        difference ? formatSigned(difference.mean) : "-",
        range ? `${formatSignedRange(range)}, ${difference.wider}` : "-",
      ];
    });
    const table = formatTable(columns, rows, { drop: ["coverage", "per page", "click rate", "predicted"] });
    return `In ${describeEnvironment(environment)}:\n${table}`;
  });
  return [
    `${formatThousands(users)} users, ${pages} pages of ${slate} items${task && ` (${task})`}:`,
    ...parts,
    "predicted: clicks on these pages as predicted by the model on which the policies were trained",
  ].join("\n\n");
}

/** Formats reward and click rate by slate size; undefined if more than the slate size differs. */
function formatSlateSizes(comparisons: readonly PolicyComparison[]): string | undefined {
  const groups = groupBySlateSize(comparisons);
  if (!groups) return undefined;
  const head = comparisons.flatMap(({ slate }) => [
    `per page, k = ${slate}`,
    `click rate, k = ${slate}`,
  ]);
  const parts = groups.map(({ environment, rows }) => {
    const lines = rows.map(({ policy, cells }) => [
      policy,
      ...cells.flatMap((own) =>
        (["rewardPerPage", "clickRate"] as const).map((name) =>
          own.length === 0 ? "-" : summarizeTrainings(own, (metrics) => metrics[name].mean).mean.toFixed(3)
        )
      ),
    ]);
    return `In ${describeEnvironment(environment)}:\n${formatTable(["", ...head], lines)}`;
  });
  return ["Reward and click rate by slate size:", ...parts].join("\n\n");
}
