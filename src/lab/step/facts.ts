/** What a dispatch of a step is, as plain data: what the page shows of it beside its time. */

import { clickDimensions } from "../../batch/click_sizes.ts";
import type { Gpu } from "../../gpu/device.ts";
import { type KernelBinding, STEP, STEPS } from "../../gpu/kernel.ts";
import { kernelText } from "../../gpu/kernel_text.ts";
import { isTexture, isUniform, type Memory } from "../../gpu/memory.ts";
import { type DispatchNode, gridOf, invocationsOf, onlySlice } from "../../gpu/program.ts";
import { workOf } from "../../gpu/profiler.ts";
import { STEP_BYTES } from "../../gpu/step.ts";
import { readsWhatItWrites } from "../../selftest/profile/kept_state.ts";
import type { Recording } from "../../selftest/profile/recordings.ts";

export type Phase = "batch" | "forward" | "backward" | "optimiser";

/** What a kernel sees at one of its bindings. */
export interface BindingFacts {
  readonly name: string;
  readonly access: "reads" | "writes" | "reads and writes";
  readonly place: "storage" | "uniform" | "texture";
  readonly bytes: number;
}

/** Absent of a copy into a texture, which no kernel does. */
export interface KernelFacts {
  /** WGSL as the driver gets it. */
  readonly text: string;
  readonly constants: readonly (readonly [name: string, value: number | boolean])[];
  readonly bindings: readonly BindingFacts[];
  /** Invocations that are wanted. */
  readonly invocations: readonly [x: number, y: number];
  /** Invocations of a workgroup. */
  readonly workgroup: readonly [x: number, y: number];
  /** Workgroups; z is a batch each, of what lays out several. */
  readonly grid: readonly [x: number, y: number, z: number];
  /** What kernels know as `step.size`: users, events, rows, items. */
  readonly sizes: readonly number[];
  /** Partial sums of each weight gradient. */
  readonly chunks: number;
}

export interface DispatchFacts {
  readonly label: string;
  readonly kernel: string;
  readonly phase: Phase;
  readonly node?: DispatchNode;
  readonly code?: KernelFacts;
}

/** What the dispatches of a step are, in its order; copies stand behind the dispatch whose output they copy. */
export function stepFacts(gpu: Gpu, recording: Recording): DispatchFacts[] {
  const all: DispatchFacts[] = [];
  for (const { program, sizes, offset, slice = onlySlice } of recording.step()) {
    for (const { label, kernel, dispatch: k } of workOf(program, sizes, offset, slice)) {
      const dispatch = program.dispatches[k];
      if (!dispatch) continue;
      const { spec, workgroup } = dispatch;
      const { node } = spec;
      const phase = phaseOf(spec.kernel.name, node);
      if (kernel !== spec.kernel.name) {
        all.push({ label, kernel, phase, node });
        continue;
      }
      const text = kernelText(spec);
      all.push({
        ...{ label, kernel, phase, node },
        code: {
          text,
          constants: Object.entries(spec.constants ?? {}),
          bindings: bindingsOf(spec, text),
          invocations: invocationsOf(spec.invocations, sizes),
          workgroup,
          grid: gridOf(dispatch, sizes, slice, gpu.maxGrid),
          sizes: clickDimensions.names.map((name) => sizes[name]),
          chunks: clickDimensions.chunks(sizes),
        },
      });
    }
  }
  return all;
}

function phaseOf(kernel: string, node: DispatchNode | undefined): Phase {
  if (node) return node.direction;
  return /^(adam|gradient_)/.test(kernel) ? "optimiser" : "batch";
}

function bindingsOf(
  { kernel, views }: {
    kernel: { bindings: readonly KernelBinding[] };
    views: Readonly<Record<string, Memory>>;
  },
  text: string,
): BindingFacts[] {
  const alsoRead = new Set(readsWhatItWrites(kernel, text));
  return kernel.bindings.map(({ name, kind }): BindingFacts => {
    const view = views[name];
    if (name === STEP || name === STEPS || !view) {
      return { name, access: "reads", place: "uniform", bytes: STEP_BYTES };
    }
    return {
      name,
      access: kind !== "read_write" ? "reads" : alsoRead.has(name) ? "reads and writes" : "writes",
      place: isTexture(view)
        ? (kind === "read" ? "texture" : "storage")
        : isUniform(view)
        ? "uniform"
        : "storage",
      bytes: view.size,
    };
  });
}
