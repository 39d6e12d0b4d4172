/** A hand-written kernel: its WGSL text, what it binds, and the constants it is specialised by. */

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
}

export type Constants = Readonly<Record<string, number | boolean>>;

/** The name of the uniform that every kernel binds last; see {@link import("./step.ts")}. */
export const STEP = "step";
/** What a kernel binds instead that works for several steps at once, an array of the same. */
export const STEPS = "steps";

const bindingPattern = /@group\(0\)\s*@binding\((\d+)\)\s*var<([^>]+)>\s*(\w+)\s*:/g;

/** Reads a kernel's interface from its text, so that it is written once, in WGSL. */
export function kernel(name: string, source: string): Kernel {
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
  if (bindings.at(-1)?.name !== STEP && !forManySteps({ bindings })) {
    throw new Error(`kernel ${name}: the last binding must be the uniform step, or steps`);
  }
  return { name, source, bindings };
}

/** Whether a kernel works for several steps at once, a slice of its grid (z) for each. */
export function forManySteps({ bindings }: Pick<Kernel, "bindings">): boolean {
  return bindings.at(-1)?.name === STEPS;
}

/**
 * Replaces the defaults of `const NAME = ...;` lines. Nothing else in a kernel's text ever changes.
 * @throws Error for a name that the kernel does not declare.
 */
export function specialise(kernel: Kernel, constants: Constants): string {
  let source = kernel.source;
  for (const [name, value] of Object.entries(constants)) {
    const line = new RegExp(`^const ${name}(\\s*:\\s*(\\w+))?\\s*=\\s*([^;]+);`, "m");
    const found = source.match(line);
    if (!found) throw new Error(`kernel ${kernel.name} has no constant ${name}`);
    source = source.replace(line, `const ${name}${found[1] ?? ""} = ${literal(value, found[3] ?? "")};`);
  }
  return source;
}

/** Writes a value in the type of the default that it replaces: `8u` -> u32, `0.5` -> float, `true` -> bool. */
function literal(value: number | boolean, default_: string): string {
  if (typeof value === "boolean") return String(value);
  if (default_.trim().endsWith("u")) return `${value}u`;
  return default_.includes(".") && Number.isInteger(value) ? `${value}.0` : String(value);
}

/** A number in a kernel's text, e.g. its workgroup size, so that grids follow from the kernel itself. */
export function constantOf(kernel: Kernel, name: string, constants: Constants = {}): number {
  const given = constants[name];
  if (typeof given === "number") return given;
  const found = kernel.source.match(new RegExp(`^const ${name}(?:\\s*:\\s*\\w+)?\\s*=\\s*(\\d+)u?;`, "m"));
  if (!found) throw new Error(`kernel ${kernel.name} has no numeric constant ${name}`);
  return Number(found[1]);
}
