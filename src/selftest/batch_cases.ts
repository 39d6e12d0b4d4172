/** Batches: from users to events, rows, distinct items, rows by item, and items by token. */

import { BatchBuffers } from "../batch/batch_buffers.ts";
import { DeviceLog } from "../batch/device_log.ts";
import { batchCapacity, Plan } from "../batch/plan.ts";
import { referenceBatch } from "../batch/reference_batch.ts";
import { Commands } from "../gpu/commands.ts";
import type { Gpu } from "../gpu/device.ts";
import { making } from "../gpu/made.ts";
import { Program } from "../gpu/program.ts";
import { compareBatch, compareTokens } from "./batch_check.ts";
import { CanaryArena, kernelsOf } from "./harness.ts";
import type { Checking, Checks } from "./finding.ts";
import { type Batch, chunks, few, further, given, mixed, oneHot } from "./ops/op_batches.ts";

async function checkBatch(gpu: Gpu, { log, users }: Batch, checks: Checks): Promise<void> {
  const made = await making(async (made) => {
    const arena = made.keep(new CanaryArena(gpu, "batch"));
    const deviceLog = made.keep(new DeviceLog(gpu, log));
    const capacity = batchCapacity(log, users, users.length);
    const plan = made.keep(new Plan(gpu, log, capacity, 1));
    const sizes = plan.put(0, users, { slot: 0, learningRate: 0, iteration: 0 });
    plan.upload(0, 1);
    const batch = new BatchBuffers(arena, plan.view, deviceLog, capacity);
    const tokens = log.items.kind === "mixed" ? log.items.tokens : undefined;
    const pairs = tokens && batch.tokenPairs;
    const specs = [...batch.layout(), ...batch.ownDispatches()];
    const program = await Program.record(gpu, "batch", plan.steps, specs);
    // Twice: the bits of one batch must not stay for the next.
    const commands = new Commands(gpu, "batch");
    for (let run = 0; run < 2; run++) program.encode(commands, sizes, plan.offset(0));
    gpu.queue.submit([commands.finish()]);
    const expected = referenceBatch(log, users);
    await compareBatch(gpu, log, batch, 0, expected, sizes, checks);
    if (tokens && pairs) await compareTokens(gpu, tokens, pairs, expected, checks);
    await arena.check(checks, kernelsOf(specs));
    return made;
  });
  made.destroy();
}

/** Batches of few and of many rows, with given events and pages of several clicks, over items of all kinds. */
export const batchCases: readonly Checking[] = Object.entries({
  "few rows": few,
  "several chunks": chunks,
  "given events": given,
  "several clicks a page": further,
  "one-hot items": oneHot,
  "items with tokens": mixed.many,
}).map(([name, batch]) => ({
  name: `batch, ${name}`,
  check: (gpu, checks) => checkBatch(gpu, batch, checks),
}));
