/** "Look inside a step": the step as the sequence of its dispatches, each of which opens its kernel. */

import { findCeilings, type RooflineCeilings } from "../../../profile/roofline.ts";
import { type PageData, renderKernelPanel, renderMachineCode } from "../../draw/kernel_panel.ts";
import { renderOwned } from "../../draw/ownership.ts";
import { formatCount, formatMicroseconds } from "../../draw/text.ts";
import {
  computeSpans,
  renderPhaseLegend,
  renderTimeline,
  renderTimelineTable,
  type TimedDispatch,
} from "../../draw/timeline.ts";
import { stepName } from "../../saved_report.ts";
import { button, dom, element, fill, Notice, StopButton } from "../elements.ts";
import type { Lab } from "../lab_app.ts";
import { readPageData } from "../connection.ts";
import type { DispatchSummary, KernelSummary, StepProfile } from "../services/step_service.ts";

/** Seconds for whole steps. */
const SECONDS = 1;

export function step(root: HTMLElement, lab: Lab): void {
  const workload = element("select", { id: "step-workload" });
  const model = element("select", { id: "step-model" });
  const notice = new Notice();
  const results = element("div", { class: "results" });
  const stop = new StopButton(() => notice.say("Stopping when what is under way is done ..."));
  let openKernel: ((kernel: string) => boolean) | undefined;
  /** The kernel that the address names. */
  const openWanted = () => {
    if (lab.part === "" || openKernel?.(lab.part)) return;
    notice.say(`No dispatch of this step has the kernel ${lab.part}.`, "note");
  };
  const measure = async (signal: AbortSignal) => {
    try {
      const request = { workload: workload.value, model: model.value, seconds: SECONDS };
      const onProgress = (text: string) => notice.say(text);
      const profile = await lab.call("step", "profile", request, { onProgress, signal });
      notice.say("Measured. Open a dispatch to see its kernel.");
      lab.keep("figures", profile.figures);
      lab.keep(stepName(profile.result), profile.result);
      openKernel = showStep(results, profile);
      openWanted();
    } catch (error) {
      notice.fail(error);
    }
  };
  const begin = button("Measure a step", () => stop.during(measure));
  root.append(
    dom`<p>A training step is a fixed sequence of dispatches: kernels that lay out the batch, compute the model forward, take
the gradients back, and move the weights. Here each of them is timed on your adapter.</p>`,
    dom`<div class="buttons"><label>Batch${workload}</label><label>Model${model}</label>${begin}${stop.element}</div>`,
    notice.element,
    results,
  );
  /** A batch that has a model of its own leaves none to choose. */
  let own: ReadonlySet<string> = new Set();
  const choose = () => model.disabled = own.has(workload.value);
  workload.addEventListener("change", choose);
  const offer = () =>
    lab.call("step", "choices", undefined).then(({ workloads, models }) => {
      own = new Set(workloads.flatMap(({ name, ownModel }) => ownModel ? [name] : []));
      setOptions(workload, workloads);
      setOptions(model, models.map((name) => ({ name, about: name })));
      choose();
    }, (error: unknown) => notice.fail(error));
  const offered = offer();
  // Whoever comes by the address of a kernel wants to see it.
  lab.onShow("step", () => {
    if (openKernel) openWanted();
    else if (lab.part !== "") void offered.then(() => stop.during(measure));
  });
  // A model that was trained meanwhile can be looked into, too.
  lab.onKept(() => void offer());
}

/** What is chosen stays chosen. */
function setOptions(
  select: HTMLSelectElement,
  options: readonly { readonly name: string; readonly about: string }[],
): void {
  const before = select.value;
  select.replaceChildren(...options.map(({ name, about }) => element("option", { value: name }, about)));
  if (options.some(({ name }) => name === before)) select.value = before;
}

/** @returns what opens the first dispatch of a kernel, if there is one */
function showStep(
  results: HTMLElement,
  { result, facts, figures, clock }: StepProfile,
): (kernel: string) => boolean {
  const ceilings = findCeilings(figures);
  const dispatches = result.dispatches.map((timed, k): TimedDispatch => ({
    ...timed,
    phase: facts[k]?.phase ?? "batch",
  }));
  const strip = element("div", { class: "strip-box" }, renderTimeline(dispatches));
  const table = element("div", {}, renderTimelineTable(dispatches, ceilings));
  const back = () => {
    const opened = table.querySelector<HTMLElement>("[aria-current]");
    opened?.focus({ preventScroll: true });
    opened?.scrollIntoView({ block: "center" });
  };
  const panel = new DispatchPanel(ceilings, readPageData(), back);
  const open = (k: number, focus: boolean) => {
    const fact = facts[k];
    if (!fact) return;
    markOpened(results, k);
    panel.show(fact, dispatches[k]);
    if (focus && fact.code) history.replaceState(null, "", `#step/${fact.kernel}`);
    if (focus) panel.focus();
  };
  const choose = (event: Event) => {
    const chosen = event.target instanceof Element ? event.target.closest("[data-dispatch]") : null;
    if (chosen) open(Number(chosen.getAttribute("data-dispatch")), true);
  };
  strip.addEventListener("click", choose);
  table.addEventListener("click", choose);
  results.replaceChildren(
    dom`<p>${stepText(result, dispatches)}</p>`,
    dom`<p>${clockText(clock)}</p>`,
    strip,
    element("div", {}, renderPhaseLegend(dispatches)),
    table,
    panel.element,
  );
  // The longest one is what one wants to see first.
  open(findLongest(dispatches), false);
  return (kernel) => {
    const wanted = facts.findIndex((one) => one.kernel === kernel);
    if (wanted >= 0) open(wanted, true);
    return wanted >= 0;
  };
}

/** All that is said of the dispatch that is opened. */
class DispatchPanel {
  readonly element = element("section", { class: "card kernel", "aria-label": "A dispatch", hidden: true });
  /** None of a copy. */
  #kernel: KernelSummary | undefined;

  /** @param back to the dispatch among the others. */
  constructor(
    private readonly ceilings: RooflineCeilings,
    private readonly carried: PageData,
    private readonly back: () => void,
  ) {
    this.element.addEventListener("input", () => this.#showOwned());
  }

  show(fact: DispatchSummary, timed: TimedDispatch | undefined): void {
    this.#kernel = fact.code;
    fill(this.element, renderKernelPanel(fact, timed, this.ceilings, this.carried.texts));
    const back = element("button", { type: "button", onclick: this.back }, "Back to the dispatches");
    this.element.prepend(element("div", { class: "buttons" }, back));
    this.element.hidden = false;
    const machine = this.element.querySelector("details.machine");
    machine?.append(element("div", {}, renderMachineCode(this.carried.machineCode, fact.kernel)));
  }

  focus(): void {
    const heading = this.element.querySelector("h3");
    heading?.focus({ preventScroll: true });
    heading?.scrollIntoView({ block: "start" });
  }

  /** What the invocation owns that is chosen in the fields. */
  #showOwned(): void {
    const fields = [...this.element.querySelectorAll("input")];
    const [group = 0, invocation = 0] = fields.map(({ valueAsNumber }) => valueAsNumber);
    const place = this.element.querySelector(".owned");
    if (this.#kernel && place) fill(place, renderOwned(this.#kernel, { group, invocation }));
  }
}

/** In the strip and in the table. */
function markOpened(results: HTMLElement, k: number): void {
  for (const one of results.querySelectorAll("[data-dispatch]")) {
    if (one.getAttribute("data-dispatch") === String(k)) one.setAttribute("aria-current", "true");
    else one.removeAttribute("aria-current");
  }
}

function findLongest(dispatches: readonly TimedDispatch[]): number {
  return dispatches.reduce(
    (best, { median }, k) => median > (dispatches[best]?.median ?? 0) ? k : best,
    0,
  );
}

function stepText(
  { wall, users, events, rows, items }: StepProfile["result"],
  dispatches: readonly TimedDispatch[],
): string {
  const { total } = computeSpans(dispatches);
  return `${users} users, ${events} events, ${formatCount(rows)} rows, ${items} distinct items. The ` +
    `${dispatches.length} dispatches take ${formatMicroseconds(total)} together; a step in a run takes ${
      formatMicroseconds(wall.median)
    } ` +
    `(half of the runs ${formatMicroseconds(wall.lower)} to ${formatMicroseconds(wall.upper)}).`;
}

function clockText({ kind, step, latency }: StepProfile["clock"]): string {
  const sure =
    "± is half of the distance between the quartiles of all samples, or the clock's error if that is more.";
  if (kind === "queue") {
    return `This adapter has no timestamps: each dispatch is repeated and timed by the page's own clock, less the ` +
      `${formatMicroseconds(latency)} that an empty submission takes. ${sure}`;
  }
  return step <= 1
    ? `Timed by the adapter's own timestamps, each dispatch in a pass of its own. ${sure}`
    : `The browser rounds timestamps to ${
      formatMicroseconds(step)
    }. So each dispatch is repeated in a pass until the pass is long ` +
      `against that, and what it changes is put back. ${sure}`;
}
