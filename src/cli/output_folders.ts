/** Where commands write; the launcher must know it before the command does. */

import { basename, dirname, join } from "node:path";

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
  const value = (option: string) => {
    let found: string | undefined;
    args.forEach((arg, k) => {
      if (arg === option) found = args[k + 1];
      else if (arg.startsWith(`${option}=`)) found = arg.slice(option.length + 1);
    });
    return found || undefined;
  };
  const readme = value("--readme");
  return [value("--save-dir") ?? reproduceFolder(value("--data") ?? "demo"), ...(readme ? [readme] : [])];
}
