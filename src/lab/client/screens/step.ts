/** "Look inside a step": the step as the sequence of its dispatches, each of which opens its kernel. */

import { carried } from "../carried.ts";
import { button, element, Notice } from "../elements.ts";
import type { Lab, ScreenBody } from "../lab.ts";
import { keepMeasured } from "../measured.ts";
import type { StepWorkload } from "../services/step.ts";
import { showStep } from "./step/show_step.ts";

/** Seconds for whole steps. */
const SECONDS = 1;

export const step: ScreenBody = {
  mount(root, lab) {
    const chosen: Chosen = {
      workload: element("select", { id: "step-workload" }),
      model: element("select", { id: "step-model" }),
    };
    const notice = new Notice();
    const results = element("div", { class: "results" });
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
        element("label", {}, "Batch", chosen.workload),
        element("label", {}, "Model", chosen.model),
        ...measureButtons(lab, chosen, notice, results),
      ),
      notice.element,
      results,
    );
    offerChoices(lab, chosen, notice);
  },
};

/** The fields that say what to measure. */
interface Chosen {
  readonly workload: HTMLSelectElement;
  readonly model: HTMLSelectElement;
}

/** One measures what is chosen, the other stops that. */
function measureButtons(
  lab: Lab,
  { workload, model }: Chosen,
  notice: Notice,
  results: HTMLElement,
): readonly HTMLElement[] {
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
      showStep(results, profile, carried().texts);
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
  return [measure, stop];
}

/** Fills the fields. A batch that has a model of its own leaves none to choose. */
function offerChoices(lab: Lab, { workload, model }: Chosen, notice: Notice): void {
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
