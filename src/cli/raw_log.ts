/** Error messages for users who pass a raw log instead of a data set. They show how to prepare the log. */

import { basename, dirname } from "node:path";
import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";
import { listParquetColumns } from "../data/parquet.ts";
import { findShop } from "../data/shops.ts";
import {
  formatLogCommand,
  guessColumns,
  guessFeatures,
  isPaperHead,
  listLogArguments,
  type LogColumns,
  type LogSample,
  REQUIRED_COLUMNS,
  sampleLog,
  selectLog,
} from "../data/guess_columns.ts";
import { makeFolder, writeFileAtomically } from "../files/atomic_write.ts";
import { expectFile, explainFileError, pathExists, readText } from "../files/local_file.ts";
import { openParquetFile } from "../data/sets/prepared_folder.ts";
import { UserError } from "../user_error.ts";
import { getPreparedFolder } from "./arguments.ts";
import { quotePath } from "../shell_word.ts";

/** Arguments of `data log` that prepare a raw log. The columns of the log were guessed. */
export interface LogPreparation {
  readonly columns: LogColumns;
  readonly args: readonly string[];
  /** Folder of the prepared data set. */
  readonly out: string;
  /** True if all required columns were guessed. */
  readonly isComplete: boolean;
  readonly sample: LogSample;
  /** SELECT that reads the log, and a file for it. Undefined if names of columns suffice to read the log. */
  readonly select?: { readonly file: string; readonly text: string };
}

/** Number of leading characters of a file from which columns are guessed. */
const HEAD_LENGTH = 1 << 16;

/**
 * Guesses a log's columns. @param given - columns that are known. @param out - folder of the prepared data
 * @returns undefined for a file in the paper's layout, and for a file that is not a table
 */
export async function suggestPreparation(
  path: string,
  { source = path, given = {}, out }: {
    readonly source?: string;
    readonly given?: LogColumns;
    readonly out?: string;
  } = {},
): Promise<LogPreparation | undefined> {
  const sample = await readSample(path);
  if (!sample?.names.some((name) => name !== "")) return undefined;
  const columns = guessColumns(sample.names, sample.rows, given);
  const folder = out ??
    getPreparedFolder(basename(path).replace(/\..*$/, "").replace(/[^\w-]+/g, "_") || "mine");
  const select = selectLog(source, sample, columns);
  const file = `${folder}.sql`;
  const args = select === undefined
    ? listLogArguments(source, columns, folder)
    : ["--query", file, "--out", folder];
  const isKnown = REQUIRED_COLUMNS.every((name) => columns[name] !== undefined);
  const isComplete = isKnown && (select !== undefined || args[0] === "--source");
  return {
    ...{ columns, args, out: folder, isComplete, sample },
    ...(select !== undefined && { select: { file, text: select } }),
  };
}

async function readSample(path: string): Promise<LogSample | undefined> {
  expectFile(path);
  if (/\.parquet$/i.test(path)) return { names: await listParquetColumns(openParquetFile(path)), rows: [] };
  if (/\.zst$/i.test(path)) return undefined;
  const head = await readHead(path);
  return head.includes("\0") || isPaperHead(head) ? undefined : sampleLog(head);
}

/** Returns the beginning of a text file, which may be gzipped. @throws UserError if it cannot be read */
async function readHead(path: string): Promise<string> {
  const file = createReadStream(path);
  const decoder = new TextDecoder();
  let head = "";
  try {
    for await (const bytes of /\.gz$/i.test(path) ? file.pipe(createGunzip()) : file) {
      head += decoder.decode(bytes, { stream: true });
      if (head.length >= HEAD_LENGTH) break;
    }
  } catch (error) {
    throw explainFileError(error, "read", path);
  } finally {
    file.destroy();
  }
  return head;
}

/** Writes the SELECT, if any, to its file. @throws UserError if the file exists with another SELECT */
export async function writeSelect({ select }: LogPreparation): Promise<void> {
  if (!select) return;
  if (await pathExists(select.file) && await readText(select.file) !== `${select.text}\n`) {
    throw new UserError(
      `Expected no file ${select.file}, found one with another SELECT. Pass the file by --query, or remove it.`,
    );
  }
  await makeFolder(dirname(select.file));
  await writeFileAtomically(select.file, `${select.text}\n`);
}

/** Error for a raw log in place of a data set. Its message shows how to prepare and use the log. */
export class RawLogError extends UserError {
  constructor(path: string, readonly preparation: LogPreparation, use?: string) {
    const next = `Prepare the log and use the data set${use === undefined ? "" : ", or add --yes"}:`;
    super(
      `Expected a prepared data set or a file in the paper's layout, got ${path}, probably a raw log. ` +
        `${describeGuess(preparation, next)}\n  ${formatLogCommand(preparation.args)}\n` +
        `  ${use ?? `--data ${quotePath(preparation.out)}`}`,
    );
  }
}

/**
 * @param use - returns the user's command, with the prepared data set `out` in place of the raw log
 * @throws RawLogError if the data are a Parquet file, or a table with at least two guessed columns of a log
 */
export async function expectNoRawLog(data: string, use?: (out: string) => string): Promise<void> {
  if (findShop(data) || !isFile(data)) return;
  const preparation = await suggestPreparation(data);
  if (!preparation) return;
  const known = REQUIRED_COLUMNS.filter((name) => preparation.columns[name] !== undefined).length;
  if (known < 2 && !/\.parquet$/i.test(data)) return;
  throw new RawLogError(data, preparation, use?.(preparation.out));
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false; // opening the data explains the error
  }
}

/** Returns a sentence about columns that the guessed command does not use; [] if it uses all columns. */
function listUnused({ sample, columns, args }: LogPreparation): string[] {
  const unused = sample.names.filter((name) => name !== "" && !Object.values(columns).includes(name));
  if (unused.length === 0) return [];
  const { tokens, dense, page, impression } = guessFeatures(sample, columns);
  const source = args[0] === "--source" ? quotePath(args[1] ?? "") : "ITEMS.csv";
  const options = [
    ...(tokens.length + dense.length > 0 ? [`--features ${source}`] : []),
    ...Object.entries({ tokens, dense, "page-features": page, "impression-features": impression })
      .flatMap(([option, names]) => names.length > 0 ? [`--${option} ${quotePath(names.join(","))}`] : []),
  ];
  const known = "Columns that are known when a page is shown may improve the model";
  return [
    `The command does not use ${unused.join(", ")}.`,
    options.length > 0
      ? `${known}. Options, guessed from the first rows: ${options.join(" ")}`
      : `${known}: add --features, --page-features or --impression-features.`,
  ];
}

/** Returns the text that is printed before a guessed command runs. */
export function describeRunning(found: LogPreparation): string {
  return [`Running ${formatLogCommand(found.args)}`, ...listUnused(found)].join("\n");
}

/** Describes guessed and missing columns; shows a SELECT if one is needed. @param next - what to do next */
export function describeGuess(found: LogPreparation, next: string): string {
  const { columns, sample: { names }, isComplete, select } = found;
  if (select) {
    return "Only a SELECT can read the log's separator or clicks. Its columns were guessed. Save the SELECT as " +
      `${select.file}:\n${select.text}\nThen ${next.charAt(0).toLowerCase()}${next.slice(1)}`;
  }
  if (isComplete) {
    const guessed = "The columns in the command were guessed by names and values.";
    return [guessed, ...listUnused(found), next].join(" ");
  }
  const missing = REQUIRED_COLUMNS.filter((name) => columns[name] === undefined);
  return `Replace COLUMN (${missing.join(", ")}) by one of: ${
    names.map((name) => JSON.stringify(name)).join(", ")
  }.`;
}
