/** The page about policies that adapt to users whom they have never met. */

import { adaptationDifferences, type AdaptingPolicy } from "../policy/adaptation/adaptation.ts";
import { type Html, markup } from "./html.ts";
import { chartFigure, noScript, type PageParts, pageShell, section } from "./page_shell.ts";
import { adaptationChart } from "./policy_charts.ts";

/** @param environment whose users they are. @param size users of an interaction, and interactions of a point. */
export function adaptationPageOf(
  facts: readonly (readonly [string, string])[],
  environment: string,
  policies: readonly AdaptingPolicy[],
  size: { readonly users: number; readonly window: number },
  parts: PageParts,
): string {
  const charts = adaptationChart(environment, policies, size.users, size.window);
  const title = "Policies that adapt";
  const header = markup`<h1>${title}</h1>
<dl class="facts">${facts.map(([name, value]) => markup`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
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
  const rows = adaptationDifferences(policies).map(({ policy, rival, mean, interval }) => {
    const word = !interval || (interval[0] <= 0 && interval[1] >= 0)
      ? "not told apart"
      : mean > 0
      ? "better"
      : "worse";
    const range = interval
      ? markup`<br><small>${interval[0].toFixed(3)} to ${interval[1].toFixed(3)}</small>`
      : "";
    return markup`<tr><th scope="row">${policy} less ${rival}</th><td>${mean > 0 ? "+" : ""}${
      mean.toFixed(3)
    }${range}</td><td class="text">${word}</td></tr>`;
  });
  return markup`<p>Differences in click rate over all interactions with ${environment}; ranges are of Student's t over runs,
paired by their users.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Differences of policies that adapt">
<table class="figures"><thead><tr><th scope="col">policy less rival</th><th scope="col">difference</th>
<th scope="col" class="text">verdict</th></tr></thead><tbody>${rows}</tbody></table></div>`;
}
