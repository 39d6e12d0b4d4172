/**
 * Stores the curves of a running training, and draws a chart of a metric with lines for baselines. No chart
 * library is used: it would take a third of the size limit of the page's script.
 */

import { formatCsvRow } from "../../../../csv.ts";
import { chooseWindow } from "../../../../report/line_chart.ts";
import { type Html, markup } from "../../../../report/html.ts";
import type { Criterion } from "../../../../train/best_records.ts";
import { AxisScale, computeAxisRange, computeTicks, layOutNames } from "../../../draw/axes.ts";
import { formatCount } from "../../../draw/text.ts";
import { dom, element, fill } from "../../elements.ts";
import type { BaselineLevel } from "../../services/lab_data.ts";
import type { ShownStage, TrainProgress, ValidationRow } from "../../services/train_progress.ts";

type Steps = Extract<TrainProgress, { kind: "steps" }>;

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Curves of a training stage. A point of a curve is a mean over several iterations. */
export class StageCurves {
  /** One row per training step, with one value per metric of the stage. */
  readonly #rows: (readonly number[])[] = [];
  /** Number of iterations before the first row; above 0 if the training was resumed from a file. */
  #before = 0;
  readonly validations: ValidationRow[] = [];
  #best: Steps["best"];

  constructor(public stage: ShownStage) {}

  /** Adds steps. If a resumed training repeats steps, their new rows replace the earlier rows. */
  add({ first, rows, validations, best }: Steps): void {
    if (rows.length > 0) {
      if (this.#rows.length === 0) this.#before = first - 1;
      this.#rows.length = Math.min(this.#rows.length, first - 1 - this.#before);
      this.#rows.push(...rows);
    }
    for (const one of validations) {
      while ((this.validations.at(-1)?.iteration ?? -1) >= one.iteration) this.validations.pop();
      this.validations.push(one);
    }
    this.#best = best ?? this.#best;
  }

  get iteration(): number {
    return this.#before + this.#rows.length;
  }
  last(column: string): number | undefined {
    return this.#rows.at(-1)?.[this.#at(column)];
  }
  lastValidation(column: string): number | undefined {
    return this.validations.at(-1)?.row[this.#at(column)];
  }

  values(column: string): number[] {
    const at = this.#at(column);
    return this.#rows.map((row) => row[at] ?? NaN);
  }

  train(column: string): Point[] {
    return this.#means(column, this.#rows, (k) => this.#before + k + 1);
  }

  validation(column: string): Point[] {
    const { validations } = this;
    return this.#means(column, validations.map(({ row }) => row), (k) => validations[k]?.iteration ?? NaN);
  }

  /** Returns the points of a curve: means of a metric over windows of iterations. */
  #means(column: string, rows: readonly (readonly number[])[], getX: (row: number) => number): Point[] {
    const at = this.#at(column);
    const window = chooseWindow(this.stage.iterations);
    const sums = new Map<number, { x: number; y: number; count: number }>();
    rows.forEach((row, k) => {
      const [x, y = NaN] = [getX(k), row[at]];
      if (Number.isNaN(y)) return;
      const key = Math.ceil(x / window);
      const sum = sums.get(key) ?? { x: 0, y: 0, count: 0 };
      sums.set(key, { x: sum.x + x, y: sum.y + y, count: sum.count + 1 });
    });
    return [...sums.values()].map(({ x, y, count }) => ({ x: x / count, y: y / count }));
  }

  bestPoint(column: string, criterion: Criterion | undefined): Point | undefined {
    const iteration = criterion && this.#best?.[criterion];
    const found = this.validations.find((one) => one.iteration === iteration);
    return found && { x: found.iteration, y: found.row[this.#at(column)] ?? NaN };
  }

  /** Returns a CSV text with a row per step and per validation, and a column per metric of the stage. */
  csv(): string {
    const rows = this.#rows.map((row, k) => ["train", this.#before + k + 1, ...row]);
    const validated = this.validations.map(({ iteration, row }) => ["validation", iteration, ...row]);
    return [["part", "iteration", ...this.stage.columns], ...rows, ...validated].map(formatCsvRow).join("");
  }

  #at(column: string): number {
    return this.stage.columns.indexOf(column);
  }
}

/** Height of the chart in pixels. The chart is as wide as its parent element. */
const HEIGHT = 280;
const [LEFT, TOP, BOTTOM] = [44, 8, 34];
/** Width of the right margin in pixels, with and without names at the ends of lines. */
const [NAMES, RIGHT] = [94, 10];
/** Approximate number of ticks per axis. */
const TICKS = 5;

export interface ChartContent {
  readonly column: string;
  readonly title: string;
  /** Metric of the baselines that the chart shows as horizontal lines; undefined for no lines. */
  readonly level?: "loss" | "prec1";
  /** Criterion that selects the best validation, which the chart marks. */
  readonly best?: Criterion;
}

export class LiveChart {
  readonly element: HTMLElement;
  readonly #box = element("div", { class: "plot" });
  readonly #reading = element("p", { class: "reading", "aria-hidden": "true" });
  #drawn: { readonly curves: StageCurves; readonly levels: readonly BaselineLevel[] } | undefined;
  #scales:
    | { readonly x: AxisScale; readonly train: readonly Point[]; readonly validation: readonly Point[] }
    | undefined;

  constructor(readonly content: ChartContent) {
    const sample = (kind: string, text: string) =>
      markup`<span><svg width="26" height="12"><path class="${kind}" d="M0 6h26"/></svg>${text}</span>`;
    const samples = markup`${sample("curve train", "train")}${sample("curve validation", "validation")}${
      content.best &&
      markup`<span><svg width="12" height="12"><circle class="best" cx="6" cy="6" r="5"/></svg>
best validation</span>`
    }${content.level && sample("level", "baselines and optimum")}`;
    this.element = dom`<figure><h3>${content.title}</h3>${this.#box}${this.#reading}
<p class="legend" aria-hidden="true">${samples}</p></figure>`;
    const redraw = () => this.#drawn && this.draw(this.#drawn.curves, this.#drawn.levels);
    new ResizeObserver(redraw).observe(this.#box);
    this.#box.addEventListener("pointermove", (event) => this.#point(event));
    this.#box.addEventListener("pointerleave", () => this.#reading.replaceChildren());
  }

  draw(curves: StageCurves, baselines: readonly BaselineLevel[]): void {
    this.#drawn = { curves, levels: baselines };
    const width = this.#box.clientWidth;
    if (width === 0) return; // a hidden chart is drawn when it is shown again
    const { column, title, level, best: criterion } = this.content;
    const [train, validation] = [curves.train(column), curves.validation(column)];
    const levels = baselines.flatMap((one) => {
      const y = level && one[level];
      return y === undefined || Number.isNaN(y) ? [] : [{ name: one.name, y }];
    });
    const range = computeAxisRange([...train, ...validation, ...levels].map(({ y }) => y));
    const end = Math.max(1, curves.stage.iterations, curves.iteration);
    const right = width - (levels.length > 0 ? NAMES : RIGHT);
    const x = new AxisScale([0, end], [LEFT, right]);
    const y = new AxisScale(range, [HEIGHT - BOTTOM, TOP]);
    this.#scales = { x, train, validation };
    const best = curves.bestPoint(column, criterion);
    const last = validation.at(-1);
    const now = last
      ? `Validation: ${last.y.toFixed(4)} at iteration ${Math.round(last.x)}.`
      : "No training yet.";
    const words = `${title}. ${now} ${levels.map(({ name, y }) => `${name}: ${y.toFixed(4)}`).join(", ")}`;
    const heights = levels.map((level) => ({ name: level.name, at: y.at(level.y) }));
    fill(
      this.#box,
      markup`<svg viewBox="0 0 ${width} ${HEIGHT}" width="${width}" height="${HEIGHT}" role="img"
 aria-label="${words}">
${axes(x, y, right)}${renderLevels(heights, right)}${curve("train", train, x, y)}${
        curve("validation", validation, x, y)
      }${best && markup`<circle class="best" cx="${x.at(best.x)}" cy="${y.at(best.y)}" r="5"/>`}</svg>`,
    );
  }

  #point({ offsetX }: PointerEvent): void {
    const { x, train, validation } = this.#scales ?? {};
    if (!x || !train || !validation) return;
    const at = x.from(offsetX);
    const near = (points: readonly Point[]) =>
      points.reduce<Point | undefined>(
        (best, point) => !best || Math.abs(point.x - at) < Math.abs(best.x - at) ? point : best,
        undefined,
      );
    const texts = [["train", near(train)], ["validation", near(validation)]] as const;
    this.#reading.textContent = texts.flatMap(([name, point]) =>
      point ? [`${name} ${point.y.toFixed(4)} at ${formatCount(point.x)}`] : []
    ).join(", ");
  }
}

function axes(x: AxisScale, y: AxisScale, right: number): Html {
  const bottom = HEIGHT - BOTTOM;
  const across = (kind: string, at: number) =>
    markup`<line class="${kind}" x1="${LEFT}" x2="${right}" y1="${at}" y2="${at}"/>`;
  const below = (at: number, y: number, text: string) =>
    // Align the last label at its right end, because a centred label would be clipped.
    markup`<text class="tick x" x="${at}" y="${y}"${
      at > right - 12 && markup` style="text-anchor: end"`
    }>${text}</text>`;
  const heights = computeTicks(y.values, TICKS).map((value) =>
    markup`${across("grid", y.at(value))}<text class="tick y" x="${LEFT - 6}" y="${
      y.at(value) + 4
    }">${value}</text>`
  );
  const ticks = computeTicks(x.values, Math.max(2, Math.min(TICKS, right / 90))).map((value) =>
    below(x.at(value), bottom + 15, value.toLocaleString("en"))
  );
  return markup`${heights}${ticks}${across("axis", bottom)}${
    below((LEFT + right) / 2, HEIGHT - 3, "iteration")
  }`;
}

function renderLevels(
  levels: readonly { readonly name: string; readonly at: number }[],
  right: number,
): Html {
  const lines = levels.map(({ at }) =>
    markup`<line class="level" x1="${LEFT}" x2="${right}" y1="${at}" y2="${at}"/>`
  );
  const names = layOutNames(levels).map(({ name, foot }) =>
    markup`<text class="level-name" x="${right + 8}" y="${foot}">${name}</text>`
  );
  return markup`${lines}${names}`;
}

function curve(kind: string, points: readonly Point[], x: AxisScale, y: AxisScale): Html {
  const corners = points.map((point) => `${x.at(point.x).toFixed(1)},${y.at(point.y).toFixed(1)}`);
  return markup`<polyline class="curve ${kind}" points="${corners.join(" ")}"/>`;
}
