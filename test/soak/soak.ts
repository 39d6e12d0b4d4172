/**
 * `deno task test:special soak` asks whether a process grows while it trains, serves or simulates for an hour. Three commands
 * run at once, each in a process of its own: `train` makes model after model, `serve` answers requests without a pause, and
 * `policy train` simulates users. Linux tells in /proc what each of them holds.
 * V8's garbage is not a leak, so the task sets flags: every collection is a full one, and the young generation stays small.
 * Deno needs all permissions to read /proc.
 */

import * as v from "../../src/schema.ts";
import { Command } from "commander";
import { setTimeout as pause } from "node:timers/promises";
import { makeNumberParser } from "../../src/cli/command_options.ts";
import { UserError } from "../../src/user_error.ts";
import { runMain } from "../../src/cli/run_main.ts";
import { type CommandName, runOk, splitArgs, startCommand, writePaperFile } from "../command_check.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";

const SMALL = "--batch-size 12 --dims 16-8 --lstm-units 6 --no-report";
const GAME = "--adversarial 20000 --behaviour-dims 8 --adversarial-batch-size 12";

/** @param folder has log.tsv, and the run that `serve`, the first, takes */
const commandsIn = (folder: string): readonly (readonly [CommandName, string])[] => [
  ["serve", `--model ${folder}/run --data ${folder}/log.tsv --port 0`],
  ["train", `--data ${folder}/log.tsv --save-dir ${folder}/models --seeds 1000 ${GAME} ${SMALL}`],
  // Short episodes fill the replay buffer within a minute.
  [
    "policy",
    `train --shop restless --truth --save-dir ${folder}/policy --steps 1000000000 --users 32 --rows 64 ` +
    "--replay 20000 --evaluate-every 100000 --evaluation-users 100",
  ],
];

interface Sample {
  /** Memory of the process, without mapped files. A leak makes it grow. */
  readonly memory: number;
  /** Part of it that processes share by name: the driver llvmpipe stores the GPU's memory there. */
  readonly gpu: number;
  readonly threads: number;
  readonly handles: number;
}

/** Allowed rise per hour. The memory exceeds it if a step leaks 40 bytes, or a request 100 bytes. */
const ALLOWED: Readonly<Record<keyof Sample, number>> = { memory: 20, gpu: 4, threads: 6, handles: 6 };

function sampleProcess(pid: number): Sample | undefined {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)![1]);
    const [gpu, handles] = [field("RssShmem") / 1024, [...Deno.readDirSync(`/proc/${pid}/fd`)].length];
    return { memory: field("RssAnon") / 1024 + gpu, gpu, threads: field("Threads"), handles };
  } catch {
    return undefined;
  }
}

class LongCommand {
  readonly name: string;
  readonly samples: { readonly hours: number; readonly sample: Sample }[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #outputs: Promise<unknown>;
  last = "";
  running = true;

  constructor(command: CommandName, args: string) {
    this.name = command;
    this.#child = startCommand(command, ...splitArgs(args));
    this.#outputs = Promise.all([this.#read(this.#child.stdout), this.#read(this.#child.stderr)]);
    this.#child.status.then(() => this.running = false);
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.last = (this.last + text).slice(-2000);
    }
  }

  sample(hours: number): void {
    const sample = sampleProcess(this.#child.pid);
    if (sample) this.samples.push({ hours, sample });
  }

  async stop(): Promise<string[]> {
    const early = !this.running;
    if (!early) this.#child.kill("SIGINT");
    const { code } = await this.#child.status;
    await this.#outputs;
    if (early) return [`${this.name} ended by itself with exit code ${code}\n${this.last}`];
    return [0, 130].includes(code) ? [] : [`${this.name}: exit code ${code} after Ctrl-C\n${this.last}`];
  }
}

async function askService(service: LongCommand, signal: AbortSignal) {
  let [answers, url]: [number, string | undefined] = [0, undefined];
  while (!signal.aborted && service.running) {
    url ??= /answers on (\S+)\n/.exec(service.last)?.[1];
    if (url === undefined) await pause(100);
    else {
      const history = Array.from({ length: answers % 7 }, (_, k) => String((answers + k) % 30));
      const body = JSON.stringify({ history, page: ["1", "2", "3"] });
      const headers = { "content-type": "application/json" };
      const response = await fetch(`${url}/score`, { method: "POST", headers, body });
      const text = await response.text();
      if (!response.ok) return { answers, failed: [`serve answered ${response.status}: ${text}`] };
      answers++;
    }
  }
  return { answers, failed: [] };
}

export interface SoakPoint {
  readonly hours: number;
  readonly value: number;
}

/**
 * Returns the slope of a series per hour by Theil and Sen: the median of the slopes of all pairs of points, 0
 * without pairs. The saw-tooth of a garbage collector and outliers do not move it.
 */
export function computeSlope(points: readonly SoakPoint[]): number {
  const slopes = points.flatMap(({ hours, value }, k) =>
    points.slice(k + 1).map((later) => (later.value - value) / (later.hours - hours))
  );
  return computeMedianValue(slopes) ?? 0;
}

function computeMedianValue(values: readonly number[]): number | undefined {
  const sorted = Float64Array.from(values).sort();
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return low === undefined || high === undefined ? undefined : (low + high) / 2;
}

/**
 * Returns true if a series rises no faster than allowed. @param allowed rise per hour. A series shorter than
 * an hour may rise by as much in all, because the uncertainty of a slope (collections, threads that come and
 * go) does not shrink with the time.
 */
export function isFlat(points: readonly SoakPoint[], allowed: number): boolean {
  const hours = (points.at(-1)?.hours ?? 0) - (points[0]?.hours ?? 0);
  return points.length > 1 && computeSlope(points) * hours <= allowed * Math.max(1, hours);
}

function judge({ name, samples }: LongCommand, warmUpHours: number): { lines: string[]; passes: boolean } {
  const counted = samples.filter(({ hours }) => hours >= warmUpHours);
  const quantities = Object.entries(ALLOWED) as [keyof Sample, number][];
  let passes = true;
  const lines = quantities.map(([quantity, allowed]) => {
    const points = counted.map(({ hours, sample }) => ({ hours, value: sample[quantity] }));
    const [level = NaN, slope] = [computeMedianValue(points.map(({ value }) => value)), computeSlope(points)];
    const flat = isFlat(points, allowed);
    passes &&= flat;
    const rise = `${slope.toFixed(2)} per hour (at most ${allowed})`;
    return `${flat ? "flat " : "RISES"} ${name} ${quantity}: ${level.toFixed(1)}, ${rise}`;
  });
  return { lines, passes };
}

async function soak(minutes: number, folder: string): Promise<number> {
  writePaperFile(`${folder}/log.tsv`, createSmallLog(31, { users: 90, items: 30, width: 0 }));
  const first =
    `--data ${folder}/log.tsv --save-dir ${folder}/run --iterations 20 --validate-every 10 ${SMALL}`;
  await runOk("train", ...splitArgs(first));
  const end = new AbortController();
  Deno.addSignalListener("SIGINT", () => end.abort());
  const commands = commandsIn(folder).map(([command, args]) => new LongCommand(command, args));
  const asked = askService(commands[0]!, end.signal);
  const began = performance.now();
  const hours = () => (performance.now() - began) / 3_600_000;
  while (!end.signal.aborted && hours() < minutes / 60 && commands.every(({ running }) => running)) {
    await pause(5000, undefined, { signal: end.signal }).catch(() => {});
    for (const command of commands) command.sample(hours());
  }
  end.abort();
  const { answers, failed } = await asked;
  const faults = [...failed, ...(await Promise.all(commands.map((command) => command.stop()))).flat()];
  const warmUp = Math.min(10, minutes / 2);
  const judged = commands.map((command) => judge(command, warmUp / 60));
  const passes = faults.length === 0 && judged.every(({ passes }) => passes);
  console.log(
    `${(60 * hours()).toFixed(1)} minutes, ${answers} requests. Memory in MiB, from minute ${warmUp} on:`,
  );
  for (const line of judged.flatMap(({ lines }) => lines)) console.log(line);
  for (const fault of faults) console.log(`FAULT ${fault}`);
  console.log(passes ? "The soak passes: nothing grows." : "The soak does not pass.");
  return passes ? 0 : 1;
}

async function main(): Promise<number> {
  const positive = makeNumberParser(v.positive(), "a number above 0");
  const { minutes } = new Command("deno task test:special soak")
    .description(
      "Trains, serves and simulates for a long time and looks whether memory, handles or threads grow.",
    )
    .option("--minutes <n>", "how long; the first ten, or half of them, do not count", positive, 60)
    .parse(Deno.args, { from: "user" })
    .opts<{ minutes: number }>();
  if (Deno.build.os !== "linux") {
    throw new UserError("The soak reads /proc, which Linux alone has. Run it on Linux, or in a container.");
  }
  const folder = await Deno.makeTempDir({ prefix: "clickgan-soak-" });
  try {
    return await soak(minutes, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) await runMain(main);
