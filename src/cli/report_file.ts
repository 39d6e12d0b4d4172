/** Where a report is written; the launcher must know it before the command does. */

import { dirname, join } from "node:path";

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
