/** manifest.json: what a prepared data set is, and how it was made. */

import * as v from "../schema.ts";
import { UserError } from "../user_error.ts";
import { formatThousands } from "../number_text.ts";

const count = v.whole(0);

const fileSchema = v.object({
  rows: count,
  bytes: count,
  /** In hexadecimal. */
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
});

const number = v.finiteNumber();
const positive = v.pipe(number, v.gtValue(0));

/** How a dense feature is made of a column of the items: 1 where the column has a value, else 0. */
export interface PresenceTransform {
  /** What it is of. */
  of: "known";
  /** Name of the column. */
  column: string;
}

/** How a dense feature is made of a column of the items: (t(x) - mean) / sd; 0 where there is no value. */
export interface NumberTransform {
  /** x is the column's number, or the item's age in days at the end of the log. */
  of: "number" | "age";
  /** Name of the column. */
  column: string;
  /** t(x) = sign(x) ln(1 + |x| / log); null for t(x) = x. */
  log: number | null;
  /** Of t(x). */
  mean: number;
  /** Of t(x). */
  sd: number;
  /** What x is at least brought to. */
  low: number;
  /** What x is at most brought to. */
  high: number;
}

/** How a dense feature is made of a column of the items. */
export type Transform = PresenceTransform | NumberTransform;

/** What a place of `dense` means. */
export interface DenseFeature {
  /** Of the feature. */
  name: string;
  /** In words. */
  meaning: string;
  /** Where that is known. */
  transform?: Transform;
}

/** What some tokens mean: those from `first` to `first + count`. */
export interface TokenFeature {
  /** Of the feature. */
  name: string;
  /** The first of its tokens. */
  first: number;
  /** How many it has. */
  count: number;
  /** In words. */
  meaning: string;
  /** The column that the values are of; null for the ids of the items. */
  column?: string | null;
  /** Whether a text of the column is several values, separated by |. */
  split?: boolean;
  /**
   * Whether the last token is that of all other values. It is trained where train users were shown some of them; else a
   * snapshot has the mean of the field's rows there, and no item of the set has it.
   */
  other?: "trained" | "mean";
  /** N of ids that are hashed: each item has one of the first N tokens and one of the last N. */
  hashed?: number;
  /** The values in the order of their tokens, where they are few. */
  values?: string[];
  /** Of all values in this order. */
  sha256?: string;
}

/** What the features of a set mean. Whoever makes a set with another engine may leave out all but names and numbers. */
export interface FeatureManifest {
  /** In the order of their places. */
  dense: DenseFeature[];
  /** Each with tokens of its own. */
  tokens: TokenFeature[];
  /** Of the items' ids in their order, where items are known by their number alone. */
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

/** What {@link FeatureManifest} must be. */
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

/** Of a column, null for the items themselves, of which shares: of the items, without a value; of the values, the others. */
const sharesSchema = v.object({
  column: v.nullable(v.string()),
  absent: share,
  /** Numbers beyond the scale. */
  clipped: share,
  /** Texts without a token of their own. */
  unknown: share,
});
/** Shares of a column of the items. */
export type ColumnShares = v.InferOutput<typeof sharesSchema>;

/**
 * Only `format`, `version` and `features` are needed to read a data set: whoever makes one with another engine may leave
 * out the rest.
 */
export const manifestSchema = v.object({
  format: v.literal("clickgan-dataset"),
  version: v.literal(1),
  name: v.optional(v.pipe(v.string(), v.minLength(1)), "prepared"),
  features: featuresSchema,
  /** How far the items are those that the features were made by. */
  shares: v.optional(v.array(sharesSchema), []),
  /** The files, without .parquet; what is listed is checked. */
  files: v.optional(v.record(v.picklist(["users", "items", "pages", "vocabulary"]), fileSchema), {}),
  counts: v.optional(v.object({
    users: v.object({ train: count, validation: count, test: count }),
    items: count,
    pages: count,
    /** Displayed items of all pages. */
    rows: count,
    clicks: count,
    /** Pages that are given as history: they start the state and are not predicted. */
    given: count,
    /** Pages whose propensity is known; left out where there are none. */
    propensities: v.optional(count),
  })),
  /** Whether the items of a page are in the order in which they were shown; left out where nobody said. */
  places: v.optional(v.picklist(["shown", "arbitrary"])),
  /** What of the source is not in the data set, and how often. */
  skipped: v.optional(v.record(v.string(), count), {}),
  /** How the source was understood, where that was inferred. */
  notes: v.optional(v.array(v.string()), []),
  /** What a model or a reader may be fooled by. */
  warnings: v.optional(v.array(v.string())),
  /** The exact arguments. */
  command: v.optional(v.array(v.string()), []),
  sources: v.optional(v.array(v.object({ path: v.string(), bytes: count })), []),
  /** The SELECT that read them, where there was one. */
  query: v.optional(v.string()),
  clickgan: v.optional(v.string()),
  duckdb: v.optional(v.string()),
});
export type Manifest = v.InferOutput<typeof manifestSchema>;
/** Whether the items of a page are in the order in which they were shown. */
export type PagePositions = "shown" | "arbitrary";

export const MANIFEST = "manifest.json";

/** A model has a row of numbers for each token, in memory and on the device. */
const MOST_TOKENS = 100_000_000;

/** A manifest from its text. @param path for messages. @throws UserError for what is none. */
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

/** @throws UserError for fields of tokens that have none, that share numbers, or that reach beyond what a model can have. */
function expectTokens(path: string, { features: { tokens } }: Manifest): void {
  const fields = tokens.toSorted((a, b) => a.first - b.first);
  for (const [k, { name, first, count }] of fields.entries()) {
    const next = fields[k + 1];
    if (count === 0) {
      throw new UserError(
        `${path}: expected "${name}" to have tokens, found a count of 0. Leave the field out.`,
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
