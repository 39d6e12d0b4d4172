/** Reliability diagrams: what is said to happen with a probability of p, and how often it happened. */

import { type Look, NEUTRAL, type ScatterChart, type ScatterPoint } from "./chart_types.ts";
import { detailedResult } from "./figure_details.ts";
import { lossParts } from "./parts.ts";
import type { Model } from "./report_data.ts";

/** The snapshot that is to be used for its probabilities. */
const SNAPSHOT = "best-loss";
const DIAGONAL: Look = { name: "as often as predicted", colour: NEUTRAL, dash: 0 };

/** Of the likelihood's stage: the utilities of the other are no log-odds. */
export function reliabilityCharts(models: readonly Model[]): ScatterChart[] {
  const parts = lossParts(models).filter(({ stage }) => stage === "likelihood");
  const chart = (key: "click" | "noClick", id: string, title: string) => {
    const shares: number[] = [];
    const drawn = parts.flatMap((part) => {
      const test = detailedResult(part)?.test;
      const bins = test?.find(({ snapshot }) => snapshot === SNAPSHOT)?.details?.calibration?.[key]?.bins ??
        [];
      const all = bins.reduce((sum, { cases }) => sum + cases, 0);
      shares.push(...bins.map(({ cases }) => Math.round(100 * cases / all)));
      const points = bins.map(({ predicted, observed, cases, interval }): ScatterPoint => ({
        x: predicted,
        y: observed,
        name: `${cases} cases`,
        ...(interval ? { low: interval[0], high: interval[1] } : {}),
      }));
      const { name, colour } = part;
      return points.length === 0 ? [] : [{ name, colour, dash: 0, joined: true, points }];
    });
    if (drawn.length === 0) return [];
    const end = Math.max(...drawn.flatMap(({ points }) => points.flatMap(({ x, y }) => [x, y])));
    const diagonal = [0, end].map((x) => ({ x, y: x, name: DIAGONAL.name }));
    return [{
      kind: "scatter" as const,
      id,
      title,
      note: `Of the ${SNAPSHOT} snapshot; each point is a bin with ${sharesText(shares)} % of the cases, ` +
        "whiskers the range of 95 % of the resamples of users.",
      xTitle: "predicted probability",
      yTitle: "share that came about",
      logarithmic: [],
      series: [{ ...DIAGONAL, joined: true, points: diagonal }, ...drawn],
    }];
  };
  return [
    ...chart("click", "reliability-click", "Reliability of P(click)"),
    ...chart("noClick", "reliability-no-click", "Reliability of P(no click)"),
  ];
}

/** "9 to 11" */
function sharesText(shares: readonly number[]): string {
  return [...new Set([Math.min(...shares), Math.max(...shares)])].join(" to ");
}
