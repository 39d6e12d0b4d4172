/** What each command may do: the folders and files that it writes to, which must be known before it starts, and its flags. */

import { UserError } from "../user_error.ts";
import { DRIVER_VARIABLES } from "../gpu/host/driver_threads.ts";
import { basename, dirname, isAbsolute, join } from "node:path";
import { temporaryName } from "../files/atomic_write.ts";
import { RANK_VARIABLES, rankPlace } from "../run/ranks/place.ts";
import {
  DATA,
  DEFAULT_PORT,
  JOBS,
  MEMORY,
  ONNX,
  OUT_FILE,
  OUT_FOLDER,
  permittedVariable,
  PORT,
  readArguments,
  README,
  RESUME,
  SAVE_DIR,
  WRITE_LOG,
} from "./arguments.ts";
import { LAUNCHER_VARIABLE } from "./stop.ts";

/** What {@link cacheFolder} is found by. */
const CACHE_VARIABLES = ["XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"];

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

/** Where `policy round` writes unless another folder is named. */
export const ROUND_FOLDER = join("runs", "round");

/** What `policy SUBCOMMAND` with these arguments writes to: as `train`, and the folder of a page that it is asked for. */
function policyFolders(args: readonly string[]): string[] {
  if (args[0] === "round") return [readArguments(args, [OUT_FOLDER]).values.get(OUT_FOLDER) ?? ROUND_FOLDER];
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

/** Where a search or the experiments on a data set are written unless another folder is named. */
export function folderOn(data: string, command: "reproduce" | "tune"): string {
  return join("runs", `${command}-${basename(data).replace(/[^\w.-]+/g, "_")}`);
}

/** What `reproduce` with these arguments writes to: its folder, and the file that its table goes into. */
function reproduceFolders(args: readonly string[]): string[] {
  const { values } = readArguments(args, [SAVE_DIR, DATA, README]);
  const readme = values.get(README);
  const folder = values.get(SAVE_DIR) ?? folderOn(values.get(DATA) ?? "demo", "reproduce");
  return [folder, ...(readme ? [readme, temporaryName(readme)] : [])];
}

/** What `tune` with these arguments writes to. */
function tuneFolders(args: readonly string[]): string[] {
  const { values } = readArguments(args, [SAVE_DIR, DATA]);
  return [values.get(SAVE_DIR) ?? folderOn(values.get(DATA) ?? "demo", "tune")];
}

/** Where `data NAME` writes unless another folder is named. */
export function preparedFolder(name: string): string {
  return join("runs", "data", name);
}

/** Where `data example` writes unless another folder is named. */
export const EXAMPLE_FOLDER = join("runs", "example");

/** What `data` with these arguments writes to. */
export function dataFolders(args: readonly string[]): string[] {
  const [name = ""] = args;
  if (name === "" || name.startsWith("-") || name === "describe") return [];
  if (name === "check") return readArguments(args.slice(1), [MEMORY]).operands.slice(0, 1);
  const usual = name === "example" ? EXAMPLE_FOLDER : preparedFolder(name);
  return [readArguments(args, [OUT_FOLDER]).values.get(OUT_FOLDER) ?? usual];
}

/** What `simulate` with these arguments writes to: nothing unless it is named. */
function simulateFolders(args: readonly string[]): string[] {
  return [...new Set(readArguments(args, [SAVE_DIR, WRITE_LOG]).values.values())];
}

/** What a command with these arguments writes to that makes one file: its name, and the one that stands for it until it is whole. */
function singleFile(option: typeof OUT_FILE | typeof ONNX, args: readonly string[]): string[] {
  const file = readArguments(args, [option]).values.get(option);
  return file === undefined ? [] : [file, temporaryName(file)];
}

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
  /** Whether mpirun may start several of it, which then call MPI: native code. */
  readonly ranks?: boolean;
}

/** Each is started by the name of its task. */
const COMMANDS: Readonly<Record<string, CommandNeeds>> = {
  train: { module: "commands/train/train.ts", writes: runFolders, adapter: true, caches: true, ranks: true },
  data: { module: "commands/data/data.ts", writes: dataFolders, adapter: false, native: true },
  evaluate: { module: "commands/evaluate.ts", writes: () => [], adapter: true, caches: true },
  predict: {
    module: "commands/predict.ts",
    writes: (args) => singleFile(OUT_FILE, args),
    adapter: true,
    caches: true,
  },
  recommend: { module: "commands/recommend.ts", writes: () => [], adapter: true, caches: true },
  serve: { module: "commands/serve.ts", writes: () => [], adapter: true, caches: true, listens: true },
  export: {
    module: "commands/export.ts",
    writes: (args) => singleFile(ONNX, args),
    adapter: false,
    caches: true,
  },
  report: { module: "commands/report.ts", writes: reportFolders, adapter: false },
  policy: { module: "commands/policy/policy.ts", writes: policyFolders, adapter: true, caches: true },
  reproduce: {
    module: "commands/reproduce/reproduce.ts",
    writes: reproduceFolders,
    adapter: true,
    caches: true,
  },
  tune: { module: "commands/tune/tune.ts", writes: tuneFolders, adapter: true, caches: true },
  simulate: { module: "commands/simulate/simulate.ts", writes: simulateFolders, adapter: true, caches: true },
  selftest: { module: "commands/selftest.ts", writes: () => [], adapter: true },
};

/**
 * The permission flags for a command with these arguments: reading, some variables, and for a command that
 * writes, its folders alone. With `--jobs` it may start Deno. Those that read a large data set may write to the cache too. `serve` listens on its port of 127.0.0.1.
 *
 * @param cache the user's cache folder of this program
 * @throws {UserError} for an unknown command or a folder that no flag can name
 */
export function permissionFlags(
  command: string,
  args: readonly string[],
  cache?: string,
  variable: (name: string) => string | undefined = permittedVariable,
): string[] {
  const { writes, adapter, caches, native, listens, ranks } = needsOf(command);
  const joined = ranks && rankPlace(variable) !== undefined;
  const variables = [
    LAUNCHER_VARIABLE,
    ...(adapter ? DRIVER_VARIABLES : []),
    ...(caches ? CACHE_VARIABLES : []),
    ...(joined ? RANK_VARIABLES : []),
  ];
  const flags = ["--no-prompt", "--allow-read", `--allow-env=${variables.join(",")}`];
  // Whoever may start Deno may do anything.
  if (adapter && Number(readArguments(args, [JOBS]).values.get(JOBS)) > 1) {
    flags.push(`--allow-run=${Deno.execPath()}`);
  }
  if (native || joined) flags.push("--allow-ffi");
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

export function needsOf(command: string): CommandNeeds {
  const known = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (known !== undefined) return known;
  const names = Object.keys(COMMANDS).join(" or ");
  throw new UserError(`expected a command (${names}), found ${JSON.stringify(command)}`);
}

/** The URL of a command's module. @throws {UserError} for an unknown command */
export function commandScript(command: string): string {
  return new URL(`../${needsOf(command).module}`, import.meta.url).href;
}
