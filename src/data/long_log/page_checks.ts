/** What the pages of a log must be, so that a model can learn from them: the same as `data log` refuses and tells. */

import { UserError } from "../../user_error.ts";
import type { LogColumns } from "./columns.ts";
import type { LongPages } from "./pages.ts";
import { LOG_TIMES, type TimeKind } from "./times.ts";
import { thousands } from "../../thousands.ts";

/** What times may be multiples of, the longest first. One alone says little: an hour or a minute needs several. */
const STEPS = [
  { name: "day", ms: 86_400_000, least: 1, refused: true, order: true },
  { name: "hour", ms: 3_600_000, least: 20, refused: true, order: false },
  { name: "minute", ms: 60_000, least: 20, refused: false, order: false },
] as const;

/** @returns what is to be told of them. @throws UserError for pages that cannot be what was displayed */
export function checkPages(
  path: string,
  { times, longer, clicks }: LongPages,
  { page, time, clicked }: LogColumns,
  kind: TimeKind | undefined,
): string[] {
  const { length: count } = times;
  const strange = times.filter((ms) => ms < LOG_TIMES.from || ms >= LOG_TIMES.to);
  if (kind?.endsWith("since 1970") && strange.length > count / 2) {
    throw new UserError(
      `${path}: expected ${time} to be times of a log. As ${kind} a number there would mean ${
        new Date(strange[0] ?? 0).toISOString()
      }. Write it as ISO 8601, or prepare the log outside of the page: deno task data log --time-format.`,
    );
  }
  if (clicks === 0) {
    throw new UserError(
      `${path}: expected clicks, found none on ${
        thousands(count)
      } pages: there is nothing to learn. Is ${clicked} what says so?`,
    );
  }
  if (longer === 0) {
    const why = page === undefined
      ? "no two rows of a user have the same time. Choose the column with the id of the page"
      : `no two rows of a user have the same ${page}. Choose the column that all rows of one page share`;
    throw new UserError(
      `${path}: each of the ${
        thousands(count)
      } pages shows one item: ${why}. Pages by pauses, clicks that stand apart and sampled ` +
        "pages are prepared outside of the page: deno task data log --help.",
    );
  }
  const step = stepOf(times);
  const notes: string[] = [];
  if (new Set(times).size === 1 && count > 1) {
    notes.push("All pages have the same time: those of a user go by their ids.");
  }
  if (step?.order) {
    notes.push(`Times are whole ${step.name}s: pages of a user in one ${step.name} go by their ids.`);
  }
  if (page === undefined && step) {
    const merge = `all rows of a user in one ${step.name} would be one page`;
    if (step.refused) {
      throw new UserError(
        `${path}: the times (${time}) are whole ${step.name}s: without the pages' ids, ${merge}. Choose the column with the ` +
          "id of the page, or a finer time.",
      );
    }
    notes.push(`Times are whole ${step.name}s, and no column has the page's id: ${merge}.`);
  }
  if (longer < count / 2) {
    notes.push(
      `${Math.round(100 * (1 - longer / count))} % of the pages show one item: they are always ranked right.`,
    );
  }
  return notes;
}

/** Also where all are the same time of the day, of the hour, of the minute. */
function stepOf(times: readonly number[]) {
  const several = new Set(times).size;
  return STEPS.find(({ ms, least }) => {
    const rest = (time: number) => ((time % ms) + ms) % ms;
    const first = rest(times[0] ?? 0);
    return times.every((time) => rest(time) === first) && several >= (first === 0 ? least : 20);
  });
}
