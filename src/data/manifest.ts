/** manifest.json: describes a prepared data set and how it was prepared. */

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

/** A dense feature that is 1 where a column of the items has a value, else 0. */
export interface PresenceTransform {
  of: "known";
  column: string;
}

/** A dense feature (t(x) - mean) / sd of a column of the items; 0 where there is no value. */
export interface NumberTransform {
  /** x is the column's number, or the item's age in days at the end of the log. */
  of: "number" | "age";
  column: string;
  /** t(x) = sign(x) ln(1 + |x| / log); null for t(x) = x. */
  log: number | null;
  /** Mean of t(x). */
  mean: number;
  /** Standard deviation of t(x). */
  sd: number;
  /** Lower limit: x is clipped to it. */
  low: number;
  /** Upper limit: x is clipped to it. */
  high: number;
}

/** Transform of a column of the items into a dense feature. */
export type Transform = PresenceTransform | NumberTransform;

/** A feature in the list `dense`. */
export interface DenseFeature {
  name: string;
  /** Explanation for readers. */
  meaning: string;
  transform?: Transform;
}

/** A field of tokens: those from `first` to `first + count`. */
export interface TokenFeature {
  name: string;
  first: number;
  count: number;
  /** Explanation for readers. */
  meaning: string;
  /** Column of the values; null for item ids. */
  column?: string | null;
  /** True if a text of the column contains several values, separated by |. */
  split?: boolean;
  /**
   * State of the last token, if it stands for all other values: trained, where train users were shown some of them; otherwise
   * a snapshot stores the mean of the field's rows there, and no item of the set has it.
   */
  other?: "trained" | "mean";
  /** N of hashed ids: each item has one of the first N tokens and one of the last N. */
  hashed?: number;
  /** Values in token order, if they are few. */
  values?: string[];
  /** Checksum of all values in token order. */
  sha256?: string;
}

/** Meaning of the features of a set. A set that another engine wrote may leave out all but names and numbers. */
export interface FeatureManifest {
  /** Features in the order of the list `dense`. */
  dense: DenseFeature[];
  /** Fields, each with tokens of its own. */
  tokens: TokenFeature[];
  /** Checksum of the item ids in order, if the items are one-hot. */
  idsSha256?: string;
}

const transformSchema = v.variant("of", [
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
]);

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
  idsSha256: v.optional(v.string()),
});

const share = v.between(0, 1);

/** Shares of a column (null: the item ids): of the items, those without a value; of the values, the other shares. */
const sharesSchema = v.object({
  column: v.nullable(v.string()),
  absent: share,
  /** Share of the numbers that were clipped. */
  clipped: share,
  /** Share of the texts without a token of their own. */
  unknown: share,
});
export type ColumnShares = v.InferOutput<typeof sharesSchema>;

/** Schema of the manifest. Only `format`, `version` and `features` are needed to read a data set that another engine wrote. */
export const manifestSchema = v.object({
  format: v.literal("clickgan-dataset"),
  version: v.literal(1),
  name: v.optional(v.pipe(v.string(), v.minLength(1)), "prepared"),
  features: featuresSchema,
  /** Shares of items that the features describe poorly. */
  shares: v.optional(v.array(sharesSchema), []),
  /** Files, without .parquet. The files listed here are checked. */
  files: v.optional(v.record(v.picklist(["users", "items", "pages", "vocabulary"]), fileSchema), {}),
  counts: v.optional(v.object({
    users: v.object({ train: count, validation: count, test: count }),
    items: count,
    pages: count,
    rows: count,
    clicks: count,
    /** Context events, which set the user's state and are not predicted. */
    context: count,
    /** Pages with a known propensity; absent if there are none. */
    propensities: v.optional(count),
  })),
  /** Order of the items of a page; absent if unknown. */
  pageOrder: v.optional(v.picklist(["shown", "arbitrary"])),
  /** Number of rows or items of the source that are left out, by reason. */
  skipped: v.optional(v.record(v.string(), count), {}),
  /** Inferences about the source. */
  notes: v.optional(v.array(v.string()), []),
  /** Warnings of properties that may mislead a model or a reader. */
  warnings: v.optional(v.array(v.string())),
  command: v.optional(v.array(v.string()), []),
  sources: v.optional(v.array(v.object({ path: v.string(), bytes: count })), []),
  /** The SELECT that read the sources, if there was one. */
  query: v.optional(v.string()),
  clickgan: v.optional(v.string()),
  duckdb: v.optional(v.string()),
});
export type Manifest = v.InferOutput<typeof manifestSchema>;
/** Order of the items of a page: as they were shown, or arbitrary. */
export type PageOrder = "shown" | "arbitrary";

export const MANIFEST = "manifest.json";

/** Limit of the tokens: a model has a row of numbers per token, in memory and on the device. */
const MOST_TOKENS = 100_000_000;

/** Parses a manifest. @param path for messages. @throws UserError for text that is not a manifest. */
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

/** @throws UserError for token fields that are empty, that overlap, or that exceed the limit of a model. */
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
