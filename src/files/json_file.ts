/** JSON files of a known form. */

import * as z from "zod";
import { UserError } from "../user_error.ts";
import { explainFileError } from "./file_error.ts";

/** @returns undefined when there is no such file. @throws UserError when it is damaged. */
export async function readJson<T>(file: string, schema: z.ZodType<T>): Promise<T | undefined> {
  let text: string;
  try {
    text = await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw explainFileError(error, "read", file);
  }
  const parsed = schema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new UserError(`${file} is damaged: ${z.prettifyError(parsed.error)}`);
}

/** Undefined for text that is no JSON. */
export function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    return undefined;
  }
}
