/** Builds the charts of a policy comparison. The title of a chart names the environment. */

import { type Bar, buildBarChart } from "./bar_chart.ts";
import { type ChartDefinition, dashes } from "./chart_definition.ts";
import { buildLineChart, type Series } from "./line_chart.ts";
import { buildScatterChart } from "./scatter_chart.ts";
import { NEUTRAL } from "./theme.ts";
import {
  type ComparisonCell,
  type ComparisonEnvironment,
  findDifference,
  getRewardUnit,
  listComparedPolicies,
  listPoliciesIn,
  type PolicyComparison,
  summarizeTrainings,
} from "../policy/comparison/comparison.ts";
import type { LearningCurvePoint } from "../policy/learning/policy_run.ts";
import { meanAndSd } from "../data/mean_sd.ts";

const describeSpread = (what: string) => `${what}: ± one standard deviation over trainings.`;

/** Makes the HTML id of a chart (letters, digits and hyphens) from names. */
function formatChartId(...names: readonly (string | number)[]): string {
  return names.join("-").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
}

/** Returns name and role of an environment, for example "restless shop (ground truth)". */
export function describeEnvironment({ name, role }: ComparisonEnvironment): string {
  const roles: Record<string, string> = { truth: "ground truth", "trained on": "the policies' own model" };
  return `${name} (${roles[role] ?? role})`;
}

/** Builds a bar chart per environment, which shows the return of each policy. */
export function buildReturnCharts(comparison: PolicyComparison): ChartDefinition[] {
  const unit = `${getRewardUnit(comparison)} per user`;
  return comparison.environments.map((environment) => {
    const bars = listPoliciesIn(comparison, environment.name).map(({ name, colour, cells }): Bar => {
      const { mean, sd } = summarizeTrainings(cells, (metrics) => metrics.return.mean);
      return { name, colour, mean, sd, runs: cells.length, snapshot: environment.name };
    });
    return buildBarChart({
      id: formatChartId("return", comparison.slate, environment.name),
      title: `Return in ${describeEnvironment(environment)}`,
      note: `Mean ${unit} over ${comparison.pages} pages of ${comparison.slate}. ${
        bars.some(({ sd }) => sd !== null) ? describeSpread("Whiskers") : ""
      }`.trim(),
      xTitle: unit,
      bars,
    });
  });
}

/** Builds a chart per environment with one curve per policy: the click rate by page number. */
export function buildPageCharts(comparison: PolicyComparison): ChartDefinition[] {
  const what = "click rate";
  return comparison.environments.flatMap((environment) => {
    const series = listPoliciesIn(comparison, environment.name).map(({ name, colour, cells }) => {
      const rates = cells.map(({ metrics }) => metrics.byPage.map(({ clickRate }) => clickRate.mean));
      return buildSeries({ model: name, colour, part: what }, rates);
    });
    return lineChart(
      formatChartId("pages", comparison.slate, environment.name),
      `Click rate by page in ${describeEnvironment(environment)}`,
      "",
      "page",
      what,
      series,
    );
  });
}

/** Builds charts of predicted and realised clicks by page, for environments that training did not use. */
export function buildCalibrationCharts(comparison: PolicyComparison): ChartDefinition[] {
  return comparison.environments.filter(({ role }) => role !== "trained on").flatMap((environment) => {
    const series = listPoliciesIn(comparison, environment.name).flatMap(({ name, colour, cells }) => {
      const found = cells.flatMap(({ calibration }) => calibration ?? []);
      const curve = (part: "predicted" | "realised", dash?: readonly number[]) =>
        buildSeries(
          { model: name, colour, part, ...(dash && { dash }) },
          found.map(({ pages }) => pages.map((page) => page[part])),
        );
      return found.length === 0 ? [] : [curve("predicted", dashes.dotted), curve("realised")];
    });
    return lineChart(
      formatChartId("calibration", comparison.slate, environment.name),
      `Predicted and realised clicks in ${describeEnvironment(environment)}`,
      "Predicted: by the model on which the policies were trained. Realised: in this environment.",
      "page",
      "P(any click), click rate",
      series,
    );
  });
}

/** Builds charts per learned policy: each user's return minus the return under another policy, ascending. */
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
      const losses = found.map(({ name, difference: { lose } }) =>
        `${(100 * lose).toFixed(0)} % against ${name}`
      );
      return lineChart(
        formatChartId("users", comparison.slate, policy, environment.name),
        `Return under ${policy} minus other policies, by user, in ${describeEnvironment(environment)}`,
        `Users with a lower return under ${policy}: ${losses.join(", ")}.`,
        "% of the users",
        `difference in ${getRewardUnit(comparison)} per user`,
        found.map(({ name, colour, difference: { sorted } }) => ({
          ...{ model: `minus ${name}`, colour, part: "difference" },
          points: Array.from(sorted, (y, k) => ({ x: 100 * k / Math.max(1, sorted.length - 1), y })),
        })),
      );
    })
  );
}

/** Learning curve of a policy: mean returns in evaluations during the training. */
export interface LearningCurve {
  readonly name: string;
  readonly points: readonly Pick<LearningCurvePoint, "userSteps" | "return" | "standardError">[];
}

/** Builds a chart of returns during training. Bands show the 95 % interval over the evaluated users. */
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
    note: "Bands: 95 % interval over an evaluation's users. Changes beyond a band are due to training. " +
      "A circle marks the evaluation whose weights the policy uses.",
    xTitle: "pages shown to users",
    yTitle: `${unit} per user`,
    series,
  });
}

/** Builds a scatter chart per learned policy: Q-value at the last position (x) and earlier positions (y). */
export function buildConsistencyCharts(comparison: PolicyComparison): ChartDefinition[] {
  const seen = new Set<string>();
  return comparison.cells.flatMap((cell: ComparisonCell): ChartDefinition[] => {
    const found = cell.consistency ?? [];
    if (found.length === 0 || seen.has(cell.policy)) return [];
    seen.add(cell.policy);
    const ends = found.flatMap(({ points }) => points.flat());
    const diagonal = [Math.min(0, ...ends), Math.max(0, ...ends)];
    const k = comparison.slate;
    const unit = getRewardUnit(comparison);
    return [buildScatterChart({
      id: formatChartId("consistency", k, cell.policy),
      title: `Consistency of the Q-values of ${cell.policy}`,
      note:
        `Points: user states that the policy visited in ${cell.environment}. Root mean square difference from ` +
        `Q${k}, divided by the mean of Q${k}: ${
          found.map(({ position, relative }) => `Q${position} ${(100 * relative).toFixed(1)} %`).join(", ")
        }.`,
      xTitle: `Q${k} (${unit})`,
      yTitle: `${found.map(({ position }) => `Q${position}`).join(", ")} (${unit})`,
      series: [
        {
          ...{ name: "equal", colour: NEUTRAL, joined: true },
          points: diagonal.map((x) => ({ x, y: x, name: "equal" })),
        },
        ...found.map(({ position, points }, colour) => ({
          ...{ name: `Q${position}`, colour, joined: false },
          points: points.map(([x, y]) => ({ x, y, name: `Q${position}` })),
        })),
      ],
    })];
  });
}

/** Builds a curve over page numbers: mean and sd over trainings. @param curves - one array per training */
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

type Texts = readonly [id: string, title: string, note: string, xTitle: string, yTitle: string];

function lineChart(
  ...[id, title, note, xTitle, yTitle, series]: [...Texts, readonly Series[]]
): ChartDefinition[] {
  const hasBands = series.some(({ points }) => points.some(({ sd = null }) => Number.isFinite(sd)));
  const whole = [note, hasBands ? describeSpread("Bands") : ""].join(" ").trim();
  return buildLineChart({ id, title, note: whole, xTitle, yTitle, series });
}
