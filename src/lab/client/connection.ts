/** The page's end of the line to the worker. */

import { missingScript } from "./later_script.ts";
import type {
  ArgumentOf,
  Failure,
  FromWorker,
  ProgressOf,
  ResultOf,
  ToWorker,
  WorkerEvent,
} from "./protocol.ts";
import { laterScript } from "./scripts.ts";
import type { Services } from "./worker.ts";

/** Those of services/kernels.ts. */
const KERNEL_SERVICES: ReadonlySet<keyof Services> = new Set(["exercises", "ladders", "selftest"] as const);

const STOPPED: Failure = { kind: "stopped", message: "Stopped. What was under way ends by itself." };

/** What a call of the worker ends with that does not succeed. */
class LabError extends Error {
  readonly kind: Failure["kind"];
  constructor({ message, kind, stack }: Failure) {
    super(message);
    this.kind = kind;
    if (stack !== undefined) this.stack = stack;
  }
}

/** How long a call that is cancelled is waited for. The worker may be in the midst of a file, or a driver of a kernel. */
const STOP_MS = 700;

export interface CallOptions<P> {
  onProgress?(progress: P): void;
  /** Asks the call to end early. */
  readonly signal?: AbortSignal;
  /** Whether a cancelled call is waited for however long it takes, as what it has done counts. */
  finishes?(): boolean;
}

/** Calls a method of a service: `call("train", "start", ...)`. @throws LabError */
export type CallWorker = <S extends keyof Services, M extends keyof Services[S]>(
  service: S,
  method: M,
  argument: ArgumentOf<Services[S][M]>,
  options?: CallOptions<ProgressOf<Services[S][M]>>,
) => Promise<ResultOf<Services[S][M]>>;

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: LabError) => void;
  readonly onProgress: ((progress: unknown) => void) | undefined;
}

export class Connection {
  readonly #waiting = new Map<number, Waiting>();
  readonly #ready = Promise.withResolvers<void>();
  #calls = 0;
  #kernels: Promise<void> | undefined;

  constructor(private readonly worker: Worker, private readonly onEvent: (event: WorkerEvent) => void) {
    worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => this.#take(data));
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#fail({
        kind: "fault",
        message: `The worker has failed: ${event.message || "it cannot be started"}`,
      });
    });
  }

  readonly call: CallWorker = async (service, method, argument, options = {}) => {
    await this.#ready.promise;
    if (KERNEL_SERVICES.has(service)) await (this.#kernels ??= this.#loadKernels());
    const id = ++this.#calls;
    const { onProgress, signal, finishes } = options;
    const cancel = () => {
      this.#post({ id, cancel: true });
      setTimeout(() => {
        if (!finishes?.()) this.#waiting.get(id)?.reject(new LabError(STOPPED));
      }, STOP_MS);
    };
    try {
      return await new Promise<unknown>((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject, onProgress: onProgress as Waiting["onProgress"] });
        this.#post({ id, service, method: String(method), argument });
        if (signal?.aborted) cancel();
        signal?.addEventListener("abort", cancel);
      }) as never; // its type is what the service's method returns
    } finally {
      signal?.removeEventListener("abort", cancel);
      this.#waiting.delete(id);
    }
  };

  /** Once, unless it fails. */
  #loadKernels(): Promise<void> {
    return this.call("adapter", "load", laterScript("kernels")).catch((error: unknown) => {
      this.#kernels = undefined;
      throw error;
    });
  }

  #post(message: ToWorker): void {
    this.worker.postMessage(message);
  }

  #take(message: FromWorker): void {
    if ("event" in message) {
      const { event } = message;
      if (event.name === "ready") this.#ready.resolve();
      if (event.name === "missing") {
        return this.#fail({ kind: "user", message: missingScript(event.url, event.error) });
      }
      return this.onEvent(event);
    }
    const waiting = this.#waiting.get(message.id);
    if ("progress" in message) waiting?.onProgress?.(message.progress);
    else if ("error" in message) waiting?.reject(new LabError(message.error));
    else waiting?.resolve(message.result);
  }

  /** Of a worker that answers nothing any more. */
  #fail(failure: Failure): void {
    const error = new LabError(failure);
    this.#ready.reject(error);
    this.#ready.promise.catch(() => {}); // whoever calls is told
    for (const { reject } of this.#waiting.values()) reject(error);
  }
}
