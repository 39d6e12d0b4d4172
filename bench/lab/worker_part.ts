/**
 * What the bench puts before the script of the lab's worker, in a browser and in Deno: it counts what the worker asks of its
 * device, and times a wait for it. The worker itself is as it is shipped.
 */

import type { Counts } from "./trial.ts";

/** How often a wait is timed, after a few that are not. */
const WAITS = 40;
const BEFORE = 5;

/** What a worker has, of which Deno's types for programs know nothing. */
declare const self: {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: MessageEvent<unknown>) => void): void;
};

const counts = { dispatches: 0, submits: 0, maps: 0 } satisfies Counts;

// A call more costs some ten nanoseconds, a dispatch some microseconds.
const { dispatchWorkgroups, dispatchWorkgroupsIndirect } = GPUComputePassEncoder.prototype;
GPUComputePassEncoder.prototype.dispatchWorkgroups = function (x, y, z) {
  counts.dispatches++;
  return dispatchWorkgroups.call(this, x, y, z);
};
GPUComputePassEncoder.prototype.dispatchWorkgroupsIndirect = function (buffer, offset) {
  counts.dispatches++;
  return dispatchWorkgroupsIndirect.call(this, buffer, offset);
};
const { submit } = GPUQueue.prototype;
GPUQueue.prototype.submit = function (commands) {
  counts.submits++;
  return submit.call(this, commands);
};
const { mapAsync } = GPUBuffer.prototype;
GPUBuffer.prototype.mapAsync = function (mode, offset, size) {
  counts.maps++;
  return mapAsync.call(this, mode, offset, size);
};

/** Milliseconds from submitting a copy of 4 bytes to having them, on a device of its own that does nothing else. */
async function waits(): Promise<number[]> {
  const adapter = await navigator.gpu.requestAdapter();
  const device = await adapter?.requestDevice();
  if (!device) return [];
  const from = device.createBuffer({ size: 4, usage: GPUBufferUsage.COPY_SRC });
  const to = device.createBuffer({ size: 4, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  const times: number[] = [];
  for (let k = 0; k < BEFORE + WAITS; k++) {
    const began = performance.now();
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(from, 0, to, 0, 4);
    device.queue.submit([encoder.finish()]);
    await mapAsync.call(to, GPUMapMode.READ);
    times.push(performance.now() - began);
    to.unmap();
  }
  device.destroy();
  return times.slice(BEFORE);
}

// The worker's own listener takes no messages of this kind: it answers calls that it does not know with an error.
self.addEventListener("message", async (event) => {
  const { data } = event;
  if (typeof data !== "object" || data === null || !("bench" in data)) return;
  event.stopImmediatePropagation();
  self.postMessage({ bench: data.bench, answer: data.bench === "waits" ? await waits() : { ...counts } });
});
