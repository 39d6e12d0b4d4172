/** The self-test on Dawn, Chromium's WebGPU, over the Vulkan driver that is installed. `dawn.ts [ONLY [EVERY]]`. Prints JSON. */

import { create, globals } from "webgpu";
import { openDevice } from "../../src/gpu/device.ts";
import { selftest } from "./page.ts";

Object.assign(globalThis, globals);
const dawn = create(["backend=vulkan"]);
const [only = "", every] = Deno.args;
console.log(await selftest(only, every === "true", (options) => openDevice(options, dawn), console.error));
// Dawn's threads would keep the process.
Deno.exit(0);
