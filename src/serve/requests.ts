/** Parses the JSON bodies of requests, and converts ids of users and items to their numbers. */

import * as v from "../schema.ts";
import { idSchema } from "../data/ids.ts";
import type { RecommendOptions } from "../predict/recommend_items.ts";
import type { ContextGaps, EncodedContext } from "../data/context_values.ts";
import { contextSchema, encodeContext } from "../predict/request_context.ts";
import type { ModelConfig } from "../model/model_config.ts";
import type { ScoringRequest } from "../model/scorer.ts";
import type { OpenedDataset } from "../data/sets/opened_dataset.ts";
import { UserError } from "../user_error.ts";

/** Maximum numbers: ids per history and page, recommended items, users per environment, items per episode. */
export const LIMITS = { history: 4096, page: 4096, top: 1000, users: 4096, shown: 2 ** 24 } as const;

const ids = (most: number) =>
  v.pipe(
    v.array(idSchema),
    v.maxLength(most, ({ received }) => `expected at most ${most} ids, got ${received}`),
  );
const historyFields = {
  /** Id of a user of the data set, whose latest clicks in the data set become the history. */
  user: v.optional(idSchema),
  history: v.optional(ids(LIMITS.history)),
  /** Counts of the user's earlier pages, impressions and clicks. Default: the counts in the data set. */
  past: v.optional(v.pipe(
    v.strictObject({ pages: v.whole(0), clickedPages: v.whole(0), displays: v.whole(0), clicks: v.whole(0) }),
    v.check(
      ({ pages, clickedPages, displays, clicks }) =>
        clickedPages <= pages && clicks <= displays && pages <= displays,
      ({ input }) =>
        `expected clickedPages <= pages <= displays, and clicks <= displays, got ${JSON.stringify(input)}`,
    ),
  )),
  /** Values of the context columns (`RequestContext`). */
  context: v.optional(contextSchema),
  /** True to ignore unknown item ids, such as ids of new items; false to refuse the request. */
  skipUnknown: v.optional(v.boolean(), false),
};
type HistoryFields = v.InferOutput<v.ObjectSchema<typeof historyFields, undefined>>;
const requireOne = <T extends Pick<HistoryFields, "user" | "history">>() =>
  v.check<T, (issue: v.CheckIssue<T>) => string>(
    ({ user, history }) => (user === undefined) !== (history === undefined),
    ({ input: { user } }) =>
      `expected either "user" (an id) or "history" (a list of ids, [] for none), got ${
        user === undefined ? "neither" : "both"
      }`,
  );

const scoreSchema = v.pipe(
  v.strictObject({
    ...historyFields,
    page: v.pipe(ids(LIMITS.page), v.minLength(1, "expected at least one id, got none")),
    /** `page`: probabilities at the items' positions; `first`: as if each item were at the first position. */
    positions: v.optional(v.picklist(["page", "first"]), "page"),
  }),
  requireOne(),
);
const recommendSchema = v.pipe(
  v.strictObject({
    ...historyFields,
    top: v.optional(v.whole(1, LIMITS.top), 10),
    newOnly: v.optional(v.boolean(), false),
  }),
  requireOne(),
);

const share = v.between(0, 1);
export const resetSchema = v.pipe(
  v.strictObject({
    environment: v.optional(v.string()),
    /** Number of the episode, which determines the random numbers of the simulated users. */
    episode: v.optional(v.whole(0, 2 ** 32 - 1), 0),
    users: v.optional(v.whole(1, LIMITS.users)),
    slate: v.optional(v.whole(1, 1024)),
    pages: v.optional(v.whole(1, 100_000)),
    seed: v.optional(v.whole(0, 2 ** 32 - 1)),
    repeats: v.optional(v.boolean()),
    leave: v.optional(share),
    patience: v.optional(v.whole(0, 2 ** 31)),
  }),
  v.check(
    ({ environment, episode: _, ...options }) =>
      environment === undefined || Object.keys(options).length === 0,
    ({ input: { environment: _, episode: __, ...options } }) =>
      'expected only "episode" together with "environment", whose settings do not change, got ' +
      Object.keys(options).map((name) => JSON.stringify(name)).join(", "),
  ),
  v.transform(({ users = 1, slate = 3, pages = 20, ...others }) => ({ users, slate, pages, ...others })),
  v.check(
    ({ users, slate, pages }) => users * slate * pages <= LIMITS.shown,
    ({ input: { users, slate, pages } }) =>
      `expected users x pages x slate of at most ${LIMITS.shown}, because all slates of an episode are ` +
      `stored, got ${users * slate * pages}`,
  ),
);
export const stepSchema = v.strictObject({
  environment: v.string(),
  /** Item numbers of each user's slate. They are not ids, because a policy network outputs item numbers. */
  slates: v.array(v.array(v.whole(0, 2 ** 32 - 1))),
});

export const closeSchema = v.strictObject({ environment: v.string() });

export type CloseRequest = v.InferOutput<typeof closeSchema>;
export type ResetRequest = v.InferOutput<typeof resetSchema>;
export type EnvironmentStepRequest = v.InferOutput<typeof stepSchema>;

/** Parses and validates a JSON body. @throws UserError with the name of the invalid field and the reason. */
export function parseBody<T>(schema: v.GenericSchema<unknown, T>, body: string): T {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch (error) {
    throw new UserError(
      `Expected a JSON body, got other text (${error instanceof Error ? error.message : error}).`,
    );
  }
  if (Array.isArray(json)) throw new UserError("Expected an object, got a list.");
  const parsed = v.safeParse(schema, json);
  if (parsed.success) return parsed.output;
  throw new UserError(describeRefusal(parsed.issues[0]));
}

/** Patterns in valibot's error messages, and the texts that replace them. */
const TYPES: readonly (readonly [RegExp, string])[] = [
  [/^missing$/, "expected a value, got none"],
  [/^not one of (.*)$/, "expected one of the fields $1, got another"],
  [/^Invalid safe integer: Received /, "expected a whole number, got "],
  [/\bArray\b/, "a list"],
  [/\bObject\b/, "an object"],
  [/^expected (number|boolean)\b/, "expected a $1"],
  [/^expected string\b/, "expected a text"],
];

/** Formats an error of a request, for example `page[1]: Expected a whole number, got 1.5.` */
function describeRefusal(issue: v.BaseIssue<unknown>): string {
  const path = (issue.path ?? []).map(({ key }) => typeof key === "number" ? `[${key}]` : `.${key}`).join("");
  const text = TYPES.reduce((text, [pattern, words]) => text.replace(pattern, words), v.describeIssue(issue));
  return `${path === "" ? "" : `${path.slice(1)}: `}${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

export interface ScoreRequest extends ScoringRequest {
  /** Indices, in the request's `page`, of the items that the data set contains. */
  readonly indices: readonly number[];
  readonly pageSize: number;
  readonly positions: "page" | "first";
  /** Context columns whose values are missing or unknown; undefined if there are no context columns. */
  readonly gaps: ContextGaps | undefined;
}

/** Parses the body of a request to /score. @throws UserError for an invalid body or an unknown id. */
export function readScore(data: OpenedDataset, config: ModelConfig, body: string): ScoreRequest {
  const { page, positions, ...rest } = parseBody(scoreSchema, body);
  const found = resolveItems(data, "page", page, rest.skipUnknown);
  if (found.length === 0) throw new UserError("page: Expected at least one item of the data set, got none.");
  const context = encodeContext(data, config, rest.context, rest.skipUnknown);
  return {
    ...resolveHistory(data, rest),
    features: context?.encodeRows(found.map(({ index }) => page[index] ?? "")),
    gaps: context?.gaps,
    page: found.map(({ number }) => number),
    indices: found.map(({ index }) => index),
    pageSize: page.length,
    positions,
  };
}

export interface RecommendRequest extends Pick<RecommendOptions, "history" | "past" | "top" | "newOnly"> {
  readonly context: EncodedContext | undefined;
}

/** Parses the body of a request to /recommend. @throws UserError for an invalid body or an unknown id. */
export function readRecommend(data: OpenedDataset, config: ModelConfig, body: string): RecommendRequest {
  const { top, newOnly, ...rest } = parseBody(recommendSchema, body);
  return {
    ...resolveHistory(data, rest),
    context: encodeContext(data, config, rest.context, rest.skipUnknown),
    top,
    newOnly,
  };
}

function resolveHistory(
  data: OpenedDataset,
  { user, history = [], past, skipUnknown }: HistoryFields,
): Pick<RecommendRequest, "history" | "past"> {
  if (user === undefined) {
    return { history: resolveItems(data, "history", history, skipUnknown).map(({ number }) => number), past };
  }
  const number = data.users.findIndex(user);
  if (number === undefined) {
    throw new UserError(`user: Expected the id of a user of the data set, got ${JSON.stringify(user)}.`);
  }
  return {
    history: data.readHistory(number).slice(-LIMITS.history),
    past: past ?? data.readPastPages(number),
  };
}

function resolveItems(
  data: OpenedDataset,
  what: string,
  ids: readonly string[],
  skipUnknown: boolean,
): { number: number; index: number }[] {
  return ids.flatMap((id, index) => {
    const number = data.items.findIndex(id);
    if (number !== undefined) return [{ number, index }];
    if (skipUnknown) return [];
    throw new UserError(
      `${what}[${index}]: Expected the id of an item of the data set, got ${JSON.stringify(id)}.`,
    );
  });
}
