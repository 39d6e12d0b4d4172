/** Where commands write unless their options say otherwise. */

import { basename, isAbsolute, join } from "node:path";
import { permittedVariable } from "./arguments.ts";

/** Where this program keeps what it would otherwise compute again; undefined where the system names no place. */
export function cacheFolder(
  variable: (name: string) => string | undefined = permittedVariable,
  os: typeof Deno.build.os = Deno.build.os,
): string | undefined {
  if (os === "windows") {
    const local = variable("LOCALAPPDATA");
    return local ? join(local, "clickgan") : undefined;
  }
  const cache = variable("XDG_CACHE_HOME");
  if (cache && isAbsolute(cache)) return join(cache, "clickgan"); // a relative one is to be ignored, says XDG
  const home = variable("HOME");
  return home ? join(home, ".cache", "clickgan") : undefined;
}

/** Folder of runs unless `--save-dir` or `--resume` names another one; relative to the working folder. */
export const DEFAULT_RUN_FOLDER = "runs";

/** The page about runs of which `run` is the first, unless another file is named. */
export function reportFile(run: string): string {
  return join(run, "report.html");
}

/** Where a search or the experiments on a data set are written unless another folder is named. */
export function folderOn(data: string, command: "reproduce" | "tune"): string {
  return join("runs", `${command}-${basename(data).replace(/[^\w.-]+/g, "_")}`);
}

/** Where `data NAME` writes unless another folder is named. */
export function preparedFolder(name: string): string {
  return join("runs", "data", name);
}

/** Where `data example` writes unless another folder is named. */
export const EXAMPLE_FOLDER = join("runs", "example");
