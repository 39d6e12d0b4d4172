/** JSON files with a schema. */

import * as v from "../schema.ts";
import { UserError } from "../user_error.ts";
import { writeFileAtomically } from "./atomic_write.ts";
import { explainFileError, readText } from "./local_file.ts";

/** @returns undefined when there is no such file. @throws UserError when it is damaged. */
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
 * Replaces the file as a whole, one of the same `format` if the value has it.
 * @throws UserError if it cannot be written, or is a different file (see expectReplaceable).
 */
export function writeJson(file: string, value: object): Promise<void> {
  return writeFileAtomically(file, JSON.stringify(value, null, 2) + "\n", formatMark(value));
}

/** Returns the mark of a JSON file whose first key is `format`, on the second line. */
export function formatMark(value: object, indent = "  "): string | undefined {
  if (!("format" in value) || typeof value.format !== "string") return undefined;
  return `\n{\n${indent}"format": ${JSON.stringify(value.format)}`;
}

/** Returns undefined for text that is not JSON. */
export function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    return undefined;
  }
}
