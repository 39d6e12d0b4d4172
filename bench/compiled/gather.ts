/**
 * What is compiled: every text that the models' steps, simulated users and policies take in the kernel variants of a GPU, and
 * its SPIR-V, as Deno's naga writes it. The programs are recorded on this machine's adapter and run nothing; its driver,
 * Mesa's llvmpipe, drops each shader that it is given into a folder.
 */

import { buildCountsConfig } from "../../src/counts/count_tables.ts";
import { MemoryLog } from "../../src/data/log_source.ts";
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
import { parseShader, type SpirvShader } from "./spirv.ts";
import { explainFileError, readText } from "../../src/files/local_file.ts";

/** A text of a kernel with its constants, as it was given to the driver. */
export interface CompilableText {
  readonly kernel: string;
  readonly source: string;
  readonly shader: SpirvShader;
  /** Where it is used: "W1 LSTM: utility/layer2 forward". */
  readonly uses: string[];
}

/** A dispatch of a step. */
export interface StepDispatch {
  readonly label: string;
  readonly text: CompilableText;
  readonly workgroups: number;
  readonly flops: number;
  readonly bytes: number;
  /** Steps that it works for at once. */
  readonly steps: number;
}

/** A step of a model over a workload's batches. */
export interface RecordedStep {
  readonly workload: string;
  readonly model: string;
  readonly dispatches: readonly StepDispatch[];
}

export interface GatheredTexts {
  readonly texts: readonly CompilableText[];
  readonly steps: readonly RecordedStep[];
}

/** What is recorded. */
export interface GatherOptions {
  readonly logs: readonly (() => BenchLog)[];
  readonly models: readonly BenchModel[];
  /** Users that are simulated, and policies, too. */
  readonly simulated: boolean;
  readonly kind: AdapterKind;
  onProgress?(text: string): void;
}

/** Mesa reads it when a shader is compiled, the other one when a device is opened. */
const DUMP = "MESA_SPIRV_DUMP_PATH";
const NO_CACHE = "MESA_SHADER_CACHE_DISABLE";

/** Takes down the SPIR-V of every pipeline that a device makes. */
class Watcher {
  readonly texts = new Map<string, CompilableText>();
  /** What is recorded now. */
  where = "";

  constructor(readonly gpu: Gpu, private readonly folder: string) {
    const compile = gpu.pipeline.bind(gpu);
    gpu.pipeline = async (kernel, source, layout) => {
      const known = this.texts.get(source);
      if (known) {
        if (!known.uses.includes(this.where)) known.uses.push(this.where);
        return await compile(kernel, source, layout);
      }
      this.#empty();
      const pipeline = await compile(kernel, source, layout);
      const shader = parseShader(this.#newest(), source);
      this.texts.set(source, { kernel, source, shader, uses: [this.where] });
      return pipeline;
    };
  }

  #files(): string[] {
    return [...Deno.readDirSync(this.folder)].map(({ name }) => name);
  }
  #empty(): void {
    for (const name of this.#files()) Deno.removeSync(`${this.folder}/${name}`);
  }
  /** The driver numbers its files. @throws UserError where it drops none. */
  #newest(): Uint8Array<ArrayBuffer> {
    const number = (name: string) => Number(name.match(/(\d+)\.spirv$/)?.[1] ?? -1);
    const [name] = this.#files().sort((a, b) => number(b) - number(a));
    if (name !== undefined) return Deno.readFileSync(`${this.folder}/${name}`);
    throw new UserError(
      `Expected a driver of Mesa's that writes SPIR-V for ${DUMP}, such as llvmpipe, found ` +
        `${this.gpu.adapter.description}. Set VK_DRIVER_FILES to llvmpipe's file, lvp_icd.json.`,
    );
  }
}

/** Opens the adapter so that what it compiles can be taken down, for as long as the work takes. */
export async function watchCompiles<T>(
  kind: AdapterKind,
  work: (watcher: Watcher) => Promise<T>,
): Promise<T> {
  return await withTemporaryFolder("spirv", async (folder) => {
    Deno.env.set(DUMP, folder);
    Deno.env.set(NO_CACHE, "true");
    const gpu = await openGpu({ variantsFor: kind });
    // Nothing that is recorded runs: it would be compiled for this machine, too, which takes longer.
    gpu.queue.submit = () => undefined;
    try {
      return await work(new Watcher(gpu, folder));
    } finally {
      gpu.close();
      Deno.env.delete(DUMP);
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
          return [{ label, text, flops, bytes, workgroups, steps: count }];
        });
        const alone = parts.flatMap(({ program }) => program.dispatches).flatMap(({ spec }) =>
          (spec.choices ?? []).flatMap(({ variants, buildDispatch: by }) => variants.slice(0, 1).map(by))
        );
        // What makes two products in one dispatch has a kernel for each of them, too.
        await Program.record(watcher.gpu, "alone", recording.trainer.plan.steps, alone);
        if (model.step) steps.push({ workload: of.name, model: model.name, dispatches });
      }
    }
    if (options.simulated) {
      await cutBatches(watcher.gpu, at);
      if (options.kind === "gpu") await sumsBySubgroups(watcher.gpu, at);
      await simulate(watcher.gpu, at);
    }
    watcher.gpu.check();
    return { texts: [...watcher.texts.values()], steps };
  });
}

/** Is told what is recorded from here on. */
type At = (where: string) => void;

const SMALL = { users: 30, items: 41, width: 9, maxEvents: 5, maxPage: 6 };

/** A batch that is too large for one pass is cut into parts, whose gradients are added up. */
async function cutBatches(gpu: Gpu, at: At): Promise<void> {
  at("a batch in parts");
  for (const [size, adam] of [[SMALL, "dense"], [{ ...SMALL, width: 0 }, "row-sparse"]] as const) {
    const log = createSmallLog(1, size);
    using model = new UserModel(gpu, log.items, defaultModel, { seed: 1 });
    const training = { ...defaultTraining, batchSize: 5, microBatchRows: 12, adam };
    (await Trainer.create(model, log, training, { validate: false })).destroy();
  }
}

/** Sums by subgroups, which calibration alone chooses. */
async function sumsBySubgroups(gpu: Gpu, at: At): Promise<void> {
  if (!gpu.hasSubgroups) return;
  at("sums by subgroups");
  const before = gpu.variants;
  gpu.setVariants({ ...before, sum: { outcome_sum: "subgroups" } });
  using model = new UserModel(gpu, createSmallLog(1, SMALL).items, defaultModel, { seed: 1 });
  (await Trainer.create(model, createSmallLog(1, SMALL), { ...defaultTraining, batchSize: 5 })).destroy();
  gpu.setVariants(before);
}

/** Items, users and slates of simulated pages. */
const SIMULATED = { items: 5000, users: 16, slate: 5 };

async function simulate(gpu: Gpu, at: At): Promise<void> {
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

/**
 * A text of the reader's own, whatever it is.
 * @throws UserError for a file that cannot be read, for a constant that it does not have, and for what does not compile.
 */
export async function gatherFile(
  file: string,
  constants: ReadonlyMap<string, string>,
): Promise<GatheredTexts> {
  const text = await readText(file).catch((error) => {
    throw explainFileError(error, "read", file);
  });
  const name = file.replace(/^.*[/\\]/, "").replace(/\.wgsl$/, "");
  const source = withConstants(file, text, constants);
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

/** Constants and overrides of a text are set in the text, as the kernels' are. */
function withConstants(file: string, text: string, constants: ReadonlyMap<string, string>): string {
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
