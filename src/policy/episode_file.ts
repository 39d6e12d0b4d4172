/** Episodes in a file: a row for each page that a simulated user saw, by the ids of the data set. */

import type { Ids } from "../data/ids.ts";
import { type RowColumn, type RowFormat, type RowsWritten, writeRows } from "../run/files/row_file.ts";
import type { EpisodeLog } from "../simulate/episode_log.ts";

/** A page that a user saw. */
interface PageRow {
  readonly user: number;
  /** The logged user whose clicks they started with; null for nobody's. */
  readonly startedAs: string | null;
  readonly page: number;
  /** k ids. */
  readonly slate: readonly string[];
  /** The slot that was clicked, from 0; null for none. */
  readonly slot: number | null;
  readonly reward: number;
  readonly clickChance: number;
}

/** Columns of k slots. @param starts whether users start as somebody. */
function columnsOf(slate: number, starts: boolean): RowColumn<PageRow>[] {
  return [
    { name: "user", type: "INT32", of: ({ user }) => user },
    ...(starts
      ? [{
        name: "started_as",
        type: "STRING",
        nullable: true,
        of: ({ startedAs }) => startedAs,
      }] satisfies RowColumn<PageRow>[]
      : []),
    { name: "page", type: "INT32", of: ({ page }) => page },
    ...Array.from({ length: slate }, (_, j): RowColumn<PageRow> => ({
      name: `item_${j + 1}`,
      type: "STRING",
      of: (row) => row.slate[j] ?? "",
    })),
    {
      name: "clicked",
      type: "STRING",
      nullable: true,
      of: (row) => row.slot === null ? null : row.slate[row.slot] ?? null,
    },
    { name: "place", type: "INT32", nullable: true, of: ({ slot }) => slot },
    { name: "reward", type: "FLOAT", of: ({ reward }) => reward },
    { name: "click_chance", type: "FLOAT", of: ({ clickChance }) => clickChance },
  ];
}

export interface EpisodeFileOptions {
  readonly slate: number;
  readonly items: Ids;
  /** Whom a user started as; without it all start with nothing. */
  readonly startedAs?: (user: number) => string | null;
}

/** Where the episodes of a folder stand. */
export function episodeFile(folder: string, format: RowFormat): string {
  return `${folder}/episodes.${format}`;
}

/** By user, then by page. @throws UserError when the file cannot be written. */
export function writeEpisodes(
  path: string,
  options: EpisodeFileOptions,
  logs: AsyncIterable<EpisodeLog>,
): Promise<RowsWritten> {
  async function* rows(): AsyncGenerator<PageRow[]> {
    for await (const log of logs) {
      for (let u = 0; u < log.users; u++) yield rowsOf(log, u, options);
    }
  }
  return writeRows(path, "episodes", columnsOf(options.slate, options.startedAs !== undefined), rows());
}

function rowsOf(log: EpisodeLog, u: number, { items, startedAs }: EpisodeFileOptions): PageRow[] {
  const { users, pages, slate: k, slates, choices, rewards, probabilities, present, firstUser } = log;
  const user = firstUser + u;
  const rows: PageRow[] = [];
  for (let page = 0; page < pages; page++) {
    const at = page * users + u;
    if (!present[at]) break; // who has left stays away
    const slot = choices[at] ?? k;
    rows.push({
      user,
      startedAs: startedAs?.(user) ?? null,
      page,
      slate: Array.from(slates.subarray(at * k, (at + 1) * k), (item) => items.of(item)),
      slot: slot < k ? slot : null,
      reward: rewards[at] ?? NaN,
      clickChance: probabilities[at] ?? NaN,
    });
  }
  return rows;
}
