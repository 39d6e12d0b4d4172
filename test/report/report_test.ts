import assert from "node:assert/strict";
import { dirname } from "node:path";
import { makeFolder } from "../../src/files/atomic_write.ts";
import { BUNDLE, bundleClient } from "../../src/report/build_client.ts";
import { buildBarChart } from "../../src/report/bar_chart.ts";
import type { ChartDataset, ChartDefinition, ChartPoint } from "../../src/report/chart_definition.ts";
import { buildLineChart, chooseWindow, computeCurve } from "../../src/report/line_chart.ts";
import { buildScatterChart } from "../../src/report/scatter_chart.ts";
import { buildCharts } from "../../src/report/charts.ts";
import { buildCsv } from "../../src/report/chart_definition.ts";
import { collect, parseLog } from "../../src/report/collect.ts";
import { buildReportPage, listProgressNotes, writeReport } from "../../src/report/report_page.ts";
import { readPageParts, renderPage } from "../../src/report/page_shell.ts";
import { buildPolicyPage } from "../../src/report/policy_page.ts";
import { findChromium } from "../chromium.ts";
import { listFiles, runScript } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";
import { makeComparison } from "../sample_comparison.ts";
import { column, columns } from "../../src/metrics/metric_columns.ts";
import { packSums } from "../../src/metrics/test_result.ts";
import { renderComparisonTable } from "../../src/report/metrics_table.ts";
import {
  makeConfig,
  type StageFileContents,
  withDetails,
  writeExperiment,
  writeJson,
  writeRun,
  writeSeedsFolder,
} from "./report_folders.ts";
import { isUserError, withEmptyFolder } from "../run/folder_check.ts";

const COLUMNS = ["loss", "prec1", "prec2"];
const TRAIN = [[1, 2, 0.1, 0.2], [2, 1.5, 0.2, 0.3], [3, 1.25, "NaN", "NaN"], [4, 1, 0.4, 0.5]];
const VALIDATION = [[0, 2.25, 0.1, 0.2], [2, 1.75, 0.25, 0.375], [4, 1.125, 0.5, 0.625]];
/** @param half half-width of the confidence intervals of differences to the baselines */
const figures = (snapshot: string, nll: number, prec1: number, prec2: number, half = 0.02, more = {}) => {
  const against = (rival: number) => {
    const value = prec1 - rival;
    return { prec1: { value, interval: [value - half, value + half] } };
  };
  return {
    ...{ snapshot, iteration: 4, nll, ...withDetails({ nll, prec1, prec2, ...more }) },
    against: { random: against(0.1), clickRate: against(0.3) },
  };
};
const TEST = [figures("best-loss", 1.5, 0.3, 0.4), figures("best-prec1", 1.75, 0.5, 0.6)];
const FINISHED: StageFileContents = { train: TRAIN, validation: VALIDATION, test: TEST };
const ADVERSARIAL: StageFileContents = {
  train: [[1, 1.5, -0.5, 0.75, 0.1, 0.2, 0.3, 0.4], [2, 1.25, -0.25, 1, 0.2, 0.3, 0.4, 0.5]],
  validation: [[0, 1.5, -0.75, 0.5, 0.125, 0.25, 0.375, 0.5]],
  test: ["best-loss", "best-prec1"].map((snapshot) => ({
    ...figures(snapshot, 1.25, 0.4, 0.5, 0.02, { piPrec1: 0.45, piPrec2: 0.55 }),
    iteration: 0,
  })),
};

/** Returns the report on some folders: its data, charts, parts and HTML. */
async function makeReport(...folders: string[]) {
  const data = await collect(folders);
  const charts = buildCharts(data);
  const parts = buildReportPage(data, charts);
  return { data, charts, parts, page: renderPage(parts, { style: "", script: "" }) };
}

function chartIn(charts: readonly ChartDefinition[], id: string): ChartDefinition {
  return charts.find((chart) => chart.id === id) ?? assert.fail(`no chart ${id}`);
}

function curvesIn(
  charts: readonly ChartDefinition[],
  id: string,
): (ChartDataset & { marks: readonly ChartPoint[] })[] {
  const { config: { type, data: { datasets } } } = chartIn(charts, id);
  assert.equal(type, "line");
  return datasets.flatMap((dataset, k) => {
    const next = datasets[k + 1];
    const marks = next?.isDecoration && next.showLine === false ? next.data : [];
    return dataset.isDecoration ? [] : [{ ...dataset, marks }];
  });
}

function barsIn(charts: readonly ChartDefinition[], id: string): readonly ChartPoint[] {
  const { config: { type, data: { datasets } } } = chartIn(charts, id);
  assert.equal(type, "bar");
  return datasets[0]?.data ?? assert.fail("no bars");
}

function linesIn(charts: readonly ChartDefinition[], id: string, axis: "x" | "y") {
  const { annotations = [] } = chartIn(charts, id).config.options.plugins?.annotation ?? {};
  return Object.values(annotations).flatMap((line) =>
    line && "scaleID" in line && line.scaleID === axis ? [[line.value, line.label?.content]] : []
  );
}

const listX = ({ data }: ChartDataset) => data.map(({ x }) => x);
const listY = ({ data }: ChartDataset) => data.map(({ y }) => y);
const listIds = (charts: readonly ChartDefinition[]) => charts.map(({ id }) => id);

Deno.test("a log is read by column names; NaN and empty cells are gaps, and an incomplete last line is skipped", () => {
  const { iteration, columns } = parseLog(
    "note,loss,iteration,prec1\na,2.5,1,NaN\nx,-1e-3,7,Infinity\nx,,8,\ny,3,9",
    "log.csv",
    COLUMNS,
  );
  assert.deepEqual(iteration, [1, 7, 8]);
  assert.deepEqual([...columns], [["loss", [2.5, -1e-3, null]], ["prec1", [null, null, null]]]);
  assert.deepEqual(parseLog("", "log.csv", COLUMNS).iteration, []);
});

Deno.test("a damaged row is reported by file and line", () => {
  const cases: [string, RegExp][] = [
    ["iteration,loss\n1,2\n2\n", /^log\.csv:3: expected 2 values, found "2"\. Correct or remove/],
    ["iteration,loss\n1,x\n", /^log\.csv:2: expected a number for loss, found "1,x"/],
    ["iteration,loss\n2,1\n2,1\n", /^log\.csv:3: expected an iteration above 2/],
    ["iteration,loss\n,1\n", /^log\.csv:2: expected an iteration above -1/],
    ["iteration,loss\n1.5,1\n", /^log\.csv:2: expected an iteration/],
    ["iteration,loss\n\n1,1\n", /^log\.csv:2: expected 2 values, found ""/],
    ["step,loss\n1,2\n", /^log\.csv:1: expected a header with a column "iteration", found "step,loss"/],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parseLog(text, "log.csv", COLUMNS), isUserError(message));
  }
});

Deno.test("a curve is the mean over runs with its sd, and has a gap at missing numbers", () => {
  const log = (rows: string) => parseLog(`iteration,loss\n${rows}\n`, "log.csv", ["loss"]);
  const curve = computeCurve([log("1,2\n2,NaN\n3,4\n4,7"), log("1,4\n2,NaN\n3,NaN")], "loss", 1);
  assert.deepEqual(curve, [
    { x: 1, y: 3, sd: Math.SQRT2, runs: 2 },
    { x: 2, y: null, sd: null, runs: 0 },
    { x: 3, y: 4, sd: null, runs: 1 },
    { x: 4, y: 7, sd: null, runs: 1 },
  ]);
  assert.deepEqual(computeCurve([log("1,NaN")], "loss", 1), []);
  assert.deepEqual(computeCurve([log("1,1")], "prec1", 1), []);
  assert.deepEqual(computeCurve([], "loss", 1), []);
});

Deno.test("the smoothing window of a curve depends on the longest run", () => {
  assert.deepEqual([1, 150, 151, 450, 750, 751, 1000, 15_000].map((n) => chooseWindow(n)), [
    ...[1, 1, 2, 5, 5, 10, 10, 100],
  ]);
  const log = (count: number) => {
    const rows = Array.from({ length: count }, (_, k) => `${k + 1},${k % 4}`).join("\n");
    return parseLog(`iteration,loss\n${rows}\n`, "log.csv", ["loss"]);
  };
  const [long, short] = [computeCurve([log(1000)], "loss", 4), computeCurve([log(10)], "loss", 4, 500)];
  assert.equal(long?.length, 250);
  assert.deepEqual(long?.slice(0, 2).map(({ x }) => x), [2.5, 6.5]);
  assert.ok(long?.every(({ y }) => y === 1.5));
  assert.deepEqual(short?.map(({ x, y }) => [x, y]), [[502.5, 1.5], [506.5, 1.5], [509.5, 0.5]]);
});

Deno.test("a chart's file has its points: of curves, bars, and scatter plots", () => {
  const head = { id: "x", title: "X", note: "" };
  const [curves = assert.fail()] = buildLineChart({
    ...{ ...head, xTitle: "iteration", yTitle: "loss" },
    series: [{
      ...{ model: "a", part: "train", colour: 0, offset: 4, marks: [{ x: 6, y: 0.5 }] },
      points: [{ x: 5, y: 1, sd: 0.25, runs: 2 }, { x: 6, y: NaN, sd: NaN, runs: 0 }],
    }],
  });
  const bar = { name: "b, c", colour: 0, mean: 0.5, sd: null, range: [0.25, 0.75] as const, runs: 1 };
  const bars = buildBarChart({ ...head, xTitle: "prec@1", bars: [{ ...bar, snapshot: "last" }] });
  const series = [{
    name: "k",
    colour: 0,
    joined: false,
    points: [{ x: 1, y: 2, name: "p", low: 1, high: 3 }],
  }];
  const axes = { xTitle: "FLOPs per byte", yTitle: "GFLOP/s" };
  const plane = buildScatterChart({ ...head, ...axes, series });
  const bare = series.map((one) => ({ ...one, points: [{ x: 1, y: 2, name: "p" }] }));
  const roofline = buildScatterChart({ ...head, ...axes, series: bare });
  assert.deepEqual(
    [curves, bars, plane, roofline].map((chart) => buildCsv(JSON.parse(JSON.stringify(chart)))),
    [
      "series,iteration,mean,sd,runs,stage begins at\ntrain,5,1,0.25,2,4\ntrain,6,,,0,4\n",
      'series,snapshot,mean,sd,runs,95 % from,to\n"b, c",last,0.5,,1,0.25,0.75\n',
      'series,point,FLOPs per byte,GFLOP/s,"GFLOP/s, 95 % from",to\nk,p,1,2,1,3\n',
      "series,point,FLOPs per byte,GFLOP/s\nk,p,1,2\n",
    ],
  );
});

Deno.test("a finished run has its curves, bars and baselines", () =>
  withEmptyFolder(async (folder) => {
    writeRun(`${folder}/run`, { shannon: FINISHED });
    const { charts, page } = await makeReport(`${folder}/run`);
    assert.deepEqual(listIds(charts), ["test-nll", "test-prec1", "test-prec2", "loss", "prec1", "prec2"]);
    const loss = curvesIn(charts, "loss");
    assert.deepEqual(loss.map((one) => [one.label, listX(one), listY(one)]), [
      ["validation", [0, 2, 4], [2.25, 1.75, 1.125]],
      ["train", [1, 2, 3, 4], [2, 1.5, 1.25, 1]],
    ]);
    assert.deepEqual(loss[1]?.data.map(({ sd }) => sd), [null, null, null, null]);
    // best-loss was tested at iteration 4, and there is no best-prec2.
    assert.deepEqual(loss.map(({ marks }) => marks), [[{ x: 4, y: 1.125 }], []]);
    assert.deepEqual(curvesIn(charts, "prec2")[0]?.marks, []);
    assert.deepEqual(linesIn(charts, "loss", "x"), []);
    assert.deepEqual(linesIn(charts, "loss", "y"), [], "no test metrics beside curves of validation users");
    const bars = barsIn(charts, "test-prec2");
    assert.deepEqual(bars.map(({ name, x, sd, snapshot }) => [name, x, sd, snapshot]), [
      ["run", 0.4, null, "best-loss"],
      ["best attainable", 0.8, null, "baseline"],
      ["click rate", 0.5, null, "baseline"],
      ["random", 0.2, null, "baseline"],
    ]);
    assert.match(chartIn(charts, "test-prec2").note, /best-loss/);
    assert.deepEqual(barsIn(charts, "test-nll").map(({ name }) => name), [
      "run",
      "best attainable",
      "random",
    ]);
    const getMin = (id: string) => chartIn(charts, id).config.options.scales?.x?.min;
    assert.ok(Number(getMin("test-nll")) > 0 && Number(getMin("test-nll")) < 1.3, "the loss axis is cut");
    assert.equal(getMin("test-prec1"), undefined);
    assert.doesNotMatch(page, /NaN|undefined|null</);
    assert.doesNotMatch(page, /unfinished/);
    for (
      const text of ["1.7500", "2.4000", "Mesa 25.0.7", "the demo shop, seed 1", "1m31s<", "1,234 pages"]
    ) {
      assert.ok(page.includes(text), text);
    }
  }));

Deno.test("runs over seeds have means, bands and notes on unfinished ones", () =>
  withEmptyFolder(async (folder) => {
    const second = {
      ...FINISHED,
      train: TRAIN.map(([at, loss, ...rest]) => [at ?? 0, Number(loss) + 1, ...rest]),
    };
    writeSeedsFolder(`${folder}/seeds`, [1, 2, 3, 4], [
      { seed: 1, shannon: FINISHED },
      { seed: 2, shannon: { ...second, test: [figures("best-loss", 2.5, 0.5, 0.6)] } },
      { seed: 3, shannon: { train: TRAIN.slice(0, 2), validation: VALIDATION.slice(0, 2) } },
    ]);
    const { data, charts, page } = await makeReport(`${folder}/seeds`);
    const [model] = data.models;
    assert.deepEqual(model && listProgressNotes(model), [
      "seed 3 unfinished: iteration 2 of 4",
      "seed 4 not started",
    ]);
    const [validation, loss = assert.fail()] = curvesIn(charts, "loss");
    assert.deepEqual(loss.data.map(({ runs }) => runs), [3, 3, 2, 2]);
    assert.deepEqual(listY(loss), [7 / 3, 5.5 / 3, 1.75, 1.5]);
    assert.ok(Math.abs((loss.data[3]?.sd ?? NaN) - Math.SQRT1_2) < 1e-12);
    assert.deepEqual(validation?.marks, [{ x: 4, y: 1.125 }, { x: 4, y: 1.125 }]);
    const [bar] = barsIn(charts, "test-nll");
    assert.deepEqual([bar?.x, bar?.runs], [2, 2]);
    assert.ok(Math.abs((bar?.sd ?? NaN) - Math.SQRT1_2) < 1e-12);
    assert.match(page, /seed 3 unfinished: iteration 2 of 4/);
    assert.match(page, /2\.0000<br><small>± 0\.7071/);
  }));

Deno.test("the adversarial stage is drawn with pi and u, alone or after the first stage", () =>
  withEmptyFolder(async (folder) => {
    writeRun(`${folder}/both`, { shannon: FINISHED, adversarial: ADVERSARIAL });
    writeRun(`${folder}/NoPretrain`, { adversarial: ADVERSARIAL });
    const { charts, page } = await makeReport(`${folder}/both`, `${folder}/NoPretrain`);
    const names = (id: string) => curvesIn(charts, id).map(({ label }) => label);
    assert.deepEqual(names("loss"), [
      ...["both: validation", "both: train", "both: validation", "both: train"],
      ...["NoPretrain: validation", "NoPretrain: train"],
    ]);
    const [reward, generator] = ["reward u", "generator π"];
    assert.deepEqual(names("adversarial-losses").slice(0, 4), [
      ...[`both: ${reward}, validation`, `both: ${reward}, train`],
      ...[`both: ${generator}, validation`, `both: ${generator}, train`],
    ]);
    assert.deepEqual(names("prec1").filter((name) => name.endsWith("validation")), [
      `both: ${reward}, validation`,
      `both: ${generator}, validation`,
      `both: ${reward}, validation`,
      `NoPretrain: ${generator}, validation`,
      `NoPretrain: ${reward}, validation`,
    ]);
    const validation = (id: string) =>
      curvesIn(charts, id).filter(({ label }) => label.endsWith("validation"));
    assert.deepEqual(validation("prec2").map((one) => listY(one).at(-1)), [0.625, 0.25, 0.5, 0.25, 0.5]);
    // The adversarial stage follows the first one, which has 4 iterations.
    assert.deepEqual(validation("prec1").map((one) => [listX(one)[0], one.offset]), [
      ...[[0, 0], [4, 4], [4, 4], [0, 0], [0, 0]],
    ]);
    for (const id of ["loss", "prec1", "prec2"]) {
      assert.deepEqual(linesIn(charts, id, "x"), [[4, "adversarial stage"]]);
    }
    assert.deepEqual(linesIn(charts, "adversarial-losses", "x"), []);
    assert.deepEqual(curvesIn(charts, "adversarial-losses")[3]?.data.map(({ y }) => y), [0.75, 1]);
    assert.deepEqual(validation("prec1").map(({ marks }) => marks.length), [1, 1, 0, 1, 0]);
    assert.deepEqual(validation("adversarial-losses").map(({ marks }) => marks), [
      ...[[{ x: 0, y: -0.75 }], [], [{ x: 0, y: -0.75 }], []],
    ]);
    const models = barsIn(charts, "test-prec1").filter(({ snapshot }) => snapshot !== "baseline");
    assert.deepEqual(models.map(({ x }) => x), [0.3, 0.45, 0.4, 0.45, 0.4]);
    const ids = listIds(charts).filter((id) => !id.startsWith("test-"));
    for (const id of ids) { // all curves of one stage look different
      const looks = curvesIn(charts, id).map((one) => `${one.borderColor} ${one.borderDash} ${one.offset}`);
      assert.equal(new Set(looks).size, looks.length, id);
    }
    // The legend has a colour per model and a dash per split. An entry toggles its model's or split's curves.
    const { legend, config } = chartIn(charts, "prec1");
    const own = legend.map(({ text, datasets }) =>
      [text, new Set(datasets.map((k) => config.data.datasets[k]?.label))] as const
    );
    assert.deepEqual(own.map(([text]) => text).slice(0, 3), ["both", "NoPretrain", `${reward}, validation`]);
    for (const [text, labels] of own) assert.ok([...labels].every((label) => label?.includes(text)), text);
    assert.match(page, /both: generator π/);
    assert.doesNotMatch(page, /unfinished/);
  }));

Deno.test("the page shows the sign and words of one verdict on the same users", () =>
  withEmptyFolder(async (folder) => {
    const outcome = async (prec1: number, half: number, verdict?: string[]) => {
      const test = [figures("best-loss", 1.5, prec1, 0.5, half)];
      writeRun(`${folder}/run`, { shannon: { ...FINISHED, test, verdict } });
      const { page } = await makeReport(`${folder}/run`);
      return /<p class="outcome">[^]*?(?=<dl)/.exec(page)?.[0].replaceAll(/\s*<\/p>\s*/g, "\n") ?? "";
    };
    const better = await outcome(0.35, 0.02);
    assert.match(better, / 60 users.* 35\.0 %.*10\.0 %.*click rate 30\.0 %/); // train users, prec@1, simple methods
    assert.match(better, /class="better".*click rate\) .*30\.0 %.*\+5\.0 .*\+3\.0 to \+7\.0/);
    assert.match(better, /<li>.*serve <span class="option">--model<\/span> [^ ]*\/run</);
    assert.match(await outcome(0.35, 0.06), /class="alike"/);
    const worse = await outcome(0.25, 0.02);
    assert.match(worse, /class="worse".*-5\.0 /);
    assert.match(worse, /<li>.*click rate/);
    assert.doesNotMatch(worse, /serve/);
    // The advice of the training is listed, but its sentences about the comparison are not repeated.
    const compared =
      "best-loss is worse than the best baseline (click rate): prec@1 -0.050, 95 % CI -0.070 to -0.030.";
    assert.match(
      await outcome(0.25, 0.02, [compared, "Try <this> with --seed."]),
      /><li>Try &lt;this&gt; with <span class="option">--seed<\/span>\.<\/li><\/ul>/,
    );
    // The loss has its own verdict, in one run's headline and among several models.
    const losing = figures("best-loss", 1.5, 0.35, 0.5, 0.06);
    const nll = { value: -0.9, interval: [-1, -0.8] };
    const against = { ...losing.against, random: { ...losing.against.random, nll } };
    for (const name of ["run", "again"]) {
      writeRun(`${folder}/${name}`, { shannon: { ...FINISHED, test: [{ ...losing, against }] } });
    }
    const one = (await makeReport(`${folder}/run`)).parts.header.text;
    assert.match(one, /class="alike"[^]*class="better"[^<]*<[^<]*1\.5000[^<]*random[^<]*-0\.900[^<]*-0\.800/);
    const two = (await makeReport(`${folder}/run`, `${folder}/again`)).parts.header.text;
    assert.equal(two.match(/class="better">.<\/span> loss 1\.5000 against 2\.4000 \(random\)/g)?.length, 2);
    // Several seeds show their mean; several models have a line each.
    const seed = (seed: number, prec1: number) => ({
      ...{ seed, shannon: { ...FINISHED, test: [figures("best-loss", 1.5, prec1, 0.5)] } },
    });
    writeSeedsFolder(`${folder}/seeds`, [1, 2], [seed(1, 0.4), seed(2, 0.36)]);
    writeRun(`${folder}/other`, { shannon: { train: TRAIN, validation: VALIDATION } });
    const { page } = await makeReport(`${folder}/seeds`, `${folder}/other`);
    assert.match(page, /<span class="better">.<\/span> prec@1 0\.3800 against 0\.3000 \(click rate\)<\/div>/);
    assert.match(page, /not yet/);
    assert.doesNotMatch(page, /class="outcome"/, "a single finished model is not the best of several");
    writeRun(`${folder}/other`, { shannon: { ...FINISHED, test: [figures("best-loss", 1.5, 0.45, 0.5)] } });
    const { parts: { header } } = await makeReport(`${folder}/seeds`, `${folder}/other`);
    assert.match(header.text, /class="outcome">[^<]* 2 models, other [^<]* 45\.0 %[^<]*\+15\.0 /);
    assert.equal(page.match(/class="(better|alike|worse)"/g)?.length, 1, "unfinished: no verdict");
  }));

Deno.test("only the judged snapshot is compared with the baselines; every metric in a heading is explained", () =>
  withEmptyFolder(async (folder) => {
    const details = { metrics: { prec1: 0.3 }, intervals: {} };
    const test = [{ ...figures("best-loss", 1.5, 0.3, 0.4), details }, { ...TEST[1], details }];
    writeRun(folder, { shannon: { ...FINISHED, test } });
    const { page } = await makeReport(folder);
    const names = [...page.matchAll(/<th scope="row">([^<]*) minus ([^<]*)</g)].map(([, a, b]) => [a, b]);
    // The strongest baseline is first.
    assert.deepEqual(names, [["best-loss", "click rate"], ["best-loss", "random"]]);
    const heads = new Set([...page.matchAll(/<abbr title="[^"]+">([^<]+)</g)].map(([, name]) => name));
    assert.ok(heads.size >= 6, `${heads.size} heads`);
    for (const name of heads) assert.equal(page.split(`<dt>${name}</dt><dd>`).length, 2, name);
  }));

Deno.test("a result with slices, position effects and context shows segments, a curve, and the columns", () =>
  withEmptyFolder(async (folder) => {
    const slice = (name: string, events: number, prec1: number, users?: number) => ({
      ...{ name, events, users, metrics: { prec1 }, intervals: { prec1: [0.0625, 0.9375] } },
    });
    const details = (prec1: number) => ({
      ...{ metrics: { prec1 }, intervals: {} },
      slices: {
        history: [slice("0", 30, prec1 / 2), slice("1-2", 10, prec1, 9)],
        "page length": [slice("10-19", 40, 0.875)], // all pages have this length, so there is no segment
      },
      calibration: {
        click: {
          ece: 0.0125,
          eceByChance: null,
          bins: [{ cases: 4, predicted: 0.25, observed: 0.5, interval: null }],
        },
      },
    });
    const render = async (positionEffects?: number[]) => {
      const test = { ...figures("best-loss", 1.5, 0.3, 0.4), details: details(0.5), positionEffects };
      writeRun(folder, { shannon: { ...FINISHED, test: [test] } });
      const result = JSON.parse(Deno.readTextFileSync(`${folder}/result.json`));
      result.baselines.random.details = details(0.125);
      result.baselines.clickRate.details = details(0.25);
      result.baselines.attainable.details = details(0.75);
      result.data.context = [{ kind: "page", column: "device", type: "category" }];
      writeJson(`${folder}/result.json`, result);
      return (await makeReport(folder)).parts;
    };
    const { header, main } = await render([0, -Math.LN2]);
    assert.match(header.text, /device.*category.*page/);
    const rows = [...main.text.matchAll(/<tr><th scope="row">(0|1-2|10-19)<\/th>(.*?)<\/tr>/g)].map((
      [, name, cells = ""],
    ) => [name, ...cells.split("</td>").map((cell) => cell.replace(/<[^>]*>/g, ""))]);
    // The model, the best baseline, and the best attainable ranking.
    assert.deepEqual(rows.slice(0, 2), [
      ["0", "-", "30", "75.0 %", ...["0.2500", "0.1250", "0.3750"].map((x) => `${x}0.063 to 0.938`), ""],
      ["1-2", "9", "10", "25.0 %", "0.5000-", "0.2500-", "0.7500-", ""],
    ]);
    const segments = main.text.split('id="segments"')[1] ?? assert.fail("no segments");
    assert.doesNotMatch(segments, /0\.8750/);
    assert.match(chartIn(main.charts, "reliability-click").note, /0\.0125/);
    assert.deepEqual(curvesIn(main.charts, "position-effect").map(listY), [[1, 0.5]]);
    assert.ok(!listIds((await render()).main.charts).includes("position-effect"));
  }));

Deno.test("a result with item gains and tastes shows names of items, no ids of users; an older result has no such sections", () =>
  withEmptyFolder(async (folder) => {
    const item = { item: 4, displays: 1234, clicked: 0.25, model: 0.125, clickRate: 0.5, gain: 3.25 };
    const more = {
      details: { metrics: {}, intervals: {} },
      itemGains: {
        ...{ leastDisplays: 30, compared: 9, gains: [{ ...item, name: "<i>Dune</i>" }] },
        losses: [{ ...item, gain: -2 }], // no name: its number
      },
      tastes: [{
        ...{ user: 3, name: "u3", pages: 12, clicks: 8 },
        shares: [{ category: "drama", observed: 0.5, predicted: 0.25, average: 0.125 }],
      }],
    };
    const render = async (extra: object) => {
      writeRun(folder, {
        shannon: { ...FINISHED, test: [{ ...figures("best-loss", 1.5, 0.3, 0.4), ...extra }] },
      });
      return (await makeReport(folder)).parts.main.text;
    };
    const cells = (page: string, name: string) =>
      page.split(`<th scope="row">${name}</th>`)[1]?.split("</tr>")[0]?.match(/[^>]+(?=<\/td>)/g);
    const page = await render(more);
    assert.deepEqual(cells(page, "&lt;i&gt;Dune&lt;/i&gt;"), ["+3.3", "25.0 %", "12.5 %", "50.0 %", "1,234"]);
    assert.equal(cells(page, "4")?.[0], "-2.0");
    assert.deepEqual(cells(page, "drama"), ["50 %", "25 %", "13 %"]);
    assert.match(page, /Test user 1: 8 clicks on 12 /);
    assert.doesNotMatch(page, /u3/);
    assert.doesNotMatch(await render({}), /id="(items|tastes)"/);
  }));

Deno.test("losses that span a decade have a logarithmic axis", () =>
  withEmptyFolder(async (folder) => {
    const getAxis = async () =>
      chartIn((await makeReport(folder)).charts, "loss").config.options.scales?.y?.type;
    writeRun(folder, { shannon: FINISHED });
    assert.equal(await getAxis(), "linear");
    writeRun(folder, {
      shannon: {
        ...FINISHED,
        train: TRAIN.map(([at = 0, loss = 0, ...rest]) => [at, 9 * Number(loss), ...rest]),
      },
    });
    assert.equal(await getAxis(), "logarithmic");
  }));

/** Returns metric sums of 200 users with four pages each. @param right number of correctly ranked pages */
function makeSums(right: (user: number) => number, users = "a") {
  const groups = 200;
  const sums = new Float64Array(groups * columns);
  for (let g = 0; g < groups; g++) {
    for (const name of ["events", "clicks"] as const) sums[g * columns + column[name]] = 4;
    sums[g * columns + column.prec1] = right(g);
    sums[g * columns + column.nll] = 8 - right(g);
  }
  const details = { metrics: {}, intervals: {}, slices: {} };
  return packSums({ groups, sums, users, details, resampled: new Map() });
}

Deno.test("models that were tested on the same users are compared in pairs", () =>
  withEmptyFolder(async (folder) => {
    const test = (prec1: number, paired?: unknown) => ({
      ...FINISHED,
      test: ["best-loss", "best-prec1"].map((name) => ({ ...figures(name, 1.5, prec1, 0.6), paired })),
    });
    const usual = makeSums((user) => user % 4);
    const better = makeSums((user) => user % 4 + (user % 3 === 0 ? 1 : 0));
    writeRun(`${folder}/usual`, { shannon: test(0.375, usual) });
    writeRun(`${folder}/better`, { shannon: test(0.459, better) });
    writeRun(`${folder}/elsewhere`, { shannon: test(0.1, makeSums(() => 0, "b")) });
    writeRun(`${folder}/older`, { shannon: test(0.1) });
    writeSeedsFolder(`${folder}/seeds`, [1, 2], [
      { seed: 1, shannon: test(0.375, usual) },
      { seed: 2, shannon: test(0.459, better) },
    ]);
    const all = ["usual", "better", "elsewhere", "older", "seeds"].map((name) => `${folder}/${name}`);
    const text = renderComparisonTable((await collect(all)).models)?.text ?? assert.fail("no table");
    assert.match(text, /better minus the other models/);
    const rows = text.split("</table>")[0]!.split("<tr>").slice(2).map((row) =>
      row.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ").trim()
    );
    assert.equal(rows.length, 2, "the others were tested on other users, or have no stored sums");
    const [, note] = /class="note">Not compared with better: (.*)\.</.exec(text) ?? [];
    assert.equal(
      note,
      "elsewhere (other test users); older (older has no metric sums for the same test users)",
    );
    // One more correct page for every third user: 67 of 800.
    assert.match(
      rows[0] ?? "",
      /^seeds \+0\.0419 \+0\.03\d to \+0\.05\d better -0\.0419 -0\.05\d to -0\.03\d better$/,
    );
    assert.match(rows[1] ?? "", /^usual \+0\.0837 \+0\.0\d+ to \+0\.1\d+ better -0\.0837 .* better$/);
    const alone = await collect([`${folder}/better`, `${folder}/elsewhere`]);
    assert.match(
      renderComparisonTable(alone.models)?.text ?? "",
      /^<p class="note">[^<]*elsewhere \(other test users\)/,
    );
    const { parts: { header, main } } = await makeReport(`${folder}/better`, `${folder}/usual`);
    assert.match(header.text, /better minus [^]*<th scope="row">usual<[^]*<table class="models">/);
    assert.doesNotMatch(main.text, /better minus /);
    // Baselines of the same users differ if they read other columns. The chart then names their models.
    const stored = await Deno.readTextFile(`${folder}/usual/result.json`);
    await Deno.writeTextFile(
      `${folder}/usual/result.json`,
      stored.replace('"prec1": 0.3,', '"prec1": 0.25,'),
    );
    const listBars = async (metric: string, ...names: readonly string[]) => {
      const { charts } = await makeReport(...names.map((name) => `${folder}/${name}`));
      return listIds(charts).filter((id) => id.startsWith(`test-${metric}`))
        .map((id) => barsIn(charts, id).map(({ name }) => name));
    };
    assert.deepEqual(await listBars("prec1", "usual", "better"), [
      ["usual", "better", "best attainable", "click rate (better)", "click rate (usual)", "random"],
    ]);
    const own = ["best attainable", "click rate", "random"];
    for (const other of ["elsewhere", "older"]) { // other users, or no stored sums
      const [first, second] = await listBars("prec1", "usual", other);
      assert.deepEqual([first?.[0], second], ["usual", [other, ...own]]);
    }
    // Losses of other outcomes have a chart of their own, without the baselines' losses.
    const config = JSON.parse(Deno.readTextFileSync(`${folder}/better/config.json`));
    writeJson(`${folder}/better/config.json`, { ...config, model: { ...config.model, loss: "logistic" } });
    assert.deepEqual(await listBars("nll", "usual", "better"), [
      ["usual", "best attainable", "random"],
      ["better"],
    ]);
    const { page } = await makeReport(`${folder}/better`, `${folder}/usual`);
    assert.match(page, /<td>-<\/td><td class="text">not compared: logistic and choice loss<\/td>/);
    assert.match(page, /Losses of --loss logistic and choice are not comparable/);
    const { page: both } = await makeReport(...all.slice(0, 3));
    assert.match(both, /Models with other test users are not comparable\. Losses of --loss choice and/);
  }));

Deno.test("an experiment has its models' names, its claims, and pending models", () =>
  withEmptyFolder(async (folder) => {
    writeExperiment(folder, [1, 2]);
    await Deno.remove(`${folder}/batchnorm-64-64`, { recursive: true });
    const { data, page } = await makeReport(folder);
    assert.equal(data.models.length, 5);
    assert.deepEqual(data.notes, ["BatchNorm 64-64: not started"]);
    assert.deepEqual(data.claims.map(({ holds }) => holds), ["yes", "undecided"]);
    assert.match(page, /BatchNorm 64-64: not started/);
    assert.match(page, /Batch norm &lt;worsens&gt; convergence/);
    await Deno.remove(`${folder}/result.json`);
    assert.deepEqual((await collect([folder])).claims, []);
  }));

Deno.test("a result older than the run's extension is not shown", () =>
  withEmptyFolder(async (folder) => {
    writeRun(folder, { iterations: 9, shannon: { ...FINISHED, iteration: 3 } });
    const { data, charts, page } = await makeReport(folder);
    assert.deepEqual(data.models.flatMap(listProgressNotes), ["unfinished: iteration 4 of 9"]);
    assert.ok(charts.every(({ config }) => config.type === "line"));
    assert.match(page, /No run is finished yet/);
  }));

Deno.test("charts without a number are left out", () =>
  withEmptyFolder(async (folder) => {
    const rows = [[0, 2.5, "NaN", "NaN"]];
    writeRun(folder, { shannon: { validation: rows } });
    assert.deepEqual(listIds((await makeReport(folder)).charts), ["loss"]);
  }));

Deno.test("text from the data is escaped", () =>
  withEmptyFolder(async (folder) => {
    const evil = `</script><script>alert("1")</script><!--&'`;
    writeRun(`${folder}/a`, { shannon: FINISHED });
    writeJson(`${folder}/experiment.json`, { models: [{ name: evil, folder: "a" }] });
    writeJson(`${folder}/a/config.json`, { ...makeConfig({}), command: [evil] });
    const { charts, parts } = await makeReport(folder);
    const page = renderPage(parts, { style: "", script: 'const x = "</script>";' });
    assert.equal(page.match(/<script/g)?.length, 2);
    assert.equal(page.match(/<\/script/g)?.length, 2);
    assert.ok(!page.includes("<!--") && !page.includes('alert("1")</'));
    const json = page.match(/<script type="application\/json" id="chart-data">(.*)<\/script>/)?.[1] ?? "";
    assert.deepEqual(JSON.parse(json), charts);
    assert.equal(
      buildCsv(chartIn(charts, "test-nll")).split("\n")[1]?.slice(0, evil.length + 3),
      `"${evil.replaceAll('"', '""')}`.slice(0, evil.length + 3),
    );
  }));

Deno.test("models with equal names are distinguished, and a repeated folder counts once", () =>
  withEmptyFolder(async (folder) => {
    for (const name of ["a/run", "b/run"]) writeRun(`${folder}/${name}`, { shannon: FINISHED });
    const data = await collect([`${folder}/a/run`, `${folder}/b/run`, `${folder}/a/run/`]);
    assert.deepEqual(data.models.map(({ name }) => name), [`run (${folder}/a/run)`, `run (${folder}/b/run)`]);
  }));

Deno.test("the page's script matches its sources (otherwise run deno task build report)", async () => {
  assert.ok(await bundleClient() === await Deno.readTextFile(BUNDLE), "src/report/client_bundle.js is stale");
});

Deno.test("the command writes the page into the first folder, or to --out", () =>
  withEmptyFolder(async (folder) => {
    const [a, b] = [`${folder}/a`, `${folder}/b`];
    writeRun(a, { shannon: FINISHED });
    writeRun(b, { dims: [32], shannon: FINISHED });
    const before = listFiles(a);
    const report = new CommandSeries("report");
    const first = await report.ok([a]);
    assert.equal(first.stdout, `The report is ${a}/report.html\n`);
    assert.deepEqual(listFiles(a), [...before, "report.html"].sort());
    const out = `${folder}/new/compared.html`;
    await report.ok([a, b, "--out", out]);
    assert.match(await Deno.readTextFile(out), /Differences[^]*model\.dims/);
  }));

const chromium = await findChromium();
if (typeof chromium !== "string") console.warn(`The page is not tested in a browser: ${chromium.missing}`);

Deno.test({
  name: "the page in a browser: drawn, readable, savable, in both themes, on a phone and on paper",
  ignore: typeof chromium !== "string",
  fn: () =>
    withEmptyFolder(async (folder) => {
      const [run, experiment, policies] = [`${folder}/run`, `${folder}/experiment`, `${folder}/policies`];
      writeRun(run, { shannon: FINISHED, adversarial: ADVERSARIAL });
      writeExperiment(experiment, [1, 2, 3]);
      for (const path of [run, experiment]) await writeReport([path], `${path}/report.html`);
      await writePolicyPage(`${policies}/report.html`);
      // The browser's driver needs all permissions, because it reads many system paths.
      const script = new URL("./report_page_check.ts", import.meta.url);
      const args = [String(chromium), run, experiment, policies];
      const { code, stdout, stderr } = await runScript(script, ["--allow-all"], args);
      assert.equal(code, 0, stdout + stderr);
    }),
});

async function writePolicyPage(file: string): Promise<void> {
  const head = { title: "Policies", facts: [], notes: [], about: [] };
  const page = renderPage(buildPolicyPage(head, [makeComparison(3)]), await readPageParts());
  await makeFolder(dirname(file));
  await Deno.writeTextFile(file, page);
}
