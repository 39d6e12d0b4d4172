/** State that the worker's services share: the device, the current model, and a lock on the device. */

import { type AdapterDescription, type Gpu, type GpuOptions, openDevice } from "../../gpu/device.ts";
import type { UserModel } from "../../model/user_model.ts";
import { UserError } from "../../user_error.ts";
import type { LabData } from "./services/lab_data.ts";

export interface AdapterFacts extends AdapterDescription {
  readonly hasTimestamps: boolean;
}

export type WorkerEvent =
  | { readonly name: "device"; readonly adapter: AdapterFacts }
  | { readonly name: "lost"; readonly reason: string };

/** A call of a service's method. A call reports progress to the page. The page can cancel a call. */
export interface ServiceCall<P> {
  progress(value: P): void;
  /** Signal that is aborted when the page cancels the call. */
  readonly signal: AbortSignal;
}

/** The model that was trained or loaded last. The model is on the device. */
export interface CurrentModel {
  readonly model: UserModel;
  readonly data: LabData;
  iteration(): number;
}

export class CallStoppedError extends UserError {
  constructor() {
    super("Stopped.");
  }
}

/** Checks that a call was not cancelled. @throws CallStoppedError for a cancelled call */
export function expectNotCancelled({ aborted }: AbortSignal): void {
  if (aborted) throw new CallStoppedError();
}

/** Returns a function that reports progress. After a cancellation, the function throws {@link CallStoppedError}. */
export function reportProgress<P>({ progress, signal }: ServiceCall<P>): (done: P) => void {
  return (done) => {
    expectNotCancelled(signal);
    progress(done);
  };
}

export class LabWorker {
  current: CurrentModel | undefined;
  #gpu: Promise<Gpu> | undefined;
  #lost: string | undefined;
  #running:
    | { readonly what: string; readonly signal: AbortSignal | undefined; readonly ended: Promise<void> }
    | undefined;

  constructor(private readonly send: (event: WorkerEvent) => void) {}

  /** Returns the device that services share. The first call opens the device. @throws UserError if the browser has no adapter */
  gpu(): Promise<Gpu> {
    this.#gpu ??= this.#open();
    return this.#gpu;
  }

  /** Opens a further device with other options. The caller must close the device. */
  async open(options: GpuOptions): Promise<Gpu> {
    const gpu = await openDevice(options);
    gpu.device.lost.then(({ reason, message }) => this.#onLost(gpu, reason, message));
    return gpu;
  }

  /** Reason why the device was lost; undefined while a device is open. */
  get lost(): string | undefined {
    return this.#lost;
  }

  /**
   * Runs work that must have the device alone, such as training or timing. First waits until cancelled work has ended.
   * @param what subject and verb of the error message that other calls get while the work runs, such as "A training is running"
   * @throws UserError while other work is running
   */
  async runExclusively<T>(what: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    while (this.#running?.signal?.aborted) await this.#running.ended;
    if (this.#running) {
      throw new UserError(
        `${this.#running.what}, and the GPU runs one thing at a time. Stop it, or wait.`,
      );
    }
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    this.#running = { what, signal, ended };
    try {
      if (signal) expectNotCancelled(signal);
      return await work();
    } finally {
      this.#running = undefined;
      resolve();
    }
  }

  async #open(): Promise<Gpu> {
    try {
      const gpu = await this.open({});
      this.#lost = undefined;
      this.send({ name: "device", adapter: { ...gpu.adapter, hasTimestamps: gpu.hasTimestamps } });
      return gpu;
    } catch (error) {
      this.#gpu = undefined; // so that the next call tries again
      throw error;
    }
  }

  #onLost(gpu: Gpu, reason: string, message: string): void {
    void this.#gpu?.then((shared) => {
      if (shared !== gpu) return; // a service opened `gpu` and has closed it
      this.#gpu = undefined;
      this.current = undefined;
      this.#lost = message || reason;
      this.send({ name: "lost", reason: this.#lost });
    });
  }
}
