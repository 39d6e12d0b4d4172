/** A ladder on this adapter beside the same on the repository's machine: which ideas win on one and lose on the other. */

import { formatAccessCount } from "../../kernel_analysis/access_counts.ts";
import { type Html, markup } from "../../report/html.ts";
import type { LadderFigures, LadderStepFigure, ShippedLadder, Timing } from "../../profile/bench_report.ts";
import { estimateMedianError } from "../../profile/timing.ts";
import { formatShort } from "../../number_text.ts";
import { renderBreakableName, renderHeadRow, renderScrollTable } from "./text.ts";

type Outcome = "wins" | "loses" | "alike";

export interface ComparedStep extends LadderStepFigure {
  readonly there?: ShippedLadder["steps"][number];
  /** It wins on one and loses on the other. */
  readonly turned?: "loses here" | "wins here";
}

/** Gains within this share of 1 are no matter, however sure they are. */
const ALIKE = 0.05;

/** @param shipped of the same ladder; undefined where the repository has none */
export function compareLadder(own: LadderFigures, shipped: ShippedLadder | undefined): ComparedStep[] {
  return own.steps.map((step): ComparedStep => {
    const there = shipped?.steps.find(({ kernel, number }) =>
      kernel === step.kernel && number === step.number
    );
    const base = own.steps.find(({ number }) => number === step.changes);
    const outcome = classifyGain(step.gain, estimateNoise(step.time, base?.time));
    const outcomeThere = classifyGain(there?.gain, ALIKE);
    const turned = outcome === "loses" && outcomeThere === "wins"
      ? "loses here" as const
      : outcome === "wins" && outcomeThere === "loses"
      ? "wins here" as const
      : undefined;
    return { ...step, there, turned };
  });
}

/** By which share of itself a gain may be off: how sure the two times are, taken together. */
export function estimateNoise(step: Timing | undefined, base: Timing | undefined): number {
  const share = (timing: Timing | undefined) => timing ? estimateMedianError(timing) / timing.median : 0;
  return Math.max(ALIKE, share(step) + share(base));
}

function classifyGain(gain: number | undefined, noise: number): Outcome | undefined {
  if (gain === undefined) return undefined;
  return gain > 1 + noise ? "wins" : gain < 1 - noise ? "loses" : "alike";
}

/** The fastest steps: that with the least time, and those that are not slower by more than their noise. None where none was timed. */
export function findFastest<S extends { readonly time?: Timing }>(steps: readonly S[]): S[] {
  const timed = steps.flatMap((step) => step.time ? [{ step, time: step.time }] : []);
  const best = timed.reduce<Timing | undefined>(
    (least, { time }) => time.median < (least?.median ?? Infinity) ? time : least,
    undefined,
  );
  if (!best) return [];
  const isBehind = (time: Timing) =>
    classifyGain(time.median / best.median, estimateNoise(time, best)) === "wins";
  return timed.filter(({ time }) => !isBehind(time)).map(({ step }) => step);
}

/** What a comparison comes to, in sentences. */
export function describeComparison(
  steps: readonly ComparedStep[],
  shipped: ShippedLadder | undefined,
): string[] {
  const best = findFastest(steps);
  const [first] = best;
  if (!first) return ["No step was timed."];
  const stepsText = best.map(({ number, idea }) => `${number}, ${idea}`).join("; ");
  const said = [
    best.length === 1
      ? `The fastest step here is ${stepsText}.`
      : `The fastest steps here, alike within their noise: ${stepsText}.`,
  ];
  if (!shipped) return said;
  const there = shipped.steps.reduce((a, b) =>
    (b.time?.median ?? Infinity) < (a.time?.median ?? Infinity) ? b : a
  );
  said.push(
    best.every(({ number }) => number === there.number)
      ? `It is the fastest on ${shipped.adapter}, too.`
      : `On ${shipped.adapter} it is step ${there.number}, ${there.idea}.`,
  );
  const named = (turned: ComparedStep["turned"]) =>
    steps.filter((step) => step.turned === turned).map(({ number, idea }) => `${number} (${idea})`).join(
      ", ",
    );
  const [lost, won] = [named("loses here"), named("wins here")];
  if (lost !== "") said.push(`Won there and loses here: step ${lost}.`);
  if (won !== "") said.push(`Lost there and wins here: step ${won}.`);
  if (lost + won === "") said.push("No idea that wins on one of the two loses on the other.");
  return said;
}

/** Where a gain stands on a logarithmic axis from the least of all to the most, 0..100. */
function gainScale(gains: readonly number[]): (gain: number) => number {
  const known = gains.filter((gain) => gain > 0);
  const [low, high] = [Math.log(Math.min(1, ...known)), Math.log(Math.max(1, ...known))];
  return (gain) => high > low ? 100 * (Math.log(gain) - low) / (high - low) : 50;
}

const times = (gain: number | undefined) => gain === undefined ? "-" : `${gain.toFixed(2)}x`;

/** A row a step: how often faster than the naive step, here and on the repository's machine. */
export function renderLadderTable(
  title: string,
  steps: readonly ComparedStep[],
  shipped: ShippedLadder | undefined,
): Html {
  const scale = gainScale(
    steps.flatMap(({ gainOnFirst, there }) => [gainOnFirst ?? 1, there?.gainOnFirst ?? 1]),
  );
  const best = findFastest(steps);
  const rows = steps.map((step) => {
    const { number, idea, kernel, time, gain, gainOnFirst, refusal, changes, there, turned } = step;
    const words = best.length === 1 ? "fastest here" : "among the fastest here";
    const mark = turned === undefined
      ? best.includes(step) && markup` <strong class="better">${words}</strong>`
      : markup` <strong class="${turned === "loses here" ? "worse" : "better"}">${
        turned === "loses here" ? "won there, loses here" : "lost there, wins here"
      }</strong>`;
    return markup`<tr${turned && markup` class="turned"`}>
<th scope="row">${number}. ${idea}${mark}<br><span class="path">${refusal ?? renderBreakableName(kernel)}${
      checkedText(step)
    }${countsText(step)}</span></th>
<td class="bar" aria-hidden="true">${bars(scale, gainOnFirst, there?.gainOnFirst)}</td>
<td>${time ? formatShort(time.median) : "-"}</td>
<td>${time ? formatShort(estimateMedianError(time)) : "-"}</td>
<td>${times(gainOnFirst)}</td>
<td>${gain === undefined ? "-" : `${times(gain)} on ${changes}`}</td>
<td>${there?.time ? formatShort(there.time.median) : "-"}</td>
<td>${times(there?.gainOnFirst)}</td>
<td>${times(there?.gain)}</td>
</tr>`;
  });
  const other = shipped ? `${shipped.adapter.replace(/ \(.*/, "")}` : "elsewhere";
  const head =
    markup`<tr><th scope="col" rowspan="2">step</th><th scope="col" rowspan="2" class="text">on naive</th>
<th scope="colgroup" colspan="4">here</th><th scope="colgroup" colspan="3">${other}</th></tr>
${renderHeadRow("us", "± us", "on naive", "gain", "us", "on naive", "gain")}`;
  return renderScrollTable(title, "figures ladder", head, rows);
}

/** That it was compared with the reference before it was timed. */
function checkedText({ time, checkedSizes = 0 }: ComparedStep): Html | undefined {
  if (!time || checkedSizes === 0) return undefined;
  return markup`<br>right at ${checkedSizes} ${checkedSizes === 1 ? "size" : "sizes"}`;
}

/** What it asks of memory, which no clock of a CPU driver shows. */
function countsText({ counts }: ComparedStep): Html | undefined {
  if (!counts) return undefined;
  const { reads, sectors, conflicts } = counts;
  const named = [[reads, "reads"], [sectors, "sectors a read"], [conflicts, "bank conflicts"]] as const;
  return markup`<br>${
    named.filter(([count]) => count !== undefined).map(([count, what]) =>
      `${what} ${formatAccessCount(count)}`
    ).join(
      ", ",
    )
  }`;
}

/** Two bars from 1x: to the right what is faster than the naive step, to the left what is slower. */
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
