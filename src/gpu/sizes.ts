/**
 * Sizes of a batch. Each kind of batch has at most four named dimensions: a batch of clicks has users,
 * events, rows and items; a batch of a replay buffer has, for example, transitions and candidates.
 */

/** Sizes of a batch by dimension. Each kind of batch has a separate type. */
export type BatchSizes = Readonly<Record<string, number>>;

/** Number of rows of a tensor: a fixed number, or a dimension of the batch. */
export type Dim<S extends BatchSizes = BatchSizes> = number | DimName<S>;
export type DimName<S extends BatchSizes = BatchSizes> = keyof S & string;

/** @throws Error for a dimension that the batch does not have */
export function getSize(dim: Dim, sizes: BatchSizes): number {
  const size = typeof dim === "number" ? dim : sizes[dim];
  if (size === undefined) {
    throw new Error(`a batch of ${Object.keys(sizes).join(", ")} has no dimension ${dim}`);
  }
  return size;
}

/** Returns an upper bound of the number of distinct rows that `picks` lookups read from a table of `rows`. */
export function estimateDistinctRows(picks: number, rows: Dim, sizes: BatchSizes): number {
  return Math.min(picks, getSize(rows, sizes));
}

/** A batch size, such as "events", or a term such as 64 * ceil(users / 4), see {@link ScaledSize}. */
export type SizeExpression<S extends BatchSizes = BatchSizes> = Dim<S> | ScaledSize<S>;

/** The number `times * ceil((of + plus) / per)`, clipped to [`least`, `most`]; `of` is a batch size. */
export interface ScaledSize<S extends BatchSizes = BatchSizes> {
  readonly of: Dim<S> | ((sizes: S) => number);
  readonly plus?: Dim<S>;
  readonly per?: number;
  readonly times?: number;
  readonly least?: number;
  readonly most?: number;
}

/** @throws Error for a dimension that the batch does not have */
export function evaluateSize<S extends BatchSizes>(amount: SizeExpression<S>, sizes: S): number {
  if (typeof amount !== "object") return getSize(amount, sizes);
  const { of, plus = 0, per = 1, times = 1, least = 0, most = Infinity } = amount;
  const counted = (typeof of === "function" ? of(sizes) : getSize(of, sizes)) +
    getSize(plus, sizes);
  return Math.min(most, Math.max(least, times * Math.ceil(counted / per)));
}

/** Rule that splits a batch's rows into chunks. Gradients are summed per chunk, then over chunks. */
export interface ChunkRule {
  /** Number of rows per chunk; larger if a batch would otherwise have more than `most` chunks. */
  readonly rows: number;
  /** Largest number of chunks of a batch. */
  readonly most: number;
}

/** Largest number of chunks on a CPU adapter, and on a GPU for a model with many weights. */
export const MAX_CHUNKS = 16;
export const cpuChunks: ChunkRule = { rows: 256, most: MAX_CHUNKS };

/** Largest number of chunks on a GPU. With a workgroup per chunk, most cores of the GPU are busy. */
const GPU_CHUNKS = 128;
/** Largest size, in bytes, of the partial sums if a GPU uses more than {@link MAX_CHUNKS} chunks. */
const PARTIAL_BYTES = 2 ** 24;

/** Returns a GPU's rule: the more weights, the fewer chunks, because a chunk stores a sum per weight. */
export function chooseGpuChunks(summedWeights: number): ChunkRule {
  const fit = Math.floor(PARTIAL_BYTES / (4 * Math.max(1, summedWeights)));
  return { rows: 64, most: Math.min(GPU_CHUNKS, Math.max(MAX_CHUNKS, fit)) };
}

/** Dimensions of a kind of batch, in the order of the vector `step.size` in kernels. */
export class Dimensions<S extends BatchSizes = BatchSizes> {
  /** @param names - at most four dimensions @param chunked - dimension that {@link countChunks} splits */
  constructor(
    readonly names: readonly DimName<S>[],
    readonly chunked: DimName<S>,
    readonly chunks: ChunkRule = cpuChunks,
  ) {
    if (names.length > 4) throw new Error(`expected at most four dimensions, got ${names.join(", ")}`);
    this.index(chunked);
  }

  /** Returns the index of a dimension in `step.size`. @throws Error for a number or an unknown name. */
  index(dim: Dim): number {
    return this.names.indexOf(this.resolveName(dim));
  }

  /** Returns a dimension's name, typed for this kind of batch. @throws Error for an unknown name */
  resolveName(dim: Dim): DimName<S> {
    const name = this.names.find((name) => name === dim);
    if (name === undefined) throw new Error(`expected one of ${this.names.join(", ")}, got ${dim}`);
    return name;
  }

  /** Returns the number of partial sums per gradient of a weight. @param times - partial sums per chunk */
  scaleByChunks(times = 1): ScaledSize<S> {
    const { rows, most } = this.chunks;
    return { of: this.chunked, per: rows, times, least: times, most: times * most };
  }

  withChunks(chunks: ChunkRule): Dimensions<S> {
    return new Dimensions(this.names, this.chunked, chunks);
  }

  countChunks(sizes: S): number {
    return evaluateSize(this.scaleByChunks(), sizes);
  }
}
