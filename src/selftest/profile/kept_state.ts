/**
 * What a dispatch writes, kept while it is repeated. Some kernels change what they read: batch_rank clears the bits that it
 * counts, Adam moves its moments, a gradient is added to what is there. After the repeats everything is as before them, and
 * one run more leaves what a step leaves.
 */

import type { Gpu } from "../../gpu/device.ts";
import { isTexture, type View } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import type { Sizes } from "../../gpu/sizes.ts";

/** The ranges of buffers that a dispatch may write. */
export function writtenBy<S extends Sizes>(
  { kernel, views }: Pick<DispatchSpec<S>, "kernel" | "views">,
): { readonly buffer: GPUBuffer; readonly offset: number; readonly size: number }[] {
  return kernel.bindings.flatMap(({ name, kind }) => {
    const memory = views[name];
    if (kind !== "read_write" || !memory) return [];
    const view: View | undefined = isTexture(memory) ? memory.written?.view : memory;
    if (!view) return [];
    const { buffer, offset, slices } = view;
    const end = offset + view.size + (slices ? slices.stride * (slices.count - 1) : 0);
    return [{ buffer, offset, size: Math.min(end, buffer.size) - offset }];
  });
}

/**
 * Does something that repeats a dispatch, and puts back what the dispatch writes.
 * @throws UserError when the adapter cannot hold a copy of it.
 */
export async function keepingState<S extends Sizes, T>(
  gpu: Gpu,
  spec: Pick<DispatchSpec<S>, "kernel" | "views">,
  repeat: () => Promise<T>,
): Promise<T> {
  const written = writtenBy(spec);
  const bytes = written.reduce((sum, { size }) => sum + size, 0);
  const kept = gpu.createBuffer("kept state", bytes, GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST);
  const copy = (back: boolean) => {
    const encoder = gpu.device.createCommandEncoder({ label: "kept state" });
    let at = 0;
    for (const { buffer, offset, size } of written) {
      if (back) encoder.copyBufferToBuffer(kept, at, buffer, offset, size);
      else encoder.copyBufferToBuffer(buffer, offset, kept, at, size);
      at += size;
    }
    gpu.queue.submit([encoder.finish()]);
  };
  try {
    copy(false);
    const result = await repeat();
    copy(true);
    return result;
  } finally {
    gpu.destroyBuffer(kept);
  }
}

/**
 * Names of the bindings that a kernel writes and its text reads as well: what it reads is another after each run.
 * @param text as the driver gets it
 */
export function readsWhatItWrites(
  { bindings }: Pick<DispatchSpec["kernel"], "bindings">,
  text: string,
): string[] {
  const plain = text.replace(/\/\/.*$/gm, "");
  // What a constant that is false stands before, such as the sum of a gradient that nobody adds to.
  const code = plain.replace(
    /\bif \((\w+)\) \{[^{}]*\}/g,
    (all, name) => plain.includes(`const ${name} = false;`) ? "" : all,
  );
  return bindings.filter(({ kind }) => kind === "read_write").map(({ name }) => name).filter((name) => {
    if (new RegExp(`\\batomic(?!Store)\\w+\\(\\s*&${name}\\b`).test(code)) return true;
    // What stands in brackets, at most with one pair within, then what follows: a store is `name[...] =`.
    const uses = code.matchAll(
      new RegExp(`\\b${name}\\[(?:[^\\[\\]]|\\[[^\\[\\]]*\\])*\\](\\.\\w+)?\\s*(=(?!=)|\\S)`, "g"),
    );
    return [...uses].some(([, , next]) => next !== "=");
  });
}
