/** Checks the results of ladders: a ladder has versions (steps) of a kernel, from slow to fast. */

import { buildIndexScope, type ClickDispatch, type ClickSizes } from "../batch/click_sizes.ts";
import { type AccessCounts, countAccesses } from "../kernel_analysis/access_counts.ts";
import type { Gpu } from "../gpu/device.ts";
import { buildKernelText, type Constants, type Kernel, STEP, STEPS } from "../gpu/kernel.ts";
import type { Memory, View } from "../gpu/memory.ts";
import {
  asBufferView,
  makePanelLayout,
  makeRowLayout,
  toUniformIfSmall,
  writeMemory,
} from "../gpu/memory.ts";
import { type InvocationCounts, Program } from "../gpu/program.ts";
import { readViews } from "../gpu/readback.ts";
import { CheckCollector, checkText, type ComparedValues } from "../selftest/finding.ts";
import { CANARY, isOverlapping, type KernelTrial, runTrial } from "../selftest/harness.ts";

/** Memory from which a step reads an input. "panels": a texture; a line stores 16 columns of many rows. */
export type InputStorage = "texture" | "panels" | "uniform";

export interface LadderStep {
  readonly kernel: Kernel;
  /** Number of the step, from 1 (default: its position in the ladder). */
  readonly number?: number;
  /** The optimisation of the step in a few words, such as "weights in a uniform buffer". */
  readonly idea: string;
  /** Number of the earlier step on which this step builds (default: the previous step). */
  readonly changes?: number;
  readonly where?: Readonly<Record<string, InputStorage>>;
  readonly constants?: (size: LadderSize) => Constants;
  /** Names of constants to copy from the dispatch that the step replaces (default: all in the kernel). */
  readonly takes?: ReadonlySet<string>;
  /** Returns the number of invocations for a size (default: as in the dispatch that the step replaces). */
  readonly invocations?: (size: LadderSize) => InvocationCounts<ClickSizes>;
  /** True if the kernel writes one sum over all rows; false if it writes a partial sum per block of rows. */
  readonly oneChunk?: boolean;
  /** Returns the reason if the kernel does not support a size. @param workgroupBytes - memory limit */
  readonly refuses?: (size: LadderSize, workgroupBytes: number) => string | undefined;
}

export type LadderSize = readonly number[];

/** Parses `count` numbers in 1..`most`, joined by x; returns undefined for an invalid text. */
export function parseLadderSize(text: string, count: number, most: number): LadderSize | undefined {
  const size = text.split("x").map(Number);
  const right = /^\d+(x\d+)*$/.test(text) && size.every((n) => n >= 1 && n <= most);
  return right && size.length === count ? size : undefined;
}

export interface Ladder {
  readonly name: string;
  readonly title: string;
  readonly size: LadderSize;
  /** Small irregular sizes at which every step is also checked. */
  readonly oddSizes: readonly LadderSize[];
  /** Creates the op's dispatches, with all data in buffers. @throws UserError for an unsupported size */
  readonly open: (gpu: Gpu, size: LadderSize) => KernelTrial<ClickSizes>;
  /** Prefix of the name of the kernel that the steps replace, such as "matmul_forward". */
  readonly dispatch: string;
  /** Names of bindings that are read-write in the op's kernel, but read-only in a step's kernel. */
  readonly given?: readonly string[];
  /** Returns constants for the steps' kernels, in addition to the constants of the replaced dispatch. */
  readonly constants?: (size: LadderSize) => Constants;
  readonly steps: readonly LadderStep[];
  /** Numbers of the steps for GPUs, from the naive to the shipped kernel (default: all steps). */
  readonly forGpus?: readonly number[];
}

/** Returns a ladder without the steps that are only for CPU adapters. Steps keep their numbers. */
export function selectGpuSteps(ladder: Ladder): Ladder {
  return {
    ...ladder,
    steps: numberSteps(ladder).filter(({ number }) => ladder.forGpus?.includes(number) ?? true),
  };
}

/** Fills in the defaults of each step's `number` and `changes`. */
export function numberSteps({ steps }: Pick<Ladder, "steps">) {
  return steps.map((step, k) => ({
    ...step,
    number: getStepNumber(step, k),
    changes: getBaseStepNumber(step, k),
  }));
}

/** Returns the number that tables show for a step. @param k - index of the step in the ladder, from 0 */
export function getStepNumber({ number }: LadderStep, k: number): number {
  return number ?? k + 1;
}

/** Returns the number of the step on which a step builds. @param k - index of the step, from 0 */
export function getBaseStepNumber({ changes }: LadderStep, k: number): number {
  return changes ?? Math.max(1, k);
}

/** Compiled step of a ladder, whose dispatch can replace the op's dispatch. */
export interface BoundStep {
  readonly number: number;
  readonly step: LadderStep;
  readonly spec: ClickDispatch;
  readonly encode: (pass: GPUComputePassEncoder) => void;
  /** Counts the step's memory accesses at the op's size, without running the kernel. */
  readonly counts: () => AccessCounts;
  readonly hostMs: number;
}

/** Dispatches of an op with their GPU memory, and compiled ladder steps, which can replace a dispatch. */
export class BoundLadder implements Disposable {
  readonly steps: BoundStep[] = [];
  readonly target: ClickDispatch;
  /** Copies of inputs in other kinds of memory, by name and kind, for example "weights, texture". */
  readonly #placed = new Map<string, { readonly from: Memory; readonly to: Memory }>();
  /** Integer arrays that the dispatch reads, by the name of the binding. */
  #data: Record<string, Uint32Array<ArrayBuffer>> = {};

  readonly outputs: ReadonlyMap<string, View>;

  private constructor(
    readonly trial: KernelTrial<ClickSizes>,
    private readonly ladder: Ladder,
    private readonly size: LadderSize,
  ) {
    const { name, dispatch, given = [] } = ladder;
    const target = trial.specs.find(({ kernel }) => kernel.name.startsWith(dispatch));
    if (!target) throw new Error(`ladder ${name}: expected a dispatch of ${dispatch}, got none`);
    this.target = target;
    this.outputs = new Map(target.kernel.bindings.flatMap(({ name, kind }) => {
      const view = target.views[name];
      return kind === "read_write" && view && !given.includes(name) ? [[name, asBufferView(view)]] : [];
    }));
  }

  /** Creates an op's dispatches at a size, and the dispatch of each step that supports this size. */
  static async open(gpu: Gpu, ladder: Ladder, size: LadderSize): Promise<BoundLadder> {
    const bound = new BoundLadder(ladder.open(gpu, size), ladder, size);
    try {
      for (const [k, step] of ladder.steps.entries()) {
        if (step.refuses?.(size, gpu.workgroupBytes) === undefined) await bound.bind(step, k);
      }
      return bound;
    } catch (error) {
      bound[Symbol.dispose]();
      throw error;
    }
  }

  /** Compiles a step, and adds it to `steps`. @param k - index of the step in the ladder, from 0 */
  async bind(step: LadderStep, k: number): Promise<BoundStep> {
    const { trial: { arena: { gpu }, headers, sizes, offsets }, target, size } = this;
    const { name, constants } = this.ladder;
    const { kernel, where = {}, takes = kernel.constants } = step;
    // WORKGROUP is omitted, because the kernel's source sets this constant.
    const known = Object.entries({ ...target.constants, ...constants?.(size) }).filter(([name]) =>
      name !== "WORKGROUP" && kernel.constants.has(name) && takes.has(name)
    );
    const bindings = kernel.bindings.filter(({ name }) => name !== STEP && name !== STEPS);
    const began = performance.now();
    const spec: ClickDispatch = {
      kernel,
      label: `ladder ${name}, step ${getStepNumber(step, k)}`,
      constants: { ...Object.fromEntries(known), ...step.constants?.(size) },
      views: Object.fromEntries(bindings.map(({ name }) => [name, this.#place(name, where[name])])),
      invocations: step.invocations?.(size) ?? target.invocations,
      cost: target.cost,
    };
    const program = await Program.record(gpu, name, headers, [spec]);
    const own: BoundStep = {
      number: getStepNumber(step, k),
      step,
      spec,
      encode: (pass) => program.encodeOne(pass, 0, sizes, offsets.at(-1) ?? 0),
      counts: () => {
        const header = { first_entry: 0, counted: sizes.events };
        return countAccesses(buildKernelText(spec), {
          ...buildIndexScope(program, 0, sizes),
          header,
          data: this.#data,
        });
      },
      hostMs: performance.now() - began,
    };
    this.steps.push(own);
    return own;
  }

  /** Returns the memory to bind: the op's buffer or, if `where` is another kind, memory for a copy. */
  #place(name: string, where?: InputStorage): Memory {
    const { trial: { arena }, target } = this;
    const from = target.views[name];
    if (!from) throw new Error(`${target.label}: expected a view of binding ${name}, got none`);
    // Canaries follow a copy: otherwise a read past its end returns zero, which may be correct by chance.
    if (this.outputs.has(name) || (where === undefined && arena.owns(from))) return from;
    const buffer = asBufferView(from);
    const bytes = buffer.size - (arena.owns(from) ? 4 * arena.canaries : 0);
    if (where === "uniform" && !arena.owns(from)) return toUniformIfSmall(buffer);
    if (where === "uniform") return toUniformIfSmall({ ...buffer, size: bytes });
    const key = `${name}, ${where}`;
    const known = this.#placed.get(key);
    if (known) return known.to;
    const layout = where === "panels"
      ? makePanelLayout(bytes, Number(target.constants?.K4))
      : makeRowLayout(bytes);
    const to = where === undefined
      ? arena.allocate(name, bytes)
      : arena.allocateTexture(name, bytes, undefined, layout);
    this.#placed.set(key, { from: { ...buffer, size: bytes }, to });
    return to;
  }

  /** Runs the op, then fills the copies of inputs that steps read. @throws if WebGPU reports an error */
  async prepare(): Promise<void> {
    const { trial, target } = this;
    const { gpu } = trial.arena;
    await runTrial(trial, new CheckCollector());
    gpu.check();
    const moves = [...this.#placed.values()];
    const whole = target.kernel.bindings.filter(({ name, kind }) =>
      kind === "read" && isInteger(target.kernel, name)
    );
    const views = whole.flatMap(({ name }) => target.views[name] ?? []);
    const words = await readViews(gpu, [...moves.map(({ from }) => from), ...views]);
    moves.forEach(({ to }, k) => writeMemory(gpu.queue, to, words[k] ?? new Uint32Array()));
    this.#data = Object.fromEntries(
      whole.map(({ name }, k) => [name, words[moves.length + k] ?? new Uint32Array()]),
    );
  }

  /** Runs the op with a step in place of the op's kernel. @returns the failed checks, wrong numbers first */
  async checkStep({ spec, step }: BoundStep): Promise<ComparedValues[]> {
    const { trial, target } = this;
    const checks = new CheckCollector();
    await runTrial(trial, checks, {
      specs: trial.specs.map((own) => own === target ? spec : own),
      start: () => {
        for (const view of this.outputs.values()) this.#clear(view, step.oneChunk);
        trial.start?.();
      },
    });
    trial.arena.gpu.check();
    const faults = checks.all.filter(({ differs }) => differs).map((check) => this.#named(check));
    const isRun = ({ what }: ComparedValues) => what === "two runs" || what === "stray writes";
    return [...faults.filter((fault) => !isRun(fault)), ...faults.filter(isRun)];
  }

  /** Fills an output with CANARY, to detect missing writes, or with zeros if `zero` is true. */
  #clear(view: View, zero = false): void {
    const { arena } = this.trial;
    const fill = (bytes: number) => new Uint32Array(bytes / 4).fill(zero ? 0 : CANARY);
    if (arena.owns(view)) {
      const words = fill(view.size - 4 * arena.canaries);
      return arena.begin(view, 0, new Float32Array(words.buffer));
    }
    arena.gpu.queue.writeBuffer(view.buffer, view.offset, fill(view.size));
  }

  /** Renames tensors in the messages of a check: they get the names of the dispatch's bindings. */
  #named(check: ComparedValues): ComparedValues {
    if (check.what === "stray writes") {
      const fault = [...this.outputs].reduce((text, [name, output]) => {
        const own = this.trial.arena.views.find(({ view }) => view === output);
        return own ? text.replace(` words of ${own.name},`, ` words of ${name},`) : text;
      }, check.fault ?? "");
      return { ...check, fault };
    }
    const [memory] = [...this.trial.named ?? []].find(([, what]) => what === check.what) ?? [];
    if (!memory) return check;
    const [name] = [...this.outputs].find(([, view]) => isOverlapping(view, memory)) ?? [];
    return { ...check, what: name ?? `${check.what} (computed from the step's results)` };
  }

  [Symbol.dispose](): void {
    this.trial[Symbol.dispose]();
  }
}

function isInteger({ source }: Kernel, name: string): boolean {
  return new RegExp(`> ${name}: array<(u32|vec[234]u)>`).test(source);
}

/** Describes the error in a step's results; undefined for results that match the reference. */
export async function findStepFault(bound: BoundLadder, step: BoundStep): Promise<string | undefined> {
  const [fault] = await bound.checkStep(step);
  return fault && `wrong results, not timed: ${checkText(fault)}`;
}

/** Checks all steps that support a size. Returns errors by step number; undefined for a correct step. */
export async function findFaultsAtSize(
  gpu: Gpu,
  ladder: Ladder,
  size: LadderSize,
): Promise<Map<number, string | undefined>> {
  using bound = await BoundLadder.open(gpu, ladder, size);
  await bound.prepare();
  const found = new Map<number, string | undefined>();
  for (const step of bound.steps) found.set(step.number, await findStepFault(bound, step));
  return found;
}
