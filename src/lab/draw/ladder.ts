/** Compares times of a ladder (versions of a kernel) on this adapter with recorded times. */

import { formatAccessCount } from "../../kernel_analysis/access_counts.ts";
import { type Html, markup } from "../../report/html.ts";
import type {
  LadderMeasurement,
  LadderStepMeasurement,
  ShippedLadder,
  Timing,
} from "../../profile/bench_report.ts";
import { estimateMedianError } from "../../profile/timing.ts";
import { formatShort } from "../../number_text.ts";
import { renderBreakableName, renderHeadRow, renderScrollTable } from "./text.ts";

type Outcome = "faster" | "slower" | "equal";

export interface ComparedStep extends LadderStepMeasurement {
  readonly recorded?: ShippedLadder["steps"][number];
  /** Defined if this version beats its base version on one adapter, and is slower on the other. */
  readonly reversal?: "slower here" | "faster here";
}

/** Times that differ by at most 5 % count as equal, even if their measurement error is smaller. */
const LEAST_GAIN = 0.05;

/** Compares times of a ladder (versions of a kernel) with recorded times (`shipped`), if there are any. */
export function compareLadder(own: LadderMeasurement, shipped: ShippedLadder | undefined): ComparedStep[] {
  return own.steps.map((step): ComparedStep => {
    const recorded = shipped?.steps.find(({ kernel, number }) =>
      kernel === step.kernel && number === step.number
    );
    const base = own.steps.find(({ number }) => number === step.changes);
    const outcome = classifyGain(step.gain, estimateNoise(step.time, base?.time));
    const outcomes = `${outcome} here, ${classifyGain(recorded?.gain, LEAST_GAIN)} there`;
    if (outcomes === "slower here, faster there") return { ...step, recorded, reversal: "slower here" };
    if (outcomes === "faster here, slower there") return { ...step, recorded, reversal: "faster here" };
    return { ...step, recorded };
  });
}

/** Estimates the relative error (at least 0.05) of the ratio of two times from the errors of the times. */
export function estimateNoise(step: Timing | undefined, base: Timing | undefined): number {
  const share = (timing: Timing | undefined) => timing ? estimateMedianError(timing) / timing.median : 0;
  return Math.max(LEAST_GAIN, share(step) + share(base));
}

function classifyGain(gain: number | undefined, noise: number): Outcome | undefined {
  if (gain === undefined) return undefined;
  return gain > 1 + noise ? "faster" : gain < 1 - noise ? "slower" : "equal";
}

/** Returns the fastest versions of a kernel: several if they are equally fast within the noise. */
function findFastest<S extends { readonly time?: Timing }>(steps: readonly S[]): S[] {
  const timed = steps.flatMap((step) => step.time ? [{ step, time: step.time }] : []);
  const best = timed.reduce<Timing | undefined>(
    (least, { time }) => time.median < (least?.median ?? Infinity) ? time : least,
    undefined,
  );
  if (!best) return [];
  const isSlower = (time: Timing) => time.median / best.median > 1 + estimateNoise(time, best);
  return timed.filter(({ time }) => !isSlower(time)).map(({ step }) => step);
}

export function describeComparison(
  steps: readonly ComparedStep[],
  shipped: ShippedLadder | undefined,
): string[] {
  const best = findFastest(steps);
  const [first] = best;
  if (!first) return ["No step was timed."];
  const stepsText = best.map(({ number, idea }) => `${number}, ${idea}`).join("; ");
  const sentences = [
    best.length === 1
      ? `The fastest step here is ${stepsText}.`
      : `The fastest steps here, equal within their noise: ${stepsText}.`,
  ];
  if (!shipped) return sentences;
  const time = ({ time }: ShippedLadder["steps"][number]) => time?.median ?? Infinity;
  const recorded = shipped.steps.reduce((a, b) => time(b) < time(a) ? b : a);
  sentences.push(
    best.every(({ number }) => number === recorded.number)
      ? `This step is also the fastest on ${shipped.adapter}.`
      : `The fastest step on ${shipped.adapter} is step ${recorded.number}, ${recorded.idea}.`,
  );
  const list = (reversal: ComparedStep["reversal"]) =>
    steps.filter((step) => step.reversal === reversal).map((step) => `${step.number} (${step.idea})`).join(
      ", ",
    );
  const [slower, faster] = [list("slower here"), list("faster here")];
  if (slower !== "") sentences.push(`Faster on ${shipped.adapter}, but slower here: step ${slower}.`);
  if (faster !== "") sentences.push(`Slower on ${shipped.adapter}, but faster here: step ${faster}.`);
  if (slower + faster === "") sentences.push("No step is faster on one adapter and slower on the other.");
  return sentences;
}

/** Returns a logarithmic scale from speedups to 0..100. It includes all `gains`, and 0.5 to 2. */
function createGainScale(gains: readonly number[]): (gain: number) => number {
  const known = gains.filter((gain) => gain > 0);
  const [low, high] = [Math.log(Math.min(0.5, ...known)), Math.log(Math.max(2, ...known))];
  return (gain) => 100 * (Math.log(gain) - low) / (high - low);
}

const times = (gain: number | undefined) => gain === undefined ? "-" : `${gain.toFixed(2)}x`;

export function renderLadderTable(
  title: string,
  steps: readonly ComparedStep[],
  shipped: ShippedLadder | undefined,
): Html {
  const scale = createGainScale(
    steps.flatMap(({ gainOnFirst, recorded }) => [gainOnFirst ?? 1, recorded?.gainOnFirst ?? 1]),
  );
  const best = findFastest(steps);
  const rows = steps.map((step) => {
    const { number, idea, kernel, time, gain, gainOnFirst, refusal, changes, recorded, reversal } = step;
    const fastest = best.length === 1 ? "fastest here" : "among the fastest here";
    const label = reversal === undefined
      ? best.includes(step) && markup` <strong class="better">${fastest}</strong>`
      : markup` <strong class="${reversal === "slower here" ? "worse" : "better"}">${
        reversal === "slower here" ? "faster there, slower here" : "slower there, faster here"
      }</strong>`;
    return markup`<tr${reversal && markup` class="turned"`}>
<th scope="row">${number}. ${idea}${label}<br><span class="path">${
      refusal ?? (idea === "yours" ? markup`${kernel}` : renderKernelLink(kernel))
    }${checkedText(step)}${countsText(step)}</span></th>
<td class="bar" aria-hidden="true">${bars(scale, gainOnFirst, recorded?.gainOnFirst)}</td>
<td>${time ? formatShort(time.median) : "-"}</td>
<td>${time ? formatShort(estimateMedianError(time)) : "-"}</td>
<td>${times(gainOnFirst)}</td>
<td>${gain === undefined ? "-" : `${times(gain)} vs. ${changes}`}</td>
${
      shipped && markup`<td>${recorded?.time ? formatShort(recorded.time.median) : "-"}</td>
<td>${times(recorded?.gainOnFirst)}</td>
<td>${times(recorded?.gain)}</td>`
    }
</tr>`;
  });
  const other = shipped &&
    markup`<th scope="colgroup" colspan="3">${shipped.adapter.replace(/ \(.*/, "")}</th>`;
  const versus = "vs. step 1";
  const head =
    markup`<tr><th scope="col" rowspan="2">step</th><th scope="col" rowspan="2" class="text">${versus}</th>
<th scope="colgroup" colspan="4">here</th>${other}</tr>
${renderHeadRow("us", "± us", versus, "gain", ...(shipped ? ["us", versus, "gain"] : []))}`;
  return markup`${renderScrollTable(title, "numeric ladder", head, rows)}
<p>Computed for a GPU, not measured: reads per invocation (a vector is one read); sectors of 32 bytes per 32 reads or writes.</p>`;
}

export function renderKernelLink(kernel: string): Html {
  return markup`<a href="#step/${kernel}">${renderBreakableName(kernel)}</a>`;
}

function checkedText({ time, checkedSizes = 0 }: ComparedStep): Html | undefined {
  if (!time || checkedSizes === 0) return undefined;
  return markup`<br>correct at ${checkedSizes} ${checkedSizes === 1 ? "size" : "sizes"}`;
}

/** Renders counts of memory accesses, which explain times on a GPU, but not on a CPU. */
function countsText({ counts }: ComparedStep): Html | undefined {
  if (!counts) return undefined;
  const { reads, sectors, writeSectors, conflicts } = counts;
  const named = [
    ...[[reads, "reads"], [sectors, "read sectors"], [writeSectors, "write sectors"]] as const,
    [conflicts, "bank conflicts"],
  ] as const;
  return markup`<br>${
    named.filter(([count]) => count !== undefined).map(([count, what]) =>
      `${what} ${formatAccessCount(count)}`
    ).join(", ")
  }`;
}

/** Renders the speedup over the naive kernel as one bar per adapter. Bars start at 1x (no speedup). */
function bars(scale: (gain: number) => number, here: number | undefined, there: number | undefined): Html {
  const bar = (gain: number | undefined, y: number, name: string) => {
    if (gain === undefined) return undefined;
    const [from, to] = [scale(1), scale(gain)];
    return markup`<rect class="${name}" x="${Math.min(from, to).toFixed(2)}" y="${y}" width="${
      Math.max(0.8, Math.abs(to - from)).toFixed(2)
    }" height="7"/>`;
  };
  return markup`<svg viewBox="0 0 100 18" preserveAspectRatio="none">${bar(here, 1, "here")}${
    bar(there, 10, "there")
  }<line class="one" x1="${scale(1).toFixed(2)}" x2="${scale(1).toFixed(2)}" y1="0" y2="18"/></svg>`;
}
