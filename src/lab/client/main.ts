/// <reference types="@webgpu/types" />
/** The page of the lab: the script that `src/lab/build.ts` bundles. */

import { tableScript } from "../../serve/bundle/kernel_table.ts";
import { Lab, type Screen } from "./lab.ts";
import { loadScript } from "./later_script.ts";
import { train } from "./screens/train.ts";
import { carriedKernels, laterScript, workerScript } from "./scripts.ts";

/** In the order of their tabs. Train is there with the page; the others come when one of them is opened. */
const screens: readonly Screen[] = [
  { id: "train", title: "Train", mount: train },
  later("step", "Look inside a step"),
  later("ladders", "Ladders"),
  later("exercise", "Exercises"),
  later("selftest", "Self-test"),
  later("user", "Be the user"),
  later("save", "Save"),
];

type OtherScreens = typeof import("./other_screens.ts");

/** @param id its name in other_screens.ts, too */
function later(id: keyof OtherScreens, title: string): Screen {
  const load = () => loadScript<OtherScreens>(laterScript("screens"));
  return { id, title, mount: async (root, lab) => (await load())[id](root, lab) };
}

/** The kernels, and then the worker's script. */
function startWorker(): Worker {
  const parts = [tableScript(carriedKernels()), workerScript()];
  return new Worker(URL.createObjectURL(new Blob(parts, { type: "text/javascript" })));
}

const root = document.getElementById("lab");
if (root) {
  root.replaceChildren();
  Object.assign(globalThis, { lab: new Lab(startWorker(), screens, root) }); // for the browser's console
}
