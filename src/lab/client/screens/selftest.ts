/** Self-test: every kernel on this adapter beside float64, a row a kernel, with the element that is farthest off. */

import { whole } from "../../draw/number.ts";
import type { AdapterKind } from "../../../gpu/kernel_shapes.ts";
import { elementText, faultsOf } from "../../../selftest/finding.ts";
import {
  blamed,
  byKernel,
  type KernelResult,
  type KindFinding,
  leftOutText,
} from "../../../selftest/results.ts";
import { button, element, Notice } from "../elements.ts";
import type { Lab, ScreenBody } from "../lab.ts";
import type { SelftestRequest } from "../services/selftest.ts";

export const selftest: ScreenBody = {
  mount(root, lab) {
    root.append(
      element(
        "p",
        { class: "lead" },
        "Every kernel runs on your adapter, on small numbers whose results are known. Outputs and gradients are compared with the " +
          "same in float64. How far off a number may be follows from the rounding of its sums.",
      ),
      new SelftestView(lab).element,
    );
  },
};

/** Which kernels are tried: those for one kind of adapter run on the other, too. */
const choices: Readonly<Record<string, readonly AdapterKind[]>> = {
  "for GPUs": ["gpu"],
  "for CPU adapters": ["cpu"],
  both: ["gpu", "cpu"],
};

const NOTHING = { findings: [], seconds: 0 };

class SelftestView {
  readonly element: HTMLElement;
  readonly #notice = new Notice();
  readonly #standing = element("p", { class: "standing", role: "status" });
  readonly #progress = element("progress", {
    max: 1,
    value: 0,
    "aria-label": "Cases that are done",
    hidden: true,
  });
  readonly #kinds = element(
    "select",
    { id: "selftest-kinds" },
    ...Object.keys(choices).map((name) => element("option", { value: name }, name)),
  );
  readonly #only = element("input", { id: "selftest-only", type: "text", size: 12, placeholder: "all" });
  /** What the adapter never takes. */
  readonly #leftOut = element("div", { class: "left-out", hidden: true });
  readonly #faults = element("ul", { class: "faults", "aria-label": "What differs", hidden: true });
  readonly #rows = element("tbody");
  readonly #table: HTMLElement;
  readonly #run: HTMLButtonElement;
  readonly #stop: HTMLButtonElement;
  #findings: KindFinding[] = [];
  /** What was found before what runs now, and what is shown with it. */
  #before: { readonly findings: readonly KindFinding[]; readonly seconds: number } = NOTHING;
  #running: AbortController | undefined;

  constructor(private readonly lab: Lab) {
    this.#run = button("Run the self-test", () => this.#start());
    this.#stop = element("button", { type: "button", disabled: true }, "Stop");
    this.#stop.addEventListener("click", () => this.#running?.abort());
    const heads = [
      "Kernel",
      "Off, of what is allowed (logarithmic, from 0.01 %)",
      "Farthest off",
      "Numbers compared",
    ];
    this.#table = element(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "Kernels", hidden: true },
      element(
        "table",
        { class: "kernels" },
        element(
          "thead",
          {},
          element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head))),
        ),
        this.#rows,
      ),
    );
    this.element = element(
      "div",
      {},
      this.#notice.element,
      element(
        "div",
        { class: "card" },
        element(
          "div",
          { class: "buttons" },
          element("label", { for: "selftest-kinds" }, "Kernels"),
          this.#kinds,
          element("label", { for: "selftest-only" }, "Cases with"),
          this.#only,
          this.#run,
          this.#stop,
        ),
        this.#progress,
        this.#standing,
        this.#leftOut,
        this.#faults,
      ),
      this.#table,
    );
  }

  async #start(): Promise<void> {
    this.#before = NOTHING;
    this.#leftOut.replaceChildren();
    await this.#test({ kinds: choices[this.#kinds.value] ?? ["gpu"], only: this.#only.value.trim() });
  }

  async #test(request: SelftestRequest): Promise<void> {
    const controller = new AbortController();
    this.#running = controller;
    this.#findings = [...this.#before.findings];
    this.#notice.clear();
    this.#leftOut.hidden = true;
    this.#run.disabled = true;
    this.#stop.disabled = false;
    this.#progress.hidden = false;
    this.#show();
    try {
      const { seconds, adapter, leftOut } = await this.lab.call("selftest", "run", request, {
        signal: controller.signal,
        onProgress: (progress) => {
          if (progress.kind === "case") {
            const { name, number, of } = progress;
            this.#standing.textContent = `${number} of ${of}: ${name}`;
            this.#progress.max = of;
            this.#progress.value = number - 1;
            return;
          }
          this.#findings.push(progress.finding);
          this.#show();
        },
      });
      const { aborted } = controller.signal;
      const found = { findings: this.#findings, seconds: this.#before.seconds + seconds };
      this.#standing.textContent = this.#verdict(request.only, found.seconds, aborted);
      if (aborted) return;
      this.#before = found;
      this.#tellLeftOut(request, leftOut);
      // What counts is the whole of it.
      if (request.only === "") {
        this.lab.keep("selftest", { adapter, leftOut, kernels: byKernel(found.findings), ...found });
      }
    } catch (error) {
      this.#standing.textContent = "";
      this.#notice.fail(error);
    } finally {
      this.#run.disabled = false;
      this.#stop.disabled = true;
      this.#progress.hidden = true;
      this.#leftOut.hidden = this.#leftOut.textContent === "";
      this.#running = undefined;
    }
  }

  #tellLeftOut(request: SelftestRequest, kernels: readonly string[]): void {
    this.#leftOut.replaceChildren(
      ...kernels.length === 0 ? [] : [
        element("p", {}, leftOutText(kernels)),
        element(
          "div",
          { class: "buttons" },
          button("Run these, too", () => this.#test({ ...request, leftOut: "alone" })),
        ),
      ],
    );
  }

  #verdict(only: string, seconds: number, stopped: boolean): string {
    const wrong = this.#findings.filter((finding) => faultsOf(finding).length > 0).length;
    const kernels = new Set(byKernel(this.#findings).map(({ kernel }) => kernel)).size;
    const took = `${counted(this.#findings.length, "case")}, ${seconds.toFixed(1)} s`;
    if (stopped) return `Stopped after ${took}.`;
    if (this.#findings.length === 0) return `No case has "${only}" in its name.`;
    return wrong === 0
      ? `All agree: ${counted(kernels, "kernel")}, ${took}.`
      : `${wrong} of ${took}: they differ by more than rounding explains.`;
  }

  #show(): void {
    const results = byKernel(this.#findings);
    this.#table.hidden = results.length === 0;
    this.#rows.replaceChildren(...results.toSorted(wrongFirst).map(rowOf));
    const faults = this.#findings.flatMap((finding) => {
      const texts = faultsOf(finding);
      if (texts.length === 0) return [];
      const who = blamed(finding).join(", ");
      const head = `${finding.name} (${finding.kind} shapes)${who ? `: look at ${who}` : ""}`;
      return [
        element(
          "li",
          {},
          element("strong", {}, head),
          element("ul", {}, ...texts.map((text) => element("li", {}, text))),
        ),
      ];
    });
    this.#faults.hidden = faults.length === 0;
    this.#faults.replaceChildren(...faults);
  }
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function wrongFirst(a: KernelResult, b: KernelResult): number {
  return Number(b.differs) - Number(a.differs);
}

function rowOf({ kernel, kind, values, differs, worst }: KernelResult): HTMLElement {
  return element(
    "tr",
    { class: differs ? "wrong" : "right" },
    element(
      "th",
      { scope: "row" },
      kernel,
      element("small", {}, kind === "gpu" ? "for GPUs" : "for CPU adapters"),
    ),
    element("td", {}, offOf(differs, worst)),
    element(
      "td",
      { class: "where" },
      worst && worst.share > 0 ? `${worst.what} ${elementText(worst.element)}` : "",
    ),
    element("td", { class: "number" }, whole(values)),
  );
}

/** Powers of ten that a bar stands for. */
const DECADES = 4;

/** A bar up to what is allowed, on a logarithmic axis, and the share in words. */
function offOf(differs: boolean, worst: KernelResult["worst"]): HTMLElement {
  if (!worst) return element("span", {}, differs ? "differs" : "-");
  const { share, element: { tolerance } } = worst;
  if (tolerance === 0) return element("span", {}, share === 0 ? "the same bits" : "other bits");
  const text = share > 1 ? `${share.toPrecision(2)} times too much` : `${(100 * share).toPrecision(2)} %`;
  return element(
    "span",
    { class: "off" },
    element("meter", {
      min: 0,
      max: 1,
      value: Math.max(0, Math.min(1, 1 + Math.log10(share) / DECADES)),
      "aria-label": text,
    }),
    ` ${text}`,
  );
}
