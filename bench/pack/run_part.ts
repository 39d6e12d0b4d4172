/** One part of what is done on another machine: a command with a limit, its figures, and why there are none. */

import { UserError } from "../../src/user_error.ts";

export interface PartCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** The file that its standard output goes to; with the rest, where there is none. */
  readonly output?: string;
}

export interface Part {
  readonly name: string;
  /** What it tells, in a few words. */
  readonly about: string;
  /** The most that it may take. */
  readonly minutes: number;
  readonly command: PartCommand;
  /** Reads what it has written, or said; throws where that is nothing. */
  readonly figures?: (said: string) => Promise<unknown>;
}

/** What came of a part. */
export interface PartResult {
  readonly name: string;
  readonly about: string;
  readonly command: string;
  /** "too long": its time was over; "not started": that of all parts was. */
  readonly outcome: "done" | "failed" | "too long" | "not started";
  readonly why?: string;
  readonly seconds: number;
  /** Of a part that failed or took too long, too, where it has written some. */
  readonly figures?: unknown;
  /** Where it was not done: the end of what it said. */
  readonly end?: readonly string[];
}

/** `timeout` ends a command with this. */
const TOO_LONG = [124, 137];
const LINES_KEPT = 60;

/** @param seconds that it may take, at most. @param log where all goes that it says. Never throws. */
export async function runPart(part: Part, seconds: number, log: string): Promise<PartResult> {
  const { name, about, command: { program, args, environment = {}, output } } = part;
  const command = [program, ...args].join(" ");
  const began = performance.now();
  const took = () => Math.round((performance.now() - began) / 100) / 10;
  const own = { name, about, command };
  try {
    // `timeout` ends what the command has started, too: it gives them a group of their own.
    const script = output === undefined
      ? 'log=$1; shift 2; exec "$@" >"$log" 2>&1'
      : 'log=$1 out=$2; shift 2; exec "$@" >"$out" 2>"$log"';
    const child = new Deno.Command("timeout", {
      args: [
        "--kill-after=10",
        String(Math.ceil(seconds)),
        "sh",
        "-c",
        script,
        "sh",
        log,
        output ?? "",
        program,
        ...args,
      ],
      env: { ...environment },
      stdin: "null",
    });
    const { code } = await child.output();
    const text = await Deno.readTextFile(log);
    const { figures, why } = await figuresOf(part, text);
    const found = figures === undefined ? {} : { figures };
    if (code === 0 && why === undefined) return { ...own, outcome: "done", seconds: took(), ...found };
    const late = TOO_LONG.includes(code) && took() >= seconds;
    return {
      ...own,
      outcome: late ? "too long" : "failed",
      why: late
        ? `it was ended after ${Math.ceil(seconds)} s`
        : code === 0
        ? why
        : `exit code ${code}: ${lastLine(text)}`,
      seconds: took(),
      ...found,
      end: linesOf(text).slice(-LINES_KEPT),
    };
  } catch (error) {
    return { ...own, outcome: "failed", why: reasonOf(error), seconds: took() };
  }
}

async function figuresOf({ figures }: Part, said: string): Promise<{ figures?: unknown; why?: string }> {
  if (!figures) return {};
  try {
    return { figures: await figures(said) };
  } catch (error) {
    return { why: `it left no figures: ${reasonOf(error)}` };
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message.split("\n", 1)[0] ?? "" : String(error);
}

/** A line that says something: of an error, if there is one. */
function lastLine(text: string): string {
  const lines = linesOf(text);
  return lines.findLast((line) => /error|expected|failed|cannot/i.test(line)) ?? lines.at(-1) ??
    "it said nothing";
}

/** Without what a terminal would have overwritten, and colours. */
function linesOf(text: string): string[] {
  // deno-lint-ignore no-control-regex
  const plain = text.replaceAll(/\x1b\[[\d;]*[A-Za-z]/g, "");
  return plain.split("\n").map((line) => line.split("\r").at(-1)?.trimEnd() ?? "").filter((line) =>
    line !== ""
  );
}

/** A file of JSON that a part writes. */
export function jsonFile(path: string): () => Promise<unknown> {
  return async () => {
    try {
      return JSON.parse(await Deno.readTextFile(path));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) throw new UserError("it has written no file");
      throw error;
    }
  };
}

/** How many tests passed, and the names of those that failed, of what `deno test` says. */
export function testFigures(said: string): Promise<unknown> {
  const lines = linesOf(said);
  const of = (pattern: RegExp) => lines.flatMap((line) => line.match(pattern)?.[1] ?? []);
  const passed = of(/^(.+) \.\.\. .*\bok\b/).length;
  const failed = [...new Set(of(/^(.+) \.\.\. .*\bFAILED\b/))];
  const ignored = of(/^(.+) \.\.\. .*\bignored\b/).length;
  if (passed + failed.length === 0) throw new UserError("no test ran");
  return Promise.resolve({ passed, failed, ignored });
}
