/** Guesses which columns of a raw log contain users, items, times and clicks, and suggests a command. */

import { splitCsvRow } from "../csv.ts";
import { quoteShellWord } from "../shell_word.ts";

/** The first lines of a log, parsed into a table. */
export interface LogSample {
  /** Names of the columns. Nested fields of JSON have dotted names. */
  readonly names: readonly string[];
  /** [rows, columns] values as text. */
  readonly rows: readonly (readonly string[])[];
  /** Separator of a CSV file; undefined for JSON lines and Parquet. */
  readonly separator?: string;
}

/** Usual column names for each option of `data log`, in lower case, the likeliest first. */
const COMMON_NAMES = {
  user:
    "user userid uid visitor visitorid customer customerid member memberid person reader readerid viewer " +
    "viewerid account accountid session",
  time: "time timestamp ts datetime shownat servedat eventtime createdat date at",
  item: "item itemid sku product productid article articleid movieid newsid asin iid",
  clicked: "clicked click isclick isclicked label target clicks y",
  page: "page pageid pageview pageviewid request requestid impression impressionid slate slateid listid " +
    "view viewid screen screenid serp serpid searchid query queryid",
  position: "position pos place rank slot displayposition index",
} as const;
type LogOption = keyof typeof COMMON_NAMES;
/** Options of `data log` for which {@link guessColumns} finds columns. */
export const COLUMN_OPTIONS: readonly LogOption[] = ["user", "time", "item", "clicked", "page", "position"];
/** Options of `data log` that name a column and may be left out. */
const OPTIONAL: readonly LogOption[] = ["page", "position"];
/** Options of `data log` that must name a column. */
export const REQUIRED_COLUMNS = COLUMN_OPTIONS.filter((option) => !OPTIONAL.includes(option));
export type LogColumns = Readonly<Partial<Record<LogOption, string>>>;

/** Columns that only files in the paper's format (paper_log.ts) have. */
const PAPER_COLUMNS = ["session_new_index", "tr_val_tst"];

/** Returns true if a text is the beginning of a file in the paper's format (session_new_index, ...). */
export function isPaperHead(head: string): boolean {
  return PAPER_COLUMNS.some((name) => (head.split("\n")[0] ?? "").includes(name));
}

/** Returns the command that prepares a log. @param head - first lines of the log; "" if unknown */
export function suggestCommand(path: string, head: string): string {
  const { names, rows } = sampleLog(head);
  return formatLogCommand(listLogArguments(path, guessColumns(names, rows), "runs/data/mine"));
}

/** Lists arguments of `data log`, with the word COLUMN for a required column that is unknown. */
export function listLogArguments(path: string, columns: LogColumns, out: string): string[] {
  if (Object.values(columns).some((column) => column.includes("."))) {
    return ["--query", NESTED, "--out", out];
  }
  const words = COLUMN_OPTIONS.flatMap((option) => {
    const column = columns[option] ?? (OPTIONAL.includes(option) ? undefined : "COLUMN");
    return column === undefined ? [] : [`--${option}`, column];
  });
  return ["--source", path, ...words, "--out", out];
}

/** SQL file that the user must write if columns are nested, such as "user.id". */
const NESTED = "log.sql";

export function formatLogCommand(args: readonly string[]): string {
  const note = args[1] === NESTED ? " # with a SELECT as in data/recipes/nested_names.sql" : "";
  return `deno task -q data log ${args.map(quoteShellWord).join(" ")}${note}`;
}

/** Parses the first lines of a CSV or JSON lines file. Ignores the last line, which may be incomplete. */
export function sampleLog(head: string): LogSample {
  const lines = head.replace(/^\ufeff/, "").split(/\r?\n/);
  const [first = "", ...others] = lines.length > 1 ? lines.slice(0, -1) : lines;
  if (first.trimStart().startsWith("{")) {
    const objects = [first, ...others].flatMap((line) => {
      try {
        return [new Map(listFields(JSON.parse(line), ""))];
      } catch {
        return [];
      }
    });
    const names = [...objects[0]?.keys() ?? []];
    return { names, rows: objects.map((fields) => names.map((name) => fields.get(name) ?? "")) };
  }
  const counts = [",", "\t", ";", "|"].map((mark) => ({ mark, count: first.split(mark).length }));
  const { mark } = counts.reduce((most, one) => one.count > most.count ? one : most);
  const split = (line: string) => splitCsvRow(line, mark).fields.map((value) => value.trim());
  return { names: split(first), rows: others.map(split), separator: mark };
}

function listFields(value: unknown, before: string): [name: string, value: string][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([name, inner]): [string, string][] => {
    const within = listFields(inner, `${before}${name}.`);
    return within.length > 0 ? within : [[before + name, String(inner)]];
  });
}

const plain = (text: string) => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
/** Returns a column's full name, and its part after the last dot, for comparison with usual names. */
const namesFor = (column: string) => [plain(column), plain(column.split(".").at(-1) ?? "")];

/**
 * Guesses the column of each option: first by the names of columns, then by the values in columns. No two
 * options get the same column. @param given - columns that the user named
 */
export function guessColumns(
  names: readonly string[],
  rows: LogSample["rows"] = [],
  given: LogColumns = {},
): LogColumns {
  const found: Partial<Record<LogOption, string>> = {};
  for (const option of COLUMN_OPTIONS) if (given[option] !== undefined) found[option] = given[option];
  // First compare whole names, then endings: `clicked_item_id` ends with "itemid". Endings need four letters.
  const tests = [
    (name: string, word: string) => name === word,
    (name: string, word: string) => word.length > 3 && name.endsWith(word),
  ];
  for (const matches of tests) {
    for (const option of COLUMN_OPTIONS) {
      const taken = Object.values(found);
      const free = names.filter((name) => name !== "" && !taken.includes(name));
      const fits = COMMON_NAMES[option].split(" ").flatMap((word) =>
        free.find((name) => namesFor(name).some((one) => matches(one, word))) ?? []
      );
      if (found[option] === undefined && fits[0] !== undefined) found[option] = fits[0];
    }
  }
  if (rows.length >= LEAST_ROWS) guessByValues({ names, rows }, found);
  return found;
}

/** Least number of rows from which columns are guessed by their values. */
const LEAST_ROWS = 8;
/** Share of pages that must fit a guess; below 1, because pages of two users may have equal times. */
const MOST_PAGES = 0.9;
const isTime = (text: string) =>
  /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d|^\d\d?[./]\d\d?[./]\d{4}\b|^1\d{9}(\d{3}){0,3}(\.\d+)?$/.test(text);
const isFlag = (text: string) => /^(0|1|true|false|yes|no)$/i.test(text);
/** Returns true for words such as "ja", which mean a click. {@link selectLog} converts them to true. */
const isYes = (text: string) => /^(ja|j|oui|s[ií]|sim|y|t|x|click|clicked)$/i.test(text);

/** Guesses columns by values, assuming that rows with equal times are a page of one user. */
function guessByValues({ names, rows }: LogSample, found: Partial<Record<LogOption, string>>): void {
  const read = (name: string) => rows.map((row) => row[names.indexOf(name)] ?? "");
  const guess = (option: LogOption, fits: (values: readonly string[]) => boolean) => {
    const taken = Object.values(found);
    const name = names.find((name) => name !== "" && !taken.includes(name) && fits(read(name)));
    if (found[option] === undefined && name !== undefined) found[option] = name;
  };
  const count = (values: readonly string[]) => new Set(values).size;
  guess("time", (values) => values.every(isTime));
  guess("clicked", (values) => values.every(isFlag) && count(values) === 2);
  guess("clicked", (values) => count(values) === 2 && count(values.filter(isYes)) === 1);
  if (found.time === undefined) return;
  const times = read(found.time);
  const pages = [...Map.groupBy(rows.keys(), (k) => times[k]).values()].filter(({ length }) => length > 1);
  const inMost = (holds: (page: readonly number[]) => boolean) =>
    pages.length > 0 && pages.filter(holds).length >= MOST_PAGES * pages.length;
  const longest = Math.max(...pages.map(({ length }) => length));
  const on = (values: readonly string[], page: readonly number[]) => page.map((k) => values[k] ?? "");
  const isOfPages = (values: readonly string[]) =>
    count(values) > 1 && inMost((page) => count(on(values, page)) === 1);
  // A value at several times is no page's id.
  guess(
    "user",
    (values) => isOfPages(values) && count(values.map((x, k) => `${times[k]} ${x}`)) > count(values),
  );
  guess("user", isOfPages);
  guess("item", (values) =>
    count(values) > longest && !values.some((text) => /^-?\d*[.,]\d+$/.test(text)) &&
    inMost((page) => count(on(values, page)) === page.length));
}

export interface GuessedFeatures {
  /** Columns for --tokens: categories that depend only on the item. */
  readonly tokens: readonly string[];
  /** Columns for --dense: numbers that depend only on the item. */
  readonly dense: readonly string[];
  /** Columns for --page-features: values that all items of a page share. */
  readonly page: readonly string[];
  /** Columns for --impression-features: values that depend on both the item and the page. */
  readonly impression: readonly string[];
}

/** Guesses which columns describe items, pages or impressions. Ignores texts that almost never repeat. */
export function guessFeatures({ names, rows }: LogSample, columns: LogColumns): GuessedFeatures {
  const place = (name: string | undefined) => names.indexOf(name ?? "");
  const at = (k: number) => (row: readonly string[]) => row[k] ?? "";
  const pageKey = columns.page === undefined ? [columns.user, columns.time] : [columns.page];
  const byPage = Map.groupBy(rows, (row) => pageKey.map((name) => at(place(name))(row)).join("\n"));
  const byItem = Map.groupBy(rows, at(place(columns.item)));
  const count = (group: readonly (readonly string[])[], k: number) => new Set(group.map(at(k))).size;
  const found = {
    tokens: [] as string[],
    dense: [] as string[],
    page: [] as string[],
    impression: [] as string[],
  };
  if (rows.length < LEAST_ROWS) return found;
  names.forEach((name, k) => {
    if (name === "" || Object.values(columns).includes(name)) return;
    const values = rows.map(at(k));
    const isFixed = (groups: Map<string, (readonly string[])[]>) =>
      groups.values().every((group) => count(group, k) === 1);
    const isNumber = values.every((text) => text === "" || Number.isFinite(Number(text)));
    // Texts that are almost unique are ids.
    const hasTexts = (groups: number) => !isNumber && 2 * new Set(values).size <= groups;
    if (isFixed(byItem) && rows.length >= byItem.size + LEAST_ROWS) {
      if (isNumber) found.dense.push(name);
      else if (hasTexts(byItem.size)) found.tokens.push(name);
    } else if (!isFixed(byPage)) found.impression.push(name);
    else if (isNumber || hasTexts(byPage.size)) found.page.push(name);
  });
  return found;
}

/** Returns SQL for a CSV log with an unusual separator, or with unusual values for a click, such as "ja". */
export function selectLog(
  path: string,
  { names, rows, separator }: LogSample,
  columns: LogColumns,
): string | undefined {
  if (separator === undefined || REQUIRED_COLUMNS.some((name) => columns[name] === undefined)) {
    return undefined;
  }
  const [, format = ""] = /\.(csv|tsv)(\.gz|\.zst)?$/i.exec(path) ?? [];
  const at = names.indexOf(columns.clicked ?? "");
  const yes = rows.map((row) => row[at] ?? "").find(isYes);
  const isUsual = separator === { csv: ",", tsv: "\t" }[format.toLowerCase()];
  if (isUsual && yes === undefined) return undefined;
  const text = (value: string) => `'${value.replaceAll("'", "''")}'`;
  const list = COLUMN_OPTIONS.flatMap((option) => {
    const column = columns[option];
    if (column === undefined) return [];
    const test = option === "clicked" && yes !== undefined ? ` = ${text(yes)}` : "";
    return [`"${column.replaceAll('"', '""')}"${test} AS "${option}"`];
  });
  return `SELECT ${list.join(", ")}\n` +
    `FROM read_csv(${text(path)}, delim = ${text(separator)}, header = true, all_varchar = true)`;
}
