/** What is drawn of a comparison of policies. Every chart says in which environment. */

import {
  type Bar,
  buildBarChart,
  buildLineChart,
  buildScatterChart,
  type ChartDefinition,
  dashes,
  type Series,
} from "./chart_definition.ts";
import { NEUTRAL } from "./theme.ts";
import {
  type ComparisonCell,
  type ComparisonEnvironment,
  findDifference,
  getRewardUnit,
  listComparedPolicies,
  listTrainings,
  type PolicyComparison,
  summarizeTrainings,
} from "../policy/comparison/comparison.ts";
import type { LearningCurvePoint } from "../policy/learning/policy_run.ts";
import { meanAndSd } from "../data/mean_sd.ts";

const describeSpread = (what: string) => `${what} are one standard deviation over trainings to each side.`;

/** Letters, digits and hyphens. */
function chartId(...names: readonly (string | number)[]): string {
  return names.join("-").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
}

/** "k = 3, restless shop (the truth)". */
export function describeEnvironment({ name, role }: ComparisonEnvironment): string {
  return `${name} ` +
    `(${role === "truth" ? "the truth" : role === "trained on" ? "the policies' own model" : role})`;
}

/** Return and click rate of all policies, a chart for each environment. */
export function returnCharts(comparison: PolicyComparison): ChartDefinition[] {
  return comparison.environments.map((environment) => {
    const bars = listComparedPolicies(comparison).flatMap(({ name }, colour): Bar[] => {
      const cells = listTrainings(comparison, name, environment.name);
      if (cells.length === 0) return [];
      const { mean, sd } = summarizeTrainings(cells, (figures) => figures.return.mean);
      return [{ name, colour, mean, sd, runs: cells.length, snapshot: environment.name }];
    });
    return buildBarChart({
      id: chartId("return", comparison.slate, environment.name),
      title: `Return in ${describeEnvironment(environment)}`,
      note: `Mean ${
        getRewardUnit(comparison)
      } a user over ${comparison.pages} pages of ${comparison.slate}. ${
        bars.some(({ sd }) => sd !== null) ? describeSpread("Whiskers") : ""
      }`.trim(),
      xTitle: `${getRewardUnit(comparison)} a user`,
      bars,
    });
  });
}

/** Click rate by page, a chart for each environment. */
export function buildPageCharts(comparison: PolicyComparison): ChartDefinition[] {
  const what = "click rate";
  return comparison.environments.flatMap((environment) => {
    const series = listComparedPolicies(comparison).map(({ name }, colour) =>
      buildSeries(
        { model: name, colour, part: what },
        listTrainings(comparison, name, environment.name).map(({ figures }) =>
          figures.byPage.map(({ clickRate }) => clickRate)
        ),
      )
    );
    return lineChart(
      chartId("pages", comparison.slate, environment.name),
      `Click rate by page in ${describeEnvironment(environment)}`,
      "",
      "page",
      what,
      series,
    );
  });
}

/** What the policy's own model said of its pages, beside what the users did; where the model is itself who clicks, they agree. */
export function buildCalibrationCharts(comparison: PolicyComparison): ChartDefinition[] {
  return comparison.environments.filter(({ role }) => role !== "trained on").flatMap((environment) => {
    const series = listComparedPolicies(comparison).flatMap(({ name }, colour) => {
      const found = listTrainings(comparison, name, environment.name).flatMap(({ calibration }) =>
        calibration ?? []
      );
      if (found.length === 0) return [];
      const look = { model: name, colour };
      return [
        buildSeries(
          { ...look, part: "predicted", dash: dashes.dotted },
          found.map(({ pages }) => pages.map(({ predicted }) => predicted)),
        ),
        buildSeries(
          { ...look, part: "realised" },
          found.map(({ pages }) => pages.map(({ realised }) => realised)),
        ),
      ];
    });
    return lineChart(
      chartId("calibration", comparison.slate, environment.name),
      `Predicted and realised clicks in ${describeEnvironment(environment)}`,
      "What the model that the policies learned on says of the pages that they showed here, and what was clicked.",
      "page",
      "P(any click), click rate",
      series,
    );
  });
}

/** Differences of users, sorted: a learned policy less each of its rivals, in the truth, or without one in the first model. */
export function buildUserCharts(comparison: PolicyComparison): ChartDefinition[] {
  const policies = listComparedPolicies(comparison);
  const truth = comparison.environments.filter(({ role }) => role === "truth");
  return policies.filter(({ learned }) => learned).flatMap(({ name: policy }) =>
    (truth.length > 0 ? truth : comparison.environments.slice(0, 1)).flatMap((environment) => {
      const found = policies.flatMap(({ name }, colour) => {
        const difference = name === policy
          ? undefined
          : findDifference(comparison, policy, name, environment.name);
        return difference ? [{ name, colour, difference }] : [];
      });
      return lineChart(
        chartId("users", comparison.slate, policy, environment.name),
        `${policy} less its rivals, user by user, in ${describeEnvironment(environment)}`,
        `Lose with ${policy}: ${
          found.map(({ name, difference }) => `${(100 * difference.lose).toFixed(0)} % against ${name}`).join(
            ", ",
          )
        }.`,
        "% of the users",
        `difference in ${getRewardUnit(comparison)} a user`,
        found.map(({ name, colour, difference: { sorted } }) => ({
          ...{ model: `less ${name}`, colour, part: "difference" },
          points: Array.from(sorted, (y, k) => ({ x: 100 * k / Math.max(1, sorted.length - 1), y })),
        })),
      );
    })
  );
}

/** A training, and what its policy brought whenever it was evaluated. */
export interface LearningCurve {
  readonly name: string;
  readonly points: readonly Pick<LearningCurvePoint, "userSteps" | "return" | "standardError">[];
}

/** What policies brought while they were trained, with how far the users of an evaluation vary. */
export function buildLearningCharts(
  curves: readonly LearningCurve[],
  environment: string,
  unit: string,
): ChartDefinition[] {
  const series = curves.map(({ name, points }, colour): Series => {
    const best = points.reduce(
      (a, b) => b.return > a.return ? b : a,
      points[0] ?? { userSteps: NaN, return: NaN },
    );
    return {
      ...{ model: name, colour, part: "return" },
      points: points.map(({ userSteps, standardError, ...point }) => ({
        x: userSteps,
        y: point.return,
        sd: 1.96 * standardError,
      })),
      marks: points.length > 0 ? [{ x: best.userSteps, y: best.return }] : [],
    };
  });
  return buildLineChart({
    id: "learning",
    title: `Return while the policies were trained, in ${environment}`,
    note:
      "Bands hold 95 % of what other users of an evaluation would bring; what is beyond them is the training's own swing. " +
      "Circles: the weights that a policy acts by.",
    xTitle: "pages of users",
    yTitle: `${unit} a user`,
    series,
  });
}

/** Q^1, Q^2, ... over Q^k in the states that the policy visited; of the first training. */
export function buildConsistencyCharts(comparison: PolicyComparison): ChartDefinition[] {
  const seen = new Set<string>();
  return comparison.cells.flatMap((cell: ComparisonCell): ChartDefinition[] => {
    const found = cell.consistency ?? [];
    if (found.length === 0 || seen.has(cell.policy)) return [];
    seen.add(cell.policy);
    const ends = found.flatMap(({ points }) => points.flat());
    const diagonal = [Math.min(0, ...ends), Math.max(0, ...ends)];
    const k = comparison.slate;
    return [buildScatterChart({
      id: chartId("consistency", k, cell.policy),
      title: `Do the values of ${cell.policy} agree?`,
      note:
        `Visited states in ${cell.environment}. Root mean square of the difference to Q${k}, by the mean of Q${k}: ${
          found.map(({ position, relative }) => `Q${position} ${(100 * relative).toFixed(1)} %`).join(", ")
        }.`,
      xTitle: `Q${k}`,
      yTitle: found.map(({ position }) => `Q${position}`).join(", "),
      logarithmic: [],
      series: [
        {
          ...{ name: "in agreement", colour: NEUTRAL, joined: true },
          points: diagonal.map((x) => ({ x, y: x, name: "in agreement" })),
        },
        ...found.map(({ position, points }, colour) => ({
          ...{ name: `Q${position}`, colour, joined: false },
          points: points.map(([x, y]) => ({ x, y, name: `Q${position}` })),
        })),
      ],
    })];
  });
}

/** Mean and spread over trainings of curves over pages, the first of which is 1. */
function buildSeries(
  look: Pick<Series, "model" | "colour" | "part" | "dash">,
  curves: readonly (readonly number[])[],
): Series {
  const pages = Array.from({ length: curves[0]?.length ?? 0 }, (_, page) => page);
  const points = pages.map((page) => {
    const present = curves.map((curve) => curve[page] ?? NaN).filter((value) => !Number.isNaN(value));
    const { mean, sd } = meanAndSd(present);
    return { x: page + 1, y: mean, sd, runs: curves.length };
  });
  return { ...look, points };
}

function lineChart(
  id: string,
  title: string,
  note: string,
  xTitle: string,
  yTitle: string,
  series: readonly Series[],
): ChartDefinition[] {
  const hasBands = series.some(({ points }) => points.some(({ sd = null }) => Number.isFinite(sd)));
  const whole = [note, hasBands ? describeSpread("Bands") : ""].join(" ").trim();
  return buildLineChart({ id, title, note: whole, xTitle, yTitle, series });
}
