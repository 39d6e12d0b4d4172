/** A step that was measured: its dispatches as a strip and as a table, and the kernel of the one that is opened. */

import { ceilingsOf } from "../../../../profile/ceilings.ts";
import { kernelPanel, type KernelTexts } from "../../../draw/kernel_panel.ts";
import { duration, whole } from "../../../draw/number.ts";
import { owned } from "../../../draw/owned.ts";
import {
  phaseLegend,
  spansOf,
  type TimedDispatch,
  timelineStrip,
  timelineTable,
} from "../../../draw/timeline.ts";
import type { KernelFacts } from "../../../step/facts.ts";
import { element } from "../../elements.ts";
import { fill } from "../../html_part.ts";
import type { StepProfile } from "../../services/step.ts";

/** @param texts of all kernels: see carried.ts. */
export function showStep(
  results: HTMLElement,
  { result, facts, figures, clock }: StepProfile,
  texts: KernelTexts,
): void {
  const ceilings = ceilingsOf(figures);
  const dispatches = result.dispatches.map((timed, k): TimedDispatch => ({
    ...timed,
    phase: facts[k]?.phase ?? "batch",
  }));
  const { total } = spansOf(dispatches);
  const strip = element("div", { class: "strip-box" });
  fill(strip, timelineStrip(dispatches));
  const legend = element("div");
  fill(legend, phaseLegend(dispatches));
  const table = element("div");
  fill(table, timelineTable(dispatches, ceilings));
  const panel = element("section", { class: "kernel", "aria-label": "A dispatch", hidden: true });
  let opened: KernelFacts | undefined;
  const open = (k: number, focus: boolean) => {
    const fact = facts[k];
    if (!fact) return;
    opened = fact.code;
    for (const other of results.querySelectorAll("[data-dispatch]")) {
      if (other.getAttribute("data-dispatch") === String(k)) other.setAttribute("aria-current", "true");
      else other.removeAttribute("aria-current");
    }
    fill(panel, kernelPanel(fact, dispatches[k], ceilings, texts));
    panel.hidden = false;
    if (!focus) return;
    const heading = panel.querySelector("h3");
    heading?.focus({ preventScroll: true });
    heading?.scrollIntoView({ block: "start" });
  };
  const choose = (event: Event) => {
    const chosen = event.target instanceof Element ? event.target.closest("[data-dispatch]") : null;
    if (chosen) open(Number(chosen.getAttribute("data-dispatch")), true);
  };
  panel.addEventListener("input", () => {
    const [group = 0, invocation = 0] = [...panel.querySelectorAll("input")].map(({ valueAsNumber }) =>
      valueAsNumber
    );
    const place = panel.querySelector(".owned");
    if (opened && place) fill(place, owned(opened, { group, invocation }));
  });
  strip.addEventListener("click", choose);
  table.addEventListener("click", choose);
  const { wall, users, events, rows, items } = result;
  results.replaceChildren(
    element(
      "p",
      {},
      `${users} users, ${events} events, ${whole(rows)} rows, ${items} distinct items. The ` +
        `${dispatches.length} dispatches take ${duration(total)} together; a step in a run takes ${
          duration(wall.median)
        } ` +
        `(half of the runs ${duration(wall.lower)} to ${duration(wall.upper)}).`,
    ),
    element("p", {}, clockText(clock)),
    strip,
    legend,
    table,
    panel,
  );
  // The longest one is what one wants to see first.
  const longest = dispatches.reduce(
    (best, { median }, k) => median > (dispatches[best]?.median ?? 0) ? k : best,
    0,
  );
  open(longest, false);
}

function clockText({ kind, step, latency }: StepProfile["clock"]): string {
  const sure =
    "± is half of the distance between the quartiles of all samples, or the clock's error if that is more.";
  if (kind === "queue") {
    return `This adapter has no timestamps: each dispatch is repeated and timed by the page's own clock, less the ` +
      `${duration(latency)} that an empty submission takes. ${sure}`;
  }
  return step <= 1
    ? `Timed by the adapter's own timestamps, each dispatch in a pass of its own. ${sure}`
    : `The browser rounds timestamps to ${
      duration(step)
    }. So each dispatch is repeated in a pass until the pass is long ` +
      `against that, and what it changes is put back. ${sure}`;
}
