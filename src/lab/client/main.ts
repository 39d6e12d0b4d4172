/// <reference types="@webgpu/types" />
/** The page of the lab: the script that `src/lab/build.ts` bundles. */

import { screens } from "./screens.ts";
import { Shell } from "./shell.ts";

/** The worker's script as the page carries it, or where it stands beside the page. */
function startWorker(): Worker {
  const carried = document.getElementById("worker-script");
  if (!carried) return new Worker("worker.js");
  const url = URL.createObjectURL(new Blob([carried.textContent ?? ""], { type: "text/javascript" }));
  return new Worker(url);
}

const root = document.getElementById("lab");
if (root) {
  root.replaceChildren();
  Object.assign(globalThis, { lab: new Shell(startWorker(), screens, root) }); // for the browser's console
}
