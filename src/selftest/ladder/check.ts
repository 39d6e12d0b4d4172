/** A ladder's steps on the device: what they are bound to, one run of them, and whether it gave what the reference gives. */

import type { Gpu } from "../../gpu/device.ts";
import { type Constants, type Kernel, kernelText, STEP, STEPS } from "../../gpu/kernel.ts";
import { type Memory, uniformIfSmall, type View, writeMemory } from "../../gpu/memory.ts";
import { type Invocations, Program } from "../../gpu/program.ts";
import { type AccessCounts, accessCounts } from "../../gpu/access_analysis/access_counts.ts";
import { readViews } from "../../gpu/readback.ts";
import { clickDimensions, type ClickSizes } from "../../batch/click_sizes.ts";
import { indexScopeOf } from "../../batch/index_scope.ts";
import { STEP_STRIDE, writeStepHeader } from "../../gpu/step.ts";
import { inPanels, rowByRow } from "../../gpu/texture_layout.ts";
import { type Check, Checks, checkText } from "../finding.ts";
import { making } from "../../gpu/made.ts";
import { CanaryArena, floats, twice } from "../harness.ts";
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

/**
 * Uploads a problem and records every step that can do it.
 * @param spare floats behind each output that no step may write.
 */
export function bindSteps(
  gpu: Gpu,
  ladder: Ladder,
  size: Size,
  spare = 0,
): Promise<{ arena: CanaryArena; problem: Problem; steps: BoundStep[] }> {
  const problem = ladder.problem(size);
  return making(async (made) => {
    const arena = made.keep(new CanaryArena(gpu, `ladder ${ladder.name}`, spare, BEHIND));
    const header = new DataView(new ArrayBuffer(STEP_STRIDE));
    const { sizes } = problem;
    const batch = { sizes, counted: sizes.events, first: 0 };
    const purpose = { slot: 0, learningRate: 0, iteration: 0, ...problem.header };
    writeStepHeader(header, 0, clickDimensions, batch, purpose);
    const headers = arena.upload("step", new Uint32Array(header.buffer));
    const outputs = Object.fromEntries(
      Object.entries(problem.outputs).map((
        [name, { length }],
      ) => [name, arena.allocate(name, 4 * length)]),
    );
    const place = placing(arena, problem);
    const data = Object.fromEntries(
      Object.entries(problem.inputs).flatMap(([name, words]) =>
        words instanceof Uint32Array ? [[name, words]] : []
      ),
    );
    const steps: BoundStep[] = [];
    for (const [k, step] of ladder.steps.entries()) {
      if (step.refuses?.(size, gpu.workgroupBytes) !== undefined) continue;
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
  });
}

/** Where a problem's inputs stand: each is uploaded once for each kind of place. */
function placing(
  arena: CanaryArena,
  { inputs, constants }: Problem,
): (name: string, where?: Place) => Memory {
  const placed = new Map<string, Memory>();
  const inTexture = (name: string, data: Problem["inputs"][string], where: Place) => {
    const bytes = data.byteLength;
    const layout = where === "panels" ? inPanels(bytes, Number(constants.K4)) : rowByRow(bytes);
    const memory = arena.allocateTexture(name, bytes, undefined, layout);
    writeMemory(arena.gpu.queue, memory, data);
    return memory;
  };
  // Nothing stands behind what is read.
  const uploaded = (name: string, data: Problem["inputs"][string]) => ({
    ...arena.upload(name, data),
    size: data.byteLength,
  });
  return (name, where) => {
    const data = inputs[name];
    if (!data) throw new Error(`${arena.purpose}: nothing is known of binding ${name}`);
    const textured = where === "texture" || where === "panels";
    const key = textured ? `${name}, ${where}` : name;
    const memory = placed.get(key) ?? (textured ? inTexture(name, data, where) : uploaded(name, data));
    placed.set(key, memory);
    return where === "uniform" && !("texture" in memory) ? uniformIfSmall(memory) : memory;
  };
}

/** What stands behind an output, the bits of a number: what a kernel makes of it there is seen. */
const BEHIND = 0x449a5000;

/** Floats of each output. */
export type Found = Readonly<Record<string, Float32Array<ArrayBuffer>>>;

/** What came of two runs of a step. */
export interface Compared {
  /** What differs, that of its numbers first. */
  readonly faults: readonly Check[];
  /** Of the first run. */
  readonly found: Found;
}

/** Runs a step twice, on outputs that hold what their problem says, or canaries: see {@link twice}. */
export async function compareStep(
  arena: CanaryArena,
  problem: Problem,
  { step, encode, outputs }: BoundStep,
): Promise<Compared> {
  const names = Object.keys(outputs);
  const kernels = [step.kernel.name];
  const [numbers, runs] = [new Checks(), new Checks()];
  const all = await twice(arena, runs, kernels, {
    start: () =>
      Object.entries(outputs).forEach(([name, view]) => arena.begin(view, 0, problem.outputs[name]?.initial)),
    encode: ({ pass }) => encode(pass),
    read: async () => (await readViews(arena.gpu, Object.values(outputs))).map(floats),
  });
  arena.gpu.check();
  const found = Object.fromEntries(names.map((name, k) => [name, all[k] ?? floats(undefined)]));
  compareOutputs(numbers, problem, step, found);
  return { found, faults: [...numbers.all, ...runs.all].filter(({ differs }) => differs) };
}

function compareOutputs(checks: Checks, problem: Problem, { kernel, oneChunk }: Step, found: Found): void {
  const chunks = oneChunk ? 1 : clickDimensions.chunks(problem.sizes);
  const bound = (name: string) => kernel.bindings.some((binding) => binding.name === name);
  const kernels = [kernel.name];
  for (
    const [what, { expected, dense, tolerance, optional, named, fault }] of Object.entries(problem.outputs)
  ) {
    const floats = found[what];
    if (!floats || (optional && !bound(what))) continue;
    const words = fault?.(floats);
    if (words) {
      checks.holds(false, kernels, what, words);
      continue;
    }
    const { data, rows, columns } = expected;
    checks.numbers(dense(floats, chunks), data, {
      ...{ kernels, what, columns },
      tolerance: tolerance * data.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-3),
      named: (k) => {
        const place = named?.(Math.floor(k / columns), k % columns);
        return ` of [${rows}, ${columns}]${place ? ` (${place})` : ""}`;
      },
    });
  }
}

/** What is wrong with a step, in words; undefined where it gives what the reference gives. */
export async function faultOf(
  arena: CanaryArena,
  problem: Problem,
  bound: BoundStep,
): Promise<string | undefined> {
  const [fault] = (await compareStep(arena, problem, bound)).faults;
  return fault && `wrong, and not timed: ${checkText(fault)}`;
}

/** The same of all steps that can do a size, by their numbers. */
export async function faultsAt(
  gpu: Gpu,
  ladder: Ladder,
  size: Size,
): Promise<Map<number, string | undefined>> {
  const { arena: own, problem, steps } = await bindSteps(gpu, ladder, size);
  using arena = own;
  const found = new Map<number, string | undefined>();
  for (const step of steps) found.set(step.number, await faultOf(arena, problem, step));
  return found;
}
