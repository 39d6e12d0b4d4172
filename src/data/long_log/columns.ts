/** The columns of a log with a row for each displayed item, as `data example` writes it. */

import { UserError } from "../../user_error.ts";

/** By what they hold. `data log` has an option of the same name for each. */
export const NEEDED = ["user", "time", "item", "clicked", "page"] as const;
/** Orders the items of a page. */
export const POSITION = "position";
export type ColumnName = (typeof NEEDED)[number] | typeof POSITION;

/** Where a column stands in a record; undefined for a position that there is none of. */
export type Places = Readonly<Record<(typeof NEEDED)[number], number>> & {
  readonly position: number | undefined;
};

/** @param fields the header. @throws UserError for a column that is not there, or twice. */
export function placesOf(path: string, fields: readonly string[], line: number): Places {
  const missing = NEEDED.filter((name) => !fields.includes(name));
  if (missing.length > 0) {
    throw new UserError(
      `${path}:${line}: expected the columns ${
        NEEDED.join(", ")
      }, and ${POSITION} where it is known, as deno task data ` +
        `example writes them; ${missing.join(", ")} ${missing.length > 1 ? "are" : "is"} missing, found ` +
        `${
          fields.slice(0, 40).join(", ")
        }. Rename the columns, or prepare the log outside of the page: deno task data log --help.`,
    );
  }
  for (const name of [...NEEDED, POSITION]) {
    if (fields.indexOf(name) === fields.lastIndexOf(name)) continue;
    throw new UserError(
      `${path}:${line}: expected one column "${name}", found two. Rename one of them in the header.`,
    );
  }
  const place = (name: string) => fields.indexOf(name);
  const position = place(POSITION);
  return {
    user: place("user"),
    time: place("time"),
    item: place("item"),
    clicked: place("clicked"),
    page: place("page"),
    position: position < 0 ? undefined : position,
  };
}
