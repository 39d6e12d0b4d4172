/** Verdicts on the policies of a comparison. Every verdict names an environment. */

import {
  type ComparisonEnvironment,
  findDifference,
  getRewardUnit,
  listComparedPolicies,
  listTrainings,
  type PolicyComparison,
  type PolicyDifference,
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

/** Baseline that does not plan. A policy that is better than this baseline gains from planning. */
export const RIVAL = "greedy";
/** Minimum relative gain of the best known policy over greedy. With less gain, planning cannot help. */
const LEAST_HEADROOM = 0.02;

/** Decides for each learned policy whether it is better than greedy. */
export function judgePolicies(comparison: PolicyComparison): Claim[] {
  const truth = comparison.environments.find(({ role }) => role === "truth");
  return listComparedPolicies(comparison).filter(({ learned }) => learned).map(({ name }) =>
    truth ? judgeOnTruth(comparison, name, truth) : judgeInSimulators(comparison, name)
  );
}

function judgeOnTruth(comparison: PolicyComparison, policy: string, truth: ComparisonEnvironment): Claim {
  const difference = findDifference(comparison, policy, RIVAL, truth.name);
  const place = `on the truth (${truth.name})`;
  const claim = `${policy} is better than ${RIVAL} ${place}`;
  if (!difference) {
    return {
      claim,
      holds: "undecided",
      text: `No verdict for ${policy}: ${RIVAL} was not run ${place}. Add ${RIVAL} by --with.`,
    };
  }
  const holds = judgeClaim(difference.interval);
  const words = [
    describeFinding(comparison, policy, difference, `On the truth (${truth.name})`),
    ...(holds === "yes" ? [] : describeSimulatorOnly(comparison, policy)),
    ...describeHeadroom(truth, policy, difference),
    ...describePredictionBias(comparison, policy, truth),
  ];
  return { claim, holds, text: words.join(" ") };
}

/** Names the simulators in which a policy beats greedy. Called if it does not on the ground truth. */
function describeSimulatorOnly(comparison: PolicyComparison, policy: string): string[] {
  const names = comparison.environments.filter(({ role, name }) => {
    const difference = findDifference(comparison, policy, RIVAL, name);
    return role !== "truth" && classifyDifference(difference?.interval) === "better";
  }).map(({ name }) => name);
  return names.length === 0
    ? []
    : [`${policy} is better than ${RIVAL} in the simulator only (${names.join(", ")}).`];
}

function judgeInSimulators(comparison: PolicyComparison, policy: string): Claim {
  const found = comparison.environments.flatMap(({ name }) => {
    const difference = findDifference(comparison, policy, RIVAL, name);
    return difference ? [{ name, difference, holds: judgeClaim(difference.interval) }] : [];
  });
  const [first] = found;
  const holds = first && found.every((one) => one.holds === first.holds) ? first.holds : "undecided";
  return {
    claim: `${policy} is better than ${RIVAL} in the simulator`,
    holds,
    text: [
      ...found.map(({ name, difference }) =>
        describeFinding(comparison, policy, difference, `In the simulator (${name})`)
      ),
      found.length > 1
        ? "Both models were trained on the same kind of log and extrapolate alike, so the second may not reveal " +
          "that a policy exploits errors of the first model. Confirm the result with real users (A/B test)."
        : "The simulator is a model: confirm the result with real users (A/B test).",
    ].join(" "),
  };
}

/** Formats e.g. "In the simulator (A) slateq is worse than greedy: -2.4 clicks per user (-7 %; ...)." */
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
  difference: PolicyDifference,
): string[] {
  const { mean, rival } = difference;
  if (optimum === undefined || !(rival > 0)) return [];
  const headroom = optimum / rival - 1;
  // With few users or a coarse grid, the best known policy can be below greedy.
  const optimal = "the best known policy is " +
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
  return [`Planning cannot gain in ${name}: ${optimal}. ${behind}.`];
}

function describePredictionBias(
  comparison: PolicyComparison,
  policy: string,
  truth: ComparisonEnvironment,
): string[] {
  const returnIn = (name: string) => {
    const cells = listTrainings(comparison, policy, name);
    return cells.length === 0 ? undefined : summarizeTrainings(cells, (metrics) => metrics.return.mean).mean;
  };
  const real = returnIn(truth.name);
  const of = (role: ComparisonEnvironment["role"]) =>
    comparison.environments.flatMap((environment) => {
      const value = environment.role === role ? returnIn(environment.name) : undefined;
      return value === undefined ? [] : [{ name: environment.name, value }];
    });
  const [predicted] = of("trained on");
  if (!predicted || real === undefined || !(real > 0)) return [];
  const unit = getRewardUnit(comparison);
  const bias = predicted.value / real - 1;
  const second = of("second model").map(({ name, value }) =>
    ` Predicted by ${name}, an independent model: ${value.toFixed(2)} (${percent(value / real - 1)}).`
  );
  return [
    `Predicted return by ${predicted.name}: ${predicted.value.toFixed(2)} ${unit} per user; realised in ` +
    `${truth.name}: ${real.toFixed(2)}, so the prediction is ${Math.abs(100 * bias).toFixed(0)} % too ` +
    `${bias >= 0 ? "high" : "low"}.${second.join("")}`,
  ];
}

function percent(share: number): string {
  const points = 100 * share;
  const digits = Math.abs(points) < 0.1 ? 2 : Math.abs(points) < 10 ? 1 : 0;
  return `${points < 0 ? "-" : "+"}${Math.abs(points).toFixed(digits)} %`;
}
