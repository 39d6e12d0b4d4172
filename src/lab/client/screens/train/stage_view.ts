/** A stage of a training: how far it is, its curves, what the test users say, and its snapshots. */

import { getMetricTitle } from "../../../../metrics/metric_columns.ts";
import { type Html, markup } from "../../../../report/html.ts";
import type { StageName } from "../../../../run/stages.ts";
import { formatCount, renderScrollTable, withOptions } from "../../../draw/text.ts";
import { button, dom, element, fill, saveFile } from "../../elements.ts";
import type { BaselineLevel } from "../../services/lab_data.ts";
import type { SnapshotOffer } from "../../services/train_session.ts";
import type { TrainEnd } from "../../services/train_service.ts";
import type { ShownStage, TestTable } from "../../services/train_service.ts";
import { type ChartFigure, LiveChart, StageCurves } from "./live_chart.ts";

/** How far a training is: a bar, and the figures of the moment. */
export class StageProgress {
  readonly element: HTMLElement;
  readonly #bar = element("progress", { "aria-label": "Iterations done", max: 1, value: 0 });
  readonly #text = element("p", { class: "doing", role: "status" });
  readonly #list = element("dl", { class: "numbers" });
  /** What the stage's loss and precision are called. */
  #names = { loss: "loss", prec1: "prec@1" };
  /** When this session's first steps came, and after which iteration. */
  #began: { readonly at: number; readonly iteration: number } | undefined;
  #stepsPerSecond: number | undefined;

  constructor() {
    this.element = element("div", { class: "standing" }, this.#bar, this.#text, this.#list);
    this.#tell([]);
  }

  /** Of this session, from its first group of steps on. */
  get stepsPerSecond(): number | undefined {
    return this.#stepsPerSecond;
  }

  begin({ iterations, loss, prec1 }: ShownStage): void {
    this.#began = undefined;
    this.#stepsPerSecond = undefined;
    this.#bar.max = iterations;
    this.#names = { loss, prec1 };
    this.#tell([]);
  }

  say(text: string): void {
    this.#text.textContent = text;
  }

  step(curves: StageCurves): void {
    const { iteration } = curves;
    const now = performance.now();
    if (this.#began === undefined) {
      this.#began = { at: now, iteration };
      this.say("");
    } else if (now > this.#began.at) {
      this.#stepsPerSecond = 1000 * (iteration - this.#began.iteration) / (now - this.#began.at);
    }
    this.#bar.value = iteration;
    const [loss, prec1] = curves.stage.name === "shannon" ? ["loss", "prec1"] : ["loss_min", "pi_prec1"];
    const rate = this.#stepsPerSecond;
    this.#tell([
      `${formatCount(iteration)} of ${formatCount(this.#bar.max)}`,
      rate?.toFixed(rate < 10 ? 1 : 0),
      curves.last(loss)?.toFixed(4),
      curves.lastValidation(loss)?.toFixed(4),
      curves.lastValidation(prec1)?.toFixed(4),
    ]);
  }

  end({ iteration, iterations, isDone, hasNext }: TrainEnd): void {
    const of = `${formatCount(iteration)} of ${formatCount(iterations)} iterations`;
    const next = hasNext ? " The adversarial stage is still to come: Go on begins it." : "";
    if (!isDone) this.say(`Stopped after ${of}. It can go on.`);
    else if (iteration >= iterations) this.say(`Done: ${formatCount(iteration)} iterations.${next}`);
    else this.say(`Early stopping has ended it after ${formatCount(iteration)} iterations.${next}`);
  }

  #tell(texts: readonly (string | undefined)[]): void {
    const { loss, prec1 } = this.#names;
    const names = ["iteration", "steps/s", loss, `validation ${loss}`, `validation ${prec1}`];
    const numbers = names.map((name, k) => markup`<div><dt>${name}</dt><dd>${texts[k] ?? "-"}</dd></div>`);
    fill(this.#list, markup`${numbers}`);
  }
}

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
  readonly curves: StageCurves;
  readonly #charts: readonly LiveChart[];
  readonly #tested = element("div");

  constructor(stage: ShownStage) {
    this.curves = new StageCurves(stage);
    this.#charts = CHARTS[stage.name].map((figure) => new LiveChart(figure));
    const charts = this.#charts.map((chart) => chart.element);
    this.element =
      dom`<div id="stage-${stage.name}" class="results"><div class="charts">${charts}</div>${this.#tested}</div>`;
  }

  draw(levels: readonly BaselineLevel[]): void {
    for (const chart of this.#charts) chart.draw(this.curves, levels);
  }

  /** Says what the test users say. */
  tell(table: TestTable): void {
    fill(this.#tested, testView(table, this.curves.stage.heading));
  }
}

const COLUMNS = ["nll", "piPrec1", "prec1", "prec2", "ndcg", "auc"] as const;

/** @param heading what the table is called. */
function testView({ users, rows, verdict }: TestTable, heading: string): Html {
  const columns = COLUMNS.filter((key) => rows.some(({ figures }) => figures[key] !== undefined));
  const head = markup`<tr><td></td>${
    columns.map((name) => markup`<th scope="col">${getMetricTitle(name)}</th>`)
  }</tr>`;
  const body = rows.map(({ name, iteration, figures, intervals }) => {
    const snapshot = iteration === undefined ? name : `${name} (${iteration})`;
    const cells = columns.map((key) => {
      const [low, high] = intervals[key] ?? [];
      const range = low !== undefined && high !== undefined &&
        markup`<small> ${low.toFixed(3)}-${high.toFixed(3)}</small>`;
      return markup`${figures[key]?.toFixed(4)}${range}`;
    });
    return [snapshot, ...cells] as const;
  });
  const caption = markup`<caption>Figures of ${
    formatCount(users)
  } test users, and where 95 % of the resamples of them are.
Behind a snapshot's name: its iteration.</caption>`;
  return markup`<div class="tested"><h3>${heading}</h3>
${verdict.map((text) => markup`<p>${withOptions(text)}</p>`)}
${renderScrollTable(heading, "figures", head, body, caption)}</div>`;
}

export interface SnapshotActions {
  fetch(offer: SnapshotOffer): Promise<Uint8Array<ArrayBuffer>>;
  /** @returns whether the file was taken. */
  bring(file: File): Promise<boolean>;
  /** Saves the curves. */
  csv(): void;
  /** Asks the test users. */
  test(): Promise<void>;
  onError(error: unknown): void;
}

/** Takes snapshots away as files, and brings one back. */
export class SnapshotControls {
  readonly element: HTMLElement;
  readonly #away = element("div", { class: "buttons" });
  readonly #picker = element("input", { type: "file", id: "snapshot-file", accept: ".safetensors" });
  readonly #forget = element("button", { type: "button", hidden: true }, "Start from random weights again");
  /** Whether a training starts from what was brought. */
  isUsed = false;

  constructor(private readonly actions: SnapshotActions) {
    this.#picker.addEventListener("change", () => {
      const [file] = this.#picker.files ?? [];
      if (file) void this.take(file);
    });
    this.#forget.addEventListener("click", () => this.#use(false));
    this.offer([]);
    const about =
      "The weights as a safetensors file. In a terminal: deno task evaluate --model best-loss.safetensors " +
      '--data demo. "As it stands" holds the optimiser\'s state, too: brought back, the training goes on.';
    this.element = dom`<section class="card snapshots" aria-labelledby="snapshots-title">
<h3 id="snapshots-title">Snapshots</h3><p class="about">${withOptions(about)}</p>${this.#away}
<div class="field"><label for="snapshot-file">Bring one back, to look at it, to start or to resume from it:</label>
${this.#picker}${this.#forget}</div></section>`;
  }

  /** Shows a button for each of them. */
  offer(offers: readonly SnapshotOffer[]): void {
    const { actions } = this;
    if (offers.length === 0) {
      return this.#away.replaceChildren(
        "Nothing to save yet: it stands here when a training has ended or was stopped.",
      );
    }
    this.#away.replaceChildren(
      ...offers.map((offer) =>
        button(`Save ${offer.title}`, async () => {
          try {
            saveFile(offer.file, await actions.fetch(offer), "application/octet-stream");
          } catch (error) {
            actions.onError(error);
          }
        })
      ),
      button("Save the curves as CSV", () => actions.csv()),
      button("Ask the test users", () => actions.test()),
    );
  }

  async take(file: File): Promise<void> {
    this.#use(await this.actions.bring(file));
  }

  #use(used: boolean): void {
    this.isUsed = used;
    this.#forget.hidden = !used;
    if (!used) this.#picker.value = "";
  }
}
