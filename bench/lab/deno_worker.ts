/** The lab's worker in Deno, without a page: the same script, asked by the same messages. */

import { makeDemoShop } from "../../src/data/demo_shop.ts";
import { sourceOf } from "../../src/data/log_source.ts";
import { setDriverThreads } from "../../src/gpu/host/driver_threads.ts";
import type { AdapterFacts, FromWorker, ToWorker } from "../../src/lab/client/protocol.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import type { TrainingConfig } from "../../src/train/config.ts";
import { iterationFlops } from "../../src/train/iteration_work.ts";

/** What of a request to train decides how large a step is. */
interface Trained {
  readonly model: ModelConfig;
  readonly training: TrainingConfig;
}

interface CallOptions {
  onProgress?(progress: unknown): void;
  readonly signal?: AbortSignal;
}

/** The page's end of the line, without its types: what a service answers is for the caller to check. */
export class LabInDeno {
  readonly worker: Worker;
  /** What its device is, once it is open. */
  adapter: AdapterFacts | undefined;
  readonly #ready = Promise.withResolvers<void>();
  readonly #listeners = new Map<number, (message: FromWorker) => void>();

  /**
   * @param script the worker's, a file. @param trained what is to be trained, on the demo shop: a software driver gets as many
   * threads as `deno task train` gives it; otherwise those for large steps.
   */
  constructor(script: string, trained?: Trained) {
    setDriverThreads(
      trained && iterationFlops(sourceOf(makeDemoShop(trained.training.seed).log), trained),
    );
    this.worker = new Worker(new URL(`file://${script}`), { type: "module" });
    this.worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
      if (!("event" in data)) return this.#listeners.get(data.id)?.(data);
      if (data.event.name === "ready") this.#ready.resolve();
      if (data.event.name === "device") this.adapter = data.event.adapter;
    });
  }

  /** @throws Error with what the service says of a failure. */
  async call(
    service: string,
    method: string,
    argument: unknown,
    options: CallOptions = {},
  ): Promise<unknown> {
    await this.#ready.promise;
    const id = this.#listeners.size + 1;
    const post = (message: ToWorker) => this.worker.postMessage(message);
    options.signal?.addEventListener("abort", () => post({ id, cancel: true }));
    return await new Promise((resolve, reject) => {
      this.#listeners.set(id, (message) => {
        if ("progress" in message) options.onProgress?.(message.progress);
        else if ("error" in message) reject(new Error(message.error.message));
        else if ("result" in message) resolve(message.result);
      });
      post({ id, service, method, argument });
    });
  }
}
