/**
 * Runs kernels under test. Memory with known words (canaries) detects stray writes. Two runs must give the
 * same bits. Failure messages name the kernels that wrote wrong numbers. See {@link runTwice}.
 */

import { Arena } from "../gpu/arena.ts";
import { CommandRecorder } from "../gpu/commands.ts";
import type { Gpu } from "../gpu/device.ts";
import type { KernelTextInputs } from "../gpu/kernel.ts";
import type { Memory, TextureLayout, TextureView, View } from "../gpu/memory.ts";
import { isTexture, makePanelLayout, writeMemory } from "../gpu/memory.ts";
import { type DispatchSpec, Program } from "../gpu/program.ts";
import { readViews } from "../gpu/readback.ts";
import type { BatchSizes, Dimensions, SizeExpression } from "../gpu/sizes.ts";
import { type StepBatch, StepHeaders, type StepSettings } from "../gpu/step.ts";
import { CheckCollector, expectAll } from "./finding.ts";

/** Initial word of memory, a NaN that no kernel writes by chance: results computed from it are NaN. */
export const CANARY = 0x7fda7a7a;
/** Canary word for memory that a kernel may read but must not use: 1234.5 in f32 (CANARY is a NaN). */
export const FINITE_CANARY = 0x449a5000;
/** Canary words per buffer. Bindings include the canaries, because WebGPU may drop writes past a binding. */
const CANARIES = 64;

/** An arena that adds canaries (known words) after each buffer, and lists the buffers in `views`. */
export class CanaryArena extends Arena {
  readonly views: { name: string; view: Memory; bytes: number }[] = [];

  /** @param canaries - number of canary words per buffer @param behind - value of a canary word */
  constructor(gpu: Gpu, purpose: string, readonly canaries = CANARIES, private readonly behind = CANARY) {
    super(gpu, purpose);
  }

  override allocate(name: string, bytes: number): View {
    const view = super.allocate(name, Math.ceil(bytes / 4) * 4 + 4 * this.canaries);
    // In training, unwritten memory has values of an earlier step. Only a batch's bit sets are cleared.
    this.begin(view, name.startsWith("bits") ? view.size - 4 * this.canaries : 0);
    this.views.push({ name, view, bytes: view.size - 4 * this.canaries });
    return view;
  }

  /** Writes `initial` and then canaries into a buffer, from byte `first` to the end. */
  begin(view: View, first = 0, initial: Float32Array = new Float32Array()): void {
    const words = new Uint32Array((view.size - first) / 4).fill(CANARY);
    words.fill(this.behind, words.length - this.canaries);
    new Float32Array(words.buffer).set(initial);
    this.gpu.queue.writeBuffer(view.buffer, view.offset + first, words);
  }

  override allocateTexture(
    name: string,
    bytes: number,
    used?: SizeExpression,
    layout?: TextureLayout,
  ): TextureView {
    const most = bytes + 4 * this.canaries;
    const larger = layout && layout.panels > 1 ? makePanelLayout(most, layout.rowVectors) : undefined;
    const view = super.allocateTexture(name, most, used, larger);
    writeMemory(this.gpu.queue, view, new Uint32Array(view.size / 4).fill(CANARY));
    this.views.push({ name, view, bytes });
    return view;
  }
  owns(view: Memory): boolean {
    return this.views.some((own) => own.view === view);
  }

  /** Returns the buffers whose canaries were overwritten, with the index of the first overwritten word. */
  async #strayWrites(): Promise<{ name: string; view: Memory; words: number; at: number }[]> {
    const all = await readViews(this.gpu, this.views.map(({ view }) => view));
    return this.views.flatMap(({ name, view, bytes }, k) => {
      const own = isTexture(view) ? CANARY : this.behind;
      const words = bytes / 4;
      const at = all[k]?.subarray(words).findIndex((word) => word !== own) ?? -1;
      return at < 0 ? [] : [{ name, view, words, at: words + at }];
    });
  }
  /** Checks all canaries. @param kernels - kernels that may be at fault: their names, or dispatches */
  async check(
    checks: CheckCollector,
    kernels: readonly string[] | readonly KernelTextInputs[],
  ): Promise<void> {
    const strayed = await this.#strayWrites();
    const by = typeof kernels[0] === "string"
      ? kernels as readonly string[]
      : strayed.length === 0
      ? listKernels(kernels as readonly KernelTextInputs[])
      : strayed.flatMap(({ view }) => listWriters(kernels as readonly KernelTextInputs[], view));
    const where = strayed.map(({ name, words, at }) => `behind the ${words} words of ${name}, in word ${at}`);
    checks.holds(strayed.length === 0, by, "stray writes", where.join(", "));
  }
}

export type BufferWords = Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>;

/** Functions that reset memory, encode commands (one function per queue submission), and read results. */
export interface RepeatedRun<T extends BufferWords> {
  readonly start?: () => void;
  readonly encode: ((commands: CommandRecorder) => void) | readonly ((commands: CommandRecorder) => void)[];
  readonly read: () => Promise<readonly T[]>;
}

/**
 * Runs commands twice from the same start. Checks that both runs give the same bits, and that no run writes
 * past the end of a buffer. @returns the values of the first run
 */
export async function runTwice<T extends BufferWords>(
  arena: CanaryArena,
  checks: CheckCollector,
  kernels: readonly string[] | readonly KernelTextInputs[],
  { start, encode, read }: RepeatedRun<T>,
): Promise<readonly T[]> {
  const { gpu } = arena;
  const [first = [], second = []] = await Promise.all([1, 2].map(() => {
    start?.();
    for (const one of [encode].flat()) CommandRecorder.submit(gpu, "check", one);
    return read();
  }));
  const names = kernels.map((one) => typeof one === "string" ? one : one.kernel.name);
  const same = first.every((values, k) => hasSameWords(toBits(values), second[k] && toBits(second[k])));
  checks.holds(same, [...new Set(names)], "two runs", "they differ");
  await arena.check(checks, kernels);
  return first;
}

/** Test of kernels: dispatches, the memory that they need, and a comparison of their results. */
export interface KernelTrial<S extends BatchSizes = BatchSizes> extends Disposable {
  readonly arena: CanaryArena;
  readonly specs: readonly DispatchSpec<S>[];
  readonly sizes: S;
  /** Uniforms of all steps; those of step t are at byte `offsets[t]`. A step runs all dispatches. */
  readonly headers: GPUBuffer;
  readonly offsets: readonly number[];
  readonly start?: () => void;
  /** Memory that is read after the dispatches and passed to `compare`. */
  readonly views: readonly Memory[];
  readonly named?: ReadonlyMap<Memory, string>;
  readonly compare: (
    words: WordReader,
    specs: readonly DispatchSpec<S>[],
    checks: CheckCollector,
  ) => void | Promise<void>;
}

export type WordReader = (view: Memory) => Uint32Array<ArrayBuffer>;

/** Runs a test twice. @param specs - dispatches to run instead of the test's own */
export async function runTrial<S extends BatchSizes>(
  trial: KernelTrial<S>,
  checks: CheckCollector,
  { specs = trial.specs, start = trial.start }: Partial<Pick<KernelTrial<S>, "specs" | "start">> = {},
): Promise<void> {
  const { arena, sizes, headers, offsets, views } = trial;
  const program = await Program.record(arena.gpu, "trial", headers, specs);
  const found = await runTwice(arena, checks, specs, {
    start,
    encode: (commands) => offsets.forEach((offset) => program.encode(commands, sizes, offset)),
    read: () => readViews(arena.gpu, views),
  });
  const words: WordReader = (view) => {
    const own = found[views.indexOf(view)];
    if (!own) throw new Error("Expected one of the test's views, got another view. Add it to `views`.");
    return arena.owns(view) ? own.subarray(0, own.length - arena.canaries) : own;
  };
  await trial.compare(words, specs, checks);
}

export function createStepHeader<S extends BatchSizes>(
  arena: Arena,
  dimensions: Dimensions<S>,
  batch: Omit<StepBatch<S>, "first">,
  purpose: Partial<StepSettings> = {},
): Pick<KernelTrial<S>, "sizes" | "headers" | "offsets"> {
  const headers = new StepHeaders(arena, dimensions, 1);
  headers.put(0, { ...batch, first: 0 }, { slot: 0, learningRate: 0, iteration: 0, ...purpose });
  headers.upload(0, 1);
  return { sizes: batch.sizes, headers: headers.buffer, offsets: [0] };
}

/** Prepares dispatches for one batch. @returns a function that encodes the dispatches */
export async function recordStep<S extends BatchSizes>(
  arena: Arena,
  dimensions: Dimensions<S>,
  specs: readonly DispatchSpec<S>[],
  batch: Omit<StepBatch<S>, "first">,
  purpose: Partial<StepSettings> = {},
): Promise<(commands: CommandRecorder) => void> {
  const { headers } = createStepHeader(arena, dimensions, batch, purpose);
  const program = await Program.record(arena.gpu, "step", headers, specs);
  return (commands) => program.encode(commands, batch.sizes, 0);
}

/** Runs checks. @param checks - collects failures; if undefined, a failed check throws an Error */
export async function runChecked<T>(
  checks: CheckCollector | undefined,
  run: (checks: CheckCollector) => Promise<T>,
): Promise<T> {
  const own = checks ?? new CheckCollector();
  const result = await run(own);
  if (!checks) expectAll(own);
  return result;
}

/** Returns the names of the kernels of a list of dispatches, without duplicates. */
export function listKernels(specs: readonly KernelTextInputs[]): string[] {
  return [...new Set(specs.map(({ kernel }) => kernel.name))];
}

/**
 * Returns the names of the kernels on which `memory` depends, directly or through inputs of other kernels.
 * @param specs - dispatches in the order in which they run
 * @param known - memory that other checks compare, so that the search for kernels stops at it
 */
export function listWriters(
  specs: readonly KernelTextInputs[],
  memory: Memory,
  known: readonly Memory[] = [],
): string[] {
  const found = new Set<KernelTextInputs>();
  const wanted = [{ memory, before: specs.length }];
  for (let next = wanted.shift(); next; next = wanted.shift()) {
    const { memory: of, before } = next;
    specs.slice(0, before).forEach((spec, at) => {
      if (found.has(spec) || !boundTo(spec, "read_write").some((view) => isOverlapping(view, of))) return;
      found.add(spec);
      // A dispatch also reads memory that it updates, which an earlier dispatch may have written.
      const read = [...boundTo(spec, "read"), ...boundTo(spec, "read_write")];
      const unknown = read.filter((view) => !known.some((one) => isOverlapping(one, view)));
      wanted.push(...unknown.map((memory) => ({ memory, before: at })));
    });
  }
  return listKernels([...found]);
}

/** Returns the memory that a dispatch binds for reading, or for reading and writing. */
function boundTo({ kernel, views }: KernelTextInputs, how: "read" | "read_write"): Memory[] {
  return kernel.bindings.flatMap(({ name, kind }) => {
    const view = views[name];
    const nothing = view && !isTexture(view) && view.buffer.label.endsWith("unwritten");
    return view && !nothing && kind === how ? [view] : [];
  });
}

export function isOverlapping(one: Memory, other: Memory): boolean {
  const [a, b] = [writtenPart(one), writtenPart(other)];
  if (!a || !b || a.buffer !== b.buffer) return false;
  return a.offset < b.offset + b.size && b.offset < a.offset + a.size;
}

/** Returns the buffer that kernels write: `memory` or, for a texture, the buffer that is copied to it. */
function writtenPart(memory: Memory): View | undefined {
  return isTexture(memory) ? memory.written?.view : memory;
}

export const listIndices = (n: number): number[] => Array.from({ length: n }, (_, k) => k);

/** Returns the exclusive prefix sums of lengths, followed by the total. */
export function computePrefixSums(lengths: readonly number[]): number[] {
  const sums = [0];
  for (const length of lengths) sums.push((sums.at(-1) ?? NaN) + length);
  return sums;
}

/** Returns words as f32 numbers; an empty array for undefined. */
export const toFloats = (words: Uint32Array<ArrayBuffer> | undefined): Float32Array<ArrayBuffer> =>
  words ? new Float32Array(words.buffer, words.byteOffset, words.length) : new Float32Array();

function toBits({ buffer, byteOffset, length }: BufferWords): Uint32Array<ArrayBuffer> {
  return new Uint32Array(buffer, byteOffset, length);
}

/** True if two arrays have the same words. For millions of words, deepEqual would be much slower. */
function hasSameWords(one: Uint32Array, other: ArrayLike<number> | undefined): boolean {
  return one.length === other?.length && one.every((word, k) => word === other[k]);
}

/** Returns masks [items / 32, rows], one bit per item and row. @param taken - returns true to set a bit */
export function makeMaskBits(rows: number, items: number, taken: (row: number, item: number) => boolean) {
  const words = new Uint32Array(Math.ceil(items / 32) * rows);
  for (let row = 0; row < rows; row++) {
    for (let item = 0; item < items; item++) {
      if (!taken(row, item)) continue;
      const at = (item >>> 5) * rows + row;
      words[at] = ((words[at] ?? 0) | (1 << (item & 31))) >>> 0;
    }
  }
  return words;
}

export function getBit(words: Uint32Array, rows: number, row: number, item: number): boolean {
  return (((words[(item >>> 5) * rows + row] ?? 0) >>> (item & 31)) & 1) === 1;
}
