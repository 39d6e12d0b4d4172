/** Schema of manifest.json, which describes a prepared data set and how it was prepared. */

import * as v from "../schema.ts";
import { UserError } from "../user_error.ts";
import { formatThousands } from "../number_text.ts";

const count = v.whole(0);

const fileSchema = v.object({
  rows: count,
  bytes: count,
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
});

const number = v.finiteNumber();
const positive = v.pipe(number, v.gtValue(0));

/** Transform from an item column to a dense feature: 1 if the column has a value for the item, else 0. */
export interface PresenceTransform {
  of: "known";
  column: string;
}

/** Transform from an item column with values x to the dense feature (t(x) - mean) / sd. A missing value becomes 0. */
export interface NumberTransform {
  /** Meaning of x. "number": the number in the column. "age": days from the time in the column to the end of the log. */
  of: "number" | "age";
  column: string;
  /** The constant `log` in t(x) = sign(x) ln(1 + |x| / log); null if t(x) = x. */
  log: number | null;
  /** Mean of t(x). */
  mean: number;
  /** Standard deviation of t(x). */
  sd: number;
  /** Lower limit of x. Smaller values in the column are replaced by `low`. */
  low: number;
  /** Upper limit of x. Larger values in the column are replaced by `high`. */
  high: number;
}

/** Transform of a column of the items to a dense feature. */
export type Transform = PresenceTransform | NumberTransform;

/** Transform from a category to the feature 1 if the column has this value, else 0. */
export interface ValueTransform {
  of: "value";
  column: string;
  value: string;
}

/**
 * Description of one context feature, which each row of a page has. Its column belongs to the impression (a displayed item of a
 * page), or to the page, whose rows then have equal values. An "age" is the age when the page was shown.
 */
export interface ContextFeature {
  kind: "impression" | "page";
  name: string;
  meaning: string;
  transform: Transform | ValueTransform;
}

/** Column of the log from which context features are computed. */
export interface ContextColumn extends Pick<ContextFeature, "kind"> {
  readonly column: string;
  readonly type: "number" | "age" | "category";
  /** Values of a category that have a feature, in the order of the features; empty for numbers and ages. */
  readonly values: readonly string[];
}

/** Lists the columns of context features in the order of the features, each column once. */
export function listContextColumns(features: readonly ContextFeature[] = []): readonly ContextColumn[] {
  return [...Map.groupBy(features, ({ transform }) => transform.column)].map(([column, own]) => {
    const values = own.flatMap(({ transform }) => transform.of === "value" ? [transform.value] : []);
    const number = own.some(({ transform }) => transform.of === "age") ? "age" : "number";
    return { kind: own[0]?.kind ?? "page", column, type: values.length > 0 ? "category" : number, values };
  });
}

/** Description of one dense feature. The column `dense` of the table of items has one number per dense feature. */
export interface DenseFeature {
  name: string;
  meaning: string;
  transform?: Transform;
}

/** Description of an item field. The field's values have the token numbers `first` to `first + count - 1`. */
export interface TokenFeature {
  name: string;
  first: number;
  count: number;
  meaning: string;
  /** Column of the source that has the values; null if the values are item ids. */
  column?: string | null;
  /** True if a text in the column has several values, separated by |. */
  split?: boolean;
  /**
   * Present if the field's last token stands for all values without a token of their own. "trained": train users saw items with
   * the last token. "mean": no item of this data set has the last token, so its row of an embedding table is the mean of the
   * field's other rows.
   */
  other?: "trained" | "mean";
  /** N, if the field has hashed ids: each item has one token among the field's first N tokens, and one among the last N. */
  hashed?: number;
  /** Values of the tokens, in the order of the tokens; absent if the field has many tokens. */
  values?: string[];
  /** Checksum of the values of all tokens, in the order of the tokens. */
  sha256?: string;
}

/** Meaning of a data set's item features. Optional fields may be absent if another data engine wrote the data set. */
export interface FeatureManifest {
  /** Descriptions of the dense features, in the order of the numbers in the column `dense` of the table of items. */
  dense: DenseFeature[];
  /** Fields of the items. Each field has a token range of its own. */
  tokens: TokenFeature[];
  /** Context features of each row, those of impressions first; absent if there are none. */
  context?: ContextFeature[];
  /** Checksum of the item ids in order, if the items are one-hot. */
  idsSha256?: string;
}

const transforms = [
  v.object({ of: v.literal("known"), column: v.string() }),
  v.object({
    of: v.picklist(["number", "age"]),
    column: v.string(),
    log: v.nullable(positive),
    mean: number,
    sd: positive,
    low: number,
    high: number,
  }),
] as const;
const transformSchema = v.variant("of", [...transforms]);
const valueSchema = v.object({ of: v.literal("value"), column: v.string(), value: v.string() });

export const featuresSchema = v.object({
  dense: v.array(v.object({
    name: v.string(),
    meaning: v.optional(v.string(), ""),
    transform: v.optional(transformSchema),
  })),
  tokens: v.array(v.object({
    name: v.string(),
    first: count,
    count,
    meaning: v.optional(v.string(), ""),
    column: v.optional(v.nullable(v.string())),
    split: v.optional(v.boolean()),
    other: v.optional(v.picklist(["trained", "mean"])),
    hashed: v.optional(v.whole(1)),
    values: v.optional(v.array(v.string())),
    sha256: v.optional(v.string()),
  })),
  context: v.optional(v.array(v.object({
    kind: v.picklist(["impression", "page"]),
    name: v.string(),
    meaning: v.optional(v.string(), ""),
    transform: v.variant("of", [...transforms, valueSchema]),
  }))),
  idsSha256: v.optional(v.string()),
});

const share = v.between(0, 1);

/** Shares, 0 to 1, of a column's absent, clipped and unknown values. If `column` is null, the values are the item ids. */
const sharesSchema = v.object({
  column: v.nullable(v.string()),
  absent: share,
  /** Share of the column's numbers that were clipped. */
  clipped: share,
  /** Share of the column's texts that have no token of their own. */
  unknown: share,
});
export type ColumnShares = v.InferOutput<typeof sharesSchema>;

/** Dates of a split by time (ISO 8601, UTC), and numbers of users. A user with pages in several parts counts in each part. */
const timeSplitSchema = v.object({
  /** Time of the log's first page. */
  first: v.string(),
  /** Begin of the validation part, and of the test part; absent for a part that ends with the log. */
  validation: v.optional(v.string()),
  test: v.optional(v.string()),
  /** Time of the log's last page. */
  last: v.string(),
  /** Number of distinct users of the log. */
  users: count,
  /** Number of users of a part who have pages in an earlier part. */
  known: v.object({ validation: count, test: count }),
});
export type TimeSplit = v.InferOutput<typeof timeSplitSchema>;

/** Describes a split by time: the dates, and how many users of validation and test have earlier pages. */
export function describeTimeSplit(
  { first, validation, test, last, known }: TimeSplit,
  users?: Readonly<Record<"validation" | "test", number>>,
): string {
  const format = (time: string) => time.slice(0, 16).replace("T", " ");
  const later = [["validation", validation], ["test", test]] as const;
  const parts = later.flatMap(([part, begin]) => {
    if (begin === undefined) return [];
    const all = users &&
      ` (${formatThousands(known[part])} of ${formatThousands(users[part])} users have earlier pages)`;
    return [`${part} from ${format(begin)}${all ?? ""}`];
  });
  return `Split by time (UTC): train from ${format(first)}, ${parts.join(", ")}, to ${format(last)}.`;
}

/** Schema of a manifest. Only `format`, `version` and `features` are required, because other engines may write manifests. */
export const manifestSchema = v.object({
  format: v.literal("clickgan-dataset"),
  version: v.literal(1),
  name: v.optional(v.pipe(v.string(), v.minLength(1)), "prepared"),
  features: featuresSchema,
  /** For each column, the shares of absent, clipped and unknown values. */
  shares: v.optional(v.array(sharesSchema), []),
  /** Size and checksum of each file, by name without .parquet. Files that are not listed are not checked. */
  files: v.optional(v.record(v.picklist(["users", "items", "pages", "vocabulary"]), fileSchema), {}),
  counts: v.optional(v.object({
    users: v.object({ train: count, validation: count, test: count }),
    items: count,
    pages: count,
    rows: count,
    clicks: count,
    /** Number of context events. A model reads context events, but does not predict them. */
    context: count,
    /** In a split by time: number of pages in users' histories that belong to an earlier part, and of their displayed items. */
    earlier: v.optional(count),
    earlierRows: v.optional(count),
    /** Number of pages with a known propensity; absent if the data set has no propensities. */
    propensities: v.optional(count),
  })),
  /** True order or arbitrary order of a page's items (see {@link PageOrder}); absent if unknown. */
  pageOrder: v.optional(v.picklist(["shown", "arbitrary"])),
  /** True if `data log --pages sampled` drew the unclicked items of each page; absent for false. */
  sampledPages: v.optional(v.boolean()),
  /** Present if the log was split by time. */
  timeSplit: v.optional(timeSplitSchema),
  /** Number of the source's rows or items that were left out, by reason. */
  skipped: v.optional(v.record(v.string(), count), {}),
  /** Notes on properties of the source that the preparation inferred. */
  notes: v.optional(v.array(v.string()), []),
  /** Warnings about properties of the data that may mislead a model, or a reader of its metrics. */
  warnings: v.optional(v.array(v.string())),
  command: v.optional(v.array(v.string()), []),
  sources: v.optional(v.array(v.object({ path: v.string(), bytes: count })), []),
  /** The SELECT of --query, if the source was read by a SELECT. */
  query: v.optional(v.string()),
  clickgan: v.optional(v.string()),
  duckdb: v.optional(v.string()),
});
export type Manifest = v.InferOutput<typeof manifestSchema>;
/** Order of the items in a page's list: the order in which the items were shown, or an arbitrary order. */
export type PageOrder = "shown" | "arbitrary";

export const MANIFEST = "manifest.json";

/** Largest number of tokens. A model's embedding table, in memory and on the device, has one row per token. */
const MOST_TOKENS = 100_000_000;

/** Parses the text of a manifest. @param path: file path for messages. @throws UserError if the text is not a manifest. */
export function parseManifest(path: string, text: string): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new UserError(`${path} is not valid JSON. Prepare the data again.`);
  }
  const parsed = v.safeParse(manifestSchema, json);
  if (parsed.success) {
    expectTokens(path, parsed.output);
    return parsed.output;
  }
  throw new UserError(`${path} is not a manifest of a prepared data set: ${v.describeIssues(parsed.issues)}`);
}

/** @throws UserError if a field has no tokens, two fields share a token, or there are more than {@link MOST_TOKENS} tokens. */
function expectTokens(path: string, { features: { tokens } }: Manifest): void {
  const fields = tokens.toSorted((a, b) => a.first - b.first);
  for (const [k, { name, first, count }] of fields.entries()) {
    const next = fields[k + 1];
    if (count === 0) {
      throw new UserError(
        `${path}: expected "${name}" to have tokens, got a count of 0. Leave the field out.`,
      );
    }
    if (next && next.first < first + count) {
      throw new UserError(
        `${path}: expected each field of tokens to have numbers of its own, ` +
          `but "${name}" has ${first} to ${first + count - 1} and "${next.name}" begins at ${next.first}. ` +
          "Number the fields one after the other.",
      );
    }
    if (first + count > MOST_TOKENS) {
      throw new UserError(
        `${path}: "${name}" has the tokens ${first} to ${first + count - 1}, ` +
          `expected at most ${formatThousands(MOST_TOKENS)} in all: ` +
          "a model has a row of numbers for each. Number them from 0 on, and leave out rare ones.",
      );
    }
  }
}
