/** From runs to charts, as plain data. A chart that nothing is known for is left out. */

import { barCharts } from "./bar_charts.ts";
import type { Curve, LineChart, Look, ReportChart } from "./chart_types.ts";
import { curveOf } from "./curve.ts";
import { lossParts, type Part, rankingParts, stageRuns } from "./parts.ts";
import type { ReportData } from "./report_data.ts";

/** Models whose adversarial stage starts from random weights; far worse, they squeeze the others' curves. */
const NO_PRETRAINING = /no[^a-z]?pre-?train/i;

/** First the test figures, then the learning curves. */
export function chartsOf({ models }: ReportData): ReportChart[] {
  const losses = lossParts(models);
  const adversarial = losses.filter(({ stage }) => stage === "adversarial");
  const lines = [
    lineChart("train-loss", "Training loss", "loss", losses.map((part) => curve(part, "train", "loss"))),
    lineChart(
      "validation-loss",
      "Validation loss",
      "loss",
      losses.map((part) => curve(part, "validation", "loss")),
    ),
    lineChart(
      "validation-min-max",
      "Validation loss_min and loss_max",
      "adversarial loss",
      adversarial.flatMap((part) => [
        curve(renamed(part, "loss_min", 0), "validation", "loss_min"),
        curve(renamed(part, "loss_max", 2), "validation", "loss_max"),
      ]),
    ),
    lineChart(
      "train-max",
      "Training loss_max",
      "adversarial loss",
      adversarial.map((part) => curve(part, "train", "loss_max")),
    ),
    ...precisionCharts(rankingParts(models)),
  ];
  return [...barCharts(models), ...lines.flatMap((chart) => chart ?? [])];
}

/** Both precisions of all models, and once more without those that were not pre-trained. */
function precisionCharts(parts: readonly Part[]): (LineChart | undefined)[] {
  const pretrained = parts.filter(({ model }) => !NO_PRETRAINING.test(model.name));
  const charts = (chosen: readonly Part[], id: string, title: string) =>
    (["1", "2"] as const).map((k) =>
      lineChart(
        `validation-prec${k}${id}`,
        `Validation prec@${k}${title}`,
        `prec@${k}`,
        chosen.map((part) =>
          curve(part, "validation", part.ranking === "generator" ? `pi_prec${k}` : `prec${k}`)
        ),
      )
    );
  if (pretrained.length === 0 || pretrained.length === parts.length) return charts(parts, "", "");
  return [...charts(parts, "", ""), ...charts(pretrained, "-pretrained", ", pre-trained models")];
}

type Drawn = Part & Curve;

function curve(part: Part, log: "train" | "validation", column: string): Drawn | undefined {
  const found = curveOf(stageRuns(part).map((stage) => stage[log]), column);
  return found && { ...part, ...found };
}

/** A part that is in a chart twice, as two quantities. */
function renamed(part: Part, quantity: string, dashes: number): Part {
  return { ...part, name: `${part.model.name}: ${quantity}`, dash: part.dash + dashes };
}

function lineChart(
  id: string,
  title: string,
  yTitle: string,
  drawn: readonly (Drawn | undefined)[],
): LineChart | undefined {
  const found = drawn.flatMap((curve) => curve ?? []);
  if (found.length === 0) return undefined;
  const series = found.map(({ name, colour, dash, x, mean, sd, runs, window }): Look & Curve => (
    { name, colour, dash, x, mean, sd, runs, window }
  ));
  return { kind: "line", id, title, note: noteOn(found), xTitle: "iteration", yTitle, series };
}

function noteOn(drawn: readonly Drawn[]): string {
  const window = Math.max(...drawn.map((curve) => curve.window));
  const several = drawn.some(({ runs }) => Math.max(...runs) > 1);
  const stages = new Set(drawn.map(({ stage }) => stage));
  return [
    several ? "Lines are means over seeds, bands one standard deviation to each side." : "",
    window > 1 ? `Smoothed: a point is the mean of ${upTo(drawn, window)} rows of the log.` : "",
    stages.size > 1 ? "The adversarial stage counts its own iterations." : "",
  ].filter((sentence) => sentence !== "").join(" ");
}

function upTo(drawn: readonly Drawn[], window: number): string {
  return drawn.every((curve) => curve.window === window) ? String(window) : `up to ${window}`;
}
