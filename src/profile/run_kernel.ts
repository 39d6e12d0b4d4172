/** Runs a single kernel on given arrays, so that you can try a kernel with little code. */

import { Arena } from "../gpu/arena.ts";
import { CommandRecorder } from "../gpu/commands.ts";
import type { Gpu } from "../gpu/device.ts";
import { type Constants, getConstant, type Kernel, parseKernel, STEP } from "../gpu/kernel.ts";
import { Program } from "../gpu/program.ts";
import { readViews } from "../gpu/readback.ts";
import { STEP_STRIDE } from "../gpu/step.ts";
import { UserError } from "../user_error.ts";
import { timeRepeated } from "./measure.ts";

/** Contents of a kernel's array: plain numbers, even if the array has vectors, matrices or atomics. */
export type KernelArray = Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

/** Inputs and outputs of {@link runKernel}, by the names of the kernel's bindings. */
export interface KernelRun<O extends Readonly<Record<string, number | KernelArray>>> {
  /** Input arrays, by the names of the bindings. */
  readonly inputs: Readonly<Record<string, KernelArray>>;
  /** Initial values of the output arrays; a number stands for an array of zeros of this length. */
  readonly outputs: O;
  /** Values of constants, which replace the values in the kernel's source. */
  readonly constants?: Readonly<Record<string, number | boolean>>;
  /** Numbers of invocations along x and y, stored in `step.xy`. Dispatches round up to workgroups. */
  readonly invocations: readonly [x: number, y?: number];
  /** Called with the kernel's time. For timing, the kernel is repeated after its outputs have been read. */
  onTime?(time: KernelTime): void;
}

/** Time of a kernel in microseconds. */
export interface KernelTime {
  /** Median of the samples. */
  readonly median: number;
  /** Lower quartile of the samples. */
  readonly lower: number;
  /** Upper quartile of the samples. */
  readonly upper: number;
  /** Error in microseconds due to the resolution of the clock; absent if negligible. */
  readonly error?: number | undefined;
}

/** Output arrays of a kernel by name. The WGSL source defines an array's type if only a length was given. */
export type KernelOutputs<O> = {
  [Name in keyof O]: O[Name] extends KernelArray ? O[Name] : KernelArray;
};

/**
 * Runs a kernel once. On Deno an endless kernel blocks the process, unless `kernelSeconds` of `openGpu` sets
 * a time limit. @param text - WGSL source, whose last binding is `var<uniform> step: vec4u`
 * @throws UserError if the source does not compile, if an array's name or type differs from the source, or
 * if @workgroup_size differs from the constants WORKGROUP and WORKGROUP_Y
 */
export async function runKernel<const O extends Readonly<Record<string, number | KernelArray>>>(
  gpu: Gpu,
  text: string,
  run: KernelRun<O>,
): Promise<KernelOutputs<O>> {
  try {
    if (gpu instanceof Promise) {
      throw new UserError("Expected a device, got a promise: write await openGpu(...).");
    }
    return await runChecked(gpu, text, run);
  } catch (error) {
    // The caller's arguments are the cause, so the stack begins at the caller.
    if (error instanceof UserError) Error.captureStackTrace(error, runKernel);
    throw error;
  }
}

async function runChecked<const O extends Readonly<Record<string, number | KernelArray>>>(
  gpu: Gpu,
  text: string,
  { inputs, outputs, constants, invocations, onTime }: KernelRun<O>,
): Promise<KernelOutputs<O>> {
  const kernel = parseOwnKernel(text, constants);
  const [x, y] = checkGrid(gpu, kernel, invocations);
  const arrays = checkArrays(kernel, inputs, outputs);
  using arena = new Arena(gpu, kernel.name);
  const views = new Map(arrays.map(({ name, data }) => [name, arena.upload(name, toWords(data))] as const));
  const step = new Uint32Array(STEP_STRIDE / 4);
  step.set([x, y]);
  const program = await Program.record(gpu, kernel.name, arena.upload(STEP, step).buffer, [{
    ...{ kernel, label: kernel.name, constants, invocations: [x, y], views: Object.fromEntries(views) },
  }]).catch((error: Error) => {
    gpu.check();
    throw new UserError(error.message);
  });
  gpu.device.pushErrorScope("validation");
  CommandRecorder.submit(gpu, kernel.name, (commands) => program.encode(commands, {}, 0));
  const error = await gpu.device.popErrorScope();
  if (error) throw new UserError(`kernel ${kernel.name}: ${error.message}`);
  const written = arrays.filter(({ isOutput }) => isOutput);
  const words = await readViews(gpu, written.flatMap(({ name }) => views.get(name) ?? []));
  gpu.check();
  if (onTime) onTime(await timeRepeated(gpu, (pass) => program.encodeOne(pass, 0, {}, 0), { seconds: 0 }));
  const found = written.map(({ name, data }, k) => {
    const { buffer, length } = words[k] ?? new Uint32Array();
    if (data instanceof Float32Array) return [name, new Float32Array(buffer, 0, length)];
    return [name, data instanceof Int32Array ? new Int32Array(buffer, 0, length) : words[k]];
  });
  return Object.fromEntries(found) as KernelOutputs<O>;
}

/**
 * Parses a kernel, and adds constants WORKGROUP and WORKGROUP_Y with the workgroup's size along x and y.
 * @throws UserError if the text is no kernel that {@link runKernel} can run
 */
export function parseOwnKernel(text: string, values: Constants = {}): Kernel {
  const code = removeComments(text);
  const [, name] = /@compute\b[^{]*?\bfn\s+(\w+)/.exec(code) ?? [];
  if (name === undefined) throw new UserError("Expected a kernel, a function with @compute, got none.");
  const refuse = (expected: string, got: string): never => {
    throw new UserError(`kernel ${name}: expected ${expected}, got ${got}.`);
  };
  if (!/\bvar<uniform>\s*step\s*:/.test(code)) {
    const [other] = /\bvar<uniform>\s*\w+/.exec(code) ?? [];
    const count = [...code.matchAll(/@binding\(/g)].length - (other ? 1 : 0);
    refuse(
      `the last line of bindings to be @group(0) @binding(${count}) var<uniform> step: vec4u;`,
      other ?? "none",
    );
  }
  const kernel = parseKernel(name, code);
  const unknown = Object.keys(values).find((constant) => !kernel.constants.has(constant));
  if (unknown) {
    refuse(`constants that begin a line of the text (${[...kernel.constants.keys()].join(", ")})`, unknown);
  }
  const [, sizes = ""] = /@workgroup_size\(([^)]*)\)/.exec(code) ?? [];
  const [x = 0, y = 1, z = 1] = sizes.split(",").map((size) => size.trim()).filter((size) => size !== "").map(
    (size) => {
      const value = values[size] ?? parseInt(kernel.constants.get(size)?.match(/^\d+u?$/)?.[0] ?? "");
      return Number(/^\d+[ui]?$/.test(size) ? parseInt(size) : value);
    },
  );
  const own = { WORKGROUP: x, WORKGROUP_Y: y };
  const declared = (["WORKGROUP", "WORKGROUP_Y"] as const).filter((size) => kernel.constants.has(size));
  const differs = declared.some((size) => getConstant(kernel, size, values) !== own[size]);
  if (!(x >= 1 && y >= 1) || z !== 1 || differs) {
    const numbers =
      "@workgroup_size of one or two numbers, or of constants with a number, each declared on " +
      "its own line that is not indented";
    const set = declared.map((size) => ` with ${size} = ${getConstant(kernel, size, values)}`).join();
    refuse(
      differs ? `@workgroup_size(${declared.join(", ")})` : numbers,
      `@workgroup_size(${sizes})${differs ? set : ""}`,
    );
  }
  const constants = Object.entries(own).map(([size, value]) => [size, String(value)] as const);
  return { ...kernel, constants: new Map([...kernel.constants, ...constants]) };
}

/** Checks numbers of invocations along x and y, and returns them. @throws UserError if unsupported */
function checkGrid(
  { device, maxGrid }: Gpu,
  kernel: Kernel,
  counts: unknown,
): readonly [x: number, y: number] {
  const [x, y = 1, ...more]: unknown[] = Array.isArray(counts) ? counts : [];
  const isCount = (count: unknown): count is number => Number.isInteger(count) && Number(count) > 0;
  if (!isCount(x) || !isCount(y) || more.length > 0) {
    const example = "one or two whole numbers from 1, such as [100] or [100, 8]";
    throw new UserError(`Expected invocations to be ${example}, got ${JSON.stringify(counts)}.`);
  }
  const sizes = ["WORKGROUP", "WORKGROUP_Y"].map((size) => getConstant(kernel, size));
  const { maxComputeInvocationsPerWorkgroup: most } = device.limits;
  const [across = 1, down = 1] = sizes;
  const groups = [Math.ceil(x / across), Math.ceil(y / down)];
  if (across * down > most) {
    throw new UserError(
      `kernel ${kernel.name}: expected at most ${most} invocations in a workgroup, got ${across} x ${down}.`,
    );
  }
  if (kernel.foldable || Math.max(...groups) <= maxGrid) return [x, y];
  throw new UserError(
    `kernel ${kernel.name}: expected at most ${maxGrid} workgroups along an axis, got ${groups.join(" x ")}.`,
  );
}

export interface DeclaredArray {
  readonly name: string;
  /** Declaration, such as "var<storage, read> x: array<vec2f>". */
  readonly declaration: string;
  /** Type of the numbers in the array; undefined for a struct. */
  readonly element: keyof typeof ARRAYS | undefined;
  /** Numbers per element, with padding: 1 for scalars, 2 for vec2f, 4 for vec3f and vec4f. */
  readonly width: number;
  readonly isOutput: boolean;
}

const ARRAYS = { f32: Float32Array, u32: Uint32Array, i32: Int32Array } as const;
const BINDING = /@binding\(\d+\)\s*(?:@group\(0\)\s*)?(var<([^>]+)>\s*(\w+)\s*:\s*([^;]+));/g;

/** Lists the arrays that a kernel declares as bindings; leaves out the uniform `step`. */
export function listArrays(text: string): DeclaredArray[] {
  return [...removeComments(text).matchAll(BINDING)].flatMap(
    ([, declaration = "", access = "", name = "", type = ""]) => {
      const letter = /\b([fui])32\b/.exec(type)?.[1] ?? /x?[234]([fui])/.exec(type)?.[1];
      const element = (["f32", "u32", "i32"] as const).find((element) => element[0] === letter);
      const lanes = Number(/^array<vec([234])/.exec(type)?.[1] ?? 1);
      const width = lanes === 3 ? 4 : lanes;
      return name === STEP ? [] : [{ name, declaration, element, width, isOutput: access.includes("write") }];
    },
  );
}

interface BoundArray extends Pick<DeclaredArray, "name" | "isOutput"> {
  readonly data: KernelArray;
}

/** Assigns the given arrays to a kernel's bindings. @throws UserError for a wrong name, type or length */
function checkArrays(
  { name: kernel, source }: Kernel,
  inputs: Readonly<Record<string, unknown>> = {},
  outputs: Readonly<Record<string, unknown>> = {},
): BoundArray[] {
  const own = listArrays(source);
  for (const name of [...Object.keys(inputs), ...Object.keys(outputs)]) {
    if (own.some((declared) => declared.name === name)) continue;
    const names = own.map(({ name }) => name).join(", ");
    throw new UserError(
      `kernel ${kernel}: it has no binding ${name}, only ${names}.`,
    );
  }
  return own.map(({ name, declaration, element, width, isOutput }) => {
    const [place, given] = isOutput ? ["outputs", outputs[name]] : ["inputs", inputs[name]];
    const known = element ? [ARRAYS[element]] : Object.values(ARRAYS);
    const data = isOutput && typeof given === "number" && Number.isInteger(given) && given > 0
      ? new ARRAYS[element ?? "f32"](given)
      : known.some((Typed) => given instanceof Typed && given.length > 0)
      ? given as KernelArray
      : undefined;
    if (!data) {
      const expected = [...(isOutput ? ["a length"] : []), ...known.map(({ name }) => name)].join(" or ");
      throw new UserError(
        `binding ${name}: expected ${place}.${name} to be ${expected} (declared in the kernel: ` +
          `${declaration}), got ${describeValue(given)}.`,
      );
    }
    if (data.length % width === 0) return { name, data, isOutput };
    throw new UserError(
      `binding ${name}: expected a length that is a multiple of ${width} numbers, because the kernel declares ` +
        `${declaration}, got ${data.length}.`,
    );
  });
}

/** Replaces comments in WGSL source by spaces, so that character positions do not change. */
function removeComments(text: string): string {
  return text.replaceAll(/\/\/.*|\/\*[^]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, " "));
}

function describeValue(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "number") return String(value);
  if (ArrayBuffer.isView(value) && value.byteLength === 0) return "an empty array";
  return Array.isArray(value) ? "a plain array" : Object.prototype.toString.call(value).slice(8, -1);
}

function toWords(data: KernelArray): Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer> {
  return data instanceof Int32Array ? new Uint32Array(data.buffer, data.byteOffset, data.length) : data;
}
