import * as v from "../schema.ts";
import { UserError } from "../user_error.ts";
import { writeFileAtomically } from "./atomic_write.ts";
import { explainFileError, readText } from "./local_file.ts";

/** Reads a JSON file; undefined if it is missing. @throws UserError if the JSON does not match the schema. */
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
 * Writes a JSON file. It replaces an existing file only if the field `format` of both files is the same.
 * @throws UserError if the file cannot be written, or the existing file is of another kind.
 */
export function writeJson(file: string, value: object): Promise<void> {
  return writeFileAtomically(file, JSON.stringify(value, null, 2) + "\n", formatMark(value));
}

/** Returns the first two lines of `value` as JSON, with its `format`; undefined if it has no such field. */
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
