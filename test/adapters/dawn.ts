/** The self-test on Dawn, Chromium's WebGPU, over the Vulkan driver that is installed. Prints JSON. Its argument: `--only` of the self-test. */

import { create, globals } from "webgpu";
import { openDevice } from "../../src/gpu/device.ts";
import { selftestJson } from "../../src/selftest/results.ts";
import { runSelftest } from "../../src/selftest/run.ts";
import { told } from "./told.ts";

Object.assign(globalThis, globals);
const dawn = create(["backend=vulkan"]);
const result = await runSelftest((kind) => openDevice({ shapesFor: kind }, dawn), {
  kinds: ["cpu", "gpu"],
  only: Deno.args[0],
  onCase: told,
});
console.log(selftestJson(result));
// Dawn's threads would keep the process.
Deno.exit(0);
