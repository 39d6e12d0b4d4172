/** `selftest`: every kernel against float64, on the adapter at hand. */

import { Command, Option } from "commander";
import { openGpu } from "../gpu/host/open_gpu.ts";
import type { AdapterKind } from "../gpu/kernel_variants.ts";
import {
  describeLeftOut,
  describeVerdict,
  formatSelftestJson,
  groupByKernel,
  type KernelFinding,
  listFaultyCases,
  type SelftestResult,
} from "../selftest/finding.ts";
import { runSelftest, selectCases } from "../selftest/run.ts";
import { UserError } from "../user_error.ts";
import { version } from "../version.ts";
import { EXIT_USER_ERROR, runMain } from "../cli/fail.ts";
import { parse } from "../cli/command_options.ts";
import { stepProgress } from "../cli/progress.ts";
import { formatTable } from "../cli/table.ts";
import { formatThousands } from "../number_text.ts";

interface SelftestOptions {
  variants: AdapterKind | "both";
  only?: string;
  every: boolean;
  json: boolean;
}

function parseOptions(args: readonly string[]): SelftestOptions {
  const command = new Command("deno task selftest")
    .description(
      "Runs every kernel on this adapter and compares what it computes, and its gradients, with the same in float64.",
    )
    .version(version)
    .addOption(
      new Option("--variants <kind>", "the kernels for which kind of adapter").choices(["cpu", "gpu", "both"])
        .default("both"),
    )
    .option("--only <name>", "only cases with this in their names, such as lstm")
    .option("--every", "also the kernels that this adapter never takes, where there are any", false)
    .option("--json", "print JSON", false)
    .addHelpText(
      "after",
      "\nOn SwiftShader, --every takes about an eighth longer, most of it to compile three more kernels. Other adapters leave none\n" +
        "out: there it changes nothing.\n\n" +
        "It ends with exit code 1 where something differs by more than rounding explains.\n" +
        "src/selftest/README.md says what is compared, and what other adapters said.\n\n" +
        "Example:\n  deno task selftest --only lstm",
    );
  return parse<SelftestOptions>(command, args);
}

/** "0.12" of the tolerance; "exact" where the bits are the same that must be. */
function shareText({ worst }: KernelFinding): string {
  if (!worst) return "-";
  const { share, element } = worst;
  return element.tolerance === 0 ? (share === 0 ? "exact" : "wrong") : share.toPrecision(2);
}

function report(result: SelftestResult): string {
  const { adapter, findings, leftOut, seconds } = result;
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
  const others = describeLeftOut(leftOut);
  return [
    adapter ? `${adapter.description} (${adapter.kind}), ${adapter.runtime}\n` : "",
    formatTable(["kernel", "variants", "numbers", "off, of what is allowed", "farthest off"], rows),
    ...faults,
    `\n${describeVerdict(findings, seconds)}`,
    ...others === "" ? [] : [`${others} All are run by deno task selftest --every`],
  ].join("\n");
}

async function main(): Promise<number> {
  const { variants, only, every, json } = parseOptions(Deno.args);
  const kinds = variants === "both" ? ["cpu", "gpu"] as const : [variants];
  if (kinds.every((kind) => selectCases(kind, only).length === 0)) {
    const names = new Set(kinds.flatMap((kind) => selectCases(kind).map(({ name }) => name)));
    throw new UserError(
      `Expected --only with a part of a case's name, got "${only}". There are:\n  ${[...names].join("\n  ")}`,
    );
  }
  using progress = stepProgress();
  const result = await runSelftest(openGpu, {
    kinds,
    only,
    leftOut: every ? "too" : "named",
    onCase: ({ name, kind, number, of }) =>
      progress.begin({ title: `${name} (${kind})`, number, of, round: 0, rounds: 1 }),
  });
  progress.stop();
  console.log(json ? formatSelftestJson(result) : report(result));
  return listFaultyCases(result.findings).length > 0 ? EXIT_USER_ERROR : 0;
}

await runMain(main);
