/** What the studies of the bench share: how they take options, how they start commands, and what they say meanwhile. */

import { Command, InvalidArgumentError, Option } from "commander";
import process from "node:process";
import { path } from "../src/cli/options.ts";
import { FailedJob, runChild } from "../src/cli/jobs.ts";
import { describeProcess, type TaskName } from "../src/cli/launch.ts";
import { UserError } from "../src/user_error.ts";

/** A study by its name, with what it does in a sentence or two. */
export function study(name: string, description: string): Command {
  return new Command(`deno task bench ${name}`).description(description);
}

/** `.option(...readmeOption("bench truth"))`: see {@link import("./output.ts").Page}. @param what goes there */
export function readmeOption(markers: string, what = "the table") {
  return [
    "--readme <file>",
    `a page that gets ${what}, between its lines <!-- ${markers} -->`,
    path,
  ] as const;
}

/** @param what is chosen among, such as "rows whose name" */
export function onlyOption(what: string): Option {
  return patternOption("--only <pattern>", `only ${what} matches this regular expression`);
}

export function patternOption(flags: string, about: string): Option {
  return new Option(flags, about).argParser(pattern).default(/./, "all");
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    throw new InvalidArgumentError(`Expected a regular expression, got "${text}".`);
  }
}

/** Those whose name a pattern matches. @param what one of them is, such as "a row". @throws UserError where it matches none */
export function matching<T extends { readonly name: string }>(
  all: readonly T[],
  only: RegExp,
  what: string,
): T[] {
  const chosen = all.filter(({ name }) => only.test(name));
  if (chosen.length > 0) return chosen;
  const known = all.map(({ name }) => name).join("; ");
  throw new UserError(`Expected --only to match ${what} (${known}), got ${only.source}.`);
}

/** Names of a list, joined by commas; in the order of the list. */
export function namesOf<T extends string>(known: readonly T[]): (text: string) => T[] {
  return (text) => {
    const names = text.split(",").map((name) => name.trim());
    const unknown = names.find((name) => !known.some((one) => one === name));
    if (unknown === undefined) return known.filter((one) => names.includes(one));
    throw new InvalidArgumentError(`Expected names of ${known.join(", ")}, got "${unknown}".`);
  };
}

/** Whole numbers of a range, joined by commas. */
export function wholesOf(what: string, least: number, most: number): (text: string) => number[] {
  const fits = (value: number) => Number.isInteger(value) && value >= least && value <= most;
  return (text) => {
    const values = text.split(",").map(Number);
    if (values.every(fits)) return values;
    throw new InvalidArgumentError(`Expected ${what} of ${least}..${most} joined by commas, got "${text}".`);
  };
}

/**
 * Runs a command of clickgan's, without the user's cache.
 * @param beside where others run beside it: what its driver may use, and who hears what it says
 * @returns what it prints. Alone, its progress is shown. @throws UserError where it does not end well.
 */
export async function runCommand(
  command: TaskName,
  args: readonly string[],
  beside?: { readonly cores: Record<string, string>; readonly note: (line: string) => void },
): Promise<string> {
  const { args: all, env } = describeProcess(command, args);
  const started = { args: all, env: { ...env, XDG_CACHE_HOME: "", HOME: "", LOCALAPPDATA: "" } };
  let said = "";
  if (!beside) {
    const { code, stdout } = await new Deno.Command(Deno.execPath(), { ...started, stderr: "inherit" })
      .output();
    if (code === 0) return new TextDecoder().decode(stdout);
    said = `exit code ${code}`;
  } else {
    try {
      await runChild({
        process: { ...started, env: { ...started.env, ...beside.cores } },
        ...{ onOutput: (line) => said += `${line}\n`, onNote: beside.note },
      });
      return said;
    } catch (error) {
      if (!(error instanceof FailedJob)) throw error;
      said = error.message;
    }
  }
  throw new UserError(
    `Expected ${command} to end well, it ended with ${said}. It was called with: ${args.join(" ")}`,
  );
}

/** Works in a temporary folder, which is removed. */
export async function inFolder<T>(name: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: `clickgan-${name}-` });
  try {
    return await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What a study is at: one line on a terminal, a line for each new thing elsewhere. */
export class Status {
  #last = "";
  #shown = false;

  /** @param text "what: detail"; without a terminal only what is new is told. */
  show(text: string): void {
    const { stderr } = process;
    if (stderr.isTTY) {
      stderr.write(`\r\x1b[K${text.slice(0, (stderr.columns || 80) - 1)}`);
      this.#shown = true;
      return;
    }
    const what = text.split(":")[0] ?? "";
    if (what === this.#last) return;
    this.#last = what;
    stderr.write(`${what}\n`);
  }

  /** Leaves the line to others. */
  clear(): void {
    if (this.#shown) process.stderr.write("\r\x1b[K");
    this.#shown = false;
  }
  [Symbol.dispose](): void {
    this.clear();
  }
}
