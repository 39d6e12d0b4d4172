/** What the services of the worker share: the device, the model that was trained last, and who may work. */

import { type AdapterDescription, type Gpu, type GpuOptions, openDevice } from "../../gpu/device.ts";
import type { UserModel } from "../../model/user_model.ts";
import { UserError } from "../../user_error.ts";
import type { LabData } from "./services/lab_data.ts";

export interface AdapterFacts extends AdapterDescription {
  readonly hasTimestamps: boolean;
}

/** What the worker tells without being asked. */
export type WorkerEvent =
  /** A device is open. */
  | { readonly name: "device"; readonly adapter: AdapterFacts }
  /** The device is gone; the next call opens another. */
  | { readonly name: "lost"; readonly reason: string };

/** What a method of a service knows of the call that it answers. */
export interface ServiceCall<P> {
  /** Tells the page how it goes. */
  progress(value: P): void;
  /** Aborted when the page wants no more of it. */
  readonly signal: AbortSignal;
}

/** A model that stands on the device, for screens other than the one that made it. */
export interface CurrentModel {
  readonly model: UserModel;
  readonly data: LabData;
  /** Steps that it was trained, as it stands. */
  iteration(): number;
}

/** What is thrown where a call has heard that it is cancelled. */
export class CallStoppedError extends UserError {
  constructor() {
    super("Stopped.");
  }
}

/** @throws Stopped for a call that was cancelled. */
export function expectWanted({ aborted }: AbortSignal): void {
  if (aborted) throw new CallStoppedError();
}

/** Tells a call what is being done, until it is cancelled: then that throws {@link CallStoppedError}. */
export function reportProgress<P>({ progress, signal }: ServiceCall<P>): (done: P) => void {
  return (done) => {
    expectWanted(signal);
    progress(done);
  };
}

export class LabWorker {
  /** Of services that work with the model of another: see {@link CurrentModel}. */
  current: CurrentModel | undefined;
  #gpu: Promise<Gpu> | undefined;
  #lost: string | undefined;
  #busy:
    | { readonly what: string; readonly signal: AbortSignal | undefined; readonly ended: Promise<void> }
    | undefined;

  constructor(private readonly tell: (event: WorkerEvent) => void) {}

  /** The device that services share, opened when it is first asked for. @throws UserError without an adapter. */
  gpu(): Promise<Gpu> {
    this.#gpu ??= this.#open();
    return this.#gpu;
  }

  /** A device of its own, for what needs other options; whoever asks closes it. */
  async open(options: GpuOptions): Promise<Gpu> {
    const gpu = await openDevice(options);
    gpu.device.lost.then(({ reason, message }) => this.#isLost(gpu, reason, message));
    return gpu;
  }

  /** Why the last device was lost; undefined while one is open. */
  get lost(): string | undefined {
    return this.#lost;
  }

  /**
   * Does what needs the device for itself: a training, or what is to be timed. What was cancelled is waited for.
   * @param what it is, in a sentence for whoever wants to begin something else: "A training is under way". Without a stop.
   * @param signal that cancels it.
   * @throws UserError while something else does.
   */
  async alone<T>(what: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    while (this.#busy?.signal?.aborted) await this.#busy.ended;
    if (this.#busy) {
      throw new UserError(`${this.#busy.what}, and the GPU can do one thing at a time. Stop it, or wait.`);
    }
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    this.#busy = { what, signal, ended };
    try {
      if (signal) expectWanted(signal);
      return await work();
    } finally {
      this.#busy = undefined;
      resolve();
    }
  }

  async #open(): Promise<Gpu> {
    try {
      const gpu = await this.open({});
      this.#lost = undefined;
      this.tell({ name: "device", adapter: { ...gpu.adapter, hasTimestamps: gpu.hasTimestamps } });
      return gpu;
    } catch (error) {
      this.#gpu = undefined; // the reader may mend it and try again
      throw error;
    }
  }

  #isLost(gpu: Gpu, reason: string, message: string): void {
    void this.#gpu?.then((shared) => {
      if (shared !== gpu) return; // closed by the service that had it for itself
      this.#gpu = undefined;
      this.current = undefined;
      this.#lost = message || reason;
      this.tell({ name: "lost", reason: this.#lost });
    });
  }
}
