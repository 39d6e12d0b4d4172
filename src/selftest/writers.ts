/** Which kernels made what stands in memory: who is to be asked where the numbers there are wrong. */

import type { KernelUse } from "../gpu/kernel_text.ts";
import { isTexture, type Memory, type View } from "../gpu/memory.ts";

/** Names of the kernels of some dispatches, each once. */
export function kernelsOf(specs: readonly KernelUse[]): string[] {
  return [...new Set(specs.map(({ kernel }) => kernel.name))];
}

/**
 * Names of the kernels that write some of this memory, and behind them of those that made what they read.
 * @param known what was compared by itself: whoever wrote that is not asked again
 */
export function writersOf(
  specs: readonly KernelUse[],
  memory: Memory,
  known: readonly Memory[] = [],
): string[] {
  const found = new Set<KernelUse>();
  const wanted = [memory];
  for (let next = wanted.shift(); next; next = wanted.shift()) {
    const of = next;
    for (const spec of specs) {
      if (found.has(spec) || !bound(spec, "write").some((view) => overlap(view, of))) continue;
      found.add(spec);
      wanted.push(...bound(spec, "read").filter((view) => !known.some((one) => overlap(one, view))));
    }
  }
  return kernelsOf([...found]);
}

/** What a dispatch reads, or what it writes. */
function bound({ kernel, views }: KernelUse, how: "read" | "write"): Memory[] {
  return kernel.bindings.flatMap(({ name, kind }) => {
    const view = views[name];
    return view && (kind === "read_write") === (how === "write") ? [view] : [];
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
