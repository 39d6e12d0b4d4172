/**
 * Tasks for contributors ("chores"), such as `deno task build report`, `deno task check types` or
 * `deno task test:special faults`. This program has only the permission to start processes; each process gets
 * its own permissions.
 */

import { DENO_FLAGS } from "../deno_flags.ts";
import { UserError } from "../user_error.ts";
import { runMain } from "./run_main.ts";
import { forwardSignals } from "./launch.ts";

interface Chore {
  readonly about: string;
  /** Arguments of the Deno process. Arguments that the user types after the chore's name are appended. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

function run(script: string, ...permissions: readonly string[]): string[] {
  return ["run", ...DENO_FLAGS, "--no-prompt", ...permissions.map((name) => `--allow-${name}`), script];
}

/** All chores, by the name of a task in deno.json and the name of the chore. */
const CHORES: Readonly<Record<string, Readonly<Record<string, Chore>>>> = {
  build: {
    report: {
      about: "bundles the script of the report; run it after changing the script",
      args: run("src/report/build_client.ts", "run", "read", "env", "write=src/report"),
    },
    package: {
      about: "builds the package for JSR and npm in a FOLDER, and checks it",
      args: run("src/serve/bundle/build_package.ts", "run", "read", "env", "write"),
    },
  },
  check: {
    format: { about: "format of all files", args: ["fmt", "--check"] },
    lint: { about: "common mistakes", args: ["lint"], env: { DENO_V8_FLAGS: "--single-threaded" } },
    docs: {
      about: "documentation comments of all exports of the library",
      args: ["doc", "--lint", ...DENO_FLAGS, "src/mod.ts", "src/browser.ts"],
    },
    types: {
      about: "types, including scripts in Markdown pages; the first check fetches all packages",
      args: [
        ...["check", "--doc", ...DENO_FLAGS, "."],
        ...["kernels/README.md", "src/README.md", "src/policy/README.md", "src/simulate/README.md"],
      ],
      // The type checker ends before V8's optimising compiler pays off.
      env: { DENO_V8_FLAGS: "--no-opt" },
    },
  },
  "test:special": {
    faults: {
      about: "kills commands at every file operation and at random times, and runs competing commands",
      args: run("test/faults/main.ts", "all"),
    },
    external: {
      about:
        "tests with Spark, Open MPI, Gymnasium, Open Bandit Pipeline, a GPU compiler and npm, if installed",
      args: [
        "task",
        "test",
        ...["package", "spark", "mpirun", "gymnasium", "open_bandit", "compiled"].map((name) =>
          `test/external/${name}.ts`
        ),
      ],
    },
    sizes: {
      about: "tests kernels in all sizes and variants, not in a selection of them",
      args: [
        ...["task", "test", "test/ops", "test/bench/exercise_test.ts", "test/bench/ladder_test.ts"],
        ...["test/drivers/shader_texts_test.ts", "test/train/learning_test.ts"],
      ],
      env: { ALL_SIZES: "yes" },
    },
  },
};

/**
 * Runs the named chores of a task one after another until one fails. The task `check` runs all its chores if
 * no name is typed. Every other task runs one chore, which gets all arguments after the chore's name.
 * @returns the exit code. @throws UserError for an unknown name
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
      // Deno's tools also colour output to a file, unless NO_COLOR is set.
      env: { ...chore.env, ...(Deno.stdout.isTerminal() ? {} : { NO_COLOR: "1" }) },
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
