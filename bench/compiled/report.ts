/** Compiles the collected texts for several GPUs, and derives the facts of each. */

import { UserError } from "../../src/user_error.ts";
import { estimateTime, getCard, type GpuCard, type TimeEstimate } from "./time_model.ts";
import type { CompilableText, GatheredTexts, RecordedStep, StepDispatch } from "./gather.ts";
import { type Compilation, describeMissingCompiler, NullCompiler } from "./vulkan.ts";
import { type Listing, readAssembly } from "./assembly.ts";
import type { SpirvShader } from "./spirv.ts";

export interface CompiledText extends Pick<CompilableText, "kernel" | "source" | "uses"> {
  readonly facts: Readonly<Record<string, CompiledFacts>>;
}

interface CompiledDispatch extends Omit<StepDispatch, "text"> {
  readonly kernel: string;
  readonly estimates: Readonly<Record<string, TimeEstimate>>;
}

export interface CompiledStep extends Omit<RecordedStep, "dispatches"> {
  readonly dispatches: readonly CompiledDispatch[];
}

export interface CompiledReport {
  /** Compiler, e.g. "Mesa 25.0.7". */
  readonly compiler: string;
  readonly gpus: readonly string[];
  readonly texts: readonly CompiledText[];
  readonly steps: readonly CompiledStep[];
}

interface CompileOptions {
  readonly gpus: readonly string[];
  /** See {@link NullCompiler}. */
  readonly checked?: boolean;
  /** Lanes per subgroup; chosen by the driver if absent. */
  readonly subgroup?: number | undefined;
  onProgress?(text: string): void;
}

/** Compiles every text once per GPU. @throws UserError if there is no RADV, or it does not know a GPU. */
export function compileAll(
  { texts, steps }: GatheredTexts,
  { gpus, checked = true, subgroup, onProgress = () => {} }: CompileOptions,
): CompiledReport {
  const missing = describeMissingCompiler();
  if (missing !== undefined) throw new UserError(`Expected Mesa's compiler for AMD GPUs: ${missing}`);
  const facts = new Map<CompilableText, Record<string, CompiledFacts>>(texts.map((text) => [text, {}]));
  let mesa = "";
  for (const gpu of gpus) {
    const card = getCard(gpu);
    using compiler = new NullCompiler(gpu, checked);
    mesa = compiler.version;
    for (const [text, own] of facts) {
      onProgress(`compiling for ${gpu}: ${text.kernel}`);
      own[gpu] = buildFacts(card, text.shader, compiler.compile(text.shader, subgroup));
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
        estimates: Object.fromEntries(
          Object.values(facts.get(text) ?? {}).map((
            own,
          ) => [own.gpu, estimateTime(getCard(own.gpu), own, dispatch)]),
        ),
      })),
    })),
  };
}

/** Resource that limits the subgroups per SIMD. */
type Limit = "none" | "registers" | "workgroup memory";

export interface CompiledFacts extends Listing {
  readonly gpu: string;
  readonly workgroup: readonly number[];
  readonly subgroup: number;
  /** Active lanes of a workgroup, and all lanes of its subgroups. */
  readonly lanes: readonly [working: number, all: number];
  readonly vgprs: number;
  readonly sgprs: number;
  /** Vector and scalar registers that do not fit and go to memory. */
  readonly spills: number;
  readonly lds: number;
  /** Most subgroups per SIMD as RADV counts them: one of 64 lanes is two on RDNA, whose SIMDs have 32. */
  readonly subgroups: number;
  readonly limit: Limit;
  /** Pairs of operations in one instruction (VOPD), among the vector instructions. */
  readonly dual: number;
  /** Cycles of a subgroup from start to end, assuming 8 iterations per loop and 4 per nested loop. */
  readonly latency: number;
  /** Cycles of a SIMD for 64 busy lanes, with the same iterations. */
  readonly inverseThroughput: number;
}

function buildFacts(card: GpuCard, { workgroup }: SpirvShader, compilation: Compilation): CompiledFacts {
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
    limit: findLimit(card, own),
    dual: value("VOPD"),
    latency: value("Latency"),
    inverseThroughput: value("Inverse Throughput"),
    ...readAssembly(assembly),
    instructions: value("Instructions"),
  };
}

function findLimit(
  { slots, registers, counted }: GpuCard,
  { subgroup, vgprs, lds, subgroups }: Pick<CompiledFacts, "subgroup" | "vgprs" | "lds" | "subgroups">,
): Limit {
  const each = subgroup / counted;
  if (subgroups >= slots * each) return "none";
  const byRegisters = Math.floor(registers * (64 / subgroup) / vgprs) * each;
  return lds === 0 || byRegisters <= subgroups ? "registers" : "workgroup memory";
}
