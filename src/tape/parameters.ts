/** All parameters of a model in one flat arena, and its twins: gradients, and partial sums of gradients. */

import { alignBinding, Arena } from "../gpu/arena.ts";
import { type Gpu, LimitError } from "../gpu/device.ts";
import { bufferOf, type View } from "../gpu/memory.ts";
import { readFloats } from "../gpu/readback.ts";
import { MAX_CHUNKS } from "../gpu/sizes.ts";
import { UserError } from "../user_error.ts";
import { padded, padRows, parameterBytes, unpadRows } from "./layout.ts";
import type { Tensor } from "./tensor.ts";
import { thousands } from "../number_text.ts";

/** A parameter of a model: a matrix [rows, columns]. */
export interface ParameterSpec {
  /** Path-like, e.g. "utility/layer1/bias"; the name of the tensor in snapshots. */
  readonly name: string;
  /** 1 for a vector. */
  readonly rows: number;
  /** Without padding. */
  readonly columns: number;
  /** Equal parts of a row that are padded separately; 4 for the gates of an LSTM. */
  readonly groups?: number;
  /** A row per item of the catalogue, or per token; see {@link import("./tensor.ts").ParameterPlace}. */
  readonly table?: boolean;
  /** A kernel: weight decay shrinks it. */
  readonly decays?: boolean;
  /**
   * Not a weight but a running average, which a kernel writes itself. Its gradient stays zero, so that Adam leaves it alone;
   * snapshots hold it like any parameter.
   */
  readonly statistic?: boolean;
  /**
   * Not a weight but a table that is counted and stays: it has a buffer of its own, no gradient and no moments. Snapshots hold
   * it like any parameter.
   */
  readonly constant?: boolean;
}

/** Floats `start` to `end` of an arena. */
export interface ArenaRange {
  readonly start: number;
  readonly end: number;
}

/** Values of parameters by name, [rows, columns] without padding. */
export type Weights = Map<string, Float32Array<ArrayBuffer>>;

/** A large table goes to the device, and comes from it, in pieces of so many bytes: the buffers on the way are then few, and kept. */
const PIECE_BYTES = 2 ** 20;

/**
 * Weights and gradients of a model, in this order:
 *
 *     summed, decaying | summed | statistics | tables, decaying | tables
 *
 * The gradient of a summed parameter is a sum over the batch; those take the first `summed` floats. A range of the
 * arenas that a kernel sees is at most one binding: see {@link windows}.
 */
export class ParameterArena {
  readonly #byName = new Map<string, Tensor>();
  /** Values of the constants, without padding. */
  readonly #constants = new Map<string, Float32Array<ArrayBuffer>>();
  readonly #arena: Arena;
  /** Floats of the whole arena. */
  readonly length: number;
  /** Floats of the leading part whose gradients are summed over chunks of the batch. */
  readonly summed: number;
  /** What weight decay shrinks, of the summed parameters and of the tables. */
  readonly decaying: readonly [summed: ArenaRange, tables: ArenaRange];
  readonly weights: View;
  /** Names of tables whose gradient the last recorded training makes for touched rows alone, not in {@link gradient}. */
  readonly touchedOnly: Set<string> = new Set();
  #gradient: View | undefined;
  #partials: View | undefined;

  /** Whether a table is larger than a kernel sees at once: it is read and moved in windows (see {@link tableWindows}). */
  readonly inWindows: boolean;

  /**
   * @param windows whether tables may be larger than a binding, as what reads them sees to that.
   * @throws UserError when the adapter cannot hold or bind them; it names the parameter and the limit.
   */
  constructor(readonly gpu: Gpu, readonly specs: readonly ParameterSpec[], { windows = false } = {}) {
    const places = new Map<string, number>();
    let offset = 0;
    const place = (belongs: (spec: ParameterSpec) => boolean): ArenaRange => {
      const start = offset;
      for (const spec of specs.filter(belongs)) {
        places.set(spec.name, offset);
        offset += alignBinding(bytesOf(spec)) / 4;
      }
      return { start, end: offset };
    };
    for (const { name, statistic, table, decays } of specs) {
      if (statistic && (table || decays)) {
        throw new Error(`parameter ${name}: expected a statistic to be no table and not to decay`);
      }
    }
    const isSummed = (spec: ParameterSpec) => !spec.table && !spec.statistic && !spec.constant;
    const summedDecaying = place((spec) => isSummed(spec) && (spec.decays ?? false));
    this.summed = place((spec) => isSummed(spec) && !spec.decays).end;
    place((spec) => spec.statistic ?? false);
    this.decaying = [summedDecaying, place((spec) => (spec.table && spec.decays) ?? false)];
    this.length = place((spec) => (spec.table && !spec.decays) ?? false).end;
    this.#arena = new Arena(gpu, "parameters");
    const tables = specs.filter(({ table }) => windows && table);
    this.inWindows = tables.some((spec) => bytesOf(spec) > gpu.bindingBytes);
    for (const spec of specs) if (!tables.includes(spec)) requireParameter(gpu, spec);
    this.weights = this.#allocateWeights();
    for (const spec of specs) {
      const { name, rows, columns, groups = 1, table = false, statistic = false, constant = false } = spec;
      const shape = { name, rows, columns, groups, stride: padded(columns, groups) };
      if (constant) {
        this.#constants.set(name, new Float32Array(rows * columns));
        const view = this.#arena.allocate(name, bytesOf(spec));
        this.#byName.set(name, { ...shape, view, trainable: false });
        continue;
      }
      const start = places.get(name) ?? 0;
      this.#byName.set(name, {
        ...shape,
        view: { buffer: this.weights.buffer, offset: 4 * start, size: bytesOf(spec) },
        parameter: { offset: start, table, statistic },
        trainable: !statistic,
      });
    }
  }

  /** @param otherwise what helps, too. @throws UserError where a table is larger than a kernel sees at once. */
  requireWhole(otherwise: string): void {
    for (const spec of this.specs) requireParameter(this.gpu, spec, otherwise);
  }

  /** Laid out like the weights. Made when first asked for: a model that only scores needs none. */
  get gradient(): View {
    return this.#gradient ??= this.#arena.allocateUnbound("gradients", 4 * this.length);
  }
  /** [MAX_CHUNKS, summed]; a vector at least, so that it can be bound where all parameters are tables. */
  get partials(): View {
    return this.#partials ??= this.#allocatePartials();
  }

  /** @throws UserError for parameters that are too large together: it says how many items may be. */
  #allocateWeights(): View {
    // Tables are larger than all the rest where that matters.
    const table = this.specs.find(({ table }) => table);
    return orRefused(
      () => this.#arena.allocateUnbound("weights", 4 * this.length),
      (error) => table ? tooLarge(error, table) : error,
    );
  }

  /** @throws UserError for layers that are too large together. */
  #allocatePartials(): View {
    return orRefused(
      () => this.#arena.allocate("partial gradients", Math.max(16, 4 * this.summed * MAX_CHUNKS)),
      (error) => ofLayers(error, this.summed, "weights outside of tables"),
    );
  }

  /** @throws Error for a name that the model does not have. */
  get(name: string): Tensor {
    const tensor = this.#byName.get(name);
    if (!tensor) {
      throw new Error(`no parameter is called ${name}; there are ${[...this.#byName.keys()].join(", ")}`);
    }
    return tensor;
  }

  names(): string[] {
    return [...this.#byName.keys()];
  }

  /** The values of a constant as they were written; undefined for any other name. */
  constant(name: string): Float32Array | undefined {
    return this.#constants.get(name);
  }

  gradientView(parameter: Tensor): View {
    return { ...bufferOf(parameter.view), buffer: this.gradient.buffer };
  }

  /**
   * Uploads values; parameters that are not named keep theirs, and constants are among the weights alone.
   * @throws Error for a wrong name or length.
   */
  write(weights: Weights, buffer: GPUBuffer = this.weights.buffer): void {
    for (const [name, values] of weights) {
      const t = this.get(name);
      const rows = Number(t.rows);
      if (values.length !== rows * t.columns) {
        throw new Error(
          `parameter ${name}: expected ${rows * t.columns} values [${rows}, ${t.columns}], got ` +
            `${values.length}`,
        );
      }
      const constant = this.#constants.has(name);
      if (constant && buffer !== this.weights.buffer) continue;
      if (constant) this.#constants.set(name, values);
      for (const { first, rows, view } of tableWindows(t, PIECE_BYTES)) {
        const piece = values.subarray(first * t.columns, (first + rows) * t.columns);
        const target = constant ? view.buffer : buffer;
        this.gpu.queue.writeBuffer(target, view.offset, padRows(piece, rows, t.columns, t.groups));
        if (first > 0) this.gpu.queue.submit([]); // WebGPU keeps what is written until then
      }
    }
  }

  /** The parts of the arena without these parameters, in order. */
  rangesWithout(parameters: Iterable<Tensor>): ArenaRange[] {
    const ranges: ArenaRange[] = [];
    let start = 0;
    const places = [...parameters].map(({ view }) => bufferOf(view)).sort((a, b) => a.offset - b.offset);
    for (const { offset, size } of places) {
      if (offset / 4 > start) ranges.push({ start, end: offset / 4 });
      start = (offset + alignBinding(size)) / 4;
    }
    if (this.length > start) ranges.push({ start, end: this.length });
    return ranges;
  }

  /**
   * Reads an arena of this layout (weights by default; gradients, moments, a snapshot) by name, and beside it the constants as
   * they were written. One wait, unless it is large.
   * @param into where values of a large one go, by name, if that is there already.
   */
  async read(
    buffer: GPUBuffer = this.weights.buffer,
    into?: (name: string) => Float32Array<ArrayBuffer> | undefined,
  ): Promise<Weights> {
    const weights: Weights = new Map();
    const all = this.inWindows
      ? undefined
      : await readFloats(this.gpu, { buffer, offset: 0, size: 4 * this.length });
    for (const t of this.#byName.values()) {
      const constant = this.#constants.get(t.name);
      if (constant) weights.set(t.name, constant);
      if (constant) continue;
      const start = bufferOf(t.view).offset / 4;
      const rows = Number(t.rows);
      const values = all
        ? unpadRows(all.subarray(start, start + rows * t.stride), rows, t.columns, t.groups)
        : await this.#readOne(t, buffer, into?.(t.name) ?? new Float32Array(rows * t.columns));
      weights.set(t.name, values);
    }
    return weights;
  }

  /** In pieces. @param values where they go. */
  async #readOne(
    t: Tensor,
    buffer: GPUBuffer,
    values: Float32Array<ArrayBuffer>,
  ): Promise<Float32Array<ArrayBuffer>> {
    const { columns, groups, stride } = t;
    for (const { first, rows, view } of tableWindows(t, PIECE_BYTES)) {
      const piece = await readFloats(this.gpu, { ...view, buffer });
      const dense = stride === columns
        ? piece.subarray(0, rows * columns)
        : unpadRows(piece, rows, columns, groups);
      values.set(dense, first * columns);
    }
    return values;
  }

  destroy(): void {
    this.#arena.destroy();
  }
}

/** @param refusal of what is larger than a limit. */
function orRefused<T>(make: () => T, refusal: (error: LimitError) => UserError): T {
  try {
    return make();
  } catch (error) {
    throw error instanceof LimitError ? refusal(error) : error;
  }
}

/** @throws UserError for a parameter that no kernel can see at once. */
function requireParameter(gpu: Gpu, spec: ParameterSpec, otherwise = ""): void {
  const what = `parameter ${spec.name} [${spec.rows}, ${spec.columns}]`;
  orRefused(() => gpu.requireBindable(bytesOf(spec), what), (error) => tooLarge(error, spec, otherwise));
}

/** @returns the error with how large the parameter may be, and what makes it smaller. */
function tooLarge(error: LimitError, spec: ParameterSpec, otherwise = ""): UserError {
  const { rows, columns, table, constant } = spec;
  if (constant) {
    return new UserError(`${error.message} Train without what is counted of items: --counts none`);
  }
  if (!table) return ofLayers(error, columns, "columns");
  return new UserError(
    `${error.message} ${otherwise}At this width at most ${
      fitting(error, rows)
    } items or tokens fit; --dims and --lstm-units set ` +
      "the width. Or prepare the log with features of the items (--features), or with hashes of their ids (--hash-items).",
  );
}

function ofLayers(error: LimitError, count: number, what: string): UserError {
  const most = fitting(error, count);
  return new UserError(
    `${error.message} At most ${most} ${what} fit; --dims, --behaviour-dims and --lstm-units set them.`,
  );
}

const fitting = ({ share }: LimitError, count: number) => thousands(Math.floor(share * count));

function bytesOf(spec: ParameterSpec): number {
  return parameterBytes(spec.rows, padded(spec.columns, spec.groups));
}

/** Rows of a table that a kernel sees at once. */
export interface TableWindow {
  readonly first: number;
  readonly rows: number;
  /** Of the weights. What is laid out like them has the same place. */
  readonly view: View;
}

/** Rows of a window are a multiple of this, so that each begins where a binding may. */
const WINDOW_ROWS = 64;

/** Cuts a table into windows of at most `most` bytes: one where it fits. */
export function tableWindows({ view, rows, stride }: Tensor, most: number): TableWindow[] {
  const { buffer, offset, size } = bufferOf(view);
  const count = Number(rows);
  if (size <= most) return [{ first: 0, rows: count, view: { buffer, offset, size } }];
  const step = WINDOW_ROWS * Math.max(1, Math.floor(most / (4 * stride * WINDOW_ROWS)));
  return Array.from({ length: Math.ceil(count / step) }, (_, k) => {
    const first = k * step;
    const at = 4 * stride * first;
    return {
      first,
      rows: Math.min(step, count - first),
      view: { buffer, offset: offset + at, size: Math.min(4 * stride * step, size - at) },
    };
  });
}

/**
 * Cuts floats of an arena into ranges of at most `most` bytes, aligned for binding, as views of each buffer.
 * @param range of the whole arena, from 0 on, or a part that starts where a parameter does.
 */
export function windows(range: number | ArenaRange, most: number): { offset: number; size: number }[] {
  const { start, end } = typeof range === "number" ? { start: 0, end: range } : range;
  const step = Math.floor(most / 256) * 256;
  const out: { offset: number; size: number }[] = [];
  for (let offset = 4 * start; offset < 4 * end; offset += step) {
    out.push({ offset, size: Math.min(step, 4 * end - offset) });
  }
  return out;
}
