/** Measures position bias from the table that data/describe_positions.sql creates. */

import type { Manifest } from "../manifest.ts";
import type { SqlEngine } from "./sql_engine.ts";

/** Numbers of clicks at a position: observed, and expected if the position has no effect on clicks. */
export interface PositionStatistics {
  /** Position on the page, from 1. */
  readonly position: number;
  readonly shown: number;
  readonly clicks: number;
  /** Number of clicks expected at this position if clicks depend on the items alone. */
  readonly expected: number;
  /** clicks / expected: 1 means no effect of the position. */
  readonly ratio: number;
  /** Half width of the 95 % interval of `ratio`. */
  readonly error: number;
}

export interface PositionEffect {
  /** "unknown": the order of the items on a page was not logged. "unclear": there are too few clicks. */
  readonly verdict: "effect" | "small" | "none" | "unclear" | "unknown";
  readonly text: string;
  readonly positions: readonly PositionStatistics[];
}

/** The verdict ignores positions with fewer than `LEAST_CLICKS` expected clicks or `LEAST_USERS` users. */
const LEAST_CLICKS = 10;
const LEAST_USERS = 30;
/** A ratio is significant if it is this many standard errors from 1 (p = 0.001; for ten ratios p = 0.01). */
const MOST_DEVIATIONS = 3.29;
/** Limit of |ratio - 1| below which a position effect is called small. */
const SMALL = 0.05;
/** Largest half width of a 95 % interval for the verdict "none". A wider interval could hide an effect. */
const WIDE = 0.25;

export async function measurePositionEffect(
  engine: SqlEngine,
  order: Manifest["pageOrder"],
): Promise<PositionEffect> {
  const rows = await engine.rows("FROM position_effect");
  const positions = rows.map((row) => {
    const [clicks, expected, sd] = [row.clicks, row.expected, row.sd].map(Number);
    return {
      position: Number(row.position),
      shown: Number(row.shown),
      clicks: clicks ?? NaN,
      expected: expected ?? NaN,
      ratio: (clicks ?? NaN) / (expected ?? NaN),
      error: row.sd === null || Number(row.users) < LEAST_USERS
        ? NaN
        : 1.96 * (sd ?? NaN) / (expected ?? NaN),
    };
  });
  return summarizePositionEffect(positions, order);
}

/** Summarises the position effect in words. @param order: order of a page's items. */
export function summarizePositionEffect(
  positions: readonly PositionStatistics[],
  order: Manifest["pageOrder"],
): PositionEffect {
  if (order === "arbitrary") {
    return {
      verdict: "unknown",
      text: "Position bias cannot be measured: the order of the items on a page is arbitrary. " +
        "If the log has a column with positions, prepare the log with --position.",
      positions: [],
    };
  }
  const sure = positions.filter(({ expected, error }) => expected >= LEAST_CLICKS && error > 0);
  const deviations = ({ ratio, error }: PositionStatistics) => 1.96 * Math.abs(ratio - 1) / error;
  const [most] = sure.toSorted((a, b) => deviations(b) - deviations(a));
  if (!most || sure.length < 2) {
    const text =
      "Position bias cannot be measured: too few clicks on items that were shown at several positions.";
    return { verdict: "unclear", text, positions };
  }
  if (deviations(most) < MOST_DEVIATIONS) return { ...nothingFound(sure), positions };
  const found = sure.filter((one) => deviations(one) >= MOST_DEVIATIONS);
  const largest = found.reduce((a, b) => Math.abs(b.ratio - 1) > Math.abs(a.ratio - 1) ? b : a);
  const small = Math.abs(largest.ratio - 1) < SMALL;
  const how = `at position ${largest.position} items are clicked ${times(largest)} ` +
    "as often as at all positions";
  return {
    verdict: small ? "small" : "effect",
    text: small
      ? `Small position bias: ${how}.`
      : `Position bias: ${how}. Either people look at some positions first, or the pages were sorted ` +
        "by something other than item popularity. deno task train learns this bias (off: --position-bias 0).",
    positions,
  };
}

function nothingFound(sure: readonly PositionStatistics[]): Omit<PositionEffect, "positions"> {
  const error = Math.max(...sure.map(({ error }) => error));
  const within = `${(100 * error).toFixed(0)} %`;
  return error > WIDE
    ? {
      verdict: "unclear",
      text: `No position bias found, but there are few clicks: an effect of up to ${within} is possible.`,
    }
    : {
      verdict: "none",
      text: `No position bias: items are clicked equally often at all positions, within ${within}.`,
    };
}

function times({ ratio, error }: PositionStatistics): string {
  const [low, high] = [Math.max(0, ratio - error), ratio + error];
  return `${ratio.toFixed(2)} times (95 %: ${low.toFixed(2)} to ${high.toFixed(2)})`;
}
