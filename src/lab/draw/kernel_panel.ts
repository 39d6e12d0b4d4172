/** All that the lab says of one dispatch: its figures, who owns what, where it came from, its text, derivation and reference. */

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
import { formatBytes, formatCount, formatMicroseconds, renderMarkdown, renderScrollTable } from "./text.ts";

/** What the page carries as data: see build.ts. */
export interface PageData {
  readonly texts: KernelTexts;
  readonly ladders: readonly ShippedLadder[];
  readonly machineCode: MachineCode;
  /** Of clickgan. */
  readonly version: string;
}

/** Texts of the repository that belong to kernels and ops. */
export interface KernelTexts {
  /** Of the course's chapters, by their files' names. */
  readonly chapters: Readonly<Record<string, ChapterText>>;
  /** The chapter of a kernel. */
  readonly chapterOf: Readonly<Record<string, string>>;
  /** TypeScript of the f64 references, by op. */
  readonly references: Readonly<Record<string, string>>;
  /** WGSL of the kernels' files, by their names. */
  readonly files: Readonly<Record<string, string>>;
}

export interface ChapterText {
  readonly title: string;
  /** Markdown of its section "The mathematics". */
  readonly mathematics: string;
}

export function renderKernelPanel(
  facts: DispatchSummary,
  timed: DispatchMeasurement | undefined,
  ceilings: RooflineCeilings | undefined,
  texts: KernelTexts,
): Html {
  const { label, kernel, code, node } = facts;
  const figures = timed && renderMeasurements(timed, ceilings);
  if (!code) {
    return markup`<h3 tabindex="-1">${label}</h3>
<p>A copy, and no kernel: what was written to a buffer goes into a texture, from which a CPU adapter reads faster.</p>
${figures}`;
  }
  const specialised = findSpecialisedLines(code.text, texts.files[kernel] ?? code.text);
  const split = splitText(code.text, code);
  const chapter = texts.chapterOf[kernel] ?? "";
  const derived = texts.chapters[chapter];
  const reference = node && texts.references[node.op];
  return markup`<h3 tabindex="-1">${label}</h3>
<p class="path">${kernel}.wgsl</p>
${figures}
<h4>Who owns what</h4>
${split !== undefined && markup`<blockquote><p>${split}</p></blockquote>`}
${chooser(code)}
<div class="owned">${renderOwned(code, chooseMiddle(code))}</div>
<h4>What it asks of memory</h4>
${countsTable(code)}
<h4>Shapes</h4>
${bindingsTable(code)}
<h4>Where it came from</h4>
${origin(facts)}
<details open><summary>The kernel, as the driver gets it</summary>
<p>${specialisedText(code, specialised.length)}</p>
${renderWgslListing(code.text, specialised)}</details>
<details class="machine"><summary>What a GPU's compiler made of it</summary><div></div></details>
${
    derived && markup`<details><summary>The derivation: ${derived.title}</summary>
<div class="prose">${
      renderMarkdown(derived.mathematics)
    }</div><p class="path">kernels/course/${chapter}</p></details>`
  }
${
    reference && markup`<details><summary>The same in float64, which the tests compare it with</summary>
<pre tabindex="0" role="region" aria-label="Reference in float64"><code>${reference}</code></pre></details>`
  }`;
}

/** What the kernel's header says of it, with the numbers of the constants that it names. */
function splitText(text: string, { constants, workgroup }: KernelSummary): string | undefined {
  const values = new Map<string, unknown>([["WORKGROUP", workgroup[0]], ...constants]);
  return findHeaderPart(text, "Work split")?.replace(
    /\b[A-Z][A-Z0-9_]+\b/g,
    (name) => typeof values.get(name) === "number" ? `${name} (${values.get(name)})` : name,
  );
}

/** Numbers of an invocation and its workgroup; what follows from them is beside it, of the class `owned`. */
function chooser(code: KernelSummary): Html {
  const most = countChoices(code);
  const own = chooseMiddle(code);
  const field = (name: "group" | "invocation", words: string) =>
    markup`<label>${words} <input type="number" data-owner="${name}" min="0" max="${most[name] - 1}" value="${
      own[name]
    }"> of ${formatCount(most[name])}</label>`;
  return markup`<div class="buttons">${field("group", "Workgroup")}${
    field("invocation", "Invocation")
  }</div>`;
}

function renderMeasurements(timed: DispatchMeasurement, ceilings: RooflineCeilings | undefined): Html {
  const { median, min, samples, flops, bytes, error } = timed;
  const facts: [string, string][] = [
    ["time", `${formatMicroseconds(median)} ± ${formatMicroseconds(estimateMedianError(timed))}`],
    ["least", formatMicroseconds(min)],
    ["samples", `${samples}`],
  ];
  if (error !== undefined) facts.push(["the clock's part of ±", formatMicroseconds(error)]);
  if (flops > 0) facts.push(["FLOPs", formatCount(flops)]);
  if (bytes > 0) facts.push(["bytes to move", formatBytes(bytes)]);
  if (ceilings && median > 0) {
    const { gflops, gbs, intensity, share, bound } = computeRooflinePosition(
      timed,
      median,
      ceilings,
      timed.invocations,
    );
    if (flops > 0) facts.push(["rate", `${formatShort(gflops)} GFLOP/s`]);
    if (bytes > 0) facts.push(["traffic", `${formatShort(gbs)} GB/s`]);
    if (intensity !== undefined) facts.push(["FLOPs a byte", formatShort(intensity)]);
    facts.push(["of the roofline", formatPercent(share)], ["bound by", bound]);
  }
  return renderFacts(facts);
}

/** Of a workgroup in the middle of the grid: see kernel_analysis/access_counts.ts. */
function countsTable(code: KernelSummary): Html {
  const { variables, storage, workgroup } = countAccesses(code.text, code);
  const row = (name: string | Html, { reads, readSectors, writes, writeSectors, conflicts }: LoadRequests) =>
    [name, ...[reads, readSectors, writes, writeSectors, conflicts].map(formatAccessCount)] as const;
  const all = [["all buffers and textures", storage], ["all workgroup memory", workgroup]] as const;
  const rows = [
    ...variables.map((own) => row(markup`<code>${own.name}</code>`, own)),
    ...all.filter(([, { reads }]) => reads !== undefined).map(([name, own]) => row(name, own)),
  ];
  const head = ["memory", "reads", "sectors a read", "writes", "sectors a write", "conflicts"];
  return markup`${renderScrollTable("What the kernel asks of memory", "figures", head, rows)}
<p>Read from its text, without a clock: of an invocation, how often it reads and writes; of 32 that ask together, the sectors
of 32 bytes that they touch, and in workgroup memory the turns that they wait as words stand in the same of its 32 banks. It
is what a GPU does with it, whatever runs here. What follows from data is not readable.</p>`;
}

function bindingsTable({ bindings, constants }: KernelSummary): Html {
  const rows = bindings.map(({ name, access, place, bytes }) =>
    [name, access, place, formatBytes(bytes)] as const
  );
  const own = constants.map(([name, value]) => `${name} = ${value}`).join(", ");
  const repeated = bindings.filter(({ access }) => access === "reads and writes").map(({ name }) => name)
    .join(", ");
  const head = ["binding", "the kernel", "stands in", "capacity"];
  return markup`${renderScrollTable("What the kernel binds", "", head, rows)}
${own !== "" && markup`<p>Its constants: ${own}.</p>`}
${
    repeated !== "" &&
    markup`<p>It reads what it writes (${repeated}). Where it is repeated to be timed it finds other numbers than in a
step; the work is the same, and afterwards they are put back.</p>`
  }`;
}

function origin({ node, phase, code }: DispatchSummary): Html {
  if (!node) {
    return phase === "optimiser"
      ? markup`<p>No node of the tape: the end of the step, for all parameters at once.</p>`
      : markup`<p>No node of the tape: it lays out the batch before the model begins${
        (code?.grid[2] ?? 1) > 1
          ? `, of ${code?.grid[2]} steps at once; its time here is the share of one`
          : ""
      }.</p>`;
  }
  const { op, direction, inputs, output } = node;
  const arrow = direction === "forward" ? "computes" : "takes the gradient of";
  return markup`<p>The tape's node <code>${op}</code>, ${direction}: it ${arrow} <code>${output}</code>${
    direction === "backward" ? " back to" : " from"
  } ${inputs.map((input, k) => markup`${k > 0 ? ", " : ""}<code>${input}</code>`)}.</p>`;
}

function specialisedText(code: KernelSummary, specialised: number): string {
  const { launched } = countLaunched(code);
  const lines = specialised === 1 ? "1 line is" : `${specialised} lines are`;
  return `${
    formatCount(launched)
  } invocations run it. ${lines} not as in the file: constants of this model, and where data stand.`;
}

const KEYWORDS =
  "const let var fn if else for while loop return struct switch case default break continue discard true " +
  "false override alias enable storage read read_write uniform workgroup private function";
const TYPES =
  "(?:bool|[iuf]32|f16|vec[234][iufh]?|mat[234]x[234][fh]?|array|atomic|texture_storage_2d|rgba32float)";

/** Prism's name of the grammar. Its own one knows neither `vec4f` nor `override`. */
export const WGSL = "wgsl";
languages[WGSL] = {
  comment: /\/\/.*/g,
  attribute: /@\w+/,
  number: /\b(?:0x[0-9a-fA-F]+|\d+\.?\d*(?:e[+-]?\d+)?)[iufh]?\b|\.\d+[fh]?\b/,
  keyword: new RegExp(`\\b(?:${KEYWORDS.replaceAll(" ", "|")})\\b`),
  type: new RegExp(`\\b${TYPES}\\b`),
  call: /\b[a-zA-Z_]\w*(?=\()/,
};

/** @param marked numbers of lines, from 1, that stand out */
export function renderWgslListing(text: string, marked: readonly number[]): Html {
  const set = new Set(marked);
  const lines = highlightText(text.replace(/\n$/, ""), WGSL).split("\n").map((line, k) =>
    set.has(k + 1) ? markup`<mark>${new Html(line)}</mark>\n` : markup`<span>${new Html(line)}</span>\n`
  );
  return markup`<pre class="wgsl" tabindex="0" role="region" aria-label="WGSL as the driver gets it"><code>${lines}</code></pre>`;
}

/** What stands behind a word at the head of a kernel's text, such as "Work split", to the next one; undefined without it. */
export function findHeaderPart(text: string, word: string): string | undefined {
  const lines = text.split("\n");
  const head = lines.slice(0, lines.findIndex((line) => !line.startsWith("//")));
  const from = head.findIndex((line) => line.startsWith(`// ${word} `));
  if (from < 0) return undefined;
  const rest = head.slice(from + 1);
  const end = rest.findIndex((line) => !/^\/\/ {6,}\S/.test(line));
  const own = [head[from]?.slice(3 + word.length) ?? "", ...rest.slice(0, end < 0 ? undefined : end)];
  return own.map((line) => line.replace(/^\/\//, "").trim()).join(" ").trim();
}

/** Numbers of the lines, from 1, of a kernel's text as the driver gets it that are not as in its file. */
export function findSpecialisedLines(driven: string, file: string): number[] {
  const lines = file.split("\n");
  return driven.split("\n").flatMap((line, k) => line === lines[k] ? [] : [k + 1]);
}

/**
 * What a GPU's compiler made of a kernel's first text among those of the bench's workloads, as `deno task bench compiled
 * --readme bench/compiled.md` has recorded it.
 */
interface RecordedKernel {
  readonly kernel: string;
  /** Where it is used: "W1 LSTM". */
  readonly where: string;
  /** As the bench's tables have them, in the order of {@link MachineCode.names}. */
  readonly facts: readonly string[];
  /** Whether the code is its innermost loop; all of it where none is left. */
  readonly isLoop: boolean;
  /** As many lines as were recorded. */
  readonly code: readonly string[];
  readonly lines: number;
}

export interface MachineCode {
  readonly compiler: string;
  readonly gpu: string;
  /** Of the facts. */
  readonly names: readonly string[];
  readonly kernels: readonly RecordedKernel[];
}

/** What is recorded of a kernel; says so where nothing is. */
export function renderMachineCode({ compiler, gpu, names, kernels }: MachineCode, kernel: string): Html {
  const found = kernels.find((one) => one.kernel === kernel);
  if (!found) {
    return markup`<p>Nothing is recorded of ${kernel}: only kernels in the variants of a GPU are compiled for one.</p>`;
  }
  const facts = found.facts.map((value, k) => [names[k] ?? "", value] as const);
  const more = found.lines - found.code.length;
  return markup`<p>By ${compiler} for ${gpu}, of the text of ${found.where}: constants may be others here, and nothing of it
ran on a GPU. How to read it: bench/compiled.md.</p>
${renderFacts(facts)}
<p>${found.isLoop ? "Its innermost loop that does the most arithmetic:" : "No loop is left. All of it:"}</p>
<pre tabindex="0" role="region" aria-label="Machine code"><code>${found.code.join("\n")}</code></pre>
${more > 0 && markup`<p>And ${more} lines more.</p>`}`;
}
