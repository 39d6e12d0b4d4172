import { dirname, join } from "node:path";
import { parseJson } from "./json_file.ts";
import { readTextSync } from "./local_file.ts";

/**
 * Kinds of folders that commands create. A folder of each kind has a JSON file whose field `format` names the kind. Only the field
 * shows that clickgan created the folder.
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

/** Names of the JSON files that have a field `format`. */
const NAMES = ["config", "seeds", "experiment", "tune", "policy", "manifest", "result"].map((name) =>
  `${name}.json`
);
/** Limit of a file's size in bytes; larger files are not read. */
const MOST_BYTES = 2 ** 26;

/** Returns the nearest folder, from `folder` upwards, that a command of clickgan created; undefined if there is no such folder. */
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
