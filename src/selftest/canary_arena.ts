/** Buffers whose end no kernel may touch. */

import { Arena } from "../gpu/arena.ts";
import type { Checks } from "./finding.ts";
import { type Memory, type TextureView, type View, writeMemory } from "../gpu/memory.ts";
import { readViews } from "../gpu/readback.ts";
import type { Amount } from "../gpu/sizes.ts";
import { inPanels, type TextureLayout } from "../gpu/texture_layout.ts";

/**
 * A word that no kernel writes by chance. As a float it is no number: who reads it has none, either, even where it is
 * multiplied by the 0 that is read behind a binding.
 */
export const CANARY = 0x7fda7a7a;
/** Words behind every buffer of an arena that no kernel may touch. They are inside of the binding: a stray write lands. */
export const CANARIES = 64;

/** An arena that knows of each buffer how much of it may be written. */
export class CanaryArena extends Arena {
  readonly views: { name: string; view: Memory; bytes: number }[] = [];
  override allocate(name: string, bytes: number): View {
    const view = super.allocate(name, Math.ceil(bytes / 4) * 4 + 4 * CANARIES);
    // What an op has not written holds what an earlier step left; only the batch's bits start as zeros.
    const first = name.startsWith("bits") ? view.size - 4 * CANARIES : 0;
    this.gpu.queue.writeBuffer(view.buffer, first, new Uint32Array((view.size - first) / 4).fill(CANARY));
    this.views.push({ name, view, bytes: view.size - 4 * CANARIES });
    return view;
  }
  override allocateTexture(
    name: string,
    bytes: number,
    used?: Amount,
    layout?: TextureLayout,
  ): TextureView {
    const most = bytes + 4 * CANARIES;
    const larger = layout && layout.panels > 1 ? inPanels(most, layout.rowVectors) : undefined;
    const view = super.allocateTexture(name, most, used, larger);
    writeMemory(this.gpu.queue, view, new Uint32Array(view.size / 4).fill(CANARY));
    this.views.push({ name, view, bytes });
    return view;
  }
  /** Names of the buffers behind which something was written. */
  async strayWrites(): Promise<string[]> {
    const all = await readViews(this.gpu, this.views.map(({ view }) => view));
    return this.views.filter(({ bytes }, k) => !all[k]?.subarray(bytes / 4).every((word) => word === CANARY))
      .map(({ name }) => name);
  }
  /** Notes whether they are as they were. @param kernels that ran */
  async check(checks: Checks, kernels: readonly string[]): Promise<void> {
    const names = await this.strayWrites();
    checks.holds(names.length === 0, kernels, "stray writes", `behind ${names.join(", ")}`);
  }
  /** @throws Error that names them. */
  async checkCanaries(): Promise<void> {
    const names = await this.strayWrites();
    if (names.length > 0) throw new Error(`a stray write behind ${names.join(", ")}`);
  }
}
