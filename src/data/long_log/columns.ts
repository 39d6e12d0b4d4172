/** The columns of a log with a row for each displayed item: by the names of `data log`'s options for them. */

import { UserError } from "../../user_error.ts";
import { isoTime } from "./times.ts";

/** As `data example` calls them, too. The first four there must be. */
export const ROLES = ["user", "time", "item", "clicked", "page", "position"] as const;
export type Role = (typeof ROLES)[number];

/** The column of each. Without a page, what a user has at one time is one; a position orders the items of a page. */
export interface LogColumns {
  readonly user: string;
  readonly time: string;
  readonly item: string;
  readonly clicked: string;
  readonly page?: string | undefined;
  readonly position?: string | undefined;
}

/** Where the columns stand in a record; undefined for those that there are none of. */
export type Places = Readonly<Record<Role, number | undefined>>;

/** Those of a log as `data example` writes it: with a position, where it has one. */
export function exampleColumns(fields: readonly string[]): LogColumns {
  const position = fields.includes("position") ? "position" : undefined;
  return { user: "user", time: "time", item: "item", clicked: "clicked", page: "page", position };
}

/** Whether all of these columns are there. */
export function hasColumns(fields: readonly string[], columns: LogColumns): boolean {
  return ROLES.every((role) => columns[role] === undefined || fields.includes(columns[role]));
}

/**
 * @param fields the header. @param columns that were chosen; by default those of `data example`.
 * @throws UserError for a column that is not there, or twice.
 */
export function placesOf(
  path: string,
  fields: readonly string[],
  line: number,
  columns: LogColumns | undefined,
): { readonly columns: LogColumns; readonly places: Places } {
  const own = columns ?? exampleColumns(fields);
  const names = ROLES.flatMap((role) => own[role] ?? []);
  const missing = names.filter((name) => !fields.includes(name));
  if (missing.length > 0) {
    const are = missing.length > 1 ? "are" : "is";
    throw new UserError(
      `${path}:${line}: expected the columns ${names.join(", ")}; ${
        missing.join(", ")
      } ${are} missing, found ` +
        `${fields.slice(0, 40).join(", ")}. ${
          isNoHeader(fields)
            ? NO_HEADER
            : "Choose which columns hold the user, the time, the item and the click."
        }`,
    );
  }
  for (const name of names) expectOne(path, fields, line, name);
  const place = (role: Role) => own[role] === undefined ? undefined : fields.indexOf(own[role]);
  return {
    columns: own,
    places: {
      user: place("user"),
      time: place("time"),
      item: place("item"),
      clicked: place("clicked"),
      page: place("page"),
      position: place("position"),
    },
  };
}

/** @throws UserError for a column that is there twice. */
export function expectOne(path: string, fields: readonly string[], line: number, name: string): void {
  if (fields.indexOf(name) === fields.lastIndexOf(name)) return;
  throw new UserError(
    `${path}:${line}: expected one column "${name}", found two. Rename one of them in the header.`,
  );
}

/** Whether one of these is called as values are: where the first line of a file is no header. */
export function isNoHeader(fields: readonly string[]): boolean {
  return fields.some((name) => /^-?\d+(\.\d+)?$/.test(name) || isoTime(name) !== undefined);
}
export const NO_HEADER = "Is the header missing? Write a line with the columns' names above the first one.";

/** Names that are usual for each, in small letters and without what is between words; the likelier first. */
const USUAL: Readonly<Record<Role, readonly string[]>> = {
  user: [
    "user",
    "userid",
    "uid",
    "visitor",
    "visitorid",
    "customer",
    "customerid",
    "member",
    "memberid",
    "person",
    "session",
  ],
  time: [
    "time",
    "timestamp",
    "ts",
    "datetime",
    "shownat",
    "servedat",
    "eventtime",
    "createdat",
    "date",
    "at",
  ],
  item: [
    "item",
    "itemid",
    "sku",
    "product",
    "productid",
    "article",
    "articleid",
    "movieid",
    "newsid",
    "asin",
    "iid",
  ],
  clicked: ["clicked", "click", "isclick", "isclicked", "label", "target", "clicks", "y"],
  page: [
    "page",
    "pageid",
    "request",
    "requestid",
    "impression",
    "impressionid",
    "slate",
    "slateid",
    "listid",
    "query",
    "queryid",
  ],
  position: ["position", "pos", "place", "rank", "slot", "displayposition", "index"],
};

const plain = (text: string) => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");

/** Which columns these probably are, by their names: each at most once. */
export function guessColumns(fields: readonly string[]): Partial<Record<Role, string>> {
  const found: Partial<Record<Role, string>> = {};
  for (const isLike of [equal, endsWith]) {
    for (const role of ROLES) {
      const taken = Object.values(found);
      found[role] ??= USUAL[role].flatMap((word) =>
        fields.filter((name) =>
          !taken.includes(name) && isLike(plain(name), word)
        )
      )[0];
    }
  }
  return found;
}

const equal = (name: string, word: string) => name === word;
/** As in `clicked_item_id`; short words end too many others. */
const endsWith = (name: string, word: string) => word.length > 3 && name.endsWith(word);
