/**
 * Reads the reader's own files: one in the paper's layout, or all of a prepared data set. A script of its own, which is loaded when
 * the first such file is given. What is returned is plain data, as the worker and the page have classes of their own.
 */

import type { ClickLog } from "../../data/click_log.ts";
import { checkSource, MemoryLog } from "../../data/log_source.ts";
import type { FeatureManifest, Manifest, PagePositions } from "../../data/manifest.ts";
import { MOST_PAPER_BYTES, parsePaperLog } from "../../data/paper_log.ts";
import type { TableFile } from "../../data/parquet.ts";
import { PreparedSet, readPreparedLog } from "../../data/prepared_set.ts";
import type { TableName } from "../../data/prepared_tables.ts";
import { UserError } from "../../user_error.ts";
import { formatCount } from "../draw/text.ts";

/** One of the reader's, with its place in a folder that was dropped. */
export interface ReaderFile {
  readonly path: string;
  readonly file: File;
}

/** What the files hold. */
export interface ReaderData {
  readonly kind: "paper" | "prepared";
  readonly log: ClickLog;
  /** What the features of its items mean, where the data say it. */
  readonly features?: FeatureManifest;
  /** Whether the items of its pages are in the order in which they were shown, where that is known. */
  readonly places?: PagePositions | undefined;
}

/** What the worker has. */
export interface ReadResult {
  /** Told what is being done. */
  tell(what: string): void;
  /** @throws UserError for what is no manifest */
  parseManifest(path: string, text: string): Manifest;
}

/** Bytes of a file that are looked at: the header, and a line of JSON. */
const HEAD_BYTES = 1 << 16;
/** Columns of a file in the paper's layout, which may have any name. */
const PAPER = ["session_new_index", "tr_val_tst"];

/**
 * Whether files can be used.
 * @returns the command that prepares them, for a log that is to be prepared first. @throws UserError
 */
export async function lookInto(files: readonly ReaderFile[]): Promise<string | undefined> {
  const [first, ...others] = files;
  const empty = files.find(({ file }) => file.size === 0);
  if (empty) {
    throw new UserError(`${empty.path}: the file is empty. Choose the file that has the log in it.`);
  }
  if (isPrepared(files)) return undefined;
  if (!first || others.length > 0) throw filesFault(files);
  if (/\.(gz|zst)$/i.test(first.path)) return suggestCommand(first.path, "");
  const head = await readHead(first);
  return isPaper(head) ? undefined : suggestCommand(first.path, head);
}

/** What the files hold. @throws UserError for what is wrong with them, or where they are too large for the browser */
export async function readOwn(files: readonly ReaderFile[], reading: ReadResult): Promise<ReaderData> {
  try {
    for (const file of files) await expectReadable(file);
    if (isPrepared(files)) return await readPrepared(files, reading);
    const [first, ...others] = files;
    if (!first || others.length > 0) throw filesFault(files);
    return await readPaper(first, reading);
  } catch (error) {
    if (!isTooLarge(error)) throw error;
    throw new UserError(
      `The data do not fit the memory of this tab (${error.message}). Give a part of the users, or train in a terminal: ` +
        "deno task train --help.",
    );
  }
}

async function readPaper({ path, file }: ReaderFile, { tell }: ReadResult): Promise<ReaderData> {
  if (file.size > MOST_PAPER_BYTES) {
    throw new UserError(
      `${path}: ${formatCount(file.size)} bytes, expected at most ${
        formatCount(MOST_PAPER_BYTES)
      }. Give a part of its users.`,
    );
  }
  tell(`Reading ${path}`);
  return { kind: "paper", log: parsePaperLog(path, await file.text()) };
}

const isManifest = ({ path }: ReaderFile) => path.split("/").at(-1) === "manifest.json";
const isPrepared = (files: readonly ReaderFile[]) =>
  files.some((file) => isManifest(file) || /\.parquet$/i.test(file.path));
const isPaper = (head: string) => PAPER.some((name) => (head.split("\n")[0] ?? "").includes(name));

function filesFault(files: readonly ReaderFile[]): UserError {
  return new UserError(
    `Expected one file in the paper's layout, or all files of a prepared data set, got ${
      files.map(({ path }) => path).join(", ") || "nothing"
    }.`,
  );
}

async function readHead({ path, file }: ReaderFile): Promise<string> {
  const head = await file.slice(0, HEAD_BYTES).text();
  if (!head.includes("\0")) return head;
  throw new UserError(
    `${path}: expected text, found bytes that are none. Give a file in the paper's layout, or a prepared data set.`,
  );
}

/** @throws UserError for a file that has changed since it was chosen: browsers do not read such ones. */
async function expectReadable({ path, file }: ReaderFile): Promise<void> {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new UserError(
      `${path}: the browser cannot read the file any more (${cause}). It was changed, moved or removed after it was chosen: ` +
        "choose it again.",
    );
  }
}

/** A set's manifest.json and its tables. */
async function readPrepared(
  files: readonly ReaderFile[],
  { tell, parseManifest }: ReadResult,
): Promise<ReaderData> {
  const about = files.find(isManifest);
  if (!about) {
    throw new UserError(
      `Expected the files of a prepared data set, manifest.json, users.parquet, items.parquet and pages.parquet, all at once; ` +
        `got ${files.map(({ path }) => path).join(", ")}. A folder that deno task data made has them.`,
    );
  }
  const manifest = parseManifest(about.path, await about.file.text());
  const part = (part: TableName) => listTableFiles(files, part);
  const set = await PreparedSet.open({ folder: manifest.name, manifest, part });
  const { log } = await readPreparedLog(set, (what, done, all) => {
    tell(`${what}: ${Math.round(100 * done / Math.max(1, all))} %`);
  });
  const source = new MemoryLog(log);
  checkSource(source);
  const { features, places } = manifest;
  return { kind: "prepared", log, features, places };
}

/** What browsers throw where an array or a text is too long, or is not granted. */
function isTooLarge(error: unknown): error is RangeError {
  return error instanceof RangeError && /allocation|length|size|memory/i.test(error.message);
}

/** The files of a table, in the order of their names: its own, or those of its folder. */
function listTableFiles(files: readonly ReaderFile[], part: TableName): TableFile[] {
  const single = files.filter(({ path }) => path.endsWith(`/${part}.parquet`) || path === `${part}.parquet`);
  const inFolder = files.filter(({ path }) => new RegExp(`(^|/)${part}/[^._/][^/]*\\.parquet$`).test(path));
  const found = single.length > 0 ? single : inFolder;
  if (found.length === 0) {
    throw new UserError(
      `Expected ${part}.parquet, or a folder ${part} of Parquet files, among ${
        files.map(({ path }) => path).join(", ")
      }, found neither. Give all files of the prepared data set at once.`,
    );
  }
  return found.toSorted((a, b) => a.path < b.path ? -1 : 1).map(({ path, file }) => ({
    path,
    open: () => ({
      byteLength: file.size,
      slice: (start: number, end?: number) => file.slice(start, end).arrayBuffer(),
      [Symbol.dispose]() {},
    }),
  }));
}

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
export function suggestCommand(path: string, head: string): string {
  const names = listColumnNames(head);
  const found = guessColumns(names);
  if (Object.values(found).some((column) => column.includes("."))) {
    return "deno task data log --query log.sql --out runs/data/mine # with a SELECT as in data/recipes/nested_names.sql";
  }
  const words = OPTIONS.flatMap((option) => {
    const column = found[option] ?? (OPTIONAL.includes(option) ? undefined : "COLUMN");
    return column === undefined ? [] : [`--${option}`, column];
  });
  return `deno task data log ${
    ["--source", path, ...words, "--out", "runs/data/mine"].map(shellWord).join(" ")
  }`;
}

/** Of the first line: a header, or an object whose columns within others have dotted names. */
function listColumnNames(head: string): string[] {
  const [line = ""] = head.replace(/^\ufeff/, "").split(/\r?\n/);
  if (line.trimStart().startsWith("{")) {
    try {
      return listFields(JSON.parse(line), "");
    } catch {
      return [];
    }
  }
  const counts = [",", "\t", ";", "|"].map((mark) => ({ mark, count: line.split(mark).length }));
  const { mark } = counts.reduce((most, one) => one.count > most.count ? one : most);
  return line.split(mark).map((name) => name.trim().replace(/^"(.*)"$/, "$1")).filter((name) => name !== "");
}

function listFields(value: unknown, before: string): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    const within = listFields(inner, `${before}${name}.`);
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
