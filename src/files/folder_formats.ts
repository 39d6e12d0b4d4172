/** How a folder that a command made is known as one. */

import { dirname, join } from "node:path";
import { parseJson } from "./json_file.ts";
import { readTextSync } from "./local_file.ts";

/**
 * The kinds of folders that commands make. A JSON file in each of them says its kind as `format`: by that, and nothing else,
 * a folder is known as one that this program made.
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

/** Names of the files that say it. */
const NAMES = ["config", "seeds", "experiment", "tune", "policy", "manifest", "result"].map((name) =>
  `${name}.json`
);
/** Bytes; a larger file says nothing of its folder. */
const MOST_BYTES = 2 ** 26;

/** Returns the nearest folder, from this one up, that a command made; undefined where there is none. */
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
