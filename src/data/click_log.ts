/**
 * A click log in memory: users, their events (pages) in time order, the displayed rows of each event.
 *
 * Letters as everywhere in this project: U users, E events, R rows (one per event and displayed item),
 * I items, F item features.
 */

/** Marks "no click" where the index of a row is expected. The same value as `NONE` in the kernels. */
export const NONE = 0xffffffff;
/** Marks a given event in the place of its clicked row, in a batch. The same value as `GIVEN` in the kernels. */
export const GIVEN = 0xfffffffe;
/**
 * Added to the row of a further click, which is one of the page before it: that stands in the place of the clicked row, in
 * a batch. The same value as `FURTHER` in the kernels.
 */
export const FURTHER = 0x80000000;

/** What {@link Clicks.eventGiven} says of an event of which nothing is predicted: it was clicked before the log begins. */
export const GIVEN_HISTORY = 1;
/** Another click on the page before it: that page's prediction is of all of its clicks. */
export const FURTHER_CLICK = 2;

/** Whether something is predicted of an event of a batch, by what it has in the place of the clicked row. */
export function isPredicted(click: number): boolean {
  return click < FURTHER || click === NONE;
}

/** Which part of the log a user belongs to. All events of a user are in one part. */
export type Split = "train" | "validation" | "test";
/** `splits[k]` is the name of the code k in {@link ClickLog.userSplit}; the paper's files use the same codes. */
export const splits: readonly Split[] = ["train", "validation", "test"];

/**
 * Tokens of the items: ids, categories, whatever has a row of its own in a table. Several fields share the numbers
 * 0 .. count - 1, each from an offset of its own on.
 */
export interface ItemTokens {
  /** V, rows of a token table. */
  readonly count: number;
  /** [I+1] first token of each item. */
  readonly first: Uint32Array<ArrayBuffer>;
  /** [P] the tokens of item i are those from first[i] to first[i + 1], each at most once; there may be none. */
  readonly token: Uint32Array<ArrayBuffer>;
}

/**
 * What is known of the items: nothing but their ids (one-hot), a dense feature vector each, or tokens, beside which
 * there may be dense features (mixed).
 */
export type ItemFeatures =
  | { readonly kind: "one-hot"; readonly count: number }
  | {
    readonly kind: "dense";
    readonly count: number;
    /** F, features per item. */
    readonly width: number;
    /** [I, F], row-major. */
    readonly values: Float32Array<ArrayBuffer>;
  }
  | {
    readonly kind: "mixed";
    readonly count: number;
    /** F, dense features per item; may be 0. */
    readonly width: number;
    /** [I, F], row-major. */
    readonly values: Float32Array<ArrayBuffer>;
    readonly tokens: ItemTokens;
  };

/** What users were shown and what they clicked, of items that are numbered. */
export interface Clicks {
  /** [U] index into {@link splits}. */
  readonly userSplit: Uint8Array<ArrayBuffer>;
  /** [U+1] first event of each user. */
  readonly userEvents: Uint32Array<ArrayBuffer>;
  /** [E+1] first row of each event. */
  readonly eventRows: Uint32Array<ArrayBuffer>;
  /** [E] the row that was clicked, or {@link NONE}. */
  readonly eventClick: Uint32Array<ArrayBuffer>;
  /**
   * [E] 0 for a page to predict, else {@link GIVEN_HISTORY} or {@link FURTHER_CLICK}: one row, clicked, which the encoder is
   * fed as any click, but nothing is predicted of it. Absent: all are predicted. A page of several clicks is an event of
   * its own with the first of them, and behind it one for each of the others, whose item is on the page. Batch
   * normalisation takes their rows into the batch's statistics as any other.
   */
  readonly eventGiven?: Uint8Array<ArrayBuffer>;
  /** [R] the item displayed. */
  readonly rowItem: Uint32Array<ArrayBuffer>;
}

/** A log with the items that it shows. `checkLog` says whether its numbers fit together. */
export interface ClickLog extends Clicks {
  /** Short name for reports, e.g. "demo" or the file's name. */
  readonly name: string;
  /** [I] what is known of the items; rows name them by their number, 0 to I - 1. */
  readonly items: ItemFeatures;
  /** [I] the catalogue's numbers of the items, where the log has numbers of its own. */
  readonly itemIds?: Uint32Array<ArrayBuffer>;
}

/**
 * The rows of a page that were clicked, in the order of the clicks; none without a click.
 * @param e an event that is not given.
 */
export function clickedRows(log: Clicks, e: number): number[] {
  const { eventRows, eventClick, eventGiven, rowItem } = log;
  const click = eventClick[e] ?? NONE;
  const rows = click === NONE ? [] : [click];
  for (let next = e + 1; eventGiven?.[next] === FURTHER_CLICK; next++) {
    rows.push(rowItem.indexOf(rowItem[eventRows[next] ?? 0] ?? NONE, eventRows[e]));
  }
  return rows;
}

/** The users of one part of the log, in ascending order. */
export function usersOf(log: Pick<ClickLog, "userSplit">, split: Split): Uint32Array<ArrayBuffer> {
  const code = splits.indexOf(split);
  const users = new Uint32Array(log.userSplit.reduce((count, c) => count + (c === code ? 1 : 0), 0));
  let k = 0;
  log.userSplit.forEach((c, user) => {
    if (c === code) users[k++] = user;
  });
  return users;
}
