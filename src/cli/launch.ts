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
import { DRIVER_VARIABLES } from "../gpu/host/driver_threads.ts";
import { DENO_FLAGS } from "../deno_flags.ts";
import { asksForHelp, DEFAULT_PORT, ONNX, OUT_FILE, PORT, readArguments } from "./arguments.ts";
import { endOfChild } from "./ended_child.ts";
import { runMain } from "./fail.ts";
import { fetchPackages } from "./fetch_packages.ts";
import { LAUNCHER_VARIABLE, watchAncestors } from "./launcher_watch.ts";
import {
  CACHE_VARIABLES,
  cacheFolder,
  dataFolders,
  DEFAULT_RUN_FOLDER,
  policyFolders,
  reportFolders,
  reproduceFolders,
  runFolders,
  simulateFolders,
  singleFile,
  tuneFolders,
} from "./output_folders.ts";
import { CHILD_ENVIRONMENT, ensureAdapter, GPU_ENVIRONMENT } from "./setup.ts";
import { quoted } from "./shell_word.ts";

interface CommandNeeds {
  /** Its module in src. */
  readonly module: string;
  /** The folders that it writes to. */
  readonly writes: (args: readonly string[]) => string[];
  readonly adapter: boolean;
  /** Whether it keeps something in the user's cache folder. */
  readonly caches?: boolean;
  /** Whether it runs native code: the data engine, which no permission holds back. */
  readonly native?: boolean;
  /** Whether it listens on a port of this machine, and on nothing else. */
  readonly listens?: boolean;
}

/** Each is started by the name of its task. */
const COMMANDS: Readonly<Record<string, CommandNeeds>> = {
  train: { module: "run/commands/train.ts", writes: runFolders, adapter: true, caches: true },
  data: { module: "data/commands/data.ts", writes: dataFolders, adapter: false, native: true },
  evaluate: { module: "figures/commands/evaluate.ts", writes: () => [], adapter: true, caches: true },
  predict: {
    module: "figures/commands/predict.ts",
    writes: (args) => singleFile(OUT_FILE, args),
    adapter: true,
    caches: true,
  },
  recommend: { module: "figures/commands/recommend.ts", writes: () => [], adapter: true, caches: true },
  serve: { module: "serve/command.ts", writes: () => [], adapter: true, caches: true, listens: true },
  export: {
    module: "serve/onnx/command.ts",
    writes: (args) => singleFile(ONNX, args),
    adapter: false,
    caches: true,
  },
  report: { module: "report/command.ts", writes: reportFolders, adapter: false },
  policy: { module: "policy/commands/policy.ts", writes: policyFolders, adapter: true, caches: true },
  reproduce: { module: "tune/commands/reproduce.ts", writes: reproduceFolders, adapter: true, caches: true },
  tune: { module: "tune/commands/tune.ts", writes: tuneFolders, adapter: true, caches: true },
  simulate: { module: "simulate/commands/simulate.ts", writes: simulateFolders, adapter: true, caches: true },
  selftest: { module: "selftest/command.ts", writes: () => [], adapter: true },
};

/** What the packages for terminals look at; they do without those that are not permitted. */
const TERMINAL_VARIABLES = [
  "CI",
  "CLICOLOR_FORCE",
  "COLORTERM",
  "FORCE_COLOR",
  "NODE_DISABLE_COLORS",
  "NO_COLOR",
  "TEAMCITY_VERSION",
  "TERM",
  "TERM_PROGRAM",
  "TF_BUILD",
  "TMUX",
];

/**
 * The permission flags for a command with these arguments: reading, the terminal's variables, and for a command that
 * writes, its folders alone. Those that read a large data set may write to the cache too. `serve` listens on its port of 127.0.0.1.
 *
 * @param cache the user's cache folder of this program
 * @throws {UserError} for an unknown command or a folder that no flag can name
 */
export function permissionFlags(command: string, args: readonly string[], cache?: string): string[] {
  const { writes, adapter, caches, native, listens } = needsOf(command);
  const variables = [
    ...TERMINAL_VARIABLES,
    LAUNCHER_VARIABLE,
    ...(adapter ? DRIVER_VARIABLES : []),
    ...(caches ? CACHE_VARIABLES : []),
  ];
  const flags = ["--no-prompt", "--allow-read", `--allow-env=${variables.join(",")}`];
  if (native) flags.push("--allow-ffi");
  if (listens) flags.push(`--allow-net=127.0.0.1:${portOf(args)}`);
  const folders = writes(args);
  const odd = folders.find((folder) => folder.includes(","));
  if (odd !== undefined) { // a comma would end the path in the flag
    throw new UserError(
      `expected a folder to write to without a comma in its path, found ${odd}. Choose another one.`,
    );
  }
  // A run does without a cache, so one that no flag can name is left out.
  if (caches && cache !== undefined && !cache.includes(",")) folders.push(cache);
  if (folders.length > 0) flags.push(`--allow-write=${folders.join(",")}`);
  return flags;
}

/** The port that a command listens on; the usual one where what is given is none, as the command says then. */
function portOf(args: readonly string[]): number {
  const text = readArguments(args, [PORT]).values.get(PORT) ?? "";
  return /^\d{1,5}$/.test(text) && Number(text) <= 65535 ? Number(text) : DEFAULT_PORT;
}

function needsOf(command: string): CommandNeeds {
  const known = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (known !== undefined) return known;
  const names = Object.keys(COMMANDS).join(" or ");
  throw new UserError(`expected a command (${names}), found ${JSON.stringify(command)}`);
}

/** The URL of a command's module. @throws {UserError} for an unknown command */
export function commandScript(command: string): string {
  return new URL(`../${needsOf(command).module}`, import.meta.url).href;
}

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
  const end = endOfChild(command, signal, resumes(command, args) ? resumeArguments(args) : undefined);
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

/** A second signal within this time is the same one: it comes from the terminal and from the task. */
const ECHO_MS = 1000;
/** Time that a command has to end when it was told twice. */
const GRACE_MS = 3000;

/**
 * The command decides what a signal means; the launcher passes it on and stays until the command has ended. From a
 * terminal, Ctrl-C reaches the command twice, directly and from here, within moments. One that hangs, in a read that
 * never ends or in a driver, hears nothing: told again, it is killed.
 */
export function passSignalsTo(child: Deno.ChildProcess): void {
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM", "SIGHUP"];
  let first: number | undefined;
  for (const signal of signals) {
    Deno.addSignalListener(signal, () => {
      const now = performance.now();
      first ??= now;
      send(child, signal);
      if (now - first > ECHO_MS) Deno.unrefTimer(setTimeout(() => send(child, "SIGKILL"), GRACE_MS));
    });
  }
}

function send(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // It has just ended: its status is on the way.
  }
}

if (import.meta.main) {
  const [command = "", ...rest] = Deno.args;
  const args = rest[0] === "--" ? rest.slice(1) : rest; // as typed for npm: `task train -- --save-dir x`
  await runMain(() => launch(command, args));
}
