/**
 * What every check of a kernel runs in: an arena that sees stray writes, two runs that must give the same bits, and who is to be
 * asked where numbers are wrong. A case declares inputs, dispatches, and what they must give; see {@link runTwice}.
 */

import { Arena } from "../gpu/arena.ts";
import { CommandRecorder } from "../gpu/commands.ts";
import type { Gpu } from "../gpu/device.ts";
import type { KernelTextInputs } from "../gpu/kernel.ts";
import {
  isTexture,
  makePanelLayout,
  type Memory,
  type TextureLayout,
  type TextureView,
  type View,
  writeMemory,
} from "../gpu/memory.ts";
import { type DispatchSpec, Program } from "../gpu/program.ts";
import { readViews } from "../gpu/readback.ts";
import type { BatchSizes, Dimensions, SizeExpression } from "../gpu/sizes.ts";
import { type StepBatch, StepHeaders, type StepSettings } from "../gpu/step.ts";
import { CheckCollector, expectAll } from "./finding.ts";

/**
 * A word that no kernel writes by chance. As a float it is no number: who reads it has none, either, even where it is
 * multiplied by the 0 that is read behind a binding.
 */
export const CANARY = 0x7fda7a7a;
/** Words behind every buffer of an arena that no kernel may touch. They are inside of the binding: a stray write lands. */
const CANARIES = 64;

/** An arena that knows of each buffer how much of it may be written. */
export class CanaryArena extends Arena {
  readonly views: { name: string; view: Memory; bytes: number }[] = [];

  /** @param canaries words behind each buffer. @param behind what they hold: a number, if what is made of it there is to be seen */
  constructor(gpu: Gpu, purpose: string, readonly canaries = CANARIES, private readonly behind = CANARY) {
    super(gpu, purpose);
  }

  override allocate(name: string, bytes: number): View {
    const view = super.allocate(name, Math.ceil(bytes / 4) * 4 + 4 * this.canaries);
    // What an op has not written holds what an earlier step left; only the batch's bits start as zeros.
    this.begin(view, name.startsWith("bits") ? view.size - 4 * this.canaries : 0);
    this.views.push({ name, view, bytes: view.size - 4 * this.canaries });
    return view;
  }

  /** Puts back what a buffer holds where nobody has written. @param first byte, from which on; @param initial what it holds instead */
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
  /** Whether a view has canaries behind it. */
  owns(view: Memory): boolean {
    return this.views.some((own) => own.view === view);
  }

  /** The buffers behind which something was written, each with the number of the first such word. */
  async #strayWrites(): Promise<{ name: string; view: Memory; words: number; at: number }[]> {
    const all = await readViews(this.gpu, this.views.map(({ view }) => view));
    return this.views.flatMap(({ name, view, bytes }, k) => {
      const own = isTexture(view) ? CANARY : this.behind;
      const words = bytes / 4;
      const at = all[k]?.subarray(words).findIndex((word) => word !== own) ?? -1;
      return at < 0 ? [] : [{ name, view, words, at: words + at }];
    });
  }
  /**
   * Notes whether they are as they were.
   * @param kernels that ran, or the dispatches: then who wrote there is named
   */
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

/** Words or floats that were read. */
export type BufferWords = Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>;

/** What is run: it puts back what a run changes, and encodes commands; several are submitted one after another. */
export interface RepeatedRun<T extends BufferWords> {
  readonly start?: () => void;
  readonly encode: ((commands: CommandRecorder) => void) | readonly ((commands: CommandRecorder) => void)[];
  /** What it gives. */
  readonly read: () => Promise<readonly T[]>;
}

/**
 * Runs something twice from the same start, and notes whether both gave the same bits, and whether something was written behind
 * a buffer. Reads are in the queue's order: both are waited for at once.
 * @returns what the first run gave
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
    for (const one of [encode].flat()) {
      CommandRecorder.submit(gpu, "check", one);
    }
    return read();
  }));
  const names = kernels.map((one) => typeof one === "string" ? one : one.kernel.name);
  const same = first.every((values, k) => hasSameWords(toBits(values), second[k] && toBits(second[k])));
  checks.holds(same, [...new Set(names)], "two runs", "they differ");
  await arena.check(checks, kernels);
  return first;
}

/** Dispatches in memory, and what they must give: what a check runs, and where another text of one of them is tried. */
export interface KernelTrial<S extends BatchSizes = BatchSizes> extends Disposable {
  readonly arena: CanaryArena;
  readonly specs: readonly DispatchSpec<S>[];
  readonly sizes: S;
  /** Step headers, and the byte offset of each that the dispatches run with, one after another. */
  readonly headers: GPUBuffer;
  readonly offsets: readonly number[];
  /** Puts back what a run changes. */
  readonly start?: () => void;
  /** What is read after a run; it must be the same bits after the second one. */
  readonly views: readonly Memory[];
  /** What is compared, by where it stands: its name in the checks. */
  readonly named?: ReadonlyMap<Memory, string>;
  /** Compares the words of the views, without the canaries behind them. @param specs that ran */
  readonly compare: (
    words: WordReader,
    specs: readonly DispatchSpec<S>[],
    checks: CheckCollector,
  ) => void | Promise<void>;
}

/** The words of a view that was read. */
export type WordReader = (view: Memory) => Uint32Array<ArrayBuffer>;

/** Runs a trial's dispatches twice, and compares what they give. @param specs others in the place of its own */
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
    if (!own) throw new Error("expected a view that the trial reads");
    return arena.owns(view) ? own.subarray(0, own.length - arena.canaries) : own;
  };
  await trial.compare(words, specs, checks);
}

/** The header of one batch. */
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

/** Records dispatches for one batch. @returns what encodes them */
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

/** Checks where nobody collects them: what differs is thrown at the end. */
export async function runChecked<T>(
  checks: CheckCollector | undefined,
  run: (checks: CheckCollector) => Promise<T>,
): Promise<T> {
  const own = checks ?? new CheckCollector();
  const result = await run(own);
  if (!checks) expectAll(own);
  return result;
}

/** Names of the kernels of some dispatches, each once. */
export function listKernels(specs: readonly KernelTextInputs[]): string[] {
  return [...new Set(specs.map(({ kernel }) => kernel.name))];
}

/**
 * Names of the kernels that write some of this memory, and behind them of those that made what they read.
 * @param specs in the order in which they run
 * @param known what was compared by itself: whoever wrote that is not asked again
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
      // What it changes, too, somebody may have made before.
      const read = [...boundTo(spec, "read"), ...boundTo(spec, "read_write")];
      const unknown = read.filter((view) => !known.some((one) => isOverlapping(one, view)));
      wanted.push(...unknown.map((memory) => ({ memory, before: at })));
    });
  }
  return listKernels([...found]);
}

/** What a dispatch binds in one way; without what stands for nothing, see {@link import("../tape/node.ts").Call.unwritten}. */
function boundTo({ kernel, views }: KernelTextInputs, how: "read" | "read_write"): Memory[] {
  return kernel.bindings.flatMap(({ name, kind }) => {
    const view = views[name];
    const nothing = view && !isTexture(view) && view.buffer.label.endsWith("unwritten");
    return view && !nothing && kind === how ? [view] : [];
  });
}

/** Whether two see some of the same bytes. */
export function isOverlapping(one: Memory, other: Memory): boolean {
  const [a, b] = [writtenPart(one), writtenPart(other)];
  if (!a || !b || a.buffer !== b.buffer) return false;
  return a.offset < b.offset + b.size && b.offset < a.offset + a.size;
}

/** What kernels write of it. */
function writtenPart(memory: Memory): View | undefined {
  return isTexture(memory) ? memory.written?.view : memory;
}

/** 0, 1, ..., n - 1. */
export const listIndices = (n: number): number[] => Array.from({ length: n }, (_, k) => k);

/** What comes before each of some lengths, and the sum of all. */
export function computePrefixSums(lengths: readonly number[]): number[] {
  const sums = [0];
  for (const length of lengths) sums.push((sums.at(-1) ?? NaN) + length);
  return sums;
}

/** The same words, as f32; none where nothing was read. */
export const toFloats = (words: Uint32Array<ArrayBuffer> | undefined): Float32Array<ArrayBuffer> =>
  words ? new Float32Array(words.buffer, words.byteOffset, words.length) : new Float32Array();

/** The same bits as whole numbers. */
export function toBits({ buffer, byteOffset, length }: BufferWords): Uint32Array<ArrayBuffer> {
  return new Uint32Array(buffer, byteOffset, length);
}

/** For millions of words: a loop takes a part of what deepEqual does. */
export function hasSameWords(one: Uint32Array, other: ArrayLike<number> | undefined): boolean {
  return one.length === other?.length && one.every((word, k) => word === other[k]);
}

/** [panels, R] words of bits, 32 items a panel. @param taken whether the bit of an item is set for a row */
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

/** Whether the bit of an item is set for a row. */
export function getBit(words: Uint32Array, rows: number, row: number, item: number): boolean {
  return (((words[(item >>> 5) * rows + row] ?? 0) >>> (item & 31)) & 1) === 1;
}
