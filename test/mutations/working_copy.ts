/** A copy of the working tree in a temporary folder: faults are put there, never into the tree itself. */

import { cpSync } from "node:fs";
import { basename, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { GPU_ENVIRONMENT } from "../../src/cli/setup.ts";
import { DENO_FLAGS } from "../../src/deno_flags.ts";
import { AS_TESTS_HAVE_IT } from "../driver_settings.ts";
import { mutated, type Mutation } from "./mutation.ts";
import type { Selection } from "./noticed_by.ts";

const projectFolder = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** What the tests read of the project. */
const COPIED = ["deno.json", "deno.lock", "README.md", "bench", "data", "kernels", "src", "test"];
/** Results of earlier runs: large, and nobody's source. */
const LEFT_OUT = new Set(["bench/out", "data/out"]);

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

export class WorkingCopy implements Disposable {
  private constructor(readonly folder: string) {}

  static make(): WorkingCopy {
    const copy = new WorkingCopy(Deno.makeTempDirSync({ prefix: "clickgan-mutations-" }));
    const isCopied = (path: string) =>
      !basename(path).startsWith(".") && !LEFT_OUT.has(relative(projectFolder, path));
    for (const name of COPIED) {
      const to = `${copy.folder}/${name}`;
      cpSync(`${projectFolder}/${name}`, to, { recursive: true, filter: isCopied });
    }
    return copy;
  }

  /** Runs something while a file has a fault. */
  async with<T>(mutation: Mutation, run: () => Promise<T>): Promise<T> {
    const path = `${this.folder}/${mutation.file}`;
    const before = Deno.readTextFileSync(path);
    Deno.writeTextFileSync(path, mutated(mutation, before));
    try {
      return await run();
    } finally {
      Deno.writeTextFileSync(path, before);
    }
  }

  /** Runs tests in a process of their own. */
  async test({ test, filter }: Selection, limitSeconds: number): Promise<TestRun> {
    const began = performance.now();
    // Types are not checked: a fault is to be noticed by what the program does.
    const flags = [...DENO_FLAGS, "--no-check", "--fail-fast", "--no-prompt", "--allow-all"];
    const chosen = filter === undefined ? [] : ["--filter", filter];
    const child = new Deno.Command(Deno.execPath(), {
      args: ["test", ...flags, ...chosen, test],
      cwd: this.folder,
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

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

const NO_SHADER =
  /Shader '.*' parsing error|create_shader_module|The module's source code could not be parsed/;

function outcomeOf(success: boolean, late: boolean, text: string): Outcome {
  if (late) return "timed out";
  if (NO_SHADER.test(text)) return "does not compile";
  if (success && /\b0 passed\b/.test(text)) return "no test";
  return success ? "passed" : "failed";
}
