/** What a GPU's compiler made of a kernel, as `deno task bench compiled --readme bench/compiled.md` has recorded it. */

import { type Html, markup } from "../../report/html.ts";
import { factsList } from "../../report/tables.ts";

/** A kernel's first text among those of the bench's workloads. */
export interface RecordedKernel {
  readonly kernel: string;
  /** Where it is used: "W1 LSTM". */
  readonly where: string;
  /** As the bench's tables have them, in the order of {@link MachineCode.names}. */
  readonly facts: readonly string[];
  /** Whether the code is its innermost loop; all of it where none is left. */
  readonly isLoop: boolean;
  /** The first {@link MOST_LINES} lines. */
  readonly code: readonly string[];
  readonly lines: number;
}

/** What is recorded; what is longer mostly repeats itself. */
export const MOST_LINES = 100;

export interface MachineCode {
  readonly compiler: string;
  readonly gpu: string;
  /** Of the facts. */
  readonly names: readonly string[];
  readonly kernels: readonly RecordedKernel[];
}

/** What is recorded of a kernel; says so where nothing is. */
export function machineCodeHtml({ compiler, gpu, names, kernels }: MachineCode, kernel: string): Html {
  const found = kernels.find((one) => one.kernel === kernel);
  if (!found) {
    return markup`<p>Nothing is recorded of ${kernel}: only kernels in the shapes of a GPU are compiled for one.</p>`;
  }
  const facts = found.facts.map((value, k) => [names[k] ?? "", value] as const);
  const more = found.lines - found.code.length;
  return markup`<p>By ${compiler} for ${gpu}, of the text of ${found.where}: constants may be others here, and nothing of it
ran on a GPU. How to read it: bench/compiled.md.</p>
${factsList(facts)}
<p>${found.isLoop ? "Its innermost loop that does the most arithmetic:" : "No loop is left. All of it:"}</p>
<pre tabindex="0" role="region" aria-label="Machine code"><code>${found.code.join("\n")}</code></pre>
${more > 0 && markup`<p>And ${more} lines more.</p>`}`;
}
