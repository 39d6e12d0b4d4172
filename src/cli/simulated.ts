/** Whoever is simulated, with the data that they are asked about and the device, for as long as it is used. */

import { hasPagesWithoutClick } from "../data/no_click.ts";
import { shopNamed, shopNames } from "../data/shops.ts";
import type { Gpu } from "../gpu/device.ts";
import { openGpu } from "../host/open_gpu.ts";
import { Made } from "../gpu/made.ts";
import { OpenedDataset } from "../run/open_dataset.ts";
import type { OpenedRun } from "../run/open_run.ts";
import { LearnedSource } from "../simulate/learned_source.ts";
import { ShopSource } from "../simulate/shop_users.ts";
import type { UsersSource } from "../simulate/users.ts";
import { UserError } from "../user_error.ts";
import { openData } from "./open_data.ts";
import { openModel } from "./open_model.ts";
import type { SimulatedOptions } from "./simulated_options.ts";

/** A command's users, opened. */
export interface Simulated {
  readonly gpu: Gpu;
  /** What is freed in the end, before the device is. */
  readonly made: Made;
  readonly data: OpenedDataset;
  /** Who clicks. */
  readonly environment: UsersSource;
  /** What policies know of users, where it is not whoever clicks. */
  readonly known: UsersSource | undefined;
  /** Of the model, where there is one. */
  readonly run: OpenedRun | undefined;
  /** Who clicks, in words: "the users of runs/a/best-loss.safetensors". */
  readonly words: string;
  /** Why clicks say nothing here; undefined where they do. */
  readonly noClickRate: string | undefined;
}

/**
 * @param seed of a made-up shop without a seed of its own, and of `--resplit`.
 * @throws UserError for a model over other items, one whose utilities are no log-odds, or a truth that is not known.
 */
export async function withSimulated<T>(
  options: SimulatedOptions & { readonly seed: number },
  use: (simulated: Simulated) => Promise<T>,
): Promise<T> {
  const { run, data } = await open(options);
  const shop = options.truth ? shopOf(data) : undefined;
  const noClickRate = shop || hasPagesWithoutClick(data.source) ? undefined : noClickWords(data.source.name);
  const made = new Made();
  const gpu = await openGpu();
  try {
    const learned = run && LearnedSource.ofRun(gpu, run, data, options);
    if (learned) made.keep(learned.model);
    const environment = shop ?? learned;
    if (!environment) throw new Error("expected a model or a truth");
    const known = shop ? learned : undefined;
    const words = shop
      ? `${shop.name} itself${known ? `, whose users policies know through ${known.name}` : ""}`
      : `the users of ${run?.path}`;
    return await use({ gpu, made, data, environment, known, run, words, noClickRate });
  } finally {
    made.destroy();
    gpu.close();
  }
}

async function open(
  options: SimulatedOptions & { readonly seed: number },
): Promise<{ run: OpenedRun | undefined; data: OpenedDataset }> {
  const data = options.shop ?? options.data;
  const { model } = options;
  if (model !== undefined) return await openModel({ ...options, model, data });
  if (data === undefined) throw new Error("expected data where there is no model");
  return { run: undefined, data: await OpenedDataset.of(await openData({ ...options, data }, [])) };
}

/** The truth of the data. */
function shopOf({ dataset: { config }, source }: OpenedDataset): ShopSource {
  const shop = config.kind === "demo" ? shopNamed(config.shop ?? "demo") : undefined;
  const items = source.items.items;
  if (shop && items?.kind === "dense") return new ShopSource(shop, items.values);
  throw new UserError(
    `Expected the data of a made-up shop (${shopNames}) with --truth, got ${source.name}: of a log it is not known why its ` +
      "users click. Leave --truth out.",
  );
}

function noClickWords(name: string): string {
  return `Every page of ${name} has a click, so a model of it cannot know how often nothing is clicked: ` +
    "clicks, and click rates, would say nothing about its users and are left out. Rankings are not touched by that.";
}
