import { DENO_FLAGS } from "../../src/deno_flags.ts";
import { readTask } from "../../src/cli/launch.ts";
import { LAUNCHER_VARIABLE } from "../../src/cli/stop.ts";
import { CHILD_ENVIRONMENT, GPU_ENVIRONMENT } from "../../src/cli/setup.ts";
import { type CommandName, type CommandResult, makeCacheEnvironment } from "../command_check.ts";

export type ProcessEnd = CommandResult & { readonly signal: Deno.Signal | null };

const ROOT = new URL("../../", import.meta.url);
const INJECT = new URL("inject.ts", import.meta.url).href;
/** Milliseconds within which every command must end, even on a slow machine. */
const MOST_MS = 180_000;

export async function run(
  folder: string,
  command: CommandName,
  args: readonly string[],
  fault?: string,
): Promise<ProcessEnd> {
  const env = await makeEnvironment(folder);
  const { permissions, module } = readTask(command);
  const preload = fault === undefined ? [] : ["--allow-run", `--preload=${INJECT}?${fault}`];
  const own = { ...env, [LAUNCHER_VARIABLE]: String(Deno.pid) };
  return await waitForEnd(start(folder, ["--no-prompt", ...permissions, ...preload, module, ...args], own));
}

export async function launch(
  folder: string,
  command: CommandName,
  args: readonly string[],
): Promise<Deno.ChildProcess> {
  const { permissions, module } = readTask(command);
  const script = new URL("src/cli/launch.ts", ROOT).href;
  return start(folder, ["-A", script, ...permissions, module, ...args], await makeEnvironment(folder));
}

function start(folder: string, args: readonly string[], env: Record<string, string>): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", ...DENO_FLAGS, `--config=${new URL("deno.json", ROOT).pathname}`, ...args],
    cwd: folder,
    env: { ...GPU_ENVIRONMENT, ...CHILD_ENVIRONMENT, NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

export async function waitForEnd(child: Deno.ChildProcess, mostMs = MOST_MS): Promise<ProcessEnd> {
  const timer = setTimeout(() => child.kill("SIGKILL"), mostMs);
  const { code, signal, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, signal, stdout: decode(stdout), stderr: decode(stderr) };
}

export function isMessage({ code, stderr }: CommandResult): boolean {
  return code === 1 && /^error: \S/m.test(stderr) && !/^ {4}at |fault in the program/m.test(stderr);
}

export function makeEnvironment(folder: string): Promise<Record<string, string>> {
  return makeCacheEnvironment(`${folder}/cache`);
}
