/** manifest.json: what a prepared data set is, and how it was made. */

import * as z from "../schema.ts";
import { UserError } from "../user_error.ts";

const count = z.int().check(z.minimum(0));

const fileSchema = z.object({
  rows: count,
  bytes: count,
  /** In hexadecimal. */
  sha256: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
});

const number = z.number();
const positive = number.check(z.positive());

/** How a dense feature is made of a column of the items: 1 where the column has a value, else 0. */
export interface KnownTransform {
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
export type Transform = KnownTransform | NumberTransform;

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
  /** The values in the order of their tokens, where they are few. */
  values?: string[];
  /** Of all values in this order. */
  sha256?: string;
}

/** What the features of a set mean. Whoever makes a set with another engine may leave out all but names and numbers. */
export interface Features {
  /** In the order of their places. */
  dense: DenseFeature[];
  /** Each with tokens of its own. */
  tokens: TokenFeature[];
  /** Of the items' ids in their order, where items are known by their number alone. */
  idsSha256?: string;
}

const transformSchema = z.discriminatedUnion("of", [
  z.object({ of: z.literal("known"), column: z.string() }),
  z.object({
    of: z.enum(["number", "age"]),
    column: z.string(),
    log: z.nullable(positive),
    mean: number,
    sd: positive,
    low: number,
    high: number,
  }),
]);

/** What {@link Features} must be. */
export const featuresSchema = z.object({
  dense: z.array(z.object({
    name: z.string(),
    meaning: z._default(z.string(), ""),
    transform: z.optional(transformSchema),
  })),
  tokens: z.array(z.object({
    name: z.string(),
    first: count,
    count,
    meaning: z._default(z.string(), ""),
    column: z.optional(z.nullable(z.string())),
    split: z.optional(z.boolean()),
    other: z.optional(z.enum(["trained", "mean"])),
    values: z.optional(z.array(z.string())),
    sha256: z.optional(z.string()),
  })),
  idsSha256: z.optional(z.string()),
});

/**
 * Only `format`, `version` and `features` are needed to read a data set: whoever makes one with another engine may leave
 * out the rest.
 */
export const manifestSchema = z.object({
  format: z.literal("clickgan-dataset"),
  version: z.literal(1),
  name: z._default(z.string().check(z.minLength(1)), "prepared"),
  features: featuresSchema,
  /** The files, without .parquet; what is listed is checked. */
  files: z._default(z.partialRecord(z.enum(["users", "items", "pages", "vocabulary"]), fileSchema), {}),
  counts: z.optional(z.object({
    users: z.object({ train: count, validation: count, test: count }),
    items: count,
    pages: count,
    /** Displayed items of all pages. */
    rows: count,
    clicks: count,
    /** Pages that are given as history: they start the state and are not predicted. */
    given: count,
  })),
  /** Whether the items of a page are in the order in which they were shown; left out where nobody said. */
  places: z.optional(z.enum(["shown", "arbitrary"])),
  /** What of the source is not in the data set, and how often. */
  skipped: z._default(z.record(z.string(), count), {}),
  /** How the source was understood, where that was inferred. */
  notes: z._default(z.array(z.string()), []),
  /** The exact arguments. */
  command: z._default(z.array(z.string()), []),
  sources: z._default(z.array(z.object({ path: z.string(), bytes: count })), []),
  clickgan: z.optional(z.string()),
  duckdb: z.optional(z.string()),
});
export type Manifest = z.infer<typeof manifestSchema>;
/** Whether the items of a page are in the order in which they were shown. */
export type Places = "shown" | "arbitrary";

export const MANIFEST = "manifest.json";

/** A model has a row of numbers for each token, in memory and on the device. */
export const MOST_TOKENS = 100_000_000;

/** A manifest from its text. @param path for messages. @throws UserError for what is none. */
export function parseManifest(path: string, text: string): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new UserError(`${path} is not valid JSON. Prepare the data again.`);
  }
  const parsed = manifestSchema.safeParse(json);
  if (parsed.success) {
    expectTokens(path, parsed.data);
    return parsed.data;
  }
  throw new UserError(`${path} is not a manifest of a prepared data set: ${z.prettifyError(parsed.error)}`);
}

/** @throws UserError for fields of tokens that share numbers, or that reach beyond what a model can have. */
function expectTokens(path: string, { features: { tokens } }: Manifest): void {
  const fields = tokens.filter(({ count }) => count > 0).sort((a, b) => a.first - b.first);
  for (const [k, { name, first, count }] of fields.entries()) {
    const next = fields[k + 1];
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
          `expected at most ${MOST_TOKENS.toLocaleString("en")} in all: ` +
          "a model has a row of numbers for each. Number them from 0 on, and leave out rare ones.",
      );
    }
  }
}
