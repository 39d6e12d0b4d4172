/** A kernel: its WGSL source, its parsed bindings and constants, and the WGSL that the driver compiles. */

import type { AdapterKind } from "./kernel_variants.ts";
import { formatTexelCode, formatTexelIndexCode, isTexture, isUniform, TEXTURE_FORMAT } from "./memory.ts";
import type { Memory, TextureView, UniformView } from "./memory.ts";
import { UserError } from "../user_error.ts";

export type BindingKind = "read" | "read_write" | "uniform";
export interface KernelBinding {
  readonly name: string;
  readonly index: number;
  readonly kind: BindingKind;
}

export interface Kernel {
  readonly name: string;
  readonly source: string;
  readonly bindings: readonly KernelBinding[];
  /** Default value of each constant by name, as text such as "8u". */
  readonly constants: ReadonlyMap<string, string>;
  /** True if the kernel combines x and y to one index, so that a long grid may continue along y. */
  readonly foldable: boolean;
}

export type Constants = Readonly<Record<string, number | boolean>>;

/** Name of a kernel's last binding: the step header, a uniform with batch sizes and settings (step.ts). */
export const STEP = "step";
/** Name of the last binding of a kernel that computes several steps per dispatch: the steps' headers. */
export const STEPS = "steps";

export const ENABLE_SUBGROUPS = "enable subgroups;";

/** Matches a constant in a kernel's source: name, optional type, default value. */
const constantPattern = /^const (\w+)(\s*:\s*\w+)?\s*=\s*([^;]+);/gm;
const bindingPattern = /@binding\((\d+)\)\s*(?:@group\(0\)\s*)?var<([^>]+)>\s*(\w+)\s*:/g;

/**
 * Parses the interface of a kernel. @throws UserError for wrong binding numbers, a missing step header, or a
 * loop with the comment "unrolled" that has another form than {@link unrolledLoop}.
 */
export function parseKernel(name: string, source: string): Kernel {
  const bindings = [...source.matchAll(bindingPattern)].map(([, index, space, binding]): KernelBinding => {
    const kind = (space ?? "").replace(/\s/g, "");
    return {
      name: binding ?? "",
      index: Number(index),
      kind: kind === "uniform" ? "uniform" : kind === "storage,read_write" ? "read_write" : "read",
    };
  });
  const last = bindings.at(-1)?.name;
  if ((last !== STEP && last !== STEPS) || bindings.some(({ index }, k) => index !== k)) {
    const list = bindings.map(({ index, name }) => `@binding(${index}) ${name}`).join(", ") || "none";
    throw new UserError(
      `kernel ${name}: expected @binding(0), @binding(1), ..., the last named step or steps, ` +
        `got ${list}.`,
    );
  }
  source.split("\n").forEach((line, k) => {
    if (/\/\/ *unrolled *$/.test(line) && line.search(unrolledLoop) < 0) {
      throw new UserError(
        `${name}.wgsl:${k + 1}: expected a loop of the form ` +
          `"for (var n = 1u; n < 8u; n++) { if (CONSTANT > n) { ... } }  // unrolled", got "${line.trim()}"`,
      );
    }
  });
  const constants = new Map(
    [...source.matchAll(constantPattern)].map(([, constant = "", , value = ""]) => [constant, value]),
  );
  return { name, source, bindings, constants, foldable: source.includes("num_workgroups") };
}

/** Returns true if one dispatch of a kernel computes several steps: step z at index z of the grid. */
export function isMultiStep({ bindings }: Pick<Kernel, "bindings">): boolean {
  return bindings.at(-1)?.name === STEPS;
}

/** Returns a numeric constant of a kernel, such as its workgroup size. @throws Error for an unknown name. */
export function getConstant(
  { name: kernel, constants }: Pick<Kernel, "name" | "constants">,
  name: string,
  values: Constants = {},
): number {
  const value = values[name];
  if (typeof value === "number") return value;
  const [, number] = constants.get(name)?.match(/^(\d+)u?$/) ?? [];
  if (number === undefined) throw new Error(`kernel ${kernel} has no numeric constant ${name}`);
  return Number(number);
}

/** On a GPU, sets the workgroup size of a dispatch to `GPU_WORKGROUP`, a multiple of the subgroup size. */
export function adaptWorkgroup<U extends KernelTextInputs>(kind: AdapterKind, use: U): U {
  const { kernel, constants } = use;
  if (kind !== "gpu" || !kernel.constants.has("GPU_WORKGROUP")) return use;
  return { ...use, constants: { WORKGROUP: getConstant(kernel, "GPU_WORKGROUP"), ...constants } };
}

export interface KernelTextInputs {
  readonly kernel: Kernel;
  readonly constants?: Constants;
  /** Memory of each binding except `step`, by name. */
  readonly views: Readonly<Record<string, Memory>>;
}

/** Returns the WGSL that the driver compiles. @throws Error if constants or views do not fit the kernel */
export function buildKernelText({ kernel, constants = {}, views }: KernelTextInputs): string {
  for (const name of Object.keys(constants)) {
    if (!kernel.constants.has(name)) throw new Error(`kernel ${kernel.name} has no constant ${name}`);
  }
  let text = "";
  for (const piece of splitKernel(kernel)) text += typeof piece === "string" ? piece : piece(constants);
  for (const [name, view] of Object.entries(views)) {
    if (isUniform(view)) text = bindAsUniform(kernel, text, name, view);
    else if (isTexture(view) && isReadOnly(kernel, name)) text = readTexture(kernel, text, name, view);
    else if (isTexture(view)) text = writeTexture(kernel, text, name, view);
  }
  return text;
}

/** A piece of a kernel's source: a fixed text, or a function that inserts a constant. */
type Piece = string | ((constants: Constants) => string);
/** Cached pieces of kernels: searching the source for constants in each dispatch would be slow. */
const piecesOf = new WeakMap<Kernel, readonly Piece[]>();

function splitKernel(kernel: Kernel): readonly Piece[] {
  const known = piecesOf.get(kernel);
  if (known) return known;
  const { source } = kernel;
  const changing = [...findConstants(source), ...findUnrolledLoops(kernel)].sort((a, b) => a.at - b.at);
  const pieces: Piece[] = [];
  let end = 0;
  for (const { at, text, piece } of changing) {
    pieces.push(source.slice(end, at), piece);
    end = at + text.length;
  }
  pieces.push(source.slice(end));
  piecesOf.set(kernel, pieces);
  return pieces;
}

interface Substitution {
  readonly at: number;
  readonly text: string;
  readonly piece: (constants: Constants) => string;
}

function* findConstants(source: string): Generator<Substitution> {
  for (
    const { index: at, 0: text, 1: name = "", 2: type = "", 3: value = "" } of source.matchAll(
      constantPattern,
    )
  ) {
    const piece = ({ [name]: own }: Constants) =>
      own === undefined ? text : `const ${name}${type} = ${formatLiteral(own, value)};`;
    yield { at, text, piece };
  }
}

/** Formats a constant's value in the type of its default: u32 for `8u`, float for `0.5`, bool for `true`. */
function formatLiteral(value: number | boolean, default_: string): string {
  if (typeof value === "boolean") return String(value);
  if (default_.trim().endsWith("u")) return `${value}u`;
  return default_.includes(".") && Number.isInteger(value) ? `${value}.0` : String(value);
}

/**
 * Matches a loop over n with the comment "unrolled". Unrolling replaces the array index n by literals,
 * because some kernels then run faster on CPU adapters. Groups of the pattern: indent; first, end and step of
 * n; the loop's body; the constant that the body compares with n.
 */
const unrolledLoop =
  /^( *)for \(var n = (\d+)u; n < (\d+)u; n(?:\+\+| \+= ([1-9]\d*)u)\) \{ (if \((\w+) > (?:first \+ )?n\) \{.*\}) \} {2}\/\/ unrolled$/gm;

/** Finds loops to unroll. The unrolled text omits iterations whose condition `CONSTANT > n` is false. */
function* findUnrolledLoops(kernel: Kernel): Generator<Substitution> {
  for (const found of kernel.source.matchAll(unrolledLoop)) {
    const { index: at, 0: text, 1: indent, 2: first, 3: end, 4: step = 1, 5: turn = "", 6: name = "" } =
      found;
    const turns: { readonly n: number; readonly text: string }[] = [];
    for (let n = Number(first); n < Number(end); n += Number(step)) {
      turns.push({ n, text: turn.replaceAll("[n]", `[${n}]`).replaceAll(/\bn\b/g, `${n}u`) });
    }
    const piece = (constants: Constants) => {
      const bound = getConstant(kernel, name, constants);
      return indent + turns.flatMap(({ n, text }) => n < bound ? [text] : []).join(" ");
    };
    yield { at, text, piece };
  }
}

function isReadOnly(kernel: Kernel, name: string): boolean {
  return kernel.bindings.some((binding) => binding.name === name && binding.kind === "read");
}

/** Replaces the declaration of a storage binding by a uniform, which has a fixed size. */
function bindAsUniform(kernel: Kernel, text: string, name: string, { size }: UniformView): string {
  const uniform = `var<uniform> ${name}: array<vec4f, ${size / 16}>;`;
  return replaceLine(kernel, text, formatDeclaration(name), uniform, `${name} cannot be a uniform`);
}

const formatDeclaration = (name: string) => `var<storage, read> ${name}: array<vec4f>;`;

/** Replaces a line of WGSL. @param refusal - error if `text` lacks the line: "x cannot be a uniform" */
function replaceLine(kernel: Kernel, text: string, line: string, by: string, refusal: string): string {
  if (text.includes(line)) return text.replace(line, by);
  throw new Error(`kernel ${kernel.name}: ${refusal} without the line "${line}"`);
}

function readTexture(kernel: Kernel, text: string, name: string, { layout }: TextureView): string {
  const head = `fn load_${name}(i: u32) -> vec4f`;
  const load = `${head} { return textureLoad(${name}, ${formatTexelCode(layout)}); }`;
  return replaceLine(kernel, text, `${head} { return ${name}[i]; }`, load, `${name} cannot be a texture`)
    .replace(formatDeclaration(name), `var ${name}: texture_storage_2d<${TEXTURE_FORMAT}, read>;`);
}

/** Changes a kernel's WGSL, so that the kernel writes a matrix in the layout of a texture. */
function writeTexture(kernel: Kernel, text: string, name: string, { layout }: TextureView): string {
  if (layout.rowVectors === 1) return text; // stored row by row, as the kernel writes
  const head = `fn store_${name}(i: u32, value: vec4f)`;
  const store = `${head} { ${name}[${formatTexelIndexCode(layout)}] = value; }`;
  const line = `${head} { ${name}[i] = value; }`;
  return replaceLine(kernel, text, line, store, `${name} cannot be stored in panels`);
}
