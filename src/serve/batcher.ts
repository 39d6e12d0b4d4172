/** Schedules GPU work: batches of requests, and pieces of long work between two batches. */

import type { ItemScorer } from "../model/item_blocks.ts";
import { computeScorerCapacity } from "../model/scorer.ts";
import type { ScorerCapacity, ScoringRequest, UtilityScorer } from "../model/scorer.ts";

export type BatchScorer = Pick<UtilityScorer, "room" | "scoreAll"> & ItemScorer;

interface Waiting {
  readonly request: ScoringRequest;
  readonly resolve: (utilities: Float32Array<ArrayBuffer>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Runs one batch at a time on the GPU. Requests that arrive during a batch form the next batch. A request
 * to an idle GPU starts at once, and batches grow under load. Long work, such as scoring a catalogue, is done
 * in pieces: at most one piece runs between two batches, and one batch between two pieces.
 */
export class Batcher {
  #queue: Waiting[] = [];
  readonly #pieces: (() => Promise<void>)[] = [];
  #running = false;

  constructor(
    private readonly scorer: BatchScorer,
    private readonly onBatch: (requests: number, rows: number, seconds: number) => void = () => {},
  ) {}

  get waiting(): number {
    return this.#queue.length;
  }

  /** Scores a page in the next batch. @throws Error if the page is too large, or if the scorer fails. */
  submit(request: ScoringRequest): Promise<Float32Array<ArrayBuffer>> {
    if (!fits(computeScorerCapacity([request]), this.scorer.room)) {
      throw new Error("the request is too large for a batch");
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ request, resolve, reject });
      if (!this.#running) this.#run();
    });
  }

  /** Runs a piece of long work after the next batch of waiting requests. @throws any error of `piece`. */
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
      const utilities = await this.scorer.scoreAll(requests);
      this.onBatch(batch.length, computeScorerCapacity(requests).rows, (performance.now() - began) / 1000);
      batch.forEach(({ resolve }, k) => resolve(utilities[k] ?? new Float32Array()));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  /** Removes the oldest requests from the queue and returns them: as many as fit into one batch. */
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
