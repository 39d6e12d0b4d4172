/** Hears what a page and its worker say to each other about a training: in a browser, and in Deno in the page's place. */

import type { Counts, Recorded } from "./trial.ts";

/** What of a worker is needed. */
interface HeardWorker {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: Event) => void): void;
}

export class Recorder {
  readonly #steps: [number, number][] = [];
  readonly #losses: number[] = [];
  readonly #asked = new Map<string, (answer: unknown) => void>();
  readonly #ended = Promise.withResolvers<void>();
  #call: { readonly id: number; readonly request: unknown; readonly at: number } | undefined;
  #doneAt = NaN;
  #onFirstStep: (() => void) | undefined;
  #adapter = "";
  #openedAt = NaN;
  #before: Counts = { dispatches: 0, submits: 0, maps: 0 };

  constructor(private readonly worker: HeardWorker) {
    this.#ended.promise.catch(() => {}); // whoever asks is told
    const post = worker.postMessage.bind(worker);
    worker.postMessage = (message: unknown) => {
      if (isRecord(message) && message.service === "train" && message.method === "start") {
        this.#call = { id: Number(message.id), request: message.argument, at: performance.now() };
      }
      post(message);
    };
    worker.addEventListener("message", (event) => {
      if (event instanceof MessageEvent) this.#hear(event.data);
    });
  }

  /** @param stop ends the training; called so many seconds after its first step. */
  stopAfter(seconds: number, stop: () => void): void {
    this.#onFirstStep = () => setTimeout(stop, 1000 * seconds);
  }

  /** Counts from here on. @param stop as of {@link stopAfter}. */
  async begin(seconds: number, stop: () => void): Promise<void> {
    this.stopAfter(seconds, stop);
    this.#before = await this.#ask("counts") as Counts; // as worker_part.ts answers
  }

  /** What was heard, once the training has ended. @throws Error with the worker's message when it has failed */
  async recorded(): Promise<Recorded> {
    await this.#ended.promise;
    const after = await this.#ask("counts") as Counts;
    const { dispatches, submits, maps } = this.#before;
    return {
      ...this.heard(),
      counts: {
        dispatches: after.dispatches - dispatches,
        submits: after.submits - submits,
        maps: after.maps - maps,
      },
    };
  }

  /** What was heard so far. */
  heard(): Omit<Recorded, "counts"> {
    return {
      adapter: this.#adapter,
      openMs: this.#openedAt,
      request: this.#call?.request,
      steps: this.#steps,
      losses: this.#losses,
      began: this.#call?.at ?? NaN,
      ended: this.#doneAt,
    };
  }

  /** Milliseconds of waits for a device that does nothing else. */
  async waits(): Promise<number[]> {
    return await this.#ask("waits") as number[];
  }

  #ask(what: string): Promise<unknown> {
    return new Promise((resolve) => {
      this.#asked.set(what, resolve);
      this.worker.postMessage({ bench: what });
    });
  }

  #hear(message: unknown): void {
    if (!isRecord(message)) return;
    const { event } = message;
    if (isRecord(event) && event.name === "device" && isRecord(event.adapter)) {
      this.#adapter = String(event.adapter.description);
      this.#openedAt = performance.now();
    }
    if (typeof message.bench === "string") this.#asked.get(message.bench)?.(message.answer);
    if (this.#call === undefined || message.id !== this.#call.id) return;
    const now = performance.now();
    if ("error" in message) {
      const text = isRecord(message.error) ? message.error.message : message.error;
      this.#ended.reject(new Error(String(text)));
    } else if ("result" in message) {
      this.#doneAt = now;
      this.#ended.resolve();
    } else if (isRecord(message.progress) && message.progress.kind === "steps") {
      const { first, rows } = message.progress;
      if (!Array.isArray(rows) || rows.length === 0) return;
      if (this.#losses.length === 0) this.#onFirstStep?.();
      this.#losses.push(...rows.map(([loss]) => Number(loss)));
      this.#steps.push([now, Number(first) + rows.length - 1]);
    }
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
