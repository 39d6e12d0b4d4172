/** Where commands write; the launcher must know it before the command does. */

import { basename, dirname, isAbsolute, join } from "node:path";
import { temporaryName } from "../run/files/temporary_file.ts";
import { PARTIAL } from "../data/prepare/out_folder.ts";
import {
  DATA,
  type ONNX,
  OUT_FILE,
  OUT_FOLDER,
  readArguments,
  README,
  RESUME,
  SAVE_DIR,
  WRITE_LOG,
} from "./arguments.ts";
import { permittedVariable } from "./permitted_variable.ts";

/** What {@link cacheFolder} is found by. */
export const CACHE_VARIABLES = ["XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"];

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

/** Where a run is written unless `--save-dir` or `--resume` says otherwise; relative to the working folder. */
export const DEFAULT_RUN_FOLDER = "runs";

/** What `train` with these arguments writes to: the run to go on with, the folder of a new one, or the default. */
export function runFolders(args: readonly string[]): string[] {
  const { values } = readArguments(args, [RESUME, SAVE_DIR]);
  return values.size > 0 ? [...new Set(values.values())] : [DEFAULT_RUN_FOLDER];
}

/** What `policy SUBCOMMAND` with these arguments writes to: as `train`, and the folder of a page that it is asked for. */
export function policyFolders(args: readonly string[]): string[] {
  const file = readArguments(args, [OUT_FILE]).values.get(OUT_FILE);
  return [...runFolders(args), ...(file === undefined ? [] : [dirname(file)])];
}

/** The page about runs of which `run` is the first, unless another file is named. */
export function reportFile(run: string): string {
  return join(run, "report.html");
}

/** The folder that a report with these arguments is written to; none when neither a run nor a file is named. */
export function reportFolders(args: readonly string[]): string[] {
  const { values, operands: [run] } = readArguments(args, [OUT_FILE]);
  const file = values.get(OUT_FILE) ?? (run ? reportFile(run) : undefined);
  return file === undefined ? [] : [dirname(file)];
}

/** Where the experiments on a data set are written unless another folder is named. */
export function reproduceFolder(data: string): string {
  return join("runs", `reproduce-${basename(data).replace(/[^\w.-]+/g, "_")}`);
}

/** What `reproduce` with these arguments writes to: its folder, and the file that its table goes into. */
export function reproduceFolders(args: readonly string[]): string[] {
  const { values } = readArguments(args, [SAVE_DIR, DATA, README]);
  const readme = values.get(README);
  const folder = values.get(SAVE_DIR) ?? reproduceFolder(values.get(DATA) ?? "demo");
  return [folder, ...(readme ? [readme, temporaryName(readme)] : [])];
}

/** Where a search on a data set is written unless another folder is named. */
export function tuneFolder(data: string): string {
  return join("runs", `tune-${basename(data).replace(/[^\w.-]+/g, "_")}`);
}

/** What `tune` with these arguments writes to. */
export function tuneFolders(args: readonly string[]): string[] {
  const { values } = readArguments(args, [SAVE_DIR, DATA]);
  return [values.get(SAVE_DIR) ?? tuneFolder(values.get(DATA) ?? "demo")];
}

/** Where `data NAME` writes unless another folder is named. */
export function preparedFolder(name: string): string {
  return join("runs", "data", name);
}

/** Where `data example` writes unless another folder is named. */
export const EXAMPLE_FOLDER = join("runs", "example");

/** What `data` with these arguments writes to: the folder, and the one that stands for it until it is whole. */
export function dataFolders(args: readonly string[]): string[] {
  const [name = ""] = args;
  if (name === "" || name.startsWith("-") || name === "describe") return [];
  const usual = name === "example" ? EXAMPLE_FOLDER : preparedFolder(name);
  const out = (readArguments(args, [OUT_FOLDER]).values.get(OUT_FOLDER) ?? usual).replace(/[/\\]+$/, "");
  return [out, out + PARTIAL, dirname(out)];
}

/** What `simulate` with these arguments writes to: nothing unless it is named. */
export function simulateFolders(args: readonly string[]): string[] {
  return [...new Set(readArguments(args, [SAVE_DIR, WRITE_LOG]).values.values())];
}

/** What a command with these arguments writes to that makes one file: its name, and the one that stands for it until it is whole. */
export function singleFile(option: typeof OUT_FILE | typeof ONNX, args: readonly string[]): string[] {
  const file = readArguments(args, [option]).values.get(option);
  return file === undefined ? [] : [file, temporaryName(file)];
}
