/** Schedules the device: waiting requests are scored in one batch, and longer work runs in pieces. */

import type { ItemScorer } from "../model/item_blocks.ts";
import { computeScorerCapacity } from "../model/scorer.ts";
import type { ScorerCapacity, ScoringRequest, UtilityScorer } from "../model/scorer.ts";

export type BatchScorer = Pick<UtilityScorer, "room" | "score"> & ItemScorer;

interface Waiting {
  readonly request: ScoringRequest;
  readonly resolve: (utilities: Float32Array<ArrayBuffer>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One batch is on the device at a time. Requests that arrive meanwhile make the next one, so a single request does not wait and
 * batches grow with the load. Pieces of longer work (blocks of a catalogue) alternate with batches: a batch waits for at most one
 * piece, and a piece for one batch and the pieces before it.
 */
export class Batcher {
  #queue: Waiting[] = [];
  readonly #pieces: (() => Promise<void>)[] = [];
  #running = false;

  /** @param onBatch called for each scored batch. */
  constructor(
    private readonly scorer: BatchScorer,
    private readonly onBatch: (requests: number, rows: number, seconds: number) => void = () => {},
  ) {}

  /** Requests that are not on the device yet. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Scores a page. @throws Error for a request beyond the scorer's capacity, and errors of scoring. */
  submit(request: ScoringRequest): Promise<Float32Array<ArrayBuffer>> {
    if (!fits(computeScorerCapacity([request]), this.scorer.room)) {
      throw new Error("a request that does not fit a batch");
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ request, resolve, reject });
      if (!this.#running) this.#run();
    });
  }

  /** Runs a piece of longer work in its turn. @throws errors of the piece. */
  do<T>(piece: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#pieces.push(() => piece().then(resolve, reject));
      if (!this.#running) this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#queue.length + this.#pieces.length > 0) {
      if (this.#queue.length > 0) await this.#scoreBatch();
      await this.#pieces.shift()?.();
    }
    this.#running = false;
  }

  async #scoreBatch(): Promise<void> {
    const batch = this.#take();
    const requests = batch.map(({ request }) => request);
    const began = performance.now();
    try {
      const utilities = await this.scorer.score(requests);
      this.onBatch(batch.length, computeScorerCapacity(requests).rows, (performance.now() - began) / 1000);
      batch.forEach(({ resolve }, k) => resolve(utilities[k] ?? new Float32Array()));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  /** Removes as many waiting requests as fit, oldest first. */
  #take(): Waiting[] {
    const requests = this.#queue.map(({ request }) => request);
    let count = 0;
    while (
      count < requests.length && fits(computeScorerCapacity(requests.slice(0, count + 1)), this.scorer.room)
    ) count++;
    return this.#queue.splice(0, count);
  }
}

function fits(wanted: ScorerCapacity, room: ScorerCapacity): boolean {
  return wanted.users <= room.users && wanted.events <= room.events && wanted.rows <= room.rows;
}
