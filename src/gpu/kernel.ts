/** A hand-written kernel: its WGSL text, and what is read out of it, so that it is written once. The driver's text: kernel_text.ts. */

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

export type Constants = Readonly<Record<string, number | boolean>>;

/** The name of the uniform that every kernel binds last; see {@link import("./step.ts")}. */
export const STEP = "step";
/** What a kernel binds instead that works for several steps at once, an array of the same. */
export const STEPS = "steps";

/** A constant of a kernel's text: its name, its type where that is written, and its default. */
export const constantPattern = /^const (\w+)(\s*:\s*\w+)?\s*=\s*([^;]+);/gm;
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
  const constants = new Map(
    [...source.matchAll(constantPattern)].map(([, constant = "", , value = ""]) => [constant, value]),
  );
  return { name, source, bindings, constants, foldable: source.includes("num_workgroups") };
}

/** Whether a kernel works for several steps at once, a slice of its grid (z) for each. */
export function forManySteps({ bindings }: Pick<Kernel, "bindings">): boolean {
  return bindings.at(-1)?.name === STEPS;
}

/** A number in a kernel's text, e.g. its workgroup size, so that grids follow from the kernel itself. */
export function constantOf(
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
