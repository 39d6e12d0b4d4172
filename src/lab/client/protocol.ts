/**
 * What the page and its worker tell each other. The page calls methods of services (`worker.ts`); a call may be told of
 * progress, ends with a result or a failure, and may be cancelled. All of it is what structured cloning takes.
 */

import type { AdapterDescription } from "../../gpu/device.ts";

/** Calls a method. */
export interface Request {
  /** Of this call, unlike that of any other. */
  readonly id: number;
  readonly service: string;
  readonly method: string;
  readonly argument: unknown;
}

/** Asks a call to end early. It still answers. */
export interface Cancel {
  readonly id: number;
  readonly cancel: true;
}

export type ToWorker = Request | Cancel;

/** Why a call has failed. */
export interface Failure {
  /** In words for whoever reads the page. */
  readonly message: string;
  /** `user`: the reader can put it right, or has stopped it. `lost`: the device is gone. `fault`: the program is wrong. */
  readonly kind: "user" | "stopped" | "lost" | "fault";
  /** Of a fault. */
  readonly stack?: string;
}

/** What the adapter is, and what it grants. */
export interface AdapterFacts extends AdapterDescription {
  readonly hasTimestamps: boolean;
  /** Granted limits by WebGPU's names. */
  readonly limits: Readonly<Record<string, number>>;
}

/** What the worker tells without being asked. */
export type WorkerEvent =
  /** It can take calls. */
  | { readonly name: "ready" }
  /** Its script does not stand beside the page. */
  | { readonly name: "missing"; readonly url: string; readonly error: string }
  /** A device is open. */
  | { readonly name: "device"; readonly adapter: AdapterFacts }
  /** The device is gone; the next call opens another. */
  | { readonly name: "lost"; readonly reason: string };

export type FromWorker =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly progress: unknown }
  | { readonly id: number; readonly error: Failure }
  | { readonly event: WorkerEvent };

/** What a method knows of the call that it answers. */
export interface Call<P> {
  /** Tells the page how it goes. */
  progress(value: P): void;
  /** Aborted when the page wants no more of it. */
  readonly signal: AbortSignal;
}

/** Of a method of a service: what it is given, what it answers, what it tells on the way. */
export type ArgumentOf<M> = M extends (argument: infer A, call: never) => unknown ? A : never;
export type ResultOf<M> = M extends (...given: never) => infer R ? Awaited<R> : never;
export type ProgressOf<M> = M extends (argument: never, call: infer C) => unknown
  ? C extends Call<infer P> ? P : never
  : never;
