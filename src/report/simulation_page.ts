/** The page about simulated users: what came of each policy, how it went page by page, and how far the policies differ. */

import { differenceOf } from "../policy/comparison/difference.ts";
import type { MeanFigure } from "../policy/comparison/episodes.ts";
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

/** Stands where there is no figure. */
const MISSING = "\u2013";

/** What a page about simulated users is of. */
export interface Simulation extends SimulationScope {
  /** Names and values, e.g. who clicks. */
  readonly facts: readonly (readonly [string, string])[];
  /** What a reader must know before they believe a figure. */
  readonly notes: readonly string[];
  /** The one that was asked for, and those beside it. */
  readonly policies: readonly SimulatedPolicy[];
}

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
<dl class="facts">${facts.map(([name, value]) => markup`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
${notes.map(note)}${noScript}`;
  const main = markup`${
    section(
      "figures",
      "Figures",
      markup`${figuresTable(simulation)}
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

function tableOf(label: string, head: readonly string[], rows: readonly Html[]): Html {
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="${label}">
<table class="figures"><thead><tr>${
    head.map((name) =>
      name === "verdict"
        ? markup`<th scope="col" class="text">${name}</th>`
        : markup`<th scope="col">${name}</th>`
    )
  }</tr></thead><tbody>${rows}</tbody></table></div>`;
}

function figuresTable(simulation: Simulation): Html {
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
    markup`<tr><th scope="row">${name}</th>${returns ? cell(figures.return, 2) : ""}${
      utility ? cell(figures.rewardAPage, 3) : ""
    }${clickRates ? cell(figures.clickRate, 3) : ""}${leaves ? cell(figures.pages, 2) : ""}<td>${
      share(figures.coverage)
    }</td>${utility ? markup`<td>${share(figures.negativeClicks)}</td>` : ""}</tr>`
  );
  return markup`<p>Ranges are those of 95 % of the resamples of the users. Coverage is the share of the catalogue that was
shown to anybody.</p>
${tableOf("Figures of simulated users", head, rows)}`;
}

/** The policy that was asked for less each of the others: all have the same users, who draw the same random numbers. */
function differencesTable(simulation: Simulation): Html {
  const [first, ...rivals] = simulation.policies;
  if (!first) return markup``;
  if (rivals.length === 0) return markup`<p>Nothing stands beside ${first.name}.</p>`;
  const rows = rivals.map((rival) => {
    const { mean, interval, lose, gain } = differenceOf([first.returns], [rival.returns]);
    const word = !interval || (interval[0] <= 0 && interval[1] >= 0)
      ? "not told apart"
      : mean > 0
      ? "better"
      : "worse";
    return markup`<tr><th scope="row">${first.name} less ${rival.name}</th>${
      cell({ mean, interval }, 2, mean > 0 ? "+" : "")
    }<td>${share(lose)}</td><td>${share(gain)}</td><td class="text">${word}</td></tr>`;
  });
  return markup`<p>Differences in ${
    returnUnit(simulation)
  }, user by user: all policies have the same users and the same
random numbers.</p>
${tableOf("Differences of policies", ["policy less rival", "difference", "lose", "gain", "verdict"], rows)}`;
}

function cell({ mean, interval }: MeanFigure, digits: number, sign = ""): Html {
  if (Number.isNaN(mean)) return markup`<td>${MISSING}</td>`;
  const range = interval
    ? markup`<br><small>${interval[0].toFixed(digits)} to ${interval[1].toFixed(digits)}</small>`
    : "";
  return markup`<td>${sign}${mean.toFixed(digits)}${range}</td>`;
}

function share(value: number): string {
  if (Number.isNaN(value)) return MISSING;
  const percent = 100 * value;
  return `${percent.toFixed(percent > 0 && percent < 10 ? 1 : 0)} %`;
}
