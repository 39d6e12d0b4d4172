/**
 * What a batch counts. A kind of batch names at most four dimensions: clicks have users, events, rows and items; a
 * replay buffer may have transitions and candidates. All below knows them by name only.
 */

/** How many there are in a batch, by dimension. A kind of batch has a type of its own, with its names. */
export type BatchSizes = Readonly<Record<string, number>>;

/** Rows of a tensor: a fixed number, or a dimension of the batch. */
export type Dim<S extends BatchSizes = BatchSizes> = number | DimName<S>;
export type DimName<S extends BatchSizes = BatchSizes> = keyof S & string;

/** @throws Error for a dimension that the batch does not have. */
export function resolveDimension(dim: Dim, sizes: BatchSizes): number {
  const size = typeof dim === "number" ? dim : sizes[dim];
  if (size === undefined) {
    throw new Error(`a batch of ${Object.keys(sizes).join(", ")} has no dimension ${dim}`);
  }
  return size;
}

/** Of how many rows a dispatch reads that picks `picks` of a matrix with `rows`: none is read from memory twice. */
export function estimateDistinctRows(picks: number, rows: Dim, sizes: BatchSizes): number {
  return Math.min(picks, resolveDimension(rows, sizes));
}

/**
 * A number that follows from the sizes of a batch, as data: it is looked up at every step, without asking whoever made it.
 * "events" are as many as the batch has events; `{ of: "users", per: 4, times: 64 }` is 64 for every four users.
 */
export type SizeExpression<S extends BatchSizes = BatchSizes> = Dim<S> | ScaledSize<S>;

/** `of` and `plus` together, in blocks of `per` of which the last may not be full, `times` for each, in bounds. */
export interface ScaledSize<S extends BatchSizes = BatchSizes> {
  /** A function for a bound that follows from the sizes in a way of its own. */
  readonly of: Dim<S> | ((sizes: S) => number);
  readonly plus?: Dim<S>;
  readonly per?: number;
  readonly times?: number;
  readonly least?: number;
  readonly most?: number;
}

/** @throws Error for a dimension that the batch does not have. */
export function evaluateSize<S extends BatchSizes>(amount: SizeExpression<S>, sizes: S): number {
  if (typeof amount !== "object") return resolveDimension(amount, sizes);
  const { of, plus = 0, per = 1, times = 1, least = 0, most = Infinity } = amount;
  const counted = (typeof of === "function" ? of(sizes) : resolveDimension(of, sizes)) +
    resolveDimension(plus, sizes);
  return Math.min(most, Math.max(least, times * Math.ceil(counted / per)));
}

/** Chunks of a batch at most. */
export const MAX_CHUNKS = 16;
/** Rows of a chunk, as long as there are no more chunks than {@link MAX_CHUNKS}. */
const CHUNK_ROWS = 256;

/** The dimensions of a kind of batch, in the order of the kernels' `step.size`. */
export class Dimensions<S extends BatchSizes = BatchSizes> {
  /**
   * @param names at most four.
   * @param chunked the one whose size says into how many chunks the batch is cut; see {@link countChunks}.
   */
  constructor(readonly names: readonly DimName<S>[], readonly chunked: DimName<S>) {
    if (names.length > 4) throw new Error(`expected at most four dimensions, got ${names.join(", ")}`);
    this.index(chunked);
  }

  /** Index of a dimension in `step.size`. @throws Error for a number of rows that is fixed, and for an unknown name. */
  index(dim: Dim): number {
    return this.names.indexOf(this.resolveName(dim));
  }

  /** The dimension as one of this kind. @throws Error as {@link index}. */
  resolveName(dim: Dim): DimName<S> {
    const name = this.names.find((name) => name === dim);
    if (name === undefined) throw new Error(`expected one of ${this.names.join(", ")}, got ${dim}`);
    return name;
  }

  /**
   * Into how many partial sums the weight gradients of a step are split: one for every 256 rows, at most 16.
   * It follows from the batch alone, so that the order of every sum does too.
   * @param times as many for each chunk.
   */
  scaleByChunks(times = 1): ScaledSize<S> {
    return { of: this.chunked, per: CHUNK_ROWS, times, least: times, most: times * MAX_CHUNKS };
  }

  /** The same of a batch. */
  countChunks(sizes: S): number {
    return evaluateSize(this.scaleByChunks(), sizes);
  }
}
