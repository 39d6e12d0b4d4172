/** Error messages for users who pass a raw log instead of a data set. They show how to prepare the log. */

import { basename, dirname, join, resolve } from "node:path";
import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";
import { listParquetColumns } from "../data/parquet.ts";
import { findShop } from "../data/shops.ts";
import type { LogColumns, LogSample } from "../data/guess_columns.ts";
import {
  COLUMN_OPTIONS,
  formatLogCommand,
  guessColumns,
  guessFeatures,
  isPaperHead,
  listLogArguments,
  REQUIRED_COLUMNS,
  sampleLog,
  selectLog,
} from "../data/guess_columns.ts";
import { MANIFEST } from "../data/manifest.ts";
import { makeFolder, writeFileAtomically } from "../files/atomic_write.ts";
import {
  expectFile,
  explainFileError,
  openFile,
  pathExists,
  readBytesAt,
  readText,
  tryStat,
} from "../files/local_file.ts";
import { openParquetFile, readManifest } from "../data/sets/prepared_folder.ts";
import { UserError } from "../user_error.ts";
import { getPreparedFolder } from "./arguments.ts";
import { quotePath, quoteShellWord } from "../shell_word.ts";

/** Proposed arguments of `data log` for a raw log, and the guessed columns of the log. */
export interface LogPreparation {
  readonly columns: LogColumns;
  /** Arguments of `data log`: first the guessed arguments, then those in `typed`. */
  readonly args: readonly string[];
  /** Arguments that the user typed, except --yes, --source, --out and the options for columns. */
  readonly typed: readonly string[];
  readonly out: string;
  /** True if all required columns were guessed. */
  readonly isComplete: boolean;
  readonly sample: LogSample;
  /** Options that encode the log for a trained model; undefined if no model will use the log. */
  readonly encoding?: ModelEncoding;
  /** SQL query that reads the log, and the file that should contain it; undefined if options suffice. */
  readonly select?: { readonly file: string; readonly text: string };
}

/** Options with which `data log` encodes a log in the same way as the data set of a trained model. */
interface ModelEncoding {
  /** Columns of the log, as named in the command that prepared the model's data set. */
  readonly given: LogColumns;
  /** Options of `data log` for item features. */
  readonly args: readonly string[];
  /** Columns that contain item features. */
  readonly names: readonly string[];
}

/** Reads how a model's data set was prepared; undefined if its folder has no manifest. */
async function readEncoding(
  folder: string,
  source: string,
  names: readonly string[],
): Promise<ModelEncoding | undefined> {
  if (!await pathExists(join(folder, MANIFEST))) return undefined;
  const { command, features: { dense, tokens, context = [] } } = await readManifest(folder);
  const list = (option: string) => command.filter((_, k) => command[k - 1] === `--${option}`).slice(0, 1);
  const given = COLUMN_OPTIONS.flatMap((option) => list(option).map((name) => [option, name] as const));
  // If the model's log contained the item features, the new log contains them, too.
  const files = list("features").map((file) => list("source").includes(file) ? source : file);
  const features = files.flatMap((file) => ["--features", file]);
  const key = list("features-key").flatMap((name) => ["--features-key", name]);
  return {
    given: Object.fromEntries(given.filter(([, name]) => names.includes(name))),
    args: [...features, ...key, "--encoding-from", folder],
    names: [...[...dense, ...context].map((one) => one.transform?.column), ...tokens.map((one) => one.column)]
      .flatMap((name) => name ?? []),
  };
}

/** Columns are guessed from this many characters at the beginning of a file, and as many at its end. */
const HEAD_LENGTH = 1 << 16;

/**
 * Guesses a log's columns. @param given - columns that are known. @param out - folder of the prepared data
 * @param typed - arguments of `data log` that the user typed
 * @param modelData - data set of a trained model that will use the log
 * @returns undefined if the file is no table, or has the paper's layout, which needs no preparation
 */
export async function suggestPreparation(
  path: string,
  { source = path, given = {}, typed: all = [], out, modelData }: {
    readonly source?: string;
    readonly given?: LogColumns;
    readonly typed?: readonly string[];
    readonly out?: string;
    readonly modelData?: string;
  } = {},
): Promise<LogPreparation | undefined> {
  const sample = await readSample(path);
  if (!sample?.names.some((name) => name !== "")) return undefined;
  const encoding = modelData === undefined ? undefined : await readEncoding(modelData, source, sample.names);
  const columns = guessColumns(sample.names, sample.rows, { ...encoding?.given, ...given });
  const own = getPreparedFolder(basename(path).replace(/\..*$/, "").replace(/[^\w-]+/g, "_") || "mine");
  const folder = out ??
    (modelData !== undefined && resolve(modelData) === resolve(own) ? `${own}-next` : own);
  const select = selectLog(source, sample, columns);
  const file = `${folder}.sql`;
  const typed = omitGuessed(all);
  const args = select === undefined
    ? [...listLogArguments(source, columns, folder), ...typed]
    : ["--query", file, "--out", folder, ...typed];
  const isKnown = REQUIRED_COLUMNS.every((name) => columns[name] !== undefined);
  const isComplete = isKnown && (select !== undefined || args[0] === "--source");
  return {
    ...{ columns, args, typed, out: folder, isComplete, sample, encoding },
    ...(select !== undefined && { select: { file, text: select } }),
  };
}

/** Removes --yes, --source, --out and the options for columns from arguments of `data log`. */
function omitGuessed(args: readonly string[]): string[] {
  const guessed = ["source", "out", ...COLUMN_OPTIONS].map((name) => `--${name}`);
  const isGuessed = (arg = "") => guessed.includes(arg.split("=")[0] ?? "");
  return args.filter((arg, k) => arg !== "--yes" && !isGuessed(arg) && !guessed.includes(args[k - 1] ?? ""));
}

async function readSample(path: string): Promise<LogSample | undefined> {
  expectFile(path);
  if (/\.parquet$/i.test(path)) return { names: await listParquetColumns(openParquetFile(path)), rows: [] };
  if (/\.zst$/i.test(path)) return undefined;
  const head = await readHead(path);
  if (head.includes("\0") || isPaperHead(head)) return undefined;
  const tail = readTail(path);
  return sampleLog(tail === "" ? head : head.slice(0, head.lastIndexOf("\n") + 1) + tail);
}

/** Returns the last lines of a text file; "" if the file is short or compressed. */
function readTail(path: string): string {
  const { size } = expectFile(path);
  if (/\.gz$/i.test(path) || size < 2 * HEAD_LENGTH) return "";
  using file = openFile(path);
  const bytes = new Uint8Array(HEAD_LENGTH);
  readBytesAt(file, size - HEAD_LENGTH, bytes);
  const text = new TextDecoder().decode(bytes);
  return text.slice(text.indexOf("\n") + 1);
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

/** Writes the SELECT (if the log needs one) to a file. @throws UserError if the file exists and differs */
export async function writeSelect({ select }: LogPreparation): Promise<void> {
  if (!select) return;
  if (await pathExists(select.file) && await readText(select.file) !== `${select.text}\n`) {
    throw new UserError(
      `The SELECT in ${select.file} differs from the one needed. Pass this file by --query, or remove it.`,
    );
  }
  await makeFolder(dirname(select.file));
  await writeFileAtomically(select.file, `${select.text}\n`);
}

/** Error for a raw log in place of a data set. The message shows how to prepare and use the log. */
export class RawLogError extends UserError {
  constructor(path: string, readonly preparation: LogPreparation, use?: string) {
    const problem =
      `Expected a prepared data set or a file in the paper's layout, got ${path}, probably a raw log` +
      (use === undefined ? `. Prepare the log, and use --data ${quotePath(preparation.out)}` : "");
    super(proposeCommand(preparation, problem, use, use !== undefined));
  }
}

/**
 * @param modelData - data set of the command's model. The error proposes to encode the log like these data.
 * @param use - returns the command to run after the log was prepared in the folder `out`
 * @throws RawLogError for a Parquet file, and for a table that seems to be a click log
 */
export async function expectNoRawLog(
  data: string,
  { modelData, use }: { readonly modelData?: string; readonly use?: (out: string) => string } = {},
): Promise<void> {
  if (findShop(data) || !tryStat(data)?.isFile) return;
  const preparation = await suggestPreparation(data, { modelData });
  if (!preparation) return;
  const known = REQUIRED_COLUMNS.filter((name) => preparation.columns[name] !== undefined).length;
  if (known < 2 && !/\.parquet$/i.test(data)) return;
  throw new RawLogError(data, preparation, use?.(preparation.out));
}

function listWords(args: readonly string[]): string[] {
  return args.flatMap((text) => text.split(/[,=]/));
}

/**
 * Lists options of `data log` for features: those of the model's data set, or else options that are guessed
 * from the first rows. Omits a kind of features (item, page, impression) if the user typed an option for this
 * kind. Returns [] if the log needs a SELECT, if a required column is unknown, or with --encoding-from.
 */
function guessFeatureArguments(
  { sample, columns, args, typed, isComplete, encoding }: LogPreparation,
): readonly string[] {
  if (encoding) return encoding.args;
  const words = listWords(typed);
  if (!isComplete || args[0] !== "--source" || words.includes("--encoding-from")) return [];
  const guessed = guessFeatures(sample, columns);
  const list = (option: string, names: readonly string[]) => {
    const free = words.includes(option) ? [] : names.filter((name) => !words.includes(name));
    return free.length > 0 ? [option, free.join(",")] : [];
  };
  const hasItems = ["--features", "--tokens", "--dense"].some((option) => words.includes(option));
  const items = hasItems ? [] : [...list("--tokens", guessed.tokens), ...list("--dense", guessed.dense)];
  return [
    ...items.length > 0 ? ["--features", args[1] ?? "", ...items] : [],
    ...list("--page-features", guessed.page),
    ...list("--impression-features", guessed.impression),
  ];
}

/** Returns an array with one sentence, which lists the columns that no option names; [] if there are none. */
function listUnnamed(
  { sample, columns, typed, encoding }: LogPreparation,
  features: readonly string[],
): string[] {
  const named = [
    ...Object.values(columns),
    ...encoding?.names ?? [],
    ...listWords([...features, ...typed]),
  ];
  const others = sample.names.filter((name) => name !== "" && !named.includes(name));
  return others.length > 0 ? [`Columns that no option names: ${others.join(", ")}.`] : [];
}

/** Returns a message that shows a guessed `data log` command, and options that may improve the model. */
export function describeRunning(found: LogPreparation): string {
  const features = guessFeatureArguments(found);
  const more = `Options that may improve the model: ${features.map(quoteShellWord).join(" ")}`;
  const about = [...(features.length > 0 ? [more] : []), ...listUnnamed(found, features)];
  return [`Running ${formatLogCommand(found.args)}`, ...about].join("\n");
}

/**
 * Describes a problem, and proposes the guessed command on a line of its own. @param use - command that the
 * user should run next @param hasYes - true if the user's command has the option --yes
 */
export function proposeCommand(found: LogPreparation, problem: string, use?: string, hasYes = true): string {
  const { columns, sample: { names }, isComplete, select, args, encoding } = found;
  const features = guessFeatureArguments(found);
  const more = features.length > 0 && !encoding;
  const missing = REQUIRED_COLUMNS.filter((name) => columns[name] === undefined);
  const next = select
    ? "Only a SELECT can read this separator, or clicks in this form. Save this SELECT (with guessed " +
      `columns) as ${select.file}:\n\n${select.text}\n\nThen run this command:`
    : isComplete
    ? "Run this command, in which the columns were guessed" +
      `${more ? "; leave out features that are unknown when a page is shown" : ""}:`
    : names.length === 1 && /[,;\t|]/.test(names[0] ?? "")
    ? `The header is one cell, "${names[0]}": remove its quotes.`
    : `Replace COLUMN (${missing.join(", ")}) by one of: ${names.map((name) => `"${name}"`).join(", ")}.`;
  const commands = [formatLogCommand([...args, ...features]), ...(use === undefined ? [] : [use])];
  const yes = `Add --yes to run this command at once${more ? ", without features" : ""}.`;
  const advice = isComplete ? [...listUnnamed(found, features), ...(hasYes ? [yes] : [])] : [];
  const lines = commands.map((line) => `  ${line}`).join("\n");
  return [`${problem}. ${next}`, lines, advice.join("\n")].join("\n\n").trimEnd();
}
