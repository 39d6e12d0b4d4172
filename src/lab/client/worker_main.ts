/// <reference types="@webgpu/types" />
/**
 * The worker: it owns the device, and answers the page, which calls methods of services. A call may be told of progress, ends
 * with a result or a failure, and may be cancelled. All that crosses over is what structured cloning takes.
 */

import { CallStoppedError, LabWorker, type ServiceCall, type WorkerEvent } from "./lab_worker.ts";
import { loadScript } from "./scripts.ts";
import { stepService } from "./services/step_service.ts";
import { TrainService } from "./services/train_service.ts";
import { createUserService } from "./services/user_service.ts";

export type ToWorker =
  /** Calls a method. The number is of this call, unlike that of any other. */
  | { readonly id: number; readonly service: string; readonly method: string; readonly argument: unknown }
  /** Asks a call to end early. It still answers. */
  | { readonly id: number; readonly cancel: true };

export type FromWorker =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly progress: unknown }
  | { readonly id: number; readonly error: CallFailure }
  | { readonly event: WorkerEvent };

/** Why a call has failed. */
export interface CallFailure {
  /** In words for whoever reads the page. */
  readonly message: string;
  /** `user`: the reader can put it right, or has stopped it. `lost`: the device is gone. `fault`: the program is wrong. */
  readonly kind: "user" | "stopped" | "lost" | "fault";
  /** Of a fault. */
  readonly stack?: string;
}

/** By name. Another one is a file in services/ and a line here. */
function createServices(worker: LabWorker) {
  return {
    adapter: adapterService(worker),
    step: stepService(worker),
    train: new TrainService(worker),
    user: createUserService(worker),
  };
}

/** What checks and races kernels: a script of its own, loaded when one of its services is asked for. */
type KernelScript = typeof import("./services/kernel_services.ts");

export type Services = ReturnType<typeof createServices> & ReturnType<KernelScript["createKernelServices"]>;

/** What the page may ask of the device itself. */
function adapterService(worker: LabWorker) {
  return {
    /** Opens the device, if it is not open: the worker tells what it is. @throws UserError without an adapter. */
    async open(): Promise<void> {
      await worker.gpu();
    },
    /** Loses the device as a driver does that crashes, to try what happens then. */
    async lose(): Promise<void> {
      const gpu = await worker.gpu();
      gpu.device.destroy();
    },
  };
}

/** How long a loss of the device may take to be known. */
const LOSS_MS = 100;

type AnyMethod = (argument: unknown, call: ServiceCall<unknown>) => unknown;

const worker = new LabWorker((event) => post({ event }));
const services: Record<string, object> = createServices(worker);
const running = new Map<number, AbortController>();

self.addEventListener("message", ({ data }: MessageEvent<ToWorker>) => {
  if ("cancel" in data) running.get(data.id)?.abort();
  else void answer(data);
});

async function answer(
  { id, service, method, argument }: Exclude<ToWorker, { cancel: true }>,
): Promise<void> {
  const controller = new AbortController();
  running.set(id, controller);
  try {
    const call = { signal: controller.signal, progress: (progress: unknown) => post({ id, progress }) };
    const found = await findMethod(service, method);
    post({ id, result: await found(argument, call) });
  } catch (error) {
    // What fails as the device is lost fails a moment before the worker is told so.
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
  if (typeof found !== "function") throw new Error(`the worker has no ${service}.${method}`);
  return found.bind(services[service]) as AnyMethod;
}

/** Also of the script that reads files, which has a class of its own for them. */
function isUserError(error: unknown): boolean {
  return error instanceof Error && error.name === "UserError";
}

function describeFailure(error: unknown): CallFailure {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof CallStoppedError) return { kind: "stopped", message };
  if (isUserError(error)) return { kind: "user", message };
  if (worker.lost !== undefined) {
    const lost = `The GPU was lost (${worker.lost}). Try again: the next step opens it anew.`;
    return { kind: "lost", message: lost };
  }
  return { kind: "fault", message, stack: error instanceof Error ? error.stack : undefined };
}

function post(message: FromWorker): void {
  self.postMessage(message);
}
