/** JSON files of a known form. */

import * as v from "../schema.ts";
import { UserError } from "../user_error.ts";
import { atomicWriteFile } from "./atomic_write.ts";
import { explainFileError } from "./local_file.ts";

/** @returns undefined when there is no such file. @throws UserError when it is damaged. */
export async function readJson<T>(file: string, schema: v.GenericSchema<unknown, T>): Promise<T | undefined> {
  let text: string;
  try {
    text = await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw explainFileError(error, "read", file);
  }
  const parsed = v.safeParse(schema, parseJson(text));
  if (parsed.success) return parsed.output;
  throw new UserError(`${file} is damaged: ${v.reasons(parsed.issues)}`);
}

/** Replaces the file as a whole. @throws UserError when it cannot be written. */
export function writeJson(file: string, value: unknown): Promise<void> {
  return atomicWriteFile(file, JSON.stringify(value, null, 2) + "\n");
}

/** Undefined for text that is no JSON. */
export function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    return undefined;
  }
}
