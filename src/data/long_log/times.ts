/** Times as logs write them: what kind they are of, and when that is. The same as data/log.sql reads. */

/** Numbers are times by their size: seconds reach 10^11 in the year 5138, and so on. */
const NUMBERS = [
  { kind: "seconds since 1970", below: 1e11, inMicro: 1e6, perMs: 1 },
  { kind: "milliseconds since 1970", below: 1e14, inMicro: 1e3, perMs: 1 },
  { kind: "microseconds since 1970", below: 1e17, inMicro: 1, perMs: 1e3 },
  { kind: "nanoseconds since 1970", below: 9e18, inMicro: 1, perMs: 1e6 },
] as const;
const ISO = "dates and times (ISO 8601; UTC where they have no time zone)";

/** Numbers are only counted since 1970 where most are within these, in ms: others are years, or count from somewhere else. */
export const LOG_TIMES = { from: Date.UTC(1990), to: Date.UTC(2100) } as const;

/** In words. */
export type TimeKind = (typeof NUMBERS)[number]["kind"] | typeof ISO;

export interface LogTime {
  readonly kind: TimeKind;
  /** Whole milliseconds since 1970. */
  readonly ms: number;
  /** What they leave out, in microseconds; of nanoseconds in these. */
  readonly below: number;
}

/** All digits of a time, as a page has them that has no other name. */
export function digitsOf({ ms, below }: LogTime): string {
  return below === 0 ? String(ms) : `${ms}.${String(below).padStart(6, "0")}`;
}

const NUMBER = /^-?\d+(\.\d*)?([eE][+-]?\d+)?$/;
const DATE =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?: ?Z| UTC| ?([+-]\d\d)(?::?([0-5]\d))?)?)?$/;

/** Undefined for a text that is no time. */
export function timeOf(text: string): LogTime | undefined {
  return NUMBER.test(text) ? numberTime(text) : isoTime(text);
}

function numberTime(text: string): LogTime | undefined {
  const value = Number(text);
  const found = NUMBERS.find(({ below }) => Math.abs(value) < below);
  if (!found) return undefined;
  const { kind, inMicro, perMs } = found;
  // Whole numbers of more digits than a double has are cut, not rounded.
  if (perMs > 1 && /^-?\d+$/.test(text)) {
    const [digits, per] = [BigInt(text), BigInt(perMs)];
    return { kind, ms: Number(digits / per), below: Number(digits % per) };
  }
  // To the microsecond, as a time in seconds is seldom what its digits say.
  const whole = Math.sign(value) * Math.round(Math.abs(value) * inMicro);
  const per = Math.max(perMs, 1e3);
  return { kind, ms: Math.trunc(whole / per), below: whole % per };
}

/** Hours from the zone to UTC at most. */
const FARTHEST_ZONE = 18;

/** A text that is a date, which is not told of 03/04/1995. A regular expression of the engine as well. */
export const DATE_LIKE = String.raw`(\d{1,2}[./-]\d{1,2}[./-]\d{4}|\d{4}[./]\d{1,2}[./]\d{1,2})([T ].*)?`;

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/** 1995-01-01 of 01-Jan-1995 or 1 Jan 1995; others as they are. */
function withNumber(text: string): string {
  const [, day = "", month = "", year = ""] = /^(\d\d?)[- ]([A-Za-z]{3})[- ](\d{4})$/.exec(text) ?? [];
  const number = MONTHS.indexOf(month.toLowerCase()) + 1;
  return number > 0 ? `${year}-${String(number).padStart(2, "0")}-${day.padStart(2, "0")}` : text;
}

/** Undefined for a text that is not ISO 8601, nor a date such as 01-Jan-1995. */
export function isoTime(text: string): LogTime | undefined {
  const match = DATE.exec(withNumber(text));
  if (!match) return undefined;
  const part = (k: number) => Number(match[k] ?? 0);
  const [year, month, day, hour, minute, second] = [part(1), part(2), part(3), part(4), part(5), part(6)];
  const [zone, zoneMinutes] = [match[8] ?? "+00", part(9)];
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  if (Math.abs(Number(zone)) * 60 + zoneMinutes > FARTHEST_ZONE * 60) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  const fraction = (match[7] ?? "").padEnd(6, "0");
  const [ms, below] = [Number(fraction.slice(0, 3)), Number(fraction.slice(3, 6))];
  const offset = (zone.startsWith("-") ? -1 : 1) * (Math.abs(Number(zone)) * 60 + zoneMinutes);
  const minutes = hour * 60 + minute - offset;
  return { kind: ISO, ms: date.getTime() + minutes * 60_000 + second * 1000 + ms, below };
}
