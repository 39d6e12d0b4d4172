/**
 * Times every kernel that a calibration chooses among, on this adapter: `deno run calibrate.ts FILE SECONDS`. With more time
 * than a training gives it, and all times kept. Those of a GPU, whatever the adapter.
 */

import { Made } from "../../src/gpu/made.ts";
import { calibrate, type Meter } from "../../src/selftest/calibration/calibrate.ts";
import { type PreparedProduct, StepProducts } from "../../src/selftest/calibration/step_products.ts";
import { runMain } from "../../src/cli/fail.ts";
import { openGpu } from "../../src/gpu/host/open_gpu.ts";
import type { KernelVariant } from "../../src/gpu/kernel_shapes.ts";
import { median } from "../../src/gpu/profiler.ts";
import { defaultModel } from "../../src/model/config.ts";
import { workloadLog, workloads } from "../../src/selftest/profile/workloads.ts";
import { writeRecords } from "../output.ts";

type Named = PreparedProduct & { readonly name: string };

/** Keeps what a meter tells. */
class Recording implements Meter<Named> {
  readonly times = new Map<string, number[]>();
  constructor(private readonly meter: StepProducts) {}

  async prepare(key: string, variant: KernelVariant): Promise<Named> {
    return { ...await this.meter.prepare(key, variant), name: `${key}, ${variant}` };
  }
  async time(prepared: readonly Named[]): Promise<number[]> {
    const times = await this.meter.time(prepared);
    prepared.forEach(({ name }, k) => this.times.set(name, [...this.times.get(name) ?? [], times[k] ?? NaN]));
    return times;
  }
  now(): number {
    return this.meter.now();
  }
}

await runMain(async () => {
  const [file = "", seconds = "60"] = Deno.args;
  const all = [workloads.W0, workloads.W1, workloads.W2];
  using gpu = await openGpu({ shapesFor: "gpu" });
  const found = [];
  for (const workload of all) {
    using made = new Made();
    const products = made.keep(new StepProducts(gpu, workloadLog(workload), defaultModel, workload.users));
    const meter = new Recording(products);
    const { chosen, gain, untried } = await calibrate(
      products.products(),
      meter,
      1000 * Number(seconds) / all.length,
    );
    const microseconds = Object.fromEntries([...meter.times].map(([name, times]) => [name, median(times)]));
    found.push({ workload: workload.name, chosen, gain, untried, microseconds });
    // What was found is kept, should the next one take too long.
    await writeRecords(file, { adapter: gpu.adapter, found });
    console.log(`${workload.name}: ${JSON.stringify(chosen)}`);
  }
  gpu.check();
});
