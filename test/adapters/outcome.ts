/** What an implementation of WebGPU said, in a row. */

import * as v from "../../src/schema.ts";
import { markdownTable } from "../../src/run/markers.ts";
import { UserError } from "../../src/user_error.ts";

/** JSON has text for numbers that it does not know. */
const number = v.union([
  v.finiteNumber(),
  v.pipe(v.picklist(["NaN", "Infinity", "-Infinity"]), v.transform(Number)),
]);
const elementSchema = v.object({ index: v.string(), expected: number, got: number, tolerance: number });
const schema = v.object({
  adapter: v.object({ description: v.string(), runtime: v.string() }),
  seconds: v.finiteNumber(),
  kernels: v.array(v.object({
    kernel: v.string(),
    kind: v.picklist(["cpu", "gpu"]),
    values: v.finiteNumber(),
    differs: v.boolean(),
    worst: v.optional(
      v.object({ element: elementSchema, case: v.string(), what: v.string(), share: number }),
    ),
  })),
  findings: v.array(v.object({
    name: v.string(),
    kind: v.picklist(["cpu", "gpu"]),
    error: v.optional(v.string()),
    checks: v.array(v.object({
      kernels: v.array(v.string()),
      what: v.string(),
      values: v.finiteNumber(),
      differs: v.boolean(),
      worst: v.optional(elementSchema),
      fault: v.optional(v.string()),
    })),
  })),
});

export interface Outcome {
  readonly name: string;
  readonly result: v.InferOutput<typeof schema>;
  readonly faults: readonly string[];
}

/** @throws UserError where it printed no JSON */
export function outcomeOf(name: string, stdout: string, stderr: string): Outcome {
  let json: unknown;
  try {
    json = JSON.parse(stdout);
  } catch {
    throw new UserError(`${name} came to no end:\n${stderr.slice(-3000)}`);
  }
  const result = v.parse(schema, json);
  const faults = result.findings.flatMap(({ name, kind, checks, error }) => [
    ...checks.filter(({ differs }) => differs).map(({ kernels, what, worst, fault }) =>
      `${name} (${kind}): ${kernels.join(", ")}: ${what} ${fault ?? JSON.stringify(worst)}`
    ),
    ...(error ? [`${name} (${kind}): ${error}`] : []),
  ]);
  return { name, result, faults };
}

export const HEAD = ["implementation", "adapter", "cases", "kernels", "numbers", "cases that differ"];

export function rowsOf(outcomes: readonly Outcome[]): string[][] {
  return outcomes.map(({ name, result: { adapter, findings, kernels } }) => [
    name,
    adapter.description,
    String(findings.length),
    String(new Set(kernels.map(({ kernel }) => kernel)).size),
    findings.flatMap(({ checks }) => checks).reduce((sum, { values }) => sum + values, 0).toLocaleString(
      "en",
    ),
    String(findings.filter(({ checks, error }) => error || checks.some(({ differs }) => differs)).length),
  ]);
}

/** How far off each kernel is at most, as a share of what is allowed, by each implementation. */
export function valuesOf(outcomes: readonly Outcome[]): string[] {
  const all = new Map<string, string[]>();
  outcomes.forEach(({ result }, k) => {
    for (const { kernel, kind, worst } of result.kernels) {
      const key = `${kernel} | ${kind}`;
      const row = all.get(key) ?? outcomes.map(() => "");
      const exact = worst?.element.tolerance === 0;
      row[k] = !worst ? "-" : exact ? (worst.share === 0 ? "exact" : "differs") : worst.share.toPrecision(2);
      all.set(key, row);
    }
  });
  const rows = [...all].map((
    [key, cells],
  ) => [...key.split(" | ").map((text, k) => k === 0 ? `\`${text}\`` : text), ...cells]);
  return markdownTable(["kernel", "shapes", ...outcomes.map(({ name }) => name)], rows);
}
