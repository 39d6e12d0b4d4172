/** Stores a model's parameters in one buffer (arena), and their gradients in another buffer. */

import { alignBinding, Arena } from "../gpu/arena.ts";
import { type Gpu, LimitError } from "../gpu/device.ts";
import { asBufferView, type View } from "../gpu/memory.ts";
import { readFloats } from "../gpu/readback.ts";
import { chooseGpuChunks, type ChunkRule, cpuChunks } from "../gpu/sizes.ts";
import { UserError } from "../user_error.ts";
import { countParameterBytes, padColumns, padRows, type Tensor, unpadRows } from "./tensor.ts";
import { formatThousands } from "../number_text.ts";

/** A parameter of a model: a matrix [rows, columns]. */
export interface ParameterSpec {
  /** Path such as "utility/layer1/bias", which is also the tensor's name in snapshots. */
  readonly name: string;
  /** Number of rows; 1 for a vector. */
  readonly rows: number;
  /** Number of columns without padding. */
  readonly columns: number;
  /** Number of equal parts of a row that are padded separately, such as 4 for the gates of an LSTM. */
  readonly groups?: number;
  /** True for a table with a row per item or token; see {@link import("./tensor.ts").ParameterLocation}. */
  readonly table?: boolean;
  /** True if weight decay shrinks the parameter. */
  readonly decays?: boolean;
  /** True for a running average: a kernel writes it, its gradient is zero, and snapshots contain it. */
  readonly statistic?: boolean;
  /** True for a table of fixed counts, which has a separate buffer and no gradient. Snapshots contain it. */
  readonly constant?: boolean;
}

export interface ArenaRange {
  readonly start: number;
  readonly end: number;
}

/** Values of parameters by name. A parameter has rows * columns values, without padding. */
export type Weights = Map<string, Float32Array<ArrayBuffer>>;

/**
 * Stores a model's weights in one buffer (arena), and their gradients in another. The arena begins with
 * "summed" parameters, whose gradients are sums over all rows of a batch. Running averages follow, then
 * tables. In these groups, parameters with weight decay come first. Because bindings are limited in size, a
 * kernel binds a large arena as several ranges: see `splitBindingRanges`.
 */
export class ParameterArena {
  readonly #byName = new Map<string, Tensor>();
  readonly #constants = new Map<string, Float32Array<ArrayBuffer>>();
  readonly #arena: Arena;
  readonly length: number;
  /** Number of floats at the start of the arena for parameters whose gradients are sums over all rows. */
  readonly summed: number;
  readonly decaying: readonly [summed: ArenaRange, tables: ArenaRange];
  readonly weights: View;
  /** Names of the tables with sparse gradients, which are not stored in {@link gradient}. */
  readonly sparseTables: Set<string> = new Set();
  #gradient: View | undefined;
  #partials: View | undefined;

  /** @throws UserError if a parameter or the whole arena exceeds a limit of the adapter */
  constructor(readonly gpu: Gpu, readonly specs: readonly ParameterSpec[]) {
    const places = new Map<string, number>();
    let offset = 0;
    const place = (belongs: (spec: ParameterSpec) => boolean): ArenaRange => {
      const start = offset;
      for (const spec of specs.filter(belongs)) {
        places.set(spec.name, offset);
        offset += alignBinding(computeParameterBytes(spec)) / 4;
      }
      return { start, end: offset };
    };
    for (const { name, statistic, table, decays } of specs) {
      if (statistic && (table || decays)) {
        throw new Error(`parameter ${name}: a running average cannot be a table or have weight decay`);
      }
    }
    const isSummed = (spec: ParameterSpec) => !spec.table && !spec.statistic && !spec.constant;
    const summedDecaying = place((spec) => isSummed(spec) && (spec.decays ?? false));
    this.summed = place((spec) => isSummed(spec) && !spec.decays).end;
    place((spec) => spec.statistic ?? false);
    this.decaying = [summedDecaying, place((spec) => (spec.table && spec.decays) ?? false)];
    this.length = place((spec) => (spec.table && !spec.decays) ?? false).end;
    this.#arena = new Arena(gpu, "parameters");
    for (const spec of specs) {
      const what = `parameter ${spec.name} [${spec.rows}, ${spec.columns}]`;
      mapLimitError(
        () => gpu.requireBindable(computeParameterBytes(spec), what),
        (error) => tooLargeError(error, spec),
      );
    }
    // If the whole arena is too large, the error names a table, because tables are the largest parameters.
    const table = specs.find(({ table }) => table);
    this.weights = mapLimitError(
      () => this.#arena.allocateUnbound("weights", 4 * this.length),
      (error) => table ? tooLargeError(error, table) : error,
    );
    for (const spec of specs) {
      const { name, rows, columns, groups = 1, table = false, statistic = false, constant = false } = spec;
      const shape = { name, rows, columns, groups, stride: padColumns(columns, groups) };
      if (constant) {
        this.#constants.set(name, new Float32Array(rows * columns));
        const view = this.#arena.allocate(name, computeParameterBytes(spec));
        this.#byName.set(name, { ...shape, view, trainable: false });
        continue;
      }
      const start = places.get(name) ?? 0;
      this.#byName.set(name, {
        ...shape,
        view: { buffer: this.weights.buffer, offset: 4 * start, size: computeParameterBytes(spec) },
        parameter: { offset: start, table, statistic },
        trainable: !statistic,
      });
    }
  }

  /** Buffer of gradients, in the layout of the weights; created on first use, as prediction needs none. */
  get gradient(): View {
    return this.#gradient ??= this.#arena.allocateUnbound("gradients", 4 * this.length);
  }
  /** Rule that splits a batch's rows into chunks, for which gradients are summed separately. */
  get chunks(): ChunkRule {
    return this.gpu.variants.kind === "gpu" ? chooseGpuChunks(this.summed) : cpuChunks;
  }
  /** [chunks.most, summed] gradient sums per chunk, at least 16 bytes: WebGPU binds no empty buffer. */
  get partials(): View {
    return this.#partials ??= mapLimitError(
      () => this.#arena.allocate("partial gradients", Math.max(16, 4 * this.summed * this.chunks.most)),
      (error) => layersTooLargeError(error, this.summed, "weights outside of tables"),
    );
  }

  /** Returns the tensor of a parameter. @throws Error for an unknown name. */
  get(name: string): Tensor {
    const tensor = this.#byName.get(name);
    if (!tensor) {
      throw new Error(`expected a parameter among ${this.names().join(", ")}, got ${name}`);
    }
    return tensor;
  }

  names(): string[] {
    return [...this.#byName.keys()];
  }

  /** Returns the values of a constant (fixed counts) without padding; undefined if `name` is no constant. */
  constant(name: string): Float32Array | undefined {
    return this.#constants.get(name);
  }

  gradientView(parameter: Tensor): View {
    return { ...asBufferView(parameter.view), buffer: this.gradient.buffer };
  }

  /** Uploads parameters to `buffer`, constants only to `weights`. @throws Error for a wrong name or size. */
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
      const view = asBufferView(t.view);
      const target = constant ? view.buffer : buffer;
      this.gpu.queue.writeBuffer(target, view.offset, padRows(values, rows, t.columns, t.groups));
    }
  }

  /** Returns the ranges of the arena that `parameters` do not occupy, in order. */
  listRangesWithout(parameters: Iterable<Tensor>): ArenaRange[] {
    const ranges: ArenaRange[] = [];
    let start = 0;
    const places = [...parameters].map(({ view }) => asBufferView(view)).sort((a, b) => a.offset - b.offset);
    for (const { offset, size } of places) {
      if (offset / 4 > start) ranges.push({ start, end: offset / 4 });
      start = (offset + alignBinding(size)) / 4;
    }
    if (this.length > start) ranges.push({ start, end: this.length });
    return ranges;
  }

  /** Reads all constants, and parameters from `buffer` in the layout of the weights. Waits for the GPU. */
  async read(buffer: GPUBuffer = this.weights.buffer): Promise<Weights> {
    const weights: Weights = new Map();
    const all = await readFloats(this.gpu, { buffer, offset: 0, size: 4 * this.length });
    for (const t of this.#byName.values()) {
      const constant = this.#constants.get(t.name);
      if (constant) {
        weights.set(t.name, constant);
        continue;
      }
      const start = asBufferView(t.view).offset / 4;
      const rows = Number(t.rows);
      weights.set(t.name, unpadRows(all.subarray(start, start + rows * t.stride), rows, t.columns, t.groups));
    }
    return weights;
  }

  [Symbol.dispose](): void {
    this.#arena.destroy();
  }
}

function mapLimitError<T>(make: () => T, refusal: (error: LimitError) => UserError): T {
  try {
    return make();
  } catch (error) {
    throw error instanceof LimitError ? refusal(error) : error;
  }
}

/** Returns an error that names the largest possible size, and the options that make the parameter smaller. */
function tooLargeError(error: LimitError, spec: ParameterSpec): UserError {
  const { rows, columns, table, constant } = spec;
  if (constant) return new UserError(`${error.message} Or train without count features: --counts none.`);
  if (!table) return layersTooLargeError(error, columns, "columns");
  return new UserError(
    `${error.message} With layers of this width, at most ${
      formatFitting(error, rows)
    } items or tokens are possible: reduce --dims or ` +
      "--lstm-units, or prepare the log with item features (--features) or hashed ids (--hash-items).",
  );
}

function layersTooLargeError(error: LimitError, count: number, what: string): UserError {
  const most = formatFitting(error, count);
  return new UserError(
    `${error.message} At most ${most} ${what} are possible: reduce --dims, --behaviour-dims or --lstm-units.`,
  );
}

const formatFitting = ({ share }: LimitError, count: number) => formatThousands(Math.floor(share * count));

function computeParameterBytes(spec: ParameterSpec): number {
  return countParameterBytes(spec.rows, padColumns(spec.columns, spec.groups));
}

/** Splits a range of floats (from 0, if `range` is a number) into aligned parts of at most `most` bytes. */
export function splitBindingRanges(
  range: number | ArenaRange,
  most: number,
): { offset: number; size: number }[] {
  const { start, end } = typeof range === "number" ? { start: 0, end: range } : range;
  const step = Math.floor(most / 256) * 256;
  const out: { offset: number; size: number }[] = [];
  for (let offset = 4 * start; offset < 4 * end; offset += step) {
    out.push({ offset, size: Math.min(step, 4 * end - offset) });
  }
  return out;
}
