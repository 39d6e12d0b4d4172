/** Opens the device on Deno, and ends the process if a kernel does not end. Browsers call `openDevice`. */

import { Worker } from "node:worker_threads";
import { type Gpu, type GpuOptions, openDevice } from "../device.ts";
import { StagingPool } from "../readback.ts";
import { setDriverThreads } from "./driver.ts";

/** Options of {@link openGpu}. */
export interface OpenGpuOptions extends GpuOptions {
  /** FLOPs of a training step, if known; used to choose the number of threads of a software driver. */
  readonly stepFlops?: number;
  /** Seconds to wait for results before the process ends with an error; by default, no limit. */
  readonly kernelSeconds?: number;
}

const INSTALL = "Run `deno task -q setup`: it installs a software Vulkan driver or prints what to install.";

/**
 * Opens the default adapter; see `openDevice`. Only the first call in a process can set the number of threads
 * of a software driver. @throws UserError if there is no adapter, or if the adapter's limits are too low.
 */
export async function openGpu({ stepFlops, kernelSeconds, ...options }: OpenGpuOptions = {}): Promise<Gpu> {
  using _threads = setDriverThreads(stepFlops);
  const gpu = await openDevice({ noAdapterHint: INSTALL, ...options });
  if (kernelSeconds !== undefined) watchKernels(gpu, kernelSeconds);
  return gpu;
}

interface Watch {
  /** Two counters: calls that wait for the device now, and waits that have begun or ended so far. */
  readonly state: Int32Array<SharedArrayBuffer>;
  readonly seconds: number;
}

/**
 * Ends the process (SIGTERM) if a call waits `seconds` for the device. Prints a line every 5 s of waiting. A
 * second thread watches the waits, because waiting blocks Deno's event loop.
 */
function watchKernels(gpu: Gpu, seconds: number): void {
  const state = new Int32Array(new SharedArrayBuffer(8));
  const script = `import { workerData } from "node:worker_threads"; (${watch})(workerData);`;
  const workerData: Watch = { state, seconds };
  new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`), { workerData }).unref();
  const count = (waits: 1 | -1) => {
    Atomics.add(state, 0, waits);
    Atomics.add(state, 1, 1);
  };
  StagingPool.of(gpu).onWait = count;
  // After a kernel that never ends, a submission does not return. So submissions are watched like reads.
  const submit = gpu.queue.submit.bind(gpu.queue);
  gpu.queue.submit = (commands) => {
    count(1);
    try {
      submit(commands);
    } finally {
      count(-1);
    }
  };
}

/** Runs in a worker that gets only this function's source text, so the function cannot use imports. */
function watch({ state, seconds }: Watch): void {
  const write = (text: string) =>
    Deno.stderr.writeSync(new TextEncoder().encode(`${Deno.stderr.isTerminal() ? "\r\x1b[K" : ""}${text}\n`));
  let [changes, since, reported] = [-1, 0, 0];
  setInterval(() => {
    if (Atomics.load(state, 0) === 0 || Atomics.load(state, 1) !== changes) {
      [changes, since, reported] = [Atomics.load(state, 1), performance.now(), 0];
    }
    const waited = Math.floor((performance.now() - since) / 1000);
    if (waited >= seconds) {
      write(
        `error: the kernel did not end within ${seconds} s. Check that the kernel's loops end. ` +
          "If the kernel is only slow, raise the limit (exercise --limit, or kernelSeconds of openGpu).",
      );
      Deno.kill(Deno.pid, "SIGTERM");
    } else if (waited >= reported + 5) {
      reported = waited;
      write(`waiting for the kernels that were started: ${waited} s`);
    }
  }, 200);
}
