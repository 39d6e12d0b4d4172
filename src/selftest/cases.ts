/** All cases of the self-test, by the kernels for a kind of adapter. */

import type { Gpu } from "../gpu/device.ts";
import type { AdapterKind } from "../gpu/kernel_shapes.ts";
import { batchCases } from "./batch_cases.ts";
import { type Checking, Checks, type Finding } from "./finding.ts";
import { networkCases } from "./slates/network_cases.ts";
import { type OpCases, opCases } from "./ops/op_cases.ts";
import { runOp } from "./ops/op_run.ts";
import { optimiserCases } from "./optimiser_cases.ts";
import { pageCases } from "./pages/page_cases.ts";
import { replayCases } from "./slates/replay_cases.ts";
import { sumCases } from "./sum_cases.ts";
import { slateCases } from "./slates/slate_cases.ts";

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
