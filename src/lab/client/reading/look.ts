/** What the reader's files are: told by their names, and by the names of their columns. */

import { namesOfJson } from "../../../data/long_log/json_lines.ts";
import { headerOf } from "../../../data/long_log/records.ts";
import { isJson } from "../../../data/long_log/table.ts";
import { UserError } from "../../../user_error.ts";
import type { OwnFile } from "../own_file.ts";
import { headOf } from "./own_text.ts";

/** A log with a row for each displayed item, with the names of its columns. */
export interface LogFiles {
  readonly kind: "log";
  readonly log: OwnFile;
  readonly fields: readonly string[];
}

export type Looked =
  | LogFiles
  | { readonly kind: "paper"; readonly log: OwnFile }
  | { readonly kind: "prepared" };

/** Bytes of a file that are looked at. */
const HEAD_BYTES = 1 << 18;
/** What a table's name ends in. */
const TABLE = /\.(csv|tsv|tab|txt|json|jsonl|ndjson)(\.gz|\.zst)?$/i;

/** Of a prepared data set. */
export function isManifest({ path }: OwnFile): boolean {
  return path.split("/").at(-1) === "manifest.json";
}

/** @throws UserError for files that do not belong together. */
export async function lookAt(files: readonly OwnFile[]): Promise<Looked> {
  if (files.some((file) => isManifest(file) || /\.parquet$/i.test(file.path))) {
    return { kind: "prepared" };
  }
  const [log, ...others] = files;
  if (!log || others.length > 0) {
    throw new UserError(
      `Expected one log, or the files of a prepared data set, got ${
        files.map(({ path }) => path).join(", ") || "nothing"
      }.`,
    );
  }
  const fields = await fieldsOf(log);
  const isPaper = ["session_new_index", "tr_val_tst"].some((name) => fields.includes(name));
  if (isPaper || !TABLE.test(log.path)) return { kind: "paper", log };
  return { kind: "log", log, fields };
}

async function fieldsOf(file: OwnFile): Promise<string[]> {
  const head = await headOf(file, HEAD_BYTES);
  return isJson(file.path) ? namesOfJson(head) : headerOf(head);
}
