/** Computes a batch's index arrays on the CPU in a simple way, for kernel tests and f64 implementations. */

import { OWN_WORDS } from "../counts/count_columns.ts";
import { type LogWithCounts, packOwnCounts } from "../counts/page_counts.ts";
import { ADDITIONAL_CLICK, type ClickLog, FURTHER, getRowWidth, GIVEN, NONE } from "../data/click_log.ts";

export interface ReferenceBatch {
  /** Array [B+1]: index of each user's first event. */
  readonly userFirst: number[];
  /** For each event: rows `first` to `end` - 1, clicked row (or a code such as NONE), encoded item. */
  readonly events: { first: number; end: number; click: number; fed: number }[];
  /** For each event: number of the user's earlier clicks, and end (exclusive) of the user's events. */
  readonly history: { clicks: number; end: number }[];
  /** For each row: event, log row, item; `fedEvent` is `event` if the encoder reads a click on the row. */
  readonly rows: { event: number; logRow: number; item: number; fedEvent: number }[];
  /** For each row: index of the row's item in `slotItem`. */
  readonly rowSlot: number[];
  /** Distinct items, in ascending order. */
  readonly slotItem: number[];
  /** For each row: the words that {@link packOwnCounts} returns for the row. */
  readonly own: Uint32Array[];
  readonly features: Float32Array[];
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
  const features: Float32Array[] = [];
  const X = getRowWidth(log);
  const userFirst = [0];
  const events: ReferenceBatch["events"] = [];
  const history: ReferenceBatch["history"] = [];
  const rows: ReferenceBatch["rows"] = [];
  for (const user of Array.from(users)) {
    const [from, to] = [log.userEvents[user] ?? 0, log.userEvents[user + 1] ?? 0];
    const end = events.length + to - from;
    let clicks = 0;
    let page = { first: 0, from: 0, kind: 0 };
    for (let e = from; e < to; e++) {
      const [rowFrom, rowTo] = [log.eventRows[e] ?? 0, log.eventRows[e + 1] ?? 0];
      const click = log.eventClick[e] ?? NONE;
      // The encoder does not read the click of a user's last event, because no event follows.
      const feeds = click !== NONE && e + 1 < to;
      const first = rows.length;
      const kind = log.eventKind?.[e] ?? 0;
      if (kind !== ADDITIONAL_CLICK) page = { first, from: rowFrom, kind };
      const onPage = log.rowItem.subarray(page.from, rowFrom).indexOf(log.rowItem[rowFrom] ?? NONE);
      for (let r = rowFrom; r < rowTo; r++) {
        own.push(ownOfLog.subarray(OWN_WORDS * r, OWN_WORDS * (r + 1)));
        features.push(log.rowFeatures?.subarray(X * r, X * (r + 1)) ?? new Float32Array());
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
        click: kind === ADDITIONAL_CLICK && page.kind === 0
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
  return { userFirst, events, history, rows, slotItem, rowSlot, own, features, noise };
}
