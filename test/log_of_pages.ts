import { type ClickLog, NONE } from "../src/data/click_log.ts";

/** Displayed items, the click (-1: none), and the kind of event: see {@link ClickLog}. */
export type TrainingPage = readonly [items: readonly number[], click: number, given?: number];

export function logOfPages(
  items: ClickLog["items"],
  users: readonly (readonly TrainingPage[])[],
  split: (user: number) => number = () => 0,
): ClickLog {
  const pages = users.flat();
  const eventRows = computeBorders(pages.map(([{ length }]) => length));
  const eventKind = Uint8Array.from(pages, ([, , given = 0]) => given);
  return {
    name: "pages",
    items,
    userSplit: Uint8Array.from(users, (_, user) => split(user)),
    userEvents: computeBorders(users.map(({ length }) => length)),
    eventRows,
    eventClick: Uint32Array.from(pages, ([, click], e) => click < 0 ? NONE : (eventRows[e] ?? NaN) + click),
    ...(eventKind.some((given) => given > 0) ? { eventKind } : {}),
    rowItem: Uint32Array.from(pages.flatMap(([items]) => items)),
  };
}

function computeBorders(lengths: readonly number[]): Uint32Array<ArrayBuffer> {
  let end = 0;
  return Uint32Array.from([0, ...lengths], (length) => end += length);
}
