/** Whom a trained policy sees users through: those that it was trained on, whoever clicks. */

import type { OpenedPolicy } from "../open_policy.ts";
import { isSame, subjectText } from "../policy_config.ts";
import type { UsersSource } from "../../simulate/users.ts";
import { UserError } from "../../user_error.ts";
import { findAgain } from "../../simulate/commands/found_users.ts";
import { sameCatalogue, sameItems } from "../../simulate/commands/same_items.ts";
import type { Simulated } from "../../simulate/commands/simulated.ts";
import type { UsersOptions } from "../../simulate/commands/users_options.ts";

/** @throws UserError where they have changed since, or have other items than those who click. */
export async function seenBy(
  { path, config: { trainedOn } }: OpenedPolicy,
  { gpu, made, found: { truth, model }, environment, known, data }: Simulated,
  options: Pick<UsersOptions, "memoryRows">,
): Promise<UsersSource> {
  if (truth && isSame(trainedOn, truth)) return environment;
  const own = model && trainedOn.kind === "model" && isSame(trainedOn, model) &&
    sameCatalogue(trainedOn.data, model.data);
  if (own) return known ?? environment;
  const found = await findAgain(trainedOn, options);
  if (sameItems(found.data, data)) return found.open(gpu, made).environment;
  throw new UserError(
    `Expected a policy over the items of ${data.source.name}, got ${path}, which was trained on ${
      subjectText(trainedOn)
    } with others. Simulate users of the same items; of a made-up shop those of the same --data-seed.`,
  );
}
