/**
 * Types of WGSL with their memory layout (https://www.w3.org/TR/WGSL/#memory-layouts), and WGSL's operators
 * on known integers and booleans.
 */

/** A WGSL type. Size, alignment and stride are in bytes. */
export interface WgslType {
  readonly size: number;
  readonly align: number;
  /** Type of an element of a vector, matrix or array. */
  readonly element?: WgslType;
  readonly stride?: number;
  readonly fields?: ReadonlyMap<string, { readonly at: number; readonly type: WgslType }>;
  /** True for u32, the only number type whose values are tracked. */
  readonly isU32?: boolean;
}

const word: WgslType = { size: 4, align: 4 };
const SCALARS: Readonly<Record<string, WgslType>> = {
  u32: { ...word, isU32: true },
  ...{ i32: word, f32: word, bool: word, f16: { size: 2, align: 2 } },
};
const SUFFIX: Readonly<Record<string, string>> = { u: "u32", i: "i32", f: "f32", h: "f16" };

/** Returns a scalar, vector or matrix type by name. @param readTemplate - parses `<f32>` after the name */
export function parsePlainType(name: string, readTemplate: () => WgslType): WgslType | undefined {
  const [, kind, counts = "", suffix = ""] = /^(vec|mat)(\d(?:x\d)?)([uifh]?)$/.exec(name) ?? [];
  if (!kind) return SCALARS[name];
  const scalar = SCALARS[SUFFIX[suffix] ?? ""] ?? readTemplate();
  const [columns = 1, rows = 1] = counts.split("x").map(Number);
  return kind === "vec" ? vectorType(scalar, columns) : makeArrayType(vectorType(scalar, rows), columns);
}

function vectorType(element: WgslType, count: number): WgslType {
  const size = count * element.size;
  return { size, align: count === 3 ? 4 * element.size : size, element, stride: element.size };
}

/** Makes an array type. @param count - number of elements; 0 for a runtime-sized array */
export function makeArrayType(element: WgslType, count: number): WgslType {
  const stride = roundUp(element.size, element.align);
  return { size: stride * count, align: element.align, element, stride };
}

export interface StructMember {
  readonly name: string;
  readonly type: WgslType;
  /** Size of the field in bytes, from its attribute or its type. */
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

/** Returns the byte offset and type of a structure's member or a vector's components; undefined if none. */
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

/** An integer, a boolean, or a vector or structure of such values; undefined if the value is unknown. */
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

/** Applies a binary operator. Returns undefined (unknown) for results below 0 or of more than 32 bits. */
export function applyBinary(sign: string, a: WgslValue, b: WgslValue): WgslValue {
  if (typeof a !== "number" || typeof b !== "number") return undefined;
  const value = OPERATE[sign]?.(a, b);
  return typeof value !== "number" || (value >= 0 && value < 2 ** 32) ? value : undefined;
}

/** Applies the prefix operator `!` or `~`. The result of any other operator is unknown. */
export function applyUnary(sign: string, value: WgslValue): WgslValue {
  if (sign === "!" && typeof value === "boolean") return !value;
  return sign === "~" && typeof value === "number" ? ~value >>> 0 : undefined;
}

const liftNumbers = (of: (...values: number[]) => number) => (...values: WgslValue[]): WgslValue =>
  values.every((value) => typeof value === "number") ? of(...values as number[]) : undefined;

export const BUILTINS: Readonly<Record<string, (...values: WgslValue[]) => WgslValue>> = {
  min: liftNumbers((a, b) => Math.min(a, b)),
  max: liftNumbers((a, b) => Math.max(a, b)),
  clamp: liftNumbers((x, low, high) => Math.min(Math.max(x, low), high)),
  // If one argument is unknown, the second argument may be a float, so the result is unknown.
  select: (no, yes, which) => [no, yes, which].includes(undefined) ? undefined : which ? yes : no,
  u32: (value) => typeof value === "boolean" ? Number(value) : value,
  vec2u: (...values) => values.length === 2 ? makeVector(values) : undefined,
  vec3u: (...values) => values.length === 3 ? makeVector(values) : undefined,
  vec4u: (...values) => values.length === 4 ? makeVector(values) : undefined,
};

export function makeVector(values: readonly WgslValue[]): StructValue {
  return Object.fromEntries(values.map((value, k) => ["xyzw"[k], value]));
}

/** Returns the constructor of a structure type; undefined for any other type. */
export function makeStructure(type: WgslType | undefined) {
  if (!type?.fields) return undefined;
  const fields = [...type.fields];
  return (...values: WgslValue[]): StructValue =>
    Object.fromEntries(fields.map(([name, { type }], k) => [name, convertValue(values[k], type)]));
}

/** Converts a value to its declared type. A number that is declared as i32 or f32 becomes unknown. */
export function convertValue(value: WgslValue, type: WgslType | undefined): WgslValue {
  const foreign = type !== undefined && !type.isU32 && !type.element && !type.fields;
  return foreign && typeof value === "number" ? undefined : value;
}

/** Number of invocations per subgroup that the analysis assumes. */
export const SUBGROUP = 32;

/** Values, besides constants, on which a kernel's index expressions depend. */
export interface IndexScope {
  readonly workgroup: readonly [x: number, y: number];
  /** Number of workgroups in x, y and z. In a kernel for several steps, z is the number of steps. */
  readonly grid: readonly [x: number, y: number, z: number];
  /** Value of `step.size` in WGSL: in click models the numbers of users, events, rows and items. */
  readonly sizes: readonly number[];
  /** Value of `step.chunks`: number of partial sums of a weight's gradient. */
  readonly chunks: number;
  /** Values of all other fields of the step header, by the fields' names in WGSL. */
  readonly header?: Readonly<Record<string, number>>;
  readonly bytes?: Readonly<Record<string, number>>;
  readonly data?: Readonly<Record<string, Uint32Array>>;
}

/** Position of an invocation: its workgroup in the dispatch, and its position in the workgroup. */
export interface Invocation {
  readonly group: readonly [x: number, y: number, z?: number];
  readonly local: readonly [x: number, y: number];
}

/** Returns a builtin value of an invocation; undefined if unknown. @param kind - WGSL name */
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
