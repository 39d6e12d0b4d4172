/** A step as the sequence of its dispatches: a strip of all of them, and a table with a bar each. */

import type { DispatchResult } from "../../selftest/profile/bench_report.ts";
import { type Html, markup } from "../../report/html.ts";
import { type Ceilings, standing } from "../../selftest/profile/roofline.ts";
import { sureness } from "../../selftest/profile/timing.ts";
import type { DispatchFacts, Phase } from "../client/services/step.ts";
import { percent, short } from "../../number_text.ts";
import { breakable, duration, scrollTable } from "./text.ts";

export type TimedDispatch = Pick<DispatchFacts, "label" | "kernel" | "phase"> & DispatchResult;

const phaseNames: Readonly<Record<Phase, string>> = {
  batch: "lays out the batch",
  forward: "forward",
  backward: "backward",
  optimiser: "moves the weights",
};

/** Units of the strip; it is stretched to its place. */
const STRIP = { width: 1000, height: 34 };

/** Where dispatches begin and end, in microseconds, as if each waited for the one before. */
export function spansOf(
  dispatches: readonly Pick<TimedDispatch, "median">[],
): { readonly spans: readonly (readonly [from: number, to: number])[]; readonly total: number } {
  let at = 0;
  const spans = dispatches.map(({ median }) => [at, at += median] as const);
  return { spans, total: at };
}

/** All dispatches side by side, as wide as they are long; `data-dispatch` says which is which. */
export function timelineStrip(dispatches: readonly TimedDispatch[]): Html {
  const { spans, total } = spansOf(dispatches);
  const { width, height } = STRIP;
  const x = (time: number) => total > 0 ? width * time / total : 0;
  const bars = dispatches.map(({ label, phase, median }, k) => {
    const [from, to] = spans[k] ?? [0, 0];
    const title = `${k + 1}: ${label}, ${duration(median)}`;
    return markup`<rect class="phase-${phase}" data-dispatch="${k}" x="${x(from).toFixed(2)}" y="0" width="${
      Math.max(0.6, x(to) - x(from) - 0.8).toFixed(2)
    }" height="${height}"><title>${title}</title></rect>`;
  });
  return markup`<svg class="strip" viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" role="img" aria-label="${
    stripSummary(dispatches)
  }">${bars}</svg><div class="strip-ends" aria-hidden="true"><span>0 us</span><span>${
    duration(total)
  }</span></div>`;
}

/** What the strip shows, in a sentence. */
export function stripSummary(dispatches: readonly TimedDispatch[]): string {
  const { total } = spansOf(dispatches);
  const [longest] = [...dispatches].sort((a, b) => b.median - a.median);
  if (!longest) return "No dispatches";
  const share = percent(longest.median / total);
  return `${dispatches.length} dispatches take ${
    duration(total)
  }; the longest, ${longest.label}, takes ${share}`;
}

/** Which colour means what. */
export function phaseLegend(dispatches: readonly TimedDispatch[]): Html {
  const { total } = spansOf(dispatches);
  const items = Object.entries(phaseNames).flatMap(([phase, name]) => {
    const own = dispatches.filter((dispatch) => dispatch.phase === phase);
    if (own.length === 0) return [];
    const share = spansOf(own).total / total;
    return [
      markup`<li><svg width="12" height="12" aria-hidden="true"><rect class="phase-${phase}" width="12" height="12" rx="2"/></svg> ${name}: ${
        percent(share)
      }</li>`,
    ];
  });
  return markup`<ul class="phases">${items}</ul>`;
}

/** A row a dispatch, each with a button that opens it. Without ceilings there are no shares of the roofline. */
export function timelineTable(dispatches: readonly TimedDispatch[], ceilings: Ceilings | undefined): Html {
  const { spans, total } = spansOf(dispatches);
  const rows = dispatches.map((dispatch, k) => {
    const { label, kernel, phase, median, flops, bytes } = dispatch;
    const on = ceilings && standing(dispatch, median, ceilings, dispatch.invocations);
    const [from = 0] = spans[k] ?? [];
    const at = (time: number) => (total > 0 ? 100 * time / total : 0).toFixed(2);
    return markup`<tr>
<th scope="row"><button type="button" data-dispatch="${k}">${
      breakable(label)
    }</button><br><span class="path">${breakable(kernel)}</span></th>
<td class="bar" aria-hidden="true"><svg viewBox="0 0 100 14" preserveAspectRatio="none"><rect class="phase-${phase}" x="${
      at(from)
    }" y="1" width="${at(Math.max(median, total / 300))}" height="12"/></svg></td>
<td>${short(median)}</td>
<td>${short(sureness(dispatch))}</td>
<td>${percent(median / total)}</td>
<td>${flops > 0 ? short(flops / 1e6) : "-"}</td>
<td>${bytes > 0 ? short(bytes / 1e6) : "-"}</td>
<td>${on && flops > 0 ? short(on.gflops) : "-"}</td>
<td>${on && bytes > 0 ? short(on.gbs) : "-"}</td>
<td>${percent(on?.share)}</td>
<td class="text">${on?.bound ?? "-"}</td>
</tr>`;
  });
  const times = ["us", "± us", "of step", "MFLOP", "MB", "GFLOP/s", "GB/s", "roofline"];
  const head = ["dispatch, kernel", ["when"], ...times, ["bound by"]] as const;
  return scrollTable("The dispatches of the step", "figures timeline", head, rows);
}
