/** The page about policies that adapt to users whom they have never met. */

import { adaptationCurve, adaptationDifferences, type AdaptingPolicy } from "../policy/adaptation/adapt.ts";
import { toldBy } from "../figures/told.ts";
import type { LineChart } from "./chart_types.ts";
import { curveChart, seriesThrough } from "./curve.ts";
import { type Html, markup } from "./html.ts";
import { chartsHtml, type PageContent, pageHeader, section } from "./page_shell.ts";
import { bandsNote } from "./policy_charts.ts";
import { difference, type Facts, type Row, tableOf } from "./tables.ts";

/** @param environment whose users they are. @param size users of an interaction, and interactions of a point. */
export function adaptationPageOf(
  facts: Facts,
  environment: string,
  policies: readonly AdaptingPolicy[],
  size: { readonly users: number; readonly window: number },
): PageContent {
  const title = "Policies that adapt";
  const charts = chartsHtml(adaptationChart(environment, policies, size.users, size.window));
  const content = markup`${charts}
${differences(environment, policies)}`;
  return {
    title: `${title} - clickgan report`,
    header: pageHeader(title, facts),
    main: section("adaptation-curves", "Click rate by interactions", content),
  };
}

/** Click rate against interactions with users that nobody has met. @param window interactions of a point. */
export function adaptationChart(
  environment: string,
  policies: readonly AdaptingPolicy[],
  users: number,
  window: number,
): LineChart[] {
  const note =
    `An interaction is one page of each of ${users} users; a point is the click rate of ${window} of them.`;
  const series = policies.map((policy, colour) =>
    seriesThrough(
      { model: policy.name, colour, part: "click rate" },
      adaptationCurve(policy, window).map(({ interactions, ...point }) => ({ x: interactions, ...point })),
    )
  );
  return curveChart({
    id: "adaptation",
    title: `Click rate while a policy adapts, in ${environment}`,
    note: bandsNote(note, series, "runs"),
    xTitle: "interactions",
    yTitle: "click rate",
  }, series);
}

function differences(environment: string, policies: readonly AdaptingPolicy[]): Html {
  const rows = adaptationDifferences(policies).map(({ policy, rival, mean, interval }): Row => [
    `${policy} less ${rival}`,
    difference(mean, 3, interval),
    toldBy(interval),
  ]);
  const head = ["policy less rival", "difference", "verdict"];
  return markup`<p>Differences in click rate over all interactions with ${environment}; ranges are of Student's t over runs,
paired by their users.</p>
${tableOf("Differences of policies that adapt", head, [["", rows]])}`;
}
