/** Op row_counts computes count features of displayed items from the last clicks. It has no gradient. */

import countsText from "../../kernels/pw/row_counts.wgsl" with { type: "text" };
import recentText from "../../kernels/pw/recent_clicks.wgsl" with { type: "text" };
import type { ClickDispatch } from "../batch/click_sizes.ts";
import type { ClickReference, ClickTape } from "../batch/click_tape.ts";
import type { ReferenceBatch } from "../batch/reference_batch.ts";
import {
  countTableWidth,
  countTokenSlots,
  countWidth,
  LAGS,
  unpackOwn,
  unpackPast,
} from "../counts/count_columns.ts";
import type { CountsConfig } from "../counts/count_columns.ts";
import { type CountTables, writeItemCounts } from "../counts/page_counts.ts";
import { NONE } from "../data/click_log.ts";
import { parseKernel } from "../gpu/kernel.ts";
import { asBufferView } from "../gpu/memory.ts";
import { getAt, makeMatrix } from "../tape/reference.ts";
import { expectShape } from "./op.ts";
import type { Tensor } from "../tape/tensor.ts";

const recentKernel = parseKernel("recent_clicks", recentText);
const countsKernel = parseKernel("row_counts", countsText);

function recentWidth({ fields }: CountsConfig): number {
  return 2 + LAGS * (2 + countTokenSlots(fields));
}

/** Lists the last clicks before each event, [events, {@link recentWidth}]. @param table - counts [I, ...] */
export function recentClicks(tape: ClickTape, name: string, table: Tensor, config: CountsConfig): Tensor {
  expectShape("recent_clicks", table, table.rows, countTableWidth(config));
  const width = recentWidth(config);
  const output = tape.tensor(name, "events", width, { trainable: false });
  const { clicks } = tape.batch;
  const SLOTS = countTokenSlots(config.fields);
  const forward = (): ClickDispatch[] => [{
    kernel: recentKernel,
    label: `${name} forward`,
    constants: { LAGS, SLOTS, WIDTH: table.stride, LISTS: clicks !== undefined },
    views: {
      event: clicks ?? tape.batch.event,
      history: tape.batch.history,
      item_id: tape.batch.facts?.itemId ?? tape.batch.slotItem,
      table: asBufferView(table.view),
      recent: asBufferView(output.view),
    },
    invocations: ["events"],
    cost: (s) => ({ flops: 0, bytes: 8 * s.events * width }),
  }];
  const reference: ClickReference = ([table], batch) => {
    if (!table) throw new Error("recent_clicks: expected a table");
    const output = makeMatrix(batch.events.length, width);
    batch.history.forEach(({ clicks }, e) => {
      const recent = listRecentItems(batch, e);
      const row = e * width;
      output.data[row] = clicks;
      output.data[row + 1] = recent.length;
      recent.forEach((item, lag) => {
        const to = row + 2 + lag * (2 + SLOTS);
        output.data[to] = recent.indexOf(item) < lag ? -1 - item : item;
        output.data[to + 1] = getAt(table, item, 2);
        for (let s = 0; s < SLOTS; s++) output.data[to + 2 + s] = getAt(table, item, 4 + 2 * s);
      });
    });
    return { output, backward: () => [] };
  };
  return tape.record({ op: "recent_clicks", inputs: [table], output, forward, reference });
}

function listRecentItems({ events, history }: ReferenceBatch, event: number): number[] {
  const recent: number[] = [];
  const lags = Math.min(history[event]!.clicks, LAGS);
  for (let e = event - 1; recent.length < lags; e--) {
    const { fed } = events[e]!;
    if (fed !== NONE) recent.push(fed);
  }
  return recent;
}

export interface RowCountsInputs {
  /** Constant [events, {@link recentWidth}]. */
  readonly recent: Tensor;
  /** Constant [I, {@link countTableWidth}]. */
  readonly table: Tensor;
  /** Constant [3, C]: mean and 1 / sd of each feature, and a row of constants (see row_counts.wgsl). */
  readonly scale: Tensor;
}

/** Returns count features [rows, C]; see kernels/pw/row_counts.wgsl. @throws Error for wrong shapes */
export function rowCounts(
  tape: ClickTape,
  name: string,
  { recent, table, scale }: RowCountsInputs,
  config: CountsConfig,
): Tensor {
  const C = countWidth(config);
  expectShape("row_counts", recent, "events", recentWidth(config));
  expectShape("row_counts", table, table.rows, countTableWidth(config));
  expectShape("row_counts", scale, 3, C);
  const output = tape.tensor(name, "rows", C, { trainable: false });
  const slots = config.fields.flatMap(({ slots }, field) => new Array<number>(slots).fill(field));
  const { pageLength = 0, passed, contexts } = tape.batch;
  const { rowFeatures: X = 0 } = config;
  const searched = Math.ceil(Math.log2(config.neighbours)) + slots.length;
  const forward = (): ClickDispatch[] => [{
    kernel: countsKernel,
    label: `${name} forward`,
    constants: {
      LAGS,
      SLOTS: slots.length,
      FIELDS: config.fields.length,
      FIELD_OF: slots.reduce((packed, field, slot) => packed + field * 16 ** slot, 0),
      NEIGHBOURS: config.neighbours,
      WIDTH: table.stride,
      LOGGED: tape.batch.facts !== undefined,
      PAGE: pageLength,
      USERS: passed?.users ?? 0,
      PASS_WORDS: passed ? passed.words - 1 : 0,
      SLATE: passed?.slate ?? 0,
      C4: output.stride / 4,
      FEATURES: X,
      OF_ITEM: contexts?.ofItem ?? 0,
      CONTEXTS: contexts?.count ?? 0,
      PER_ITEM: contexts?.perItem ?? 0,
    },
    views: {
      event: tape.batch.event,
      row: tape.batch.facts ? tape.batch.row : contexts?.view ?? tape.batch.event,
      fact: tape.batch.facts?.fact ?? passed?.view ?? asBufferView(recent.view),
      row_item: tape.batch.rowItem,
      recent: asBufferView(recent.view),
      table: asBufferView(table.view),
      scale: asBufferView(scale.view),
      counts: asBufferView(output.view),
    },
    invocations: ["rows"],
    cost: (s) => ({
      flops: 4 * LAGS * searched * s.rows,
      bytes: s.rows * (4 * LAGS * searched + 4 * output.stride) + 4 * recent.stride * s.events,
    }),
  }];
  const inputs = [recent, table, scale];
  return tape.record({ op: "row_counts", inputs, output, forward, reference: reference(config) });
}

function reference(config: CountsConfig): ClickReference {
  return ([, table, scale], batch) => {
    if (!table || !scale) throw new Error("row_counts: expected counts and their scale");
    const tables: CountTables = {
      config,
      items: Float32Array.from(table.data),
      meanRate: getAt(scale, 2, 0),
      longestPage: getAt(scale, 2, 1),
      leastUsers: getAt(scale, 2, 2),
      pageRate: getAt(scale, 2, 3),
    };
    const C = countWidth(config);
    const counts = new Float64Array(C * batch.rows.length);
    batch.rows.forEach(({ event, item }, r) => {
      const [own = 0, pages = 0, displays = 0] = batch.own[r]!;
      const past = unpackPast(pages, displays);
      const history = { recent: listRecentItems(batch, event), clicks: batch.history[event]!.clicks, past };
      const { first, end } = batch.events[event]!;
      writeItemCounts(tables, item, history, end - first, unpackOwn(own), counts, r * C);
      counts.set(batch.features[r]!, (r + 1) * C - batch.features[r]!.length);
    });
    const [mean, scaled] = [(k: number) => getAt(scale, 0, k), (k: number) => getAt(scale, 1, k)];
    return {
      output: makeMatrix(batch.rows.length, C, (r, k) => (counts[r * C + k]! - mean(k)) * scaled(k)),
      backward: () => [],
    };
  };
}
