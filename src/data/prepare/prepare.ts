/** Prepares a data set with SQL steps: first those for a kind of source, then those for all sources. */

import { basename, resolve } from "node:path";
import * as v from "../../schema.ts";
import { UserError } from "../../user_error.ts";
import { FOLDER_FORMATS, writeJson } from "../../files/json_file.ts";
import { version } from "../../version.ts";
import { type BadRowSummary, mergeBadRows, noBadRows, rejectIfTooBad, takeRejects } from "./bad_rows.ts";
import { computeFileChecksum } from "../../files/local_file.ts";
import { type FolderPurpose, OwnedFolder } from "../../files/owned_folder.ts";
import { OWN_FILES } from "../sets/prepared_writer.ts";
import { listSetWarnings } from "./describe.ts";
import { type ScriptStep, splitScript, SqlEngine, type SqlValue } from "./sql_engine.ts";
import { makeStatus, type PreparationStatus } from "../log_source.ts";
import { readColumnShares, readFeatures, writeVocabulary } from "./source_encoding.ts";
import { MANIFEST, type Manifest, manifestSchema } from "../manifest.ts";
import type { SourceFile } from "./sources.ts";
import macros from "../../../data/macros.sql" with { type: "text" };
import preparedScript from "../../../data/prepared.sql" with { type: "text" };

export interface PrepareOptions {
  readonly out: string;
  /** "hash" assigns users to train, validation and test; "time" assigns pages. See data/macros.sql. */
  readonly split: "hash" | "time";
  /** Shares of users (in a split by time: of pages) for train and for validation. The rest is for test. */
  readonly shares: { readonly train: number; readonly validation: number };
  /** Times in ms since 1970 at which validation and test begin. Negative times count from the last page. */
  readonly splitAt?: { readonly validation: number; readonly test: number };
  /** True if a single bad row is an error; otherwise, up to 1 % of the rows may be bad. */
  readonly strict: boolean;
  /** Memory limit of DuckDB, such as 2GB. */
  readonly memory: string;
  readonly threads?: number;
  /** Number of latest events that are kept per user; by default, all events are kept. */
  readonly maxEvents?: number;
}

/** Function that opens and checks a source, such as a log. @throws UserError if the source is invalid. */
export type PreparationRecipe = (
  engine: SqlEngine,
  workFolder: string,
  signal?: AbortSignal,
) => Promise<PreparedInput>;

export interface PreparedInput {
  readonly sources: readonly SourceFile[];
  /** The SELECT that reads the source; undefined for files. */
  readonly query?: string;
  readonly variables: Readonly<Record<string, SqlValue>>;
  /** SQL steps that build the tables of pages, users and items. `data/prepared.sql` writes these tables. */
  readonly steps: readonly ScriptStep[];
  /** Counts the rows that a step read, except rows that the CSV reader rejected. Called if a row is bad. */
  rowsRead(engine: SqlEngine, step: ScriptStep): Promise<number>;
  /** Counts the bad rows that a step's SQL found. */
  badRows(engine: SqlEngine, step: ScriptStep): Promise<BadRowSummary>;
  /** Checks the tables that a step created. @throws UserError for data from which a model cannot learn. */
  after(engine: SqlEngine, step: ScriptStep): Promise<void>;
  readonly pageOrder: Manifest["pageOrder"];
  readonly sampledPages: boolean;
}

export interface PreparationResult {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly bad: BadRowSummary;
}

const OUT: FolderPurpose = {
  ...{ what: "the prepared data", option: "--out" },
  own: OWN_FILES,
  work: /^(work\.duckdb.*|duckdb_temp.*)$/,
};

/**
 * Prepares a data set; removes all files of the output folder if the preparation fails.
 * @param command: arguments of the command line, for the manifest.
 * @throws UserError for an invalid source, folder or limit; EngineStoppedError if the signal is aborted.
 */
export async function prepare(
  recipe: PreparationRecipe,
  options: PrepareOptions,
  command: readonly string[],
  { signal, onStep }: { signal?: AbortSignal; onStep?: (status: PreparationStatus) => void } = {},
): Promise<PreparationResult> {
  const path = options.out.replace(/[/\\]+$/, "") || options.out;
  using folder = await OwnedFolder.begin(path, OUT);
  let engine: SqlEngine | undefined;
  try {
    engine = await SqlEngine.open({ workFolder: path, memory: options.memory, threads: options.threads });
    await engine.run(
      "CREATE TABLE skipped (kind VARCHAR, count BIGINT); " +
        "CREATE TABLE note (text VARCHAR); CREATE TABLE warning (text VARCHAR)",
    );
    await engine.run(macros);
    onStep?.(makeStatus("Checking the source"));
    const begun = await recipe(engine, path, signal);
    await engine.setVariables({
      ...begun.variables,
      out: path,
      split: options.split,
      train_share: options.shares.train,
      validation_share: options.shares.validation,
      ...{ validation_at: options.splitAt?.validation ?? null, test_at: options.splitAt?.test ?? null },
      ...{ validation_start: null, test_start: null }, // data/page_rows.sql sets them
      max_events: options.maxEvents ?? null,
    });
    let bad = noBadRows;
    let timeSplit: Manifest["timeSplit"];
    const steps = [...begun.steps, ...splitScript(preparedScript)];
    const own = engine;
    await engine.runSteps(steps, {
      signal,
      onStep,
      after: async (step) => {
        if (step.title.startsWith("Reading")) {
          const aside = await takeRejects(own);
          const found = mergeBadRows([aside, await begun.badRows(own, step)]);
          const rows = async () => await begun.rowsRead(own, step) + aside.total;
          await rejectIfTooBad(found, rows, options.strict);
          bad = mergeBadRows([bad, found]);
        }
        await begun.after(own, step);
        if (step.title !== "Users and their parts") return;
        await expectUsers(own);
        timeSplit = options.split === "time" ? await readTimeSplit(own) : undefined;
      },
    });
    onStep?.(makeStatus("Checksums"));
    const manifest = await buildManifest(engine, getDatasetName(path), begun, path, command, bad, timeSplit);
    onStep?.(makeStatus("Warnings"));
    const warnings = await engine.rows("SELECT text FROM warning ORDER BY rowid");
    manifest.warnings = [
      ...warnings.map(({ text }) => String(text)),
      ...await listSetWarnings(engine, path, signal),
    ];
    await writeJson(`${path}/${MANIFEST}`, manifest);
    engine.close();
    engine = undefined;
    folder.finish();
    return { folder: path, manifest, bad };
  } finally {
    engine?.close();
  }
}

function getDatasetName(path: string): string {
  return basename(resolve(path)) || "prepared";
}

async function expectUsers(engine: SqlEngine): Promise<void> {
  if (await engine.number("SELECT count(*) FROM users") > 0) return;
  const skipped = await engine.rows("SELECT kind, count FROM skipped WHERE count > 0");
  const reasons = skipped.map(({ kind, count }) => `\n  ignored: ${count} ${kind}`).join("");
  throw new UserError(
    `Expected pages to learn from, got no page. Check the source and the options that skip rows.${reasons}`,
  );
}

/** Reads a time split's dates. @throws UserError if train or test is empty, or test precedes validation. */
async function readTimeSplit(engine: SqlEngine): Promise<Manifest["timeSplit"]> {
  const [row = {}] = await engine.rows(
    "SELECT min(time) AS first, max(time) AS last, count(*) FILTER (time_part(time) = 0) AS train, " +
      "getvariable('validation_start') AS validation, getvariable('test_start') AS test " +
      "FROM shown WHERE NOT context",
  );
  const [counts = {}] = await engine.rows(
    "SELECT count(DISTINCT id) AS users, count(*) FILTER (split = 'validation' AND before) AS validation, " +
      "count(*) FILTER (split = 'test' AND before) AS test " +
      "FROM (SELECT *, time_part > min(time_part) OVER (PARTITION BY id) AS before FROM users)",
  );
  const format = (ms: unknown) => new Date(Number(ms)).toISOString();
  const begins = { validation: row.validation ?? undefined, test: row.test ?? undefined };
  const { validation, test } = begins;
  const dates = {
    first: format(row.first),
    ...(validation !== undefined && { validation: format(validation) }),
    ...(test !== undefined && { test: format(test) }),
    last: format(row.last),
  };
  const [begin, end] = [Number(validation ?? -Infinity), Number(test ?? Infinity)];
  if (Number(row.train) === 0 || begin > end || (test !== undefined && end > Number(row.last))) {
    throw new UserError(
      "Expected a log with a train part, then a validation part, then a test part, in order of time. " +
        `The log is from ${dates.first} to ${dates.last}, validation begins ${dates.validation}, ` +
        `and the test ${dates.test}. Choose another --split-at or --shares.`,
    );
  }
  return {
    ...dates,
    users: Number(counts.users),
    known: { validation: Number(counts.validation), test: Number(counts.test) },
  };
}

async function buildManifest(
  engine: SqlEngine,
  name: string,
  { sources, query, pageOrder, sampledPages, variables }: PreparedInput,
  folder: string,
  command: readonly string[],
  bad: BadRowSummary,
  timeSplit: Manifest["timeSplit"],
): Promise<Manifest> {
  const [pages] = await engine.rows(
    "SELECT count(*) AS pages, sum(len(items)) AS rows, " +
      "sum((clicked IS NOT NULL)::INTEGER + len(additional_clicks)) FILTER (NOT context AND NOT earlier) " +
      "AS clicks, " +
      "count(*) FILTER (context) AS context, count(*) FILTER (earlier) AS earlier, " +
      "sum(len(items)) FILTER (earlier) AS earlier_rows, " +
      "count(*) FILTER (len(propensities) > 0) AS propensities FROM page",
  );
  const users = await engine.rows("SELECT split, count(*) AS n FROM users GROUP BY split");
  const inPart = (split: string) => Number(users.find((row) => row.split === split)?.n ?? 0);
  const items = await engine.number("SELECT count(*) FROM item");
  const skipped = await engine.rows("SELECT kind, count FROM skipped WHERE count > 0");
  const tokens = await writeVocabulary(engine, folder);
  const file = async (name: string, rows: number) => ({
    rows,
    ...await computeFileChecksum(`${folder}/${name}.parquet`),
  });
  return v.parse(manifestSchema, {
    format: FOLDER_FORMATS.dataset,
    version: 1,
    name,
    pageOrder,
    ...(sampledPages && { sampledPages }),
    ...(timeSplit && { timeSplit }),
    features: await readFeatures(engine),
    shares: await readColumnShares(engine),
    files: {
      users: await file("users", inPart("train") + inPart("validation") + inPart("test")),
      items: await file("items", items),
      pages: await file("pages", Number(pages?.pages)),
      ...(tokens > 0 ? { vocabulary: await file("vocabulary", tokens) } : {}),
    },
    counts: {
      users: { train: inPart("train"), validation: inPart("validation"), test: inPart("test") },
      items,
      pages: Number(pages?.pages),
      rows: Number(pages?.rows),
      clicks: Number(pages?.clicks),
      context: Number(pages?.context),
      ...(timeSplit && { earlier: Number(pages?.earlier), earlierRows: Number(pages?.earlier_rows) }),
      ...(variables.propensity_of ? { propensities: Number(pages?.propensities) } : {}),
    },
    skipped: Object.fromEntries([
      ...skipped.map(({ kind, count }) => [String(kind), Number(count)]),
      ...(bad.total > 0 ? [["invalid rows", bad.total]] : []),
    ]),
    notes: (await engine.rows("SELECT text FROM note ORDER BY text")).map(({ text }) => String(text)),
    command,
    sources: sources.map(({ path, bytes }) => ({ path, bytes })),
    ...(query === undefined ? {} : { query }),
    clickgan: version,
    duckdb: await engine.version(),
  });
}
