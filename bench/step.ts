/**
 * What a training step is made of: its dispatches with the time, FLOPs and bytes of each, beside the time of whole
 * replayed steps. `deno task bench [--data FILE]`.
 */

import { Command } from "commander";
import { parse } from "../src/cli/options.ts";
import { runMain } from "../src/cli/fail.ts";
import { table } from "../src/cli/table.ts";
import { openGpu } from "../src/gpu/device.ts";
import { median, profileProgram } from "../src/gpu/profiler.ts";
import { defaultModel } from "../src/model/config.ts";
import { UserModel } from "../src/model/user_model.ts";
import { openDataset } from "../src/run/dataset.ts";
import { defaultTraining } from "../src/train/config.ts";
import { Trainer } from "../src/train/trainer.ts";

/** Steps that are timed together, and how often. */
const STEPS = 100;
const REPEATS = 5;

async function main(): Promise<void> {
  const command = new Command("deno task bench")
    .description("Profiles one training step: the time, FLOPs and bytes of each dispatch.")
    .option("--data <file>", 'a tab-separated click log in the paper\'s layout, or "demo"', "demo");
  const options = parse<{ data: string }>(command, Deno.args);
  const { log } = await openDataset(options.data, 1, false);
  const gpu = await openGpu();
  try {
    const model = new UserModel(gpu, log.items, defaultModel, { seed: 1 });
    const trainer = await Trainer.create(model, log, defaultTraining, { validate: false });
    const began = performance.now();
    await trainer.run(1);
    const compile = performance.now() - began;
    await trainer.run(20);

    const place = 0;
    const { plan, program } = trainer;
    const sizes = plan.put(place, trainer.batchOf(21), { slot: place, learningRate: 0, iteration: 21 });
    plan.upload(place, 1);
    const dispatches = await profileProgram(gpu, program.program, sizes, plan.offset(place));
    const times: number[] = [];
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      const start = performance.now();
      await trainer.run(trainer.iteration + STEPS);
      times.push((performance.now() - start) / STEPS);
    }

    const total = dispatches.reduce((sum, d) => sum + d.microseconds, 0);
    const { adapter } = gpu;
    console.log(`${adapter.description} (${adapter.kind}), ${adapter.runtime}`);
    console.log(
      `${log.name}: ${sizes.users} users, ${sizes.events} events, ${sizes.rows} rows, ${sizes.items} distinct items`,
    );
    console.log(table(
      ["", "dispatch", "kernel", "us", "share", "GFLOP/s", "GB/s"],
      dispatches.map((d, k) => [
        String(k + 1),
        d.label,
        d.kernel,
        d.microseconds.toFixed(0),
        `${(100 * d.microseconds / total).toFixed(1)} %`,
        d.flops > 0 ? (d.flops / d.microseconds / 1000).toFixed(2) : "-",
        d.bytes > 0 ? (d.bytes / d.microseconds / 1000).toFixed(2) : "-",
      ]),
    ));
    console.log(`sum of dispatches, each in a pass of its own: ${(total / 1000).toFixed(2)} ms`);
    const [least, most] = [Math.min(...times), Math.max(...times)].map((t) => t.toFixed(2));
    console.log(
      `a step in a training run of ${STEPS}: median ${median(times).toFixed(2)} ms (${least}..${most}); ` +
        `first step, with compilation: ${compile.toFixed(0)} ms`,
    );
    trainer.destroy();
    model.destroy();
  } finally {
    gpu.close();
  }
}

await runMain(main);
