/** manifest.json: what a prepared data set is, and how it was made. */

import { z } from "zod";
import { UserError } from "../user_error.ts";
import { explainFileError } from "../files/file_error.ts";

const count = z.int().min(0);

const fileSchema = z.object({
  rows: count,
  bytes: count,
  /** In hexadecimal. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

/**
 * Only `format`, `version` and `features` are needed to read a data set: whoever makes one with another engine may leave
 * out the rest.
 */
export const manifestSchema = z.object({
  format: z.literal("clickgan-dataset"),
  version: z.literal(1),
  name: z.string().min(1).default("prepared"),
  features: z.object({
    /** The meaning of each place of `dense`. */
    dense: z.array(z.object({ name: z.string(), meaning: z.string().default("") })),
    /** Which tokens mean what: field k has the tokens first .. first + count. */
    tokens: z.array(z.object({ name: z.string(), first: count, count, meaning: z.string().default("") })),
  }),
  /** The files, without .parquet; what is listed is checked. */
  files: z.partialRecord(z.enum(["users", "items", "pages"]), fileSchema).default({}),
  counts: z.object({
    users: z.object({ train: count, validation: count, test: count }),
    items: count,
    pages: count,
    /** Displayed items of all pages. */
    rows: count,
    clicks: count,
    /** Pages that are given as history: they start the state and are not predicted. */
    given: count,
  }).optional(),
  /** What of the source is not in the data set, and how often. */
  skipped: z.record(z.string(), count).default({}),
  /** How the source was understood, where that was inferred. */
  notes: z.array(z.string()).default([]),
  /** The exact arguments. */
  command: z.array(z.string()).default([]),
  sources: z.array(z.object({ path: z.string(), bytes: count })).default([]),
  clickgan: z.string().optional(),
  duckdb: z.string().optional(),
});
export type Manifest = z.infer<typeof manifestSchema>;

export const MANIFEST = "manifest.json";

/** @throws UserError when the folder is no prepared data set. */
export async function readManifest(folder: string): Promise<Manifest> {
  const path = `${folder}/${MANIFEST}`;
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new UserError(
        `Expected a prepared data set, a folder with a ${MANIFEST}, found none in ${folder}. Make one with deno task data.`,
      );
    }
    throw explainFileError(error, "read", path);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new UserError(`${path} is not valid JSON. Prepare the data again.`);
  }
  const parsed = manifestSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new UserError(`${path} is not a manifest of a prepared data set: ${z.prettifyError(parsed.error)}`);
}
