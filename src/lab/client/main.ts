/// <reference types="@webgpu/types" />
/** The page of the lab: the script that `src/lab/build.ts` bundles. */

import { tableScript } from "../../bundle/kernel_table.ts";
import { carriedKernels } from "./carried.ts";
import { screens } from "./screens.ts";
import { Shell } from "./shell.ts";

/** The kernels, and then the worker's script: as the page carries it, or where it stands beside the page. */
function startWorker(): Worker {
  const script = document.getElementById("worker-script")?.textContent ??
    `importScripts(${JSON.stringify(new URL("worker.js", location.href).href)});`;
  const parts = [tableScript(carriedKernels()), script];
  return new Worker(URL.createObjectURL(new Blob(parts, { type: "text/javascript" })));
}

const root = document.getElementById("lab");
if (root) {
  root.replaceChildren();
  Object.assign(globalThis, { lab: new Shell(startWorker(), screens, root) }); // for the browser's console
}
