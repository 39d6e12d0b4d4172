/**
 * Times every kernel that a calibration chooses among, on this adapter: `deno run calibrate.ts FILE SECONDS`. With more time
 * than a training gives it, and all times kept. Those of a GPU, whatever the adapter.
 */

import { calibrate, type Meter } from "../../src/selftest/calibration/calibrate.ts";
import { type PreparedProduct, StepProducts } from "../../src/selftest/calibration/step_products.ts";
import { runMain } from "../../src/cli/fail.ts";
import { openGpu } from "../../src/gpu/host/open_gpu.ts";
import { median } from "../../src/gpu/profiler.ts";
import { defaultModel } from "../../src/model/config.ts";
import { workloadLog, workloads } from "../../src/selftest/profile/workloads.ts";
import { writeRecords } from "../output.ts";

type Named = PreparedProduct & { readonly name: string };

await runMain(async () => {
  const [file = "", seconds = "60"] = Deno.args;
  const timed = [workloads.W0, workloads.W1, workloads.W2];
  using gpu = await openGpu({ shapesFor: "gpu" });
  const found = [];
  for (const workload of timed) {
    using products = new StepProducts(gpu, workloadLog(workload), defaultModel, workload.users);
    const all = new Map<string, number[]>();
    /** Keeps what the products' own meter tells. */
    const meter: Meter<Named> = {
      prepare: async (key, variant) => ({
        ...await products.prepare(key, variant),
        name: `${key}, ${variant}`,
      }),
      async time(prepared) {
        const times = await products.time(prepared);
        prepared.forEach(({ name }, k) => all.set(name, [...all.get(name) ?? [], times[k] ?? NaN]));
        return times;
      },
      now: () => products.now(),
    };
    const { chosen, gain, untried } = await calibrate(
      products.products(),
      meter,
      1000 * Number(seconds) / timed.length,
    );
    const microseconds = Object.fromEntries([...all].map(([name, times]) => [name, median(times)]));
    found.push({ workload: workload.name, chosen, gain, untried, microseconds });
    // What was found is kept, should the next one take too long.
    await writeRecords(file, { adapter: gpu.adapter, found });
    console.log(`${workload.name}: ${JSON.stringify(chosen)}`);
  }
  gpu.check();
});
