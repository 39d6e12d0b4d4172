/**
 * Opens a user's SELECT as a view. The SELECT reads files by functions of the SQL engine, such as read_csv
 * and read_parquet. Before the SELECT runs, its parse tree is searched for these files, which are checked.
 * Statements and functions that write, attach or set something are refused.
 */

import { resolve } from "node:path";
import * as v from "../../schema.ts";
import { readText } from "../../files/local_file.ts";
import { UserError } from "../../user_error.ts";
import { formatLiteral, quoteIdentifier, type SqlEngine } from "./sql_engine.ts";
import { checkCompressed, findFiles } from "./sources.ts";
import { readColumns, type Relation } from "./relation.ts";

/** Allowed functions in FROM: `READERS` read files, `OTHERS` read no files. */
const READERS =
  /^(read_(csv|json|ndjson|json_objects|ndjson_objects)(_auto)?|read_(parquet|text|blob)|parquet_scan)$/;
const OTHERS = /^(range|generate_series|unnest|repeat)$/;

/** Schema of the parse tree that the SQL engine returns for a statement. */
const parsedSchema = v.looseObject({
  error: v.boolean(),
  error_type: v.optional(v.string(), ""),
  error_message: v.optional(v.string(), ""),
  position: v.optional(v.string()),
  statements: v.optional(v.array(v.unknown()), []),
});

/**
 * Creates a view from the SELECT in a file. @param work: the output folder, which the SELECT must not read.
 * @throws UserError if the file is not one SELECT, or if the SELECT reads anything except local files.
 */
export async function openSelect(
  engine: SqlEngine,
  path: string,
  { view, option, work, signal }: {
    readonly view: string;
    readonly option: string;
    readonly work: string;
    readonly signal?: AbortSignal;
  },
): Promise<Relation & { readonly text: string }> {
  const [own] = findFiles(path, `the SELECT of ${option}`);
  if (!own) throw new Error("a path without a file");
  const text = await readText(own.path);
  const patterns = await listReadPaths(engine, own.path, text);
  const files = patterns.flatMap((pattern) => findFiles(pattern, `a file that ${own.path} reads`));
  const inside = files.find((file) => resolve(file.path).startsWith(resolve(work) + "/"));
  if (inside !== undefined) {
    throw new UserError(
      `${own.path}: expected sources outside the output folder, got ${inside.path}. Choose another --out.`,
    );
  }
  await checkCompressed(files, signal);
  try {
    await engine.run(`CREATE VIEW ${quoteIdentifier(view)} AS ${text}`);
  } catch (error) {
    throw explain(own.path, error);
  }
  const sql = quoteIdentifier(view);
  return { path: own.path, text, sql, files: [own, ...files], columns: await readColumns(engine, sql) };
}

/** Converts an error of the SQL engine to a UserError that names the file and the line. */
function explain(path: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof UserError) return error;
  const [what = "", line] = error.message.split(/\s+LINE (\d+):/);
  return new UserError(`${path}${line === undefined ? "" : `:${line}`}: ${what.trim()}`, { cause: error });
}

/** Lists paths and globs that a SELECT reads. @throws UserError if the text is not one SELECT from files. */
async function listReadPaths(engine: SqlEngine, path: string, text: string): Promise<string[]> {
  const json = String(await engine.value(`SELECT json_serialize_sql(${formatLiteral(text)})`));
  const { error, error_type, error_message, position, statements } = v.parse(parsedSchema, JSON.parse(json));
  if (error && error_type === "parser") {
    const line = position === undefined ? "" : `:${text.slice(0, Number(position)).split("\n").length}`;
    throw new UserError(`${path}${line}: ${error_message}. Expected one SELECT of DuckDB.`);
  }
  if (error || statements.length !== 1) {
    throw new UserError(
      `${path}: expected one SELECT, got ${error ? "another statement" : `${statements.length} statements`}` +
        ". Read files in its FROM, such as read_csv('log.csv') or read_parquet('logs/*.parquet').",
    );
  }
  return readBy(path, statements[0]);
}

const functionSchema = v.looseObject({
  type: v.literal("TABLE_FUNCTION"),
  function: v.looseObject({ function_name: v.string(), children: v.array(v.unknown()) }),
});
const tableSchema = v.looseObject({ type: v.literal("BASE_TABLE"), table_name: v.string() });
const constantSchema = v.looseObject({
  class: v.literal("CONSTANT"),
  value: v.looseObject({ value: v.string() }),
});
const listSchema = v.looseObject({ function_name: v.literal("list_value"), children: v.array(v.unknown()) });

/** Lists the paths and globs that a subtree of the SELECT's parse tree reads. */
function readBy(path: string, node: unknown): string[] {
  if (typeof node !== "object" || node === null) return [];
  const table = v.safeParse(tableSchema, node);
  // A table name with a dot or a slash is a file. Names of tables that the SELECT defines have neither.
  if (table.success && /[./\\]/.test(table.output.table_name)) return [table.output.table_name];
  const called = v.safeParse(functionSchema, node);
  const below = Object.values(node).flatMap((child) => readBy(path, child));
  if (!called.success) return below;
  const { function_name: name, children } = called.output.function;
  if (OTHERS.test(name)) return below;
  if (READERS.test(name)) return [...namesIn(path, name, children[0]), ...below];
  throw new UserError(
    `${path}: expected FROM to read files (read_csv, read_parquet, read_json, ...), ` +
      `got ${name}(). Use a function that reads files instead.`,
  );
}

/** Returns the file names in `node`, the first argument of the function `reader`, such as read_csv. */
function namesIn(path: string, reader: string, node: unknown): string[] {
  const constant = v.safeParse(constantSchema, node);
  if (constant.success) return [constant.output.value.value];
  const list = v.safeParse(listSchema, node);
  if (list.success) return list.output.children.flatMap((child) => namesIn(path, reader, child));
  throw new UserError(
    `${path}: expected ${reader}() to name its files as text, ` +
      `such as ${reader}('log.csv') or ${reader}(['a', 'b']).`,
  );
}
