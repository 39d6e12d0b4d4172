/** The page about a comparison of policies: verdicts, tables and charts, each figure with its environment's name. */

import type { ChartDefinition } from "./chart_types.ts";
import { MISSING, rangeText } from "./figures_table.ts";
import { type Html, markup } from "./html.ts";
import { chartFigure, noScript, note, type PageParts, pageShell, section } from "./page_shell.ts";
import {
  calibrationCharts,
  consistencyCharts,
  environmentWords,
  pageCharts,
  returnCharts,
  userCharts,
} from "./policy_charts.ts";
import {
  differenceCell,
  type Facts,
  factsList,
  figureCell,
  groupedTable,
  shareText,
} from "./policy_tables.ts";
import { bySlates, type Cell, type Comparison, differencesOf, type Environment, overTrainings, policiesOf, type SlatesGroup, taskNames, trainingsOf, unitOf } from "../policy/comparison/comparison.ts";
import type { PolicyDifference } from "../policy/comparison/difference.ts";
import type { EpisodeFigures, MeanFigure } from "../policy/comparison/figures.ts";
import { toldBy } from "../figures/told.ts";
import { HOLDS, verdictsOn } from "../policy/comparison/verdict.ts";
import { meanAndSd } from "../data/mean_sd.ts";

const missing = markup`<td>${MISSING}</td>`;
const SIGNS = { yes: "\u2713", no: "\u2717", undecided: "?" } as const;

/** What stands at the head of the page. */
export interface PolicyPageHead {
  readonly title: string;
  readonly facts: Facts;
  /** What a reader must know before they believe a figure. */
  readonly notes: readonly string[];
}

/** @param comparisons of different tasks. */
export function policyPageOf(
  head: PolicyPageHead,
  comparisons: readonly Comparison[],
  parts: PageParts,
): string {
  const charts: ChartDefinition[] = [];
  const once = uniqueIds();
  const drawn = (found: readonly ChartDefinition[]) => {
    const own = found.map((chart) => ({ ...chart, id: once(chart.id) }));
    charts.push(...own);
    return markup`${own.map(chartFigure)}`;
  };
  const names = taskNames(comparisons);
  const sections = comparisons.map((comparison, k) => taskSections(comparison, names[k] ?? "", once, drawn));
  const header = markup`<h1>${head.title}</h1>
${factsList(head.facts)}
${head.notes.map(note)}${noScript}`;
  const groups = bySlates(comparisons);
  const beside = groups
    ? section("slates", "Slates of several sizes", slatesTable(comparisons, groups))
    : markup``;
  return pageShell(
    { title: `${head.title} - clickgan report`, header, main: markup`${beside}${sections}`, charts },
    parts,
  );
}

/**
 * What is said of one task. @param task its name, "" for the only one.
 * @param once makes an id the only one on the page. @param drawn puts charts on the page.
 */
function taskSections(
  comparison: Comparison,
  task: string,
  once: (id: string) => string,
  drawn: (charts: readonly ChartDefinition[]) => Html,
): Html {
  const several = task === "" ? "" : ` of ${task}`;
  const id = (name: string) => once(`${name}-${comparison.slate}`);
  return markup`${section(id("verdict"), `Verdict${several}`, verdicts(comparison))}
${
    section(
      id("figures"),
      `Figures${several}`,
      markup`${policiesTable(comparison)}
<div class="charts bars">${drawn(returnCharts(comparison))}
</div>`,
    )
  }
${
    section(
      id("differences"),
      `Differences${several}`,
      markup`${differencesTable(comparison)}
<div class="charts">${drawn(userCharts(comparison))}
</div>`,
    )
  }
${
    section(
      id("pages"),
      `By page${several}`,
      markup`<div class="charts">${drawn(pageCharts(comparison))}
</div>`,
    )
  }
${
    section(
      id("trust"),
      `What to believe${several}`,
      markup`${trustTable(comparison)}
<div class="charts">${drawn([...calibrationCharts(comparison), ...consistencyCharts(comparison)])}
</div>`,
    )
  }`;
}

/** Ids that stand once on a page: the second "pages-3" is "pages-3-2". */
function uniqueIds(): (id: string) => string {
  const given = new Set<string>();
  return (id) => {
    let own = id;
    for (let k = 2; given.has(own); k++) own = `${id}-${k}`;
    given.add(own);
    return own;
  };
}

function verdicts(comparison: Comparison): Html {
  const found = verdictsOn(comparison);
  if (found.length === 0) return markup`<p>No policy here has learned anything.</p>`;
  const items = found.map(({ claim, holds, text }) =>
    markup`<li><b>${claim}</b> <span class="verdict">${SIGNS[holds]} ${HOLDS[holds]}</span><br>${text}</li>`
  );
  return markup`<ul class="claims">${items}</ul>`;
}

function group(environment: Environment, columns: number, rows: readonly Html[]): Html {
  return markup`<tbody><tr><th colspan="${columns}" scope="rowgroup">${
    environmentWords(environment)
  }</th></tr>${rows}</tbody>`;
}

/** The published table, for each environment: reward and click rate of each size of a slate. */
function slatesTable(comparisons: readonly Comparison[], groups: readonly SlatesGroup[]): Html {
  const kinds = comparisons.flatMap(({ slate }) => [
    `reward a page, k = ${slate}`,
    `click rate, k = ${slate}`,
  ]);
  const body = groups.map(({ environment, rows }) =>
    group(
      environment,
      1 + kinds.length,
      rows.map(({ policy, cells }) =>
        markup`<tr><th scope="row">${policy}</th>${
          cells.map((own) =>
            own.length === 0
              ? markup`${missing}${missing}`
              : markup`${estimateCell(own, (figures) => figures.rewardAPage, 3)}${
                estimateCell(own, (figures) => figures.clickRate, 3)
              }`
          )
        }</tr>`
      ),
    )
  );
  return markup`<p>k is the size of a slate. Means over trainings \u00b1 one standard deviation, or where there is one, the
range of 95 % of the resamples of users.</p>
${groupedTable("Policies by the size of the slate", ["policy", ...kinds], body)}`;
}

/** The figures of a size, for each environment. */
function policiesTable(comparison: Comparison): Html {
  const head = ["policy", `${unitOf(comparison)} a user`, "reward a page", "click rate", "coverage"];
  const groups = comparison.environments.map((environment) => {
    const rows = policiesOf(comparison).flatMap(({ name }) => {
      const cells = trainingsOf(comparison, name, environment.name);
      if (cells.length === 0) return [];
      const trainings = cells.length > 1 ? ` (${cells.length} trainings)` : "";
      return [
        markup`<tr><th scope="row">${name}${trainings}</th>${
          estimateCell(cells, (figures) => figures.return, 2)
        }${estimateCell(cells, (figures) => figures.rewardAPage, 3)}${
          estimateCell(cells, (figures) => figures.clickRate, 3)
        }<td>${shareText(overTrainings(cells, (figures) => figures.coverage).mean)}</td></tr>`,
      ];
    });
    return group(environment, head.length, rows);
  });
  return markup`<p>Means over trainings \u00b1 one standard deviation, or where there is one, the range of 95 % of the
resamples of users. Coverage is the share of the catalogue that was shown at all.</p>
${groupedTable("Figures of policies", head, groups)}`;
}

function estimateCell(
  cells: readonly Cell[],
  of: (figures: EpisodeFigures) => MeanFigure,
  digits: number,
): Html {
  const { mean, sd } = overTrainings(cells, (figures) => of(figures).mean);
  if (sd !== null) return markup`<td>${mean.toFixed(digits)} \u00b1 ${sd.toFixed(digits)}</td>`;
  return figureCell({ mean, interval: cells[0] ? of(cells[0].figures).interval : null }, digits);
}

function differencesTable(comparison: Comparison): Html {
  const head = ["policy less rival", "difference", "wider interval over", "lose", "gain", "verdict"];
  const all = differencesOf(comparison);
  const groups = comparison.environments.map((environment) => {
    const rows = all.filter((one) => one.environment === environment.name).map((
      { policy, rival, difference },
    ) => differenceRow(`${policy} less ${rival}`, difference));
    return group(environment, head.length, rows);
  });
  return markup`<p>In ${
    unitOf(comparison)
  } a user, on the same users with the same random numbers. Of the interval over users and the
one over trainings the wider one is printed. Users lose whose return, as a mean over trainings, is lower.</p>
${groupedTable("Differences of policies", head, groups)}`;
}

function differenceRow(name: string, difference: PolicyDifference): Html {
  const { wider, trainings, lose, gain } = difference;
  const over = wider === "users" ? "users" : wider ? `${trainings} trainings` : MISSING;
  return markup`<tr><th scope="row">${name}</th>${differenceCell(difference, 2)}<td>${over}</td><td>${
    shareText(lose)
  }</td><td>${shareText(gain)}</td><td class="text">${toldBy(difference.interval)}</td></tr>`;
}

/** Calibration and support. */
function trustTable(comparison: Comparison): Html {
  const head = [
    "policy",
    "clicks predicted",
    "clicks made",
    "predicted less made",
    "states beyond the log",
    "items hardly logged",
  ];
  const groups = comparison.environments.flatMap((environment) => {
    const rows = policiesOf(comparison).flatMap(({ name }) => {
      const cells = trainingsOf(comparison, name, environment.name);
      const calibrations = cells.flatMap(({ calibration }) => calibration ?? []);
      const supports = cells.flatMap(({ support }) => support ?? []);
      if (calibrations.length + supports.length === 0) return [];
      const mean = <T>(of: readonly T[], value: (one: T) => number, show: (value: number) => string) =>
        of.length === 0 ? MISSING : show(meanAndSd(of.map(value)).mean);
      const two = (value: number) => value.toFixed(2);
      const [only] = calibrations;
      const range = calibrations.length === 1 && only?.gap.interval ? rangeText(only.gap.interval, 2) : "";
      return [
        markup`<tr><th scope="row">${name}</th><td>${
          mean(calibrations, (one) => one.predicted, two)
        }</td><td>${mean(calibrations, (one) => one.realised, two)}</td><td>${
          mean(calibrations, (one) => one.gap.mean, two)
        }${range}</td><td>${mean(supports, (one) => one.statesBeyond, shareText)}</td><td>${
          mean(supports, (one) => one.rareSlots, shareText)
        }</td></tr>`,
      ];
    });
    return rows.length === 0 ? [] : [group(environment, head.length, rows)];
  });
  if (groups.length === 0) return markup``;
  return markup`<p>Clicks a user on the pages that the policy showed: those that the model predicts which it learned on, and
those that were made. A state is beyond the log where it is farther out than 99 % of the logged ones (Mahalanobis), an item
hardly logged with fewer than 20 displays: there the model has guessed. A second model is made of the same kind of log, and
often guesses alike: it may not reveal a policy that exploits the first.</p>
${groupedTable("What to believe", head, groups)}`;
}
