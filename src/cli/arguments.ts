/** Option flags (in commander's syntax) and default output folders that several commands share. */

import { basename, isAbsolute, join } from "node:path";

export const DATA = "--data <path>";
export const SAVE_DIR = "--save-dir <folder>";
export const RESUME = "--resume <run>";
export const JOBS = "--jobs <n>";
export const README = "--readme <file>";
export const SUMMARY = "--summary <file>";
export const JSON_FILE = "--json <file>";
export const HTML_FILE = "--html <file>";
export const OUT_FILE = "--out <file>";
export const OUT_FOLDER = "--out <folder>";

export const MEMORY = "--memory <size>";

export const WRITE_LOG = "--write-log <folder>";

export const ONNX = "--onnx <file>";
export const BUILD = "--build <folder>";
export const PORT = "--port <n>";
export const DEFAULT_PORT = 8750;

/** Options that name new output files or folders. */
export const OUTPUTS: readonly string[] = [
  OUT_FILE,
  OUT_FOLDER,
  SAVE_DIR,
  WRITE_LOG,
  ONNX,
  BUILD,
  JSON_FILE,
  HTML_FILE,
];
/** Options that name existing outputs: runs that a command resumes, and files that it edits. */
export const CHANGED: readonly string[] = [RESUME, README, SUMMARY];

function extractFlag(option: string): string {
  return option.replace(/ .*/, "");
}

/** Removes options and their values from arguments. @param options - such as "--out <file>" */
export function removeOptions(args: readonly string[], options: readonly string[]): string[] {
  const rest: string[] = [];
  for (let k = 0; k < args.length; k++) {
    const arg = args[k] ?? "";
    if (options.some((option) => arg === extractFlag(option))) k++;
    else if (!options.some((option) => arg.startsWith(`${extractFlag(option)}=`))) rest.push(arg);
  }
  return rest;
}

/** Returns an environment variable's value; undefined if it is not set, or if Deno denies access to it. */
export function readEnvironmentVariable(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

/** Returns the folder for cached results; undefined if the system has no cache folder. */
export function getCacheFolder(
  variable: (name: string) => string | undefined = readEnvironmentVariable,
  os: typeof Deno.build.os = Deno.build.os,
): string | undefined {
  if (os === "windows") {
    const local = variable("LOCALAPPDATA");
    return local ? join(local, "clickgan") : undefined;
  }
  const cache = variable("XDG_CACHE_HOME");
  if (cache && isAbsolute(cache)) return join(cache, "clickgan"); // XDG requires an absolute path
  const home = variable("HOME");
  return home ? join(home, ".cache", "clickgan") : undefined;
}

/** Default folder of new runs (without --save-dir), relative to the working directory. */
export const DEFAULT_RUN_FOLDER = "runs";

/** Returns the default path of a report about runs. @param run - folder of the first run */
export function reportFile(run: string): string {
  return join(run, "report.html");
}

export function getDefaultFolder(data: string, command: "reproduce" | "tune"): string {
  return join("runs", `${command}-${basename(data).replace(/[^\w.-]+/g, "_")}`);
}

/** Returns the default output folder of a subcommand `data NAME`. */
export function getPreparedFolder(name: string): string {
  return join("runs", "data", name);
}

export const EXAMPLE_FOLDER = join("runs", "example");
