/** Chooses an adapter's kernel variants by autotuning, or reads an earlier choice from a cache. */

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
import { productTexts } from "../ops/kernel_selection.ts";
import { readDriverVersion } from "../gpu/host/driver.ts";
import { UserError } from "../user_error.ts";
import { version } from "../version.ts";
import { type KernelMeter, StepProducts, tuneKernels, type TuningResult } from "./tune_kernels.ts";
import { join } from "node:path";
import * as v from "../schema.ts";
import { makeFolder } from "../files/atomic_write.ts";
import { Lock } from "../files/lock.ts";
import { lockBeside } from "../files/owned_folder.ts";
import { readJson, writeJson } from "../files/json_file.ts";

/** Values on which the best variants depend. If a value differs from the cache, autotuning runs again. */
const keySchema = v.strictObject({
  adapter: v.string(),
  driver: v.string(),
  runtime: v.string(),
  clickgan: v.string(),
  sha256: v.string(),
  sizes: v.array(v.string()),
});
export type VariantCacheKey = v.InferOutput<typeof keySchema>;

const cacheSchema = v.strictObject({
  entries: v.array(v.strictObject({ for: keySchema, variants: kernelVariantsSchema })),
});
type Entries = v.InferOutput<typeof cacheSchema>["entries"];

const MOST_ENTRIES = 100;

/** File with the variants chosen per {@link VariantCacheKey}. An unreadable file counts as empty. */
export class VariantCache {
  /** @param say - prints why the cache is not used */
  constructor(readonly folder: string, private readonly say: (text: string) => void) {}

  get file(): string {
    return join(this.folder, "kernel_variants.json");
  }

  async read(key: VariantCacheKey): Promise<KernelVariants | undefined> {
    return (await this.#entries()).find((entry) => isSame(entry.for, key))?.variants;
  }

  async write(key: VariantCacheKey, variants: KernelVariants): Promise<void> {
    try {
      await makeFolder(this.folder);
      // The lock is needed because another run may add its variants to the file at the same time.
      using _ = await Lock.wait(lockBeside(this.file), this.file, () => {});
      const others = (await this.#entries(() => {})).filter((entry) => !isSame(entry.for, key));
      const entries = [...others, { for: key, variants }].slice(-MOST_ENTRIES);
      await writeJson(this.file, { entries });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.say(`The kernel variants were not saved for the next run: ${firstLine(error)}`);
    }
  }

  async #entries(say = this.say): Promise<Entries> {
    try {
      return (await readJson(this.file, cacheSchema))?.entries ?? [];
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      say(`Ignored the cache of kernel variants: ${firstLine(error)}`);
      return [];
    }
  }
}

function isSame(a: VariantCacheKey, b: VariantCacheKey): boolean {
  // Parsing puts the values of both keys in the schema's order, so that their JSON can be compared.
  const [one, other] = [a, b].map((key) => JSON.stringify(v.parse(keySchema, key)));
  return one === other;
}

function firstLine({ message }: Error): string {
  return message.split("\n", 1)[0] ?? message;
}

/** Chooses kernel variants for batches of `users` users. @param folder - undefined for no cache */
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

/** Returns the kernels to tune (matrix products, LSTMs and sums), or undefined if no batch can be built. */
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

export async function tuneVariantsWith<P>(
  { variants: own, adapter }: Pick<Gpu, "variants" | "adapter">,
  kernels: KernelMeter<P>,
  cache: VariantCache | undefined,
  key: VariantCacheKey,
  say: (text: string) => void,
): Promise<KernelVariants> {
  const report = (variants: KernelVariants, how: string, gain: TuningResult["gain"] = {}) => {
    say(`Kernels for ${adapter.description}: ${describe(variants, gain)} (${how})`);
    return variants;
  };
  const known = await cache?.read(key);
  if (cache && known && matchAdapter(known, own)) {
    return report(known, `timed earlier, stored in ${cache.file}`);
  }
  const { chosen, gain, untried, compared, seconds, neededSeconds } = await tuneKernels(kernels);
  const variants = mergeTunedVariants(own, chosen);
  if (compared === 0 && untried.length > 0) {
    // The result is not stored: a driver that caches compiled kernels may be faster in the next run.
    say(
      `Kernels for ${adapter.description}: default variants. No other variants were tried: compiling one ` +
        `takes ${
          neededSeconds.toFixed(1)
        } s or more here. The next run tries again, unless --no-autotune is set.`,
    );
    return variants;
  }
  await cache?.write(key, variants);
  const rest = untried.length > 0 ? `, without ${untried.join(", ")}` : "";
  return report(variants, `timed in ${seconds.toFixed(1)} s${rest}; --no-autotune skips this`, gain);
}

function describe({ matmul, lstm = {}, sum = {} }: KernelVariants, gain: TuningResult["gain"]): string {
  const chosen = Object.entries({ ...matmul, ...lstm, ...sum }).map(([key, variant]) => {
    const times = gain[key];
    return `${key} ${variant}${times === undefined ? "" : ` (${times.toFixed(2)}x)`}`;
  });
  return chosen.length === 0 ? "default variants, because no others are clearly faster" : chosen.join(", ");
}

async function buildCacheKey(gpu: Gpu, sizes: string[]): Promise<VariantCacheKey> {
  const { description, runtime } = gpu.adapter;
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(productTexts + sumTexts));
  return {
    adapter: description,
    driver: await readDriverVersion(description),
    runtime,
    clickgan: version,
    sha256: Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join(""),
    sizes,
  };
}
