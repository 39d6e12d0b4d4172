/** Kernel variants that are timed on this adapter, or were timed on it before. */

import type { LogSource } from "../data/log_source.ts";
import type { Gpu } from "../gpu/device.ts";
import {
  type KernelVariants,
  kernelVariantsSchema,
  matchAdapter,
  mergeTunedVariants,
  reuseVariants,
} from "../gpu/kernel_variants.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { sumTexts } from "../ops/loss.ts";
import { joinLstmTexts, joinMatmulTexts } from "../ops/kernel_selection.ts";
import { readDriverVersion } from "../gpu/host/driver.ts";
import { UserError } from "../user_error.ts";
import { version } from "../version.ts";
import {
  type KernelMeter,
  StepProducts,
  type TunableKernel,
  tuneKernels,
  type TuningResult,
} from "./tune_kernels.ts";
import { join } from "node:path";
import * as v from "../schema.ts";
import { makeFolder } from "../files/atomic_write.ts";
import { Lock } from "../files/lock.ts";
import { lockBeside } from "../files/owned_folder.ts";
import { readJson, writeJson } from "../files/json_file.ts";

/** What variants depend on. Where any of it differs, they are calibrated again. */
const keySchema = v.strictObject({
  adapter: v.string(),
  driver: v.string(),
  runtime: v.string(),
  clickgan: v.string(),
  /** Of the kernels' texts. */
  sha256: v.string(),
  /** Of the products. */
  sizes: v.array(v.string()),
});
export type VariantCacheKey = v.InferOutput<typeof keySchema>;

const cacheSchema = v.strictObject({
  entries: v.array(v.strictObject({ for: keySchema, variants: kernelVariantsSchema })),
});
type Entries = v.InferOutput<typeof cacheSchema>["entries"];

/** Older ones make room. */
const MOST_ENTRIES = 100;

/**
 * Kernel variants that were calibrated, in a file of the user's cache folder: each adapter is calibrated once.
 * Nothing here throws for a file: with a cache that cannot be used, a run calibrates again.
 */
export class VariantCache {
  /** @param say is told, in a line, why a cache was not used. */
  constructor(readonly folder: string, private readonly say: (text: string) => void) {}

  get file(): string {
    return join(this.folder, "kernel_shapes.json");
  }

  async read(key: VariantCacheKey): Promise<KernelVariants | undefined> {
    return (await this.#entries()).find((entry) => isSame(entry.for, key))?.variants;
  }

  async write(key: VariantCacheKey, variants: KernelVariants): Promise<void> {
    try {
      await makeFolder(this.folder);
      // Another run may add its own variants at the same time: they must not be lost.
      using _ = await Lock.wait(lockBeside(this.file), this.file, () => {});
      const others = (await this.#entries(() => {})).filter((entry) => !isSame(entry.for, key));
      const entries = [...others, { for: key, variants }].slice(-MOST_ENTRIES);
      await writeJson(this.file, { entries });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.say(`The kernel variants are not kept for the next run: ${firstLine(error)}`);
    }
  }

  async #entries(say = this.say): Promise<Entries> {
    try {
      return (await readJson(this.file, cacheSchema))?.entries ?? [];
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      say(`The cache of kernel variants is not used: ${firstLine(error)}`);
      return [];
    }
  }
}

function isSame(a: VariantCacheKey, b: VariantCacheKey): boolean {
  // In the schema's order.
  const [one, other] = [a, b].map((key) => JSON.stringify(v.parse(keySchema, key)));
  return one === other;
}

function firstLine({ message }: Error): string {
  return message.split("\n", 1)[0] ?? message;
}

/** The products of a run, which can be timed. */
export interface TimeableKernels<P> extends KernelMeter<P> {
  products(): readonly TunableKernel[];
  sizes(): string[];
}

/**
 * @param users of a batch. @param folder of the cache; undefined for none.
 * @param say is told, in a line, what was chosen.
 */
export async function fitShapes(
  gpu: Gpu,
  source: LogSource,
  { model, users }: { readonly model: ModelConfig; readonly users: number },
  folder: string | undefined,
  say: (text: string) => void,
): Promise<KernelVariants> {
  const cache = folder === undefined ? undefined : new VariantCache(folder, say);
  using products = createStepKernels(gpu, source, model, users);
  if (!products) return reuseVariants(undefined, gpu.variants);
  return await tuneVariantsWith(gpu, products, cache, await buildCacheKey(gpu, products.sizes()), say);
}

/** Undefined where there can be no batch: the training says what is wrong with it. */
function createStepKernels(
  gpu: Gpu,
  source: LogSource,
  model: ModelConfig,
  users: number,
): StepProducts | undefined {
  try {
    return new StepProducts(gpu, source, model, users);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** The same with any meter. */
export async function tuneVariantsWith<P>(
  { variants: own, adapter }: Pick<Gpu, "variants" | "adapter">,
  timeable: TimeableKernels<P>,
  cache: VariantCache | undefined,
  key: VariantCacheKey,
  say: (text: string) => void,
): Promise<KernelVariants> {
  const tell = (variants: KernelVariants, how: string, gain: TuningResult["gain"] = {}) => {
    say(`Kernels for ${adapter.description}: ${describe(variants, gain)} (${how})`);
    return variants;
  };
  const known = await cache?.read(key);
  if (cache && known && matchAdapter(known, own)) return tell(known, `timed before, kept in ${cache.file}`);
  const { chosen, gain, untried, compared, seconds, neededSeconds } = await tuneKernels(
    timeable.products(),
    timeable,
  );
  const variants = mergeTunedVariants(own, chosen);
  if (compared === 0 && untried.length > 0) {
    // Nothing is kept: a driver that keeps what it compiled may be quicker the next time.
    say(
      `Kernels for ${adapter.description}: the standard ones. No others were tried, as there is no time ` +
        `to compile them: one takes ${neededSeconds.toFixed(1)} s or more here. The next run looks ` +
        "again; --no-autotune skips this.",
    );
    return variants;
  }
  await cache?.write(key, variants);
  const rest = untried.length > 0 ? `, without ${untried.join(", ")}` : "";
  return tell(variants, `timed in ${seconds.toFixed(1)} s${rest}; --no-autotune skips this`, gain);
}

function describe({ matmul, lstm = {}, sum = {} }: KernelVariants, gain: TuningResult["gain"]): string {
  const chosen = Object.entries({ ...matmul, ...lstm, ...sum }).map(([key, variant]) => {
    const times = gain[key];
    return `${key} ${variant}${times === undefined ? "" : ` (${times.toFixed(2)}x)`}`;
  });
  return chosen.length === 0 ? "the standard ones, as no others are clearly faster" : chosen.join(", ");
}

async function buildCacheKey(gpu: Gpu, sizes: string[]): Promise<VariantCacheKey> {
  const { description, runtime } = gpu.adapter;
  const hash = await crypto.subtle.digest(
    "SHA-256",
    new TextEncoder().encode(joinMatmulTexts() + joinLstmTexts() + sumTexts),
  );
  return {
    adapter: description,
    driver: await readDriverVersion(description),
    runtime,
    clickgan: version,
    sha256: Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join(""),
    sizes,
  };
}
