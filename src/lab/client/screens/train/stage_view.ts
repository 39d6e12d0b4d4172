/** A stage of a training: its curves, and below them what the test users say. */

import type { StageName } from "../../../../run/stages.ts";
import { element } from "../../elements.ts";
import type { Level, ShownStage } from "../../services/train_progress.ts";
import type { TestTable } from "../../services/train_test.ts";
import { Curves } from "./curves.ts";
import { type ChartFigure, LiveChart } from "./live_chart.ts";
import { testView } from "./test_view.ts";

const CHARTS: Readonly<Record<StageName, readonly ChartFigure[]>> = {
  shannon: [
    { column: "loss", title: "Loss", level: "loss", best: "loss" },
    { column: "prec1", title: "prec@1: the clicked item is ranked first", level: "prec1", best: "prec1" },
  ],
  adversarial: [
    { column: "loss_min", title: "loss_min: what the reward descends", best: "loss" },
    {
      column: "pi_prec1",
      title: "pi prec@1: the generator ranks the clicked item first",
      level: "prec1",
      best: "prec1",
    },
    { column: "prec1", title: "prec@1: the reward ranks it first", level: "prec1" },
  ],
};

export class StageView {
  readonly element: HTMLElement;
  readonly curves: Curves;
  readonly #charts: readonly LiveChart[];
  readonly #tested = element("div");

  constructor(stage: ShownStage) {
    this.curves = new Curves(stage);
    this.#charts = CHARTS[stage.name].map((figure) => new LiveChart(figure));
    this.element = element(
      "div",
      { id: `stage-${stage.name}`, class: "results" },
      element("div", { class: "charts" }, ...this.#charts.map((chart) => chart.element)),
      this.#tested,
    );
  }

  draw(levels: readonly Level[]): void {
    for (const chart of this.#charts) chart.draw(this.curves, levels);
  }

  /** Says what the test users say. */
  tell(table: TestTable): void {
    this.#tested.replaceChildren(testView(table, this.curves.stage.heading));
  }
}
