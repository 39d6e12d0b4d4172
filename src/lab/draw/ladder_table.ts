/** A ladder's steps as a table with bars: how often faster than the naive step, here and on the repository's machine. */

import { type Html, markup } from "../../report/html.ts";
import type { ShippedLadder } from "../../selftest/ladder/shipped.ts";
import { sureness } from "../../selftest/profile/timing.ts";
import { type ComparedStep, fastest } from "../ladder_comparison.ts";
import { breakable } from "./breakable.ts";
import { short } from "./number.ts";

/** Where a gain stands on a logarithmic axis from the least of all to the most, 0..100. */
export function gainScale(gains: readonly number[]): (gain: number) => number {
  const known = gains.filter((gain) => gain > 0);
  const [low, high] = [Math.log(Math.min(1, ...known)), Math.log(Math.max(1, ...known))];
  return (gain) => high > low ? 100 * (Math.log(gain) - low) / (high - low) : 50;
}

const times = (gain: number | undefined) => gain === undefined ? "-" : `${gain.toFixed(2)}x`;

export function ladderTable(
  title: string,
  steps: readonly ComparedStep[],
  shipped: ShippedLadder | undefined,
): Html {
  const scale = gainScale(
    steps.flatMap(({ gainOnFirst, there }) => [gainOnFirst ?? 1, there?.gainOnFirst ?? 1]),
  );
  const best = fastest(steps);
  const rows = steps.map((step) => {
    const { number, idea, kernel, time, gain, gainOnFirst, refusal, changes, there, turned } = step;
    const words = best.length === 1 ? "fastest here" : "among the fastest here";
    const mark = turned === undefined
      ? best.includes(step) ? markup` <strong class="better">${words}</strong>` : markup``
      : markup` <strong class="${turned === "loses here" ? "worse" : "better"}">${
        turned === "loses here" ? "won there, loses here" : "lost there, wins here"
      }</strong>`;
    return markup`<tr${turned === undefined ? markup`` : markup` class="turned"`}>
<th scope="row">${number}. ${idea}${mark}<br><span class="path">${refusal ?? breakable(kernel)}${
      checkedText(step)
    }</span></th>
<td class="bar" aria-hidden="true">${bars(scale, gainOnFirst, there?.gainOnFirst)}</td>
<td>${time ? short(time.median) : "-"}</td>
<td>${time ? short(sureness(time)) : "-"}</td>
<td>${times(gainOnFirst)}</td>
<td>${number === 1 ? "-" : `${times(gain)} on ${changes}`}</td>
<td>${there?.microseconds === undefined ? "-" : short(there.microseconds)}</td>
<td>${times(there?.gainOnFirst)}</td>
<td>${number === 1 ? "-" : times(there?.gain)}</td>
</tr>`;
  });
  const other = shipped ? `${shipped.adapter.replace(/ \(.*/, "")}` : "elsewhere";
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="${title}"><table class="figures ladder">
<thead><tr><th scope="col" rowspan="2">step</th><th scope="col" rowspan="2" class="text">on naive</th><th scope="colgroup" colspan="4">here</th><th scope="colgroup" colspan="3">${other}</th></tr>
<tr><th scope="col">us</th><th scope="col">± us</th><th scope="col">on naive</th><th scope="col">gain</th><th scope="col">us</th><th scope="col">on naive</th><th scope="col">gain</th></tr></thead>
<tbody>${rows}</tbody></table></div>`;
}

/** That it was compared with the reference before it was timed. */
function checkedText({ time, checkedSizes = 0 }: ComparedStep): Html {
  if (!time || checkedSizes === 0) return markup``;
  return markup`<br>right at ${checkedSizes} ${checkedSizes === 1 ? "size" : "sizes"}`;
}

/** Two bars from 1x: to the right what is faster than the naive step, to the left what is slower. */
function bars(scale: (gain: number) => number, here: number | undefined, there: number | undefined): Html {
  const bar = (gain: number | undefined, y: number, name: string) => {
    if (gain === undefined) return markup``;
    const [from, to] = [scale(1), scale(gain)];
    return markup`<rect class="${name}" x="${Math.min(from, to).toFixed(2)}" y="${y}" width="${
      Math.max(0.8, Math.abs(to - from)).toFixed(2)
    }" height="7"/>`;
  };
  return markup`<svg viewBox="0 0 100 18" preserveAspectRatio="none">${bar(here, 1, "here")}${
    bar(there, 10, "there")
  }<line class="one" x1="${scale(1).toFixed(2)}" x2="${scale(1).toFixed(2)}" y1="0" y2="18"/></svg>`;
}
