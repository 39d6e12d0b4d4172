/** The self-test on Dawn, Chromium's WebGPU, over the Vulkan driver that is installed. `dawn.ts [ONLY [EVERY]]`. Prints JSON. */

import { create, globals } from "webgpu";
import { openDevice } from "../../src/gpu/device.ts";
import { selftestJson } from "../../src/selftest/results.ts";
import { runSelftest } from "../../src/selftest/run.ts";
import { told } from "./told.ts";

Object.assign(globalThis, globals);
const dawn = create(["backend=vulkan"]);
const [only, every] = Deno.args;
const result = await runSelftest((options) => openDevice(options, dawn), {
  kinds: ["cpu", "gpu"],
  only,
  leftOut: every === "true" ? "too" : "named",
  onCase: told,
});
console.log(selftestJson(result));
// Dawn's threads would keep the process.
Deno.exit(0);
