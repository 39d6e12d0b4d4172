/** Runs the steps of a ladder: each is checked at odd sizes and at its own, and only then all of them are timed. */

import { Arena } from "../src/gpu/arena.ts";
import type { Gpu } from "../src/gpu/device.ts";
import type { Constants, Kernel } from "../src/gpu/kernel.ts";
import { type Memory, uniformIfSmall, type View, writeMemory } from "../src/gpu/memory.ts";
import { median, timePasses } from "../src/gpu/profiler.ts";
import { Program } from "../src/gpu/program.ts";
import { readFloats } from "../src/gpu/readback.ts";
import { partialChunks, STEP_STRIDE, writeStepHeader } from "../src/gpu/step.ts";
import { inPanels, rowByRow } from "../src/gpu/texture_layout.ts";
import type { Problem, Size } from "./ladder_problems.ts";
import { timeRepeated } from "./measure.ts";

/** "panels": a texture with the input's rows in panels of sixteen columns, see texture_layout.ts. */
export type Place = "texture" | "panels" | "uniform";

export interface Step {
  readonly kernel: Kernel;
  /** What is new, in a few words. */
  readonly idea: string;
  /** Number of the step that this one changes, where it is not the one before. */
  readonly changes?: number;
  /** Inputs that stand elsewhere than in a storage buffer. */
  readonly where?: Readonly<Record<string, Place>>;
  readonly constants?: (size: Size) => Constants;
  readonly invocations: (size: Size) => readonly [x: number, y?: number];
  /** Of a kernel that does not split its sums: it writes the first chunk alone. */
  readonly oneChunk?: boolean;
  /** Why the kernel cannot do a size; undefined where it can. @param workgroupBytes of memory that the adapter grants. */
  readonly refuses?: (size: Size, workgroupBytes: number) => string | undefined;
}

export interface Ladder {
  readonly name: string;
  readonly title: string;
  /** Unless another is asked for. */
  readonly size: Size;
  /** Small ones at which every step has to be right too. */
  readonly oddSizes: readonly Size[];
  readonly problem: (size: Size) => Problem;
  readonly steps: readonly Step[];
}

export interface StepResult {
  /** From 1. */
  readonly number: number;
  readonly kernel: string;
  readonly idea: string;
  readonly changes: number;
  /** Microseconds, over all rounds. Absent for a step that the size cannot be done by. */
  readonly median?: number;
  readonly min?: number;
  readonly flops: number;
  readonly bytes: number;
  /** How often faster than the naive step, and than the one that it changes: medians over the rounds. */
  readonly gainOnFirst?: number;
  readonly gain?: number;
  /** Milliseconds of making the pipeline and, with timestamps, of what its first dispatch took longer. */
  readonly compileMs?: number;
  readonly refusal?: string;
}

export interface LadderOptions {
  readonly size?: Size;
  readonly rounds: number;
  onProgress?(text: string): void;
}

/** @throws Error for a step that is wrong: then nothing is timed. */
export async function runLadder(gpu: Gpu, ladder: Ladder, options: LadderOptions): Promise<StepResult[]> {
  const { size = ladder.size, rounds, onProgress = () => {} } = options;
  onProgress(`${ladder.name}: compiling, and checking at ${size.join(" x ")}`);
  const { arena, problem, steps } = await bindSteps(gpu, ladder, size);
  try {
    const compiled = new Map<number, number>();
    for (const step of steps) {
      compiled.set(step.number, step.hostMs + await firstRun(gpu, step));
      await checkStep(gpu, problem, step);
    }
    // After that: a kernel that is the same at all sizes is compiled once.
    for (const odd of ladder.oddSizes) await checkAt(gpu, ladder, odd, onProgress);
    const times = new Map<number, { medians: number[]; min: number }>(
      steps.map(({ number }) => [number, { medians: [], min: Infinity }]),
    );
    for (let round = 1; round <= rounds; round++) {
      for (const { number, encode } of steps) {
        onProgress(`${ladder.name}: timing, round ${round} of ${rounds}, step ${number}`);
        const timing = await timeRepeated(gpu, encode, { seconds: 0 });
        const own = times.get(number);
        if (!own) continue;
        own.medians.push(timing.median);
        own.min = Math.min(own.min, timing.min);
      }
    }
    /** The machine's speed drifts, so steps are compared within each round. */
    const ratio = (of: number, to: number) => {
      const [a, b] = [times.get(of)?.medians ?? [], times.get(to)?.medians ?? []];
      return a.length * b.length === 0 ? undefined : median(b.map((time, k) => (a[k] ?? NaN) / time));
    };
    return ladder.steps.map(({ kernel, idea, changes, refuses }, k): StepResult => {
      const number = k + 1;
      const own = times.get(number);
      const before = changes ?? Math.max(1, k);
      return {
        number,
        kernel: kernel.name,
        idea,
        changes: before,
        ...problem.cost,
        ...(own ? { median: median(own.medians), min: own.min } : {}),
        gainOnFirst: ratio(1, number),
        gain: ratio(before, number),
        compileMs: compiled.get(number),
        refusal: refuses?.(size, workgroupBytesOf(gpu)),
      };
    });
  } finally {
    arena.destroy();
  }
}

/** @throws Error for a step that is wrong at a size. */
export async function checkAt(
  gpu: Gpu,
  ladder: Ladder,
  size: Size,
  onProgress: (text: string) => void = () => {},
): Promise<void> {
  onProgress(`${ladder.name}: checking at ${size.join(" x ")}`);
  const { arena, problem, steps } = await bindSteps(gpu, ladder, size);
  try {
    for (const step of steps) await checkStep(gpu, problem, step);
  } finally {
    arena.destroy();
  }
}

export interface BoundStep {
  readonly number: number;
  readonly step: Step;
  readonly encode: (pass: GPUComputePassEncoder) => void;
  readonly outputs: Readonly<Record<string, View>>;
  /** Milliseconds that recording took. */
  readonly hostMs: number;
}

function workgroupBytesOf(gpu: Gpu): number {
  return gpu.device.limits.maxComputeWorkgroupStorageSize;
}

/** Uploads a problem and records every step that can do it. */
export async function bindSteps(
  gpu: Gpu,
  ladder: Ladder,
  size: Size,
): Promise<{ arena: Arena; problem: Problem; steps: BoundStep[] }> {
  const problem = ladder.problem(size);
  const arena = new Arena(gpu, `ladder ${ladder.name}`);
  try {
    const { sizes, cost } = problem;
    const header = new DataView(new ArrayBuffer(STEP_STRIDE));
    writeStepHeader(header, 0, { ...sizes, firstUser: 0, slot: 0, learningRate: 0, iteration: 0 });
    const headers = arena.upload("step", new Uint32Array(header.buffer));
    const outputs = Object.fromEntries(
      Object.entries(problem.outputs).map(([name, { length }]) => [name, arena.allocate(name, 4 * length)]),
    );
    const placed = new Map<string, Memory>();
    const inTexture = (
      name: string,
      data: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>,
      where: Place,
    ) => {
      const bytes = data.byteLength;
      const layout = where === "panels" ? inPanels(bytes, Number(problem.constants.K4)) : rowByRow(bytes);
      const memory = arena.allocateTexture(name, bytes, undefined, layout);
      writeMemory(gpu.queue, memory, data);
      return memory;
    };
    const place = (name: string, where?: Place): Memory => {
      const data = problem.inputs[name];
      if (!data) throw new Error(`ladder ${ladder.name}: nothing is known of binding ${name}`);
      const textured = where === "texture" || where === "panels";
      const key = textured ? `${name}, ${where}` : name;
      const memory = placed.get(key) ?? (textured ? inTexture(name, data, where) : arena.upload(name, data));
      placed.set(key, memory);
      return where === "uniform" && !("texture" in memory) ? uniformIfSmall(memory) : memory;
    };
    const steps: BoundStep[] = [];
    for (const [k, step] of ladder.steps.entries()) {
      if (step.refuses?.(size, workgroupBytesOf(gpu)) !== undefined) continue;
      const { kernel, where = {} } = step;
      const known = Object.entries(problem.constants).filter(([name]) =>
        kernel.source.includes(`const ${name} `)
      );
      const began = performance.now();
      const program = await Program.record(gpu, ladder.name, headers.buffer, [{
        kernel,
        label: `ladder ${ladder.name}, step ${k + 1}`,
        constants: { ...Object.fromEntries(known), ...step.constants?.(size) },
        views: Object.fromEntries(
          kernel.bindings.filter(({ kind }) => kind !== "uniform").map(({ name }) => [
            name,
            outputs[name] ?? place(name, where[name]),
          ]),
        ),
        invocations: () => step.invocations(size),
        cost: () => cost,
      }]);
      steps.push({
        number: k + 1,
        step,
        encode: (pass) => program.encodeOne(pass, 0, sizes, 0),
        outputs,
        hostMs: performance.now() - began,
      });
    }
    return { arena, problem, steps };
  } catch (error) {
    arena.destroy();
    throw error;
  }
}

/** What the first dispatch took longer than the second, in milliseconds: some drivers compile then. */
async function firstRun(gpu: Gpu, { encode }: BoundStep): Promise<number> {
  if (!gpu.hasTimestamps) return 0;
  const [first = 0] = await timePasses(gpu, [encode]);
  const [again = 0] = await timePasses(gpu, [encode]);
  return Math.max(0, first - again) / 1000;
}

/** Runs a step on outputs full of NaN and compares all of them. @throws Error that names the first wrong number. */
async function checkStep(
  gpu: Gpu,
  problem: Problem,
  { step, number, encode, outputs }: BoundStep,
): Promise<void> {
  for (const view of Object.values(outputs)) {
    gpu.queue.writeBuffer(view.buffer, view.offset, new Float32Array(view.size / 4).fill(NaN));
  }
  const encoder = gpu.device.createCommandEncoder({ label: "check" });
  const pass = encoder.beginComputePass();
  encode(pass);
  pass.end();
  gpu.queue.submit([encoder.finish()]);
  const chunks = step.oneChunk ? 1 : partialChunks(problem.sizes);
  for (const [name, { expected, dense, tolerance }] of Object.entries(problem.outputs)) {
    const view = outputs[name];
    if (!view) continue;
    const found = dense(await readFloats(gpu, view), chunks);
    const most = expected.data.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-3);
    expected.data.forEach((x, k) => {
      const error = Math.abs((found[k] ?? NaN) - x);
      if (error <= tolerance * most) return;
      const { columns } = expected;
      throw new Error(
        `step ${number} (${step.kernel.name}) is wrong and not timed: ${name}[${Math.floor(k / columns)}, ${
          k % columns
        }] of [${expected.rows}, ${columns}]: expected ${x}, got ${found[k]}, off by ${error} with ${
          tolerance * most
        } allowed`,
      );
    });
  }
  gpu.check();
}
