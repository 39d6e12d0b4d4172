/**
 * Types and values of WGSL: how they lie in memory (https://www.w3.org/TR/WGSL/#memory-layouts), and what is known of those of
 * an invocation, whole numbers and conditions, by WGSL's own arithmetic.
 * What a kernel knows of itself before it reads anything is an {@link IndexScope}.
 */

/** Sizes in bytes. */
export interface WgslType {
  readonly size: number;
  readonly align: number;
  /** Of vectors, matrices and arrays. */
  readonly element?: WgslType;
  /** From one element to the next. */
  readonly stride?: number;
  readonly fields?: ReadonlyMap<string, { readonly at: number; readonly type: WgslType }>;
  /** Whether it is a u32, which an index may be made of. */
  readonly isU32?: boolean;
}

const word: WgslType = { size: 4, align: 4 };
const SCALARS: Readonly<Record<string, WgslType>> = {
  u32: { ...word, isU32: true },
  ...{ i32: word, f32: word, bool: word, f16: { size: 2, align: 2 } },
};
const SUFFIX: Readonly<Record<string, string>> = { u: "u32", i: "i32", f: "f32", h: "f16" };

/** u32, vec4f, mat4x4<f32>. @param given reads what stands in a template. @returns undefined for other names. */
export function parsePlainType(name: string, given: () => WgslType): WgslType | undefined {
  const [, kind, counts = "", suffix = ""] = /^(vec|mat)(\d(?:x\d)?)([uifh]?)$/.exec(name) ?? [];
  if (!kind) return SCALARS[name];
  const scalar = SCALARS[SUFFIX[suffix] ?? ""] ?? given();
  const [columns = 1, rows = 1] = counts.split("x").map(Number);
  return kind === "vec" ? vectorType(scalar, columns) : makeArrayType(vectorType(scalar, rows), columns);
}

function vectorType(element: WgslType, count: number): WgslType {
  const size = count * element.size;
  return { size, align: count === 3 ? 4 * element.size : size, element, stride: element.size };
}

/** @param count 0 for an array that is as long as its binding */
export function makeArrayType(element: WgslType, count: number): WgslType {
  const stride = roundUp(element.size, element.align);
  return { size: stride * count, align: element.align, element, stride };
}

export interface StructMember {
  readonly name: string;
  readonly type: WgslType;
  /** What its attributes say, or its type. */
  readonly size: number;
  readonly align: number;
}

export function makeStructType(members: readonly StructMember[]): WgslType {
  const fields = new Map<string, { at: number; type: WgslType }>();
  let [end, most] = [0, 4];
  for (const { name, type, size, align } of members) {
    const at = roundUp(end, align);
    fields.set(name, { at, type });
    end = at + size;
    most = Math.max(most, align);
  }
  return { size: roundUp(end, most), align: most, fields };
}

const roundUp = (size: number, to: number) => Math.ceil(size / to) * to;

/** Where a member, or some components of a vector, lies in a type; undefined where it has none. */
export function findMember(
  { fields, element, stride = 0 }: WgslType,
  name: string,
): { readonly at: number; readonly type: WgslType } | undefined {
  if (fields || !element || !/^[xyzw]+$/.test(name)) return fields?.get(name);
  const places = [...name].map((letter) => "xyzw".indexOf(letter));
  const [low, high] = [Math.min(...places), Math.max(...places)];
  const type = name.length === 1 ? element : { size: (high - low + 1) * stride, align: stride };
  return { at: low * stride, type };
}

/** A whole number, a condition, or a vector or structure of them; undefined where nobody knows it. */
export type WgslValue = number | boolean | undefined | StructValue;
export interface StructValue {
  readonly [name: string]: WgslValue;
}

const OPERATE: Readonly<Record<string, (a: number, b: number) => number | boolean>> = {
  ...{ "|": (a, b) => (a | b) >>> 0, "^": (a, b) => (a ^ b) >>> 0, "&": (a, b) => (a & b) >>> 0 },
  ...{ "==": (a, b) => a === b, "!=": (a, b) => a !== b, "<": (a, b) => a < b, "<=": (a, b) => a <= b },
  ...{ ">": (a, b) => a > b, ">=": (a, b) => a >= b, "<<": (a, b) => a * 2 ** b, ">>": (a, b) => a >>> b },
  ...{ "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b },
  ...{ "/": (a, b) => Math.trunc(a / b), "%": (a, b) => a % b },
};

/** What is negative or above 32 bits depends on a type, and on who wraps it: it counts as unknown. */
export function applyBinary(sign: string, a: WgslValue, b: WgslValue): WgslValue {
  if (typeof a !== "number" || typeof b !== "number") return undefined;
  const value = OPERATE[sign]?.(a, b);
  return typeof value !== "number" || (value >= 0 && value < 2 ** 32) ? value : undefined;
}

/** Of signs before an operand. */
export function applyUnary(sign: string, value: WgslValue): WgslValue {
  if (sign === "!" && typeof value === "boolean") return !value;
  return sign === "~" && typeof value === "number" ? ~value >>> 0 : undefined;
}

const liftNumbers = (of: (...values: number[]) => number) => (...values: WgslValue[]): WgslValue =>
  values.every((value) => typeof value === "number") ? of(...values as number[]) : undefined;

/** Functions of WGSL whose values are followed. */
export const BUILTINS: Readonly<Record<string, (...values: WgslValue[]) => WgslValue>> = {
  min: liftNumbers((a, b) => Math.min(a, b)),
  max: liftNumbers((a, b) => Math.max(a, b)),
  clamp: liftNumbers((x, low, high) => Math.min(Math.max(x, low), high)),
  // Beside a float a whole number is one, too.
  select: (no, yes, which) => [no, yes, which].includes(undefined) ? undefined : which ? yes : no,
  u32: (value) => typeof value === "boolean" ? Number(value) : value,
  vec2u: (...values) => values.length === 2 ? makeVector(values) : undefined,
  vec3u: (...values) => values.length === 3 ? makeVector(values) : undefined,
  vec4u: (...values) => values.length === 4 ? makeVector(values) : undefined,
};

export function makeVector(values: readonly WgslValue[]): StructValue {
  return Object.fromEntries(values.map((value, k) => ["xyzw"[k], value]));
}

/** What makes a value of a type, if it is a structure. */
export function makeStructure(type: WgslType | undefined) {
  if (!type?.fields) return undefined;
  const fields = [...type.fields];
  return (...values: WgslValue[]): StructValue =>
    Object.fromEntries(fields.map(([name, { type }], k) => [name, convertValue(values[k], type)]));
}

/** What a value is as one of a type: a number that is declared as i32 or f32 does not count as one. */
export function convertValue(value: WgslValue, type: WgslType | undefined): WgslValue {
  const foreign = type !== undefined && !type.isU32 && !type.element && !type.fields;
  return foreign && typeof value === "number" ? undefined : value;
}

/** Invocations that ask together. */
export const SUBGROUP = 32;

/** What a kernel may know besides its constants. */
export interface IndexScope {
  /** Invocations of a workgroup. */
  readonly workgroup: readonly [x: number, y: number];
  /** Workgroups; z is a batch each, of what lays out several. */
  readonly grid: readonly [x: number, y: number, z: number];
  /** `step.size`: of clicks, users, events, rows, items. */
  readonly sizes: readonly number[];
  /** Partial sums of each weight gradient. */
  readonly chunks: number;
  /** Further fields of the step's header, by their names in WGSL. */
  readonly header?: Readonly<Record<string, number>>;
  /** Bytes of bindings, by name. */
  readonly bytes?: Readonly<Record<string, number>>;
  /** Whole numbers that bindings hold, by name. */
  readonly data?: Readonly<Record<string, Uint32Array>>;
}

/** One of all invocations of a dispatch, by its place. */
export interface Invocation {
  readonly group: readonly [x: number, y: number, z?: number];
  readonly local: readonly [x: number, y: number];
}

/** @param kind its name in WGSL; undefined for what nobody follows */
export function getBuiltin(
  kind: string,
  { workgroup: [wx, wy], grid }: IndexScope,
  { group, local }: Invocation,
): WgslValue {
  const [lx, ly] = local;
  const [gx, gy, gz = 0] = group;
  const index = ly * wx + lx;
  const known: Readonly<Record<string, WgslValue>> = {
    global_invocation_id: { x: gx * wx + lx, y: gy * wy + ly, z: gz },
    local_invocation_id: { x: lx, y: ly, z: 0 },
    local_invocation_index: index,
    subgroup_invocation_id: index % SUBGROUP,
    subgroup_size: SUBGROUP,
    workgroup_id: makeVector([gx, gy, gz]),
    num_workgroups: makeVector(grid),
  };
  return known[kind];
}
