/** What has to be the same on all ranks, before any of them trains. */

import { usersOf } from "../../data/click_log.ts";
import { countedOf, type LogSource } from "../../data/log_source.ts";
import type { StagesConfig } from "../../train/config.ts";
import { expectShares, type Ranks } from "../../train/ranks.ts";
import { UserError } from "../../user_error.ts";
import { stagesOf } from "../stages.ts";
import { textsOf, trainCommand } from "./mpi.ts";

/** How many ranks a run has, and how often they become one. Part of its config. */
export interface RanksConfig {
  readonly size: number;
  readonly syncEvery: number;
}

/** @throws UserError for what ranks cannot train, or not as they are to. */
export function expectTrainable(ranks: RanksConfig, config: StagesConfig, source: LogSource): void {
  const { model, training, adversarial } = config;
  if (model.batchNorm) {
    throw new UserError(
      "Expected a model without --batch-norm for several ranks, as each of them would normalise by its own share of a batch. " +
        "Leave it out, or train in one process.",
    );
  }
  const present = usersOf(source, "validation").filter((user) => countedOf(source, user) > 0).length;
  expectShares(ranks, Math.min(present, training.validationUsers ?? present), "validation users with pages");
  for (const { name, option } of stagesOf(config)) {
    const [of, more] = name === "shannon" ? [training, ""] : [adversarial ?? training, "adversarial-"];
    expectShares(ranks, of.batchSize, `users in a batch (--${more}batch-size)`);
    expectMultiple(option, of.iterations, ranks);
    expectMultiple(`${more}validate-every`, of.validateEvery, ranks);
  }
}

function expectMultiple(option: string, value: number, { syncEvery }: RanksConfig): void {
  if (value % syncEvery === 0) return;
  const nearest = Math.max(1, Math.round(value / syncEvery)) * syncEvery;
  throw new UserError(
    `Expected --${option} of a multiple of --sync-every ${syncEvery}, as only then all ranks have the same weights, got ` +
      `${value}. The nearest is --${option} ${nearest}.`,
  );
}

/** @throws UserError for a run that is to go on with another number of ranks than it began with. */
export function expectAsMany(
  then: RanksConfig | undefined,
  now: { size: number } | undefined,
  path: string,
): void {
  const [was, is] = [then?.size ?? 1, now?.size ?? 1];
  if (was === is) return;
  const command = trainCommand({ size: was });
  throw new UserError(
    `Expected ranks for the run in ${path} as when it began, ${was}, got ${is}: with others it would not go on to the same ` +
      `bits. Go on with ${command} --resume; or begin a new run from its weights with --init.`,
  );
}

/**
 * Looks whether all ranks have the same.
 * @param machine of this rank. @param own what is compared, by its name. @throws UserError that names both, where a rank has something else
 *   than rank 0.
 */
export async function expectAgreement(
  ranks: Ranks,
  machine: string,
  own: Readonly<Record<string, unknown>>,
): Promise<void> {
  const facts = { ...Object.fromEntries(leavesOf(own)), machine };
  const texts = await textsOf(ranks, JSON.stringify(facts));
  const all = texts.map((text): Record<string, string> => JSON.parse(text));
  const [first = {}] = all;
  for (const [rank, facts] of all.entries()) {
    const names = Object.keys({ ...first, ...facts }).filter((name) => name !== "machine");
    const odd = names.find((name) => facts[name] !== first[name]);
    if (odd === undefined) continue;
    const [theirs, ours] = [first, facts].map((of) => `${of[odd] ?? "none"} on rank`);
    throw new UserError(
      `Expected the same on all ranks, but ${odd} differs: ${theirs} 0 (${first.machine}), ${ours} ${rank} ` +
        `(${facts.machine}). Nothing was begun.`,
    );
  }
}

/** All that an object holds, a text by its path. */
function leavesOf(value: unknown, path = ""): [string, string][] {
  const isLeaf = typeof value !== "object" || value === null || Array.isArray(value);
  if (isLeaf) return [[path, JSON.stringify(value) ?? "none"]];
  return Object.entries(value).flatMap(([name, part]) => leavesOf(part, path ? `${path}.${name}` : name));
}
