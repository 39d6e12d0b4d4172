/** Compiles collected kernels for several GPUs, and lists registers and other statistics of each kernel. */

import { estimateTime, getCard, type GpuCard, type TimeEstimate } from "./time_model.ts";
import type { CompilableText, GatheredTexts, RecordedStep, StepDispatch } from "./gather.ts";
import { type Compilation, NullCompiler } from "./vulkan.ts";
import { type Listing, readAssembly } from "./assembly.ts";
import type { SpirvShader } from "./spirv.ts";

export interface CompiledText extends Pick<CompilableText, "kernel" | "source" | "uses"> {
  readonly facts: Readonly<Record<string, CompiledFacts>>;
}

interface CompiledDispatch extends Omit<StepDispatch, "text"> {
  readonly kernel: string;
  readonly estimates: Readonly<Record<string, TimeEstimate>>;
}

export interface CompiledStep extends Omit<RecordedStep, "dispatches" | "workingSet"> {
  readonly dispatches: readonly CompiledDispatch[];
}

export interface CompiledReport {
  /** Name and version of the compiler, such as "Mesa 25.0.7". */
  readonly compiler: string;
  readonly gpus: readonly string[];
  readonly texts: readonly CompiledText[];
  readonly steps: readonly CompiledStep[];
}

interface CompileOptions {
  readonly gpus: readonly string[];
  /** True to compile with bounds checks, which keep memory accesses inside their buffers. */
  readonly checked?: boolean;
  /** Number of lanes per subgroup; if undefined, the driver chooses the number. */
  readonly subgroup?: number | undefined;
  onProgress?(text: string): void;
}

/** Compiles every kernel for every GPU. @throws UserError if RADV is missing or does not know a GPU. */
export function compileAll(
  { texts, steps }: GatheredTexts,
  { gpus, checked = true, subgroup, onProgress = () => {} }: CompileOptions,
): CompiledReport {
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
    steps: steps.map(({ workingSet, ...step }) => ({
      ...step,
      dispatches: step.dispatches.map(({ text, ...dispatch }) => ({
        ...dispatch,
        kernel: text.kernel,
        estimates: Object.fromEntries(
          Object.values(facts.get(text) ?? {}).map((own) => [
            own.gpu,
            estimateTime(getCard(own.gpu), own, { ...dispatch, workingSet }),
          ]),
        ),
      })),
    })),
  };
}

/** Resource that limits the number of subgroups per SIMD. */
type Limit = "none" | "registers" | "workgroup memory";

export interface CompiledFacts extends Listing {
  readonly gpu: string;
  readonly workgroup: readonly number[];
  readonly subgroup: number;
  readonly lanes: readonly [working: number, all: number];
  readonly vgprs: number;
  readonly sgprs: number;
  /** Number of spilled registers: values that are stored in memory for lack of registers. */
  readonly spills: number;
  readonly lds: number;
  /** Maximum number of subgroups per SIMD. On RDNA a subgroup of 64 lanes counts as two subgroups. */
  readonly subgroups: number;
  readonly limit: Limit;
  /** Number of vector instructions that do two operations at once (VOPD). */
  readonly dual: number;
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
