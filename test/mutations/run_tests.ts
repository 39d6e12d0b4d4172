/** Runs the tests that have to notice a mutation, in a process of its own, and says how that ended. */

import { DENO_FLAGS } from "../../src/deno_flags.ts";
import { GPU_ENVIRONMENT } from "../../src/cli/setup.ts";
import { AS_TESTS_HAVE_IT } from "../driver_settings.ts";

export type Outcome =
  | "passed"
  | "failed"
  /** Cut off: a fault may never end. */
  | "timed out"
  /** No fault, but text that no compiler takes. */
  | "does not compile"
  /** No test has the name that is looked for. */
  | "no test";

export interface TestRun {
  readonly outcome: Outcome;
  readonly seconds: number;
  /** The end of what it said. */
  readonly text: string;
}

const ENDING = 3000;

/** @param folder of the project, or of its copy. */
export async function runTests(
  folder: string,
  { tests, filter }: { readonly tests: readonly string[]; readonly filter?: string },
  limitSeconds: number,
): Promise<TestRun> {
  const began = performance.now();
  // Types are not checked: a fault is to be noticed by what the program does.
  const flags = [...DENO_FLAGS, "--no-check", "--fail-fast", "--no-prompt", "--allow-all"];
  const chosen = filter === undefined ? [] : ["--filter", filter];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", ...flags, ...chosen, ...tests],
    cwd: folder,
    env: { ...GPU_ENVIRONMENT, ...AS_TESTS_HAVE_IT, DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, 1000 * limitSeconds);
  const { success, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const text = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("\n");
  const seconds = (performance.now() - began) / 1000;
  return { outcome: outcomeOf(success, late, text), seconds, text: text.slice(-ENDING) };
}

function outcomeOf(success: boolean, late: boolean, text: string): Outcome {
  if (late) return "timed out";
  if (
    /Shader '.*' parsing error|In Device::create_shader_module|The module's source code could not be parsed/
      .test(text)
  ) {
    return "does not compile";
  }
  if (success && /\b0 passed\b/.test(text)) return "no test";
  return success ? "passed" : "failed";
}
