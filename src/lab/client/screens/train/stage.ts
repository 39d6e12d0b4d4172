/** A stage of a training: its curves, and below them what the test users say. */

import type { StageName } from "../../../../run/stages.ts";
import { type Html, markup } from "../../../../report/html.ts";
import { element, fill } from "../../elements.ts";
import type { ShownStage, Tested, TestTable } from "../../services/train_progress.ts";
import type { Level } from "../../services/data.ts";
import { type ChartFigure, Curves, LiveChart } from "./chart.ts";
import { scrollTable, whole, withOptions } from "../../../draw/text.ts";

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
    fill(this.#tested, testView(table, this.curves.stage.heading));
  }
}

const COLUMNS = [
  ["nll", "loss"],
  ["piPrec1", "pi prec@1"],
  ["prec1", "prec@1"],
  ["prec2", "prec@2"],
  ["ndcg", "NDCG"],
  ["auc", "AUC"],
] as const;

/** @param heading what the table is called. */
function testView({ users, rows, verdict }: TestTable, heading: string): Html {
  const columns = COLUMNS.filter(([key]) => rows.some(({ figures }) => figures[key]));
  const head = markup`<tr><td></td>${columns.map(([, title]) => markup`<th scope="col">${title}</th>`)}</tr>`;
  const body = rows.map(({ name, iteration, figures }) => {
    const snapshot = iteration === undefined ? name : `${name} (${iteration})`;
    return markup`<tr><th scope="row">${snapshot}</th>${columns.map(([key]) => cellOf(figures[key]))}</tr>`;
  });
  const caption = markup`<caption>Figures of ${
    whole(users)
  } test users, and where 95 % of the resamples of them are.
Behind a snapshot's name: its iteration.</caption>`;
  return markup`<div class="tested"><h3>${heading}</h3>
${verdict.map((text) => markup`<p>${withOptions(text)}</p>`)}
${scrollTable(heading, "figures", head, body, caption)}</div>`;
}

function cellOf(found: Tested | undefined): Html {
  if (!found) return markup`<td></td>`;
  const { value, low, high } = found;
  const range = low === undefined || high === undefined ? "" : ` ${low.toFixed(3)}-${high.toFixed(3)}`;
  return markup`<td>${value.toFixed(4)}${range !== "" && markup`<small>${range}</small>`}</td>`;
}
