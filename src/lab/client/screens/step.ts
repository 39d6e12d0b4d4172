/** "Look inside a step": the step as the sequence of its dispatches, each of which opens its kernel. */

import { ceilingsOf } from "../../../profile/ceilings.ts";
import { duration, whole } from "../../draw/number.ts";
import {
  phaseLegend,
  spansOf,
  type TimedDispatch,
  timelineStrip,
  timelineTable,
} from "../../draw/timeline.ts";
import { carried } from "../carried.ts";
import { button, element, Notice } from "../elements.ts";
import type { KernelFacts } from "../../step/facts.ts";
import { fill } from "../html_part.ts";
import { loadPanel } from "../page_scripts.ts";
import type { Screen } from "../lab.ts";
import { keepMeasured } from "../measured.ts";
import type { StepProfile, StepWorkload } from "../services/step.ts";

/** Seconds for whole steps. */
const SECONDS = 1;

export const step: Screen = {
  id: "step",
  title: "Look inside a step",
  mount(root, lab) {
    const workload = element("select", { id: "step-workload" });
    const model = element("select", { id: "step-model" });
    const notice = new Notice();
    const results = element("div", { class: "results" });
    let running: AbortController | undefined;
    const measure = button("Measure a step", async () => {
      running = new AbortController();
      stop.disabled = false;
      try {
        const request = { workload: workload.value, model: model.value, seconds: SECONDS };
        const { signal } = running;
        const onProgress = (text: string) => notice.say(text);
        const profile = await lab.call("step", "profile", request, { onProgress, signal });
        notice.say("Measured. Open a dispatch to see its kernel.");
        keepMeasured(lab, { figures: profile.figures, steps: [profile.result] });
        show(results, profile, await loadPanel());
      } catch (error) {
        notice.fail(error);
      } finally {
        stop.disabled = true;
      }
    });
    const stop = element("button", { type: "button", disabled: true }, "Stop");
    stop.addEventListener("click", () => {
      running?.abort();
      notice.say("Stopping when what is under way is done ...");
    });
    root.append(
      element(
        "p",
        {},
        "A training step is a fixed sequence of dispatches: kernels that lay out the batch, compute the model forward, take " +
          "the gradients back, and move the weights. Here each of them is timed on your adapter.",
      ),
      element(
        "div",
        { class: "controls" },
        element("label", {}, "Batch", workload),
        element("label", {}, "Model", model),
        measure,
        stop,
      ),
      notice.element,
      results,
    );
    let workloads: readonly StepWorkload[] = [];
    const choose = () => {
      model.disabled = workloads.some(({ name, ownModel }) => name === workload.value && ownModel);
    };
    workload.addEventListener("change", choose);
    const offered = async () => {
      try {
        const choices = await lab.call("step", "choices", undefined);
        workloads = choices.workloads;
        setOptions(workload, workloads);
        setOptions(model, choices.models.map((name) => ({ name, about: name })));
        choose();
      } catch (error) {
        notice.fail(error);
      }
    };
    void offered();
    // A model that was trained meanwhile can be looked into, too.
    lab.onKept(() => void offered());
  },
};

/** What is chosen stays chosen. */
function setOptions(
  select: HTMLSelectElement,
  options: readonly { readonly name: string; readonly about: string }[],
): void {
  const before = select.value;
  select.replaceChildren(...options.map(({ name, about }) => element("option", { value: name }, about)));
  if (options.some(({ name }) => name === before)) select.value = before;
}

function show(
  results: HTMLElement,
  { result, facts, figures, clock }: StepProfile,
  { kernelPanel, owned }: Awaited<ReturnType<typeof loadPanel>>,
): void {
  const ceilings = ceilingsOf(figures);
  const dispatches = result.dispatches.map((timed, k): TimedDispatch => ({
    ...timed,
    phase: facts[k]?.phase ?? "batch",
  }));
  const { texts } = carried();
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
