/** Simulated users of a synthetic shop, whose clicks follow the ground truth. */

import stepText from "../../kernels/simulate/shop_step.wgsl" with { type: "text" };
import utilityText from "../../kernels/simulate/shop_utility.wgsl" with { type: "text" };
import type { ClickDispatch } from "../batch/click_sizes.ts";
import {
  computeShopUtility,
  demoFeatures,
  featureOffsets,
  firstState,
  getItemFeatures,
  type ShopTruth,
} from "../data/shops.ts";
import type { Arena } from "../gpu/arena.ts";
import { parseKernel } from "../gpu/kernel.ts";
import { asBufferView, type View } from "../gpu/memory.ts";
import { makePlainTensor } from "./users.ts";
import type { CatalogueUtilities, SimulatedUsers, SlateUtilities, UsersSource } from "./users.ts";
import { padRows, type Tensor } from "../tape/tensor.ts";
import { fill } from "./pool.ts";
import type { PageBuffers } from "./page_buffers.ts";

const utilityKernel = parseKernel("shop_utility", utilityText);
const stepKernel = parseKernel("shop_step", stepText);

const CHUNK_ROWS = 2 ** 18;

/** Returns [items, 4] features: two style coordinates, price, and the utility that all users share. */
function shopTable(shop: ShopTruth, values: Float32Array): Float32Array<ArrayBuffer> {
  const { style, price } = featureOffsets;
  const count = values.length / demoFeatures;
  const table = new Float32Array(4 * count);
  for (let item = 0; item < count; item++) {
    const f = getItemFeatures(values, item);
    const p = f[price] ?? 0;
    // For a new user, the utility is the shared part minus the price term 0.3 p^2.
    const appeal = computeShopUtility(shop, firstState, f) + 0.3 * p * p;
    table.set([f[style] ?? 0, f[style + 1] ?? 0, p, appeal], 4 * item);
  }
  return table;
}

/** Source of simulated users of a synthetic shop, whose utilities are the ground truth. */
export class ShopSource implements UsersSource {
  /** Name of the shop in reports. */
  readonly name: string;
  /** I, the number of items in the catalogue. */
  readonly itemCount: number;

  /** Creates the source of a shop's users. @param values - [items, features] of the shop's items. */
  constructor(readonly shop: ShopTruth, readonly values: Float32Array) {
    this.name = `the ${shop.name} shop`;
    this.itemCount = values.length / demoFeatures;
  }

  /**
   * Allocates memory for the users who see a page.
   * @internal
   */
  users(page: PageBuffers, arena = page.arena): SimulatedUsers {
    return new ShopUsers(page, arena, this);
  }
}

class ShopUsers implements SimulatedUsers {
  /** [events, 3] means over the items that each user clicked: the two style coordinates, and price. */
  readonly state: Tensor;
  readonly itemVectors: Tensor;
  readonly eta = 1;
  readonly positionEffects = undefined;
  readonly #state: View;
  readonly #table: View;
  readonly #utilities: Tensor;
  #catalogue: CatalogueUtilities | undefined;

  constructor(
    private readonly page: PageBuffers,
    private readonly arena: Arena,
    private readonly source: ShopSource,
  ) {
    const { users, slate } = page;
    const { shop, values, itemCount } = source;
    this.#state = arena.allocate("shop state", 16 * users);
    this.state = makePlainTensor("shop/state", "events", 3, 4, this.#state);
    this.#table = arena.upload("shop table", shopTable(shop, values));
    const features = arena.upload("shop features", padRows(values, itemCount, demoFeatures, 1));
    this.itemVectors = makePlainTensor("shop/features", itemCount, demoFeatures, demoFeatures, features);
    const utilities = arena.allocate("shop utilities", 4 * users * slate);
    this.#utilities = makePlainTensor("shop/utilities", "rows", 1, 1, utilities);
  }

  prepare(): ClickDispatch[] {
    return [];
  }

  reset(): ClickDispatch[] {
    return [fill("shop reset", this.#state, 4)];
  }

  step(): ClickDispatch[] {
    return [{
      kernel: stepKernel,
      label: "shop step",
      views: { event: this.page.event, item: this.#table, state: this.#state },
      invocations: ["users"],
    }];
  }

  /** Returns no dispatches: a page without a click does not change the user state in a shop. */
  shown(): ClickDispatch[] {
    return [];
  }

  fromState(): readonly ClickDispatch[] {
    return [];
  }

  utilities(): SlateUtilities {
    const utility = asBufferView(this.#utilities.view);
    return { dispatches: [this.#score(this.page.slate, false, utility)], utilities: this.#utilities };
  }

  catalogue(): CatalogueUtilities {
    return this.#catalogue ??= this.#makeCatalogue();
  }

  #makeCatalogue(): CatalogueUtilities {
    const { arena, page: { items } } = this;
    const users = Math.max(1, Math.min(this.page.users, Math.floor(CHUNK_ROWS / items)));
    const utilities = arena.allocate("shop utilities of all items", 4 * users * items);
    return { users, dispatches: [this.#score(items, true, utilities)], utilities };
  }

  #score(EACH: number, ALL: boolean, utility: View): ClickDispatch {
    return {
      kernel: utilityKernel,
      label: ALL ? "shop utilities of all items" : "shop utilities",
      constants: { EACH, ALL, FATIGUE: this.source.shop.fatigue },
      views: { state: this.#state, item: this.#table, row_item: this.page.slates, utility },
      invocations: ["rows"],
    };
  }

  [Symbol.dispose](): void {}
}
