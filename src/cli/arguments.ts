/**
 * Options that several commands share, by their definitions for commander, words of a shell's command line, and where
 * commands write unless their options say otherwise.
 */

import { basename, isAbsolute, join } from "node:path";

export const DATA = "--data <path>";
export const SAVE_DIR = "--save-dir <folder>";
export const RESUME = "--resume <run>";
export const JOBS = "--jobs <n>";
export const README = "--readme <file>";
/** Another page that gets figures between its markers. */
export const SUMMARY = "--summary <file>";
/** Measurements, and the page about them. */
export const JSON_FILE = "--json <file>";
export const HTML_FILE = "--html <file>";
/** The page that `report` writes, or the file of `predict`. */
export const OUT_FILE = "--out <file>";
/** The data set that `data` makes. */
export const OUT_FOLDER = "--out <folder>";

/** What the data engine may use. */
export const MEMORY = "--memory <size>";

/** The data set of the pages that `simulate` makes. */
export const WRITE_LOG = "--write-log <folder>";

/** The model's file that `export` writes. */
export const ONNX = "--onnx <file>";
/** Where `lab` writes its page. */
export const BUILD = "--build <folder>";
/** Where `serve` listens. */
export const PORT = "--port <n>";
export const DEFAULT_PORT = 8750;

function extractFlag(option: string): string {
  return option.replace(/ .*/, "");
}

/** The arguments without some options and their values, in their order. @param options by their definitions. */
export function removeOptions(args: readonly string[], options: readonly string[]): string[] {
  const rest: string[] = [];
  for (let k = 0; k < args.length; k++) {
    const arg = args[k] ?? "";
    if (options.some((option) => arg === extractFlag(option))) k++;
    else if (!options.some((option) => arg.startsWith(`${extractFlag(option)}=`))) rest.push(arg);
  }
  return rest;
}

/** What no POSIX shell gives a meaning to, anywhere in a word. */
const PLAIN = /^[\w./:@%+,-]+$/;

/**
 * The word that a shell takes for this text, in a command that is meant to be pasted: nothing in it runs, whatever a file is
 * called. It cannot hold NUL, as no argument can.
 */
export function quoteShellWord(text: string): string {
  return PLAIN.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The same for a path: one that begins with a hyphen would be taken for an option, so it is said to be in this folder. */
export function quotePath(path: string): string {
  return quoteShellWord(path.startsWith("-") ? `./${path}` : path);
}

/** A variable of the environment; undefined where it is not set, or this process may not read it. */
export function readEnvironmentVariable(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

/** Where this program keeps what it would otherwise compute again; undefined where the system names no place. */
export function getCacheFolder(
  variable: (name: string) => string | undefined = readEnvironmentVariable,
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
export function getDefaultFolder(data: string, command: "reproduce" | "tune"): string {
  return join("runs", `${command}-${basename(data).replace(/[^\w.-]+/g, "_")}`);
}

/** Where `data NAME` writes unless another folder is named. */
export function getPreparedFolder(name: string): string {
  return join("runs", "data", name);
}

/** Where `data example` writes unless another folder is named. */
export const EXAMPLE_FOLDER = join("runs", "example");
