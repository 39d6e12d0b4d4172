/** All cases of the self-test, by the kernels for a kind of adapter. */

import type { Gpu } from "../gpu/device.ts";
import { type AdapterKind, sumVariantsFor } from "../gpu/kernel_shapes.ts";
import { batchCases } from "./batch_cases.ts";
import { type Checking, Checks, type Finding } from "./finding.ts";
import { networkCases } from "./slates/network_cases.ts";
import { type OpCases, opCases } from "./ops/op_cases.ts";
import { runOp } from "./ops/op_run.ts";
import { optimiserCases } from "./optimiser_cases.ts";
import { pageCases } from "./pages/page_cases.ts";
import { replayCases } from "./slates/replay_cases.ts";
import { slateCases } from "./slates/slate_cases.ts";
import { Program } from "../gpu/program.ts";
import { readFloats } from "../gpu/readback.ts";
import { StepHeaders } from "../gpu/step.ts";
import { outcomeSum } from "../ops/loss.ts";
import { CanaryArena, kernelsOf, twice } from "./harness.ts";
import { dimensions, normals } from "./optimiser_bench.ts";

/** One event; a workgroup's, one less and one more; and more than a turn of all. */
const EVENTS = [1, 255, 256, 257, 1000];
/** The step's place in the ring; others stay as they were. */
const SLOT = 2;

/** @param columns of an event's outcome */
async function checkSums(gpu: Gpu, checks: Checks, columns: number): Promise<void> {
  const choice = { shapes: gpu.shapes, workgroupBytes: 16384, subgroups: gpu.hasSubgroups };
  for (const variant of sumVariantsFor(choice)) {
    for (const events of EVENTS) {
      using arena = new CanaryArena(gpu, "sums");
      const given = normals(events * columns, "outcome", events);
      const view = arena.allocate("outcome", 4 * given.length);
      const ring = arena.allocate("ring", 4 * columns * (SLOT + 2));
      const sizes = { rows: 1, events, items: 1 };
      const headers = new StepHeaders(arena, dimensions, 1);
      headers.put(0, { sizes, counted: 1, first: 0 }, { slot: SLOT, learningRate: 0, iteration: 0 });
      headers.upload(0, 1);
      const shapes = { ...gpu.shapes, sum: { outcome_sum: variant } };
      const outcome = { name: "outcome", rows: "events" as const, columns, view };
      const specs = [outcomeSum({ dimensions, choice: { ...choice, shapes } }, outcome, ring)];
      const program = await Program.record(gpu, "sums", headers.buffer, specs);
      const before = normals(columns * (SLOT + 2), "ring", events);
      const [found] = await twice(arena, checks, specs, {
        start() {
          gpu.queue.writeBuffer(view.buffer, view.offset, given);
          gpu.queue.writeBuffer(ring.buffer, ring.offset, before);
        },
        encode: (commands) => program.encode(commands, sizes, 0),
        read: async () => [await readFloats(gpu, ring)],
      });
      const wanted = Float64Array.from(before);
      wanted.fill(0, columns * SLOT, columns * (SLOT + 1));
      given.forEach((x, k) => wanted[columns * SLOT + k % columns]! += x);
      checks.numbers(found?.subarray(0, wanted.length), wanted, {
        kernels: kernelsOf(specs),
        what: `sums of ${events} events`,
        columns,
        tolerance: (k) => Math.floor(k / columns) === SLOT ? 1e-5 * Math.sqrt(events) : 0,
      });
    }
  }
}

export const sumCases: readonly Checking[] = [4, 12].map((columns) => ({
  name: `sums of losses, ${columns} an event`,
  check: (gpu, checks) => checkSums(gpu, checks, columns),
}));

/** Some kernels, run on numbers whose results are known in f64. */
export interface SelftestCase {
  readonly name: string;
  /** Runs it. Throws nothing: what fails is in the finding. @param gpu with the kernel shapes of the case's kind */
  readonly run: (gpu: Gpu) => Promise<Finding>;
}

/** The cases, in the order of a training step; then simulated users and policies. */
export function selftestCases(kind: AdapterKind): SelftestCase[] {
  const all: Checking[] = [
    ...batchCases,
    ...opCases(kind).map(checkingOp),
    ...sumCases,
    ...optimiserCases,
    ...pageCases,
    ...slateCases,
    ...networkCases,
    ...replayCases,
  ];
  return all.map((checking) => ({ name: checking.name, run: (gpu) => findingOf(gpu, checking) }));
}

function checkingOp({ name, on, chosen }: OpCases): Checking {
  return {
    name,
    async check(gpu, checks) {
      const before = gpu.shapes;
      if (chosen) gpu.useShapes({ ...before, ...chosen });
      try {
        for (const one of on) await runOp(gpu, one, checks);
      } finally {
        gpu.useShapes(before);
      }
    },
  };
}

async function findingOf(gpu: Gpu, { name, check }: Checking): Promise<Finding> {
  const checks = new Checks();
  let error: string | undefined;
  try {
    await check(gpu, checks);
    gpu.check();
  } catch (thrown) {
    error = thrown instanceof Error ? thrown.message : String(thrown);
  }
  const kernels = [...new Set(checks.all.flatMap(({ kernels }) => kernels))];
  return { name, kernels, checks: checks.all, ...(error === undefined ? {} : { error }) };
}
