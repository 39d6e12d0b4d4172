/** What policies bring that learned from as many pages, whoever trained them: that time is not bought with what is learned. */

import { CannotError } from "../peers/peer.ts";
import type { Runner } from "./runners.ts";

/** What one policy brings. */
export interface LearnedReturn {
  readonly name: string;
  /** Pages of all users that it learned from. */
  readonly pages: number;
  /** Mean clicks of a new user over all pages. */
  readonly clicks: number;
}

/** All learn from `pages` pages in the whole, and show what they learned to new users. @param lost is told of who cannot. */
export async function measureReturns(
  runners: readonly Runner[],
  pages: number,
  lost: (name: string, why: string) => void,
  say: (text: string) => void,
): Promise<LearnedReturn[]> {
  const returns: LearnedReturn[] = [];
  for (const { name, play, learned } of runners) {
    if (!learned) continue;
    try {
      while (learned.pages() < pages) {
        say(`${name} has learned from ${learned.pages()} of ${pages} pages`);
        await play(Math.min(STRETCH, pages - learned.pages()));
      }
      returns.push({ name, pages: learned.pages(), clicks: await learned.clicks() });
    } catch (error) {
      if (!(error instanceof CannotError)) throw error;
      lost(name, error.message);
    }
  }
  return returns;
}
/** Pages between two words on the progress. */
const STRETCH = 100;
