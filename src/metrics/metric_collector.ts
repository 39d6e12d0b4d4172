/** Computes metrics from scores of items. The users of a large log can be added in several calls. */

import { type Clicks, listClickedRows, NONE } from "../data/click_log.ts";
import { type Bootstrap, getBootstrap, MOST_GROUPS } from "./bootstrap.ts";
import { type ItemCategories, listItemGroups } from "./item_categories.ts";
import { CalibrationSums, findBin } from "./probability_calibration.ts";
import type { EvaluatedPage, MetricName, SliceKey } from "./metric_columns.ts";
import {
  column,
  columns,
  computePageSums,
  computeProbabilities,
  firstSlice,
  historyLengths,
  metricNames,
  pageLengths,
  positions,
  seen,
  sliceCount,
  slicings,
} from "./metric_columns.ts";
import { measure, type MetricSlice, type TestResult, UsersHash } from "./test_result.ts";

/** Maximum number of user groups in the bootstrap of a metric over a slice (a subset of the events). */
const SLICE_GROUPS = 200;
const SLICE_RESAMPLES = 500;

export interface ScoredUsers {
  readonly log: Clicks;
  /** Indices (in the log) of the users to add. All compared models must add users in the same order. */
  readonly places: ArrayLike<number>;
  /** Scores of all rows of the log or, if `compact` is true, of the added users' rows. */
  readonly scores: ArrayLike<number>;
  readonly compact?: boolean;
  /** Scores that rank the rows (default: `scores`). Probabilities are always computed from `scores`. */
  readonly ranking?: ArrayLike<number>;
  /** Outcomes (loss, prec@1, ...) of all events of the users in `places`; see train/training_results.ts. */
  readonly outcomes?: { readonly values: Float32Array; readonly words: number };
}

export interface MetricCollectorOptions {
  /** Total number of users to add. Users who have only context events do not count. */
  readonly users: number;
  /** Inverse temperature eta: P(a) = exp(eta u_a) / (1 + sum exp(eta u)). Undefined for rankings. */
  readonly eta?: number;
  /** True if clicks are independent: P(a) = 1 / (1 + exp(-eta u_a)), P(no click) = prod_a (1 - P(a)). */
  readonly single?: boolean;
  /** [positions] effects that are added to the utilities. Positions beyond the list have the last effect. */
  readonly positionEffects?: readonly number[];
  /** Returns true if a train user saw the item. If absent, metrics are not split by seen and new items. */
  readonly isSeen?: (item: number) => boolean;
  /** Categories of the items; undefined for items without categories. */
  readonly categories?: ItemCategories | undefined;
  /** Called per page. @param k - user's index in `places`. @param row - index of the page's first score */
  readonly onPage?: (page: EvaluatedPage, k: number, row: number) => void;
}

/** Sums metrics over the events of users. {@link MetricCollector.tested} returns the metrics. */
export class MetricCollector {
  readonly #groups: number;
  readonly #sliceGroups: number;
  readonly #all: Float64Array;
  readonly #slices: Float64Array;
  readonly #clicks: CalibrationSums;
  readonly #noClicks: CalibrationSums;
  readonly #sliceClicks: readonly CalibrationSums[];
  /** For each slice (subset of the events): number of its users, and index (from 1) of its last user. */
  readonly #sliceUsers: readonly { count: number; last: number }[];
  readonly #hash = new UsersHash();
  #users = 0;
  hasSeveral = false;

  constructor(private readonly options: MetricCollectorOptions) {
    this.#groups = Math.max(1, Math.min(MOST_GROUPS, options.users));
    this.#sliceGroups = Math.min(SLICE_GROUPS, this.#groups);
    this.#all = new Float64Array(this.#groups * columns);
    const slices = sliceCount + (options.categories?.names.length ?? 0);
    this.#slices = new Float64Array(slices * this.#sliceGroups * columns);
    this.#clicks = new CalibrationSums(this.#sliceGroups);
    this.#noClicks = new CalibrationSums(this.#sliceGroups);
    this.#sliceClicks = Array.from({ length: slices }, () => new CalibrationSums(1));
    this.#sliceUsers = Array.from({ length: slices }, () => ({ count: 0, last: 0 }));
  }

  add(part: ScoredUsers): void {
    const { log, places, compact } = part;
    let [row, event] = [0, 0];
    for (const [k, user] of Array.from(places).entries()) {
      const [first, end] = [log.userEvents[user]!, log.userEvents[user + 1]!];
      const rows = log.eventRows[first]!;
      this.#addUser(part, k, compact ? row - rows : 0, event - first);
      row += log.eventRows[end]! - rows;
      event += end - first;
    }
  }

  /**
   * Adds a user. @param index - user's index in `part.places`. @param shift - index of a row in `part.scores`
   * minus its index in the log. @param moved - index of an event in `part.outcomes` minus its index in the
   * log
   */
  #addUser(part: ScoredUsers, index: number, shift: number, moved: number): void {
    const user = part.places[index]!;
    const { log, scores, ranking = scores, outcomes } = part;
    const { eta, positionEffects: positionEffects = [] } = this.options;
    let [history, counted] = [0, false];
    for (let e = log.userEvents[user]!; e < log.userEvents[user + 1]!; e++) {
      const click = log.eventClick[e]!;
      if (!log.eventKind?.[e]) {
        counted = true;
        this.#hash.add(this.#users);
        const [from, to] = [log.eventRows[e]!, log.eventRows[e + 1]!];
        // A loop is faster than Float64Array.from() for so many rows.
        const [order, logits] = [new Float64Array(to - from), new Float64Array(to - from)];
        for (let k = 0; k < logits.length; k++) {
          const effect = positionEffects[Math.min(k, positionEffects.length - 1)] ?? 0;
          order[k] = ranking[from + shift + k]! + effect;
          logits[k] = (eta ?? 1) * (scores[from + shift + k]! + effect);
        }
        const page: EvaluatedPage = {
          clicked: listClickedRows(log, e).map((row) => row - from),
          history,
          items: log.rowItem.subarray(from, to),
          ranking: order,
          logits,
          ...computeProbabilities(logits, this.options),
        };
        this.options.onPage?.(page, index, from + shift);
        const at = (e + moved) * (outcomes?.words ?? 0);
        this.#addPage(page, outcomes?.values.subarray(at, at + outcomes.words));
      }
      if (click !== NONE) history++;
    }
    if (counted) this.#users++;
  }

  #addPage(page: EvaluatedPage, outcome: Float32Array | undefined): void {
    const { isSeen, categories } = this.options;
    const sums = computePageSums(page, this.options.single, outcome);
    this.#hash.add(page.items.length);
    this.#hash.add(page.clicked[0] ?? NONE);
    for (const position of page.clicked.slice(1)) this.#hash.add(position);
    this.hasSeveral ||= page.clicked.length > 1;
    addTo(this.#all, this.#users % this.#groups, sums);
    const ofPage = [
      firstSlice["page length"] + pageLengths.findSlice(page.items.length),
      firstSlice.history + historyLengths.findSlice(page.history),
    ];
    for (const slice of ofPage) this.#addSlice(slice, sums);
    // Rows of one page belong to different slices by position, item or category, so #addRows adds them.
    for (const ofRows of ["rows", "pClick", "clickedRows"] as const) sums[column[ofRows]] = 0;
    const ofRow: number[][] = [];
    for (let k = 0; k < page.items.length; k++) {
      const slices = [firstSlice.position + positions.findSlice(k + 1)];
      if (isSeen) slices.push(firstSlice.item + seen.findSlice(isSeen(page.items[k]!)));
      if (categories) {
        const groups = listItemGroups(categories, page.items[k]!);
        slices.push(...groups.map((group) => firstSlice.category + group));
      }
      ofRow.push(slices);
    }
    for (const slice of ofRow[page.clicked[0] ?? NONE] ?? []) this.#addSlice(slice, sums);
    this.#addRows(page, ofPage, ofRow);
  }

  /** Adds each displayed item's click probability and outcome to the calibrations and slices. */
  #addRows(
    { chances, clicked, logSum }: EvaluatedPage,
    ofPage: readonly number[],
    ofRow: readonly (readonly number[])[],
  ): void {
    const group = this.#users % this.#sliceGroups;
    const hasProbabilities = !Number.isNaN(logSum);
    if (hasProbabilities) {
      const p = Math.exp(-logSum);
      this.#noClicks.add(group, findBin(p), p, clicked.length === 0);
    }
    // A choice model predicts the probability that an item is a page's first click.
    const counts = this.options.single ? clicked : clicked.slice(0, 1);
    chances.forEach((p, k) => {
      const cell = findBin(p);
      const happened = counts.includes(k);
      for (const slice of ofRow[k] ?? []) {
        const at = (slice * this.#sliceGroups + group) * columns;
        this.#slices[at + column.rows] = this.#slices[at + column.rows]! + 1;
        this.#slices[at + column.pClick] = this.#slices[at + column.pClick]! + p;
        if (happened) this.#slices[at + column.clickedRows] = this.#slices[at + column.clickedRows]! + 1;
        if (hasProbabilities) this.#sliceClicks[slice]!.add(0, cell, p, happened);
      }
      if (!hasProbabilities) return;
      this.#clicks.add(group, cell, p, happened);
      for (const slice of ofPage) this.#sliceClicks[slice]!.add(0, cell, p, happened);
    });
  }

  #addSlice(slice: number, sums: Float64Array): void {
    const users = this.#sliceUsers[slice]!;
    if (users.last <= this.#users) users.count++;
    users.last = this.#users + 1;
    addTo(this.#slices, slice * this.#sliceGroups + this.#users % this.#sliceGroups, sums);
  }

  tested(): TestResult {
    const names = this.#names();
    const { metrics, intervals, resampled } = measure(this.#all, getBootstrap(this.#groups), names);
    const bootstrap = getBootstrap(this.#sliceGroups, SLICE_RESAMPLES);
    const click = this.#clicks.calibration(bootstrap);
    const noClick = this.#noClicks.calibration(bootstrap);
    const { categories } = this.options;
    const kinds = slicings.filter(({ by }) => by !== "category" || categories);
    const slices = Object.fromEntries(kinds.map(({ by }) => [by, this.#slicesBy(by, names, bootstrap)]));
    const calibration = this.options.eta === undefined ? undefined : { click, noClick };
    return {
      resampled,
      groups: this.#groups,
      sums: this.#all,
      users: this.#hash.text,
      details: {
        ...{ metrics, intervals, slices },
        ...(calibration && { calibration }),
        ...(categories && { categoryField: categories.field }),
      },
    };
  }

  #names(): MetricName[] {
    const { eta } = this.options;
    const none = eta === undefined ? ["nll", "pNoClick", "pClick"] : [];
    return metricNames.filter((name) => !none.includes(name));
  }

  #slicesBy(by: SliceKey, names: readonly MetricName[], bootstrap: Bootstrap): MetricSlice[] {
    const byRow = by !== "page length" && by !== "history";
    const left = ["longerPrec1", "longerPrec2", ...(byRow ? ["noClick", "pNoClick"] : [])];
    const own = names.filter((name) => !left.includes(name));
    const fixed = slicings.find((slicing) => slicing.by === by)?.names ?? [];
    const all = by === "category" ? this.options.categories?.names ?? [] : fixed;
    return all.flatMap((name, k): MetricSlice[] => {
      const slice = firstSlice[by] + k;
      const size = this.#sliceGroups * columns;
      const sums = this.#slices.subarray(slice * size, (slice + 1) * size);
      const total = (column: number) => {
        let sum = 0;
        for (let k = column; k < sums.length; k += columns) sum += sums[k]!;
        return sum;
      };
      if (total(column.rows) === 0) return [];
      const { metrics, intervals } = measure(sums, bootstrap, own);
      const ece = this.#sliceClicks[slice]?.calibration()?.ece;
      const events = total(column.events);
      const users = this.#sliceUsers[slice]!.count;
      return [{ name, events, users, metrics, intervals, ...(ece === undefined ? {} : { ece }) }];
    });
  }
}

function addTo(sums: Float64Array, row: number, added: Float64Array): void {
  for (let c = 0; c < columns; c++) sums[row * columns + c] = sums[row * columns + c]! + added[c]!;
}
