/** Encodes a request's context (values that describe the page and its items) as context features. */

import { UserError } from "../user_error.ts";
import type { ContextFeature, NumberTransform } from "./manifest.ts";

/** Value of each context column, by name. The value of a missing or null column is unknown. */
export type ContextRecord = Readonly<Record<string, string | number | boolean | null>>;

/** Key of {@link RequestContext.impressions} whose values hold for all items. */
export const ALL_ITEMS = "*";

/** Context of a page in a request, or of all simulated pages. */
export interface RequestContext {
  /** Values of the page's columns. */
  readonly page?: ContextRecord | undefined;
  /** For the id of each displayed item, or `ALL_ITEMS`, the values of the impression columns. */
  readonly impressions?: Readonly<Record<string, ContextRecord>> | undefined;
  /** Time when the page is shown, in a format of time columns; default: now. Ages refer to this time. */
  readonly time?: string | number | undefined;
}

/** Names of columns without a value, and of columns with a category for which the data set has no feature. */
export interface ContextGaps {
  readonly missing: readonly string[];
  readonly unknown: readonly string[];
}

/** Encodes context features for the rows of a request, as data/context_features.sql does for a log. */
export class EncodedContext {
  readonly #missing = new Set<string>();
  readonly #unknown = new Set<string>();
  readonly #ofPage: readonly number[];
  readonly #now: number;
  /** Features of a displayed item without values of its own. */
  #bare: Float32Array<ArrayBuffer> | undefined;

  /**
   * @param features - context features of the data set.
   * @throws UserError for an unknown column, and for a value in a number or time column that cannot be read.
   */
  constructor(
    private readonly features: readonly ContextFeature[],
    private readonly context: RequestContext = {},
  ) {
    const { page = {}, time } = context;
    this.#now = time === undefined ? Date.now() : readTime("context.time", time);
    this.#ofPage = this.#encodeRecord("page", page, "context.page");
  }

  /** Columns with a missing or unknown value in the rows that were encoded so far. */
  get gaps(): ContextGaps {
    return { missing: [...this.#missing], unknown: [...this.#unknown] };
  }

  /** Returns the context features of an item's row. @throws UserError as the constructor. */
  encodeRow(id: string): Float32Array<ArrayBuffer> {
    const { [ALL_ITEMS]: all, [id]: own } = this.context.impressions ?? {};
    const encode = (record: ContextRecord, key: string) =>
      Float32Array.from([
        ...this.#encodeRecord("impression", record, `context.impressions.${JSON.stringify(key)}`),
        ...this.#ofPage,
      ]);
    return own ? encode({ ...all, ...own }, id) : this.#bare ??= encode(all ?? {}, ALL_ITEMS);
  }

  /** Returns the context features [ids, X] of a page's rows. @throws UserError as the constructor. */
  encodeRows(ids: readonly string[]): Float32Array<ArrayBuffer> {
    const values = new Float32Array(ids.length * this.features.length);
    ids.forEach((id, k) => values.set(this.encodeRow(id), k * this.features.length));
    return values;
  }

  #encodeRecord(kind: ContextFeature["kind"], record: ContextRecord, where: string): number[] {
    const own = this.features.filter((feature) => feature.kind === kind).map(({ transform }) => transform);
    const columns = [...new Set(own.map(({ column }) => column))];
    const other = Object.keys(record).find((name) => !columns.includes(name));
    if (other !== undefined) {
      const known = columns.length > 0 ? `one of ${columns.join(", ")}` : "there are none";
      throw new UserError(`${where}.${other}: Expected a column among the ${kind} features: ${known}.`);
    }
    for (const column of columns) {
      const value = readText(record[column]);
      const values = own.flatMap((transform) =>
        transform.of === "value" && transform.column === column ? [transform.value] : []
      );
      if (value === undefined) this.#missing.add(column);
      else if (values.length > 0 && !values.includes(value)) this.#unknown.add(column);
    }
    return own.map((transform) => {
      const { column } = transform;
      if (transform.of === "value") return readText(record[column]) === transform.value ? 1 : 0;
      const isTime = own.some((one) => one.of === "age" && one.column === column);
      const x = readNumber(record[column], isTime, this.#now, `${where}.${column}`);
      if (transform.of === "known") return x === undefined ? 0 : 1;
      return x === undefined ? 0 : standardise(x, transform);
    });
  }
}

function standardise(x: number, { log, mean, sd, low, high }: NumberTransform): number {
  const clipped = Math.max(Math.min(x, high), low);
  return ((log === null ? clipped : Math.sign(clipped) * Math.log(1 + Math.abs(clipped) / log)) - mean) / sd;
}

function readText(value: ContextRecord[string] | undefined): string | undefined {
  const text = String(value ?? "").trim();
  return text === "" ? undefined : text;
}

/** Returns a number, or the age of a time in days; undefined for a missing value. @throws UserError. */
function readNumber(
  value: ContextRecord[string] | undefined,
  isTime: boolean,
  now: number,
  where: string,
): number | undefined {
  const text = readText(value);
  if (text === undefined) return undefined;
  if (isTime) return (now - readTime(where, text)) / 86_400_000;
  const number = typeof value === "boolean" ? NaN : Number(text);
  if (Number.isFinite(number)) return number;
  throw new UserError(`${where}: Expected a number, got ${JSON.stringify(value)}.`);
}

/** Converts seconds or ms since 1970, or an ISO 8601 date, to ms. @throws UserError for any other text. */
function readTime(where: string, value: string | number): number {
  const number = Number(value);
  if (Number.isFinite(number) && String(value).trim() !== "") {
    return Math.abs(number) < 1e11 ? 1000 * number : number;
  }
  const [, day = "", clock = "00:00", zone = "Z"] =
    /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)(?: ?(Z|UTC|[+-]\d\d(?::?\d\d)?))?)?$/.exec(
      String(value).trim(),
    ) ?? [];
  const offset = zone.length === 3 && zone !== "UTC" ? `${zone}:00` : zone.replace("UTC", "Z");
  const time = Date.parse(`${day}T${clock.replace(",", ".")}${offset}`);
  if (!Number.isNaN(time)) return time;
  throw new UserError(
    `${where}: Expected a time (ISO 8601, or a number since 1970), got ${JSON.stringify(value)}.`,
  );
}
