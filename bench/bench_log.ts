/** The logs that the benches train on: those of the workloads, made whole. */

import { type ClickLog, NONE } from "../src/data/click_log.ts";
import { type Workload, workloadLog } from "./workloads.ts";

/** A log to draw batches of so many train users from. */
export interface BenchLog {
  readonly name: string;
  readonly log: ClickLog;
  readonly users: number;
}

/**
 * The log of a workload and, as nothing is trained without them, a user for validation and one for tests, with a page
 * of one item each. All others are as they were.
 */
export function benchLog(workload: Workload): BenchLog {
  const log = workloadLog(workload);
  const [events, rows] = [log.eventClick.length, log.rowItem.length];
  return {
    name: workload.name,
    users: workload.users,
    log: {
      ...log,
      userEvents: extended(log.userEvents, [events + 1, events + 2]),
      userSplit: Uint8Array.of(...log.userSplit, 1, 2),
      eventRows: extended(log.eventRows, [rows + 1, rows + 2]),
      eventClick: extended(log.eventClick, [rows, NONE]),
      rowItem: extended(log.rowItem, [0, 0]),
    },
  };
}

function extended(array: Uint32Array<ArrayBuffer>, values: readonly number[]): Uint32Array<ArrayBuffer> {
  const longer = new Uint32Array(array.length + values.length);
  longer.set(array);
  longer.set(values, array.length);
  return longer;
}
