/** `data log`: prepares a data set from a raw log. */

import { Command, InvalidArgumentError, Option } from "commander";
import { formatBadRows } from "../../data/prepare/bad_rows.ts";
import { EngineStoppedError } from "../../data/prepare/sql_engine.ts";
import { type LogOptions, logRecipe } from "../../data/prepare/prepare_log.ts";
import { expectShape, logOptions } from "../../data/prepare/log_options.ts";
import { type PreparationRecipe, prepare, type PrepareOptions } from "../../data/prepare/prepare.ts";
import { getPreparedFolder, OUT_FOLDER } from "../../cli/arguments.ts";
import { quotePath } from "../../shell_word.ts";
import {
  addOptions,
  folder,
  type GivenOptions,
  listGivenOptions,
  parseMemorySize,
  parseWholeNumber,
} from "../../cli/command_options.ts";
import { stepProgress } from "../../cli/progress.ts";
import { describeRunning, proposeCommand, suggestPreparation, writeSelect } from "../../cli/raw_log.ts";
import { type LogColumns, REQUIRED_COLUMNS } from "../../data/guess_columns.ts";
import { findFiles } from "../../data/prepare/sources.ts";
import { EXIT_INTERRUPTED, stopOnSignals } from "../../cli/stop.ts";
import { formatThousands } from "../../number_text.ts";
import { describeTimeSplit } from "../../data/manifest.ts";
import { UserError } from "../../user_error.ts";

/** Prepares a data set by a recipe, which is the SQL for one kind of log. */
type Prepare = (recipe: PreparationRecipe, options: PrepareOptions) => Promise<void>;

export function createLogCommand(run: Prepare = runPreparation): Command {
  const command = addOptions(new Command("log"), Object.values(logOptions)).description(
    "Prepares a log with one row per displayed item, per page, or per click, as CSV or TSV with a header " +
      "or JSON lines (all plain, .gz or .zst), or as Parquet. A SELECT (--query) reads a log in any " +
      "other layout; see data/recipes. Ids are text, exactly as written. Times are seconds, milli-, micro- " +
      "or nanoseconds since 1970, or ISO 8601 (UTC without a time zone), whichever most rows have.",
  );
  return command
    .option(OUT_FOLDER, "folder of the prepared data set; new or empty", folder, getPreparedFolder("log"))
    .addOption(
      new Option(
        "--split <by>",
        "hash: each user is in one part, by a hash of the user id; time: the last pages of the log are " +
          "the test part, and the pages before them validation; a user's pages of earlier parts are history",
      )
        .choices(["hash", "time"]).default("hash"),
    )
    .addOption(
      new Option(
        "--shares <train-validation-test>",
        "percent of the users in each part; with --split time, percent of the pages",
      )
        .argParser(shares).default({ train: 0.8, validation: 0.1 }, "80-10-10"),
    )
    .addOption(
      new Option(
        "--split-at <validation,test>",
        "with --split time, instead of --shares: begin of validation and of test, as dates or times " +
          "(UTC), or as days or hours before the last page, such as 14d,7d",
      ).argParser(parseSplitAt),
    )
    .option("--max-events <n>", "keep only the last n events of each user", parseWholeNumber(1))
    .option(
      "--strict",
      "stop at the first invalid row (default: stop if more than 1 % of the rows are invalid)",
      false,
    )
    .option(
      "--memory <size>",
      "memory limit of the SQL engine; the engine stores further data on the disk",
      parseMemorySize,
      "2GB",
    )
    .option("--threads <n>", "threads of the SQL engine (default: one per core)", parseWholeNumber(1, 1024))
    .option("--yes", "guess the columns of --source that no option names, without asking", false)
    .action(async (options: PrepareOptions & LogOptions & { yes: boolean }) => {
      if (options.splitAt && options.split !== "time") {
        throw new UserError(
          "Expected --split time with --split-at, got --split hash. Add --split time, or omit --split-at.",
        );
      }
      if (options.splitAt && command.getOptionValueSource("shares") === "cli") {
        throw new UserError("Expected either --shares or --split-at, got both. Omit one option.");
      }
      try {
        expectShape(options);
      } catch (error) {
        Object.assign(options, await guessMissing(options, listGivenOptions(command), error));
      }
      await run(logRecipe(options), options);
    });
}

/** Guesses columns that no option names. @throws UserError without --yes, or if a column cannot be guessed */
async function guessMissing(
  options: LogOptions & { yes: boolean; out: string },
  given: GivenOptions,
  error: unknown,
): Promise<LogColumns & { query?: string; source?: undefined; out?: string }> {
  const { source, query, items } = options;
  const missing = REQUIRED_COLUMNS.filter((name) => options[name] === undefined);
  const hasFile = source !== undefined && query === undefined && items === undefined;
  const [file] = hasFile && missing.length > 0 ? findFiles(source, "the log") : [];
  const out = given.has("out") ? options.out : undefined;
  const found = file &&
    await suggestPreparation(file.path, { source, given: options, typed: Deno.args.slice(1), out });
  if (!found || !(error instanceof UserError)) throw error;
  // Report other errors than missing columns.
  expectShape({ ...Object.fromEntries(missing.map((name) => [name, name])), ...options });
  if (options.yes && found.isComplete) {
    console.error(describeRunning(found));
    await writeSelect(found);
    return found.select
      ? { query: found.select.file, source: undefined, out: found.out }
      : { ...found.columns, out: found.out };
  }
  const fault = missing.length < REQUIRED_COLUMNS.length
    ? error.message.replace(/\.$/, "")
    : `Expected options that name the columns of ${source}`;
  throw new UserError(proposeCommand(found, fault), { cause: error });
}

/** Parses three percentages such as "80-10-10". */
function shares(text: string): PrepareOptions["shares"] {
  const [train = NaN, validation = NaN, test = NaN] = text.split("-").map(Number);
  if (/^\d+-\d+-\d+$/.test(text) && train + validation + test === 100 && train > 0) {
    return { train: train / 100, validation: validation / 100 };
  }
  throw new InvalidArgumentError(
    `Expected three percentages that add up to 100, such as 80-10-10, got "${text}".`,
  );
}

/** Parses start times of validation and test: 2025-05-01,2025-05-08 or 14d,7d (days before the last page). */
function parseSplitAt(text: string): PrepareOptions["splitAt"] {
  const [validation = NaN, test = NaN, ...more] = text.split(",").map(parseBegin);
  const inOrder = Math.sign(validation) !== Math.sign(test) || validation < test;
  if (more.length === 0 && Number.isFinite(validation) && Number.isFinite(test) && inOrder) {
    return { validation, test };
  }
  throw new InvalidArgumentError(
    "Expected the time at which validation begins and a later time at which test begins, such as " +
      `2025-05-01,2025-05-08T12:00, or days or hours before the last page, such as 14d,7d or 48h,24h; got "${text}".`,
  );
}

/** Parses a UTC time to ms since 1970, or a duration such as "7d" to negative ms. @returns NaN if invalid */
function parseBegin(text: string): number {
  const [, amount, unit] = text.match(/^(\d+(?:\.\d+)?)([dh])$/) ?? [];
  if (amount !== undefined) return Math.round(-Number(amount) * 3_600_000 * (unit === "d" ? 24 : 1)) || NaN;
  if (!/^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?Z?)?$/.test(text)) return NaN;
  const ms = Date.parse(text.length > 10 ? `${text.replace(" ", "T").replace("Z", "")}Z` : text);
  // Date.parse reads February 30 as a day in March, so the day is compared.
  return Number.isFinite(ms) && new Date(ms).toISOString().startsWith(text.slice(0, 10)) ? ms : NaN;
}

async function runPreparation(
  recipe: PreparationRecipe,
  options: PrepareOptions & { readonly encodingFrom?: string },
): Promise<void> {
  const stop = stopOnSignals();
  const progress = stepProgress();
  const began = performance.now();
  try {
    const { manifest, bad, folder } = await prepare(recipe, options, Deno.args, {
      signal: stop.signal,
      onStep: progress.begin,
    });
    progress.stop();
    const { counts, skipped } = manifest;
    const n = (count: number | undefined) => formatThousands(count ?? 0);
    if (bad.total > 0) {
      console.error(`Skipped ${n(bad.total)} invalid rows:\n${formatBadRows(bad)}`);
    }
    for (const note of manifest.notes) console.error(note);
    for (const warning of manifest.warnings ?? []) console.error(`Warning: ${warning}`);
    for (const [kind, count] of Object.entries(skipped)) {
      console.error(`omitted or changed: ${n(count)} ${kind}`);
    }
    const { users, context = 0, pages = 0, rows = 0, earlier = 0, earlierRows = 0 } = counts ?? {};
    console.log(
      `${n(pages - context - earlier)} pages with ${n(rows - context - earlierRows)} impressions of ` +
        `${n(counts?.items)} items, ${n(counts?.clicks)} clicks` +
        `${context > 0 ? `, and ${n(context)} history-only clicks` : ""}; users: ${n(users?.train)} train, ` +
        `${n(users?.validation)} validation, ${n(users?.test)} test. ` +
        `${((performance.now() - began) / 1000).toFixed(1)} s.`,
    );
    if (manifest.timeSplit) console.log(describeTimeSplit(manifest.timeSplit, users));
    console.log(`The prepared data set is ${folder}`);
    console.log(`Look at it:  deno task -q data describe ${quotePath(folder)}`);
    console.log(
      options.encodingFrom === undefined
        ? `Train on it: deno task -q train --data ${quotePath(folder)}`
        : `Evaluate a model on it: deno task -q evaluate --model MODEL --data ${quotePath(folder)}` +
          (manifest.timeSplit
            ? ""
            : " --split all\nIts users have no clicks before this log: data/README.md#next-months-log"),
    );
  } catch (error) {
    progress.stop();
    if (!(error instanceof EngineStoppedError)) throw error;
    console.error("Interrupted: the unfinished data set was removed.");
    Deno.exit(EXIT_INTERRUPTED);
  }
}
