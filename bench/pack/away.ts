/**
 * What `run.sh` of an archive runs: all parts one after the other, whatever becomes of each, into one JSON file. What tells
 * most in the least time comes first.
 */

import { Command, InvalidArgumentError } from "commander";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { DENO_FLAGS } from "../../src/deno_flags.ts";
import { AS_TESTS_HAVE_IT } from "../../test/driver_settings.ts";
import { workloadNames } from "../peers/job.ts";
import { runMain } from "../../src/cli/fail.ts";
import { parse, wholeNumber } from "../../src/cli/options.ts";
import { version } from "../../src/version.ts";
import { machineText, writeRecords } from "../output.ts";
import { jsonFile, type Part, type PartResult, runPart, testFigures } from "./run_part.ts";

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
        ...run(
          "src/commands/selftest.ts",
          "--json",
          "--shapes",
          shapes,
          ...(short ? ["--only", "lstm"] : []),
        ),
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

interface Options {
  parts?: string[];
  minutes: number;
  partMinutes?: number;
  json?: string;
  python?: string;
  short: boolean;
}

const names = awayParts({ folder: "", short: false }).map(({ name }) => name);

function options(): Options {
  return parse<Options>(
    new Command("./run.sh")
      .description(
        "Tests, bench, ladders, peers and calibration on this machine, into one JSON file. A part that fails or takes too " +
          "long does not stop the others; the file says why. It is written after each part.",
      )
      .option("--parts <names>", `of ${names.join(", ")}, joined by commas (default: all)`, partsOf)
      .option("--minutes <n>", "for all parts together", wholeNumber(1, 1440), 90)
      .option("--part-minutes <n>", "the most for each part (default: its own limit)", wholeNumber(1, 1440))
      .option("--json <file>", "where the figures go (default: beside run.sh, with this machine's name)")
      .option("--python <path>", "a Python that has torch")
      .option("--short", "fewer rounds, one workload, few tests: to see that it works", false),
    Deno.args,
  );
}

/** A name may be begun: "ladders" are both. */
function partsOf(text: string): string[] {
  return text.split(",").flatMap((begun) => {
    const found = names.filter((name) => name.startsWith(begun.trim()));
    if (found.length > 0) return found;
    throw new InvalidArgumentError(`Expected names of ${names.join(", ")}, got "${begun}".`);
  });
}

const archive = new URL("../../../", import.meta.url).pathname;

/** A limit that is shorter than a part needs says so in the file; what is left of the time goes to whoever comes first. */
async function runAll(
  parts: readonly Part[],
  { minutes, partMinutes }: Options,
  file: string,
  folder: string,
) {
  const end = performance.now() + 60_000 * minutes;
  const facts = await machineFacts();
  const began = new Date().toISOString();
  const results: PartResult[] = [];
  for (const [k, part] of parts.entries()) {
    const left = (end - performance.now()) / 1000;
    const limit = Math.min(60 * (partMinutes ?? part.minutes), left);
    const where = `${k + 1} of ${parts.length}: ${part.name}`;
    if (limit < 5) {
      const { name, about, command: { program, args } } = part;
      const command = [program, ...args].join(" ");
      const why = `the ${minutes} minutes of all parts were over`;
      results.push({ name, about, command, outcome: "not started", why, seconds: 0 });
      console.log(`${where}: not started, ${why}`);
    } else {
      console.log(`${where}, ${part.about}, at most ${Math.ceil(limit)} s ...`);
      const result = await runPart(part, limit, `${folder}/${k + 1}.log`);
      results.push(result);
      const why = result.why === undefined ? "" : `: ${result.why}`;
      console.log(`  ${result.outcome} in ${result.seconds} s${why}`);
    }
    const report = { format: 1, began, version, packed: packedFrom(), facts, parts: results };
    await writeRecords(file, report);
  }
  return results;
}

/** Commands that may be there, and what they tell. */
const ASKED: Readonly<Record<string, readonly string[]>> = {
  system: ["uname", "-srm"],
  card: [
    "nvidia-smi",
    "--query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.memory,power.limit",
    "--format=csv,noheader",
  ],
  vulkan: ["vulkaninfo", "--summary"],
  memory: ["free", "-m"],
};

/** What a machine says of itself, for whoever reads its figures elsewhere: the answers of those that are there. */
async function machineFacts(): Promise<Record<string, string>> {
  const facts: Record<string, string> = { machine: machineText() };
  for (const [fact, [program = "", ...args]] of Object.entries(ASKED)) {
    try {
      const output = await new Deno.Command("timeout", {
        args: ["20", program, ...args],
        stdin: "null",
        stderr: "null",
      }).output();
      const text = new TextDecoder().decode(output.stdout).trim();
      if (output.success && text !== "") facts[fact] = text;
    } catch {
      // There is no such program.
    }
  }
  return facts;
}

/** The commit that the archive was made of; undefined in a repository. */
function packedFrom(): string | undefined {
  try {
    return Deno.readTextFileSync(`${archive}packed.txt`).trim();
  } catch {
    return undefined;
  }
}

if (import.meta.main) {
  await runMain(async () => {
    const chosen = options();
    const folder = await Deno.makeTempDir({ prefix: "clickgan-away-" });
    const parts = awayParts({ ...chosen, folder }).filter(({ name }) => chosen.parts?.includes(name) ?? true);
    const file = resolve(chosen.json ?? `${archive}clickgan-${hostname()}.json`);
    const results = await runAll(parts, chosen, file, folder);
    const done = results.filter(({ outcome }) => outcome === "done").length;
    console.log(`${done} of ${results.length} parts done. All is in ${file}; what they said in ${folder}`);
  });
}
