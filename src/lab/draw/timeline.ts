/** Renders the dispatches of a training step as a strip, and as a table with a bar per dispatch. */

import type { DispatchMeasurement } from "../../profile/bench_report.ts";
import { type Html, markup } from "../../report/html.ts";
import { computeRooflinePosition, type RooflineCeilings } from "../../profile/roofline.ts";
import { estimateMedianError } from "../../profile/timing.ts";
import type { DispatchSummary, StepPhase } from "../client/services/step_service.ts";
import { formatPercent, formatShort } from "../../number_text.ts";
import { formatMicroseconds, renderBreakableName, renderScrollTable } from "./text.ts";

export type TimedDispatch = Pick<DispatchSummary, "label" | "kernel" | "phase"> & DispatchMeasurement;

const phaseNames: Readonly<Record<StepPhase, string>> = {
  batch: "builds the batch",
  forward: "forward",
  backward: "backward",
  optimiser: "updates the weights",
};

/** Size of the strip in SVG units. The strip is stretched to the width of the page. */
const STRIP = { width: 1000, height: 34 };

/** Computes when each dispatch starts and ends (in microseconds) if dispatches run without gaps. */
export function computeSpans(
  dispatches: readonly Pick<TimedDispatch, "median">[],
): { readonly spans: readonly (readonly [from: number, to: number])[]; readonly total: number } {
  let at = 0;
  const spans = dispatches.map(({ median }) => [at, at += median] as const);
  return { spans, total: at };
}

/** Renders a rectangle per dispatch: its width is the time, `data-dispatch` is the dispatch's index. */
export function renderTimeline(dispatches: readonly TimedDispatch[]): Html {
  const { spans, total } = computeSpans(dispatches);
  const { width, height } = STRIP;
  const x = (time: number) => total > 0 ? width * time / total : 0;
  const bars = dispatches.map(({ label, phase, median }, k) => {
    const [from, to] = spans[k] ?? [0, 0];
    const title = `${k + 1}: ${label}, ${formatMicroseconds(median)}`;
    return markup`<rect class="phase-${phase}" data-dispatch="${k}" x="${x(from).toFixed(2)}" y="0" width="${
      Math.max(0.6, x(to) - x(from) - 0.8).toFixed(2)
    }" height="${height}"><title>${title}</title></rect>`;
  });
  return markup`<svg class="strip" viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" role="img" aria-label="${
    describeTimeline(dispatches)
  }">${bars}</svg><div class="strip-ends" aria-hidden="true"><span>0 us</span><span>${
    formatMicroseconds(total)
  }</span></div>`;
}

export function describeTimeline(dispatches: readonly TimedDispatch[]): string {
  const { total } = computeSpans(dispatches);
  const [longest] = dispatches.toSorted((a, b) => b.median - a.median);
  if (!longest) return "No dispatches";
  const [time, share] = [formatMicroseconds(total), formatPercent(longest.median / total)];
  return `${dispatches.length} dispatches take ${time}; the longest, ${longest.label}, takes ${share}`;
}

export function renderPhaseLegend(dispatches: readonly TimedDispatch[]): Html {
  const { total } = computeSpans(dispatches);
  const items = Object.entries(phaseNames).flatMap(([phase, name]) => {
    const own = dispatches.filter((dispatch) => dispatch.phase === phase);
    if (own.length === 0) return [];
    const share = computeSpans(own).total / total;
    return [
      markup`<li><svg width="12" height="12" aria-hidden="true"><rect class="phase-${phase}" width="12"
 height="12" rx="2"/></svg> ${name}: ${formatPercent(share)}</li>`,
    ];
  });
  return markup`<ul class="phases">${items}</ul>`;
}

/** Renders a table row per dispatch. Without the adapter's peak rates, roofline columns have "-". */
export function renderTimelineTable(
  dispatches: readonly TimedDispatch[],
  ceilings: RooflineCeilings | undefined,
): Html {
  const { spans, total } = computeSpans(dispatches);
  const rows = dispatches.map((dispatch, k) => {
    const { label, kernel, phase, median, flops, bytes } = dispatch;
    const unsure = isUnsure(dispatch);
    const on = ceilings && !unsure
      ? computeRooflinePosition(dispatch, median, ceilings, dispatch.invocations)
      : undefined;
    const [from = 0] = spans[k] ?? [];
    const at = (time: number) => (total > 0 ? 100 * time / total : 0).toFixed(2);
    return markup`<tr class="${unsure ? "unsure" : ""}">
<th scope="row"><button type="button" data-dispatch="${k}">${
      renderBreakableName(label)
    }</button><br><span class="path">${renderBreakableName(kernel)}</span></th>
<td class="bar" aria-hidden="true"><svg viewBox="0 0 100 14" preserveAspectRatio="none"><rect class="phase-${phase}" x="${
      at(from)
    }" y="1" width="${at(Math.max(median, total / 300))}" height="12"/></svg></td>
<td>${formatShort(median)}</td>
<td>${formatShort(estimateMedianError(dispatch))}${unsure && " ?"}</td>
<td>${formatPercent(median / total)}</td>
<td>${flops > 0 ? formatShort(flops / 1e6) : "-"}</td>
<td>${bytes > 0 ? formatShort(bytes / 1e6) : "-"}</td>
<td>${on && flops > 0 ? formatShort(on.gflops) : "-"}</td>
<td>${on && bytes > 0 ? formatShort(on.gbs) : "-"}</td>
<td>${formatPercent(on?.share)}</td>
<td class="text">${on?.bound ?? "-"}</td>
</tr>`;
  });
  const times = ["us", "± us", "% of step", "MFLOP", "MB", "GFLOP/s", "GB/s", "roofline"];
  const head = ["dispatch, kernel", ["when"], ...times, ["bound by"]] as const;
  return markup`${renderScrollTable("The dispatches of the step", "numeric timeline", head, rows)}
${dispatches.some(isUnsure) && markup`<p>${UNSURE}</p>`}`;
}

const UNSURE =
  "A question mark means that the error is as large as the time: the dispatch is too fast for this clock, " +
  "or its times vary too much. So the dispatch's FLOP/s and bytes/s are unknown.";

/** Returns true if the measured time is not larger than its error. */
export function isUnsure(timed: DispatchMeasurement): boolean {
  return estimateMedianError(timed) >= timed.median;
}
