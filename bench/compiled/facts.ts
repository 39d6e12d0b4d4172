/** What is known of a kernel's text once it is compiled for a GPU. */

import { type Listing, readAssembly } from "./assembly.ts";
import type { Card } from "./cards.ts";
import type { Shader } from "./spirv.ts";
import type { Compilation, Compiler } from "./vulkan.ts";

/** What keeps more subgroups off a SIMD. */
export type Limit = "none" | "registers" | "workgroup memory";

export interface Facts extends Listing {
  readonly gpu: string;
  /** Invocations of a workgroup. */
  readonly workgroup: readonly number[];
  /** Lanes of a subgroup. */
  readonly subgroup: number;
  /** Lanes of a workgroup that work, of all that its subgroups have. */
  readonly lanes: readonly [working: number, all: number];
  readonly vgprs: number;
  readonly sgprs: number;
  /** Registers, vector and scalar, that do not fit and go to memory. */
  readonly spills: number;
  /** Bytes of workgroup memory. */
  readonly lds: number;
  /** That a SIMD holds at once, as RADV counts: one of 64 lanes is two on RDNA, whose SIMDs have 32. */
  readonly subgroups: number;
  readonly limit: Limit;
  /** Pairs of operations in one instruction (VOPD), among the vector instructions. */
  readonly dual: number;
  /** Cycles of a subgroup from its begin to its end, where a loop makes 8 turns, one inside it 4 for each. */
  readonly latency: number;
  /** Cycles of a SIMD for 64 busy lanes, with the same turns. */
  readonly inverseThroughput: number;
}

/** Compiles for a card. @param subgroup lanes of a subgroup, instead of what the driver chooses. @throws Error where the driver refuses. */
export function compileFor(card: Card, compiler: Compiler, shader: Shader, subgroup?: number): Facts {
  return factsOf(card, shader, compiler.compile(shader, subgroup));
}

export function factsOf(card: Card, { workgroup }: Shader, compilation: Compilation): Facts {
  const { statistics, assembly, subgroup } = compilation;
  const value = (name: string) => statistics[name] ?? NaN;
  const invocations = workgroup.reduce((product, size) => product * size, 1);
  const own = {
    ...{ subgroup, vgprs: value("VGPRs"), lds: value("LDS size"), subgroups: value("Subgroups per SIMD") },
  };
  return {
    gpu: card.family,
    workgroup: workgroup[1] * workgroup[2] > 1 ? workgroup.filter((size) => size > 1) : [workgroup[0]],
    lanes: [invocations, subgroup * Math.ceil(invocations / subgroup)],
    ...own,
    sgprs: value("SGPRs"),
    spills: value("Spilled VGPRs") + value("Spilled SGPRs"),
    limit: limitOf(card, own),
    dual: value("VOPD"),
    latency: value("Latency"),
    inverseThroughput: value("Inverse Throughput"),
    ...readAssembly(assembly),
    instructions: value("Instructions"),
  };
}

function limitOf(
  { slots, registers, counted }: Card,
  { subgroup, vgprs, lds, subgroups }: Pick<Facts, "subgroup" | "vgprs" | "lds" | "subgroups">,
): Limit {
  const each = subgroup / counted;
  if (subgroups >= slots * each) return "none";
  const byRegisters = Math.floor(registers * (64 / subgroup) / vgprs) * each;
  return lds === 0 || byRegisters <= subgroups ? "registers" : "workgroup memory";
}
