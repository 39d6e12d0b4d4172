import { dirname, join } from "node:path";
import { parseJson } from "./json_file.ts";
import { readTextSync } from "./local_file.ts";

/**
 * Kinds of folders that commands create. A folder contains a JSON file whose field `format` names the kind. A
 * folder without such a file was not created by clickgan.
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
/** Maximum size, in bytes, of a JSON file in which `format` is searched for. Larger files are ignored. */
const MOST_BYTES = 2 ** 26;

/** Returns the nearest folder, among `folder` and its parents, that clickgan created; undefined for none. */
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
