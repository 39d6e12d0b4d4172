/**
 * What ranks gain: a step of W1 by one process, and by two of mpirun, with one driver thread each, and how long two ranks take
 * to add up numbers. Without arguments of its own it starts itself in as many processes.
 */

import type { Command } from "commander";
import { Option } from "commander";
import { runMain } from "../src/cli/fail.ts";
import { wholeNumber } from "../src/cli/options.ts";
import { DENO_FLAGS } from "../src/deno_flags.ts";
import { itemsShape } from "../src/data/item_catalogue.ts";
import { openGpu } from "../src/gpu/host/open_gpu.ts";
import { defaultModel } from "../src/model/config.ts";
import { initialWeights } from "../src/model/initial_weights.ts";
import { modelParameters, UserModel } from "../src/model/user_model.ts";
import { MpiRanks } from "../src/run/ranks/mpi.ts";
import { rankPlace } from "../src/run/ranks/place.ts";
import { workloadLog, workloads } from "../src/selftest/profile/workloads.ts";
import { defaultTraining } from "../src/train/config.ts";
import { Trainer } from "../src/train/trainer.ts";
import { UserError } from "../src/user_error.ts";
import { cellsOf, type Column, onDeno, Page, percent, printTable, short } from "./output.ts";
import { readmeOption, Status, study } from "./study.ts";

const MARKERS = "bench ranks";
/** Steps before any is timed: kernels are compiled, buffers are made. */
const WARM = 32;
/** Numbers that are added up: as many weights as small models have, and large ones. */
const NUMBERS = [10_000, 100_000, 1_000_000];
const SUMS = 50;

/** How W1 is trained. */
interface Setting {
  readonly ranks: number;
  readonly syncEvery: number;
}
const SETTINGS: readonly Setting[] = [
  { ranks: 1, syncEvery: 1 },
  { ranks: 2, syncEvery: 1 },
  { ranks: 2, syncEvery: 16 },
];

/** What rank 0 of a setting measures. */
interface Measured {
  /** ms of a step, in the mean. */
  readonly step: number;
  /** Of the time. */
  readonly communication: number;
  readonly megabytes: number;
  /** ms of a sum, the median, by how many numbers. */
  readonly sums: readonly number[];
}

interface Options {
  steps: number;
  rounds: number;
  readme?: string;
  /** Of a process that is started: measure. */
  syncEvery?: number;
}

export function command(): Command {
  const own = study(
    "ranks",
    "Measures training by two ranks of mpirun beside one process: a step of W1, and sums.",
  )
    .option("--steps <n>", "that are timed", wholeNumber(16), 96)
    .option(
      "--rounds <n>",
      "of all settings, one after another; the fastest of each counts",
      wholeNumber(1),
      3,
    )
    .addOption(new Option("--sync-every <n>").argParser(wholeNumber(1)).hideHelp())
    .option(...readmeOption(MARKERS));
  return own.action(() => {
    const options = own.opts<Options>();
    return options.syncEvery === undefined ? compare(options) : measure(options.steps, options.syncEvery);
  });
}

async function compare({ steps, rounds, readme }: Options): Promise<void> {
  const page = await Page.open(readme, MARKERS);
  const best = new Map<Setting, Measured>();
  using status = new Status();
  for (let round = 1; round <= rounds; round++) {
    for (const setting of SETTINGS) {
      status.show(
        `round ${round} of ${rounds}: ${setting.ranks} processes, --sync-every ${setting.syncEvery}`,
      );
      const found = await start(setting, steps);
      if (found.step < (best.get(setting)?.step ?? Infinity)) best.set(setting, found);
    }
  }
  status.clear();
  const { users, events, page: items } = workloads.W1;
  const alone = best.get(SETTINGS[0]!)?.step ?? NaN;
  const columns: Column<[Setting, Measured]>[] = [
    ["processes", ([{ ranks }]) => String(ranks)],
    ["--sync-every", ([{ ranks, syncEvery }]) => ranks === 1 ? "-" : String(syncEvery)],
    ["ms a step", ([, { step }]) => short(step)],
    ["rows/s", ([, { step }]) => short(1000 * users * events * items / step)],
    ["of one process", ([, { step }]) => `${(alone / step).toFixed(2)} x`],
    ["communication", ([{ ranks }, { communication }]) => ranks === 1 ? "-" : percent(communication)],
    ["MB a step", ([{ ranks }, { megabytes }]) => ranks === 1 ? "-" : short(megabytes)],
  ];
  const table = cellsOf([...best], columns);
  const sums = cellsOf(NUMBERS.map((n, k) => [n, best.get(SETTINGS[1]!)?.sums[k] ?? NaN] as const), [
    ["numbers", ([n]) => n.toLocaleString("en")],
    ["ms, median", ([, ms]) => short(ms)],
  ]);
  const where =
    `W1, one driver thread a process, the fastest of ${rounds} rounds of ${steps} steps; ${onDeno()}:`;
  printTable(table, where);
  printTable(sums, "A sum over two ranks:");
  await page.write(MARKERS, where, table, "A sum over two ranks:", sums);
}

/** @throws UserError where the processes do not end well. */
async function start({ ranks, syncEvery }: Setting, steps: number): Promise<Measured> {
  const script = [new URL(import.meta.url).pathname, "--steps", steps, "--sync-every", syncEvery].map(String);
  const deno = [
    Deno.execPath(),
    "run",
    ...DENO_FLAGS,
    "--no-prompt",
    "--allow-read",
    "--allow-env",
    "--allow-ffi",
    ...script,
  ];
  const { code, stdout } = await new Deno.Command("mpirun", {
    args: ["-n", String(ranks), ...deno],
    env: { LP_NUM_THREADS: "1", OMPI_ALLOW_RUN_AS_ROOT: "1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1" },
    stderr: "inherit",
  }).output();
  const line = new TextDecoder().decode(stdout).split("\n").find((line) => line.startsWith("{"));
  if (code === 0 && line !== undefined) return JSON.parse(line);
  throw new UserError(`Expected mpirun to end well, it ended with exit code ${code}.`);
}

/** In one of the processes. Rank 0 prints what it measures. */
async function measure(steps: number, syncEvery: number): Promise<void> {
  const place = rankPlace((name) => Deno.env.get(name));
  const ranks = place && await MpiRanks.join(place);
  const gpu = await openGpu();
  const log = workloadLog(workloads.W1);
  const weights = initialWeights(modelParameters(itemsShape(log.items), defaultModel), 1);
  const model = new UserModel(gpu, log.items, defaultModel, { weights });
  const config = { ...defaultTraining, batchSize: workloads.W1.users };
  const together = ranks && { ranks, syncEvery };
  const trainer = await Trainer.create(model, log, config, { validate: false, together });
  let [began, before] = [NaN, ranks?.spent];
  await trainer.run(WARM + steps, {
    onStep({ iteration }) {
      if (iteration === WARM) [began, before] = [performance.now(), ranks?.spent];
    },
  });
  const ms = performance.now() - began;
  const since = (what: "seconds" | "bytes") => (ranks?.spent[what] ?? 0) - (before?.[what] ?? 0);
  const [communication, megabytes] = [1000 * since("seconds") / ms, since("bytes") / 1e6 / steps];
  const sums: number[] = [];
  for (const n of ranks ? NUMBERS : []) {
    const times: number[] = [];
    for (let k = 0; k < SUMS; k++) {
      const began = performance.now();
      await ranks?.sum(new Float32Array(n).fill(k));
      times.push(performance.now() - began);
    }
    sums.push(times.sort((a, b) => a - b)[SUMS / 2] ?? NaN);
  }
  const measured: Measured = { step: ms / steps, communication, megabytes, sums };
  if (!ranks || ranks.rank === 0) console.log(JSON.stringify(measured));
  await ranks?.leave();
  Deno.exit(0);
}

if (import.meta.main) await runMain(async () => void await command().parseAsync(Deno.args, { from: "user" }));
