import { dirname, join } from "node:path";
import * as v from "../schema.ts";
import { UserError } from "../user_error.ts";
import { writeFileAtomically } from "./atomic_write.ts";
import { explainFileError, readText, readTextSync } from "./local_file.ts";

/** Reads a JSON file; undefined if missing. @throws UserError if the JSON does not match the schema. */
export async function readJson<T>(file: string, schema: v.GenericSchema<unknown, T>): Promise<T | undefined> {
  let text: string;
  try {
    text = await readText(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw explainFileError(error, "read", file);
  }
  const parsed = v.safeParse(schema, parseJson(text));
  if (parsed.success) return parsed.output;
  throw new UserError(`${file} is damaged: ${v.describeIssues(parsed.issues)}`);
}

/**
 * Writes a JSON file. An existing file is replaced only if its field `format` equals `value.format`.
 * @throws UserError if the file cannot be written, or the existing file is of another kind.
 */
export function writeJson(file: string, value: object): Promise<void> {
  return writeFileAtomically(file, JSON.stringify(value, null, 2) + "\n", formatMark(value));
}

/** Returns the first lines of the JSON, which identify the kind of file; undefined if `format` is missing. */
export function formatMark(value: object, indent = "  "): string | undefined {
  if (!("format" in value) || typeof value.format !== "string") return undefined;
  return `\n{\n${indent}"format": ${JSON.stringify(value.format)}`;
}

export function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    return undefined;
  }
}

/**
 * Kinds of folders that commands create. Such a folder contains a JSON file whose field `format` names the
 * kind. A folder without such a file was not created by clickgan.
 */
export const FOLDER_FORMATS = {
  dataset: "clickgan-dataset",
  run: "clickgan-run",
  seeds: "clickgan-seeds",
  experiment: "clickgan-experiment",
  tune: "clickgan-tune",
  policy: "clickgan-policy",
  simulation: "clickgan-simulation",
} as const;

const NAMES = ["config", "seeds", "experiment", "tune", "policy", "manifest", "result"].map((name) =>
  `${name}.json`
);
/** Maximum size, in bytes, of a JSON file whose field `format` is read. Larger files are ignored. */
const MOST_BYTES = 2 ** 26;

/** Returns the nearest folder that clickgan created: `folder` or a parent; undefined if there is none. */
export function findMadeFolder(folder: string): string | undefined {
  if (NAMES.some((name) => saysFormat(join(folder, name)))) return folder;
  return dirname(folder) === folder ? undefined : findMadeFolder(dirname(folder));
}

function saysFormat(file: string): boolean {
  try {
    if (Deno.statSync(file).size > MOST_BYTES) return false;
    const json = parseJson(readTextSync(file));
    if (typeof json !== "object" || json === null || !("format" in json)) return false;
    return Object.values(FOLDER_FORMATS).some((format) => format === json.format);
  } catch {
    return false; // the file does not exist, or cannot be read
  }
}
