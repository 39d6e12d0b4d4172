/// <reference types="@webgpu/types" />
/** The page of the lab: the script that `src/lab/build.ts` bundles. */

import { tableScript } from "../../serve/bundle/kernel_table.ts";
import { carriedKernels } from "./carried.ts";
import { workerScript } from "./page_scripts.ts";
import { screens } from "./screens.ts";
import { Shell } from "./shell.ts";

/** The kernels, and then the worker's script. */
function startWorker(): Worker {
  const parts = [tableScript(carriedKernels()), workerScript()];
  return new Worker(URL.createObjectURL(new Blob(parts, { type: "text/javascript" })));
}

const root = document.getElementById("lab");
if (root) {
  root.replaceChildren();
  Object.assign(globalThis, { lab: new Shell(startWorker(), screens, root) }); // for the browser's console
}
