/** States which learned policies are better than the greedy policy, in a simulator or on the ground truth. */

import type { ComparisonEnvironment, PolicyComparison, PolicyDifference } from "./comparison.ts";
import {
  findDifference,
  getRewardUnit,
  listComparedPolicies,
  listTrainings,
  summarizeTrainings,
} from "./comparison.ts";
import {
  type Claim,
  classifyDifference,
  describeInterval,
  describeSignificance,
  formatSigned,
  judgeClaim,
} from "../../metrics/baseline_verdict.ts";

/** Baseline policy, which does not plan ahead. */
export const RIVAL = "greedy";
/** Planning is reported as useless if the near-optimal policy gains less than this share over greedy. */
const LEAST_HEADROOM = 0.02;

/**
 * Decides whether each learned policy is better than greedy: on the ground truth or, if the ground truth is
 * unknown, in all simulators.
 */
export function judgePolicies(comparison: PolicyComparison): Claim[] {
  const truth = comparison.environments.find(({ role }) => role === "truth");
  return listComparedPolicies(comparison).filter(({ learned }) => learned).map(({ name: policy }) => {
    const where = truth ? `on the truth (${truth.name})` : "in the simulator";
    const claim = `${policy} is better than ${RIVAL} ${where}`;
    const found = (truth ? [truth] : comparison.environments).flatMap(({ name }) => {
      const difference = findDifference(comparison, policy, RIVAL, name);
      return difference ? [{ name, difference, holds: judgeClaim(difference.interval) }] : [];
    });
    const [first] = found;
    if (!first) {
      const text = `No verdict for ${policy}: ${RIVAL} was not run ${where}. Add ${RIVAL} by --with.`;
      return { claim, holds: "undecided", text };
    }
    const place = truth ? "On the truth" : "In the simulator";
    const words = found.map(({ name, difference }) =>
      describeFinding(comparison, policy, difference, `${place} (${name})`)
    );
    if (truth) {
      words.push(
        ...(first.holds === "yes" ? [] : describeSimulatorOnly(comparison, policy)),
        ...describeHeadroom(truth, policy, first.difference),
        ...describePredictionBias(comparison, policy),
      );
    } else {
      words.push(
        found.length > 1
          ? "Both models were trained on the same kind of log and extrapolate alike, so a policy that " +
            "exploits errors of the first model may look good in the second, too. " +
            "Confirm the result with real users (A/B test)."
          : "The simulator is a model: confirm the result with real users (A/B test).",
      );
    }
    const holds = found.every((one) => one.holds === first.holds) ? first.holds : "undecided";
    return { claim, holds, text: words.join(" ") };
  });
}

function describeSimulatorOnly(comparison: PolicyComparison, policy: string): string[] {
  const names = comparison.environments.filter(({ role, name }) => {
    const difference = findDifference(comparison, policy, RIVAL, name);
    return role !== "truth" && classifyDifference(difference?.interval) === "better";
  }).map(({ name }) => name);
  return names.length === 0
    ? []
    : [`${policy} is better than ${RIVAL} in the simulator only (${names.join(", ")}).`];
}

/** Returns a sentence like "In the simulator (A) slateq is worse than greedy: -2.4 clicks per user (...)." */
function describeFinding(
  comparison: PolicyComparison,
  policy: string,
  { mean, rival, interval, wider, trainings, overSeeds }: PolicyDifference,
  place: string,
): string {
  const finding = describeSignificance(classifyDifference(interval), policy, RIVAL, place);
  const share = comparison.reward === "click" && rival > 0 ? `${percent(mean / rival)}; ` : "";
  const range = interval && wider
    ? `${describeInterval(interval)} over ${wider === "users" ? "users" : `${trainings} training seeds`}` +
      (overSeeds ? ", the wider interval" : ", of one training")
    : "no interval";
  return `${finding}: ${formatSigned(mean)} ${getRewardUnit(comparison)} per user (${share}${range}).`;
}

function describeHeadroom(
  { name, optimum }: ComparisonEnvironment,
  policy: string,
  { mean, rival }: PolicyDifference,
): string[] {
  if (optimum === undefined || !(rival > 0)) return [];
  const headroom = optimum / rival - 1;
  // With few users or a coarse grid, the near-optimal policy can be below greedy.
  const optimal = "the near-optimal policy is " +
    `${headroom < 0 ? `${percent(-headroom).slice(1)} below` : `${percent(headroom)} above`} ${RIVAL}`;
  if (headroom >= LEAST_HEADROOM) {
    return [
      `${optimal[0]!.toUpperCase()}${optimal.slice(1)}; ${policy} reaches ` +
      `${(100 * (rival + mean) / optimum).toFixed(0)} % of it.`,
    ];
  }
  const behind = mean < 0
    ? `${policy} is ${(-100 * mean / rival).toFixed(1)} % behind ${RIVAL}`
    : `${policy} is level with ${RIVAL}`;
  return [`Planning cannot raise the return in ${name}: ${optimal}. ${behind}.`];
}

/** Compares the returns that models predict with the return on the ground truth. */
function describePredictionBias(comparison: PolicyComparison, policy: string): string[] {
  const [predicted, second, real] = (["trained on", "second model", "truth"] as const).map((role) => {
    const name = comparison.environments.find((environment) => environment.role === role)?.name ?? "";
    const cells = listTrainings(comparison, policy, name);
    return { name, value: summarizeTrainings(cells, (metrics) => metrics.return.mean).mean };
  });
  if (!predicted || !second || !real || Number.isNaN(predicted.value) || !(real.value > 0)) return [];
  const bias = predicted.value / real.value - 1;
  return [
    `Return predicted by ${predicted.name}: ${predicted.value.toFixed(2)} ${getRewardUnit(comparison)} per ` +
    `user; return in ${real.name}: ${real.value.toFixed(2)}, so the prediction is ` +
    `${Math.abs(100 * bias).toFixed(0)} % too ${bias >= 0 ? "high" : "low"}.`,
    ...(Number.isNaN(second.value) ? [] : [
      `Return that the second model ${second.name} predicts: ${second.value.toFixed(2)} ` +
      `(${percent(second.value / real.value - 1)} compared with the return in ${real.name}).`,
    ]),
  ];
}

function percent(share: number): string {
  const points = 100 * share;
  const digits = Math.abs(points) < 0.1 ? 2 : Math.abs(points) < 10 ? 1 : 0;
  return `${points < 0 ? "-" : "+"}${Math.abs(points).toFixed(digits)} %`;
}
