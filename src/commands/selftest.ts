/** `selftest`: compares the results of all kernels on this machine's adapter with float64 references. */

import { Option } from "commander";
import { openGpu } from "../gpu/host/open_gpu.ts";
import type { AdapterKind } from "../gpu/kernel_variants.ts";
import type { KernelFinding, SelftestResult } from "../selftest/finding.ts";
import { describeVerdict, formatSelftestJson, groupByKernel, listFaultyCases } from "../selftest/finding.ts";
import { runSelftest, selectCases } from "../selftest/run.ts";
import { UserError } from "../user_error.ts";
import { EXIT_USER_ERROR, runMain } from "../cli/run_main.ts";
import { createCommand, parse } from "../cli/command_options.ts";
import { stepProgress } from "../cli/progress.ts";
import { formatTable } from "../cli/table.ts";
import { formatThousands } from "../number_text.ts";

interface SelftestOptions {
  variants: AdapterKind | "both";
  only?: string;
  json: boolean;
}

function parseOptions(args: readonly string[]): SelftestOptions {
  const command = createCommand(
    "selftest",
    "Runs every kernel on this adapter, and compares results and gradients with a float64 reference.",
  )
    .addOption(
      new Option("--variants <kind>", "test the kernel variants for this kind of adapter").choices([
        "cpu",
        "gpu",
        "both",
      ])
        .default("both"),
    )
    .option("--only <name>", "run only test cases whose names contain this text, such as lstm")
    .option("--json", "print JSON", false)
    .addHelpText(
      "after",
      "\nThe exit code is 1 if a difference exceeds the rounding tolerance.\n" +
        "src/selftest/README.md describes the comparison, and has results of other adapters.\n\n" +
        "Example:\n  deno task -q selftest --only lstm",
    );
  return parse<SelftestOptions>(command, args);
}

/** Formats the largest ratio of error to tolerance: "0.12"; for a tolerance of 0, "exact" or "wrong". */
function shareText({ worst }: KernelFinding): string {
  if (!worst) return "-";
  const { share, element } = worst;
  return element.tolerance === 0 ? (share === 0 ? "exact" : "wrong") : share.toPrecision(2);
}

function report(result: SelftestResult): string {
  const { adapter, findings, seconds } = result;
  const kernels = groupByKernel(findings);
  const rows = kernels.map((kernel) => [
    kernel.kernel,
    kernel.kind,
    formatThousands(kernel.values),
    shareText(kernel),
    kernel.worst ? `${kernel.worst.what} ${kernel.worst.element.index}` : "",
  ]);
  const faults = listFaultyCases(findings).flatMap(({ head, faults }) => [
    `\n${head}`,
    ...faults.map((text) => `  ${text}`),
  ]);
  return [
    adapter ? `${adapter.description} (${adapter.kind}), ${adapter.runtime}\n` : "",
    formatTable(["kernel", "variants", "numbers", "error / tolerance", "largest at"], rows, {
      drop: ["largest at", "numbers", "variants"],
    }),
    ...faults,
    `\n${describeVerdict(findings, seconds)}`,
  ].join("\n");
}

async function main(): Promise<number> {
  const { variants, only, json } = parseOptions(Deno.args);
  const kinds = variants === "both" ? ["cpu", "gpu"] as const : [variants];
  if (kinds.every((kind) => selectCases(kind, only).length === 0)) {
    const names = new Set(kinds.flatMap((kind) => selectCases(kind).map(({ name }) => name)));
    throw new UserError(
      `Expected a part of a test case's name in --only, got "${only}". Cases:\n  ${[...names].join("\n  ")}`,
    );
  }
  using progress = stepProgress();
  const result = await runSelftest(openGpu, {
    kinds,
    only,
    onCase: ({ name, kind, number, of }) =>
      progress.begin({ title: `${name} (${kind})`, number, of, round: 0, rounds: 1 }),
  });
  progress.stop();
  console.log(json ? formatSelftestJson(result) : report(result));
  return listFaultyCases(result.findings).length > 0 ? EXIT_USER_ERROR : 0;
}

await runMain(main);
