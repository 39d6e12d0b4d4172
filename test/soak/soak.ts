/**
 * `deno task test:special soak`: does anything grow while this program trains for an hour? Two processes train at once: the command
 * without a break, model after model, and this one in sessions that are stopped and resumed. Both are sampled. With
 * `--policy` there is one, which trains a policy.
 *
 * V8's garbage is not to be taken for a leak. It makes its young generation larger in steps, up to 48 MiB, some of which a
 * slow run comes to late; and the WebGPU objects of a step (a pass is 5 KiB, and a step has several) wait for its full
 * collections, whose memory is kept, and used again. So the task puts flags into the environment of both processes by which
 * every collection is a full one and the young generation stays small: what is resident then is what is held.
 *
 * Deno wants all permissions of a program that looks into /proc.
 */

import { Command } from "commander";
import { dirname } from "node:path";
import * as v from "../../src/schema.ts";
import { openGpu } from "../../src/gpu/host/open_gpu.ts";
import { numberOf } from "../../src/cli/options.ts";
import { readConfig } from "../../src/run/run_config.ts";
import { UserError } from "../../src/user_error.ts";
import { runMain } from "../../src/cli/fail.ts";
import { words, writePaperFile } from "../command_check.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";
import { LongCommand, sampleProcess, Sessions } from "./sessions.ts";
import { CSV_HEADER, csvRow, type Moment, verdict } from "./quantities.ts";

interface Options {
  minutes: number;
  warmUp?: number;
  every: number;
  session: number;
  policy: boolean;
  csv: string;
}

/** So small that a second holds hundreds of steps: what a step leaves behind adds up sooner. */
const SMALL = words(
  "--batch-size 12 --dims 16-8 --lstm-units 6 --learning-rate 0.0001",
  "--behaviour-dims 8 --adversarial-batch-size 12 --adversarial-validate-every 20",
);
/** FLOPs of such a step, roughly: the driver takes its threads by it. */
const STEP_FLOPS = 1e6;
/** Of a model that is trained without a break: a minute or so. */
const MODEL = ["--iterations", "40000", "--adversarial", "20000"];
/** A policy of short episodes, so that they are many: its memory of pages is full after a minute. */
const POLICY = [
  ...["train", "--shop", "restless", "--truth", "--steps", "1000000000", "--users", "32"],
  ...["--rows", "64", "--replay", "20000", "--evaluate-every", "100000", "--evaluation-users", "100"],
];
/** More than there is time for. */
const ENDLESS = ["--iterations", "100000000", "--adversarial", "100000000"];
/** Seconds between lines where there is no terminal to redraw a line of. */
const TELL_SECONDS = 60;

function parse(args: readonly string[]): Options {
  const positive = numberOf(v.positive(), "a number above 0");
  return new Command("deno task test:special soak")
    .description(
      "Trains for a long time and looks whether memory, handles, threads or buffers grow. Linux only.",
    )
    .option("--minutes <n>", "how long", positive, 60)
    .option("--warm-up <minutes>", "that do not count (default: 10, or half of a shorter soak)", positive)
    .option("--every <seconds>", "between samples", positive, 5)
    .option("--session <seconds>", "of training before it is stopped and resumed", positive, 40)
    .option("--policy", "train a policy without a break, and nothing else", false)
    .option("--csv <file>", "where the samples go", "runs/soak.csv")
    .parse([...args], { from: "user" })
    .opts<Options>();
}

async function main(): Promise<number> {
  const options = parse(Deno.args);
  if (Deno.build.os !== "linux") {
    throw new UserError("The soak reads /proc, which Linux alone has. Run it on Linux, or in a container.");
  }
  const folder = await Deno.makeTempDir({ prefix: "clickgan-soak-" });
  try {
    return await soak(options, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function soak(options: Options, folder: string): Promise<number> {
  const data = `${folder}/small.tsv`;
  writePaperFile(data, smallLog(31, { users: 90, items: 30, width: 0 }));
  const end = new AbortController();
  const faults: string[] = [];
  const onFault = (text: string) => {
    console.error(`\n${text}`);
    if (faults.length < 20) faults.push(text);
  };
  let stopped = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      stopped = true;
      end.abort();
    });
  }
  const gpu = await openGpu({ stepFlops: STEP_FLOPS });
  const models = `${folder}/models`;
  let command: LongCommand | undefined;
  try {
    console.error(
      `adapter: ${gpu.adapter.description}; ${options.minutes} minutes, samples in ${options.csv}`,
    );
    const sessions = options.policy ? undefined : new Sessions(await templateConfig(data, folder), {
      gpu,
      folder,
      seconds: options.session,
      signal: end.signal,
      onFault,
    });
    command = options.policy
      ? new LongCommand("policy", ...POLICY, "--save-dir", `${folder}/policy`)
      : new LongCommand(
        "train",
        ...words(`--data ${data} --save-dir ${models} --seeds 1000 --no-report`, SMALL, MODEL),
      );
    const watch = watcher(options, sessions, command, gpu);
    const timer = setInterval(() => {
      watch.sample();
      removeFinished(models);
      const code = command?.code;
      if (code !== undefined) onFault(`train ended by itself, with exit code ${code}`);
      if (code !== undefined || watch.seconds() > 60 * options.minutes) end.abort();
    }, 1000 * options.every);
    try {
      if (sessions) await sessions.run();
      else await new Promise((resolve) => end.signal.addEventListener("abort", resolve));
    } finally {
      clearInterval(timer);
    }
    const { code, output } = await command.stop();
    if (code !== 130) onFault(`train: exit code ${code} after Ctrl-C\n${output}`);
    gpu.check();
    const warmUp = 60 * (options.warmUp ?? Math.min(10, options.minutes / 2));
    const counted = watch.moments.filter(({ seconds }) => seconds >= warmUp);
    const { text, passes } = verdict(counted, faults, !options.policy);
    console.log(
      `\n${stopped ? "Stopped early. " : ""}${
        sessions
          ? `${sessions.done} sessions, ${
            sessions.iterations.toLocaleString("en")
          } iterations in those of this process. `
          : ""
      }` +
        `Slopes from minute ${+(warmUp / 60).toFixed(1)} on, ${counted.length} samples:\n${text}`,
    );
    return stopped ? 130 : passes ? 0 : 1;
  } finally {
    await command?.stop();
    gpu.close();
  }
}

/** Of a run of both stages, as the command writes it. */
async function templateConfig(data: string, folder: string) {
  const path = `${folder}/template`;
  const command = new LongCommand(
    "train",
    ...words(`--data ${data} --save-dir ${path} --no-report`, SMALL, ENDLESS),
  );
  // Its first snapshot is there as soon as it can be stopped.
  while (command.code === undefined && !isThere(`${path}/last.safetensors`)) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const { code, output } = await command.stop();
  if (code !== 130) throw new Error(`train: exit code ${code}\n${output}`);
  return await readConfig(path);
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function watcher(
  options: Options,
  sessions: Sessions | undefined,
  command: LongCommand,
  gpu: { readonly liveBytes: number; readonly liveBuffers: number },
) {
  const began = performance.now();
  const moments: Moment[] = [];
  const seconds = () => (performance.now() - began) / 1000;
  Deno.mkdirSync(dirname(options.csv), { recursive: true });
  Deno.writeTextFileSync(options.csv, CSV_HEADER);
  let told = -Infinity;
  const sample = () => {
    const moment: Moment = {
      seconds: seconds(),
      phase: sessions?.phase ?? "policy",
      command: sampleProcess(command.pid),
      here: sampleProcess(Deno.pid),
      gpu: { bytes: gpu.liveBytes / 2 ** 20, buffers: gpu.liveBuffers },
      heap: sessions?.heap,
    };
    moments.push(moment);
    Deno.writeTextFileSync(options.csv, csvRow(moment), { append: true });
    const terminal = Deno.stderr.isTerminal();
    if (!terminal && moment.seconds - told < TELL_SECONDS) return;
    told = moment.seconds;
    const mib = (value: number | undefined) => value === undefined ? "?" : value.toFixed(0);
    const { command: c, here: h } = moment;
    const line = `${(moment.seconds / 60).toFixed(1)} of ${options.minutes} min` +
      `  command ${mib(c?.resident)} MiB, ${mib(c?.handles)} handles` +
      (sessions
        ? `  sessions ${mib(h?.resident)} MiB, ${mib(h?.handles)} handles, ${moment.gpu.buffers} buffers` +
          `  ${sessions.done} done: ${moment.phase}`
        : "");
    const text = terminal ? `\r\x1b[K${line.slice(0, Deno.consoleSize().columns - 1)}` : `${line}\n`;
    Deno.stderr.writeSync(new TextEncoder().encode(text));
  };
  return { sample, seconds, moments };
}

/** Models that are done would fill the disk; the newest one is still written to. */
function removeFinished(models: string): void {
  const seeds: number[] = [];
  try {
    for (const { name } of Deno.readDirSync(models)) {
      const seed = /^seed-(\d+)$/.exec(name)?.[1];
      if (seed !== undefined) seeds.push(Number(seed));
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return; // it has not begun
    throw error;
  }
  const newest = Math.max(...seeds);
  // The one before may still be at its last words.
  for (const seed of seeds) {
    if (seed < newest - 1) Deno.removeSync(`${models}/seed-${seed}`, { recursive: true });
  }
}

await runMain(main);
