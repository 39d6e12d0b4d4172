import assert from "node:assert/strict";
import fc from "fast-check";
import { BatchIndexBuffers } from "../../src/batch/batch_buffers.ts";
import { DeviceLog } from "../../src/batch/device_log.ts";
import { BatchPlan, computeBatchCapacity, maxSizes } from "../../src/batch/plan.ts";
import { buildReferenceBatch } from "../../src/batch/reference_batch.ts";
import { type ClickLog, isPredicted } from "../../src/data/click_log.ts";
import { Arena } from "../../src/gpu/arena.ts";
import { CommandRecorder } from "../../src/gpu/commands.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { Program } from "../../src/gpu/program.ts";
import type { ClickSizes } from "../../src/batch/click_sizes.ts";
import { compareBatch } from "../../src/selftest/batch_cases.ts";
import { CheckCollector, checkText } from "../../src/selftest/finding.ts";
import { withGpu } from "../op_check.ts";
import type { TrainingPage } from "../../src/selftest/small_logs.ts";
import { createSmallLog, drawPermutation, logOfPages } from "../../src/selftest/small_logs.ts";

/** Builds batches one by one in the same memory, then in parallel, and compares them with the reference. */
async function check(gpu: Gpu, log: ClickLog, batches: readonly (readonly number[])[]): Promise<void> {
  const most = Math.max(...batches.map((users) => users.length));
  const users = batches.flat();
  const capacity = { ...computeBatchCapacity(log, users, users.length), users: most };
  using stack = new DisposableStack();
  const deviceLog = stack.use(new DeviceLog(gpu, log));
  const checks = new CheckCollector();
  for (const headersEach of [1, 3]) {
    const slices = headersEach === 1 ? 1 : batches.length;
    using arena = new Arena(gpu, "batch");
    using plan = new BatchPlan(gpu, log, capacity, batches.length, headersEach, slices);
    const batch = new BatchIndexBuffers(arena, plan.view, deviceLog, capacity, plan);
    const program = await Program.record(gpu, "batch", plan.steps, [
      ...batch.layout(),
      ...batch.ownDispatches(),
    ]);
    const layOut = (sizes: ClickSizes, place: number, count: number) => {
      plan.upload(place, count);
      CommandRecorder.submit(
        gpu,
        "test",
        (commands) => program.encode(commands, sizes, plan.offset(place), { index: 0, count }),
      );
    };
    const all: { users: readonly number[]; sizes: ClickSizes }[] = [];
    for (const users of batches) {
      const place = all.length;
      const expected = buildReferenceBatch(log, users);
      const put = () => plan.put(place, users, { slot: 0, learningRate: 0, iteration: 0 });
      const counted = expected.events.filter(({ click }) => isPredicted(click)).length;
      if (counted === 0) {
        assert.throws(put, /got \d+ users whose \d+ events are all context events/);
        continue;
      }
      const sizes = put();
      assert.deepEqual(sizes, {
        users: users.length,
        events: expected.events.length,
        rows: expected.rows.length,
        items: expected.slotItem.length,
        counted,
      });
      all.push({ users, sizes });
      if (slices > 1) continue;
      layOut(sizes, place, 1);
      await compareBatch(gpu, log, batch, 0, expected, sizes, checks);
    }
    if (slices === 1 || all.length === 0) continue;
    layOut(maxSizes(all.map(({ sizes }) => sizes)), 0, all.length);
    for (const [slice, { users, sizes }] of all.entries()) {
      await compareBatch(gpu, log, batch, slice, buildReferenceBatch(log, users), sizes, checks);
    }
  }
  assert.deepEqual(checks.all.filter(({ differs }) => differs).map(checkText), []);
}

Deno.test("batch kernels: any log, any users and two batches of one program match the reference", () =>
  withGpu(undefined, (gpu) =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          seed: fc.nat(1000),
          users: fc.integer({ min: 1, max: 90 }),
          items: fc.integer({ min: 1, max: 200 }),
          width: fc.constantFrom(0, 2),
          noClick: fc.constantFrom(0, 0.3, 1),
          given: fc.constantFrom(0, 0.4),
          earlier: fc.constantFrom(0, 0.4),
          further: fc.constantFrom(0, 0.6),
          maxEvents: fc.integer({ min: 1, max: 8 }),
          maxPage: fc.integer({ min: 1, max: 12 }),
        }),
        fc.infiniteStream(fc.nat(1000)),
        async (options, draws) => {
          const log = createSmallLog(options.seed, options);
          const take = (count: number) =>
            Array.from({ length: count }, () => Number(draws.next().value) % options.users);
          const distinct = (users: number[]) => [...new Set(users)];
          await check(gpu, log, [distinct(take(40)), distinct(take(1)), distinct(take(90))]);
        },
      ),
      { numRuns: 12, seed: 5 },
    )));

// batch_rank.wgsl has 64 invocations; here each processes several words of 32 rows.
for (const kind of ["cpu", "gpu"] as const) {
  Deno.test(`batch kernels: a log of thousands of rows, ${kind}`, () =>
    withGpu(kind, (gpu) => {
      const log = createSmallLog(9, { users: 150, items: 90, width: 0, maxEvents: 9, maxPage: 12 });
      assert.ok(log.rowItem.length > 2 * 32 * 64, String(log.rowItem.length));
      return check(gpu, log, [drawPermutation(3, 150), drawPermutation(4, 150).slice(0, 40)]);
    }));
}

Deno.test("batch kernels: users without events are supported", () =>
  withGpu(undefined, (gpu) => {
    const own: TrainingPage[][] = [[], [[[0, 1], 1], [[2], -1]], [], [[[2, 0, 1], 0]], []];
    const log = logOfPages({ kind: "one-hot", count: 3 }, own);
    return check(gpu, log, [[0, 1, 2, 3, 4], [4, 3, 0], [2, 1], [3]]);
  }));

Deno.test("a log with more events, rows or items than allocated is refused", () =>
  withGpu(undefined, (gpu) => {
    const log = createSmallLog(7, { users: 12, items: 30, width: 0 });
    const room = {
      events: log.eventClick.length,
      rows: log.rowItem.length,
      items: new Set(log.rowItem).size,
    };
    new DeviceLog(gpu, log, room)[Symbol.dispose]();
    for (const what of ["events", "rows", "items"] as const) {
      const less = { ...room, [what]: room[what] - 1 };
      assert.throws(() => new DeviceLog(gpu, log, less), /exceeds the capacity/, what);
    }
  }));
