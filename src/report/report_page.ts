/** Builds the report on runs as one HTML file. */

import type { ChartDefinition } from "./chart_definition.ts";
import { buildCharts } from "./charts.ts";
import { collect } from "./collect.ts";
import {
  buildReliabilityCharts,
  getLossScale,
  renderByTest,
  renderComparisonTable,
  renderMetricDetails,
  renderMetricsTable,
} from "./metrics_table.ts";
import { renderSegments } from "./segments.ts";
import { renderItemGains, renderTastes } from "./item_user_tables.ts";
import { type Html, markOptions, markup } from "./html.ts";
import { noScript, renderCharts, renderNote, renderSection, writePage } from "./page_shell.ts";
import type { PageContent } from "./page_shell.ts";
import type { ReportData, ReportModel, ReportRun, Settings, StageResult } from "./report_data.ts";
import { MISSING, renderClaims, renderFacts, renderTable, type ReportRow } from "./report_tables.ts";
import { type DataSizes, describeDataSizes } from "../data/log_source.ts";
import { type ContextColumn, describeTimeSplit } from "../data/manifest.ts";
import { formatDuration, formatThousands } from "../number_text.ts";
import { quotePath } from "../shell_word.ts";
import type { BaselineVerdict, ComparedMetric, Significance } from "../metrics/baseline_verdict.ts";
import {
  classifyAgainstBaselines,
  compareWithBaselines,
  describeUsers,
  formatSigned,
  formatSignedRange,
  isEqualToBest,
} from "../metrics/baseline_verdict.ts";
import {
  computeMeanAndSd,
  getMetric,
  haveSameTestUsers,
  listLossParts,
  listRankingParts,
  listSnapshotNames,
  listSnapshotTests,
  type ReportPart,
  splitVerdict,
} from "./report_parts.ts";
import { baselineTitles } from "../metrics/baselines/baseline_names.ts";

/**
 * Writes an HTML page about runs. The page needs no network, and replaces an existing page.
 * @param folders - folders of runs (finished or not), of `train --seeds`, or of experiments
 * @throws UserError if a folder is damaged or has no run, or if the page cannot be written
 */
export async function writeReport(folders: readonly string[], out: string): Promise<void> {
  const data = await collect(folders);
  await writePage(out, buildReportPage(data, buildCharts(data)));
}

export function buildReportPage(data: ReportData, charts: readonly ChartDefinition[]): PageContent {
  const { models, claims, title } = data;
  const segments = renderSegments(models);
  const items = renderByTest(models, renderItemGains);
  const tastes = renderByTest(models, renderTastes);
  const main = markup`${claims.length > 0 && renderSection("claims", "Claims", renderClaims(claims))}
${renderSection("charts", "Charts", renderAllCharts(charts))}
${renderSection("test-metrics", "Test metrics", renderTestMetrics(models))}
${segments && renderSection("segments", "Segments", segments)}
${items && renderSection("items", "Items", items)}
${tastes && renderSection("tastes", "Taste by category", tastes)}
${
    renderSection(
      "configuration",
      "Configuration",
      renderSettings(models, ({ settings }) => settings, "configuration"),
    )
  }
${renderSection("machine", "Machine", renderSettings(models, ({ machine }) => machine, "machine"))}`;
  return { kind: "report", title: `${title} - clickgan report`, header: renderHeader(data), main };
}

function renderTestMetrics(models: readonly ReportModel[]): Html {
  const table = renderMetricsTable(models);
  if (!table) return markup`<p>No run is finished yet.</p>`;
  return markup`${table}${models.length === 1 && renderComparisonTable(models)}
${renderCharts(buildReliabilityCharts(models))}
${renderMetricDetails(models)}`;
}

function renderAllCharts(charts: readonly ChartDefinition[]): Html {
  return markup`${noScript}
${renderCharts(charts.filter(({ config }) => config.type === "bar"), "charts bars")}
${renderCharts(charts.filter(({ config }) => config.type === "line"))}`;
}

/** Renders settings that all models share, then those that differ. @param what - kind, such as "machine" */
function renderSettings(
  models: readonly ReportModel[],
  settings: (model: ReportModel) => Settings,
  what: string,
): Html {
  const keys = [...new Set(models.flatMap((model) => [...settings(model).keys()]))];
  const values = (key: string) => models.map((model) => settings(model).get(key) ?? MISSING);
  const isShared = (key: string) => new Set(values(key)).size === 1;
  const toRow = (key: string): ReportRow => [key, ...values(key).map(markOptions)];
  const shared = keys.filter(isShared).map(toRow)
    .map(([key, value]) => markup`<tr><th scope="row">${key}</th><td>${value}</td></tr>\n`);
  const different = keys.filter((key) => !isShared(key)).map(toRow);
  const head = ["setting", ...models.map(({ name }) => name)];
  return markup`${
    shared.length > 0 &&
    markup`<details><summary>${shared.length} settings</summary><table class="settings">${shared}</table></details>`
  }${
    different.length > 0 && markup`<p>Differences:</p>
${renderTable(`Differences between the models: ${what}`, head, [["", different]], "differences")}`
  }`;
}

function renderHeader(data: ReportData): Html {
  const { title, models, notes } = data;
  const [only] = models;
  return markup`<h1>${title}</h1>
${only && models.length === 1 ? renderModel(only) : renderModels(models)}
${listWarnings(models).map(renderNote)}
${
    models.flatMap((model) => {
      const several = models.length > 1;
      return listProgressNotes(model).map((text) => renderNote(several ? `${model.name}: ${text}` : text));
    })
  }
${notes.map(renderNote)}`;
}

function renderModel(model: ReportModel): Html {
  return markup`${renderOutcome(model)}
${renderFacts(listFacts(model), getTimeClass)}`;
}

/** Renders conclusions about a model: its highest prec@1, a comparison with the best baseline, and advice. */
function renderOutcome(model: ReportModel): Html {
  const [best] = judgeParts(model).toSorted((a, b) => b.value - a.value);
  if (!best) return markup``;
  const results = model.runs.flatMap(({ stages }) => stages[best.stage]?.result ?? []);
  const { data, shown = [] } = results[0] ?? {};
  const source = data ? `From ${formatThousands(data.users[0])} users, the` : "The";
  const simple = [baselineTitles.random, baselineTitles.clickRate].flatMap((title) => {
    const prec1 = shown.find(({ name }) => name === title)?.details.metrics.prec1;
    return typeof prec1 === "number" ? [`${title} ${formatShare(prec1)}`] : [];
  });
  const others = simple.length > 0 ? ` (${simple.join(", ")})` : "";
  const hasPositions = results.some(({ test }) => test.some(({ positionEffects }) => positionEffects));
  const positions = hasPositions ? ". The ranks include the effect of an item's position on the page" : "";
  const seeds = results.length > 1 ? `, mean of ${results.length} seeds` : "";
  return markup`<p class="outcome">${source} model learned which item of a page a user clicks: ${
    best.name === "" ? "it" : `it (${best.name})`
  } ranks the clicked item first on ${
    formatShare(best.value)
  } of the test pages with a click${others}${seeds}${positions}.</p>
<p class="outcome">${renderVerdictSign(best)} ${describeAgainstSimple(best)}</p>
${
    judgeLosses(model).filter(({ stage, comparisons }) => stage === best.stage && !isEqualToBest(comparisons))
      .map((loss) =>
        markup`<p class="outcome">${renderVerdictSign(loss)} ${describeLossAgainstSimple(loss)}</p>`
      )
  }
<ul class="actions">${listActions(model, best).map((text) => markup`<li>${markOptions(text)}</li>`)}</ul>`;
}

/** Renders prec@1 and verdict of the best model; nothing if the models were tested on different users. */
function renderBestModel(models: readonly ReportModel[]): Html {
  const judged = models.flatMap((model) => judgeParts(model).map((part) => ({ ...part, model: model.name })));
  const [best] = judged.toSorted((a, b) => b.value - a.value);
  const count = new Set(judged.map(({ model }) => model)).size;
  if (!best || count < 2 || !haveSameTestUsers(models)) return markup``;
  const name = best.name === "" ? best.model : `${best.model} (${best.name})`;
  return markup`<p class="outcome">Of ${count} models, ${name} ranks the clicked item first most often: on ${
    formatShare(best.value)
  } of the test pages with a click. ${describeAgainstSimple(best)}</p>`;
}

function formatShare(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** Describes the difference in prec@1 from the best baseline, in percentage points. */
function describeAgainstSimple({ comparisons, value: prec1, users }: PartVerdict): string {
  const [best] = comparisons;
  if (!best) return "";
  const { name, value: difference, interval } = best;
  if (isEqualToBest(comparisons)) return `The model ranks exactly like the best simple method (${name}).`;
  const reached = `the best simple method (${name}) reaches ${formatShare(prec1 - difference)}`;
  const points = `the difference is ${formatSigned(100 * difference, 1)} percentage points`;
  if (!interval) {
    return `There are too few test users for an interval: ${reached}; ${points}.`;
  }
  const [low, high] = [100 * interval[0], 100 * interval[1]];
  // The verdict depends on an end near 0, so such an end has more digits.
  const ends = formatSignedRange([low, high], Math.min(Math.abs(low), Math.abs(high)) < 0.05 ? 3 : 1);
  const measured = [`95 % interval ${ends}`, ...(users === undefined ? [] : [users])].join(", ");
  return `This ${
    AGAINST_SIMPLE[classifyAgainstBaselines(comparisons)]
  }: ${reached}, ${points} (${measured}).`;
}

/** Describes the difference in loss from the best baseline in one sentence. */
function describeLossAgainstSimple({ comparisons, value: loss }: PartVerdict): string {
  const [best] = comparisons;
  if (!best?.interval) return "";
  return `The model's loss (${loss.toFixed(4)}; lower means better probabilities) ${
    AGAINST_SIMPLE[classifyAgainstBaselines(comparisons)]
  }: ` +
    `the difference from the best simple method (${best.name}) is ${formatSigned(best.value, 3)} ` +
    `(95 % interval ${formatSignedRange(best.interval, 3)}).`;
}

/** Lists recommendations: whether to use the model, and the advice that `train` printed about the stage. */
function listActions(model: ReportModel, { stage, comparisons }: PartVerdict): string[] {
  const [run] = model.runs;
  // The page words the comparisons itself, so only the advice is listed.
  const { advice } = splitVerdict((model.runs.length === 1 && run?.stages[stage]?.result) || { verdict: [] });
  if (classifyAgainstBaselines(comparisons) === "better") {
    const folder = run?.folder ?? model.folder;
    return [
      `Use the model: deno task -q serve --model ${quotePath(folder)}`,
      ...advice,
    ];
  }
  const [best] = comparisons;
  return advice.length > 0 ? advice : [`Until the model ranks better, rank items by ${best?.name}.`];
}

/** Renders facts (data, duration, ...) about models: a list of equal facts, a table of different facts. */
function renderModels(models: readonly ReportModel[]): Html {
  const facts = models.map(listFacts);
  const names = (facts[0] ?? []).map(([name]) => name);
  const values = (k: number) => facts.map((own) => own[k]?.[1] ?? "");
  const isShared = (k: number) => new Set(values(k)).size === 1 && getTimeClass(names[k] ?? "") !== "time";
  const shared = names.flatMap((name, k) => isShared(k) ? [[name, values(k)[0] ?? ""] as const] : []);
  const own = names.flatMap((name, k) => isShared(k) ? [] : [{ name, k }]);
  const rows = models.map((model, row) =>
    markup`
<tr><th scope="row">${model.name}</th><td class="verdicts">${
      [...judgeParts(model), ...judgeLosses(model)].map(({ name, value, ...verdict }) => {
        const [best] = verdict.comparisons;
        const title = verdict.metric === "nll" ? "loss" : "prec@1";
        return markup`<div>${renderVerdictSign(verdict)} ${name !== "" && markup`<b>${name}</b>: `}${title} ${
          value.toFixed(4)
        } against ${best ? `${(value - best.value).toFixed(4)} (${best.name})` : MISSING}</div>`;
      })
    }</td>${
      own.map(({ name, k }) => markup`<td class="${getTimeClass(name)}">${values(k)[row] ?? ""}</td>`)
    }</tr>`
  );
  const head = ["model", "verdict", ...own.map(({ name }) => name)];
  return markup`${renderBestModel(models)}${renderComparisonTable(models)}
${renderFacts(shared, getTimeClass)}
<div class="scroll" tabindex="0" role="region" aria-label="The models">
<table class="models"><thead><tr>${head.map((name) => markup`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${rows}</tbody></table></div>
<p>Each model is compared with the baselines on its own data. ${SIGNS.better}: better than every baseline; ${
    SIGNS[NONE]
  }: no significant difference from the best baseline; ${SIGNS.worse}: worse than a baseline.</p>`;
}

const NONE: Significance = "no significant difference";
const SIGNS = { better: "\u2713", [NONE]: "=", worse: "\u2717" } as const;
const AGAINST_SIMPLE = {
  better: "is better than every simple method",
  [NONE]: "is not significantly different from the best simple method",
  worse: "is worse than a simple method",
} as const;
const CLASSES = { better: "better", [NONE]: "alike", worse: "worse" } as const;

function renderVerdictSign({ comparisons }: BaselineVerdict): Html {
  const is = classifyAgainstBaselines(comparisons);
  return markup`<span class="${CLASSES[is]}">${SIGNS[is]}</span>`;
}

/** Returns the CSS class of a fact in a list: "time" for dates and durations, otherwise the fact's name. */
function getTimeClass(name: string): string {
  return ["finished", "duration"].includes(name) ? "time" : name;
}

function listFacts(model: ReportModel): [name: string, value: string][] {
  const { runs, missingSeeds, data, folder } = model;
  const results = runs.flatMap(({ stages }) => Object.values(stages).map(({ result }) => result));
  const finished = missingSeeds.length === 0 && results.every((result) => result !== undefined);
  const known = results.flatMap((result) => result ?? []);
  const sizes = known.find((result) => result.data)?.data;
  return [
    ["data", data],
    ["sizes", sizes ? describeSizes(sizes) : MISSING],
    ["item features", sizes?.features ? sizes.features.join(", ") || "none" : MISSING],
    ["context", sizes ? sizes.context?.map(describeContext).join(", ") || "none" : MISSING],
    ["finished", finished ? formatDate(known) : "not yet"],
    ["duration", formatRunDuration(known, runs.length)],
    [runs.length > 1 ? "seeds" : "seed", runs.map(({ seed }) => seed).join(", ")],
    ["folder", folder],
  ];
}

/** Lists the warnings about all data sets, without duplicates. */
function listWarnings(models: readonly ReportModel[]): string[] {
  const all = models.flatMap(({ data, runs }) =>
    runs.flatMap(({ stages }) =>
      Object.values(stages).flatMap(({ result }) =>
        (result?.data?.warnings ?? []).map((text) => `Warning about ${data}: ${text}`)
      )
    )
  );
  return [...new Set(all)];
}

function describeSizes(sizes: DataSizes): string {
  const { users: [, validation, test], hashed, timeSplit } = sizes;
  const tokens = hashed === undefined ? "" : ` (ids hashed to 2 x ${formatThousands(hashed)} tokens)`;
  const dates = timeSplit ? `. ${describeTimeSplit(timeSplit, { validation, test })}` : "";
  const all = timeSplit ? `${formatThousands(timeSplit.users)} users, some of them in several parts: ` : "";
  return all + describeDataSizes(sizes) + tokens + dates;
}

function describeContext({ kind, column, type }: ContextColumn): string {
  return `${column} (${type} of each ${kind})`;
}

function formatDate(results: readonly StageResult[]): string {
  const last = results.flatMap(({ finished }) => finished ?? []).sort().at(-1);
  return last === undefined ? MISSING : `${last.slice(0, 10)} ${last.slice(11, 16)} UTC`;
}

function formatRunDuration(results: readonly StageResult[], runs: number): string {
  const times = results.flatMap(({ sessionSeconds }) => sessionSeconds ?? []);
  if (times.length === 0) return MISSING;
  const total = formatDuration(times.reduce((sum, seconds) => sum + seconds, 0));
  const session = results.some(({ resumed }) => resumed) ? " (last session only)" : "";
  return runs > 1 ? `${total} for ${runs} runs${session}` : `${total}${session}`;
}

/** Returns a line per unfinished run, for example "seed 2 unfinished: iteration 120 of 2,000". */
export function listProgressNotes(model: ReportModel): string[] {
  const several = model.runs.length + model.missingSeeds.length > 1;
  const who = (seed: number) => several ? `seed ${seed} ` : "";
  return [
    ...model.runs.flatMap((run) => listUnfinished(run).map((text) => who(run.seed) + text)),
    ...model.missingSeeds.map((seed) => `seed ${seed} not started`),
  ];
}

function listUnfinished({ stages }: ReportRun): string[] {
  return (["shannon", "adversarial"] as const).flatMap((name) => {
    const stage = stages[name];
    if (!stage || stage.result) return [];
    const of = stage.planned === undefined ? "" : ` of ${formatThousands(stage.planned)}`;
    const which = name === "adversarial" ? "adversarial stage " : "";
    return [`${which}unfinished: iteration ${formatThousands(stage.iteration)}${of}`];
  });
}

/** Comparison of a part of a model (stage, generator or reward) with the baselines, by one metric. */
interface PartVerdict extends BaselineVerdict {
  /** Name of the part; "" if the model has only one part. */
  readonly name: string;
  readonly value: number;
  readonly stage: ReportPart["stage"];
}

/** Compares the prec@1 of each part of a model (stage, generator or reward) with the baselines. */
function judgeParts(model: ReportModel): PartVerdict[] {
  return listRankingParts([model]).flatMap((part) => {
    const snapshots = listSnapshotNames(part);
    const subject = snapshots.find((name) => name === part.judged) ?? snapshots.at(-1) ?? "";
    return judgePart(part, subject, part.ranking === "generator" ? "piPrec1" : "prec1") ?? [];
  });
}

/** Compares the losses of stages with the baselines' losses, but only for models with `--loss choice`. */
function judgeLosses(model: ReportModel): PartVerdict[] {
  return listLossParts([model]).filter((part) => getLossScale(part) === "choice").flatMap((part) => {
    const found = judgePart(part, "best-loss", "nll");
    return found?.comparisons.every(({ interval }) => interval) ? [found] : [];
  });
}

function judgePart(part: ReportPart, subject: string, metric: ComparedMetric): PartVerdict | undefined {
  const tests = listSnapshotTests(part, subject);
  const value = computeMeanAndSd(tests.map((test) => getMetric(test, metric)))?.mean;
  const comparisons = compareWithBaselines(tests.map(({ against }) => against), metric);
  if (value === undefined || comparisons.length === 0) return undefined;
  const name = part.name.slice(part.model.name.length + 2);
  const users = describeUsers(tests[0]?.users);
  return { subject, metric, comparisons, users, name, value, stage: part.stage };
}
