/** Everything that was gathered, compiled for some GPUs, and what is then known of each kernel's text. */

import { UserError } from "../../src/user_error.ts";
import { type Card, cardOf, reckon, type Reckoning } from "./time_model.ts";
import type { Gathered, RecordedStep, StepDispatch, Text } from "./gather.ts";
import { type Compilation, Compiler, missingCompiler } from "./vulkan.ts";
import { type Listing, readAssembly } from "./assembly.ts";
import type { Shader } from "./spirv.ts";

export interface CompiledText extends Pick<Text, "kernel" | "source" | "uses"> {
  /** By GPU. */
  readonly facts: Readonly<Record<string, Facts>>;
}

interface CompiledDispatch extends Omit<StepDispatch, "text"> {
  readonly kernel: string;
  /** By GPU. */
  readonly reckoned: Readonly<Record<string, Reckoning>>;
}

export interface CompiledStep extends Omit<RecordedStep, "dispatches"> {
  readonly dispatches: readonly CompiledDispatch[];
}

export interface Compiled {
  /** What compiled: "Mesa 25.0.7". */
  readonly compiler: string;
  readonly gpus: readonly string[];
  readonly texts: readonly CompiledText[];
  readonly steps: readonly CompiledStep[];
}

interface CompileOptions {
  /** As RADV names them. */
  readonly gpus: readonly string[];
  /** See {@link Compiler}. */
  readonly checked?: boolean;
  /** Lanes of a subgroup, instead of what the driver chooses. */
  readonly subgroup?: number | undefined;
  onProgress?(text: string): void;
}

/** Compiles every text once for each GPU. @throws UserError where there is no RADV, or it does not know a GPU. */
export function compileAll(
  { texts, steps }: Gathered,
  { gpus, checked = true, subgroup, onProgress = () => {} }: CompileOptions,
): Compiled {
  const missing = missingCompiler();
  if (missing !== undefined) throw new UserError(`Nothing can be compiled here: ${missing}`);
  const facts = new Map<Text, Record<string, Facts>>(texts.map((text) => [text, {}]));
  let mesa = "";
  for (const gpu of gpus) {
    const card = cardOf(gpu);
    using compiler = new Compiler(gpu, checked);
    mesa = compiler.version;
    for (const [text, own] of facts) {
      onProgress(`compiling for ${gpu}: ${text.kernel}`);
      own[gpu] = factsOf(card, text.shader, compiler.compile(text.shader, subgroup));
    }
  }
  return {
    compiler: `Mesa ${mesa}`,
    gpus,
    texts: [...facts].map(([{ kernel, source, uses }, facts]) => ({ kernel, source, uses, facts })),
    steps: steps.map((step) => ({
      ...step,
      dispatches: step.dispatches.map(({ text, ...dispatch }) => ({
        ...dispatch,
        kernel: text.kernel,
        reckoned: Object.fromEntries(
          Object.values(facts.get(text) ?? {}).map((
            own,
          ) => [own.gpu, reckon(cardOf(own.gpu), own, dispatch)]),
        ),
      })),
    })),
  };
}

/** What keeps more subgroups off a SIMD. */
type Limit = "none" | "registers" | "workgroup memory";

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

function factsOf(card: Card, { workgroup }: Shader, compilation: Compilation): Facts {
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
