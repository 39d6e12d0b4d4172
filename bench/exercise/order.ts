/**
 * A reader's kernel with its invocations and workgroups in another order. WGSL promises none, so what is right stays right. A CPU
 * driver runs the invocations of a workgroup in vectors of neighbours, one vector after another up to a barrier: whoever reads
 * what a neighbour writes is right there by chance, until neighbours are in other vectors.
 */

import type { Kernel } from "../../src/gpu/kernel.ts";

const entryPattern = /(@compute\b[^{};]*\bfn\s+\w+\s*)\(((?:[^()]|\([^()]*\))*)\)\s*\{/;
const builtinPattern = /^@builtin\(\s*(\w+)\s*\)\s*(\w+)\s*:\s*(?:vec3u|vec3<u32>|u32)$/;
/** Neighbours that may run as one vector. */
const LANES = "8u";

/** What a builtin is in the other order. */
const builtins: Readonly<Record<string, string>> = {
  local_invocation_index: "other_index",
  local_invocation_id: "other_local",
  global_invocation_id: "other_group * other_size + other_local",
  workgroup_id: "other_group",
  num_workgroups: "given_groups",
};

/**
 * The kernel in two other orders: neighbours far apart, and the same backwards, workgroups too. None for a function whose
 * parameters are not builtins each.
 */
export function otherOrders(own: Kernel): Kernel[] {
  const [entry, head = "", parameters = ""] = entryPattern.exec(own.source) ?? [];
  if (entry === undefined) return [];
  const names = parameters.split(",").map((text) => text.trim()).filter((text) => text !== "");
  const lets = names.map((text) => {
    const [, builtin = "", name = ""] = builtinPattern.exec(text) ?? [];
    return Object.hasOwn(builtins, builtin) ? `let ${name} = ${builtins[builtin]};` : undefined;
  });
  if (lets.includes(undefined)) return [];
  const y = own.constants.has("WORKGROUP_Y") ? "u32(WORKGROUP_Y)" : "1u";
  const other = (backwards: boolean) =>
    // In one line: what a driver says of the text names the reader's lines.
    `${head}(@builtin(local_invocation_index) given_index: u32, @builtin(workgroup_id) given_group: vec3u, ` +
    `@builtin(num_workgroups) given_groups: vec3u) { ` +
    [
      `let other_size = vec3u(u32(WORKGROUP), ${y}, 1u);`,
      `let other_count = other_size.x * other_size.y;`,
      `let other_apart = select(given_index, given_index % ${LANES} * (other_count / ${LANES}) + given_index / ${LANES}, ` +
      `other_count % ${LANES} == 0u);`,
      `let other_index = ${backwards ? "other_count - 1u - other_apart" : "other_apart"};`,
      `let other_local = vec3u(other_index % other_size.x, other_index / other_size.x, 0u);`,
      `let other_group = ${backwards ? "given_groups - vec3u(1u) - given_group" : "given_group"};`,
      ...lets,
    ].join(" ");
  return [false, true].map((backwards) => ({
    ...own,
    source: own.source.replace(entry, () => other(backwards)),
  }));
}
