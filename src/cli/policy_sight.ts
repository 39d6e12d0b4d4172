/** Whom a trained policy sees users through: those that it was trained on, whoever clicks. */

import type { ItemFeatures } from "../data/click_log.ts";
import { checksum } from "../files/checksum.ts";
import type { OpenedPolicy } from "../policy/open_policy.ts";
import { subjectText } from "../policy/policy_config.ts";
import { LearnedSource } from "../simulate/learned_source.ts";
import { ShopSource } from "../simulate/shop_users.ts";
import type { UsersSource } from "../simulate/users.ts";
import { UserError } from "../user_error.ts";
import { findAgain } from "./policy_subject.ts";
import type { Simulated } from "./simulated.ts";
import type { SimulatedOptions } from "./simulated_options.ts";

/** @throws UserError where they have changed since, or have other items than those who click. */
export async function seenBy(
  { path, config: { trainedOn } }: OpenedPolicy,
  { gpu, made, environment, known, run, data }: Simulated,
  { memoryRows, uncalibrated }: SimulatedOptions,
): Promise<UsersSource> {
  if (trainedOn.kind === "truth" && environment instanceof ShopSource) {
    const same = trainedOn.shop === environment.shop.name;
    const { config } = data.dataset;
    if (same && config.kind === "demo" && config.seed === trainedOn.dataSeed) return environment;
  }
  if (trainedOn.kind === "model" && run && (await checksum(run.path)).sha256 === trainedOn.sha256) {
    return known ?? environment;
  }
  const found = (await findAgain(trainedOn, { memoryRows, uncalibrated })).open(gpu, made);
  const [own, theirs] = [itemsOf(found), data.source.items.items];
  if (found.itemCount === environment.itemCount && (!own || !theirs || sameItems(own, theirs))) return found;
  throw new UserError(
    `Expected a policy over the items of ${data.source.name}, got ${path}, which was trained on ${
      subjectText(trainedOn)
    } with others. Simulate users of the same items; of a made-up shop those of the same --data-seed.`,
  );
}

/** What is known of the items, where it is in memory. */
function itemsOf(source: UsersSource): ItemFeatures | undefined {
  if (source instanceof LearnedSource) return source.model.items.items;
  if (!(source instanceof ShopSource)) return undefined;
  const { values, itemCount: count } = source;
  return { kind: "dense", count, width: values.length / count, values: Float32Array.from(values) };
}

/** One-hot items are told apart by nothing but how many there are. */
function sameItems(a: ItemFeatures, b: ItemFeatures): boolean {
  if (a.kind === "one-hot" || b.kind === "one-hot") return a.kind === b.kind && a.count === b.count;
  const numbers = (x: ArrayLike<number>, y: ArrayLike<number>) => {
    for (let k = 0; k < x.length; k++) if (x[k] !== y[k]) return false;
    return x.length === y.length;
  };
  if (!numbers(a.values, b.values)) return false;
  if (a.kind === "dense" || b.kind === "dense") return a.kind === b.kind;
  return numbers(a.tokens.first, b.tokens.first) && numbers(a.tokens.token, b.tokens.token);
}
