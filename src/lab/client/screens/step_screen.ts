/** Screen "Look inside a step": times the dispatches of a training step, and shows their kernels. */

import { findCeilings } from "../../../profile/roofline.ts";
import type { Html } from "../../../report/html.ts";
import { renderKernelFile, renderKernelPanel, renderMachineCode } from "../../draw/kernel_panel.ts";
import { clamp, renderOwned } from "../../draw/ownership.ts";
import { formatCount, formatMicroseconds } from "../../draw/text.ts";
import { computeSpans, renderPhaseLegend, renderTimeline, renderTimelineTable } from "../../draw/timeline.ts";
import type { TimedDispatch } from "../../draw/timeline.ts";
import { formatStepKey } from "../../saved_report.ts";
import { dom, element, fill, Notice, StopButton } from "../elements.ts";
import type { Lab } from "../lab_app.ts";
import type { MeasurementProgress } from "../lab_worker.ts";
import { readPageData } from "../connection.ts";
import type { KernelSummary, StepProfile } from "../services/step_service.ts";

const SECONDS = 1;

export function showStep(root: HTMLElement, lab: Lab): void {
  const workload = element("select", { id: "step-workload" });
  const model = element("select", { id: "step-model" });
  const notice = new Notice();
  const results = element("div", { class: "results" });
  const stop = new StopButton(() => notice.show("Stopping after the current measurement ..."));
  const panel = new KernelPanel(results);
  let openDispatch: OpenDispatch | undefined;
  const openFromAddress = () => {
    const { texts } = readPageData();
    if (lab.part === "" || openDispatch?.(lab.part)) return;
    if (!Object.hasOwn(texts.files, lab.part)) {
      return lab.refuse("the name of a kernel, such as choice_nll", lab.part);
    }
    markOpened(results, undefined);
    panel.show(lab.part, renderKernelFile(lab.part, texts));
    if (!openDispatch) results.replaceChildren(panel.element);
    panel.focus();
  };
  const measure = async (signal: AbortSignal) => {
    try {
      const request = { workload: workload.value, model: model.value, seconds: SECONDS };
      const onProgress = (done: MeasurementProgress) => notice.showProgress(done);
      const profile = await lab.call("step", "profile", request, { onProgress, signal });
      notice.show("Measured. Open a dispatch to see its kernel.");
      lab.store("adapter", profile.probes);
      lab.store(formatStepKey(profile.result), profile.result);
      openDispatch = showProfile(results, panel, profile);
      openFromAddress();
    } catch (error) {
      notice.fail(error);
    }
  };
  const begin = stop.startButton("Measure a step", measure);
  root.append(
    dom`<p>A training step is a fixed sequence of dispatches: kernels that build the batch, compute the
forward and backward pass, and update the weights. This screen times each dispatch on your adapter.</p>`,
    dom`<div class="buttons"><label>Batch${workload}</label><label>Model${model}</label>${begin}
${stop.element}</div>`,
    notice.element,
    results,
  );
  /** Names of the workloads with a fixed model, for which the user cannot choose another model. */
  let own: ReadonlySet<string> = new Set();
  const updateModel = () => model.disabled = own.has(workload.value);
  workload.addEventListener("change", updateModel);
  const loadChoices = () =>
    lab.call("step", "choices", undefined).then(({ workloads, models }) => {
      own = new Set(workloads.flatMap(({ name, ownModel }) => ownModel ? [name] : []));
      setOptions(workload, workloads);
      setOptions(model, models.map((name) => ({ name, about: name })));
      updateModel();
    }, (error: unknown) => notice.fail(error));
  void loadChoices();
  lab.onShow("step", openFromAddress);
  // After a training, the user can also choose the trained model.
  lab.onMeasurement(() => void loadChoices());
}

/** Replaces the options of a list. A selected option stays selected if the new options include it. */
function setOptions(
  select: HTMLSelectElement,
  options: readonly { readonly name: string; readonly about: string }[],
): void {
  const before = select.value;
  select.replaceChildren(...options.map(({ name, about }) => element("option", { value: name }, about)));
  if (options.some(({ name }) => name === before)) select.value = before;
}

/** Opens the first dispatch of a kernel; returns false if the measured step has no such dispatch. */
type OpenDispatch = (kernel: string) => boolean;

function showProfile(results: HTMLElement, panel: KernelPanel, profile: StepProfile): OpenDispatch {
  const { result, facts, probes, clock } = profile;
  const ceilings = findCeilings(probes);
  const phase = (k: number) => facts[k]?.phase ?? "batch";
  const dispatches = result.dispatches.map((timed, k): TimedDispatch => ({ ...timed, phase: phase(k) }));
  const strip = element("div", { class: "strip-box" }, renderTimeline(dispatches));
  const table = element("div", {}, renderTimelineTable(dispatches, ceilings));
  const open = (k: number, focus: boolean) => {
    const fact = facts[k];
    if (!fact) return;
    markOpened(results, k);
    const content = renderKernelPanel(fact, dispatches[k], ceilings, readPageData().texts);
    panel.show(fact.kernel, content, fact.code);
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
    dom`<p>${describeStep(result, dispatches)}</p>`,
    dom`<p>${describeClock(clock)}</p>`,
    strip,
    element("div", {}, renderPhaseLegend(dispatches)),
    table,
    panel.element,
  );
  open(findLongest(dispatches), false);
  return (kernel) => {
    const index = facts.findIndex((one) => one.kernel === kernel);
    if (index >= 0) open(index, true);
    return index >= 0;
  };
}

class KernelPanel {
  readonly element = element("section", { class: "card kernel", "aria-label": "A kernel" });
  #kernel: KernelSummary | undefined;

  constructor(private readonly results: HTMLElement) {
    this.element.addEventListener("input", () => this.#showOwned());
  }

  /** Shows a kernel. @param code - the kernel's summary; undefined for a kernel that was not measured */
  show(kernel: string, content: Html, code?: KernelSummary): void {
    this.#kernel = code;
    fill(this.element, content);
    const opened = this.results.querySelector<HTMLElement>("table [aria-current]");
    const onclick = () => {
      opened?.focus({ preventScroll: true });
      opened?.scrollIntoView({ block: "center" });
    };
    const back = element("button", { type: "button", onclick }, "Back to the dispatches");
    if (opened) this.element.prepend(element("div", { class: "buttons" }, back));
    const machine = this.element.querySelector("details.machine");
    machine?.append(element("div", {}, renderMachineCode(readPageData().machineCode, kernel)));
  }

  focus(): void {
    const heading = this.element.querySelector("h3");
    heading?.focus({ preventScroll: true });
    heading?.scrollIntoView({ block: "start" });
  }

  /** Shows the array elements that the chosen invocation reads and writes. */
  #showOwned(): void {
    const fields = [...this.element.querySelectorAll("input")];
    for (const field of fields.filter(({ value }) => value !== "")) {
      field.value = String(clamp(field.valueAsNumber, Number(field.max)));
    }
    const [group = 0, invocation = 0] = fields.map(({ valueAsNumber }) => valueAsNumber);
    const owned = this.element.querySelector(".owned");
    if (this.#kernel && owned) fill(owned, renderOwned(this.#kernel, { group, invocation }));
  }
}

function markOpened(results: HTMLElement, k: number | undefined): void {
  for (const one of results.querySelectorAll("[data-dispatch]")) {
    if (one.getAttribute("data-dispatch") === String(k)) one.setAttribute("aria-current", "true");
    else one.removeAttribute("aria-current");
  }
}

function findLongest(dispatches: readonly TimedDispatch[]): number {
  return dispatches.reduce((best, { median }, k) => median > (dispatches[best]?.median ?? 0) ? k : best, 0);
}

function describeStep(
  { wall, users, events, rows, items }: StepProfile["result"],
  dispatches: readonly TimedDispatch[],
): string {
  const sum = computeSpans(dispatches).total;
  const [total, median, lower, upper] = [sum, wall.median, wall.lower, wall.upper].map(formatMicroseconds);
  return `${users} users, ${events} events, ${formatCount(rows)} rows, ${items} distinct items. The ` +
    `${dispatches.length} dispatches take ${total} in total; a whole step takes ${median} ` +
    `(quartiles ${lower} to ${upper}).`;
}

function describeClock({ kind, step, latency }: StepProfile["clock"]): string {
  const error =
    "± is half of the interquartile range of all samples, or the clock's error if that is larger.";
  if (kind === "queue") {
    return "This adapter has no timestamps. Each dispatch is repeated and timed by the browser's clock. " +
      `The time of an empty submission (${formatMicroseconds(latency)}) is subtracted. ${error}`;
  }
  if (step <= 1) return `Timed by the adapter's timestamps, one dispatch per pass. ${error}`;
  return `The browser rounds timestamps to ${
    formatMicroseconds(step)
  }. Therefore each dispatch is repeated in a pass until the pass takes much longer than the rounding. ` +
    `The data that a dispatch changes are restored afterwards. ${error}`;
}
