/** Computes a batch on the CPU in the simplest way. Tests check the batch kernels against it, and f64 references read it. */

import { OWN_WORDS } from "../counts/count_columns.ts";
import { type LogWithCounts, packOwnCounts } from "../counts/page_counts.ts";
import { ADDITIONAL_CLICK, type ClickLog, FURTHER, GIVEN, NONE } from "../data/click_log.ts";

export interface ReferenceBatch {
  /** [B+1] first event of each user. */
  readonly userFirst: number[];
  /** [E] first row, end row, click (a row, NONE, GIVEN, or FURTHER + a row of the page), item fed to the encoder or NONE. */
  readonly events: { first: number; end: number; click: number; fed: number }[];
  /** [E] number of the user's clicks before the event, and index behind the user's last event. */
  readonly history: { clicks: number; end: number }[];
  /** [R] event, row of the log, item, and the event again if this row's click is fed to the encoder, else NONE. */
  readonly rows: { event: number; logRow: number; item: number; fedEvent: number }[];
  /** [R] index of the row's item in `slotItem`. */
  readonly rowSlot: number[];
  /** [D] distinct items, ascending. */
  readonly slotItem: number[];
  /** [R] the counts of the row's own user, see {@link packOwnCounts}. */
  readonly own: Uint32Array[];
  /** Random seed of the step's header. */
  readonly noise: number;
}

export function buildReferenceBatch(
  log: ClickLog,
  users: ArrayLike<number>,
  noise = 0,
  counted: LogWithCounts = {},
): ReferenceBatch {
  const ownOfLog = packOwnCounts(log, counted);
  const own: Uint32Array[] = [];
  const userFirst = [0];
  const events: ReferenceBatch["events"] = [];
  const history: ReferenceBatch["history"] = [];
  const rows: ReferenceBatch["rows"] = [];
  for (const user of Array.from(users)) {
    const [from, to] = [log.userEvents[user] ?? 0, log.userEvents[user + 1] ?? 0];
    const end = events.length + to - from;
    let clicks = 0;
    let page = { first: 0, from: 0 };
    for (let e = from; e < to; e++) {
      const [rowFrom, rowTo] = [log.eventRows[e] ?? 0, log.eventRows[e + 1] ?? 0];
      const click = log.eventClick[e] ?? NONE;
      // The click of a user's last event is not fed, because no event follows it.
      const feeds = click !== NONE && e + 1 < to;
      const first = rows.length;
      const kind = log.eventKind?.[e] ?? 0;
      if (kind === 0) page = { first, from: rowFrom };
      const onPage = log.rowItem.subarray(page.from, rowFrom).indexOf(log.rowItem[rowFrom] ?? NONE);
      for (let r = rowFrom; r < rowTo; r++) {
        own.push(ownOfLog.subarray(OWN_WORDS * r, OWN_WORDS * (r + 1)));
        rows.push({
          event: events.length,
          logRow: r,
          item: log.rowItem[r] ?? 0,
          fedEvent: feeds && r === click ? events.length : NONE,
        });
      }
      events.push({
        first,
        end: rows.length,
        click: kind === ADDITIONAL_CLICK
          ? FURTHER + page.first + onPage
          : kind > 0
          ? GIVEN
          : click === NONE
          ? NONE
          : first + click - rowFrom,
        fed: feeds ? log.rowItem[click] ?? 0 : NONE,
      });
      history.push({ clicks, end });
      if (click !== NONE) clicks++;
    }
    userFirst.push(events.length);
  }
  const slotItem = [...new Set(rows.map((r) => r.item))].sort((a, b) => a - b);
  const slotOf = new Map(slotItem.map((item, slot) => [item, slot]));
  const rowSlot = rows.map((r) => slotOf.get(r.item) ?? 0);
  return { userFirst, events, history, rows, slotItem, rowSlot, own, noise };
}
