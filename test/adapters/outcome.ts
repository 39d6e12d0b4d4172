/** What an implementation of WebGPU said, in a row. */

import { z } from "zod";
import { markdownTable } from "../../src/run/markers.ts";
import { UserError } from "../../src/user_error.ts";

/** JSON has text for numbers that it does not know. */
const number = z.union([z.number(), z.enum(["NaN", "Infinity", "-Infinity"]).transform(Number)]);
const elementSchema = z.object({ index: z.string(), expected: number, got: number, tolerance: number });
const schema = z.object({
  adapter: z.object({ description: z.string(), runtime: z.string() }),
  seconds: z.number(),
  kernels: z.array(z.object({
    kernel: z.string(),
    kind: z.enum(["cpu", "gpu"]),
    values: z.number(),
    differs: z.boolean(),
    worst: z.object({ element: elementSchema, case: z.string(), what: z.string(), share: number }).optional(),
  })),
  findings: z.array(z.object({
    name: z.string(),
    kind: z.enum(["cpu", "gpu"]),
    error: z.string().optional(),
    checks: z.array(z.object({
      kernels: z.array(z.string()),
      what: z.string(),
      values: z.number(),
      differs: z.boolean(),
      worst: elementSchema.optional(),
      fault: z.string().optional(),
    })),
  })),
});

export interface Outcome {
  readonly name: string;
  readonly result: z.infer<typeof schema>;
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
  const result = schema.parse(json);
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
