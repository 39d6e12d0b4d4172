/** Everything that was gathered, compiled for some GPUs. */

import { UserError } from "../../src/user_error.ts";
import { cardOf } from "./cards.ts";
import { compileFor, type Facts } from "./facts.ts";
import type { Gathered, StepDispatch, Text } from "./gather.ts";
import { reckon, type Reckoning } from "./time_model.ts";
import { Compiler, missingCompiler } from "./vulkan.ts";

export interface CompiledText extends Pick<Text, "kernel" | "source" | "uses"> {
  /** By GPU. */
  readonly facts: Readonly<Record<string, Facts>>;
}

export interface CompiledDispatch extends Omit<StepDispatch, "text"> {
  readonly kernel: string;
  /** By GPU. */
  readonly reckoned: Readonly<Record<string, Reckoning>>;
}

export interface CompiledStep {
  readonly workload: string;
  readonly model: string;
  readonly dispatches: readonly CompiledDispatch[];
}

export interface Compiled {
  /** What compiled: "Mesa 25.0.7". */
  readonly compiler: string;
  readonly gpus: readonly string[];
  readonly texts: readonly CompiledText[];
  readonly steps: readonly CompiledStep[];
}

export interface CompileOptions {
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
    using compiler = new Compiler(gpu, { checked });
    mesa = compiler.version;
    for (const [text, own] of facts) {
      onProgress(`compiling for ${gpu}: ${text.kernel}`);
      own[gpu] = compileFor(card, compiler, text.shader, subgroup);
    }
  }
  return {
    compiler: `Mesa ${mesa}`,
    gpus,
    texts: texts.map((text) => ({ ...pick(text), facts: facts.get(text) ?? {} })),
    steps: steps.map(({ workload, model, dispatches }) => ({
      workload,
      model,
      dispatches: dispatches.map(({ text, ...dispatch }) => ({
        ...dispatch,
        kernel: text.kernel,
        reckoned: Object.fromEntries(
          Object.entries(facts.get(text) ?? {}).map((
            [gpu, own],
          ) => [gpu, reckon(cardOf(gpu), own, dispatch)]),
        ),
      })),
    })),
  };
}

function pick({ kernel, source, uses }: Text) {
  return { kernel, source, uses };
}
