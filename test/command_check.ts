import assert from "node:assert/strict";
import { DENO_FLAGS } from "../src/deno_flags.ts";
import { describeProcess } from "../src/cli/launch.ts";
import { GPU_ENVIRONMENT } from "../src/cli/setup.ts";
import { type ClickLog, NONE } from "../src/data/click_log.ts";
import { createSmallLog } from "../src/selftest/small_logs.ts";
import { withEmptyFolder } from "./run/folder_check.ts";

/** Shader compiler settings in tests: no optimisation, vectors of four numbers (test/README.md). */
export const TEST_SHADERS: Readonly<Record<string, string>> = {
  GALLIVM_PERF: "nopt",
  LP_NATIVE_VECTOR_WIDTH: "128",
};

/**
 * Shader compiler settings of users. Set all or none of these: the driver's cache does not distinguish vector
 * widths, so a training would otherwise use cached shaders of another width.
 */
export const USER_SHADERS: Readonly<Record<string, string>> = Object.fromEntries(
  Object.keys(TEST_SHADERS).map((name) => [name, ""]),
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

/** Splits arguments at blanks, except within quotes, as a shell does. */
export function splitArgs(...parts: readonly (string | readonly string[])[]): string[] {
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

/** Returns the Deno command line of a command. A new run does not tune kernels (--no-autotune). */
export function buildInvocation(
  command: CommandName,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { readonly args: string[]; readonly env: Record<string, string> } {
  const started = describeProcess(command, completeArguments(command, args));
  return { args: started.args, env: { ...started.env, ...env } };
}

export function completeArguments(command: CommandName, args: readonly string[]): readonly string[] {
  const begins = ["train", "reproduce", "tune"].includes(command) && !args.includes("--resume");
  return begins ? ["--no-autotune", ...args] : args;
}

export function runCommand(command: CommandName, ...args: string[]): Promise<CommandResult> {
  return runProcess(prepare(command, args));
}

export async function runOk(command: CommandName, ...args: string[]): Promise<CommandResult> {
  const ended = await runCommand(command, ...args);
  assert.equal(ended.code, 0, ended.stderr);
  return ended;
}

export function runCommandWith(
  env: Readonly<Record<string, string>>,
  command: CommandName,
  ...args: string[]
): Promise<CommandResult> {
  return runProcess(prepare(command, args, env));
}

let denoFolder: Promise<string> | undefined;

/** Returns an environment in which a command's cache is `folder`, while Deno and the driver keep theirs. */
export async function makeCacheEnvironment(folder: string): Promise<Record<string, string>> {
  const info = new Deno.Command(Deno.execPath(), { args: ["info", "--json"] });
  const DENO_DIR = await (denoFolder ??= runProcess(info).then(({ stdout }) => JSON.parse(stdout).denoDir));
  const usual = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`;
  const MESA_SHADER_CACHE_DIR = Deno.env.get("MESA_SHADER_CACHE_DIR") ?? usual;
  return { DENO_DIR, MESA_SHADER_CACHE_DIR, XDG_CACHE_HOME: folder, LOCALAPPDATA: folder };
}

export async function runProcess(process: Deno.Command): Promise<CommandResult> {
  const { code, signal, stdout, stderr } = await process.output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const end = signal ? `\nThe process ended by ${signal}.` : "";
  return { code, stdout: decode(stdout), stderr: decode(stderr) + end };
}

/** Returns what a Python script prints; undefined if Python or a package is missing (exit code 3). */
export async function runPython(
  python: string,
  script: URL,
  ...args: readonly string[]
): Promise<string | undefined> {
  const command = new Deno.Command(python, { args: ["-B", script.pathname, ...args] });
  const ended = await runProcess(command).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  if (!ended || ended.code === 3) return undefined;
  assert.equal(ended.code, 0, ended.stderr.slice(-3000));
  return ended.stdout;
}

export function startCommand(command: CommandName, ...args: string[]): Deno.ChildProcess {
  return prepare(command, args).spawn();
}

export function interrupt(
  when: RegExp,
  command: CommandName,
  ...args: string[]
): Promise<{ code: number; stderr: string }> {
  return signalCommand("SIGINT", when, command, ...args);
}

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

export const WITH_CACHE = { MESA_SHADER_CACHE_DISABLE: "false" };

const BENCH_PERMISSIONS = ["read", "env", "write", "run", "ffi", "sys=cpus,uid"]
  .map((name) => `--allow-${name}`);

export function runBench(
  args: readonly string[],
  { env, ...more }: Pick<Deno.CommandOptions, "cwd" | "env"> = {},
): Promise<CommandResult> {
  const script = new URL("../bench/main.ts", import.meta.url);
  return runScript(script, BENCH_PERMISSIONS, args, { ...more, env: { ...WITH_CACHE, ...env } });
}

export async function withSmallLog(use: (folder: string, file: string) => Promise<void>): Promise<void> {
  await withEmptyFolder(async (folder) => {
    const file = `${folder}/small.tsv`;
    writePaperFile(file, createSmallLog(31, { users: 90, items: 30, width: 0 }));
    await use(folder, file);
  });
}

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

export function assertSameStage(a: string, b: string): void {
  for (const file of STAGE_FILES.filter((name) => !name.endsWith(".json"))) {
    assert.deepEqual(Deno.readFileSync(`${a}/${file}`), Deno.readFileSync(`${b}/${file}`), file);
  }
}

export function listFiles(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
}

/** Calls `use` with a mounted disk of `size`, such as "8k", or prints that mounting is not allowed. */
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
