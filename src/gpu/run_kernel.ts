/** One kernel, once, on numbers of one's own: the shortest way to try something. */

import { Arena } from "./arena.ts";
import { Commands } from "./commands.ts";
import type { Gpu } from "./device.ts";
import { kernel } from "./kernel.ts";
import { Program } from "./program.ts";
import { readFloats } from "./readback.ts";
import { STEP_STRIDE } from "./step.ts";

/** What a kernel is run on. */
export interface KernelRun {
  /** By the names of its bindings. */
  readonly inputs: Readonly<Record<string, Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>>>;
  /** Floats of each. They hold zeros before. */
  readonly outputs: Readonly<Record<string, number>>;
  /** In the place of those in its text. */
  readonly constants?: Readonly<Record<string, number | boolean>>;
  /** Along x and y. They are rounded up to workgroups, and the kernel finds them in `step.x` and `step.y`. */
  readonly invocations: readonly [x: number, y?: number];
}

/**
 * Runs a kernel once.
 * @param text WGSL; its last binding is `var<uniform> step: vec4u`, its workgroups have `WORKGROUP` invocations along x
 * @returns the floats of its outputs; a view of `.buffer` gives their words
 * @throws Error that says what the driver, or its interface, has against it.
 */
export async function runKernel<O extends string>(
  gpu: Gpu,
  text: string,
  { inputs, outputs, constants, invocations: [x, y = 1] }: KernelRun & {
    readonly outputs: Record<O, number>;
  },
): Promise<Record<O, Float32Array<ArrayBuffer>>> {
  const [, name = "kernel"] = /@compute[^{]*?\bfn\s+(\w+)/.exec(text) ?? [];
  using arena = new Arena(gpu, name);
  const step = new Uint32Array(STEP_STRIDE / 4);
  step.set([x, y]);
  const written = Object.fromEntries(
    Object.entries<number>(outputs).map(([name, floats]) => [name, arena.allocate(name, 4 * floats)]),
  );
  const given = Object.entries(inputs).map(([name, data]) => [name, arena.upload(name, data)]);
  const program = await Program.record(gpu, name, arena.upload("step", step).buffer, [{
    ...{ kernel: kernel(name, text), label: name, constants, invocations: [x, y] },
    views: { ...Object.fromEntries(given), ...written },
    cost: () => ({ flops: 0, bytes: 0 }),
  }]);
  Commands.submit(gpu, name, (commands) => program.encode(commands, {}, 0));
  const found: Partial<Record<O, Float32Array<ArrayBuffer>>> = {};
  for (const name of Object.keys(outputs) as O[]) {
    const view = written[name];
    if (view) found[name] = await readFloats(gpu, view);
  }
  gpu.check();
  return found as Record<O, Float32Array<ArrayBuffer>>;
}
