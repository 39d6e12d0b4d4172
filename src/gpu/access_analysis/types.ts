/** How values lie in memory: https://www.w3.org/TR/WGSL/#memory-layouts. */

/** Sizes in bytes. */
export interface Type {
  readonly size: number;
  readonly align: number;
  /** Of vectors, matrices and arrays. */
  readonly element?: Type;
  /** From one element to the next. */
  readonly stride?: number;
  readonly fields?: ReadonlyMap<string, { readonly at: number; readonly type: Type }>;
  /** Whether it is a u32, which an index may be made of. */
  readonly whole?: boolean;
}

const word: Type = { size: 4, align: 4 };
const SCALARS: Readonly<Record<string, Type>> = {
  u32: { ...word, whole: true },
  ...{ i32: word, f32: word, bool: word, f16: { size: 2, align: 2 } },
};
const SUFFIX: Readonly<Record<string, string>> = { u: "u32", i: "i32", f: "f32", h: "f16" };

/** u32, vec4f, mat4x4<f32>. @param given reads what stands in a template. @returns undefined for other names. */
export function plainType(name: string, given: () => Type): Type | undefined {
  const [, kind, counts = "", suffix = ""] = /^(vec|mat)(\d(?:x\d)?)([uifh]?)$/.exec(name) ?? [];
  if (!kind) return SCALARS[name];
  const scalar = SCALARS[SUFFIX[suffix] ?? ""] ?? given();
  const [columns = 1, rows = 1] = counts.split("x").map(Number);
  return kind === "vec" ? vectorOf(scalar, columns) : arrayOf(vectorOf(scalar, rows), columns);
}

function vectorOf(element: Type, count: number): Type {
  const size = count * element.size;
  return { size, align: count === 3 ? 4 * element.size : size, element, stride: element.size };
}

/** @param count 0 for an array that is as long as its binding */
export function arrayOf(element: Type, count: number): Type {
  const stride = roundUp(element.size, element.align);
  return { size: stride * count, align: element.align, element, stride };
}

export interface Member {
  readonly name: string;
  readonly type: Type;
  /** What its attributes say, or its type. */
  readonly size: number;
  readonly align: number;
}

export function structOf(members: readonly Member[]): Type {
  const fields = new Map<string, { at: number; type: Type }>();
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
export function memberOf(
  { fields, element, stride = 0 }: Type,
  name: string,
): { readonly at: number; readonly type: Type } | undefined {
  if (fields || !element || !/^[xyzw]+$/.test(name)) return fields?.get(name);
  const places = [...name].map((letter) => "xyzw".indexOf(letter));
  const [low, high] = [Math.min(...places), Math.max(...places)];
  const type = name.length === 1 ? element : { size: (high - low + 1) * stride, align: stride };
  return { at: low * stride, type };
}
