/** Makes test cases of encoders and count features, with inputs and tolerances. */

import { type CountField, countTableWidth, countWidth } from "../../counts/count_columns.ts";
import { countTables } from "../../counts/count_tables.ts";
import { getRowWidth } from "../../data/click_log.ts";
import { MemoryLog } from "../../data/log_source.ts";
import { lstm } from "../../ops/lstm.ts";
import { pwState } from "../../ops/pw_state.ts";
import { pwTable } from "../../ops/pw_table.ts";
import { recentClicks, rowCounts } from "../../ops/row_counts.ts";
import type { CaseFactory } from "./layer_recipes.ts";
import { getDenseWidth, type TestBatch, U } from "./op_batches.ts";
import type { OpCase } from "./op_bench.ts";

/** Makes a test of an LSTM over clicks. The LSTM reads item embeddings (`table`) or item features. */
export function makeLstm(H: number, table?: { readonly sparse: boolean }): CaseFactory {
  return (b) => {
    const [I, F] = [b.log.items.count, getDenseWidth(b)];
    const gates = { columns: 4 * H, groups: 4 };
    return {
      ...b,
      leaves: table ? [] : [{ name: "f", rows: I, columns: F, trainable: false }],
      parameters: [
        { name: "x", rows: table ? I : F, ...gates, table: table !== undefined },
        { name: "w", rows: H, ...gates },
        { name: "b", rows: 1, ...gates },
      ],
      build: (tape, t) => {
        const features = table ? undefined : t("f");
        return lstm(tape, "s", { features, inputWeights: t("x"), weights: t("w"), bias: t("b") });
      },
      scale: 0.5,
      sparse: table?.sparse,
      tolerance: 4 * U * 300,
    };
  };
}

/** Sizes of the encoder that weights the last clicks by position. */
export interface PwSizes {
  readonly columns: number;
  readonly lags: number;
  readonly weightings: number;
}
export const usualPw: PwSizes = { columns: 5, lags: 20, weightings: 4 };

export function makePwState(tanh: boolean, { columns, lags, weightings } = usualPw): CaseFactory {
  return (b) => ({
    ...b,
    leaves: [{ name: "x", rows: b.log.items.count, columns, trainable: false }],
    parameters: [
      { name: "w", rows: lags, columns: weightings },
      ...(tanh ? [{ name: "b", rows: 1, columns: columns * weightings }] : []),
    ],
    build: (tape, t) =>
      pwState(tape, "s", { features: t("x"), weights: t("w"), bias: tanh ? t("b") : undefined }),
    scale: 0.7,
    tolerance: 4 * U * 400,
  });
}

export function makePwTable(
  tanh: boolean,
  { columns, lags, weightings: n } = usualPw,
  sparse = false,
): CaseFactory {
  return (b) => {
    const I = b.log.items.count;
    return {
      ...b,
      leaves: [],
      parameters: [
        { name: "table", rows: I, columns: n * columns, groups: n, table: true },
        { name: "w", rows: lags, columns: n },
        { name: "b", rows: 1, columns },
        ...(tanh ? [{ name: "c", rows: I, columns: n, table: true }] : []),
      ],
      build: (tape, t) => {
        const itemBias = tanh ? t("c") : undefined;
        return pwTable(tape, "z", { table: t("table"), weights: t("w"), layerBias: t("b"), itemBias });
      },
      sparse,
      scale: 0.7,
      tolerance: 4 * U * 400,
    };
  };
}

/** Makes a test of the op pw_table, which reads a table with one row per event instead of per item. */
export function makePwTableByEvent({ columns, lags, weightings: n } = usualPw): CaseFactory {
  return (b) => ({
    ...b,
    leaves: [{ name: "clicks", rows: "events", columns: n * columns, groups: n }],
    parameters: [{ name: "w", rows: lags, columns: n }, { name: "b", rows: 1, columns }],
    build: (tape, t) => pwTable(tape, "z", { table: t("clicks"), weights: t("w"), layerBias: t("b") }),
    scale: 0.7,
    tolerance: 4 * U * 400,
  });
}

/**
 * Makes a test of count features and of the log's context features.
 * @param latest - number of latest clicks per train user among which item pairs are counted; undefined for a
 * batch of users whose clicks are not counted
 */
export function makeRowCounts(
  { log, users }: TestBatch,
  fields: CountField[],
  neighbours: number,
  latest: number | undefined,
): OpCase {
  const rowFeatures = getRowWidth(log);
  const config = { fields, neighbours, latest: latest ?? 3, rowFeatures };
  const tables = countTables(new MemoryLog(log), config);
  const C = countWidth(config);
  const scale = new Float32Array(3 * C).map((_, k) => k < C ? k / 8 : 1 + k / 16);
  // With this scale some pages are longer than the longest counted page, and some item pairs are omitted.
  scale.set([tables.meanRate, Math.max(1, tables.longestPage - 1), 2, tables.pageRate], 2 * C);
  const constant = { constant: true };
  return {
    log,
    users,
    counted: { latest, rowFeatures },
    leaves: [],
    parameters: [
      { name: "table", rows: log.items.count, columns: countTableWidth(config), ...constant },
      { name: "scale", rows: 3, columns: C, ...constant },
    ],
    values: new Map([["table", tables.items], ["scale", scale]]),
    build(tape) {
      const [table, scale] = [tape.parameter("table"), tape.parameter("scale")];
      const recent = recentClicks(tape, "recent", table, config);
      return rowCounts(tape, "counts", { recent, table, scale }, config);
    },
    tolerance: 2 ** -18,
    forwardOnly: true,
  };
}

export function makeRecentClicks({ log, users }: TestBatch, fields: CountField[]): OpCase {
  const of = makeRowCounts({ log, users }, fields, 8, undefined);
  const config = { fields, neighbours: 8, latest: 3, rowFeatures: getRowWidth(log) };
  return { ...of, build: (tape) => recentClicks(tape, "recent", tape.parameter("table"), config) };
}
