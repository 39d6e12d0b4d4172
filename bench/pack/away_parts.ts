/** What is done on another machine, in order: what tells most in the least time comes first. */

import { DENO_FLAGS } from "../../src/deno_flags.ts";
import { AS_TESTS_HAVE_IT } from "../../test/driver_settings.ts";
import { workloadNames } from "../peers/job.ts";
import { jsonFile, type Part, testFigures } from "./run_part.ts";

/** Each is a part: what is over when a limit ends the next one is kept. */
const BENCHED = ["W0", "W4", "W1", "W2", "W6", "W1x4"];
/** Those that have steps, not kernels alone. */
const STEPS: ReadonlySet<string> = new Set(BENCHED.filter((name) => name !== "W1x4"));

const root = new URL("../../", import.meta.url);

export interface PartOptions {
  /** Where parts write. */
  readonly folder: string;
  /** A Python that has torch. */
  readonly python?: string;
  /** Short: fewer rounds, one workload, a few tests. To try the archive, or a machine. */
  readonly short: boolean;
}

/** The tests of ops, kernels and figures: quick, and they start no command. */
const OPS = ["test/ops", "test/kernels", "test/figures"];

export function awayParts({ folder, python, short }: PartOptions): Part[] {
  const at = (path: string) => new URL(path, root).pathname;
  const deno = (...args: string[]) => ({ program: Deno.execPath(), args });
  const run = (script: string, ...args: string[]) =>
    deno("run", "--cached-only", ...DENO_FLAGS, "--no-prompt", "--allow-all", at(script), ...args);
  const test = (files: readonly string[]) => ({
    ...deno(
      ...["test", "--parallel", "--no-check", "--cached-only", ...DENO_FLAGS, "--no-prompt", "--allow-all"],
      ...["--config", at("deno.json"), ...files.map(at)],
    ),
    environment: { LP_NUM_THREADS: "0", ...AS_TESTS_HAVE_IT },
  });
  const bench = (...args: string[]) => run("bench/main.ts", ...args);
  const json = (name: string) => `${folder}/${name}.json`;
  const written = (name: string) => ({ figures: jsonFile(json(name)) });
  const ladder = (name: string, ...args: string[]) => ({
    minutes: 10,
    command: bench("ladder", ...args, ...(short ? ["--rounds", "1"] : []), "--json", json(name)),
    ...written(name),
  });
  return [
    {
      name: "adapter",
      about: "what the adapter can do at most",
      minutes: 3,
      command: bench("adapter", "--json", json("adapter"), "--html", `${folder}/adapter.html`),
      ...written("adapter"),
    },
    ...(["gpu", "cpu"] as const).map((shapes): Part => ({
      name: `selftest-${shapes}`,
      about: `every kernel for a ${shapes.toUpperCase()}, and its gradients, beside float64`,
      minutes: 4,
      command: {
        ...run("src/selftest/command.ts", "--json", "--shapes", shapes, ...(short ? ["--only", "lstm"] : [])),
        output: json(`selftest-${shapes}`),
      },
      ...written(`selftest-${shapes}`),
    })),
    {
      name: "tests-ops",
      about: "every op and its gradients beside the f64 references",
      minutes: 10,
      command: test(short ? ["test/ops/lstm_test.ts"] : OPS),
      figures: testFigures,
    },
    {
      name: "ladders-gpu",
      about: "kernels from the naive one to the one shipped for GPUs",
      ...ladder("ladder-gpu", ...(short ? ["lstm"] : []), "--shapes", "gpu"),
    },
    {
      name: "calibration",
      about: "which kernels are the fastest here",
      minutes: 5,
      command: run("bench/pack/calibrate.ts", json("calibration"), short ? "20" : "120"),
      ...written("calibration"),
    },
    ...(short ? ["W0"] : BENCHED).map((workload): Part => ({
      name: `bench-${workload}`,
      about: `every kernel and the steps of the models, on ${workload}`,
      minutes: 8,
      command: bench(
        ...["kernels", ...(STEPS.has(workload) ? ["steps"] : []), "--workload", workload, "--keep"],
        ...["--json", json(`bench-${workload}`), "--html", `${folder}/bench-${workload}.html`],
        ...(short ? ["--seconds", "0.05"] : []),
      ),
      ...written(`bench-${workload}`),
    })),
    ...(short ? ["W0" as const] : workloadNames).map((workload): Part => ({
      name: `peers-${workload}`,
      about: `a training step on ${workload} by clickgan and by others, PyTorch on CUDA among them`,
      minutes: 8,
      command: bench(
        ...["peers", "--workloads", workload, "--json", json(`peers-${workload}`)],
        ...(python === undefined ? [] : ["--python", python]),
        ...(short ? ["--seconds", "1", "--rounds", "1"] : []),
      ),
      ...written(`peers-${workload}`),
    })),
    {
      name: "ladders-all",
      about: "the CPU driver's way on this adapter, too",
      ...ladder("ladder-all", ...(short ? ["choice"] : []), "--shapes", "cpu"),
    },
    {
      name: "tests-all",
      about: "commands, training, faults",
      minutes: 25,
      command: test(short ? ["test/figures/random_test.ts"] : ["test"]),
      figures: testFigures,
    },
  ];
}
