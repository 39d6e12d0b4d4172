/** Runs one kernel once on given arrays, to try a kernel with little code. */

import { Arena } from "./arena.ts";
import { CommandRecorder } from "./commands.ts";
import type { Gpu } from "./device.ts";
import { type Constants, getConstant, type Kernel, parseKernel } from "./kernel.ts";
import { Program } from "./program.ts";
import { readFloats } from "./readback.ts";
import { STEP_STRIDE } from "./step.ts";

/** Array of a binding: array<f32>, array<u32> or array<i32>, or vectors, matrices and atomics of these. */
export type KernelArray = Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

/** Inputs and outputs of {@link runKernel}, by the names of the kernel's bindings. */
export interface KernelRun<O extends Readonly<Record<string, number | KernelArray>>> {
  /** Input arrays, by the names of the bindings. */
  readonly inputs: Readonly<Record<string, KernelArray>>;
  /** For each output, the number of floats, initially 0, or an array that defines its type, length and initial values. */
  readonly outputs: O;
  /** Values of constants, which replace the values in the text. */
  readonly constants?: Readonly<Record<string, number | boolean>>;
  /** Invocations along x and y, rounded up to whole workgroups. `step.x` and `step.y` have the numbers before rounding. */
  readonly invocations: readonly [x: number, y?: number];
}

/** Outputs of a kernel: arrays of the requested types; a requested number gives an array of floats. */
export type KernelOutputs<O> = {
  [Name in keyof O]: O[Name] extends KernelArray ? O[Name] : Float32Array<ArrayBuffer>;
};

/**
 * Runs a kernel once. On Deno a kernel that does not end blocks the process, unless `kernelSeconds` of `openGpu` ends the
 * process. @param text - WGSL text. Its last binding is `var<uniform> step: vec4u`. Its workgroups have `WORKGROUP`
 * invocations along x, and `WORKGROUP_Y` along y if the text declares `WORKGROUP_Y` @throws Error if an array's type
 * differs from the declared type, if the workgroup's size differs from the constants, or if the driver reports an error.
 */
export async function runKernel<const O extends Readonly<Record<string, number | KernelArray>>>(
  gpu: Gpu,
  text: string,
  { inputs, outputs, constants, invocations: [x, y = 1] }: KernelRun<O>,
): Promise<KernelOutputs<O>> {
  const [, name = "kernel"] = /@compute[^{]*?\bfn\s+(\w+)/.exec(text) ?? [];
  const parsed = parseKernel(name, text);
  assertWorkgroup(parsed, constants);
  using arena = new Arena(gpu, name);
  const step = new Uint32Array(STEP_STRIDE / 4);
  step.set([x, y]);
  const before = Object.entries(outputs).map(([name, output]) =>
    [name, typeof output === "number" ? new Float32Array(output) : output] as const
  );
  for (const [name, data] of [...Object.entries(inputs), ...before]) assertArray(text, name, data);
  const written = before.map(([name, data]) => [name, arena.upload(name, toWords(data))] as const);
  const read = Object.entries(inputs).map(([name, data]) => [name, arena.upload(name, toWords(data))]);
  const program = await Program.record(gpu, name, arena.upload("step", step).buffer, [{
    ...{ kernel: parsed, label: name, constants, invocations: [x, y] },
    views: { ...Object.fromEntries(read), ...Object.fromEntries(written) },
  }]);
  CommandRecorder.submit(gpu, name, (commands) => program.encode(commands, {}, 0));
  const found: Record<string, KernelArray> = {};
  for (const [k, [name, view]] of written.entries()) {
    const floats = await readFloats(gpu, view);
    const initial = before[k]?.[1];
    found[name] = initial instanceof Uint32Array
      ? new Uint32Array(floats.buffer)
      : initial instanceof Int32Array
      ? new Int32Array(floats.buffer)
      : floats;
  }
  gpu.check();
  return found as KernelOutputs<O>;
}

/** Checks that the attribute `workgroup_size` agrees with the constants, from which the host computes the grid. */
function assertWorkgroup(kernel: Kernel, constants: Constants | undefined): void {
  const [, sizes = ""] = /@workgroup_size\(([^)]*)\)/.exec(kernel.source) ?? [];
  const [found = 1, foundY = 1] = sizes.split(",").map((size) => size.trim()).filter((size) => size !== "")
    .map((size) => /^\d/.test(size) ? parseInt(size) : getConstant(kernel, size, constants));
  const own = getConstant(kernel, "WORKGROUP", constants);
  const ownY = kernel.constants.has("WORKGROUP_Y") ? getConstant(kernel, "WORKGROUP_Y", constants) : 1;
  if (found === own && foundY === ownY) return;
  throw new Error(
    `kernel ${kernel.name}: expected a workgroup of WORKGROUP${
      ownY > 1 ? " x WORKGROUP_Y" : ""
    } = ${own} x ` +
      `${ownY} invocations, got @workgroup_size(${sizes}). ` +
      `Write @workgroup_size(WORKGROUP${ownY > 1 ? ", WORKGROUP_Y" : ""}).`,
  );
}

const ARRAYS = { f32: "Float32Array", u32: "Uint32Array", i32: "Int32Array" } as const;

/** @throws Error if `data` is not an array of the binding's element type. */
function assertArray(text: string, name: string, data: unknown): void {
  const [, type = ""] = new RegExp(`var<[^>]+>\\s*${name}\\s*:\\s*([^;]+);`).exec(text) ?? [];
  const element = /\b(f32|u32|i32)\b/.exec(type)?.[1] ??
    { f: "f32", u: "u32", i: "i32" }[/x?[234]([fui])/.exec(type)?.[1] ?? ""];
  const expected = Object.entries(ARRAYS).filter(([own]) => own === (element ?? own)).map(([, array]) =>
    array
  );
  const found = Object.prototype.toString.call(data).slice(8, -1);
  if (expected.some((array) => array === found)) return;
  const declared = type === "" ? "" : `, as the kernel declares ${type}`;
  throw new Error(
    `binding ${name}: expected a ${expected.join(" or ")}${declared}, got ${
      found === "Array" ? "a plain array" : found
    }`,
  );
}

function toWords(data: KernelArray): Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer> {
  return data instanceof Int32Array ? new Uint32Array(data.buffer, data.byteOffset, data.length) : data;
}
