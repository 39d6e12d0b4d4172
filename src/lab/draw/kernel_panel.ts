/** Renders the details of a dispatch, such as its measurements, work split, bindings and WGSL text. */

import { highlightText, languages } from "prism-code-editor/prism";
import type { DispatchMeasurement, ShippedLadder } from "../../profile/bench_report.ts";
import { countAccesses, formatAccessCount, type LoadRequests } from "../../kernel_analysis/access_counts.ts";
import { Html, markup } from "../../report/html.ts";
import { renderFacts } from "../../report/report_tables.ts";
import { computeRooflinePosition, type RooflineCeilings } from "../../profile/roofline.ts";
import { estimateMedianError } from "../../profile/timing.ts";
import type { DispatchSummary, KernelSummary } from "../client/services/step_service.ts";
import { chooseMiddle, countChoices, countLaunched, renderOwned } from "./ownership.ts";
import { formatPercent, formatShort } from "../../number_text.ts";
import { formatBytes, formatCount, formatMicroseconds, renderScrollTable } from "./text.ts";
import { isUnsure } from "./timeline.ts";

/** Data that build.ts writes into the page. */
export interface PageData {
  readonly texts: KernelTexts;
  readonly ladders: readonly ShippedLadder[];
  readonly machineCode: MachineCode;
  readonly version: string;
}

export interface KernelTexts {
  /** Chapters of the course by file name. */
  readonly chapters: Readonly<Record<string, ChapterText>>;
  /** File name of the chapter that explains a kernel, by kernel name. */
  readonly chapterOf: Readonly<Record<string, string>>;
  /** TypeScript code of each op's float64 reference, by op name. */
  readonly references: Readonly<Record<string, string>>;
  readonly files: Readonly<Record<string, string>>;
}

export interface ChapterText {
  readonly title: string;
  /** Markdown of the whole chapter. */
  readonly text: string;
}

export function renderKernelPanel(
  facts: DispatchSummary,
  timed: DispatchMeasurement | undefined,
  ceilings: RooflineCeilings | undefined,
  texts: KernelTexts,
): Html {
  const { label, kernel, code, node } = facts;
  const measurements = timed && renderMeasurements(timed, ceilings);
  if (!code) {
    return markup`<h3 tabindex="-1">${label}</h3>
<p>This command runs no kernel: it copies a buffer to a texture, which a CPU adapter reads faster.</p>
${measurements}`;
  }
  const specialised = findSpecialisedLines(code.text, texts.files[kernel] ?? code.text);
  const split = describeWorkSplit(code.text, code);
  const reference = node && texts.references[node.op];
  return markup`<h3 tabindex="-1">${label}</h3>
<p class="path">${kernel}.wgsl</p>
${measurements}
<h4>Work split</h4>
${split !== undefined && markup`<blockquote><p>${split}</p></blockquote>`}
${chooser(code)}
<div class="owned">${renderOwned(code, chooseMiddle(code))}</div>
<h4>Memory requests</h4>
${countsTable(code)}
<h4>Bindings</h4>
${bindingsTable(code)}
<h4>Origin</h4>
${origin(facts)}
<details open><summary>The kernel as passed to the driver</summary>
<p>${specialisedText(code, specialised.length)}</p>
${renderWgslListing(code.text, specialised)}</details>
${renderBackground(kernel, texts)}
${
    reference && markup`<details><summary>The float64 reference of the tests</summary>
<pre tabindex="0" role="region" aria-label="Reference in float64"><code>${reference}</code></pre></details>`
  }`;
}

/** Renders a kernel's WGSL file, for a kernel that was not measured. */
export function renderKernelFile(kernel: string, texts: KernelTexts): Html {
  return markup`<h3 tabindex="-1">${kernel}</h3>
<p>This is the kernel's file. To see its times and constants, measure a step that runs the kernel. GPUs and
CPU adapters run different kernels; the <a href="#ladders">ladders</a> have some of both.</p>
${renderWgslListing(texts.files[kernel] ?? "", [])}
${renderBackground(kernel, texts)}`;
}

/** Renders an empty section (machine code is inserted later) and a link to the kernel's chapter. */
function renderBackground(kernel: string, { chapterOf, chapters }: KernelTexts): Html {
  // A ladder's kernel has the shipped kernel's name and a suffix, such as _1_naive in lstm_forward_1_naive.
  const chapter = chapterOf[kernel] ?? chapterOf[kernel.replace(/_\d+_.*/, "")] ?? "";
  const { [chapter]: about } = chapters;
  return markup`<details class="machine"><summary>Machine code of a GPU</summary><div></div></details>
${about && markup`<p>Explained in <a href="#course/${chapter.replace(/\.md$/, "")}">${about.title}</a></p>`}`;
}

/** Returns the paragraph "Work split" of a kernel's head comment, with the values of constants inserted. */
function describeWorkSplit(text: string, { constants, workgroup }: KernelSummary): string | undefined {
  const values = new Map<string, unknown>([["WORKGROUP", workgroup[0]], ...constants]);
  return findHeaderPart(text, "Work split")?.replace(
    /\b[A-Z][A-Z0-9_]+\b/g,
    (name) => typeof values.get(name) === "number" ? `${name} (${values.get(name)})` : name,
  );
}

/** Renders input fields for the indices of a workgroup and of one of its invocations. */
function chooser(code: KernelSummary): Html {
  const most = countChoices(code);
  const own = chooseMiddle(code);
  const field = (name: "group" | "invocation", label: string) =>
    markup`<label>${label} <input type="number" data-owner="${name}" min="0" max="${most[name] - 1}"
 value="${own[name]}"> (0 to ${formatCount(most[name] - 1)})</label>`;
  const fields = [field("group", "Workgroup"), field("invocation", "Invocation")];
  return markup`<div class="buttons">${fields}</div>`;
}

function renderMeasurements(timed: DispatchMeasurement, ceilings: RooflineCeilings | undefined): Html {
  const { median, min, samples, flops, bytes, error } = timed;
  const facts: [string, string][] = [
    ["time", `${formatMicroseconds(median)} ± ${formatMicroseconds(estimateMedianError(timed))}`],
    ["least time", formatMicroseconds(min)],
    ["samples", `${samples}`],
  ];
  if (error !== undefined) facts.push(["clock error in ±", formatMicroseconds(error)]);
  if (flops > 0) facts.push(["FLOPs", formatCount(flops)]);
  if (bytes > 0) facts.push(["bytes moved", formatBytes(bytes)]);
  if (isUnsure(timed)) facts.push(["rates", "unknown, because the error is as large as the time"]);
  else if (ceilings && median > 0) {
    const position = computeRooflinePosition(timed, median, ceilings, timed.invocations);
    const { gflops, gbs, intensity, share, bound } = position;
    if (flops > 0) facts.push(["rate", `${formatShort(gflops)} GFLOP/s`]);
    if (bytes > 0) facts.push(["traffic", `${formatShort(gbs)} GB/s`]);
    if (intensity !== undefined) facts.push(["FLOPs per byte", formatShort(intensity)]);
    facts.push(["share of the roofline", formatPercent(share)], ["bound by", bound]);
  }
  return renderFacts(facts);
}

/** Renders counts of the memory accesses of a workgroup in the middle of the grid. */
function countsTable(code: KernelSummary): Html {
  const { variables, storage, workgroup } = countAccesses(code.text, code);
  const row = (name: string | Html, { reads, readSectors, writes, writeSectors, conflicts }: LoadRequests) =>
    [name, ...[reads, readSectors, writes, writeSectors, conflicts].map(formatAccessCount)] as const;
  const all = [["all buffers and textures", storage], ["all workgroup memory", workgroup]] as const;
  const rows = [
    ...variables.map((own) => row(markup`<code>${own.name}</code>`, own)),
    ...all.filter(([, { reads }]) => reads !== undefined).map(([name, own]) => row(name, own)),
  ];
  const head = ["memory", "reads", "sectors per 32 reads", "writes", "sectors per 32 writes", "conflicts"];
  return markup`${renderScrollTable("Memory requests of the kernel", "numeric", head, rows)}
<p>The numbers are computed from the kernel's text for a GPU, not measured. Reads and writes are counted
per invocation; sectors (32 bytes each) are counted per 32 invocations, which read or write together.
Conflicts are extra cycles of accesses to the same bank of workgroup memory, which has 32 banks.${
    [...variables, storage, workgroup].some((own) => Object.values(own).includes("unknown")) &&
    markup` A number is unknown if it depends on data, or on the driver (textures, atomics). This screen
does not read the step's data; <a href="#ladders">ladders</a> count with the data of their inputs.`
  }</p>`;
}

function bindingsTable({ bindings, constants }: KernelSummary): Html {
  const rows = bindings.map(({ name, access, memory, bytes }) =>
    [name, access, memory, formatBytes(bytes)] as const
  );
  const own = constants.map(([name, value]) => `${name} = ${value}`).join(", ");
  const updated = bindings.filter(({ access }) => access === "reads and writes").map(({ name }) => name);
  const head = ["binding", "access", "memory", "size"];
  return markup`${renderScrollTable("Bindings of the kernel", "", head, rows)}
${own !== "" && markup`<p>Constants: ${own}.</p>`}
${
    updated.length > 0 &&
    markup`<p>The kernel reads data that it writes (${
      updated.join(", ")
    }). Repeated runs for timing therefore read other numbers than
in a training step. The number of operations is the same, and the data are restored afterwards.</p>`
  }`;
}

function origin({ node, phase, code }: DispatchSummary): Html {
  if (!node) {
    return phase === "optimiser"
      ? markup`<p>No tape node made this dispatch: it updates all parameters at the end of the step.</p>`
      : markup`<p>No tape node made this dispatch: it builds the batch before the model runs${
        (code?.grid[2] ?? 1) > 1 ? `, for ${code?.grid[2]} steps at once; its time here is per step` : ""
      }.</p>`;
  }
  const { op, direction, inputs, output } = node;
  const verb = direction === "forward" ? "computes" : "propagates the gradient of";
  return markup`<p>The tape's node <code>${op}</code>, ${direction}: it ${verb} <code>${output}</code>${
    direction === "backward" ? " to" : " from"
  } ${inputs.map((input, k) => markup`${k > 0 ? ", " : ""}<code>${input}</code>`)}.</p>`;
}

function specialisedText(code: KernelSummary, specialised: number): string {
  const launched = formatCount(countLaunched(code).launched);
  const lines = specialised === 1 ? "1 line differs" : `${specialised} lines differ`;
  return `${launched} invocations run this kernel. ` +
    `${lines} from the file, because constants and types of memory were inserted.`;
}

const KEYWORDS =
  "const let var fn if else for while loop return struct switch case default break continue discard true " +
  "false override alias enable storage read read_write uniform workgroup private function";
const TYPES =
  "(?:bool|[iuf]32|f16|vec[234][iufh]?|mat[234]x[234][fh]?|array|atomic|texture_storage_2d|rgba32float)";

/** Name of our WGSL grammar for syntax colours. Prism's own grammar knows neither `vec4f` nor `override`. */
export const WGSL = "wgsl";
languages[WGSL] = {
  comment: /\/\/.*/g,
  attribute: /@\w+/,
  number: /\b(?:0x[0-9a-fA-F]+|\d+\.?\d*(?:e[+-]?\d+)?)[iufh]?\b|\.\d+[fh]?\b/,
  keyword: new RegExp(`\\b(?:${KEYWORDS.replaceAll(" ", "|")})\\b`),
  type: new RegExp(`\\b${TYPES}\\b`),
  call: /\b[a-zA-Z_]\w*(?=\()/,
};

/** Renders WGSL with highlighted syntax. @param marked - numbers of the lines to mark, from 1 */
export function renderWgslListing(text: string, marked: readonly number[]): Html {
  const set = new Set(marked);
  const lines = highlightText(text.replace(/\n$/, ""), WGSL).split("\n").map((line, k) =>
    set.has(k + 1) ? markup`<mark>${new Html(line)}</mark>\n` : markup`<span>${new Html(line)}</span>\n`
  );
  return markup`<pre class="wgsl" tabindex="0" role="region" aria-label="WGSL"><code>${lines}</code></pre>`;
}

/** Returns the text after a label in a kernel's head comment. @param label - for example "Work split" */
export function findHeaderPart(text: string, label: string): string | undefined {
  const header = text.slice(0, text.search(/^(?!\/\/)/m));
  const part = new RegExp(`(?:^// | {3})${label} {2,}(.+?)(?= {3,}[A-Z]|$)((?:\\n// {2,}.*)*)`, "m");
  const [, first = "", rest = ""] = part.exec(header) ?? [];
  return first === "" ? undefined : (first + rest).replace(/\s*\n\/\/\s*/g, " ").trim();
}

/** Compares a compiled kernel's `text` with its `file`; returns the numbers (from 1) of changed lines. */
export function findSpecialisedLines(text: string, file: string): number[] {
  const lines = file.split("\n");
  return text.split("\n").flatMap((line, k) => line === lines[k] ? [] : [k + 1]);
}

/** Machine code of a kernel, recorded by `deno task bench compiled --readme bench/compiled.md`. */
interface RecordedKernel {
  readonly kernel: string;
  /** Workload and model whose constants were compiled in, for example "W1 LSTM". */
  readonly where: string;
  /** Values such as the number of registers, in the order of {@link MachineCode.names}. */
  readonly facts: readonly string[];
  /** True if `code` is only the loop with most of the arithmetic; false if `code` is the whole kernel. */
  readonly isLoop: boolean;
  /** Recorded lines of machine code. Long code is shortened; `lines` is the line count of the whole code. */
  readonly code: readonly string[];
  readonly lines: number;
}

export interface MachineCode {
  readonly compiler: string;
  readonly gpu: string;
  readonly names: readonly string[];
  readonly kernels: readonly RecordedKernel[];
}

export function renderMachineCode({ compiler, gpu, names, kernels }: MachineCode, kernel: string): Html {
  const found = kernels.find((one) => one.kernel === kernel);
  if (!found) {
    return markup`<p>No machine code is recorded for ${kernel}: only variants for GPUs are compiled.</p>`;
  }
  const facts = found.facts.map((value, k) => [names[k] ?? "", value] as const);
  const more = found.lines - found.code.length;
  return markup`<p>Compiled by ${compiler} for ${gpu} with the constants of ${found.where}.
These constants may differ from those above. The code was not run. See bench/compiled.md on reading it.</p>
${renderFacts(facts)}
<p>${
    found.isLoop
      ? "The innermost loop with most of the arithmetic:"
      : "All code (no loop has most of the arithmetic):"
  }</p>
<pre tabindex="0" role="region" aria-label="Machine code"><code>${found.code.join("\n")}</code></pre>
${more > 0 && markup`<p>${more} more lines.</p>`}`;
}
