/** Shows a training stage: progress, curves, test metrics and snapshots. */

import { getMetricTitle } from "../../../../metrics/metric_columns.ts";
import { type Html, markOptions, markup } from "../../../../report/html.ts";
import type { StageName } from "../../../../run/stages.ts";
import { formatCount, renderScrollTable } from "../../../draw/text.ts";
import { button, dom, element, fill } from "../../elements.ts";
import { saveFile } from "../../../../report/client/save_file.ts";
import type { BaselineLevel } from "../../services/lab_data.ts";
import type { SnapshotOffer, TestTable } from "../../services/train_session.ts";
import type { ShownStage } from "../../services/train_progress.ts";
import type { StageStatus } from "../../services/train_service.ts";
import { type ChartContent, LiveChart, StageCurves } from "./live_chart.ts";

export class StageProgress {
  readonly element: HTMLElement;
  readonly #bar = element("progress", { "aria-label": "Iterations done", max: 1, value: 0 });
  readonly #text = element("p", { class: "doing", role: "status" });
  readonly #list = element("dl", { class: "numbers" });
  #names = { loss: "loss", prec1: "prec@1" };
  #start: { readonly at: number; readonly iteration: number } | undefined;
  #stepsPerSecond: number | undefined;
  #clock: ReturnType<typeof setInterval> | undefined;

  constructor() {
    this.element = element("div", { class: "status" }, this.#bar, this.#text, this.#list);
    this.#showNumbers([]);
  }

  /** Training steps per second since the training was started or resumed. */
  get stepsPerSecond(): number | undefined {
    return this.#stepsPerSecond;
  }

  begin({ iterations, loss, prec1 }: ShownStage): void {
    this.#start = undefined;
    this.#stepsPerSecond = undefined;
    this.#bar.max = iterations;
    this.#names = { loss, prec1 };
    this.#showNumbers([]);
  }

  /** Shows a text; if the text ends with "...", a counter of seconds follows. */
  show(text: string): void {
    clearInterval(this.#clock);
    this.#text.textContent = text;
    if (!text.endsWith("...")) {
      if (this.#start === undefined) this.#bar.value = 0;
      return;
    }
    if (this.#start === undefined) this.#bar.removeAttribute("value"); // animated until the first steps end
    const began = performance.now();
    const seconds = element("span", { "aria-hidden": "true" });
    this.#text.append(seconds);
    this.#clock = setInterval(
      () => seconds.textContent = ` ${Math.round((performance.now() - began) / 1000)} s`,
      1000,
    );
  }

  step(curves: StageCurves): void {
    const { iteration } = curves;
    const now = performance.now();
    if (this.#start === undefined) {
      this.#start = { at: now, iteration };
      this.show("");
    } else if (now > this.#start.at) {
      this.#stepsPerSecond = 1000 * (iteration - this.#start.iteration) / (now - this.#start.at);
    }
    this.#bar.value = iteration;
    const [loss, prec1] = curves.stage.name === "shannon" ? ["loss", "prec1"] : ["loss_min", "pi_prec1"];
    const rate = this.#stepsPerSecond;
    this.#showNumbers([
      `${formatCount(iteration)} of ${formatCount(this.#bar.max)}`,
      rate?.toFixed(rate < 10 ? 1 : 0),
      curves.last(loss)?.toFixed(4),
      curves.lastValidation(loss)?.toFixed(4),
      curves.lastValidation(prec1)?.toFixed(4),
    ]);
  }

  end({ iteration, iterations, isDone, hasNext }: StageStatus): void {
    const [done, all] = [formatCount(iteration), formatCount(iterations)];
    const next = hasNext ? " Press Resume to start the adversarial stage." : "";
    if (!isDone) this.show(`Stopped after ${done} of ${all} iterations. Press Resume to continue.`);
    else if (iteration >= iterations) this.show(`Done: ${done} iterations.${next}`);
    else this.show(`Stopped early after ${done} iterations.${next}`);
  }

  #showNumbers(texts: readonly (string | undefined)[]): void {
    const { loss, prec1 } = this.#names;
    const names = ["iteration", "steps/s", loss, `validation ${loss}`, `validation ${prec1}`];
    const numbers = names.map((name, k) => markup`<div><dt>${name}</dt><dd>${texts[k] ?? "-"}</dd></div>`);
    fill(this.#list, markup`${numbers}`);
  }
}

const CHARTS: Readonly<Record<StageName, readonly ChartContent[]>> = {
  shannon: [
    { column: "loss", title: "Loss", level: "loss", best: "loss" },
    { column: "prec1", title: "prec@1: the clicked item is ranked first", level: "prec1", best: "prec1" },
  ],
  adversarial: [
    { column: "loss_min", title: "loss_min: loss of the reward", best: "loss" },
    { column: "pi_prec1", title: "pi prec@1 of the generator", level: "prec1", best: "prec1" },
    { column: "prec1", title: "prec@1 of the reward", level: "prec1" },
  ],
};

export class StageView {
  readonly element: HTMLElement;
  readonly curves: StageCurves;
  readonly #charts: readonly LiveChart[];
  readonly #tested = element("div");

  constructor(stage: ShownStage) {
    this.curves = new StageCurves(stage);
    this.#charts = CHARTS[stage.name].map((content) => new LiveChart(content));
    const charts = this.#charts.map((chart) => chart.element);
    this.element = dom`<div id="stage-${stage.name}" class="results"><div class="charts">${charts}</div>
${this.#tested}</div>`;
  }

  draw(levels: readonly BaselineLevel[]): void {
    for (const chart of this.#charts) chart.draw(this.curves, levels);
  }

  showTest(table: TestTable): void {
    fill(this.#tested, renderTest(table, this.curves.stage.heading));
  }
}

const COLUMNS = ["nll", "piPrec1", "prec1", "prec2", "ndcg", "auc"] as const;

function renderTest({ users, rows, verdict }: TestTable, heading: string): Html {
  const columns = COLUMNS.filter((key) => rows.some(({ metrics }) => metrics[key] !== undefined));
  const heads = columns.map((name) => markup`<th scope="col">${getMetricTitle(name)}</th>`);
  const head = markup`<tr><td></td>${heads}</tr>`;
  const body = rows.map(({ name, iteration, metrics, intervals }) => {
    const snapshot = iteration === undefined ? name : `${name} (${iteration})`;
    const cells = columns.map((key) => {
      const [low, high] = intervals[key] ?? [];
      const range = low !== undefined && high !== undefined &&
        markup`<small> ${low.toFixed(3)}-${high.toFixed(3)}</small>`;
      return markup`${metrics[key]?.toFixed(4)}${range}`;
    });
    return [snapshot, ...cells] as const;
  });
  const caption = markup`<caption>Metrics on ${formatCount(users)} test users with 95 % bootstrap intervals.
In brackets: the snapshot's iteration.</caption>`;
  return markup`<div class="tested"><h3>${heading}</h3>
${verdict.map((text) => markup`<p>${markOptions(text)}</p>`)}
${renderScrollTable(heading, "numeric", head, body, caption)}</div>`;
}

export interface SnapshotActions {
  fetch(offer: SnapshotOffer): Promise<Uint8Array<ArrayBuffer>>;
  /** Loads a snapshot. Returns true on success. */
  load(file: File): Promise<boolean>;
  csv(): void;
  test(): Promise<void>;
  onError(error: unknown): void;
}

export class SnapshotControls {
  readonly element: HTMLElement;
  readonly #buttons = element("div", { class: "buttons" });
  readonly #picker = element("input", { type: "file", id: "snapshot-file", accept: ".safetensors" });
  readonly #reset = element("button", { type: "button", hidden: true }, "Start from random weights again");
  /** True if the next training starts from the weights of the loaded snapshot. */
  isUsed = false;

  constructor(private readonly actions: SnapshotActions) {
    this.#picker.addEventListener("change", () => {
      const [file] = this.#picker.files ?? [];
      if (file) void this.load(file);
    });
    this.#reset.addEventListener("click", () => this.#use(false));
    this.offer([]);
    const about =
      "Snapshots are safetensors files. To test a snapshot in a terminal: deno task -q evaluate " +
      "--model best-loss.safetensors --data demo. To resume the training, load the current state, which " +
      "includes the optimiser's state.";
    this.element = dom`<section class="card snapshots" aria-labelledby="snapshots-title">
<h3 id="snapshots-title">Snapshots</h3><p class="about">${markOptions(about)}</p>${this.#buttons}
<div class="field"><label for="snapshot-file">Load a snapshot to inspect it, or to train from it:</label>
${this.#picker}${this.#reset}</div></section>`;
  }

  offer(offers: readonly SnapshotOffer[]): void {
    const { actions } = this;
    if (offers.length === 0) {
      return this.#buttons.replaceChildren("Nothing to save yet: train a model first.");
    }
    this.#buttons.replaceChildren(
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
      button("Evaluate on the test users", () => actions.test()),
    );
  }

  async load(file: File): Promise<void> {
    this.#use(await this.actions.load(file));
  }

  #use(used: boolean): void {
    this.isUsed = used;
    this.#reset.hidden = !used;
    if (!used) this.#picker.value = "";
  }
}
