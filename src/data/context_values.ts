/** Converts the context of a request (values that describe the page and its items) to context features. */

import { UserError } from "../user_error.ts";
import type { ContextFeature, NumberTransform } from "./manifest.ts";

/** Values of context columns, by column name. If a column is missing or null, its value is unknown. */
export type ContextRecord = Readonly<Record<string, string | number | boolean | null>>;

/** Key in {@link RequestContext.impressions} for values that apply to all items of the page. */
export const ALL_ITEMS = "*";

/** Context of the page in a request. */
export interface RequestContext {
  /** Values of the columns that describe the page. */
  readonly page?: ContextRecord | undefined;
  /** Values of the columns that describe displayed items. The keys are item ids or {@link ALL_ITEMS}. */
  readonly impressions?: Readonly<Record<string, ContextRecord>> | undefined;
  /** Time for which ages are computed: seconds or ms since 1970, or ISO 8601; default: now. */
  readonly time?: string | number | undefined;
}

/** Columns without a value in a request (`missing`), or with a category that the data lack (`unknown`). */
export interface ContextGaps {
  readonly missing: readonly string[];
  readonly unknown: readonly string[];
}

/** Converts a request's context to features, as data/context_features.sql does for the pages of a log. */
export class EncodedContext {
  readonly #missing = new Set<string>();
  readonly #unknown = new Set<string>();
  readonly #ofPage: readonly number[];
  readonly #now: number;
  /** Cached features of an item for which the request has no values. */
  #bare: Float32Array<ArrayBuffer> | undefined;

  /**
   * @param features - context features of the data set. @throws UserError for an unknown column, or for an
   * invalid number or time.
   */
  constructor(
    private readonly features: readonly ContextFeature[],
    private readonly context: RequestContext = {},
  ) {
    const { page = {}, time } = context;
    this.#now = time === undefined ? Date.now() : readTime("context.time", time);
    this.#ofPage = this.#encodeRecord("page", page, "context.page");
  }

  /** Columns that had a missing or unknown value in any row encoded so far. */
  get gaps(): ContextGaps {
    return { missing: [...this.#missing], unknown: [...this.#unknown] };
  }

  /** Returns context features [X] of a displayed item. @throws UserError for an invalid column or value. */
  encodeRow(id: string): Float32Array<ArrayBuffer> {
    const { [ALL_ITEMS]: all, [id]: own } = this.context.impressions ?? {};
    const encode = (record: ContextRecord, key: string) =>
      Float32Array.from([
        ...this.#encodeRecord("impression", record, `context.impressions.${JSON.stringify(key)}`),
        ...this.#ofPage,
      ]);
    return own ? encode({ ...all, ...own }, id) : this.#bare ??= encode(all ?? {}, ALL_ITEMS);
  }

  /** Returns context features [ids, X] of several items. @throws UserError for an invalid column or value. */
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

/** Parses a number or, if `isTime`, a time; for a time, returns the days from this time to `now`. */
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

/** Converts a time (seconds or ms since 1970, or ISO 8601) to ms since 1970. @throws UserError if invalid. */
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
    `${where}: Expected a time (ISO 8601, or seconds or ms since 1970), got ${JSON.stringify(value)}.`,
  );
}
