/** The bench as its task starts it, in a process of its own. */

import { type CommandResult, runScript } from "../command_check.ts";

/** Shaders that were compiled before are good enough here. */
export const WITH_CACHE = { MESA_SHADER_CACHE_DISABLE: "false" };

const PERMISSIONS = ["read", "env", "write", "run", "ffi", "sys=cpus,uid", "net=127.0.0.1"]
  .map((name) => `--allow-${name}`);

interface Where {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** @param args of `deno task bench` */
export function runBench(args: readonly string[], { cwd, env }: Where = {}): Promise<CommandResult> {
  const script = new URL("../../bench/main.ts", import.meta.url);
  return runScript(script, PERMISSIONS, args, { ...(cwd && { cwd }), env: { ...WITH_CACHE, ...env } });
}
