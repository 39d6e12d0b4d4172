/** What the page carries beside its script, or finds beside itself: see build.ts. Its worker knows no document. */

import type { ShippedLadder } from "../../selftest/profile/bench_report.ts";
import type { KernelTexts } from "../draw/kernel_panel.ts";
import type { LaterScript } from "./later_script.ts";
import type { FromWorker } from "./protocol.ts";

/** The text of the worker's script: as the page carries it, or one that loads it where it stands beside the page. */
export function workerScript(): string {
  return document.getElementById("worker-script")?.textContent ??
    loadingScript(new URL("worker.js", location.href).href);
}

/** What loads a worker's script, and tells the page where there is none: errors of the script itself are another thing. */
function loadingScript(url: string): string {
  const missing: FromWorker = { event: { name: "missing", url, error: "" } };
  return `try {
  importScripts(${JSON.stringify(url)});
} catch (error) {
  if (error.name !== "NetworkError") throw error;
  const { event } = ${JSON.stringify(missing)};
  postMessage({ event: { ...event, error: String(error) } });
}`;
}

/** A script that is loaded later: "screens", or "kernels" and "reader", which the worker loads. */
export function laterScript(name: string): LaterScript {
  const text = document.getElementById(`${name}-script`)?.textContent;
  return text ? { text } : { url: new URL(`${name}.js`, location.href).href };
}

export interface Carried {
  readonly texts: KernelTexts;
  readonly ladders: readonly ShippedLadder[];
}

export function carried(): Carried {
  const data = JSON.parse(textOf("lab-data")); // all of it as build.ts has put it there
  return { ...data, texts: { ...data.texts, files: JSON.parse(carriedKernels()) } };
}

/** WGSL of all kernels by name, as JSON: what the worker computes with, and what is shown of them. */
export function carriedKernels(): string {
  return textOf("lab-kernels");
}

function textOf(id: string): string {
  return document.getElementById(id)?.textContent ?? "{}";
}
