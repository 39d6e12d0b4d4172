/** The SQL engine that prepares data: DuckDB with a database file and a memory limit. */

import type { PreparationStatus } from "../log_source.ts";
import type { DuckDBConnection, DuckDBInstance, Json } from "@duckdb/node-api";
import { UserError } from "../../user_error.ts";

/** Value of a variable that an SQL script reads by getvariable(). */
export type SqlValue = string | number | boolean | null | readonly SqlValue[];

export interface EngineOptions {
  /** Folder for the database and for data that does not fit in memory; "" for a database in memory. */
  readonly workFolder: string;
  /** Memory limit in DuckDB's notation, such as 2GB. */
  readonly memory: string;
  readonly threads?: number;
}

export class EngineStoppedError extends Error {
  override readonly name = "StoppedError";
}

export class SqlEngine {
  private constructor(
    private readonly instance: DuckDBInstance,
    private readonly connection: DuckDBConnection,
  ) {}

  /** Starts an engine. @throws UserError for an invalid folder or memory limit. */
  static async open({ workFolder, memory, threads }: EngineOptions): Promise<SqlEngine> {
    if (workFolder.includes("?")) {
      // DuckDB would interpret the text after ? as settings, and write its log to another path.
      throw new UserError(
        `Expected an output path without a question mark, got ${workFolder}. Choose another --out.`,
      );
    }
    // The library (60 MB) is loaded here, after the options of a command were checked.
    const duckdb = await import("@duckdb/node-api");
    const instance = await orUserError(() => duckdb.DuckDBInstance.create(":memory:"));
    const connection = await instance.connect();
    const engine = new SqlEngine(instance, connection);
    // When the engine is closed, it deletes its files in this folder, and the folder if it created it.
    const spill = workFolder !== "" ? workFolder : `/tmp/clickgan-spill-${Deno.pid}`;
    try {
      await engine.run([
        `SET memory_limit = ${formatLiteral(memory)}`,
        ...threads === undefined ? [] : [`SET threads = ${threads}`],
        ...workFolder === "" && Deno.build.os === "windows"
          ? []
          : [`SET temp_directory = ${formatLiteral(spill)}`],
        // Use only built-in extensions: neither fetch an extension, nor load one from the user's folder.
        "SET autoinstall_known_extensions = false",
        "SET autoload_known_extensions = false",
        "SET TimeZone = 'UTC'",
        // The database file is deleted at the end, so it needs no write-ahead log. (Each statement would wait
        // until the log is on disk.)
        ...workFolder === "" ? [] : [
          `ATTACH ${formatLiteral(`${workFolder}/work.duckdb`)} AS work ` +
          "(RECOVERY_MODE no_wal_writes, STORAGE_VERSION 'latest')",
          "USE work",
          "PRAGMA disable_checkpoint_on_shutdown",
        ],
      ].join(";\n"));
    } catch (error) {
      engine.close();
      throw error;
    }
    return engine;
  }

  /** Runs SQL statements in order. @throws UserError for an error that the user can fix. */
  async run(sql: string): Promise<void> {
    await orUserError(() => this.connection.run(sql));
  }

  /** Returns all rows of a query as JSON values. Whole numbers beyond 2^53 are returned as text. */
  async rows(sql: string): Promise<Record<string, Json>[]> {
    const reader = await orUserError(() => this.connection.runAndReadAll(sql));
    return reader.getRowObjectsJson();
  }

  async value(sql: string): Promise<Json> {
    const [row] = await this.rows(sql);
    const [value = null] = Object.values(row ?? {});
    return value;
  }

  /** Returns a query's single value. @throws Error for a value that is not a number. */
  async number(sql: string): Promise<number> {
    const value = Number(await this.value(sql));
    if (Number.isNaN(value)) throw new Error(`expected a number from ${sql}`);
    return value;
  }

  async setVariables(variables: Readonly<Record<string, SqlValue>>): Promise<void> {
    const each = Object.entries(variables).map(([name, value]) =>
      `SET VARIABLE ${name} = ${formatLiteral(value)}`
    );
    await this.run(each.join(";\n"));
  }

  /** Runs steps, and calls `after` after each step. @throws EngineStoppedError if `signal` is aborted. */
  async runSteps(
    steps: readonly ScriptStep[],
    { signal, onStep, after }: {
      readonly signal?: AbortSignal;
      readonly onStep?: (standing: PreparationStatus) => void;
      readonly after?: (step: ScriptStep) => Promise<void>;
    } = {},
  ): Promise<void> {
    const interrupt = () => this.connection.interrupt();
    signal?.addEventListener("abort", interrupt);
    try {
      for (const [k, step] of steps.entries()) {
        const at = { title: step.title, number: k + 1, of: steps.length };
        const values = step.repeat
          ? (await this.rows(step.repeat.query)).map((row) => Object.values(row)[0])
          : [null];
        for (const [round, value] of values.entries()) {
          if (signal?.aborted) throw new EngineStoppedError();
          onStep?.({ ...at, round, rounds: values.length });
          if (step.repeat) await this.setVariables({ [step.repeat.name]: Number(value) });
          await this.run(step.sql);
        }
        await after?.(step);
      }
    } catch (error) {
      // The error of an interrupted query does not say that the signal was aborted.
      throw signal?.aborted ? new EngineStoppedError() : error;
    } finally {
      signal?.removeEventListener("abort", interrupt);
    }
  }

  async version(): Promise<string> {
    return String(await this.value("SELECT version()"));
  }

  close(): void {
    this.connection.closeSync();
    this.instance.closeSync();
  }
}

export function formatLiteral(value: SqlValue): string {
  if (value === null) return "NULL";
  if (typeof value === "string") return `'${value.replaceAll("'", "''")}'`;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return `[${value.map(formatLiteral).join(", ")}]`;
}

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Advice for errors caused by the input, the disk or limits. Each pattern matches a message of DuckDB. */
const REMEDIES: readonly [RegExp, string][] = [
  [/no space left|disk quota|could not write|failed to write/i, "Free some space, or choose another --out."],
  [
    /out of memory|failed to (allocate|pin|offload)/i,
    "Raise --memory (for example to 4GB), or prepare a part of the users.",
  ],
  [
    /permission denied|read-only file system/i,
    "Change the permissions, or choose a path that this user may use.",
  ],
  [
    /conversion error|out of range error/i,
    "Correct the value, or read it by TRY_CAST in the SELECT, so that its row is counted as a bad row.",
  ],
  [/no files found/i, "Check the path, and quote a glob, so that the shell does not expand it."],
  [
    /not a parquet file|no magic bytes|thrift|TProtocol/i,
    "The file is damaged, or not a Parquet file: write it again.",
  ],
  [
    /parser state machine/i,
    "The file may have both line ends (\\n and \\r\\n), or a quote inside a value. " +
    "Write it again with one kind of line end, and put values that contain a quote into quotes.",
  ],
  [/not utf-8/i, "Convert the file to UTF-8, such as with iconv -f latin1 -t utf-8."],
  [
    /csv error|invalid input error|sniff/i,
    "Correct the file, or describe it by the options that --help lists.",
  ],
  [/parquet/i, "The file is damaged, or not a Parquet file: write it again."],
  [
    /malformed json|json/i,
    "Expected one JSON object per line. Use a SELECT with read_json (data/recipes) for an array of objects.",
  ],
  [/gzip|zstd|decompress/i, "The compressed file is damaged: fetch or write it again."],
  [
    /parser error.*memory_limit|unknown unit for memory/i,
    "Expected a size such as 2GB or 800MB for --memory.",
  ],
];

async function orUserError<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Error) || error instanceof UserError) throw error;
    const remedy = REMEDIES.find(([pattern]) => pattern.test(error.message))?.[1];
    if (!remedy) throw error;
    const [message = ""] = error.message.split(/\s+LINE \d+:/); // the rest of the message is the query
    const text = message.split("\n").slice(0, 3).join(" ").replace(/\s+/g, " ");
    const file = /^\s*file\s*=\s*(.+)$/m.exec(message)?.[1];
    const where = file === undefined || text.includes(file) ? "" : ` at ${file}`;
    throw new UserError(`The data engine stopped${where}: ${text.slice(0, 400)}\n${remedy}`, {
      cause: error,
    });
  }
}

// A script in `data/` is plain SQL. Comment lines divide the script into steps with titles:
//
//     -- step: Sessions of each visitor
//     -- step: Pages of a week | for week in (SELECT DISTINCT week FROM viewed ORDER BY week)
//
// A step with `for` does work that would not fit in memory at once: it runs once per value of the query. The
// variable (`week` above) gets the value, which must be a number. Scripts read options by getvariable(NAME).

export interface ScriptStep {
  readonly title: string;
  readonly sql: string;
  readonly repeat?: { readonly name: string; readonly query: string };
}

const HEAD = /^-- step: ([^|\n]+?)(?:\s*\|\s*for (\w+) in \((.*)\))?\s*$/;

/** Splits an SQL script into its steps. @throws Error for a statement before the first step. */
export function splitScript(script: string): ScriptStep[] {
  const steps: { title: string; lines: string[]; repeat?: ScriptStep["repeat"] }[] = [];
  for (const line of script.split("\n")) {
    const head = HEAD.exec(line);
    if (head) {
      const [, title = "", name, query] = head;
      steps.push({ title, lines: [], ...(name && query ? { repeat: { name, query } } : {}) });
    } else if (steps.length > 0) steps.at(-1)?.lines.push(line);
    else if (line.trim() !== "" && !line.startsWith("--")) {
      throw new Error(`expected a "-- step: title" before the first statement, found: ${line}`);
    }
  }
  return steps.map(({ lines, ...step }) => ({ ...step, sql: lines.join("\n").trim() }));
}
