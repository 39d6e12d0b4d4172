import { dirname, join } from "node:path";
import { parseJson } from "./json_file.ts";
import { readTextSync } from "./local_file.ts";

/**
 * Kinds of folders that commands create. A JSON file in each of them has the kind as `format`. Only that identifies a folder
 * of this program.
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

/** Names of the files with a `format`. */
const NAMES = ["config", "seeds", "experiment", "tune", "policy", "manifest", "result"].map((name) =>
  `${name}.json`
);
/** Size limit in bytes; larger files are ignored. */
const MOST_BYTES = 2 ** 26;

/** Returns the nearest folder, from this one up, that a command created; undefined if there is none. */
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
    return false; // nothing is there, or nothing that this program could read
  }
}
