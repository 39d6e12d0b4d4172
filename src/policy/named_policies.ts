/** Policies that need no training. To add one, write a function and an entry in `namedPolicies`. */

import popularText from "../../kernels/simulate/popular_slate.wgsl" with { type: "text" };
import randomText from "../../kernels/simulate/random_slate.wgsl" with { type: "text" };
import topText from "../../kernels/simulate/top_slate.wgsl" with { type: "text" };
import type { ClickDispatch } from "../batch/click_sizes.ts";
import type { View } from "../gpu/memory.ts";
import type { ItemScores, PageContext, PageDispatch, Policy } from "../simulate/policy.ts";
import { recordSlates } from "../simulate/policy.ts";
import type { SimulatedUsers, UsersSource } from "../simulate/users.ts";
import { recordBestSlate } from "./network/best_slate.ts";
import { createPageRows } from "./network/slate_rows.ts";
import { countTrain } from "../counts/train_counts.ts";
import type { ClickLog } from "../data/click_log.ts";
import type { LogSource, OnProgress } from "../data/log_source.ts";
import { UserError } from "../user_error.ts";
import { purposes } from "../data/philox.ts";
import { parseKernel } from "../gpu/kernel.ts";
import type { PageBuffers } from "../simulate/page_buffers.ts";

const randomKernel = parseKernel("random_slate", randomText);
const popularKernel = parseKernel("popular_slate", popularText);
const topKernel = parseKernel("top_slate", topText);

type SlatePlace = Pick<PageBuffers, "users" | "slate" | "items" | "panels" | "slates" | "masked">;

/** Draws a random slate for every user or, with `explore`, for each user with probability `step.epsilon`. */
export function recordRandomSlate(page: SlatePlace, explore = false): ClickDispatch {
  return recordSlates(randomKernel, explore ? "explore" : "random slate", page, {}, {
    PANELS: page.panels,
    EXPLORE: explore,
    EXPLORE_PURPOSE: purposes.EXPLORE,
    SLATE_PURPOSE: purposes.SLATE,
  });
}

/** Shows the first items of `order` that are allowed. @param order - [items] u32 item numbers, best first. */
export function recordPopularSlate(page: SlatePlace, order: View): ClickDispatch {
  return recordSlates(popularKernel, "popular slate", page, { order });
}

/** Shows the allowed items with the highest scores. @param score - [users, items] f32 */
export function recordTopSlate(page: SlatePlace, score: View): ClickDispatch {
  return recordSlates(topKernel, "top slate", page, { score });
}

/** Returns the greedy policy. @param by - model whose utilities it maximises; default: the environment. */
export function createGreedyPolicy(by?: UsersSource): Policy {
  return {
    name: by ? `greedy by ${by.name}` : "greedy",
    ...(by && { observes: by }),
    record(context: PageContext): readonly PageDispatch[] {
      const { page, observer, environment, rules } = context;
      const users = by ? observer : environment;
      const { users: chunk, dispatches, utilities } = users.catalogue();
      const best = rules.reward === "click"
        ? recordTopSlate(page, utilities)
        : ratioSlate(context, users, utilities);
      return [{ chunk, rows: page.items, dispatches: [...dispatches, best] }];
    },
    scores({ page, observer, environment }) {
      const { users: chunk, dispatches, utilities: scores } = (by ? observer : environment).catalogue();
      return { chunk, dispatches, scores, stride: page.items };
    },
  };
}

/** Uploads scores of items that are the same for all users. @param scores - [items] */
function sharedScores({ arena, page }: PageContext, scores: Float32Array<ArrayBuffer>): ItemScores {
  return {
    chunk: page.users,
    dispatches: [],
    scores: arena.upload("scores of all users", scores),
    stride: 0,
  };
}

function ratioSlate({ page, arena }: PageContext, { eta }: SimulatedUsers, utilities: View): ClickDispatch {
  return recordBestSlate(createPageRows(arena, page), {
    label: "greedy slate",
    slate: page.slate,
    eta,
    utilities,
    worthOf: "utility",
    masked: { view: page.masked, stride: page.users },
    slates: page.slates,
    worth: arena.allocate("worth of greedy slates", 4 * page.users),
  });
}

/** Click rates are smoothed by this number of pseudo-impressions per item, at the mean click rate. */
const PRIOR_DISPLAYS = 20;

/** Returns [items] smoothed click rates of train users. @throws UserError if no train user has clicked. */
export function computePopularity(
  log: ClickLog | LogSource,
  onProgress?: OnProgress,
): Float64Array<ArrayBuffer> {
  const { shown, clicks } = countTrain(log, onProgress);
  const sum = (counts: Uint32Array) => counts.reduce((total, count) => total + count, 0);
  const [allShown, allClicks] = [sum(shown), sum(clicks)];
  if (allClicks === 0) {
    throw new UserError("Expected a log with clicks of train users, found no such click.");
  }
  const prior = PRIOR_DISPLAYS * allClicks / allShown;
  return Float64Array.from(shown, (count, item) => ((clicks[item] ?? 0) + prior) / (count + PRIOR_DISPLAYS));
}

/** Returns a policy that shows the items with the highest scores; equal scores are ordered by item number. */
export function createPopularPolicy(score: ArrayLike<number>): Policy {
  const order = Uint32Array.from({ length: score.length }, (_, item) => item)
    .sort((a, b) => (score[b] ?? 0) - (score[a] ?? 0) || a - b);
  return {
    name: "popular",
    record({ arena, page }) {
      if (page.items !== order.length) {
        throw new UserError(`Expected ${page.items} popularity scores, one per item, got ${order.length}.`);
      }
      return [recordPopularSlate(page, arena.upload("order of popularity", order))];
    },
    // At temperature 1, items are drawn in proportion to their click rates.
    scores: (context) => sharedScores(context, Float32Array.from(score, (rate) => Math.log(rate))),
  };
}

/** Policy that shows uniformly random slates. */
export const randomPolicy: Policy = {
  name: "random",
  record: ({ page }: PageContext): readonly PageDispatch[] => [recordRandomSlate(page)],
  scores: (context) => sharedScores(context, new Float32Array(context.page.items)),
};

export interface NamedPolicyInputs {
  readonly log: LogSource;
  /** Model whose utilities the greedy policy reads; if undefined, it reads those of the environment. */
  readonly known: UsersSource | undefined;
  readonly onProgress?: OnProgress;
}

export interface NamedPolicy {
  /** True if the policy needs the utilities of all items for every user and page. */
  readonly scoresItems: boolean;
  /** Creates the policy. @throws UserError if the log has too little data for the policy. */
  make(material: NamedPolicyInputs): Policy;
}

export const namedPolicies = {
  greedy: { scoresItems: true, make: ({ known }) => createGreedyPolicy(known) },
  popular: {
    scoresItems: false,
    make: ({ log, onProgress }) => createPopularPolicy(computePopularity(log, onProgress)),
  },
  random: { scoresItems: false, make: () => randomPolicy },
} as const satisfies Readonly<Record<string, NamedPolicy>>;

export type PolicyName = keyof typeof namedPolicies;
export const policyNames = Object.keys(namedPolicies) as PolicyName[];

export function findNamedPolicy(name: string): NamedPolicy | undefined {
  const known = policyNames.find((one) => one === name);
  return known && namedPolicies[known];
}
