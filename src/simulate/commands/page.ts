/** The page of charts that `simulate` leaves beside its figures. */

import { atomicWriteFile } from "../../run/files/atomic_write.ts";
import type { OpenedPolicy } from "../../policy/trained_policy.ts";
import { readPageParts } from "../../report/page_shell.ts";
import { simulationPageOf } from "../../report/simulation_page.ts";
import type { PoolArgument, SimulateOptions } from "./options.ts";
import type { Told } from "./results.ts";
import type { PolicyRun } from "./policies.ts";
import type { Simulated } from "./found_users.ts";
import { thousands } from "../../thousands.ts";

interface Contents {
  readonly options: SimulateOptions;
  readonly opened: OpenedPolicy | undefined;
  readonly simulated: Simulated;
  readonly told: Told;
  readonly runs: readonly PolicyRun[];
}

export async function writeSimulationPage(
  path: string,
  { options, opened, simulated: { gpu }, told, runs }: Contents,
): Promise<void> {
  const { users, pages, slate, start, repeats, pool, leave, patience, reward, seed, policy } = options;
  const usual: readonly (readonly [string, string, boolean])[] = [
    ["start", `all clicks of a ${start} user`, start === "empty"],
    ["clicked items", "are shown again", !repeats],
    ["pool", poolWords(pool), pool === "all"],
    ["leave", `with probability ${leave} after a page without a click`, leave === 0],
    ["patience", `${patience} pages without a click`, patience === undefined],
    ["reward", "utility of the clicked item", reward === "click"],
  ];
  const page = simulationPageOf({
    ...{ pages, reward, clickRates: told.noClickRate === undefined, policies: runs },
    leaves: leave > 0 || patience !== undefined,
    facts: [
      ["who clicks", told.words],
      ["policy", opened?.path ?? policy],
      ["users", thousands(users)],
      ["pages", `${thousands(pages)} of ${slate} of ${thousands(told.items)} items`],
      ...usual.flatMap(([name, value, isUsual]) => isUsual ? [] : [[name, value] as const]),
      ["seed", String(seed)],
      ["adapter", gpu.adapter.description],
    ],
    notes: [...(told.noClickRate === undefined ? [] : [told.noClickRate]), ...told.notes],
  }, await readPageParts());
  await atomicWriteFile(path, page);
}

function poolWords(pool: PoolArgument): string {
  if (pool === "all") return "all items";
  return "random" in pool ? `some ${pool.random} items, drawn for each page` : pool.file;
}
