/** Screen "Scratchpad": runs a kernel that the user writes. The URL stores the kernel and its input. */

import { type Html, markup } from "../../../report/html.ts";
import { formatMicroseconds } from "../../draw/text.ts";
import { formatThousands } from "../../../number_text.ts";
import type { DeclaredArray } from "../../../profile/run_kernel.ts";
import { button, dom, element, fill, Notice } from "../elements.ts";
import { Editor } from "../editor.ts";
import type { Lab } from "../lab_app.ts";
import type { ScratchRequest, ScratchResult } from "../services/kernel_services.ts";

const EXAMPLE: ScratchRequest = {
  text: `// Each invocation squares one element. The last binding has the numbers of invocations in x and y.
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> step: vec4u;

@compute @workgroup_size(64)
fn squares(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.x) { return; }
  y[id.x] = x[id.x] * x[id.x];
}
`,
  arrays: { x: "0..99", y: "100" },
  invocations: "100",
};
/** The fields and the address are updated this many milliseconds after the last change of the text. */
const PAUSE_MS = 200;
/** Number of values per line of a printed array. */
const LINE = 8;

export function showScratchpad(root: HTMLElement, lab: Lab): void {
  const view = new ScratchpadView(lab);
  root.append(view.element);
  lab.onShow("scratchpad", () => void view.open(lab.part));
}

class ScratchpadView {
  readonly element: HTMLElement;
  readonly #notice = new Notice();
  readonly #fields = element("div", { class: "buttons" });
  readonly #results = element("div", { class: "answered", role: "status" });
  readonly #editor = new Editor("Your kernel", () => this.#change());
  readonly #invocations = element("input", { type: "text", size: 12, autocomplete: "off" });
  readonly #arrays = new Map<string, string>();
  #pause: ReturnType<typeof setTimeout> | undefined;
  /** Declarations of the arrays for which the screen shows input fields, as a text. */
  #names: string | undefined;
  /** Part of the address that contains the shown kernel. */
  #shown: string | undefined;
  /** Number of changes of the shown kernel so far. A pending update is dropped if the number has changed. */
  #version = 0;

  constructor(private readonly lab: Lab) {
    this.#invocations.addEventListener("input", () => this.#change());
    const run = button("Run", () => this.#run(), { class: "main" });
    this.element = dom`<div><p>Write a kernel, enter its inputs and the lengths of its outputs, and run it.
Inputs are numbers (<code>1 2.5 3</code>), ranges (<code>0..99</code>), repetitions
(<code>100*0</code>) or random numbers from 0 to 1 (<code>100*random</code>). The address of this page
contains your kernel and its numbers: copy the address to save or share them.</p>
<p class="about">Number the bindings from 0; the last one is the uniform <code>step</code>, with the numbers of
invocations in x and y. Inputs (<code>read</code>) and outputs (<code>read_write</code>) are arrays of f32, u32 or
i32, of their vectors, or of atomics. <code>@workgroup_size</code> has numbers or constants. Races are not
detected. In a program, call <a href="#course/a-kernel-of-your-own"><code>runKernel</code></a>, which has the
same rules.</p>
${this.#editor.element}
<div class="buttons">${this.#fields}<label>Invocations${this.#invocations}</label>${run}</div>
${this.#notice.element}${this.#results}</div>`;
  }

  /** Shows the kernel that `part` encodes; for "", keeps the shown kernel or shows an example. */
  async open(part: string): Promise<void> {
    if (part === this.#shown) return;
    if (part === "" && this.#shown !== undefined) return this.#showAddress();
    this.#shown = part;
    clearTimeout(this.#pause);
    const version = ++this.#version;
    const decoded = part === "" ? EXAMPLE : await decode(part).catch(() => undefined);
    const request = decoded ?? EXAMPLE;
    const declared = await this.#declaredArrays(request.text);
    if (version !== this.#version) return;
    this.#notice.clear();
    if (!decoded) {
      this.#shown = "";
      this.#notice.show("This address of the scratchpad is incomplete. Copy the whole address.", "error");
    }
    this.#editor.show(request.text, false);
    this.#invocations.value = request.invocations;
    this.#names = undefined;
    this.#arrays.clear();
    for (const [name, value] of Object.entries(request.arrays)) this.#arrays.set(name, value);
    this.#results.replaceChildren();
    this.#showFields(declared);
  }

  get #request(): ScratchRequest {
    const arrays = Object.fromEntries(this.#arrays);
    return { text: this.#editor.text, arrays, invocations: this.#invocations.value.trim() };
  }

  #change(): void {
    this.#shown = "";
    clearTimeout(this.#pause);
    const version = ++this.#version;
    this.#pause = setTimeout(async () => {
      const declared = await this.#declaredArrays(this.#editor.text);
      if (version !== this.#version) return;
      this.#showFields(declared);
      const part = await encode(this.#request);
      if (version !== this.#version) return;
      this.#shown = part;
      this.#showAddress();
    }, PAUSE_MS);
  }

  /** Writes the shown kernel into the address if this screen is open. */
  #showAddress(): void {
    if (!this.#shown || !/^#scratchpad\b/.test(location.hash)) return;
    history.replaceState(null, "", `#scratchpad=${this.#shown}`);
  }

  #declaredArrays(text: string): Promise<readonly DeclaredArray[]> {
    return this.lab.call("scratchpad", "arrays", text);
  }

  /** Shows an input field for each array that the kernel declares. */
  #showFields(declared: readonly DeclaredArray[]): void {
    const names = declared.map(({ name, isOutput }) => `${name} ${isOutput}`).join();
    if (this.#names === names) return;
    this.#names = names;
    this.#fields.replaceChildren(...declared.map(({ name, isOutput }) => {
      const value = this.#arrays.get(name) ?? (isOutput ? "1" : "0");
      this.#arrays.set(name, value);
      const field = element("input", { type: "text", size: isOutput ? 10 : 28, value, autocomplete: "off" });
      field.addEventListener("input", () => {
        this.#arrays.set(name, field.value);
        this.#change();
      });
      return element("label", {}, isOutput ? `Length of ${name} (numbers)` : `${name} (numbers)`, field);
    }));
  }

  async #run(): Promise<void> {
    this.#results.replaceChildren();
    this.#editor.mark([]);
    this.#notice.show("Running ...");
    try {
      const result = await this.lab.call("scratchpad", "run", this.#request);
      const { short, grid, workgroup, time } = result;
      const started = `${grid.join(" x ")} workgroups of ${workgroup.join(" x ")} invocations started.`;
      this.#notice.show(
        [...short, describeTime(time), started].join("\n"),
        short.length > 0 ? "note" : "plain",
      );
      fill(this.#results, markup`${result.outputs.map(renderOutput)}`);
    } catch (error) {
      this.#editor.showErrors(error, this.#notice, this.#results);
    }
  }
}

function describeTime({ median, lower, upper, error = 0 }: ScratchResult["time"]): string {
  if (error >= median) {
    return `A dispatch takes less than ${formatMicroseconds(error)}, the error of the browser's clock.`;
  }
  const [time, from, to] = [median, lower, upper].map(formatMicroseconds);
  return `A dispatch takes ${time} (quartiles ${from} to ${to}).`;
}

function renderOutput({ name, length, values }: ScratchResult["outputs"][number]): Html {
  const texts = Array.from(values, (value) => String(Number(value.toPrecision(7))));
  const widest = Math.max(...texts.map((text) => text.length));
  const digits = String(length - 1).length;
  const half = values.length < length ? values.length / 2 : values.length;
  const lines = texts.flatMap((_, k) => {
    if (k % LINE > 0) return [];
    const index = k < half ? k : k + length - values.length;
    const row = texts.slice(k, k + LINE).map((text) => text.padStart(widest)).join("  ");
    return [...(k === half ? ["..."] : []), `[${String(index).padStart(digits)}]  ${row}`];
  });
  const shown = values.length < length ? `, the first and last ${half} of ${formatThousands(length)}` : "";
  return markup`<h3>${name}${shown}</h3>
<pre class="values" tabindex="0" role="region" aria-label="Values of ${name}"><code>${
    lines.join("\n")
  }</code></pre>`;
}

async function encode(request: ScratchRequest): Promise<string> {
  const stream = new Blob([JSON.stringify(request)]).stream().pipeThrough(
    new CompressionStream("deflate-raw"),
  );
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

async function decode(code: string): Promise<ScratchRequest> {
  const text = atob(code.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const { arrays, ...rest }: ScratchRequest = JSON.parse(await new Response(stream).text());
  const texts = Object.entries(arrays).map(([name, value]) => [name, String(value)]);
  return {
    text: String(rest.text),
    invocations: String(rest.invocations),
    arrays: Object.fromEntries(texts),
  };
}
