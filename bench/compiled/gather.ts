/**
 * Collects the kernels of training steps, simulated users and policies: their WGSL, and the SPIR-V that naga
 * (Deno's compiler) generates from the WGSL. Programs are created on this machine's adapter, but not run. The
 * adapter's driver, Mesa's llvmpipe, writes each shader's SPIR-V into a folder.
 */

import { buildCountsConfig } from "../../src/counts/count_tables.ts";
import { MemoryLog } from "../../src/data/log_source.ts";
import type { ClickDispatch } from "../../src/batch/click_sizes.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { openGpu } from "../../src/gpu/host/open_gpu.ts";
import { buildKernelText } from "../../src/gpu/kernel.ts";
import type { AdapterKind } from "../../src/gpu/kernel_variants.ts";
import { Program } from "../../src/gpu/program.ts";
import { defaultModel, defaultPwModel } from "../../src/model/model_config.ts";
import { initializeFromCounts } from "../../src/model/model_counts.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { drawShopItems } from "../../src/data/demo_shop.ts";
import { restless } from "../../src/data/shops.ts";
import { defaultPolicyTraining } from "../../src/policy/learning/policy_training_config.ts";
import { PolicyTrainer } from "../../src/policy/learning/policy_trainer.ts";
import { createGreedyPolicy, createPopularPolicy, randomPolicy } from "../../src/policy/named_policies.ts";
import { type BenchLog, type BenchModel, selectModels } from "../../src/profile/workloads.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { createExploringPolicy } from "../../src/simulate/exploring_policy.ts";
import { LearnedSource } from "../../src/simulate/learned_users.ts";
import { ShopSource } from "../../src/simulate/shop_users.ts";
import { Simulator } from "../../src/simulate/simulator.ts";
import { defaultTraining } from "../../src/train/training_config.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { UserError } from "../../src/user_error.ts";
import { listCases, listParts } from "../kernel_cases.ts";
import { createUntrainedModel } from "../simulate/pages.ts";
import { withTemporaryFolder } from "../study.ts";
import type { DispatchPart } from "./time_model.ts";
import { parseShader, type SpirvShader } from "./spirv.ts";
import { explainFileError, readText } from "../../src/files/local_file.ts";

/** WGSL text of a kernel with the values of its constants, and the SPIR-V of this text. */
export interface CompilableText {
  readonly kernel: string;
  readonly source: string;
  readonly shader: SpirvShader;
  /** Workloads and models that use the kernel, such as "W1 LSTM". */
  readonly uses: string[];
}

export interface StepDispatch {
  readonly label: string;
  readonly text: CompilableText;
  /** The dispatch's workgroups, one element per kind of work (a dispatch may have several). */
  readonly parts: readonly DispatchPart[];
  readonly bytes: number;
  /** Number of training steps whose batches the dispatch builds; 1 for all other dispatches. */
  readonly steps: number;
}

export interface RecordedStep {
  readonly workload: string;
  readonly model: string;
  readonly dispatches: readonly StepDispatch[];
  /** Number of bytes of all memory that the step's dispatches bind. */
  readonly workingSet: number;
}

export interface GatheredTexts {
  readonly texts: readonly CompilableText[];
  readonly steps: readonly RecordedStep[];
}

export interface GatherOptions {
  readonly logs: readonly (() => BenchLog)[];
  readonly models: readonly BenchModel[];
  /** True to include the kernels of simulated users and policies. */
  readonly simulated: boolean;
  readonly kind: AdapterKind;
  onProgress?(text: string): void;
}

/** Mesa's environment variables: the first names the folder for SPIR-V, the second turns off the cache. */
const DUMP = "MESA_SPIRV_DUMP_PATH";
const NO_CACHE = "MESA_SHADER_CACHE_DISABLE";

class SpirvCapture {
  readonly texts = new Map<string, CompilableText>();
  /** Workload and model whose kernels are being compiled, such as "W1 LSTM". */
  where = "";

  constructor(readonly gpu: Gpu, folder: SpirvFolder) {
    const compile = gpu.pipeline.bind(gpu);
    gpu.pipeline = async (kernel, source, layout) => {
      const known = this.texts.get(source);
      if (known) {
        if (!known.uses.includes(this.where)) known.uses.push(this.where);
        return await compile(kernel, source, layout);
      }
      folder.empty();
      const pipeline = await compile(kernel, source, layout);
      const shader = parseShader(folder.newest(gpu.adapter.description), source);
      this.texts.set(source, { kernel, source, shader, uses: [this.where] });
      return pipeline;
    };
  }
}

/** Reads and removes the SPIR-V files that the driver writes into a folder. */
class SpirvFolder {
  constructor(private readonly folder: string) {}

  #names(): string[] {
    return [...Deno.readDirSync(this.folder)].map(({ name }) => name);
  }
  isEmpty(): boolean {
    return this.#names().length === 0;
  }
  empty(): void {
    for (const name of this.#names()) Deno.removeSync(`${this.folder}/${name}`);
  }
  /** Reads the SPIR-V file with the highest number (the newest). @throws UserError if there is no file. */
  newest(adapter: string): Uint8Array<ArrayBuffer> {
    const number = (name: string) => Number(name.match(/(\d+)\.spirv$/)?.[1] ?? -1);
    const [name] = this.#names().sort((a, b) => number(b) - number(a));
    if (name !== undefined) return Deno.readFileSync(`${this.folder}/${name}`);
    throw new UserError(
      `Expected a Mesa driver that writes SPIR-V files, such as llvmpipe, got ${adapter}. ` +
        "Set VK_DRIVER_FILES to llvmpipe's file, lvp_icd.json.",
    );
  }
}

/** Calls `work` with a folder, to which the driver writes the SPIR-V of each shader that it compiles. */
async function withSpirvFolder<T>(work: (folder: SpirvFolder) => Promise<T>): Promise<T> {
  return await withTemporaryFolder("spirv", async (folder) => {
    Deno.env.set(DUMP, folder);
    Deno.env.set(NO_CACHE, "true");
    try {
      return await work(new SpirvFolder(folder));
    } finally {
      Deno.env.delete(DUMP);
    }
  });
}

/**
 * Replaces the kernels' SPIR-V from naga (Deno's compiler) by SPIR-V from Tint (Chrome's compiler). Tint runs
 * in Dawn, Chrome's WebGPU. @throws UserError if Dawn is missing or Tint fails.
 */
export async function recompileWithTint(
  { texts, steps }: GatheredTexts,
  onProgress: (text: string) => void = () => {},
): Promise<GatheredTexts> {
  const name: string = "webgpu";
  const { create }: typeof import("webgpu") = await import(name).catch((error) => {
    throw new UserError(`Expected the npm package webgpu, which contains Tint: ${error.message}`);
  });
  return await withSpirvFolder(async (folder) => {
    const adapter = await create(["backend=vulkan"]).requestAdapter();
    if (!adapter) throw new UserError("Expected a Vulkan adapter for Dawn, found none.");
    const requiredFeatures = (["subgroups"] as const).filter((feature) => adapter.features.has(feature));
    const { maxComputeWorkgroupStorageSize, maxStorageBuffersPerShaderStage } = adapter.limits;
    const requiredLimits = { maxComputeWorkgroupStorageSize, maxStorageBuffersPerShaderStage };
    const device = await adapter.requestDevice({ requiredFeatures, requiredLimits });
    const byTint = new Map<CompilableText, CompilableText>();
    device.pushErrorScope("validation");
    try {
      for (const text of texts) {
        onProgress(`Tint: ${text.kernel}`);
        folder.empty();
        const module = device.createShaderModule({ code: text.source });
        // Dawn sometimes crashes if promises are awaited between pipelines. So errors are read only if a
        // pipeline gave no SPIR-V.
        device.createComputePipeline({ layout: "auto", compute: { module } });
        const error = folder.isEmpty() ? await device.popErrorScope() : null;
        if (error) throw new UserError(`Tint rejects ${text.kernel}: ${error.message}`);
        const shader = parseShader(folder.newest(adapter.info.description), text.source);
        byTint.set(text, { ...text, shader });
      }
    } finally {
      device.destroy();
    }
    return {
      texts: [...byTint.values()],
      steps: steps.map((step) => ({
        ...step,
        dispatches: step.dispatches.map((own) => ({ ...own, text: byTint.get(own.text) ?? own.text })),
      })),
    };
  });
}

/** Opens the adapter, calls `work`, and captures all shaders that `work` compiles. */
export async function watchCompiles<T>(
  kind: AdapterKind,
  work: (watcher: SpirvCapture) => Promise<T>,
): Promise<T> {
  return await withSpirvFolder(async (folder) => {
    const gpu = await openGpu({ variantsFor: kind });
    // Nothing is submitted, because a submission would also compile the shaders for this machine.
    gpu.queue.submit = () => undefined;
    try {
      return await work(new SpirvCapture(gpu, folder));
    } finally {
      gpu.close();
    }
  });
}

export async function gather(options: GatherOptions): Promise<GatheredTexts> {
  const { onProgress = () => {} } = options;
  return await watchCompiles(options.kind, async (watcher) => {
    const steps: RecordedStep[] = [];
    const at = (where: string) => {
      watcher.where = where;
      onProgress(`recording: ${where}`);
    };
    for (const log of options.logs) {
      const of = log();
      for (const model of selectModels(of.log, options.models)) {
        at(`${of.name} ${model.name}`);
        using recording = await model.record(watcher.gpu, of.log, of.users);
        const { parts, steps: own } = await listParts(recording);
        const dispatches = listCases(parts, own).filter(({ part }) => part < own).flatMap((one) => {
          const text = watcher.texts.get(buildKernelText(one.spec));
          if (!text) return [];
          const [x, y] = one.invocations;
          const [sizeX, sizeY] = text.shader.workgroup;
          const { label, flops, bytes } = one;
          const { program, slice } = parts[one.part] ?? {};
          const count = program?.dispatches[one.dispatch]?.manySteps ? slice?.count ?? 1 : 1;
          const workgroups = Math.ceil(x / sizeX) * Math.ceil(y / sizeY);
          if (workgroups === 0) return [];
          const work = one.parts ?? [{ workgroups, flops }];
          return [{ label, text, parts: work, bytes, steps: count }];
        });
        const single = parts.flatMap(({ program }) => program.dispatches).flatMap(({ spec }) =>
          (spec.choices ?? []).flatMap(({ variants, buildDispatch: by }) => variants.slice(0, 1).map(by))
        );
        // A dispatch that computes two products may be replaced by two dispatches with other kernels.
        await Program.record(watcher.gpu, "single", recording.trainer.plan.steps, single);
        if (model.step) {
          const workingSet = sumBoundBytes(parts.slice(0, own).flatMap(({ program }) => program.dispatches));
          steps.push({ workload: of.name, model: model.name, dispatches, workingSet });
        }
      }
    }
    if (options.simulated) {
      await recordMicroBatches(watcher.gpu, at);
      if (options.kind === "gpu") await recordSubgroupSums(watcher.gpu, at);
      await recordSimulation(watcher.gpu, at);
    }
    watcher.gpu.check();
    return { texts: [...watcher.texts.values()], steps };
  });
}

/** Returns the size in bytes of all memory that dispatches bind. Memory that is bound twice counts once. */
function sumBoundBytes(dispatches: readonly { readonly spec: ClickDispatch }[]): number {
  const bound = new Map<GPUBuffer | GPUTexture, Map<number, number>>();
  for (const memory of dispatches.flatMap(({ spec }) => Object.values(spec.views))) {
    const [whole, offset] = "texture" in memory ? [memory.texture, 0] : [memory.buffer, memory.offset];
    const ranges = bound.get(whole) ?? new Map<number, number>();
    bound.set(whole, ranges.set(offset, Math.max(ranges.get(offset) ?? 0, memory.size)));
  }
  return [...bound.values()].flatMap((ranges) => [...ranges.values()]).reduce((sum, size) => sum + size, 0);
}

type OnRecording = (where: string) => void;

const SMALL = { users: 30, items: 41, width: 9, maxEvents: 5, maxPage: 6 };

async function recordMicroBatches(gpu: Gpu, at: OnRecording): Promise<void> {
  at("micro-batches");
  for (const [size, adam] of [[SMALL, "dense"], [{ ...SMALL, width: 0 }, "row-sparse"]] as const) {
    const log = createSmallLog(1, size);
    using model = new UserModel(gpu, log.items, defaultModel, { seed: 1 });
    const training = { ...defaultTraining, batchSize: 5, microBatchRows: 12, adam };
    (await Trainer.create(model, log, training, { validate: false })).destroy();
  }
}

async function recordSubgroupSums(gpu: Gpu, at: OnRecording): Promise<void> {
  if (!gpu.hasSubgroups) return;
  at("sums by subgroups");
  const before = gpu.variants;
  gpu.setVariants({ ...before, sum: { outcome_sum: "subgroups" } });
  using model = new UserModel(gpu, createSmallLog(1, SMALL).items, defaultModel, { seed: 1 });
  (await Trainer.create(model, createSmallLog(1, SMALL), { ...defaultTraining, batchSize: 5 })).destroy();
  gpu.setVariants(before);
}

const SIMULATED = { items: 5000, users: 16, slate: 5 };

async function recordSimulation(gpu: Gpu, at: OnRecording): Promise<void> {
  const { items, users, slate } = SIMULATED;
  const log = createSmallLog(2, SMALL);
  const counted = { ...defaultPwModel, counts: buildCountsConfig(new MemoryLog(log), []) };
  const start = initializeFromCounts(new MemoryLog(log), counted, 1);
  using lstm = createUntrainedModel(gpu, items);
  using pw = new UserModel(gpu, log.items, counted, { seed: 1, start });
  const sources = {
    "users of a shop": new ShopSource(restless, drawShopItems(1, items)),
    "users of a model": new LearnedSource(lstm),
    "users of a model with counts": new LearnedSource(pw),
  };
  const room = { users, slate, pages: 2, start: [[1, 2], []], pool: { random: 20 } };
  for (const [name, source] of Object.entries(sources)) {
    at(name);
    using simulator = await Simulator.create(gpu, source, room);
    const popular = createPopularPolicy(new Float64Array(source.itemCount));
    const drawn = createExploringPolicy(createGreedyPolicy(), { temperature: 1 });
    for (const policy of [randomPolicy, popular, createGreedyPolicy(), drawn]) await simulator.run(policy);
    for (const algorithm of ["cdqn", "gdqn", "slateq"] as const) {
      at(`${algorithm} of ${name}`);
      (await PolicyTrainer.create(gpu, source, { ...defaultPolicyTraining, slate, algorithm })).destroy();
    }
  }
}

/** Compiles a WGSL file, with values for its constants, to SPIR-V. @throws UserError on failure. */
export async function gatherFile(
  file: string,
  constants: ReadonlyMap<string, string>,
): Promise<GatheredTexts> {
  const text = await readText(file).catch((error) => {
    throw explainFileError(error, "read", file);
  });
  const name = file.replace(/^.*[/\\]/, "").replace(/\.wgsl$/, "");
  const source = setConstants(file, text, constants);
  return await watchCompiles("gpu", async (watcher) => {
    watcher.where = file;
    try {
      await watcher.gpu.pipeline(name, source, "auto");
    } catch (error) {
      throw new UserError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
    }
    return { texts: [...watcher.texts.values()], steps: [] };
  });
}

function setConstants(file: string, text: string, constants: ReadonlyMap<string, string>): string {
  const pattern = /^[ \t]*(?:const|override)\s+(\w+)(\s*:\s*\w+)?\s*(?:=\s*([^;]+))?;/gm;
  const known = [...text.matchAll(pattern)].map(([, name = ""]) => name);
  for (const name of constants.keys()) {
    if (known.includes(name)) continue;
    throw new UserError(
      `Expected --set to name a constant of ${file} (${known.join(", ") || "it has none"}), got "${name}".`,
    );
  }
  return text.replace(pattern, (line, name: string, type = "") => {
    const value = constants.get(name);
    return value === undefined ? line : `const ${name}${type} = ${value};`;
  });
}
