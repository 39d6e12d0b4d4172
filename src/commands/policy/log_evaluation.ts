/** Off-policy evaluation: opens a log, evaluates policies on the log, and formats the results. */

import { isSameCatalogue } from "../../data/sets/dataset.ts";
import { openData } from "../../cli/open_data.ts";
import { formatTable } from "../../cli/table.ts";
import { type Clicks, listUsers } from "../../data/click_log.ts";
import { OpenedDataset } from "../../data/sets/opened_dataset.ts";
import { classifyDifference, formatSigned, formatSignedRange } from "../../metrics/baseline_verdict.ts";
import type { Gpu } from "../../gpu/device.ts";
import { hasSameItems, type UserSelection } from "../simulate/user_selection.ts";
import type { Exploration } from "../../simulate/exploring_policy.ts";
import type { Policy } from "../../simulate/policy.ts";
import type { UsersSource } from "../../simulate/users.ts";
import { UserError } from "../../user_error.ts";
import { findDifference, listTrainings, type PolicyComparison } from "../../policy/comparison/comparison.ts";
import type { MeanEstimate } from "../../policy/comparison/episode_metrics.ts";
import { RIVAL } from "../../policy/comparison/policy_verdict.ts";
import { estimators } from "../../policy/evaluation/estimators.ts";
import { estimateMean, evaluate, isOne } from "../../policy/evaluation/evaluate_policy.ts";
import type { OffPolicyEvaluation } from "../../policy/evaluation/evaluate_policy.ts";
import { collectEvidence } from "../../policy/evaluation/evidence.ts";
import type { PolicyTask } from "../../policy/learning/policy_training_config.ts";

/** Opens a log. @throws UserError if the log and the click model have different items. */
export async function openLogged(
  log: string,
  { data, run }: UserSelection,
  memoryRows: number,
): Promise<OpenedDataset> {
  const opened = await OpenedDataset.of(
    await openData({ data: log, memoryRows, seed: 1, resplit: false, trainedOn: run?.trainedOn }, []),
  );
  if (hasSameItems(data, opened)) return opened;
  throw new UserError(
    `Expected a log with the items of ${data.source.name}, but ${log} has different items. Prepare the log ` +
      "with the option --encoding-from and the folder of the model's training data. For a synthetic shop, " +
      "simulate the log with the model's --data-seed.",
  );
}

/**
 * Selects a log's pages for evaluation. Excludes train users' pages if the click model was trained on them.
 * @param counted - true if the policy counts clicks of train users: their pages are then excluded, too
 * @throws UserError if the log is not in memory, or if the positions of items on pages are unknown
 */
export function selectEvaluationClicks(
  { dataset, source, users: ids }: OpenedDataset,
  { run }: UserSelection,
  counted = false,
): { clicks: Clicks; getUserId: (user: number) => string; notes: string[] } {
  if (!source.log) {
    throw new UserError(`Expected a log in memory, got ${source.name} on disk. Raise --memory-rows.`);
  }
  if (dataset.pageOrder === "arbitrary" && source.log.rowItem.length > source.log.eventClick.length) {
    throw new UserError(
      `Expected a log with known positions, because propensities depend on them, got ${source.name} without ` +
        "positions. Prepare the log again with --position.",
    );
  }
  const learned = run?.trainedOn && isSameCatalogue(run.trainedOn, dataset.config);
  if (!learned && !counted) return { clicks: source.log, getUserId: (user) => ids.of(user), notes: [] };
  const users = Uint32Array.from([...listUsers(source, "validation"), ...listUsers(source, "test")]).sort();
  const what = learned ? "on whom the model was trained" : "whose clicks define the popular items";
  return {
    clicks: source.read(users),
    getUserId: (user) => ids.of(users[user] ?? NaN),
    notes: [`The log's train ${dataset.timeSplit ? "pages" : "users"}, ${what}, are excluded.`],
  };
}

export function findMostPages({ userEvents }: Clicks): number {
  return userEvents.reduce((most, first, user) => Math.max(most, (userEvents[user + 1] ?? first) - first), 1);
}

/** Formats a number with four decimals, such as ".4756". */
export const formatDigits = (x: number) => x.toFixed(4).replace(/^(-?)0\./, "$1.");
export const formatRange = ({ interval }: MeanEstimate) =>
  interval ? `${formatDigits(interval[0])} to ${formatDigits(interval[1])}` : "-";

const formatDifference = ({ mean, interval }: MeanEstimate) =>
  `${formatSigned(mean, 4)}, 95 % CI ${interval ? formatSignedRange(interval, 4) : "-"}`;

/** Reports whether the log's propensities seem correct, and whether the log and the click model agree. */
export function describeEvaluation(
  { estimates: { model }, modelBias: gap, meanWeight: weight, propensities, factor, propensityRatios: off }:
    OffPolicyEvaluation,
): string[] {
  const mean = model?.mean ?? NaN;
  const both = `the model predicts ${formatDigits(mean)} clicks per page, the log estimates ` +
    `${formatDigits(mean - gap.mean)} (DR${
      factor === undefined ? "" : " with weights divided by their mean"
    }; ` +
    `difference ${formatDifference(gap)}).`;
  const agrees = classifyDifference(gap.interval) === "no significant difference";
  const weights = `The mean weight is ${formatDigits(weight.mean)} (${formatRange(weight)})`;
  return [
    ...(factor === undefined ? [] : [
      `${weights}: all propensities seem to be wrong by the factor ${
        factor.toPrecision(3)
      }. SNIPS is valid, ` +
      "because it divides by the sum of the weights; IPS, DR, RIPS and Cascade-DR are not valid.",
    ]),
    propensities === "wrong"
      ? `${weights}, not 1, and the propensities' errors have no common factor. Either the propensities ` +
        "are wrong, or the policy shows slates that the log could never show (of another pool, or with " +
        "clicked items: --repeats). No estimate from the log is valid, and the model cannot be checked."
      : `The model and the log ${agrees ? "agree" : "disagree"}: ${both}${agrees ? "" : " Trust the log."}`,
    ...(off !== undefined && !isOne(off[1] / off[0])
      ? [
        "The log's slates were not drawn by this policy's scores at this temperature: the log's " +
        `propensities are ${
          off.map((ratio) => ratio.toPrecision(3)).join(" to ")
        } times the expected propensities. IIPS is not valid.`,
      ]
      : []),
  ];
}

export interface LogEvaluationContext {
  readonly clicks: Clicks;
  readonly getUserId: (user: number) => string;
  readonly model: UsersSource;
  readonly explore: Exploration | undefined;
  readonly onProgress: (policy: string, done: number, of: number) => void;
}

/** Evaluation of a policy on a log, or the reason why this log does not allow it. */
export interface PolicyLogResult {
  readonly policy: string;
  readonly evaluation?: OffPolicyEvaluation;
  readonly error?: string;
  /** Doubly robust (DR) estimate of clicks on the next page, minus the estimate for greedy on the same pages. */
  readonly differenceFromRival?: MeanEstimate;
}

/** Returns the temperature of a policy that draws random slates; undefined for a deterministic policy. */
export function getTemperature(name: string, explore: Exploration | undefined): number | undefined {
  return explore?.temperature ?? (name === "random" ? 1 : undefined);
}

/** Formats a policy's name and temperature, such as "greedy at 0.5"; without a temperature, only the name. */
export function nameAtTemperature(name: string, temperature: number | undefined): string {
  return temperature === undefined ? name : `${name} at ${temperature}`;
}

export async function evaluatePoliciesOnLog(
  gpu: Gpu,
  { clicks, getUserId, model, explore, onProgress }: LogEvaluationContext,
  { slate, pages, repeats }: PolicyTask,
  policies: readonly { readonly name: string; readonly policy: Policy }[],
): Promise<PolicyLogResult[]> {
  const found: (PolicyLogResult & { user?: Float64Array; own?: Float64Array })[] = [];
  for (const { name, policy } of policies) {
    const temperature = policy.scores && getTemperature(name, explore);
    const called = nameAtTemperature(name, temperature);
    try {
      const evidence = await collectEvidence(gpu, {
        ...{ log: clicks, getUserId, model, policy, slate, pages, repeats, temperature },
        onProgress: (done, of) => onProgress(called, done, of),
      });
      const { values: own } = estimators.dr.terms(evidence);
      const evaluation = evaluate(evidence, called, temperature);
      found.push({ policy: name, evaluation, user: evidence.user, own });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      found.push({ policy: name, error: error.message });
    }
  }
  const rival = found.find(({ policy }) => policy === RIVAL)?.own;
  return found.map(({ user, own, ...told }): PolicyLogResult => {
    if (!user || !own || !rival || told.policy === RIVAL) return told;
    return { ...told, differenceFromRival: estimateMean(user, { values: own.map((x, i) => x - rival[i]!) }) };
  });
}

/** Formats a table that compares click rates estimated from a log with simulated click rates. */
export function formatLogComparison(
  log: string,
  comparison: PolicyComparison,
  policies: readonly PolicyLogResult[],
): string {
  const [own] = comparison.environments;
  const rows = policies.map(({ policy, evaluation }) => {
    const { dr, snips, model } = evaluation?.estimates ?? {};
    const rates = listTrainings(comparison, policy, own?.name ?? "").map(({ metrics }) =>
      metrics.clickRate.mean
    );
    const simulated = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
    const of = (figure: MeanEstimate | undefined) =>
      figure ? [formatDigits(figure.mean), formatRange(figure)] : ["-", "-"];
    return [
      policy,
      ...of(dr),
      ...of(snips),
      model ? formatDigits(model.mean) : "-",
      Number.isNaN(simulated) ? "-" : formatDigits(simulated),
    ];
  });
  const words = policies.flatMap(({ policy, evaluation, error: refused, differenceFromRival: lessRival }) => {
    if (!evaluation) return [`${policy}: ${refused}`];
    const simulated = findDifference(comparison, policy, RIVAL, own?.name ?? "")?.interval;
    const [here, there] = [classifyDifference(simulated), classifyDifference(lessRival?.interval)];
    const apart = lessRival && here !== there && here !== "no significant difference" &&
      there !== "no significant difference";
    return [
      ...describeEvaluation(evaluation).map((text) => `${policy}: ${text}`),
      ...(apart
        ? [
          `${policy}: in ${own?.name}, this policy is ${here} than ${RIVAL} over whole episodes, but ` +
          `${there} on the next page of the log (${formatDifference(lessRival)}). Either the policy gives ` +
          "up clicks now for later clicks, which the log does not show, or it exploits errors of the model.",
        ]
        : []),
    ];
  });
  return [
    `Clicks on the next page of the users of ${log}; 95 % CI over users:`,
    formatTable(["", "DR", "95 % CI", "SNIPS", "its 95 % CI", "model", `per page, ${own?.name}`], rows, {
      drop: ["its 95 % CI", "SNIPS"],
    }),
    ...words,
  ].join("\n");
}
