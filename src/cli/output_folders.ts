/** Where commands write; the launcher must know it before the command does. */

import { basename, dirname, isAbsolute, join } from "node:path";
import { temporaryName } from "../files/temporary_file.ts";
import { PARTIAL } from "../prepare/out_folder.ts";

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

function permittedVariable(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

/** The page about runs of which `run` is the first, unless another file is named. */
export function reportFile(run: string): string {
  return join(run, "report.html");
}

/** The folder that a report with these arguments is written to; none when neither a run nor a file is named. */
export function reportFolders(args: readonly string[]): string[] {
  let out: string | undefined;
  const runs: string[] = [];
  for (let k = 0; k < args.length; k++) {
    const arg = args[k] ?? "";
    if (arg === "--") {
      runs.push(...args.slice(k + 1));
      break;
    }
    if (arg === "--out") out = args[++k];
    else if (arg.startsWith("--out=")) out = arg.slice("--out=".length);
    else if (!arg.startsWith("-")) runs.push(arg);
  }
  const file = out ?? (runs[0] === undefined ? undefined : reportFile(runs[0]));
  return file === undefined || file === "" ? [] : [dirname(file)];
}

/** Where the experiments on a data set are written unless another folder is named. */
export function reproduceFolder(data: string): string {
  return join("runs", `reproduce-${basename(data).replace(/[^\w.-]+/g, "_")}`);
}

/** What `reproduce` with these arguments writes to: its folder, and the file that its table goes into. */
export function reproduceFolders(args: readonly string[]): string[] {
  const readme = optionValue(args, "--readme");
  const folder = optionValue(args, "--save-dir") ?? reproduceFolder(optionValue(args, "--data") ?? "demo");
  return [folder, ...(readme ? [readme, temporaryName(readme)] : [])];
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
  const out = (optionValue(args, "--out") ?? usual).replace(/[/\\]+$/, "");
  return [out, out + PARTIAL, dirname(out)];
}

/** The last value of an option. */
function optionValue(args: readonly string[], option: string): string | undefined {
  let found: string | undefined;
  args.forEach((arg, k) => {
    if (arg === option) found = args[k + 1];
    else if (arg.startsWith(`${option}=`)) found = arg.slice(option.length + 1);
  });
  return found || undefined;
}
