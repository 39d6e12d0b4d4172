/** The model of time beside what a card measured. */

import { benchModels } from "../../src/selftest/profile/recordings.ts";
import type { StepResult } from "../../src/selftest/profile/bench_report.ts";
import type { BenchLog } from "../../src/selftest/profile/workloads.ts";
import type { Cells } from "../output.ts";
import type { Card } from "./cards.ts";
import { gather } from "./gather.ts";
import { compileAll } from "./report.ts";
import { besideMeasuredCells } from "./tables.ts";

/** A table for each step that was measured. @throws UserError where nothing can be compiled. */
export async function besideMeasured(
  { family, name }: Card,
  steps: readonly StepResult[],
  logs: readonly (() => BenchLog)[],
): Promise<{ title: string; cells: Cells }[]> {
  const models = benchModels.filter((model) => steps.some((step) => step.model === model.name));
  const compiled = compileAll(await gather({ logs, models, simulated: false, kind: "gpu" }), { gpus: [family] });
  return steps.flatMap(({ workload, model, dispatches }) => {
    const own = compiled.steps.find((step) => step.workload === workload && step.model === model);
    if (!own) return [];
    const title = `${workload} ${model}: reckoned for ${name}, beside what it measured`;
    return [{ title, cells: besideMeasuredCells(own, family, dispatches) }];
  });
}
