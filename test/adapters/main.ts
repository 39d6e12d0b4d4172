/**
 * `deno task test:special adapters` runs the self-test on every WebGPU implementation found: wgpu (Deno's),
 * Dawn (Chromium's) on the same driver, and Dawn in Chromium on SwiftShader, its software adapter.
 */

import { Command } from "commander";
import { DENO_FLAGS } from "../../src/deno_flags.ts";
import { runMain } from "../../src/cli/run_main.ts";
import { parseAndRun, path } from "../../src/cli/command_options.ts";
import { GPU_ENVIRONMENT } from "../../src/cli/setup.ts";
import { stepProgress } from "../../src/cli/progress.ts";
import { expectMarkers, formatMarkdownTable, formatTable, writeBetweenMarkers } from "../../src/cli/table.ts";
import { findChromium } from "../chromium.ts";
import { type KernelFinding, listFaults, type SelftestResult } from "../../src/selftest/finding.ts";
import { UserError } from "../../src/user_error.ts";

interface Options {
  readme?: string;
  only: string;
  every: boolean;
}

const MARKERS = "selftest adapters";
const here = (file: string) => new URL(file, import.meta.url).href;

const implementations: readonly {
  readonly name: string;
  readonly script: string;
  readonly args: (only: string, every: boolean) => Promise<string[] | { missing: string }>;
}[] = [
  {
    name: "wgpu in Deno",
    script: here("../../src/commands/selftest.ts"),
    args: (only, every) =>
      Promise.resolve(["--json", ...(only === "" ? [] : ["--only", only]), ...(every ? ["--every"] : [])]),
  },
  {
    name: "Dawn in Deno",
    script: here("./dawn.ts"),
    args: (only, every) => Promise.resolve([only, String(every)]),
  },
  {
    name: "Dawn in Chromium",
    script: here("./dawn.ts"),
    args: async (only, every) => {
      const found = await findChromium();
      return typeof found === "string" ? [only, String(every), found] : found;
    },
  },
];

export interface AdapterOutcome {
  readonly name: string;
  readonly result: SelftestResult & { readonly kernels: readonly KernelFinding[] };
  readonly faults: readonly string[];
}

/** Formats NaN and infinities as text, because JSON has no such numbers. */
function known(_: string, value: unknown): unknown {
  return value === "NaN" || value === "Infinity" || value === "-Infinity" ? Number(value) : value;
}

/** Parses an adapter's result from a test's output. @throws UserError if the output has no JSON */
function parseOutcome(name: string, stdout: string, stderr: string): AdapterOutcome {
  try {
    const result: AdapterOutcome["result"] = JSON.parse(stdout, known);
    const faults = result.findings.flatMap((finding) =>
      listFaults(finding).map((text) => `${finding.name} (${finding.kind}): ${text}`)
    );
    return { name, result, faults };
  } catch {
    throw new UserError(`${name} came to no end:\n${stderr.slice(-3000)}`);
  }
}

const HEAD = ["implementation", "adapter", "cases", "kernels", "numbers", "cases that differ"];

function formatRows(outcomes: readonly AdapterOutcome[]): string[][] {
  return outcomes.map(({ name, result: { adapter, findings, kernels } }) => [
    name,
    adapter?.description ?? "",
    String(findings.length),
    String(new Set(kernels.map(({ kernel }) => kernel)).size),
    findings.flatMap(({ checks }) => checks).reduce((sum, { values }) => sum + values, 0).toLocaleString(
      "en",
    ),
    String(findings.filter((finding) => listFaults(finding).length > 0).length),
  ]);
}

async function runOne(name: string, script: string, args: readonly string[]): Promise<AdapterOutcome> {
  const progress = stepProgress();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", ...DENO_FLAGS, "--allow-all", script, ...args],
    env: { ...GPU_ENVIRONMENT, NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const said: string[] = [];
  const listen = async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      said.push(text);
      const [, number, of, title] = text.match(/\[?(\d+)\/(\d+)\]? (.+)/) ?? [];
      if (title) {
        progress.begin({
          title: `${name}: ${title}`,
          number: Number(number),
          of: Number(of),
          round: 0,
          rounds: 1,
        });
      }
    }
  };
  try {
    const [stdout] = await Promise.all([new Response(child.stdout).text(), listen()]);
    return parseOutcome(name, stdout, said.join(""));
  } finally {
    progress.stop();
  }
}

async function main({ readme, only, every }: Options): Promise<number> {
  if (readme !== undefined) await expectMarkers(readme, MARKERS);
  const outcomes: AdapterOutcome[] = [];
  for (const { name, script, args } of implementations) {
    const own = await args(only, every);
    if ("missing" in own) {
      console.log(`${name}: skipped, ${own.missing}`);
      continue;
    }
    outcomes.push(await runOne(name, script, own));
  }
  console.log(formatTable(HEAD, formatRows(outcomes)));
  for (const { name, faults } of outcomes) {
    if (faults.length > 0) console.log([`\n${name}:`, ...faults.map((text) => `  ${text}`)].join("\n"));
  }
  if (readme !== undefined) {
    await writeBetweenMarkers(readme, MARKERS, formatMarkdownTable(HEAD, formatRows(outcomes)).join("\n"));
  }
  return outcomes.some(({ faults }) => faults.length > 0) ? 1 : 0;
}

const command = new Command("deno task test:special adapters")
  .description("Runs the self-test by every implementation of WebGPU that is at hand.")
  .option("--only <name>", "only cases with this in their names", "")
  .option("--every", "also the kernels that an adapter never takes", false)
  .option("--readme <file>", "write the table between the markers of this file", path);
if (import.meta.main) {
  let code = 0;
  command.action(async () => {
    code = await main(command.opts<Options>());
  });
  await runMain(async () => {
    await parseAndRun(command, Deno.args);
    return code;
  });
}
