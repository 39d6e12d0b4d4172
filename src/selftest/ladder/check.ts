/** A ladder's steps on the device: what they are bound to, one run of them, and whether it gave what the reference gives. */

import { Arena } from "../../gpu/arena.ts";
import type { Gpu } from "../../gpu/device.ts";
import { type Constants, type Kernel, kernelText, STEP, STEPS } from "../../gpu/kernel.ts";
import { type Memory, uniformIfSmall, type View, writeMemory } from "../../gpu/memory.ts";
import { type Invocations, Program } from "../../gpu/program.ts";
import { type AccessCounts, accessCounts } from "../../gpu/reading/access_counts.ts";
import { readFloats } from "../../gpu/readback.ts";
import { clickDimensions, type ClickSizes } from "../../batch/click_sizes.ts";
import { indexScopeOf } from "../../batch/index_scope.ts";
import { STEP_STRIDE, writeStepHeader } from "../../gpu/step.ts";
import { commandsOf } from "../profile/clock.ts";
import { inPanels, rowByRow } from "../../gpu/texture_layout.ts";
import type { Problem, Size } from "./problem.ts";

/** "panels": a texture with the input's rows in panels of sixteen columns, see texture_layout.ts. */
export type Place = "texture" | "panels" | "uniform";

export interface Step {
  readonly kernel: Kernel;
  /** From 1; its place among the steps, where it is not said. */
  readonly number?: number;
  /** What is new, in a few words. */
  readonly idea: string;
  /** Number of the step that this one changes, where it is not the one before. */
  readonly changes?: number;
  /** Inputs that stand elsewhere than in a storage buffer. */
  readonly where?: Readonly<Record<string, Place>>;
  readonly constants?: (size: Size) => Constants;
  /** The problem's constants that it is given; all that its kernel has, where it is not said. */
  readonly takes?: ReadonlySet<string>;
  readonly invocations: (size: Size) => Invocations<ClickSizes>;
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
  /** Numbers of the steps that lead to the kernel for a GPU; of all, where it is not said. */
  readonly forGpus?: readonly number[];
}

/** A ladder with the steps alone that lead to the kernel for a GPU. They keep their numbers. */
export function gpuWay(ladder: Ladder): Ladder {
  const steps = ladder.steps.map((step, k) => ({
    ...step,
    number: numberOf(step, k),
    changes: changedBy(step, k),
  }));
  return { ...ladder, steps: steps.filter(({ number }) => ladder.forGpus?.includes(number) ?? true) };
}

/** @param k its place among the steps. */
export function numberOf({ number }: Step, k: number): number {
  return number ?? k + 1;
}

/** The number of the step that a step changes. @param k its place among the steps. */
export function changedBy({ changes }: Step, k: number): number {
  return changes ?? Math.max(1, k);
}

export interface BoundStep {
  readonly number: number;
  readonly step: Step;
  readonly encode: (pass: GPUComputePassEncoder) => void;
  /** All that its kernel binds but the step's header. */
  readonly views: Readonly<Record<string, Memory>>;
  readonly outputs: Readonly<Record<string, View>>;
  /** What it asks of memory, at this size and of this problem's whole numbers. */
  readonly counts: () => AccessCounts;
  /** Milliseconds that recording took. */
  readonly hostMs: number;
}

export function workgroupBytesOf(gpu: Gpu): number {
  return gpu.device.limits.maxComputeWorkgroupStorageSize;
}

/**
 * Uploads a problem and records every step that can do it.
 * @param spare floats behind each output that no step may write.
 */
export async function bindSteps(
  gpu: Gpu,
  ladder: Ladder,
  size: Size,
  spare = 0,
): Promise<{ arena: Arena; problem: Problem; steps: BoundStep[] }> {
  const problem = ladder.problem(size);
  const arena = new Arena(gpu, `ladder ${ladder.name}`);
  try {
    const header = new DataView(new ArrayBuffer(STEP_STRIDE));
    const { sizes } = problem;
    const batch = { sizes, counted: sizes.events, first: 0 };
    const purpose = { slot: 0, learningRate: 0, iteration: 0, ...problem.header };
    writeStepHeader(header, 0, clickDimensions, batch, purpose);
    const headers = arena.upload("step", new Uint32Array(header.buffer));
    const outputs = Object.fromEntries(
      Object.entries(problem.outputs).map((
        [name, { length }],
      ) => [name, arena.allocate(name, 4 * (length + spare))]),
    );
    const place = placing(arena, problem);
    const data = Object.fromEntries(
      Object.entries(problem.inputs).flatMap(([name, words]) =>
        words instanceof Uint32Array ? [[name, words]] : []
      ),
    );
    const steps: BoundStep[] = [];
    for (const [k, step] of ladder.steps.entries()) {
      if (step.refuses?.(size, workgroupBytesOf(gpu)) !== undefined) continue;
      const { kernel, where = {}, takes = kernel.constants } = step;
      const known = Object.entries(problem.constants).filter(([name]) =>
        kernel.constants.has(name) && takes.has(name)
      );
      const bindings = kernel.bindings.filter(({ name }) => name !== STEP && name !== STEPS);
      const views = Object.fromEntries(
        bindings.map(({ name }) => [name, outputs[name] ?? place(name, where[name])]),
      );
      const began = performance.now();
      const spec = {
        kernel,
        label: `ladder ${ladder.name}, step ${numberOf(step, k)}`,
        constants: { ...Object.fromEntries(known), ...step.constants?.(size) },
        views,
        invocations: step.invocations(size),
        cost: () => problem.cost,
      };
      const program = await Program.record(gpu, ladder.name, headers.buffer, [spec]);
      steps.push({
        number: numberOf(step, k),
        step,
        encode: (pass) => program.encodeOne(pass, 0, problem.sizes, 0),
        views,
        outputs,
        counts: () => {
          const scope = indexScopeOf(program, 0, sizes);
          return accessCounts(kernelText(spec), {
            ...scope,
            header: { first_entry: 0, counted: batch.counted },
            data,
          });
        },
        hostMs: performance.now() - began,
      });
    }
    return { arena, problem, steps };
  } catch (error) {
    arena.destroy();
    throw error;
  }
}

/** Where a problem's inputs stand: each is uploaded once for each kind of place. */
function placing(arena: Arena, { inputs, constants }: Problem): (name: string, where?: Place) => Memory {
  const placed = new Map<string, Memory>();
  const inTexture = (name: string, data: Problem["inputs"][string], where: Place) => {
    const bytes = data.byteLength;
    const layout = where === "panels" ? inPanels(bytes, Number(constants.K4)) : rowByRow(bytes);
    const memory = arena.allocateTexture(name, bytes, undefined, layout);
    writeMemory(arena.gpu.queue, memory, data);
    return memory;
  };
  return (name, where) => {
    const data = inputs[name];
    if (!data) throw new Error(`${arena.purpose}: nothing is known of binding ${name}`);
    const textured = where === "texture" || where === "panels";
    const key = textured ? `${name}, ${where}` : name;
    const memory = placed.get(key) ?? (textured ? inTexture(name, data, where) : arena.upload(name, data));
    placed.set(key, memory);
    return where === "uniform" && !("texture" in memory) ? uniformIfSmall(memory) : memory;
  };
}

/** What an output holds where nothing was written: a NaN that arithmetic does not make, but may hand on. */
export const UNWRITTEN = 0x7fc0beef;
/** What stands behind an output, the bits of a number: what a kernel makes of it there is seen. */
export const BEHIND = 0x449a5000;

/**
 * Runs a step once, on outputs that hold what their problem says, or {@link UNWRITTEN}.
 * @returns the floats of each output, and of what is spare behind it.
 */
export async function runStep(
  gpu: Gpu,
  problem: Problem,
  { encode, outputs }: Pick<BoundStep, "encode" | "outputs">,
): Promise<Record<string, Float32Array<ArrayBuffer>>> {
  for (const [name, view] of Object.entries(outputs)) {
    const { length = 0, initial = [] } = problem.outputs[name] ?? {};
    const words = new Uint32Array(view.size / 4).fill(UNWRITTEN, 0, length).fill(BEHIND, length);
    const begin = new Float32Array(words.buffer);
    begin.set(initial);
    gpu.queue.writeBuffer(view.buffer, view.offset, begin);
  }
  gpu.queue.submit([commandsOf(gpu, "check", encode)]);
  const found: Record<string, Float32Array<ArrayBuffer>> = {};
  for (const [name, view] of Object.entries(outputs)) found[name] = await readFloats(gpu, view);
  gpu.check();
  return found;
}

/** The number of an output that is furthest off. */
export interface Worst {
  readonly output: string;
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  readonly columns: number;
  readonly expected: number;
  readonly found: number;
  /** How far off a number may be. */
  readonly allowed: number;
  /** Numbers of the output that are further off. */
  readonly wrong: number;
  /** What the place is, in words. */
  readonly named: string | undefined;
}

/** The worst number of the first output that has a wrong one; undefined where all are right. */
export function worstOf(
  problem: Problem,
  { kernel, oneChunk }: Step,
  outputs: Readonly<Record<string, Float32Array>>,
): Worst | undefined {
  const chunks = oneChunk ? 1 : clickDimensions.chunks(problem.sizes);
  const bound = (name: string) => kernel.bindings.some((binding) => binding.name === name);
  for (const [name, { expected, dense, tolerance, optional, named }] of Object.entries(problem.outputs)) {
    const floats = outputs[name];
    if (!floats || (optional && !bound(name))) continue;
    const found = dense(floats, chunks);
    const allowed = tolerance * expected.data.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-3);
    let [at, most, wrong] = [0, -1, 0];
    expected.data.forEach((x, k) => {
      const off = Math.abs((found[k] ?? NaN) - x);
      const error = Number.isNaN(off) ? Infinity : off;
      if (error > allowed) wrong++;
      if (error > most) [at, most] = [k, error];
    });
    if (wrong === 0) continue;
    const { rows, columns } = expected;
    const [row, column] = [Math.floor(at / columns), at % columns];
    return {
      output: name,
      row,
      column,
      named: named?.(row, column),
      rows,
      columns,
      expected: expected.data[at] ?? NaN,
      found: found[at] ?? NaN,
      allowed,
      wrong,
    };
  }
}

export function worstText(
  { output, row, column, rows, columns, expected, found, allowed, named }: Worst,
): string {
  const short = (x: number) => Number.isInteger(x) ? x : Number(x.toPrecision(8));
  const off = Math.abs(found - expected);
  const place = `${output}[${row}, ${column}] of [${rows}, ${columns}]${named ? ` (${named})` : ""}`;
  return `${place}: expected ${short(expected)}, got ${short(found)}, off by ${off.toPrecision(2)} with ${
    allowed.toPrecision(2)
  } allowed`;
}

/** What is wrong with a step, in words; undefined where it gives what the reference gives. */
export async function faultOf(gpu: Gpu, problem: Problem, bound: BoundStep): Promise<string | undefined> {
  const worst = worstOf(problem, bound.step, await runStep(gpu, problem, bound));
  return worst && `wrong, and not timed: ${worstText(worst)}`;
}

/** The same of all steps that can do a size, by their numbers. */
export async function faultsAt(
  gpu: Gpu,
  ladder: Ladder,
  size: Size,
): Promise<Map<number, string | undefined>> {
  const { arena, problem, steps } = await bindSteps(gpu, ladder, size);
  try {
    const found = new Map<number, string | undefined>();
    for (const step of steps) found.set(step.number, await faultOf(gpu, problem, step));
    return found;
  } finally {
    arena.destroy();
  }
}
