/** The commands as `deno task` starts them: their modules and permissions stand in deno.json. */

import config from "../../deno.json" with { type: "json" };
import { DENO_FLAGS } from "../deno_flags.ts";
import { CHILD_ENVIRONMENT, GPU_ENVIRONMENT } from "./setup.ts";
import { LAUNCHER_VARIABLE } from "./stop.ts";

export type TaskName = keyof typeof config.tasks;

/** How a command is run: the URL of its module, and its permission flags, such as "--allow-read". */
export interface CommandTask {
  readonly module: string;
  readonly permissions: readonly string[];
}

/** Returns how a command's task runs it. @throws Error for a task that does not use the launcher. */
export function readTask(name: TaskName): CommandTask {
  const task = config.tasks[name];
  const [, text] = task.command.split("src/cli/launch.ts ");
  const words = text?.split(" ") ?? [];
  const module = words.pop();
  if (module === undefined) throw new Error(`task ${name}: expected a command that src/cli/launch.ts runs`);
  return { module: new URL(`../../${module}`, import.meta.url).href, permissions: words };
}

/** Arguments and environment of a Deno process. */
export interface ProcessOptions {
  readonly args: string[];
  readonly env: Record<string, string>;
}

/**
 * Returns how to start a command without the launcher, with this process as its parent.
 * @param module that runs instead of the command's own, with the same permissions
 */
export function describeProcess(
  name: TaskName,
  args: readonly string[],
  module: string = readTask(name).module,
): ProcessOptions {
  return {
    args: ["run", ...DENO_FLAGS, "--no-prompt", ...readTask(name).permissions, module, ...args],
    env: { ...GPU_ENVIRONMENT, ...CHILD_ENVIRONMENT, NO_COLOR: "1", [LAUNCHER_VARIABLE]: String(Deno.pid) },
  };
}
