/** Reads the data in the page, and connects the page with its worker. */

import { buildTableScript } from "../../serve/bundle/kernel_table.ts";
import type { PageData } from "../draw/kernel_panel.ts";
import type { ServiceCall, WorkerEvent } from "./lab_worker.ts";
import type { CallFailure, FromWorker, Services, ToWorker } from "./worker_main.ts";

const STOPPED: CallFailure = {
  kind: "stopped",
  message:
    "Stopped. The running operation ends on its own; if it does not, reload the page. If the GPU then " +
    "does not open, close the browser: a software adapter cannot interrupt a kernel.",
};

/** Error of a call that failed in the worker. */
class LabError extends Error {
  readonly kind: CallFailure["kind"];
  constructor({ message, kind, stack }: CallFailure) {
    super(message);
    this.kind = kind;
    if (stack !== undefined) this.stack = stack;
  }
}

/** A cancelled call fails after this number of milliseconds, even if the busy worker has not answered. */
const STOP_MS = 700;

export interface CallOptions<P> {
  onProgress?(progress: P): void;
  readonly signal?: AbortSignal;
  /** Returns true if a cancelled call must wait for its result, even for longer than `STOP_MS`. */
  needsResult?(): boolean;
}

/** Types of a service's method: its argument, its result, and the progress that it reports. */
type ArgumentOf<M> = M extends (argument: infer A, call: never) => unknown ? A : never;
type ResultOf<M> = M extends (...args: never) => infer R ? Awaited<R> : never;
type ProgressOf<M> = M extends (argument: never, call: infer C) => unknown
  ? C extends ServiceCall<infer P> ? P : never
  : never;

/** Calls a method of a service: `call("train", "start", ...)`. @throws LabError if the method fails */
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
  readonly #worker = startWorker();
  readonly #waiting = new Map<number, Waiting>();
  #calls = 0;
  /** Error that ended the worker; undefined while the worker runs. */
  #failure: LabError | undefined;

  constructor(private readonly onEvent: (event: WorkerEvent) => void) {
    this.#worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => this.#take(data));
    this.#worker.addEventListener("error", (event) => {
      event.preventDefault();
      const message = `The worker failed: ${event.message || "it cannot be started"}. Reload the page.`;
      this.#failure = new LabError({ kind: "fault", message });
      for (const { reject } of this.#waiting.values()) reject(this.#failure);
    });
  }

  readonly call: CallWorker = async (service, method, argument, options = {}) => {
    if (this.#failure) throw this.#failure;
    const id = ++this.#calls;
    const { onProgress, signal, needsResult } = options;
    const cancel = () => {
      this.#post({ id, cancel: true });
      setTimeout(() => {
        if (!needsResult?.()) this.#waiting.get(id)?.reject(new LabError(STOPPED));
      }, STOP_MS);
    };
    try {
      return await new Promise<unknown>((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject, onProgress: onProgress as Waiting["onProgress"] });
        this.#post({ id, service, method: String(method), argument });
        if (signal?.aborted) cancel();
        signal?.addEventListener("abort", cancel);
      }) as never; // the method of the service determines the type
    } finally {
      signal?.removeEventListener("abort", cancel);
      this.#waiting.delete(id);
    }
  };

  #post(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  #take(message: FromWorker): void {
    if ("event" in message) return this.onEvent(message.event);
    const waiting = this.#waiting.get(message.id);
    if ("progress" in message) waiting?.onProgress?.(message.progress);
    else if ("error" in message) waiting?.reject(new LabError(message.error));
    else waiting?.resolve(message.result);
  }
}

/** Starts the worker with the page's WGSL files and the text of scripts that it may load later. */
function startWorker(): Worker {
  globalThis.laterScripts = { kernels: readText("kernels-script"), reader: readText("reader-script") };
  const parts = [
    buildTableScript(JSON.stringify(readPageData().texts.files)),
    `globalThis.laterScripts=${JSON.stringify(laterScripts)};\n`,
    readText("worker-script"),
  ];
  return new Worker(URL.createObjectURL(new Blob(parts, { type: "text/javascript" })));
}

export function readPageData(): PageData {
  return JSON.parse(readText("lab-data")); // written by build.ts
}

function readText(id: string): string {
  return document.getElementById(id)?.textContent ?? "";
}
