/** What has to be the same on all ranks, before any of them trains. */

import { usersOf } from "../../data/click_log.ts";
import { countedOf, type LogSource } from "../../data/log_source.ts";
import type { Ranks } from "../../train/ranks.ts";
import type { StagesConfig } from "../../train/config.ts";
import { expectShares } from "../../train/ranks.ts";
import { UserError } from "../../user_error.ts";
import { textsOf } from "./mpi.ts";
import { trainCommand } from "./place.ts";

/** How many ranks a run has, and how often they become one. Part of its config. */
export interface RanksConfig {
  readonly size: number;
  readonly syncEvery: number;
}

/** @throws UserError for what ranks cannot train, or not as they are to. */
export function expectTrainable(
  { size, syncEvery }: RanksConfig,
  config: StagesConfig,
  source: LogSource,
): void {
  const { model, training, adversarial, pretrain } = config;
  if (model.batchNorm) {
    throw new UserError(
      "Expected a model without --batch-norm for several ranks, as each of them would normalise by its own share of a batch. " +
        "Leave it out, or train in one process.",
    );
  }
  const present = usersOf(source, "validation").filter((user) => countedOf(source, user) > 0).length;
  expectShares(
    { size },
    Math.min(present, training.validationUsers ?? Infinity),
    "validation users with pages",
  );
  const stages = [
    {
      of: training,
      batch: "--batch-size",
      iterations: "--iterations",
      validate: "--validate-every",
      is: pretrain,
    },
    {
      of: adversarial ?? training,
      batch: "--adversarial-batch-size",
      iterations: "--adversarial",
      validate: "--adversarial-validate-every",
      is: adversarial !== null,
    },
  ];
  for (const { of, batch, iterations, validate } of stages.filter(({ is }) => is)) {
    expectShares({ size }, of.batchSize, `users in a batch (${batch})`);
    for (const [option, value] of [[iterations, of.iterations], [validate, of.validateEvery]] as const) {
      if (value % syncEvery === 0) continue;
      throw new UserError(
        `Expected ${option} of a multiple of --sync-every ${syncEvery}, as only then all ranks have the same weights, got ` +
          `${value}. Nearest: ${option} ${Math.max(1, Math.round(value / syncEvery)) * syncEvery}.`,
      );
    }
  }
}

/** @throws UserError for a run that is to go on with another number of ranks than it began with. */
export function expectAsMany(
  then: RanksConfig | undefined,
  now: Pick<Ranks, "size"> | undefined,
  path: string,
): void {
  const [was, is] = [then?.size ?? 1, now?.size ?? 1];
  if (was === is) return;
  throw new UserError(
    `Expected ${ranksText(was)} for the run in ${path}, as it began with, got ${
      ranksText(is)
    }: with others it would not go on ` +
      `to the same bits. Go on with ${
        trainCommand({ size: was })
      } --resume; or begin a new run from its weights with --init.`,
  );
}

function ranksText(size: number): string {
  return size === 1 ? "one process" : `${size} ranks`;
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
  const all = (await textsOf(ranks, JSON.stringify(facts))).map((text): Record<string, string> =>
    JSON.parse(text)
  );
  const [first = {}] = all;
  for (const [rank, facts] of all.entries()) {
    const names = new Set([...Object.keys(first), ...Object.keys(facts)]);
    names.delete("machine");
    const odd = [...names].find((name) => facts[name] !== first[name]);
    if (odd === undefined) continue;
    throw new UserError(
      `Expected the same on all ranks, but ${odd} differs: ${
        first[odd] ?? "none"
      } on rank 0 (${first.machine}), ` +
        `${facts[odd] ?? "none"} on rank ${rank} (${facts.machine}). Nothing was begun.`,
    );
  }
}

/** All that an object holds, a text by its path. */
function leavesOf(value: unknown, path = ""): [string, string][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return [[path, JSON.stringify(value) ?? "none"]];
  }
  return Object.entries(value).flatMap(([name, part]) =>
    leavesOf(part, path === "" ? name : `${path}.${name}`)
  );
}
