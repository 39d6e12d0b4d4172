/// <reference types="@webgpu/types" />
/**
 * Entry point of the worker, which owns the device. The page calls methods of the worker's services. A call
 * may report progress, can be cancelled, and ends with a result or a failure. Messages are sent by
 * postMessage.
 */

import { CallStoppedError, LabWorker, type ServiceCall, type WorkerEvent } from "./lab_worker.ts";
import { loadScript } from "./scripts.ts";
import { stepService } from "./services/step_service.ts";
import { TrainService } from "./services/train_service.ts";
import { createUserService } from "./services/user_service.ts";

export type ToWorker =
  /** Message that calls a method of a service. Each call has a different id. */
  | { readonly id: number; readonly service: string; readonly method: string; readonly argument: unknown }
  /** Message that cancels a call. The worker still sends a result or an error for the call. */
  | { readonly id: number; readonly cancel: true };

export type FromWorker =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly progress: unknown }
  | { readonly id: number; readonly error: CallFailure }
  | { readonly event: WorkerEvent };

export interface CallFailure {
  readonly message: string;
  /** Cause: wrong input ("user"), cancellation ("stopped"), lost GPU device ("lost"), or a bug ("fault"). */
  readonly kind: "user" | "stopped" | "lost" | "fault";
  readonly stack?: string;
}

/** Creates the services. For a new service, write a file in services/ and call it here. */
function createServices(worker: LabWorker) {
  return {
    adapter: adapterService(worker),
    step: stepService(worker),
    train: new TrainService(worker),
    user: createUserService(worker),
  };
}

/** Script with the services for kernels, loaded at the first call of such a service. */
type KernelScript = typeof import("./services/kernel_services.ts");

export type Services = ReturnType<typeof createServices> & ReturnType<KernelScript["createKernelServices"]>;

function adapterService(worker: LabWorker) {
  return {
    /** Opens the device, and sends a description of the adapter. @throws UserError if there is no adapter */
    async open(): Promise<void> {
      await worker.gpu();
    },
    /** For tests: destroys the device, as a crash of the driver does. */
    async lose(): Promise<void> {
      const gpu = await worker.gpu();
      gpu.device.destroy();
    },
  };
}

/** Milliseconds to wait for the browser's event that reports a lost device. */
const LOSS_MS = 100;

type AnyMethod = (argument: unknown, call: ServiceCall<unknown>) => unknown;

const worker = new LabWorker((event) => post({ event }));
const services: Record<string, object> = createServices(worker);
const running = new Map<number, AbortController>();

self.addEventListener("message", ({ data }: MessageEvent<ToWorker>) => {
  if ("cancel" in data) running.get(data.id)?.abort();
  else void answer(data);
});

type Call = Exclude<ToWorker, { cancel: true }>;

async function answer({ id, service, method, argument }: Call): Promise<void> {
  const controller = new AbortController();
  running.set(id, controller);
  try {
    const call = { signal: controller.signal, progress: (progress: unknown) => post({ id, progress }) };
    const found = await findMethod(service, method);
    post({ id, result: await found(argument, call) });
  } catch (error) {
    // A call on a lost device fails a moment before the worker learns of the loss.
    if (!isUserError(error)) await new Promise((resolve) => setTimeout(resolve, LOSS_MS));
    post({ id, error: describeFailure(error) });
  } finally {
    running.delete(id);
  }
}

async function findMethod(service: string, method: string): Promise<AnyMethod> {
  if (!(service in services)) {
    const { createKernelServices } = await loadScript<KernelScript>("kernels");
    Object.assign(services, createKernelServices(worker));
  }
  const found: unknown = Reflect.get(services[service] ?? {}, method);
  if (typeof found !== "function") throw new Error(`The worker has no method ${service}.${method}.`);
  return found.bind(services[service]) as AnyMethod;
}

/** Recognises a UserError by name: instanceof fails, because each script bundles its own UserError class. */
function isUserError(error: unknown): boolean {
  return error instanceof Error && error.name === "UserError";
}

function describeFailure(error: unknown): CallFailure {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof CallStoppedError) return { kind: "stopped", message };
  if (isUserError(error)) return { kind: "user", message };
  if (worker.lost !== undefined) {
    return {
      kind: "lost",
      message: `The GPU was lost (${worker.lost}). Try again: this opens the GPU again.`,
    };
  }
  return { kind: "fault", message, stack: error instanceof Error ? error.stack : undefined };
}

function post(message: FromWorker): void {
  self.postMessage(message);
}
