/**
 * Both stages in turn, in short sessions: a run is begun in this process and stopped, goes on in this process and is
 * stopped, and goes on by the command until Ctrl-C. Then the next run is begun: so files, and what it takes to read them,
 * stay small, and what grows is what is held. And what a process holds, as Linux tells it in /proc.
 */

import { setTimeout as pause } from "node:timers/promises";
import type { Gpu } from "../../src/gpu/device.ts";
import { OwnedFolder } from "../../src/files/owned_folder.ts";
import { type Dataset, reopenDataset } from "../../src/data/sets/dataset.ts";
import { readConfig, type RunConfig } from "../../src/run/run_config.ts";
import { adversarialStage, shannonStage, type Stage } from "../../src/run/stages.ts";
import { type RunResult, runStage } from "../../src/run/training_run.ts";
import { type CommandName, startCommand } from "../command_check.ts";
import * as v from "../../src/schema.ts";

/** What `train` says when Ctrl-C has stopped it. */
const EXIT_INTERRUPTED = 130;

export interface SessionOptions {
  readonly gpu: Gpu;
  /** A folder to work in. */
  readonly folder: string;
  readonly seconds: number;
  readonly signal: AbortSignal;
  /** Called for what should not be. */
  readonly onFault: (text: string) => void;
}

export class Sessions {
  #phase = "start";
  #done = 0;
  #iterations = 0;
  #heap: number | undefined;
  readonly #data: Promise<Dataset>;

  /** @param config of a run of both stages, with more iterations than a session can make. */
  constructor(readonly config: RunConfig, readonly options: SessionOptions) {
    this.#data = reopenDataset(config.data);
  }

  get phase(): string {
    return this.#phase;
  }
  get done(): number {
    return this.#done;
  }
  /** In all sessions of this process. */
  get iterations(): number {
    return this.#iterations;
  }
  /** MiB of JavaScript's heap after the last session and a full collection; undefined where there is no `gc`. */
  get heap(): number | undefined {
    return this.#heap;
  }

  /** Ends with the signal. */
  async run(): Promise<void> {
    const { signal } = this.options;
    while (!signal.aborted) {
      await this.#runOf(shannonStage, { ...this.config, adversarial: null });
      if (!signal.aborted) await this.#runOf(adversarialStage, { ...this.config, pretrain: false });
    }
  }

  async #runOf(stage: Stage, config: RunConfig): Promise<void> {
    const { folder, signal, gpu } = this.options;
    const path = `${folder}/session`;
    const iterations = { onStep: () => void this.#iterations++ };
    const train = async (session: AbortSignal, begin: boolean): Promise<RunResult> => {
      using folder = begin ? await OwnedFolder.begin(path, RUN) : OwnedFolder.open(path);
      const own = begin ? config : await readConfig(folder.path);
      const run = { gpu, data: await this.#data, init: undefined, signal: session, path, config: own };
      return await runStage(stage, run, iterations);
    };
    await this.#session(`${stage.name} begun`, (session) => train(session, true));
    if (!signal.aborted) await this.#session(`${stage.name} resumed`, (session) => train(session, false));
    if (!signal.aborted) await this.#byCommand(`${stage.name} by command`, path);
    await Deno.remove(path, { recursive: true });
  }

  /** After it nothing of it may be left: buffers, handles. */
  async #session(phase: string, train: (session: AbortSignal) => Promise<RunResult>): Promise<void> {
    const { gpu, seconds, signal, onFault } = this.options;
    this.#phase = phase;
    const handles = sampleProcess(Deno.pid)?.handles ?? 0;
    const end = new AbortController();
    const stop = () => end.abort();
    const timer = setTimeout(stop, 1000 * seconds);
    signal.addEventListener("abort", stop);
    const { iteration } = await train(end.signal);
    signal.removeEventListener("abort", stop);
    clearTimeout(timer);
    this.#done++;
    gpu.check();
    if (iteration === 0) onFault(`${phase}: no iteration in ${seconds} s`);
    if (gpu.liveBuffers > 0) onFault(`${phase}: left behind ${gpu.liveBufferLabels.join(", ")}`);
    const left = sampleProcess(Deno.pid)?.handles ?? 0;
    if (left > handles) onFault(`${phase}: ${handles} file handles before it, ${left} after it`);
    this.#collect();
  }

  #collect(): void {
    const gc: unknown = Reflect.get(globalThis, "gc"); // with V8's flag --expose-gc, which the task sets
    if (typeof gc !== "function") return;
    gc();
    this.#heap = Deno.memoryUsage().heapUsed / 2 ** 20;
  }

  async #byCommand(phase: string, path: string): Promise<void> {
    const { seconds, signal, onFault } = this.options;
    this.#phase = phase;
    const command = new LongCommand("train", "--resume", path, "--no-report");
    const end = performance.now() + 1000 * seconds;
    while (performance.now() < end && !signal.aborted && command.code === undefined) await pause(200);
    const early = performance.now() < end;
    const { code, output } = await command.stop();
    this.#done++;
    // A soak that ends may catch it before it listens to signals.
    if (early && signal.aborted) return;
    if (code !== EXIT_INTERRUPTED) onFault(`${phase}: exit code ${code}\n${output}`);
  }
}

const RUN = { what: "a session's run", option: "folder" };

/** A command that trains until it is told to stop. */
export class LongCommand {
  readonly #child: Deno.ChildProcess;
  readonly #output: Promise<string>;
  /** Undefined while it runs. */
  code: number | undefined;

  constructor(command: CommandName, ...args: string[]) {
    this.#child = startCommand(command, ...args);
    this.#output = Promise.all([lastOf(this.#child.stdout), lastOf(this.#child.stderr)]).then((parts) =>
      parts.join("\n")
    );
    this.#child.status.then(({ code }) => this.code = code);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** As by Ctrl-C. @returns its exit code, and the end of what it said. */
  async stop(): Promise<{ code: number; output: string }> {
    if (this.code === undefined) this.#child.kill("SIGINT");
    const { code } = await this.#child.status;
    return { code, output: await this.#output };
  }
}

const KEPT = 2000;

/** The end of what a process says: of an hour's output no more is kept. */
async function lastOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  let last = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) last = (last + text).slice(-KEPT);
  return last;
}

const MIB = 2 ** 20;

/** Of one process at one moment; memory in MiB. */
export interface ProcessSample {
  /** All that is resident. */
  readonly resident: number;
  /**
   * Of that, what is the process's own: without mapped files, which the system drops and reads again as it likes. It is
   * what a leak would grow.
   */
  readonly own: number;
  /** Of that, what is shared between processes by name: where the software driver llvmpipe keeps the GPU's memory. */
  readonly shared: number;
  readonly threads: number;
  readonly handles: number;
}

const field = v.pipe(v.pipe(v.string(), v.regex(/^\d+( kB)?$/)), v.transform((text) => parseInt(text)));
const statusSchema = v.object({ RssAnon: field, RssFile: field, RssShmem: field, Threads: field });

/** Undefined for a process that is no longer there. */
export function sampleProcess(pid: number): ProcessSample | undefined {
  try {
    const lines = Deno.readTextFileSync(`/proc/${pid}/status`).split("\n");
    const fields = lines.map((line) => line.split(":").map((part) => part.trim()));
    const status = v.safeParse(statusSchema, Object.fromEntries(fields));
    if (!status.success) return undefined; // a process that has just ended has no memory to tell of
    const { RssAnon, RssFile, RssShmem, Threads } = status.output;
    const mib = (kib: number) => 1024 * kib / MIB;
    return {
      resident: mib(RssAnon + RssFile + RssShmem),
      own: mib(RssAnon + RssShmem),
      shared: mib(RssShmem),
      threads: Threads,
      handles: [...Deno.readDirSync(`/proc/${pid}/fd`)].length,
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || isGone(error)) return undefined;
    throw error;
  }
}

/** ESRCH: it ended while its files were read. */
function isGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ESRCH";
}
