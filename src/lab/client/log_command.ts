/** The command that prepares a log, by the names of its columns: a page reads what it makes, and not the log itself. */

/** Names that are usual for each option, in small letters and without what is between words; the likelier first. */
const USUAL = {
  user: "user userid uid visitor visitorid customer customerid member memberid person session",
  time: "time timestamp ts datetime shownat servedat eventtime createdat date at",
  item: "item itemid sku product productid article articleid movieid newsid asin iid",
  clicked: "clicked click isclick isclicked label target clicks y",
  page: "page pageid request requestid impression impressionid slate slateid listid query queryid",
  position: "position pos place rank slot displayposition index",
} as const;
type Option = keyof typeof USUAL;
const OPTIONS: readonly Option[] = ["user", "time", "item", "clicked", "page", "position"];
/** A log need not have them. */
const OPTIONAL: readonly Option[] = ["page", "position"];

/** @param head the beginning of the log; empty where that is not known */
export function commandOf(path: string, head: string): string {
  const names = namesOf(head);
  const found = guessColumns(names);
  const words = OPTIONS.flatMap((option) => {
    const column = found[option] ?? (OPTIONAL.includes(option) ? undefined : "COLUMN");
    return column === undefined ? [] : [`--${option}`, column];
  });
  return `deno task data log ${
    ["--source", path, ...words, "--out", "runs/data/mine"].map(shellWord).join(" ")
  }`;
}

/** Of the first line: a header, or an object whose columns within others have dotted names. */
function namesOf(head: string): string[] {
  const [line = ""] = head.replace(/^\ufeff/, "").split(/\r?\n/);
  if (line.trimStart().startsWith("{")) {
    try {
      return fieldsOf(JSON.parse(line), "");
    } catch {
      return [];
    }
  }
  const counts = [",", "\t", ";", "|"].map((mark) => ({ mark, count: line.split(mark).length }));
  const { mark } = counts.reduce((most, one) => one.count > most.count ? one : most);
  return line.split(mark).map((name) => name.trim().replace(/^"(.*)"$/, "$1")).filter((name) => name !== "");
}

function fieldsOf(value: unknown, before: string): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    const within = fieldsOf(inner, `${before}${name}.`);
    return within.length > 0 ? within : [before + name];
  });
}

const plain = (text: string) => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
/** A column within others goes by its whole name, and by its own. */
const namesFor = (column: string) => [plain(column), plain(column.split(".").at(-1) ?? "")];

/** Which columns these probably are, by their names: each at most once. */
export function guessColumns(names: readonly string[]): Partial<Record<Option, string>> {
  const found: Partial<Record<Option, string>> = {};
  // In `clicked_item_id` the end tells; short words end too many others.
  const tests = [
    (name: string, word: string) => name === word,
    (name: string, word: string) => word.length > 3 && name.endsWith(word),
  ];
  for (const isLike of tests) {
    for (const option of OPTIONS) {
      const taken = Object.values(found);
      const free = names.filter((name) => !taken.includes(name));
      const fits = USUAL[option].split(" ").flatMap((word) =>
        free.find((name) => namesFor(name).some((one) => isLike(one, word))) ?? []
      );
      if (found[option] === undefined && fits[0] !== undefined) found[option] = fits[0];
    }
  }
  return found;
}

function shellWord(text: string): string {
  return /^[\w./:=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
