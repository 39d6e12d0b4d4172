/**
 * Starts a command of this program: `deno task train --save-dir x`.
 *
 * The launcher may start processes, which amounts to any permission, but it does three things only: it fetches the
 * packages of the command, it makes sure of an adapter for one that computes, and it runs the command in a process that
 * may read files and write to its own folder and to this program's cache, or listen on a port of this machine, and nothing
 * else. It uses no package itself, so
 * that it can say what is being fetched.
 */

import { UserError } from "../user_error.ts";
import { DENO_FLAGS } from "../deno_flags.ts";
import { type RankPlace, rankPlace, trainCommand } from "../run/ranks/place.ts";
import { asksForHelp, permittedVariable, quoted } from "./arguments.ts";
import { runMain } from "./fail.ts";
import { ASKED_FOR, ECHO_MS, LAUNCHER_VARIABLE, onSignals, watchAncestors } from "./stop.ts";
import {
  cacheFolder,
  commandScript,
  DEFAULT_RUN_FOLDER,
  needsOf,
  permissionFlags,
  runFolders,
} from "./permissions.ts";
import { CHILD_ENVIRONMENT, ensureAdapter, GPU_ENVIRONMENT } from "./setup.ts";

/** Size of its packages; most of it is the data engine. */
function megabytesOf(command: string): number {
  return needsOf(command).native ? 160 : 20;
}

/** Runs the command to its end. @returns its exit code; 128 + n when signal n ended it */
async function launch(command: string, args: readonly string[]): Promise<number> {
  const permissions = permissionFlags(command, args, cacheFolder());
  const needsAdapter = needsOf(command).adapter && !asksForHelp(args);
  const script = commandScript(command);
  await fetchPackages({
    command,
    script,
    megabytes: megabytesOf(command),
    environment: CHILD_ENVIRONMENT,
    say: (text) => console.error(text),
  });
  if (needsAdapter) await ensureAdapter();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", ...DENO_FLAGS, ...permissions, script, ...args],
    env: { ...GPU_ENVIRONMENT, ...CHILD_ENVIRONMENT, [LAUNCHER_VARIABLE]: String(Deno.pid) },
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  passSignalsTo(child);
  await watchAncestors(() => send(child, "SIGTERM"));
  const { code, signal } = await child.status;
  const name = command === "policy" ? `policy ${args[0] ?? ""}` : command;
  const resumed = resumes(command, args) ? resumeArguments(args) : undefined;
  const end = endOfChild(name, signal, resumed, rankPlace(permittedVariable));
  if (end !== undefined) console.error(end);
  return code;
}

/** Whether what it does can be gone on with. */
function resumes(command: string, [subcommand]: readonly string[]): boolean {
  return command === "train" || (command === "policy" && subcommand === "train");
}

/** How a training with these arguments is gone on with, where they name its folder. */
function resumeArguments(args: readonly string[]): string | undefined {
  const folder = runFolders(args).at(-1);
  return folder === undefined || folder === DEFAULT_RUN_FOLDER ? undefined : `--resume ${quoted(folder)}`;
}

/** Time that a command has to end when it was told twice. */
const GRACE_MS = 3000;

/**
 * The command decides what a signal means; the launcher passes it on and stays until the command has ended. From a
 * terminal, Ctrl-C reaches the command twice, directly and from here, within moments. One that hangs, in a read that
 * never ends or in a driver, hears nothing: told again, it is killed.
 */
export function passSignalsTo(child: Deno.ChildProcess): void {
  let first: number | undefined;
  onSignals((signal) => {
    const now = performance.now();
    first ??= now;
    send(child, signal);
    if (now - first > ECHO_MS) Deno.unrefTimer(setTimeout(() => send(child, "SIGKILL"), GRACE_MS));
  });
}

function send(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // It has just ended: its status is on the way.
  }
}

const CAUSES: Partial<Record<Deno.Signal, string>> = {
  SIGKILL: "it was killed, by somebody or by the system when memory ran out",
  SIGABRT: "it aborted: memory ran out, or the graphics driver found a fault",
  SIGTRAP: "it aborted, most likely because its memory ran out",
  SIGSEGV: "it crashed, most likely in the graphics driver",
  SIGBUS: "it crashed: a full disk or faulty memory can be the cause",
  SIGILL: "it crashed: this processor lacks an instruction that the driver uses",
  SIGXFSZ: "it wrote a file larger than the system allows",
  SIGXCPU: "its processor time is used up",
};

/**
 * What is said of a command that did not end by itself: killed, or fallen with the graphics driver.
 * @param resumed the arguments that go on with what was begun, quoted; undefined where they are not known.
 * @param ranks which of several it was.
 * @returns undefined when there is nothing to say: it told its own end, or was asked to end.
 */
export function endOfChild(
  command: string,
  signal: Deno.Signal | null,
  resumed: string | undefined,
  ranks?: RankPlace,
): string | undefined {
  if (signal === null || ASKED_FOR.includes(signal)) return undefined;
  const cause = CAUSES[signal] ?? "the system ended it";
  const name = ranks && command === "train" ? `rank ${ranks.rank} of train` : command;
  return `error: ${name} was ended by ${signal}: ${cause}. ${remedy(command, resumed, ranks)}`;
}

function remedy(command: string, resumed: string | undefined, ranks: RankPlace | undefined): string {
  switch (command) {
    case "train":
    case "policy train":
      return "What was saved is whole. Go on with: " +
        `${command === "train" ? trainCommand(ranks) : `deno task ${command}`} ` +
        (resumed ?? "--resume and the folder that it named above");
    case "policy round":
    case "reproduce":
    case "tune":
      return "What was saved is whole. Go on with the same command.";
    case "data":
      return "No data set was written. Start it again, with a smaller --memory if memory ran out.";
    default:
      return "Nothing was changed. Start it again.";
  }
}

/** As Deno says it of each file that it fetches, where it is not told to be quiet. */
const DOWNLOAD = /^Download .*\n?/gm;

export interface Fetching {
  /** Its name, such as "train". */
  readonly command: string;
  /** The URL of its module. */
  readonly script: string;
  /** How much it is where nothing is there yet. */
  readonly megabytes: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly say: (text: string) => void;
}

/**
 * Fetches the packages of a command before it runs. It is needed once on a machine; one line says so where anything is
 * fetched. @throws {UserError} when a package cannot be fetched
 */
export async function fetchPackages(
  { command, script, megabytes, environment, say }: Fetching,
): Promise<void> {
  const deno = new Deno.Command(Deno.execPath(), {
    args: ["cache", ...DENO_FLAGS.filter((flag) => flag !== "--quiet"), script],
    env: { ...environment, NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let [said, told] = ["", false];
  for await (const text of deno.stderr.pipeThrough(new TextDecoderStream())) {
    said += text;
    if (told || said.search(DOWNLOAD) < 0) continue;
    told = true;
    say(`Fetching what ${command} needs, once (up to ${megabytes} MB) ...`);
  }
  if ((await deno.status).success) return;
  throw new UserError(
    `the packages of ${command} could not be fetched. Check the network, then start it again: what has arrived ` +
      `is kept. Deno said:\n${reasonOf(said)}`,
  );
}

/** What Deno said, without its downloads and the places in its own code. */
function reasonOf(text: string): string {
  return (text.replace(DOWNLOAD, "").split("\nStack backtrace:")[0] ?? "").trim();
}

if (import.meta.main) {
  const [command = "", ...rest] = Deno.args;
  const args = rest[0] === "--" ? rest.slice(1) : rest; // as typed for npm: `task train -- --save-dir x`
  await runMain(() => launch(command, args));
}
