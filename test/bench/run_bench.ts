/** The bench as its task starts it, in a process of its own. */

import { GPU_ENVIRONMENT } from "../../src/cli/setup.ts";
import { DENO_FLAGS } from "../../src/deno_flags.ts";

/** Shaders that were compiled before are good enough here. */
export const WITH_CACHE = { MESA_SHADER_CACHE_DISABLE: "false" };

const PERMISSIONS = ["read", "env", "write", "run", "ffi", "sys=cpus,uid", "net=127.0.0.1"];

interface Where {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** @param args of `deno task bench` */
export async function runBench(args: readonly string[], { cwd, env }: Where = {}) {
  const script = new URL("../../bench/main.ts", import.meta.url).href;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      ...DENO_FLAGS,
      "--no-prompt",
      ...PERMISSIONS.map((name) => `--allow-${name}`),
      script,
      ...args,
    ],
    ...(cwd !== undefined && { cwd }),
    env: { ...GPU_ENVIRONMENT, ...WITH_CACHE, NO_COLOR: "1", ...env },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}
