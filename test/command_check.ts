/** Runs the commands as a user does: in a process of their own, with the permissions that the launcher gives them. */

import assert from "node:assert/strict";
import { DENO_FLAGS } from "../src/deno_flags.ts";
import { describeProcess } from "../src/cli/launch.ts";
import { GPU_ENVIRONMENT } from "../src/cli/setup.ts";
import { type ClickLog, NONE } from "../src/data/click_log.ts";
import { createSmallLog } from "../src/selftest/small_logs.ts";
import { withEmptyFolder } from "./run/folder_check.ts";

/**
 * How the software driver compiles as `deno task test` has it: it optimises no shader, and computes four numbers at once instead
 * of eight, which is less code. What each setting gains is in test/README.md.
 */
export const AS_TESTS_HAVE_IT: Readonly<Record<string, string>> = {
  GALLIVM_PERF: "nopt",
  LP_NATIVE_VECTOR_WIDTH: "128",
};

/**
 * As users have it, for what a test starts. All settings or none: the driver's cache keeps optimised shaders apart, but not
 * widths, so a user's training would find there what was compiled for another width.
 */
export const AS_USERS_HAVE_IT: Readonly<Record<string, string>> = Object.fromEntries(
  Object.keys(AS_TESTS_HAVE_IT).map((name) => [name, ""]),
);

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export type CommandName =
  | "train"
  | "evaluate"
  | "predict"
  | "recommend"
  | "serve"
  | "export"
  | "policy"
  | "report"
  | "reproduce"
  | "tune"
  | "simulate"
  | "selftest"
  | "data";

/** Arguments, as a shell takes them from a text: blanks part them, quotes keep them together. Lists are taken as they are. */
export function splitArguments(...parts: readonly (string | readonly string[])[]): string[] {
  return parts.flatMap((part) =>
    typeof part === "string"
      ? [...part.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g)]
        .map(([word]) => word.replaceAll(/"([^"]*)"|'([^']*)'/g, "$1$2"))
      : part
  );
}

function prepare(
  command: CommandName,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Deno.Command {
  const started = buildInvocation(command, args, env);
  return new Deno.Command(Deno.execPath(), { ...started, stdin: "null", stdout: "piped", stderr: "piped" });
}

/** How Deno is started for a command: a run that begins takes the fixed table of kernels, unless told otherwise. */
export function buildInvocation(
  command: CommandName,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { readonly args: string[]; readonly env: Record<string, string> } {
  const started = describeProcess(command, completeArguments(command, args));
  return { args: started.args, env: { ...started.env, ...env } };
}

/** What a command is given. */
export function completeArguments(command: CommandName, args: readonly string[]): readonly string[] {
  const begins = ["train", "reproduce", "tune"].includes(command) && !args.includes("--resume");
  return begins ? ["--no-autotune", ...args] : args;
}

export function runCommand(command: CommandName, ...args: string[]): Promise<CommandResult> {
  return runProcess(prepare(command, args));
}

/** The same, of a command that ends well. */
export async function runOk(command: CommandName, ...args: string[]): Promise<CommandResult> {
  const ended = await runCommand(command, ...args);
  assert.equal(ended.code, 0, ended.stderr);
  return ended;
}

/** The same with variables of its environment. */
export function runCommandWith(
  env: Readonly<Record<string, string>>,
  command: CommandName,
  ...args: string[]
): Promise<CommandResult> {
  return runProcess(prepare(command, args, env));
}

let denoFolder: Promise<string> | undefined;

/** What makes a folder the cache of a command; those of Deno and of the driver stay. */
export async function makeCacheEnvironment(folder: string): Promise<Record<string, string>> {
  const info = new Deno.Command(Deno.execPath(), { args: ["info", "--json"] });
  const DENO_DIR = await (denoFolder ??= runProcess(info).then(({ stdout }) => JSON.parse(stdout).denoDir));
  const usual = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`;
  const MESA_SHADER_CACHE_DIR = Deno.env.get("MESA_SHADER_CACHE_DIR") ?? usual;
  return { DENO_DIR, MESA_SHADER_CACHE_DIR, XDG_CACHE_HOME: folder, LOCALAPPDATA: folder };
}

/** How a process ended, and what it said. */
export async function runProcess(process: Deno.Command): Promise<CommandResult> {
  const { code, stdout, stderr } = await process.output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

export function startCommand(command: CommandName, ...args: string[]): Deno.ChildProcess {
  return prepare(command, args).spawn();
}

/** Starts a command and sends it SIGINT once its error output matches. */
export function interruptCommand(
  when: RegExp,
  command: CommandName,
  ...args: string[]
): Promise<{ code: number; stderr: string }> {
  return signalCommand("SIGINT", when, command, ...args);
}

/** The same with any signal. */
export async function signalCommand(
  signal: Deno.Signal,
  when: RegExp,
  command: CommandName,
  ...args: string[]
): Promise<{ code: number; stderr: string }> {
  const child = startCommand(command, ...args);
  const errors = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let [stderr, sent] = ["", false];
  for (let next = await errors.read(); !next.done; next = await errors.read()) {
    stderr += next.value;
    if (!sent && when.test(stderr)) {
      child.kill(signal);
      sent = true;
    }
  }
  await child.stdout.cancel();
  return { code: (await child.status).code, stderr };
}

/** Writes a log in the paper's layout. */
export function writePaperFile(path: string, log: ClickLog): void {
  const lines = ["session_new_index\tTime\titem_new_index\tis_click\ttr_val_tst"];
  log.userSplit.forEach((split, user) => {
    for (let e = log.userEvents[user] ?? 0; e < (log.userEvents[user + 1] ?? 0); e++) {
      for (let r = log.eventRows[e] ?? 0; r < (log.eventRows[e + 1] ?? 0); r++) {
        const clicked = log.eventClick[e] !== NONE && log.eventClick[e] === r ? 1 : 0;
        lines.push([user, e, log.rowItem[r], clicked, split].join("\t"));
      }
    }
  });
  Deno.writeTextFileSync(path, lines.join("\n") + "\n");
}

/** A script in a process of its own. @param flags of Deno, permissions among them */
export function runScript(
  script: URL,
  flags: readonly string[],
  args: readonly string[] = [],
  { env, ...more }: Pick<Deno.CommandOptions, "env" | "cwd" | "signal"> = {},
): Promise<CommandResult> {
  return runProcess(
    new Deno.Command(Deno.execPath(), {
      args: ["run", ...DENO_FLAGS, "--no-prompt", ...flags, script.href, ...args],
      env: { ...GPU_ENVIRONMENT, NO_COLOR: "1", ...env },
      stdin: "null",
      ...more,
    }),
  );
}

/** Shaders that were compiled before are good enough here. */
export const WITH_CACHE = { MESA_SHADER_CACHE_DISABLE: "false" };

const BENCH_PERMISSIONS = ["read", "env", "write", "run", "ffi", "sys=cpus,uid", "net=127.0.0.1"]
  .map((name) => `--allow-${name}`);

/** The bench as its task starts it. @param args of `deno task bench` */
export function runBench(
  args: readonly string[],
  { env, ...more }: Pick<Deno.CommandOptions, "cwd" | "env"> = {},
): Promise<CommandResult> {
  const script = new URL("../bench/main.ts", import.meta.url);
  return runScript(script, BENCH_PERMISSIONS, args, { ...more, env: { ...WITH_CACHE, ...env } });
}

/**
 * What a script beside this file prints as JSON. It runs in a process of its own, on shaders that the driver optimised, which
 * are two to three times as fast: for tests that compute for longer than the .9 s that a process takes.
 */
export async function runScriptForJson(script: string, ...args: string[]): Promise<unknown> {
  const flags = ["--allow-read", "--allow-env", "--allow-ffi"];
  const url = new URL(script, import.meta.url);
  const { code, stdout, stderr } = await runScript(url, flags, args, { env: AS_USERS_HAVE_IT });
  if (code !== 0) throw new Error(`${script} ended with ${code}:\n${stderr}`);
  return JSON.parse(stdout);
}

/** A folder with a small log in it, which is removed afterwards. */
export async function withSmallLog(use: (folder: string, file: string) => Promise<void>): Promise<void> {
  await withEmptyFolder(async (folder) => {
    const file = `${folder}/small.tsv`;
    writePaperFile(file, createSmallLog(31, { users: 90, items: 30, width: 0 }));
    await use(folder, file);
  });
}

/** What a stage of a run leaves in its folder. */
export const STAGE_FILES = [
  "best-loss.safetensors",
  "best-prec1.safetensors",
  "best-prec2.safetensors",
  "config.json",
  "last.safetensors",
  "result.json",
  "train.csv",
  "validation.csv",
];

/** Snapshots and logs of two stages are equal, bit for bit. */
export function assertSameStage(a: string, b: string): void {
  for (const file of STAGE_FILES.filter((name) => !name.endsWith(".json"))) {
    assert.deepEqual(Deno.readFileSync(`${a}/${file}`), Deno.readFileSync(`${b}/${file}`), file);
  }
}

/** Names of the files in a folder, sorted. */
export function listFiles(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
}

/** With a disk of so many bytes ("8k") as a folder that is made for it; without use, and said so, where none can be mounted. */
export async function withSmallDisk(disk: string, size: string, use: () => Promise<void>): Promise<void> {
  await Deno.mkdir(disk);
  const args = ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", disk];
  const mount = await new Deno.Command("mount", { args }).output().catch(() => undefined);
  try {
    if (mount?.success) await use();
    else console.log("skipped: mounting is not allowed here, so a full disk is not tested");
  } finally {
    if (mount?.success) await new Deno.Command("umount", { args: [disk] }).output();
    await Deno.remove(disk);
  }
}
