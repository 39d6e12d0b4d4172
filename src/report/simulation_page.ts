/** The page about simulated users: what came of each policy, how it went page by page, and how far the policies differ. */

import { differenceOf } from "../policy/comparison/difference.ts";
import { toldBy } from "../figures/told.ts";
import type { ChartDefinition } from "./chart_types.ts";
import { type Html, markup } from "./html.ts";
import { chartFigure, noScript, note, type PageParts, pageShell, section } from "./page_shell.ts";
import {
  hasReturns,
  pageLines,
  returnBars,
  returnUnit,
  type SimulatedPolicy,
  type SimulationScope,
  userLines,
} from "./simulation_charts.ts";
import {
  differenceCell,
  type Facts,
  factsList,
  figureCell,
  groupedTable,
  shareText,
} from "./policy_tables.ts";

/** What a page about simulated users is of. */
export interface Simulation extends SimulationScope {
  /** E.g. who clicks. */
  readonly facts: Facts;
  /** What a reader must know before they believe a figure. */
  readonly notes: readonly string[];
  /** The one that was asked for, and those beside it. */
  readonly policies: readonly SimulatedPolicy[];
}

/** The page as HTML. */
export function simulationPageOf(simulation: Simulation, parts: PageParts): string {
  const { facts, notes, policies } = simulation;
  const bars = returnBars(simulation, policies);
  const lines = pageLines(simulation, policies);
  const users = userLines(simulation, policies);
  const drawn = (charts: readonly ChartDefinition[]) =>
    markup`<div class="charts">${charts.map(chartFigure)}
</div>`;
  const title = "Simulated users";
  const header = markup`<h1>${title}</h1>
${factsList(facts)}
${notes.map(note)}${noScript}`;
  const main = markup`${
    section(
      "figures",
      "Figures",
      markup`${usersTable(simulation)}
<div class="charts bars">${bars.map(chartFigure)}
</div>`,
    )
  }
${lines.length > 0 ? section("by-page", "By page", drawn(lines)) : ""}
${
    users.length > 0
      ? section("by-user", "By user", markup`${differencesTable(simulation)}${drawn(users)}`)
      : ""
  }`;
  const charts = [...bars, ...lines, ...users];
  return pageShell({ title: `${title} - clickgan report`, header, main, charts }, parts);
}

function usersTable(simulation: Simulation): Html {
  const { clickRates, leaves, reward, policies } = simulation;
  const returns = hasReturns(simulation);
  const utility = reward === "utility";
  const head = [
    "policy",
    ...(returns ? [returnUnit(simulation)] : []),
    ...(utility ? ["reward a page"] : []),
    ...(clickRates ? ["click rate"] : []),
    ...(leaves ? ["pages a user"] : []),
    "coverage",
    ...(utility ? ["clicks below 0"] : []),
  ];
  const rows = policies.map(({ name, figures }) =>
    markup`<tr><th scope="row">${name}</th>${returns ? figureCell(figures.return, 2) : ""}${
      utility ? figureCell(figures.rewardAPage, 3) : ""
    }${clickRates ? figureCell(figures.clickRate, 3) : ""}${leaves ? figureCell(figures.pages, 2) : ""}<td>${
      shareText(figures.coverage)
    }</td>${utility ? markup`<td>${shareText(figures.negativeClicks)}</td>` : ""}</tr>`
  );
  return markup`<p>Ranges are those of 95 % of the resamples of the users. Coverage is the share of the catalogue that was
shown to anybody.</p>
${groupedTable("Figures of simulated users", head, [markup`<tbody>${rows}</tbody>`])}`;
}

/** The policy that was asked for less each of the others: all have the same users, who draw the same random numbers. */
function differencesTable(simulation: Simulation): Html {
  const [first, ...rivals] = simulation.policies;
  if (!first) return markup``;
  if (rivals.length === 0) return markup`<p>Nothing stands beside ${first.name}.</p>`;
  const rows = rivals.map((rival) => {
    const difference = differenceOf([first.returns], [rival.returns]);
    return markup`<tr><th scope="row">${first.name} less ${rival.name}</th>${
      differenceCell(difference, 2)
    }<td>${shareText(difference.lose)}</td><td>${shareText(difference.gain)}</td><td class="text">${
      toldBy(difference.interval)
    }</td></tr>`;
  });
  return markup`<p>Differences in ${
    returnUnit(simulation)
  }, user by user: all policies have the same users and the same
random numbers.</p>
${
    groupedTable("Differences of policies", ["policy less rival", "difference", "lose", "gain", "verdict"], [
      markup`<tbody>${rows}</tbody>`,
    ])
  }`;
}
