/** Which kernels made what stands in memory: who is to be asked where the numbers there are wrong. */

import type { KernelUse } from "../gpu/kernel_text.ts";
import { isTexture, type Memory, type View } from "../gpu/memory.ts";

/** Names of the kernels of some dispatches, each once. */
export function kernelsOf(specs: readonly KernelUse[]): string[] {
  return [...new Set(specs.map(({ kernel }) => kernel.name))];
}

/**
 * Names of the kernels that write some of this memory, and behind them of those that made what they read.
 * @param specs in the order in which they run
 * @param known what was compared by itself: whoever wrote that is not asked again
 */
export function writersOf(
  specs: readonly KernelUse[],
  memory: Memory,
  known: readonly Memory[] = [],
): string[] {
  const found = new Set<KernelUse>();
  const wanted = [{ memory, before: specs.length }];
  for (let next = wanted.shift(); next; next = wanted.shift()) {
    const { memory: of, before } = next;
    specs.slice(0, before).forEach((spec, at) => {
      if (found.has(spec) || !boundTo(spec, "read_write").some((view) => overlap(view, of))) return;
      found.add(spec);
      // What it changes, too, somebody may have made before.
      const read = [...boundTo(spec, "read"), ...boundTo(spec, "read_write")];
      const unknown = read.filter((view) => !known.some((one) => overlap(one, view)));
      wanted.push(...unknown.map((memory) => ({ memory, before: at })));
    });
  }
  return kernelsOf([...found]);
}

/** What a dispatch binds in one way; without what stands for nothing, see {@link import("../tape/node.ts").Call.unwritten}. */
function boundTo({ kernel, views }: KernelUse, how: "read" | "read_write"): Memory[] {
  return kernel.bindings.flatMap(({ name, kind }) => {
    const view = views[name];
    const nothing = view && !isTexture(view) && view.buffer.label.endsWith("unwritten");
    return view && !nothing && kind === how ? [view] : [];
  });
}

function overlap(one: Memory, other: Memory): boolean {
  const [a, b] = [writtenPart(one), writtenPart(other)];
  if (!a || !b || a.buffer !== b.buffer) return false;
  return a.offset < b.offset + b.size && b.offset < a.offset + a.size;
}

/** What kernels write of it. */
function writtenPart(memory: Memory): View | undefined {
  return isTexture(memory) ? memory.written?.view : memory;
}
