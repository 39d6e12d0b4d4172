/** Times as logs write them: what kind they are of, and when that is. The same as data/log.sql reads. */

/** Numbers are times by their size: seconds reach 10^11 in the year 5138, and so on. */
const NUMBERS = [
  { kind: "seconds since 1970", below: 1e11, perMs: 1e-3 },
  { kind: "milliseconds since 1970", below: 1e14, perMs: 1 },
  { kind: "microseconds since 1970", below: 1e17, perMs: 1e3 },
  { kind: "nanoseconds since 1970", below: 9e18, perMs: 1e6 },
] as const;
const ISO = "dates and times (ISO 8601; UTC where they have no time zone)";

/** In words. */
export type TimeKind = (typeof NUMBERS)[number]["kind"] | typeof ISO;

export interface LogTime {
  readonly kind: TimeKind;
  /** Whole milliseconds since 1970. */
  readonly ms: number;
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
  const { kind, perMs } = found;
  // Whole numbers of more digits than a double has are cut, not rounded.
  if (perMs > 1 && /^-?\d+$/.test(text)) return { kind, ms: Number(BigInt(text) / BigInt(perMs)) };
  // To the microsecond, as a time in seconds is seldom what its digits say.
  const micro = perMs > 1e3 ? value / 1e3 : Math.round(value * 1e3 / perMs);
  return { kind, ms: Math.trunc(micro / 1e3) };
}

/** Hours from the zone to UTC at most. */
const FARTHEST_ZONE = 18;

function isoTime(text: string): LogTime | undefined {
  const match = DATE.exec(text);
  if (!match) return undefined;
  const part = (k: number) => Number(match[k] ?? 0);
  const [year, month, day, hour, minute, second] = [part(1), part(2), part(3), part(4), part(5), part(6)];
  const [zone, zoneMinutes] = [match[8] ?? "+00", part(9)];
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  if (Math.abs(Number(zone)) * 60 + zoneMinutes > FARTHEST_ZONE * 60) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  const ms = Number((match[7] ?? "").padEnd(3, "0").slice(0, 3));
  const offset = (zone.startsWith("-") ? -1 : 1) * (Math.abs(Number(zone)) * 60 + zoneMinutes);
  const minutes = hour * 60 + minute - offset;
  return { kind: ISO, ms: date.getTime() + minutes * 60_000 + second * 1000 + ms };
}
