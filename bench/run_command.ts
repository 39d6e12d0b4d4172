/** A command of clickgan's, in a process of its own with the launcher's permissions, but without the user's cache. */

import { commandScript, permissionFlags } from "../src/cli/permissions.ts";
import { GPU_ENVIRONMENT } from "../src/cli/setup.ts";
import { DENO_FLAGS } from "../src/deno_flags.ts";
import { UserError } from "../src/user_error.ts";

/** @returns what it prints. Its progress is shown. @throws UserError where it does not end well. */
export async function runCommand(command: string, args: readonly string[]): Promise<string> {
  const script = commandScript(command);
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...DENO_FLAGS, ...permissionFlags(command, args), script, ...args],
    env: { ...GPU_ENVIRONMENT, NO_COLOR: "1" },
    stderr: "inherit",
  }).output();
  if (code !== 0) {
    throw new UserError(
      `Expected ${command} to end well, it ended with exit code ${code}. It was called with: ${
        args.join(" ")
      }`,
    );
  }
  return new TextDecoder().decode(stdout);
}
