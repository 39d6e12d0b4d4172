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

/** Transform of a column to a feature: 1 if the item has a value in the column, else 0. */
export interface PresenceTransform {
  of: "known";
  column: string;
}

/** Standardisation of a column's values x, or of their logarithms (see `log`). A missing value becomes 0. */
export interface NumberTransform {
  /** Meaning of x: the number in the column, or days from the time in the column to the end of the log. */
  of: "number" | "age";
  column: string;
  /** Constant of the transform t(x) = sign(x) ln(1 + |x| / log) before standardising; null for t(x) = x. */
  log: number | null;
  /** Mean of the transformed values t(x); see `log`. */
  mean: number;
  /** Standard deviation of the transformed values t(x). */
  sd: number;
  /** Limits of x. A value below `low` is replaced by `low`, and a value above `high` by `high`. */
  low: number;
  high: number;
}

export type Transform = PresenceTransform | NumberTransform;

/** Transform of a column of categories to a feature: 1 if the category is `value`, else 0. */
export interface ValueTransform {
  of: "value";
  column: string;
  value: string;
}

/**
 * A context feature has a value for each displayed item. The value of a "page" feature is the same for all
 * items of a page. The transform "age" standardises the days from the time in the column to the page's time.
 */
export interface ContextFeature {
  kind: "impression" | "page";
  name: string;
  meaning: string;
  transform: Transform | ValueTransform;
}

/** A column of the log from which one or several context features are computed. */
export interface ContextColumn extends Pick<ContextFeature, "kind"> {
  readonly column: string;
  readonly type: "number" | "age" | "category";
  /** Categories that have a feature, in the order of the features; [] for numbers and ages. */
  readonly values: readonly string[];
}

/** Lists the columns of the context features, each column once, in the order of the features. */
export function listContextColumns(features: readonly ContextFeature[] = []): readonly ContextColumn[] {
  return [...Map.groupBy(features, ({ transform }) => transform.column)].map(([column, own]) => {
    const values = own.flatMap(({ transform }) => transform.of === "value" ? [transform.value] : []);
    const number = own.some(({ transform }) => transform.of === "age") ? "age" : "number";
    return { kind: own[0]?.kind ?? "page", column, type: values.length > 0 ? "category" : number, values };
  });
}

/** Description of a dense feature: one number per item in the column `dense` of the table of items. */
export interface DenseFeature {
  name: string;
  meaning: string;
  transform?: Transform;
}

/** A field (categorical feature) of the items. Its tokens have the numbers `first` to `first + count - 1`. */
export interface TokenFeature {
  name: string;
  first: number;
  count: number;
  meaning: string;
  /** Column of the source with the field's values; null if the values are item ids. */
  column?: string | null;
  /** True if a text in the column may have several values, separated by |. */
  split?: boolean;
  /**
   * Kind of the field's last token, if values without a token of their own share this token. "trained":
   * train users saw items with the token. "mean": no item of this data set has the token; the token is not
   * trained, and its embedding is the mean of the field's other embeddings.
   */
  other?: "trained" | "mean";
  /** N if item ids are hashed: an item has one of the field's first N tokens and one of its last N tokens. */
  hashed?: number;
  /** Value of each token, in the order of token numbers; absent if the field has many tokens. */
  values?: string[];
  /** Checksum of the values of all tokens, in the order of token numbers. */
  sha256?: string;
}

/** Features of a data set. Data sets that other programs wrote may lack optional properties. */
export interface FeatureManifest {
  /** Dense features, in the order of the numbers in the column `dense` of the table of items. */
  dense: DenseFeature[];
  /** Fields (categorical features). A token number belongs to one field at most. */
  tokens: TokenFeature[];
  /** Context features: first those of impressions, then those of pages; absent if there are none. */
  context?: ContextFeature[];
  /** Checksums of item ids: of each data set that this set extends, in order, and then of this set. */
  catalogues?: string[];
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
  catalogues: v.optional(v.array(v.string())),
});

const share = v.between(0, 1);

/** Shares (0 to 1) of a column's absent, clipped and unknown values. `column` is null for item ids. */
const sharesSchema = v.object({
  column: v.nullable(v.string()),
  /** Kind of object that the column describes. Columns for different kinds may have the same name. */
  kind: v.optional(v.picklist(["item", "impression", "page"]), "item"),
  absent: share,
  /** Share of the column's numbers that were clipped. */
  clipped: share,
  /** Share of the column's texts that have no token. */
  unknown: share,
});
export type ColumnShares = v.InferOutput<typeof sharesSchema>;

/** Split by time, with times in ISO 8601 (UTC). A user may have train, validation and test pages. */
export interface TimeSplit {
  /** Time of the first page of the log. */
  first: string;
  /** Times at which validation and test begin. A time is absent if it is after the last page. */
  validation?: string;
  test?: string;
  /** Time of the last page of the log. */
  last: string;
  /** Number of distinct users of the log. */
  users: number;
  /** Number of validation (or test) users who also have pages in an earlier part. */
  known: Record<"validation" | "test", number>;
}

const timeSplitSchema: v.GenericSchema<unknown, TimeSplit> = v.object({
  first: v.string(),
  validation: v.optional(v.string()),
  test: v.optional(v.string()),
  last: v.string(),
  users: count,
  known: v.object({ validation: count, test: count }),
});

/** Formats a split by time: the dates, and how many validation and test users have earlier pages. */
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

/** Schema of a manifest. Only `format`, `version` and `features` are required. */
export const manifestSchema = v.object({
  format: v.literal("clickgan-dataset"),
  version: v.literal(1),
  name: v.optional(v.pipe(v.string(), v.minLength(1)), "prepared"),
  features: featuresSchema,
  /** For each column, the shares of absent, clipped and unknown values. */
  shares: v.optional(v.array(sharesSchema), []),
  /** Number of rows, size and checksum of each table. A table without an entry is not checked. */
  files: v.optional(v.record(v.picklist(["users", "items", "pages", "vocabulary"]), fileSchema), {}),
  counts: v.optional(v.object({
    users: v.object({ train: count, validation: count, test: count }),
    items: count,
    pages: count,
    rows: count,
    clicks: count,
    /** Number of context events: clicks that a model reads as history, but does not predict. */
    context: count,
    /** In a split by time: number of pages from earlier parts, which a model only reads as history. */
    earlier: v.optional(count),
    /** In a split by time: number of displayed items on the pages from earlier parts. */
    earlierRows: v.optional(count),
    /** Number of pages with a known propensity; absent if the data set has no propensities. */
    propensities: v.optional(count),
  })),
  /** Order of the items of a page; absent if unknown. */
  pageOrder: v.optional(v.picklist(["shown", "arbitrary"])),
  /** True if `data log --pages sampled` drew the unclicked items of each page; absent for false. */
  sampledPages: v.optional(v.boolean()),
  timeSplit: v.optional(timeSplitSchema),
  /** Number of rows or items of the source that were left out, by reason. */
  skipped: v.optional(v.record(v.string(), count), {}),
  /** Notes on what `deno task data` inferred about the source. */
  notes: v.optional(v.array(v.string()), []),
  /** Warnings about suspicious data, for example if most clicks are at one position. */
  warnings: v.optional(v.array(v.string())),
  command: v.optional(v.array(v.string()), []),
  sources: v.optional(v.array(v.object({ path: v.string(), bytes: count })), []),
  /** Text of the SELECT statement that read the source; absent without --query. */
  query: v.optional(v.string()),
  clickgan: v.optional(v.string()),
  duckdb: v.optional(v.string()),
});
export type Manifest = v.InferOutput<typeof manifestSchema>;
/** Order of the items of a page: "shown" for the order in which the page displayed them, or "arbitrary". */
export type PageOrder = "shown" | "arbitrary";

export const MANIFEST = "manifest.json";

/** Largest number of tokens. Each token takes memory for a row of the embedding table. */
const MOST_TOKENS = 100_000_000;

/** Parses a manifest. @param path: for messages. @throws UserError if the text is not a manifest. */
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

/** @throws UserError if a field has no tokens, two fields share a token, or there are too many tokens. */
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
        `${path}: expected fields with different token numbers, ` +
          `but "${name}" has ${first} to ${first + count - 1} and "${next.name}" begins at ${next.first}. ` +
          "Number the tokens of all fields consecutively.",
      );
    }
    if (first + count > MOST_TOKENS) {
      throw new UserError(
        `${path}: "${name}" has the tokens ${first} to ${first + count - 1}, ` +
          `expected at most ${formatThousands(MOST_TOKENS)} tokens, because a model has an embedding ` +
          "per token. Number the tokens from 0 on, and leave out rare tokens.",
      );
    }
  }
}
