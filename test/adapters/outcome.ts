/** What an implementation of WebGPU said, in a row. */

import { faultsOf } from "../../src/selftest/finding.ts";
import type { KernelResult, SelftestResult } from "../../src/selftest/results.ts";
import { UserError } from "../../src/user_error.ts";

export interface Outcome {
  readonly name: string;
  /** As `selftestJson` writes it. */
  readonly result: SelftestResult & { readonly kernels: readonly KernelResult[] };
  readonly faults: readonly string[];
}

/** JSON has text for numbers that it does not know. */
function known(_: string, value: unknown): unknown {
  return value === "NaN" || value === "Infinity" || value === "-Infinity" ? Number(value) : value;
}

/** @throws UserError where it printed no JSON */
export function outcomeOf(name: string, stdout: string, stderr: string): Outcome {
  try {
    const result: Outcome["result"] = JSON.parse(stdout, known);
    const faults = result.findings.flatMap((finding) =>
      faultsOf(finding).map((text) => `${finding.name} (${finding.kind}): ${text}`)
    );
    return { name, result, faults };
  } catch {
    throw new UserError(`${name} came to no end:\n${stderr.slice(-3000)}`);
  }
}

export const HEAD = ["implementation", "adapter", "cases", "kernels", "numbers", "cases that differ"];

export function rowsOf(outcomes: readonly Outcome[]): string[][] {
  return outcomes.map(({ name, result: { adapter, findings, kernels } }) => [
    name,
    adapter?.description ?? "",
    String(findings.length),
    String(new Set(kernels.map(({ kernel }) => kernel)).size),
    findings.flatMap(({ checks }) => checks).reduce((sum, { values }) => sum + values, 0).toLocaleString(
      "en",
    ),
    String(findings.filter((finding) => faultsOf(finding).length > 0).length),
  ]);
}
