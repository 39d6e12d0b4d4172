/** State that all services of the worker share: device, current model, and a lock on the device. */

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

/** Progress reports and cancellation of a call from the page. */
export interface ServiceCall<P> {
  progress(value: P): void;
  readonly signal: AbortSignal;
}

/** The model that was trained or loaded last. Its weights are on the device. */
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

export function expectNotCancelled({ aborted }: AbortSignal): void {
  if (aborted) throw new CallStoppedError();
}

/** Progress of a measurement. `share` is from 0 to 1. */
export interface MeasurementProgress {
  readonly text: string;
  readonly share: number;
}

/** Returns a function that reports progress; after a cancellation it throws {@link CallStoppedError}. */
export function reportProgress({ progress, signal }: ServiceCall<MeasurementProgress>) {
  return (text: string, share: number): void => {
    expectNotCancelled(signal);
    progress({ text, share });
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

  /** Returns the shared device; the first call opens it. @throws UserError if there is no adapter */
  gpu(): Promise<Gpu> {
    this.#gpu ??= this.#open();
    return this.#gpu;
  }

  /** Opens another device with other options. The caller must close it. */
  async open(options: GpuOptions): Promise<Gpu> {
    const gpu = await openDevice(options);
    gpu.device.lost.then(({ reason, message }) => this.#onLost(gpu, reason, message));
    return gpu;
  }

  /** Reason why the device was lost; undefined while the device is open. */
  get lost(): string | undefined {
    return this.#lost;
  }

  /**
   * Runs work during which no other work may use the device, such as timing. Waits for cancelled work.
   * @param what - text for the error if another call comes meanwhile, such as "A training is running"
   * @throws UserError if other work is running
   */
  async runExclusively<T>(what: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    while (this.#running?.signal?.aborted) await this.#running.ended;
    if (this.#running) {
      throw new UserError(
        `${this.#running.what}. The GPU does one task at a time: stop the running task, or wait.`,
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
