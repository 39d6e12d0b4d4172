/** A hand-written kernel: its WGSL text, what is read out of it, so that it is written once, and the text that the driver gets. */

import type { AdapterKind } from "./kernel_variants.ts";
import {
  formatTexelCode,
  formatTexelIndexCode,
  isTexture,
  isUniform,
  type Memory,
  TEXTURE_FORMAT,
  type TextureView,
  type UniformView,
} from "./memory.ts";

export type BindingKind = "read" | "read_write" | "uniform";
export interface KernelBinding {
  readonly name: string;
  readonly index: number;
  readonly kind: BindingKind;
}

export interface Kernel {
  /** File name without `.wgsl`. */
  readonly name: string;
  readonly source: string;
  readonly bindings: readonly KernelBinding[];
  /** Defaults of its constants by name, as they are written: "8u". */
  readonly constants: ReadonlyMap<string, string>;
  /** Its index is x + y * (width of the grid): one long axis may be folded into two. */
  readonly foldable: boolean;
}

/** Values for constants of a kernel, by name. */
export type Constants = Readonly<Record<string, number | boolean>>;

/** The name of the uniform that every kernel binds last; see {@link import("./step.ts")}. */
export const STEP = "step";
/** What a kernel binds instead that works for several steps at once, an array of the same. */
export const STEPS = "steps";

/** The line of a text that uses operations of a subgroup. */
export const ENABLE_SUBGROUPS = "enable subgroups;";

/** A constant of a kernel's text: its name, its type where that is written, and its default. */
const constantPattern = /^const (\w+)(\s*:\s*\w+)?\s*=\s*([^;]+);/gm;
const bindingPattern = /@group\(0\)\s*@binding\((\d+)\)\s*var<([^>]+)>\s*(\w+)\s*:/g;

/** Reads a kernel's interface from its text, so that it is written once, in WGSL. */
export function parseKernel(name: string, source: string): Kernel {
  const bindings = [...source.matchAll(bindingPattern)].map(([, index, space, binding]): KernelBinding => {
    const kind = (space ?? "").replace(/\s/g, "");
    return {
      name: binding ?? "",
      index: Number(index),
      kind: kind === "uniform" ? "uniform" : kind === "storage,read_write" ? "read_write" : "read",
    };
  });
  bindings.forEach((b, k) => {
    if (b.index !== k) {
      throw new Error(`kernel ${name}: binding ${b.name} is @binding(${b.index}), expected ${k}`);
    }
  });
  if (bindings.at(-1)?.name !== STEP && !isMultiStep({ bindings })) {
    throw new Error(`kernel ${name}: the last binding must be the uniform step, or steps`);
  }
  const constants = new Map(
    [...source.matchAll(constantPattern)].map(([, constant = "", , value = ""]) => [constant, value]),
  );
  return { name, source, bindings, constants, foldable: source.includes("num_workgroups") };
}

/** Whether a kernel works for several steps at once, a slice of its grid (z) for each. */
export function isMultiStep({ bindings }: Pick<Kernel, "bindings">): boolean {
  return bindings.at(-1)?.name === STEPS;
}

/** A number in a kernel's text, e.g. its workgroup size, so that grids follow from the kernel itself. */
export function getConstant(
  { name: kernel, constants }: Pick<Kernel, "name" | "constants">,
  name: string,
  given: Constants = {},
): number {
  const value = given[name];
  if (typeof value === "number") return value;
  const [, number] = constants.get(name)?.match(/^(\d+)u?$/) ?? [];
  if (number === undefined) throw new Error(`kernel ${kernel} has no numeric constant ${name}`);
  return Number(number);
}

/** A dispatch with what its kernel's text has for a GPU: workgroups of whole subgroups, where a CPU driver wants fewer invocations. */
export function adaptWorkgroup<U extends KernelTextInputs>(kind: AdapterKind, use: U): U {
  const { kernel, constants } = use;
  if (kind !== "gpu" || !kernel.constants.has("GPU_WORKGROUP")) return use;
  return { ...use, constants: { WORKGROUP: getConstant(kernel, "GPU_WORKGROUP"), ...constants } };
}

/** What the text of a dispatch follows from. */
export interface KernelTextInputs {
  readonly kernel: Kernel;
  readonly constants?: Constants;
  /** What each of the kernel's bindings but `step` sees, by name. */
  readonly views: Readonly<Record<string, Memory>>;
}

/**
 * @throws Error for a constant that the kernel does not declare, for one that a turn asks for and that is no number, and
 *   for a binding that the kernel reads or writes without the line that is to change.
 */
export function buildKernelText({ kernel, constants = {}, views }: KernelTextInputs): string {
  for (const name of Object.keys(constants)) {
    if (!kernel.constants.has(name)) throw new Error(`kernel ${kernel.name} has no constant ${name}`);
  }
  let text = "";
  for (const piece of splitKernel(kernel)) text += typeof piece === "string" ? piece : piece(constants);
  for (const [name, view] of Object.entries(views)) {
    if (isUniform(view)) text = inUniform(kernel, text, name, view);
    else if (isTexture(view) && reads(kernel, name)) text = readTexture(kernel, text, name, view);
    else if (isTexture(view)) text = writeTexture(kernel, text, name, view);
  }
  return text;
}

/** A piece of a kernel's text: the same in all dispatches, or what the constants make of it. */
type Piece = string | ((constants: Constants) => string);
/** A kernel is cut once: to look for its constants in each of a training's dispatches delays its start. */
const cut = new WeakMap<Kernel, readonly Piece[]>();

function splitKernel(kernel: Kernel): readonly Piece[] {
  const known = cut.get(kernel);
  if (known) return known;
  const { source } = kernel;
  const changing = [...constantsIn(source), ...turnsIn(kernel)].sort((a, b) => a.at - b.at);
  const pieces: Piece[] = [];
  let end = 0;
  for (const { at, text, piece } of changing) {
    pieces.push(source.slice(end, at), piece);
    end = at + text.length;
  }
  pieces.push(source.slice(end));
  cut.set(kernel, pieces);
  return pieces;
}

/** What changes: where it begins, how it is written, and what becomes of it. */
interface Changing {
  readonly at: number;
  readonly text: string;
  readonly piece: (constants: Constants) => string;
}

function* constantsIn(source: string): Generator<Changing> {
  for (
    const { index: at, 0: text, 1: name = "", 2: type = "", 3: value = "" } of source.matchAll(
      constantPattern,
    )
  ) {
    const piece = ({ [name]: given }: Constants) =>
      given === undefined ? text : `const ${name}${type} = ${literal(given, value)};`;
    yield { at, text, piece };
  }
}

/** Writes a value in the type of the default that it replaces: `8u` -> u32, `0.5` -> float, `true` -> bool. */
function literal(value: number | boolean, default_: string): string {
  if (typeof value === "boolean") return String(value);
  if (default_.trim().endsWith("u")) return `${value}u`;
  return default_.includes(".") && Number.isInteger(value) ? `${value}.0` : String(value);
}

function* turnsIn(kernel: Kernel): Generator<Changing> {
  for (const loop of kernel.source.matchAll(writtenOut)) {
    for (const { index, 0: text, 1: name = "", 2: n } of loop[0].matchAll(turn)) {
      const piece = (constants: Constants) => getConstant(kernel, name, constants) > Number(n) ? text : "";
      yield { at: loop.index + index, text, piece };
    }
  }
}
const writtenOut = /^ *\/\/ unrolled, n = [^]*?\/\/ end of n$/gm;
/** `first`, where a part of a loop begins, is 0 or more. */
const turn = /^ *if \((\w+) > (?:first \+ )?(\d+)u\) \{.*\}$/gm;

/** Whether a kernel only reads a binding. */
function reads(kernel: Kernel, name: string): boolean {
  return kernel.bindings.some((binding) => binding.name === name && binding.kind === "read");
}

/** A uniform has a fixed size. */
function inUniform(kernel: Kernel, text: string, name: string, { size }: UniformView): string {
  const declaration = `var<storage, read> ${name}: array<vec4f>;`;
  if (!text.includes(declaration)) {
    throw new Error(`kernel ${kernel.name}: ${name} cannot be a uniform without the line "${declaration}"`);
  }
  return text.replace(declaration, `var<uniform> ${name}: array<vec4f, ${size / 16}>;`);
}

function readTexture(kernel: Kernel, text: string, name: string, { layout }: TextureView): string {
  const head = `fn load_${name}(i: u32) -> vec4f`;
  const line = `${head} { return ${name}[i]; }`;
  if (!text.includes(line)) {
    throw new Error(`kernel ${kernel.name}: ${name} cannot stand in a texture without the line "${line}"`);
  }
  return text
    .replace(line, `${head} { return textureLoad(${name}, ${formatTexelCode(layout)}); }`)
    .replace(
      `var<storage, read> ${name}: array<vec4f>;`,
      `var ${name}: texture_storage_2d<${TEXTURE_FORMAT}, read>;`,
    );
}

/** The kernel writes a buffer, in the order of the texture. */
function writeTexture(kernel: Kernel, text: string, name: string, { layout }: TextureView): string {
  if (layout.rowVectors === 1) return text; // row by row
  const head = `fn store_${name}(i: u32, value: vec4f)`;
  const line = `${head} { ${name}[i] = value; }`;
  if (!text.includes(line)) {
    throw new Error(`kernel ${kernel.name}: ${name} cannot stand in panels without the line "${line}"`);
  }
  return text.replace(line, `${head} { ${name}[${formatTexelIndexCode(layout)}] = value; }`);
}
