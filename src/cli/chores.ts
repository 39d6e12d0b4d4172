/**
 * What a contributor runs beside the commands: `deno task build kernels`, `deno task check types`, `deno task test:special soak`.
 * These tasks may start processes and nothing else; what they start has permissions of its own.
 */

import { DENO_FLAGS } from "../deno_flags.ts";
import { UserError } from "../user_error.ts";
import { runMain } from "./fail.ts";
import { forwardSignals } from "./launch.ts";

interface Chore {
  readonly about: string;
  /** Of Deno; those of the command line come behind. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

function run(script: string, ...permissions: readonly string[]): string[] {
  return ["run", ...DENO_FLAGS, "--no-prompt", ...permissions.map((name) => `--allow-${name}`), script];
}

/** By the name of the task, and their own. */
const CHORES: Readonly<Record<string, Readonly<Record<string, Chore>>>> = {
  build: {
    kernels: {
      about: "writes out the unrolled loops of kernels, after a change of one",
      args: run("src/cli/build_kernels.ts", "read=kernels", "write=kernels"),
    },
    report: {
      about: "bundles the script of the report's page, after a change of it",
      args: run("src/report/build_client.ts", "run", "read", "env", "write=src/report"),
    },
    package: {
      about: "makes the library's package for JSR and npm in a FOLDER, and checks it",
      args: run("src/serve/bundle/build_package.ts", "run", "read", "env", "write"),
    },
  },
  check: {
    format: { about: "the format of every file", args: ["fmt", "--check"] },
    lint: { about: "common mistakes", args: ["lint"], env: { DENO_V8_FLAGS: "--single-threaded" } },
    docs: {
      about: "that all that the library exports is documented",
      args: ["doc", "--lint", ...DENO_FLAGS, "src/mod.ts", "src/browser.ts"],
    },
    types: {
      about: "the types, of the pages' scripts too; the first time it fetches all packages",
      args: [
        ...["check", "--doc", ...DENO_FLAGS, "."],
        ...["kernels/README.md", "src/README.md", "src/policy/README.md", "src/simulate/README.md"],
      ],
    },
  },
  "test:special": {
    faults: {
      about: "kills commands at every file operation, at random, and in races",
      args: run("test/faults/main.ts", "all"),
    },
    soak: {
      about: "trains, serves and simulates for an hour and looks whether anything grows",
      args: run("test/soak/soak.ts", "all"),
      env: { DENO_V8_FLAGS: "--gc-global,--max-semi-space-size=1" },
    },
    external: {
      about:
        "tries Spark, Open MPI, Gymnasium, Open Bandit Pipeline and a GPU's compiler, where they are installed",
      args: [
        "task",
        "test",
        ...["spark", "mpirun", "gymnasium", "open_bandit", "compiled"].map((name) =>
          `test/external/${name}.ts`
        ),
      ],
    },
    sizes: {
      about: "takes all sizes and variants in tests that otherwise take some of them",
      args: [
        ...["task", "test", "test/bench/ladder_test.ts", "test/drivers/shader_texts_test.ts"],
        "test/train/learning_test.ts",
      ],
      env: { ALL_SIZES: "yes" },
    },
    gallery: {
      about: "takes the pictures of the lab's gallery again, in Chromium",
      args: run("test/lab/gallery.ts", "all"),
    },
    adapters: {
      about: "runs the self-test by Deno's WebGPU, by Dawn and in Chromium",
      args: run("test/adapters/main.ts", "all"),
    },
  },
};

/**
 * Runs what is named, one after the other until one fails; all of `check` where nothing is. What follows the name of what is
 * no check are its own arguments.
 * @returns the exit code. @throws UserError for a name that is none
 */
async function main(task: string, args: readonly string[]): Promise<number> {
  const chores = CHORES[task] ?? {};
  const [first = "", ...rest] = args;
  if (first === "--help" || first === "-h" || (first === "" && task !== "check")) {
    const lines = Object.entries(chores).map(([name, { about }]) => `  ${name.padEnd(10)} ${about}`);
    console.log([`Usage: deno task ${task} NAME`, "", ...lines].join("\n"));
    return 0;
  }
  const names = task !== "check" ? [first] : args.length > 0 ? args : Object.keys(chores);
  for (const name of names) {
    const chore = Object.hasOwn(chores, name) ? chores[name] : undefined;
    if (!chore) {
      throw new UserError(`Expected one of ${Object.keys(chores).join(", ")}, got ${JSON.stringify(name)}.`);
    }
    const child = new Deno.Command(Deno.execPath(), {
      args: [...chore.args, ...(task === "check" ? [] : rest)],
      env: chore.env,
      stdin: "inherit",
    }).spawn();
    forwardSignals(child);
    const { code } = await child.status;
    if (code !== 0) return code;
  }
  return 0;
}

const [task = "", ...args] = Deno.args;
await runMain(() => main(task, args));
