/** Kernel shapes that are timed on this adapter, or were timed on it before. */

import type { LogSource } from "../../data/log_source.ts";
import type { Gpu } from "../../gpu/device.ts";
import { areFor, chosenShapes, type KernelShapes, recordedShapes } from "../../gpu/kernel_shapes.ts";
import type { ModelConfig } from "../../model/config.ts";
import { sumTexts } from "../../ops/loss.ts";
import { lstmTexts } from "../../ops/lstm_kernels.ts";
import { matmulTexts } from "../../ops/matmul_kernels.ts";
import { driverVersion } from "../../run/driver.ts";
import { UserError } from "../../user_error.ts";
import { version } from "../../version.ts";
import { calibrate, type Calibration, type Meter, type Product } from "./calibrate.ts";
import { ShapeCache, type ShapeKey } from "./shape_cache.ts";
import { StepProducts } from "./step_products.ts";

/** The products of a run, which can be timed. */
export interface Timeable<P> extends Meter<P> {
  products(): readonly Product[];
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
): Promise<KernelShapes> {
  const cache = folder === undefined ? undefined : new ShapeCache(folder, say);
  using products = productsOf(gpu, source, model, users);
  if (!products) return recordedShapes(undefined, gpu.shapes);
  return await fittedShapes(gpu, products, cache, await keyOf(gpu, products.sizes()), say);
}

/** Undefined where there can be no batch: the training says what is wrong with it. */
function productsOf(
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
export async function fittedShapes<P>(
  { shapes: own, adapter }: Pick<Gpu, "shapes" | "adapter">,
  timeable: Timeable<P>,
  cache: ShapeCache | undefined,
  key: ShapeKey,
  say: (text: string) => void,
): Promise<KernelShapes> {
  const tell = (shapes: KernelShapes, how: string, gain: Calibration["gain"] = {}) => {
    say(`Kernels for ${adapter.description}: ${describe(shapes, gain)} (${how})`);
    return shapes;
  };
  const known = await cache?.read(key);
  if (cache && known && areFor(known, own)) return tell(known, `timed before, kept in ${cache.file}`);
  const { chosen, gain, untried, compared, seconds, neededSeconds } = await calibrate(
    timeable.products(),
    timeable,
  );
  const shapes = chosenShapes(own, chosen);
  if (compared === 0 && untried.length > 0) {
    // Nothing is kept: a driver that keeps what it compiled may be quicker the next time.
    say(
      `Kernels for ${adapter.description}: the standard ones. No others were tried, as there is no time ` +
        `to compile them: one takes ${neededSeconds.toFixed(1)} s or more here. The next run looks ` +
        "again; --no-calibration skips this.",
    );
    return shapes;
  }
  await cache?.write(key, shapes);
  const rest = untried.length > 0 ? `, without ${untried.join(", ")}` : "";
  return tell(shapes, `timed in ${seconds.toFixed(1)} s${rest}; --no-calibration skips this`, gain);
}

function describe({ matmul, lstm = {}, sum = {} }: KernelShapes, gain: Calibration["gain"]): string {
  const chosen = Object.entries({ ...matmul, ...lstm, ...sum }).map(([key, variant]) => {
    const times = gain[key];
    return `${key} ${variant}${times === undefined ? "" : ` (${times.toFixed(2)}x)`}`;
  });
  return chosen.length === 0 ? "the standard ones, as no others are clearly faster" : chosen.join(", ");
}

async function keyOf(gpu: Gpu, sizes: string[]): Promise<ShapeKey> {
  const { description, runtime } = gpu.adapter;
  const hash = await crypto.subtle.digest(
    "SHA-256",
    new TextEncoder().encode(matmulTexts() + lstmTexts() + sumTexts),
  );
  return {
    adapter: description,
    driver: await driverVersion(description),
    runtime,
    clickgan: version,
    sha256: Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join(""),
    sizes,
  };
}
