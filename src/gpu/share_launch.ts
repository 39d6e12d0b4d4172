/**
 * Dispatches that do not depend on one another share a launch: on a GPU a small step takes as long as its launches. Their
 * texts become one kernel, in which a slice of the grid (z) belongs to each. Every number is computed as before.
 */

import type { Gpu } from "./device.ts";
import {
  constantOf,
  ENABLE_SUBGROUPS,
  forAdapter,
  forManySteps,
  kernel,
  type KernelBinding,
  kernelText,
  STEP,
} from "./kernel.ts";
import { LEAST } from "./limits.ts";
import { isTexture, isUniform, type Memory } from "./memory.ts";
import { type Amount, amountOf, type Sizes } from "./sizes.ts";
import type { DispatchSpec } from "./program.ts";

/**
 * The kernels that may share one: they leave early in workgroups beyond their own grid, which is as large as the largest. All
 * of one size of workgroup may share.
 */
const SHARING: ReadonlySet<string> = new Set([
  "matmul_forward_tiled",
  "matmul_input_gradient_tiled",
  "matmul_weight_gradient_tiled",
  "outcome_sum",
  "outcome_sum_subgroups",
  "row_dot_backward_group",
]);

/** The dispatches of a step with fewer launches: each goes with an earlier one, if nothing between writes what it needs. */
export function shareLaunches<S extends Sizes>(
  { shapes: { kind }, apart }: Pick<Gpu, "shapes" | "apart">,
  specs: readonly DispatchSpec<S>[],
): DispatchSpec<S>[] {
  if (kind !== "gpu" || apart) return [...specs];
  const launches: DispatchSpec<S>[][] = [];
  for (const spec of specs.map((spec) => forAdapter(kind, spec))) {
    const after = 1 + launches.findLastIndex((own) => own.some((other) => depend(other, spec)));
    const host = launches.slice(after).find((own) => fit([...own, spec]));
    if (host) host.push(spec);
    else launches.push([spec]);
  }
  return launches.map((own) => own.length > 1 ? shared(own) : own[0]!);
}

/** Whether two dispatches have an order: one writes what the other reads or writes. */
function depend<S extends Sizes>(a: DispatchSpec<S>, b: DispatchSpec<S>): boolean {
  return bound(a).some((one) =>
    bound(b).some((other) =>
      bufferOf(one.view) === bufferOf(other.view) && (one.writes || other.writes) &&
      !(addsNothing(a, one.name) && addsNothing(b, other.name))
    )
  );
}

interface Bound extends KernelBinding {
  readonly view: Memory;
  readonly writes: boolean;
}

/** What a dispatch binds and uses, but for the step. */
function bound<S extends Sizes>({ kernel, views }: DispatchSpec<S>): Bound[] {
  return kernel.bindings.flatMap((binding) => {
    const view = views[binding.name];
    return view && !isUnused(view) ? [{ ...binding, view, writes: binding.kind === "read_write" }] : [];
  });
}

/** Partial sums have a place for each parameter: who writes them without adding to what is there is in nobody's way. */
function addsNothing<S extends Sizes>({ constants = {} }: DispatchSpec<S>, binding: string): boolean {
  return binding === "partials" &&
    Object.entries(constants).every(([name, value]) => !name.startsWith("ACCUMULATE") || value === false);
}

function bufferOf(view: Memory): GPUBuffer | GPUTexture {
  return isTexture(view) ? view.texture : view.buffer;
}
function isUnused(view: Memory): boolean {
  return "unused" in view;
}

/** Whether dispatches that do not depend on one another can be one, by what WebGPU lets a kernel bind. */
function fit<S extends Sizes>(specs: readonly DispatchSpec<S>[]): boolean {
  const [first] = specs;
  const alike = ({ kernel, constants }: DispatchSpec<S>) =>
    kernel.foldable === first?.kernel.foldable &&
    ["WORKGROUP", "WORKGROUP_Y"].every((name) =>
      !first || !kernel.constants.has(name) && !first.kernel.constants.has(name) ||
      constantOf(kernel, name, constants) === constantOf(first.kernel, name, first.constants)
    );
  const able = (spec: DispatchSpec<S>) =>
    SHARING.has(spec.kernel.name) && !forManySteps(spec.kernel) &&
    !Object.values(spec.views).some(isTexture) && alike(spec);
  if (!specs.every(able)) return false;
  const storage = bindingsOf(specs).filter(({ view, kind }) => kind !== "uniform" && !isUniform(view));
  const twice = storage.some(({ view, writes }, k) =>
    storage.some((other, j) => j !== k && writes && bufferOf(other.view) === bufferOf(view))
  );
  return !twice && storage.length <= LEAST.maxStorageBuffersPerShaderStage;
}

/** A binding of several dispatches. */
interface Shared extends Bound {
  /** As the text declares it, with the name left out: "var<storage, read> : array<f32>". */
  readonly declared: string;
  /** Its names in the texts. */
  readonly names: { readonly text: number; readonly name: string }[];
}

/** What dispatches bind together: each range once, and for what a text does not use whatever else it may see. */
function bindingsOf<S extends Sizes>(specs: readonly DispatchSpec<S>[]): Shared[] {
  const all: Shared[] = [];
  const each = specs.flatMap((spec, k) => {
    const text = kernelText(spec);
    return spec.kernel.bindings.filter(({ name }) => name !== STEP).map((binding) => {
      const view = spec.views[binding.name];
      const declared = text.match(new RegExp(`(var<[^>]*>) ${binding.name}: ([^;]*);`))?.slice(1).join(" : ");
      if (!view || !declared) throw new Error(`${spec.label}: nothing is given for binding ${binding.name}`);
      return { k, ...binding, view, declared, writes: binding.kind === "read_write" };
    });
  });
  for (const used of [true, false]) {
    for (const { k, ...one } of each.filter(({ view }) => isUnused(view) !== used)) {
      const same = all.find(({ view, declared }) =>
        declared === one.declared && (!used || isSame(view, one.view))
      );
      const own = { text: k, name: one.name };
      if (same) same.names.push(own);
      else all.push({ ...one, names: [own] });
    }
  }
  return all;
}

function isSame(a: Memory, b: Memory): boolean {
  return !isTexture(a) && !isTexture(b) && a.buffer === b.buffer && a.offset === b.offset &&
    a.size === b.size && isUniform(a) === isUniform(b);
}

const declaration = /^(?:@group\(0\) @binding\(\d+\) )?(?:const|var(?:<[^>]*>)?|fn|struct) (\w+)/gm;
const entry = /^@compute @workgroup_size\([^)]*\)\nfn (\w+)\(([^{]*?),?\s*\) \{/m;

/** The dispatches as one. @throws Error for a text without an entry point of the usual form. */
function shared<S extends Sizes>(specs: readonly DispatchSpec<S>[]): DispatchSpec<S> {
  const bindings = bindingsOf(specs);
  const texts = specs.map((spec) => kernelText(spec).replace(/^ *\/\/.*\n| +\/\/.*$/gm, ""));
  const steps = texts.map((text) => text.match(/^struct Step \{[^}]*\}\n/m)?.[0] ?? "");
  const workgroupMemory: { readonly name: string; readonly type: string; readonly users: Set<number> }[] = [];
  const builtins = new Map<string, string>();
  const calls: string[] = [];
  const parts = texts.map((text, k) => {
    const [, main = "", parameters = ""] = text.match(entry) ?? [];
    if (!main) throw new Error(`kernel ${specs[k]?.kernel.name}: expected an entry point to share a launch`);
    const names = new Map([...text.matchAll(declaration)].map(([, name = ""]) => [name, `${name}_${k}`]));
    for (const kept of ["step", "Step"]) names.delete(kept);
    bindings.forEach(({ names: own }, b) => {
      for (const { text, name } of own) if (text === k) names.set(name, `b${b}`);
    });
    // Workgroup memory of one type is there once: a workgroup runs one of the texts.
    for (const [, name = "", type = ""] of text.matchAll(/^var<workgroup> (\w+): (.*);$/gm)) {
      const written = renamed(type, names);
      let place = workgroupMemory.find((own) => own.type === written && !own.users.has(k));
      if (!place) {
        place = { name: `w${workgroupMemory.length}`, type: written, users: new Set() };
        workgroupMemory.push(place);
      }
      place.users.add(k);
      names.set(name, place.name);
    }
    const given = [...parameters.matchAll(/@builtin\((\w+)\) \w+: (\w+)/g)].map(
      ([, builtin = "", type = ""]) => {
        builtins.set(builtin, type);
        return builtin;
      },
    );
    const own = specs[k];
    const once = own && own.invocations[1] === undefined && !own.kernel.foldable
      ? "workgroup_id.y == 0u && "
      : "";
    calls.push(`  if (${once}workgroup_id.z == ${k}u) { ${main}_${k}(${given.join(", ")}); }`);
    const body = text.replace(
      entry,
      (_, main, parameters) => `fn ${main}(${parameters.replace(/@builtin\(\w+\) /g, "")}) {`,
    )
      .replace(steps[k] ?? "", "").replace(ENABLE_SUBGROUPS, "").replace(
        /^@group.*\n|^var<workgroup> .*\n/gm,
        "",
      );
    return { text: renamed(body, names), names };
  });
  builtins.set("workgroup_id", "vec3u");
  const [first] = specs;
  const y = first?.kernel.constants.has("WORKGROUP_Y");
  const size = (name: string) =>
    `const ${name} = ${first && constantOf(first.kernel, name, first.constants)};`;
  const source = [
    `// ${specs.map(({ label, kernel }) => `${kernel.name}: ${label}`).join("\n// and ")}`,
    ...(texts.some((text) => text.includes(ENABLE_SUBGROUPS)) ? [ENABLE_SUBGROUPS] : []),
    size("WORKGROUP"),
    ...(y ? [size("WORKGROUP_Y")] : []),
    steps.toSorted((a, b) => b.split(":").length - a.split(":").length)[0],
    ...[
      ...bindings.map(({ declared, names: [own] }, b) =>
        renamed(declared, parts[own?.text ?? 0]?.names ?? new Map()).replace(" : ", ` b${b}: `)
      ),
      "var<uniform> step: Step",
    ].map((declared, b) => `@group(0) @binding(${b}) ${declared};`),
    ...workgroupMemory.map(({ name, type }) => `var<workgroup> ${name}: ${type};`),
    ...parts.map(({ text }) => text),
    `@compute @workgroup_size(WORKGROUP${y ? ", WORKGROUP_Y" : ""})`,
    "fn shared_launch(",
    ...[...builtins].map(([builtin, type]) => `  @builtin(${builtin}) ${builtin}: ${type},`),
    ") {",
    ...calls,
    "}\n",
  ].join("\n");
  const named = (of: (spec: DispatchSpec<S>) => string) => [...new Set(specs.map(of))].join(" + ");
  const most = (axis: 0 | 1): Amount<S> => ({
    of: (sizes: S) => Math.max(...specs.map(({ invocations }) => amountOf(invocations[axis] ?? 1, sizes))),
  });
  return {
    kernel: kernel(named(({ kernel }) => kernel.name), source),
    // The texts say already what is a uniform.
    views: Object.fromEntries(bindings.map(({ view }, b) => [`b${b}`, { ...view, uniform: undefined }])),
    invocations: [most(0), most(1)],
    shares: specs.length,
    cost: (sizes) => {
      const costs = specs.map(({ cost }) => cost(sizes));
      const sum = (of: "flops" | "bytes") => costs.reduce((all, cost) => all + cost[of], 0);
      return { flops: sum("flops"), bytes: sum("bytes") };
    },
    label: named(({ label }) => label),
    ...(first?.node && { node: first.node }),
  };
}

/** The text with other names: where one is declared or used, but not behind a point, nor where a struct has a member of it. */
function renamed(text: string, names: ReadonlyMap<string, string>): string {
  const all = (part: string) => part.replace(/(?<![\w.@])[A-Za-z_]\w*/g, (name) => names.get(name) ?? name);
  return text.split(/(^struct \w+ \{[^}]*\})/m).map((part) =>
    part.startsWith("struct") ? part.replace(/^struct \w+/, all).replace(/:[^,}]*/g, all) : all(part)
  ).join("");
}
