/** The head of a report: what came of the runs, on which data, when, and how long it took. */

import type { DataSizes } from "../data/log_source.ts";
import { thousands } from "../thousands.ts";
import { type Html, markup } from "./html.ts";
import { note } from "./page_shell.ts";
import { stagesOf } from "./parts.ts";
import { progressNotes } from "./progress_notes.ts";
import type { Model, ReportData, StageResult } from "./report_data.ts";
import { type Verdict, verdictsOn } from "./verdict.ts";

export function headerOf(data: ReportData): Html {
  const { title, models, notes } = data;
  const [only] = models;
  return markup`<h1>${title}</h1>
${only && models.length === 1 ? oneModel(only) : severalModels(models)}
${warningsOn(models).map(note)}
${
    models.flatMap((model) => {
      const several = models.length > 1;
      return progressNotes(model).map((text) => note(several ? `${model.name}: ${text}` : text));
    })
  }
${notes.map(note)}`;
}

function oneModel(model: Model): Html {
  const facts = factsOf(model).map(([name, value]) =>
    markup`<div><dt>${name}</dt><dd class="${classOf(name)}">${value}</dd></div>`
  );
  return markup`${outcomeOf(model)}
<dl class="facts">${facts}</dl>`;
}

/** What train said of the figures and what to try, or of several runs and older ones, how they stand. */
function outcomeOf(model: Model): readonly Html[] {
  const verdicts = verdictsOn(model);
  const [run] = model.runs;
  const said = run && model.runs.length === 1 ? stagesOf(model).map((stage) => ({ stage, run })) : [];
  const sentences = said.map(({ stage, run }) => ({
    stage,
    texts: run.stages[stage]?.result?.verdict ?? [],
  }));
  if (sentences.every(({ texts }) => texts.length === 0)) {
    return verdicts.map((one) => markup`<p class="outcome">${verdictHtml(one, "long")}</p>`);
  }
  const heads = sentences.flatMap(({ stage, texts: [first] }) => {
    // Of the reward and the generator, train speaks of the better one.
    const outcomes = verdicts.filter((one) => one.stage === stage).map(({ outcome }) => outcome);
    const outcome = (["better", "alike", "worse"] as const).find((one) => outcomes.includes(one));
    const sign = outcome ? markup`<span class="${outcome}">${SIGNS[outcome]}</span> ` : markup``;
    const who = sentences.length > 1 ? `${stage === "likelihood" ? "pre-training" : stage}: ` : "";
    return first === undefined ? [] : [markup`<p class="outcome">${sign}${who}${first}</p>`];
  });
  const advice = new Set(sentences.flatMap(({ texts }) => texts.slice(1)));
  return [...heads, ...[...advice].map((text) => markup`<p>${text}</p>`)];
}

/** What is the same for all stands above the table. */
function severalModels(models: readonly Model[]): Html {
  const facts = models.map(factsOf);
  const names = (facts[0] ?? []).map(([name]) => name);
  const values = (k: number) => facts.map((own) => own[k]?.[1] ?? "");
  const isShared = (k: number) => new Set(values(k)).size === 1 && classOf(names[k] ?? "") !== "time";
  const shared = names.flatMap((name, k) =>
    isShared(k)
      ? [markup`<div><dt>${name}</dt><dd class="${classOf(name)}">${values(k)[0] ?? ""}</dd></div>`]
      : []
  );
  const own = names.flatMap((name, k) => isShared(k) ? [] : [{ name, k }]);
  const rows = models.map((model, row) =>
    markup`
<tr><th scope="row">${model.name}</th><td class="verdicts">${
      verdictsOn(model).map((verdict) => markup`<div>${verdictHtml(verdict, "short")}</div>`)
    }</td>${own.map(({ name, k }) => markup`<td class="${classOf(name)}">${values(k)[row] ?? ""}</td>`)}</tr>`
  );
  const head = ["model", "verdict", ...own.map(({ name }) => name)];
  return markup`<dl class="facts">${shared}</dl>
<div class="scroll" tabindex="0" role="region" aria-label="The models">
<table class="models"><thead><tr>${head.map((name) => markup`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${rows}</tbody></table></div>
<p>${SIGNS.better} better than every baseline, ${SIGNS.alike} not told apart from the best one,
${SIGNS.worse} worse than a baseline</p>`;
}

const SIGNS: Readonly<Record<Verdict["outcome"], string>> = {
  better: "\u2713",
  alike: "=",
  worse: "\u2717",
};

function verdictHtml({ part, outcome, text, figures }: Verdict, length: "long" | "short"): Html {
  const who = part === undefined ? markup`` : markup`<b>${part}</b>: `;
  return markup`<span class="${outcome}">${SIGNS[outcome]}</span> ${who}${
    length === "long" ? text : figures
  }`;
}

/** What tells the time is marked, for those who compare pages. */
function classOf(name: string): string {
  return ["finished", "duration"].includes(name) ? "time" : name;
}

/** Stands where a run of an older version does not say it. */
const UNKNOWN = "\u2013";

function factsOf(model: Model): [name: string, value: string][] {
  const { runs, missingSeeds, data, folder } = model;
  const results = runs.flatMap(({ stages }) => Object.values(stages).map(({ result }) => result));
  const finished = missingSeeds.length === 0 && results.every((result) => result !== undefined);
  const known = results.flatMap((result) => result ?? []);
  const sizes = known.find((result) => result.data)?.data;
  return [
    ["data", data],
    ["sizes", sizes ? sizesText(sizes) : UNKNOWN],
    ["finished", finished ? dateOf(known) : "not yet"],
    ["duration", durationOf(known, runs.length)],
    [runs.length > 1 ? "seeds" : "seed", runs.map(({ seed }) => seed).join(", ")],
    ["folder", folder],
  ];
}

/** Of each data set once. */
function warningsOn(models: readonly Model[]): string[] {
  const all = models.flatMap(({ data, runs }) =>
    runs.flatMap(({ stages }) =>
      Object.values(stages).flatMap(({ result }) =>
        (result?.data?.warnings ?? []).map((text) => `Beware of ${data}: ${text}`)
      )
    )
  );
  return [...new Set(all)];
}

function sizesText({ users: [train, validation, test], pages, rows, items }: DataSizes): string {
  return `${thousands(train)} train, ${thousands(validation)} validation and ${thousands(test)} test users, ${
    thousands(pages)
  } pages, ${thousands(rows)} displayed items of ${thousands(items)}`;
}

/** Of the result that was written last, to the minute. */
function dateOf(results: readonly StageResult[]): string {
  const last = results.flatMap(({ finished }) => finished ?? []).sort().at(-1);
  return last === undefined ? UNKNOWN : `${last.slice(0, 10)} ${last.slice(11, 16)} UTC`;
}

function durationOf(results: readonly StageResult[], runs: number): string {
  const times = results.flatMap(({ seconds }) => seconds ?? []);
  if (times.length === 0) return UNKNOWN;
  const total = secondsInWords(times.reduce((sum, seconds) => sum + seconds, 0));
  const session = results.some(({ resumed }) => resumed) ? ", the last session alone" : "";
  return runs > 1 ? `${total} for ${runs} runs${session}` : `${total}${session}`;
}

function secondsInWords(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole % 3600 / 60)} min`;
}
