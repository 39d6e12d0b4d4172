/** Screen "Self-test": compares all kernels with float64 references, and shows their largest errors. */

import type { AdapterKind } from "../../../gpu/kernel_variants.ts";
import { type Html, markup } from "../../../report/html.ts";
import type { KernelFinding, KindFinding } from "../../../selftest/finding.ts";
import { describeVerdict, formatElement, groupByKernel, listFaultyCases } from "../../../selftest/finding.ts";
import { formatCount, renderScrollTable } from "../../draw/text.ts";
import { dom, element, fill, Notice, StopButton } from "../elements.ts";
import type { Lab } from "../lab_app.ts";
import type { SelftestRequest } from "../services/kernel_services.ts";

export function showSelftest(root: HTMLElement, lab: Lab): void {
  root.append(
    dom`<p class="lead">Every kernel runs on your adapter with small inputs. The lab compares outputs and
gradients with float64 references. Each number's tolerance follows from the rounding errors of its sums.</p>`,
    new SelftestView(lab).element,
  );
}

/** Kernel variants to test. Variants for GPUs also run on CPU adapters, and vice versa. */
const choices: Readonly<Record<string, readonly AdapterKind[]>> = {
  "for GPUs": ["gpu"],
  "for CPU adapters": ["cpu"],
  both: ["gpu", "cpu"],
};

const ERROR = "Error / tolerance (logarithmic, from 0.01 %)";
const HEADS = ["Kernel", ERROR, "Largest error at", "Values compared"];

class SelftestView {
  readonly element: HTMLElement;
  readonly #notice = new Notice();
  readonly #kinds = element(
    "select",
    { id: "selftest-kinds" },
    ...Object.keys(choices).map((name) => element("option", { value: name }, name)),
  );
  readonly #only = element("input", { id: "selftest-only", type: "text", size: 12, placeholder: "all" });
  readonly #faults = element("div");
  readonly #table = element("div", { hidden: true }, renderScrollTable("Kernels", "kernels", HEADS, []));
  readonly #stop = new StopButton();
  readonly #run = this.#stop.startButton("Run the self-test", (signal) => this.#start(signal));
  #findings: KindFinding[] = [];

  constructor(private readonly lab: Lab) {
    this.element = dom`<div>${this.#notice.element}
<div class="card"><div class="buttons"><label for="selftest-kinds">Kernels</label>${this.#kinds}
<label for="selftest-only">Cases with</label>${this.#only}${this.#run}${this.#stop.element}</div>
${this.#faults}</div>
${this.#table}</div>`;
  }

  async #start(signal: AbortSignal): Promise<void> {
    const request: SelftestRequest = {
      kinds: choices[this.#kinds.value] ?? ["gpu"],
      only: this.#only.value.trim(),
    };
    this.#findings = [];
    this.#notice.clear();
    this.#show();
    try {
      await this.#runAll(request, signal);
    } catch (error) {
      this.#notice.fail(error);
    }
  }

  async #runAll(request: SelftestRequest, signal: AbortSignal): Promise<void> {
    const { seconds, adapter } = await this.lab.call("selftest", "run", request, {
      signal,
      onProgress: (progress) => {
        if (progress.kind === "case") return this.#notice.showProgress(progress);
        this.#findings.push(progress.finding);
        this.#show();
      },
    });
    const findings = this.#findings;
    this.#notice.show(
      findings.length === 0 && !signal.aborted
        ? `Expected a part of a test case's name, got "${request.only}".`
        : describeVerdict(findings, seconds, signal.aborted),
    );
    // Save only a complete run of all cases.
    if (!signal.aborted && request.only === "") {
      this.lab.store("selftest", { adapter, kernels: groupByKernel(findings), findings, seconds });
    }
  }

  #show(): void {
    const results = groupByKernel(this.#findings).toSorted((a, b) => Number(b.differs) - Number(a.differs));
    const rows = this.#table.querySelector("tbody"); // replace only rows, to keep the scroll position
    if (rows) fill(rows, markup`${results.map(renderRow)}`);
    this.#table.hidden = results.length === 0;
    const faults = listFaultyCases(this.#findings).map(({ head, faults }) =>
      markup`<li><strong>${head}</strong><ul>${faults.map((text) => markup`<li>${text}</li>`)}</ul></li>`
    );
    fill(
      this.#faults,
      markup`${faults.length > 0 && markup`<ul class="faults" aria-label="Errors">${faults}</ul>`}`,
    );
  }
}

function renderRow({ kernel, kind, values, differs, worst }: KernelFinding): Html {
  return markup`<tr class="${differs ? "wrong" : "right"}">
<th scope="row">${kernel}<small>${kind === "gpu" ? "for GPUs" : "for CPU adapters"}</small></th>
<td>${renderError(differs, worst)}</td>
<td class="where">${worst && worst.share > 0 ? `${worst.what} ${formatElement(worst.element)}` : ""}</td>
<td class="number">${formatCount(values)}</td></tr>`;
}

/** Number of powers of ten on the axis of a bar. */
const DECADES = 4;

/** Renders the ratio error / tolerance as a bar on a logarithmic axis, and as text. */
function renderError(differs: boolean, worst: KernelFinding["worst"]): Html {
  if (!worst) return markup`${differs ? "differs" : "-"}`;
  const { share, element: { tolerance } } = worst;
  if (tolerance === 0) return markup`${share === 0 ? "same bits" : "different bits"}`;
  const text = share > 1 ? `${share.toPrecision(2)} x the tolerance` : `${(100 * share).toPrecision(2)} %`;
  const value = Math.max(0, Math.min(1, 1 + Math.log10(share) / DECADES));
  return markup`<span class="off"><meter min="0" max="1" value="${value}" aria-label="${text}"></meter>
 ${text}</span>`;
}
