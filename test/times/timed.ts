/** A task of the repository in a process of its own, and what it took. */

import { UserError } from "../../src/user_error.ts";

/** What a task took. */
export interface Took {
  /** Seconds of CPU, of all processes that have ended. */
  readonly cpu: number;
  /** Seconds. */
  readonly wall: number;
  /** All that it printed. */
  readonly printed: string;
}

/** Runs a task. @param cwd the checkout, if not this one. @throws UserError if it fails: what it took says nothing then. */
export async function timed(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd?: string,
): Promise<Took> {
  const began = performance.now();
  // `times` tells what all processes took that have ended, the last line those of the shell's children.
  const script = '"$@" >&2; code=$?; times; exit $code';
  const child = new Deno.Command("sh", {
    args: ["-c", script, "sh", Deno.execPath(), "task", "--quiet", ...args],
    env: { ...env, NO_COLOR: "1" },
    ...(cwd !== undefined && { cwd }),
    stdout: "piped",
    stderr: "piped",
  });
  const { success, stdout, stderr } = await child.output();
  const wall = (performance.now() - began) / 1000;
  const printed = new TextDecoder().decode(stderr);
  if (!success) throw new UserError(`deno task ${args.join(" ")} failed:\n${printed.slice(-3000)}`);
  return { cpu: cpuOf(new TextDecoder().decode(stdout)), wall, printed };
}

/** Of a line such as "1m2.500s 0m0.250s": 62.75. */
function cpuOf(text: string): number {
  const line = text.trim().split("\n").at(-1) ?? "";
  const spent = [...line.matchAll(/(\d+)m([\d.]+)s/g)].map(([, m, s]) => 60 * Number(m) + Number(s));
  if (spent.length !== 2) throw new Error(`expected two times from the shell, found ${line}`);
  return spent.reduce((sum, seconds) => sum + seconds, 0);
}
