/** `deno task bench compiled`: compiles every kernel for several GPUs; needs no GPU. See compiled.md. */

import { type Command, InvalidArgumentError, Option } from "commander";
import { HTML_FILE, JSON_FILE } from "../src/cli/arguments.ts";
import { makeOutputFileParser, path } from "../src/cli/command_options.ts";
import type { AdapterKind } from "../src/gpu/kernel_variants.ts";
import type { MachineCode } from "../src/lab/draw/kernel_panel.ts";
import type { Workload } from "../src/profile/workloads.ts";
import { benchModels, createBenchLog, mixedWorkload, workloads } from "../src/profile/workloads.ts";
import { UserError } from "../src/user_error.ts";
import { cards } from "./compiled/time_model.ts";
import { gather, type GatheredTexts, gatherFile, recompileWithTint } from "./compiled/gather.ts";
import { compileAll, type CompiledFacts, type CompiledReport, type CompiledText } from "./compiled/report.ts";
import {
  describeShownCode,
  factNames,
  formatFacts,
  listCardCells,
  listFactCells,
  listGpuCells,
  listTextCells,
  selectFirstTexts,
  stepCells,
} from "./compiled/tables.ts";
import { getJsonPath } from "./ladder.ts";
import { describeMissingCompiler } from "./compiled/vulkan.ts";
import {
  createOnlyOption,
  createPatternOption,
  createReadmeOption,
  createStudy,
  expectRecords,
  getPagePath,
  makeNamesParser,
  printTable,
  selectMatching,
  StudyPage,
  StudyStatus,
  writeRecords,
} from "./study.ts";
import { Html, markup } from "../src/report/html.ts";
import { expectPage, renderNote, renderSection, writePage } from "../src/report/page_shell.ts";
import { renderCells } from "./bench_page.ts";

const FORMAT = "clickgan-compiled";
const RECORDING_MARK = '\n{\n "compiler": ';
/** Maximum number of lines of machine code stored per kernel. */
const MOST_LINES = 100;
const MARKERS = { gpus: "bench compiled gpus", steps: "bench compiled steps" };
/** RADV's names of the GPUs for which kernels are compiled. */
const FAMILIES = cards.map(({ family }) => family);
const { W0, W1, W2, W4 } = workloads;
/** Workloads in the order in which their kernels are compiled. Tables show a kernel's first variant only. */
const WORKLOADS: readonly Workload[] = [W1, W2, mixedWorkload, W0, W4];
/** Name by which `--model` selects the kernels of simulated users and policies. */
const SIMULATED = "simulated users";
const SUBJECTS = [...benchModels.map(({ name }) => name), SIMULATED];

interface CompiledOptions {
  readonly gpu: string[];
  readonly model: RegExp;
  readonly workload: string[];
  readonly only: RegExp;
  readonly variants: AdapterKind;
  readonly wgsl: "naga" | "tint";
  readonly file?: string;
  readonly set: Map<string, string>;
  readonly subgroup?: string;
  readonly checks: boolean;
  readonly code: boolean;
  readonly json: string;
  readonly html?: string;
  readonly readme?: string;
}

export function createCommand(): Command {
  const own = createStudy(
    "compiled",
    "Compiles every kernel with Mesa's compiler for AMD GPUs, without a GPU. Shows registers, spills, " +
      "subgroups per SIMD, instructions, and machine code.",
  )
    .addOption(
      new Option("--gpu <names>", `GPUs by RADV's names, joined by commas: ${FAMILIES.join(", ")}`)
        .argParser(makeNamesParser(FAMILIES)).default(FAMILIES, "all"),
    )
    .addOption(createPatternOption("--model <pattern>", `only models that match: ${SUBJECTS.join(", ")}`))
    .addOption(
      new Option("--workload <names>", "names of workloads (see bench/README.md), joined by commas")
        .argParser(makeNamesParser(WORKLOADS.map(({ name }) => name)))
        .default(["W1", "W2", "W6", "W0"], "W1,W2,W6,W0"),
    )
    .addOption(createOnlyOption("kernels whose name"))
    .addOption(
      new Option("--variants <kind>", "compile the kernel variants for this kind of adapter")
        .choices(["gpu", "cpu"]).default("gpu"),
    )
    .addOption(
      new Option("--wgsl <compiler>", "compiler from WGSL to SPIR-V: Deno's naga, or Chrome's Tint")
        .choices(["naga", "tint"]).default("naga"),
    )
    .option("--file <file>", "compile only this WGSL file, with one entry point", path)
    .option(
      "--set <NAME=value>",
      "set a constant or override of the WGSL file; may be repeated",
      parseConstant,
      new Map(),
    )
    .addOption(
      new Option("--subgroup <lanes>", "lanes per subgroup (default: chosen by the driver)")
        .choices(["32", "64"]),
    )
    .option(
      "--code",
      "print machine code: a kernel's innermost loop, or all if no loop has most of the arithmetic",
      false,
    )
    .option("--no-checks", "let the driver omit bounds checks of buffers")
    .option(JSON_FILE, "JSON file for the results", makeOutputFileParser(".json"), "bench/out/compiled.json")
    .option(
      HTML_FILE,
      "HTML file for the page (default: next to --json)",
      makeOutputFileParser(".html", ".htm"),
    )
    .option(
      ...createReadmeOption(
        Object.values(MARKERS).join(" -->, <!-- "),
        "the tables, and a JSON file next to the page",
      ),
    )
    .addHelpText(
      "after",
      "\nExamples:\n  deno task -q bench compiled --gpu navi31 --only matmul\n" +
        "  deno task -q bench compiled --gpu navi31,mi200 --file mine.wgsl --set K4=16",
    );
  return own.action(() => run(own.opts<CompiledOptions>()));
}

function parseConstant(text: string, before: Map<string, string>): Map<string, string> {
  const [, name, value] = text.match(/^(\w+)=(-?[\w.]+)$/) ?? [];
  if (name === undefined || value === undefined) {
    throw new InvalidArgumentError(`Expected NAME=value, such as K4=16, got "${text}".`);
  }
  return new Map([...before, [name, value]]);
}

async function run(options: CompiledOptions): Promise<void> {
  const missing = describeMissingCompiler();
  if (missing !== undefined) throw new UserError(`Expected Mesa's compiler for AMD GPUs: ${missing}`);
  expectRecords(options.json, FORMAT);
  expectPage(getPagePath(options), "compiled");
  const page = await StudyPage.open(options.readme, ...Object.values(MARKERS));
  using status = new StudyStatus();
  const onProgress = (text: string) => status.show(text);
  const byNaga = await gatherTexts(options, onProgress);
  const gathered = options.wgsl === "tint" ? await recompileWithTint(byNaga, onProgress) : byNaga;
  const { gpu: gpus, checks: checked } = options;
  const subgroup = options.subgroup === undefined ? undefined : Number(options.subgroup);
  const compiled = compileAll(gathered, { gpus, checked, subgroup, onProgress });
  status.clear();
  await outputResults(compiled, page, options);
}

async function gatherTexts(
  options: CompiledOptions,
  onProgress: (text: string) => void,
): Promise<GatheredTexts> {
  const { file, set, only, model, variants: kind } = options;
  if (file !== undefined) return await gatherFile(file, set);
  if (set.size > 0) {
    throw new UserError("Expected --file with --set, got --set alone. Use --file to name a WGSL file.");
  }
  const all = await gather({
    logs: WORKLOADS.filter(({ name }) => options.workload.includes(name)).map((one) => () =>
      createBenchLog(one)
    ),
    models: benchModels.filter(({ name }) => model.test(name)),
    simulated: model.test(SIMULATED),
    kind,
    onProgress,
  });
  if (all.texts.length === 0) {
    throw new UserError(`Expected --model to match one of ${SUBJECTS.join(", ")}, got ${model.source}.`);
  }
  if (only.source === ".") return all;
  const named = new Set(
    selectMatching(all.texts.map(({ kernel: name }) => ({ name })), only, "a kernel").map((one) => one.name),
  );
  return { texts: all.texts.filter(({ kernel }) => named.has(kernel)), steps: [] };
}

async function outputResults(
  compiled: CompiledReport,
  page: StudyPage,
  options: CompiledOptions,
): Promise<void> {
  const { compiler, gpus, texts, steps } = compiled;
  const shown = steps.length > 0 ? selectFirstTexts(texts) : texts;
  console.log(`${compiler} compiled ${texts.length} texts of ${selectFirstTexts(texts).length} kernels.`);
  for (const gpu of options.file === undefined ? gpus : []) printTable(listTextCells(shown, gpu), gpu);
  for (const text of options.file === undefined ? [] : texts) printTable(listFactCells(text), text.kernel);
  for (const { kernel, facts } of options.code ? shown : []) {
    for (const own of Object.values(facts)) {
      const { lines } = own.loop ?? own;
      console.log(`\n${kernel}, ${own.gpu}${describeShownCode(own)}:\n${lines.join("\n")}`);
    }
  }
  if (steps.length > 0) printTable(stepCells(steps, gpus), "Steps: estimated, not measured");
  await writeRecords(options.json, listRecords(compiled));
  const html = getPagePath(options);
  await writeCompiledPage(html, compiled, shown);
  console.log(`\nResults: ${options.json}. Machine code: ${html}`);
  const on = `${compiler}, Deno ${Deno.version.deno}`;
  await page.write(MARKERS.gpus, `${on}:`, listGpuCells(compiled, shown));
  await page.write(MARKERS.steps, listCardCells(gpus), stepCells(steps, gpus));
  if (options.readme !== undefined) {
    await writeRecords(getJsonPath(options.readme), buildMachineCode(compiled), RECORDING_MARK);
  }
}

/** Returns each kernel's machine code for the first GPU: only the main loop, if the kernel has one. */
function buildMachineCode({ compiler, gpus: [gpu = ""], texts }: CompiledReport): MachineCode {
  const kernels = selectFirstTexts(texts).flatMap(({ kernel, uses: [where = ""], facts: { [gpu]: own } }) => {
    if (!own) return [];
    const code = (own.loop ?? own).lines.filter((line) => !/^ *s_(delay_alu|nop)\b/.test(line));
    const part = { isLoop: own.loop !== undefined, code: code.slice(0, MOST_LINES), lines: code.length };
    return [{ kernel, where, facts: formatFacts(own), ...part }];
  });
  return { compiler, gpu, names: factNames, kernels };
}

/** Returns the results for the JSON file, without WGSL and machine code. */
function listRecords({ texts, ...others }: CompiledReport): object {
  const without = ({ loop, ...facts }: CompiledFacts) => ({
    ...{ ...facts, lines: undefined },
    loop: loop && { ...loop, lines: undefined },
  });
  return {
    format: FORMAT,
    ...others,
    texts: texts.map(({ kernel, uses, facts }) => ({
      kernel,
      uses,
      facts: Object.values(facts).map(without),
    })),
  };
}

const STYLE = `
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 1rem; }
.columns pre { overflow: auto; max-height: 40rem; font-size: .8rem; }
`;

/** Writes a page with each kernel's WGSL and machine code. @throws UserError if writing fails. */
async function writeCompiledPage(
  file: string,
  compiled: CompiledReport,
  texts: readonly CompiledText[],
): Promise<void> {
  const { compiler, gpus, steps } = compiled;
  const parts = texts.map((text, k) => renderSection(`text-${k}`, text.kernel, renderText(text)));
  const estimated = stepCells(steps, gpus);
  const main = markup`${
    steps.length > 0 &&
    renderSection("steps", "Steps, estimated and not measured", renderCells(estimated, "Steps, estimated"))
  }
${parts}`;
  const header = markup`<h1>clickgan, compiled</h1>
<p class="path">${compiler}, for ${gpus.join(", ")}</p>
${
    renderNote(
      "The kernels were compiled for a GPU, but not run. Machine code: the innermost loop with most of " +
        "the arithmetic or, without such a loop, all code.",
    )
  }`;
  await writePage(file, { kind: "compiled", title: "clickgan, compiled", header, main, rules: STYLE });
}

function renderText(text: CompiledText): Html {
  const { kernel, source, uses, facts } = text;
  const code = Object.values(facts).map((one, k) =>
    markup`
<details${k === 0 && new Html(" open")}><summary>${one.gpu}${describeShownCode(one)}</summary>
<pre>${(one.loop ?? one).lines.join("\n")}</pre></details>`
  );
  return markup`<p class="note">${uses.join("; ")}</p>
${renderCells(listFactCells(text), kernel)}
<div class="columns"><pre>${source.replace(/^(\/\/.*\n|\n)+/, "")}</pre><div>${code}</div></div>`;
}
