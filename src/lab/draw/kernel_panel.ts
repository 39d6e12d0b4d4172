/** All that the lab says of one dispatch: its figures, who owns what, where it came from, its text, derivation and reference. */

import type { DispatchResult } from "../../selftest/profile/bench_report.ts";
import { accessCounts, type Asked, countText } from "../../gpu/access_analysis/access_counts.ts";
import { type Html, markup } from "../../report/html.ts";
import { factsList } from "../../report/tables.ts";
import { type Ceilings, standing } from "../../selftest/profile/roofline.ts";
import { sureness } from "../../selftest/profile/timing.ts";
import type { DispatchFacts, KernelFacts } from "../client/services/step.ts";
import { choices, launchedBy, middle, owned } from "./ownership.ts";
import { percent, short } from "../../number_text.ts";
import { bytesText, duration, proseHtml, scrollTable, whole } from "./text.ts";
import { headerPart, specialisedLines, wgslListing } from "./wgsl.ts";

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

export function kernelPanel(
  facts: DispatchFacts,
  timed: DispatchResult | undefined,
  ceilings: Ceilings | undefined,
  texts: KernelTexts,
): Html {
  const { label, kernel, code, node } = facts;
  const figures = timed && figuresOf(timed, ceilings);
  if (!code) {
    return markup`<h3 tabindex="-1">${label}</h3>
<p>A copy, and no kernel: what was written to a buffer goes into a texture, from which a CPU adapter reads faster.</p>
${figures}`;
  }
  const specialised = specialisedLines(code.text, texts.files[kernel] ?? code.text);
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
<div class="owned">${owned(code, middle(code))}</div>
<h4>What it asks of memory</h4>
${countsTable(code)}
<h4>Shapes</h4>
${bindingsTable(code)}
<h4>Where it came from</h4>
${origin(facts)}
<details open><summary>The kernel, as the driver gets it</summary>
<p>${specialisedText(code, specialised.length)}</p>
${wgslListing(code.text, specialised)}</details>
<details class="machine"><summary>What a GPU's compiler made of it</summary><div></div></details>
${
    derived && markup`<details><summary>The derivation: ${derived.title}</summary>
<div class="prose">${
      proseHtml(derived.mathematics)
    }</div><p class="path">kernels/course/${chapter}</p></details>`
  }
${
    reference && markup`<details><summary>The same in float64, which the tests compare it with</summary>
<pre tabindex="0" role="region" aria-label="Reference in float64"><code>${reference}</code></pre></details>`
  }`;
}

/** What the kernel's header says of it, with the numbers of the constants that it names. */
function splitText(text: string, { constants, workgroup }: KernelFacts): string | undefined {
  const values = new Map<string, unknown>([["WORKGROUP", workgroup[0]], ...constants]);
  return headerPart(text, "Work split")?.replace(
    /\b[A-Z][A-Z0-9_]+\b/g,
    (name) => typeof values.get(name) === "number" ? `${name} (${values.get(name)})` : name,
  );
}

/** Numbers of an invocation and its workgroup; what follows from them is beside it, of the class `owned`. */
function chooser(code: KernelFacts): Html {
  const most = choices(code);
  const own = middle(code);
  const field = (name: "group" | "invocation", words: string) =>
    markup`<label>${words} <input type="number" data-owner="${name}" min="0" max="${most[name] - 1}" value="${
      own[name]
    }"> of ${whole(most[name])}</label>`;
  return markup`<div class="buttons">${field("group", "Workgroup")}${
    field("invocation", "Invocation")
  }</div>`;
}

function figuresOf(timed: DispatchResult, ceilings: Ceilings | undefined): Html {
  const { median, min, samples, flops, bytes, error } = timed;
  const facts: [string, string][] = [
    ["time", `${duration(median)} ± ${duration(sureness(timed))}`],
    ["least", duration(min)],
    ["samples", `${samples}`],
  ];
  if (error !== undefined) facts.push(["the clock's part of ±", duration(error)]);
  if (flops > 0) facts.push(["FLOPs", whole(flops)]);
  if (bytes > 0) facts.push(["bytes to move", bytesText(bytes)]);
  if (ceilings && median > 0) {
    const { gflops, gbs, intensity, share, bound } = standing(timed, median, ceilings, timed.invocations);
    if (flops > 0) facts.push(["rate", `${short(gflops)} GFLOP/s`]);
    if (bytes > 0) facts.push(["traffic", `${short(gbs)} GB/s`]);
    if (intensity !== undefined) facts.push(["FLOPs a byte", short(intensity)]);
    facts.push(["of the roofline", percent(share)], ["bound by", bound]);
  }
  return factsList(facts);
}

/** Of a workgroup in the middle of the grid: see gpu/access_analysis/access_counts.ts. */
function countsTable(code: KernelFacts): Html {
  const { variables, storage, workgroup } = accessCounts(code.text, code);
  const row = (name: string | Html, { reads, readSectors, writes, writeSectors, conflicts }: Asked) =>
    [name, ...[reads, readSectors, writes, writeSectors, conflicts].map(countText)] as const;
  const all = [["all buffers and textures", storage], ["all workgroup memory", workgroup]] as const;
  const rows = [
    ...variables.map((own) => row(markup`<code>${own.name}</code>`, own)),
    ...all.filter(([, { reads }]) => reads !== undefined).map(([name, own]) => row(name, own)),
  ];
  const head = ["memory", "reads", "sectors a read", "writes", "sectors a write", "conflicts"];
  return markup`${scrollTable("What the kernel asks of memory", "figures", head, rows)}
<p>Read from its text, without a clock: of an invocation, how often it reads and writes; of 32 that ask together, the sectors
of 32 bytes that they touch, and in workgroup memory the turns that they wait as words stand in the same of its 32 banks. It
is what a GPU does with it, whatever runs here. What follows from data is not readable.</p>`;
}

function bindingsTable({ bindings, constants }: KernelFacts): Html {
  const rows = bindings.map(({ name, access, place, bytes }) =>
    [name, access, place, bytesText(bytes)] as const
  );
  const own = constants.map(([name, value]) => `${name} = ${value}`).join(", ");
  const repeated = bindings.filter(({ access }) => access === "reads and writes").map(({ name }) => name)
    .join(", ");
  const head = ["binding", "the kernel", "stands in", "capacity"];
  return markup`${scrollTable("What the kernel binds", "", head, rows)}
${own !== "" && markup`<p>Its constants: ${own}.</p>`}
${
    repeated !== "" &&
    markup`<p>It reads what it writes (${repeated}). Where it is repeated to be timed it finds other numbers than in a
step; the work is the same, and afterwards they are put back.</p>`
  }`;
}

function origin({ node, phase, code }: DispatchFacts): Html {
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

function specialisedText(code: KernelFacts, specialised: number): string {
  const { launched } = launchedBy(code);
  const lines = specialised === 1 ? "1 line is" : `${specialised} lines are`;
  return `${
    whole(launched)
  } invocations run it. ${lines} not as in the file: constants of this model, and where data stand.`;
}
