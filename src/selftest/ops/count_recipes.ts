/** Counts of a log's rows, looked up in the tables of its own train users. */

import { type CountedField, countWidth, tableWidth } from "../../counts/columns.ts";
import { countTables } from "../../counts/tables.ts";
import { MemoryLog } from "../../data/log_source.ts";
import { recentClicks, rowCounts } from "../../ops/row_counts.ts";
import type { Batch } from "./op_batches.ts";
import type { OpCase } from "./op_case.ts";

/** @param latest undefined: as of users who were not counted. */
export function rowCountsOf(
  { log, users }: Batch,
  fields: CountedField[],
  neighbours: number,
  latest: number | undefined,
): OpCase {
  const config = { fields, neighbours, latest: latest ?? 3 };
  const tables = countTables(new MemoryLog(log), config);
  const C = countWidth(config);
  const scale = new Float32Array(3 * C).map((_, k) => k < C ? k / 8 : 1 + k / 16);
  // So that some pages are longer, and pairs of some items not counted.
  scale.set([tables.meanRate, Math.max(1, tables.longestPage - 1), 2], 2 * C);
  const constant = { constant: true };
  return {
    log,
    users,
    counted: { latest },
    leaves: [],
    parameters: [
      { name: "table", rows: log.items.count, columns: tableWidth(config), ...constant },
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

/** What {@link rowCountsOf} looks back at. */
export function recentClicksOf({ log, users }: Batch, fields: CountedField[]): OpCase {
  const of = rowCountsOf({ log, users }, fields, 8, undefined);
  const config = { fields, neighbours: 8, latest: 3 };
  return { ...of, build: (tape) => recentClicks(tape, "recent", tape.parameter("table"), config) };
}
