/** The page about policies that adapt to users whom they have never met. */

import { adaptationDifferences, type AdaptingPolicy } from "../policy/adaptation/adapt.ts";
import { toldBy } from "../figures/told.ts";
import { type Html, markup } from "./html.ts";
import { chartFigure, noScript, type PageParts, pageShell, section } from "./page_shell.ts";
import { adaptationChart } from "./policy_charts.ts";
import { differenceCell, type Facts, factsList, groupedTable } from "./policy_tables.ts";

/** @param environment whose users they are. @param size users of an interaction, and interactions of a point. */
export function adaptationPageOf(
  facts: Facts,
  environment: string,
  policies: readonly AdaptingPolicy[],
  size: { readonly users: number; readonly window: number },
  parts: PageParts,
): string {
  const charts = adaptationChart(environment, policies, size.users, size.window);
  const title = "Policies that adapt";
  const header = markup`<h1>${title}</h1>
${factsList(facts)}
${noScript}`;
  const main = section(
    "adaptation-curves",
    "Click rate by interactions",
    markup`<div class="charts">${charts.map(chartFigure)}
</div>
${differences(environment, policies)}`,
  );
  return pageShell({ title: `${title} - clickgan report`, header, main, charts }, parts);
}

function differences(environment: string, policies: readonly AdaptingPolicy[]): Html {
  const rows = adaptationDifferences(policies).map((difference) =>
    markup`<tr><th scope="row">${difference.policy} less ${difference.rival}</th>${
      differenceCell(difference, 3)
    }<td class="text">${toldBy(difference.interval)}</td></tr>`
  );
  return markup`<p>Differences in click rate over all interactions with ${environment}; ranges are of Student's t over runs,
paired by their users.</p>
${
    groupedTable("Differences of policies that adapt", ["policy less rival", "difference", "verdict"], [
      markup`<tbody>${rows}</tbody>`,
    ])
  }`;
}
