import assert from "node:assert/strict";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { InferenceSession, Tensor } from "onnxruntime-web/wasm";
import { listClickedRows, NONE, splits } from "../../src/data/click_log.ts";
import { computeChoiceProbabilities } from "../../src/model/choice_probabilities.ts";
import { defaultModel } from "../../src/model/model_config.ts";
import { POSITION_BIAS, readPositionEffects } from "../../src/model/position_effect.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { type Prediction, predictPages, writePredictions } from "../../src/predict/predictions.ts";
import { openDataset as openSet } from "../../src/data/sets/dataset.ts";
import { openDataset } from "../../src/data/sets/opened_dataset.ts";
import { nameResults } from "../../src/run/name_results.ts";
import type { SnapshotResult } from "../../src/run/tested_users.ts";
import { NetworkEvaluation } from "../../src/train/network_evaluation.ts";
import { UserError } from "../../src/user_error.ts";
import { baselineNames, baselineOptions } from "../../src/metrics/baselines/baseline_names.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { logFiles, makeCsv, makeLogRecipe, makeShopLog } from "../data/synthetic_logs.ts";
import { listFiles, withSmallLog, writePaperFile } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";
import { foreignLog, withCopy } from "../foreign_set.ts";
import { withGpu } from "../op_check.ts";
import { makeFolderWith, prepareIn, query, withFolder } from "../prepared_folder.ts";

const { signal } = new AbortController();
const config = { ...defaultModel, lstmUnits: 3, dims: [7, 5] };

async function collected(lists: AsyncIterable<Prediction[]>): Promise<Prediction[]> {
  return (await Array.fromAsync(lists)).flat();
}

Deno.test("predictions have the utilities of each page with the log's ids, from memory and from disk", () =>
  withCopy((folder) =>
    withGpu(undefined, async (gpu) => {
      const data = await openDataset(folder);
      const onDisk = await openDataset(folder, { memoryRows: 0, cache: `${folder}/cache` });
      using model = new UserModel(gpu, data.source.items, config, { seed: 4 });
      const users = Uint32Array.from({ length: 30 }, (_, user) => user);
      const rows = await collected(predictPages(model, data, users, { shards: 0, signal }));
      const { userEvents, eventRows, eventClick, eventKind, rowItem } = foreignLog;
      let k = 0;
      for (const user of users) {
        let number = -1;
        const history: number[] = [];
        for (let e = userEvents[user] ?? 0; e < (userEvents[user + 1] ?? 0); e++) {
          const [from, to] = [eventRows[e] ?? 0, eventRows[e + 1] ?? 0];
          const page = Array.from(rowItem.subarray(from, to));
          if (eventKind?.[e] !== 2) number++;
          if (!eventKind?.[e]) {
            const utilities = await model.score({ history, page });
            const { items, noClick } = computeChoiceProbabilities(model.config, utilities);
            page.forEach((item, place) => {
              const { utility, ...row } = rows[k++] ?? assert.fail();
              assert.ok(Math.abs(utility - (utilities[place] ?? NaN)) < 1e-6);
              assert.ok(Math.abs(row.probability - (items[place] ?? NaN)) < 1e-6);
              assert.ok(Math.abs(row.noClick - noClick) < 1e-6);
              const { probability: _, noClick: __, ...ids } = row;
              const clickOrder = listClickedRows(foreignLog, e).indexOf(from + place) + 1;
              const clicked = clickOrder > 0;
              const own = {
                user: `u${user}`,
                split: splits[foreignLog.userSplit[user] ?? NaN],
                page: number,
                position: place,
                item: `i${item}`,
                clicked,
                clickOrder,
                ...{ time: null, pageId: null },
              };
              assert.deepEqual(ids, own);
            });
          }
          const click = eventClick[e] ?? NONE;
          if (click !== NONE) history.push(rowItem[click] ?? 0);
        }
      }
      assert.equal(k, rows.length);
      const read: number[] = [];
      const { source } = onDisk;
      const readNow = source.read.bind(source);
      Object.defineProperty(source, "read", {
        value: (users: Uint32Array) => (read.push(...users), readNow(users)),
      });
      assert.deepEqual(await collected(predictPages(model, onDisk, users, { shards: 4, signal })), rows);
      assert.ok(read.length > 20);
      assert.equal(new Set(read).size, read.length, "each user is read once");
      const some = await collected(predictPages(model, data, [3, 7], { shards: 0, signal }));
      assert.deepEqual(some, rows.filter(({ user }) => user === "u3" || user === "u7"));
    })
  ));

/** Reads the rows of a CSV file of predictions, grouped by page. */
async function readPages(path: string): Promise<Map<string, string[][]>> {
  const lines = (await Deno.readTextFile(path)).trimEnd().split("\n").map((line) => line.split(","));
  return Map.groupBy(lines.slice(1), ([user, page]) => `${user} ${page}`);
}

/** Returns the mean loss over the pages in a CSV file of predictions. */
async function computePredictedLoss(path: string, loss: "choice" | "logistic"): Promise<number> {
  const losses = (await readPages(path)).values().map((rows) => {
    const chances = rows.map(([, , , , , p]) => Number(p));
    const order = rows.map((row) => Number(row[8]));
    if (loss === "logistic") {
      return -Math.log(chances.reduce((all, p, k) => all * (order[k] ? p : 1 - p), 1));
    }
    let [sum, left] = [-Math.log(Number(rows[0]?.[6])), 1];
    for (let click = 1; order.includes(click); click++) {
      const p = chances[order.indexOf(click)] ?? NaN;
      if (click === 1) [sum, left] = [-Math.log(p), chances.reduce((all, p) => all + p, 0) - p];
      else [sum, left] = [sum - Math.log(p / left), left - p];
    }
    return sum;
  }).toArray();
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}

/** Returns the mean prec@1 over the one-click pages in a CSV file, whose items are ranked by utility. */
async function computeUtilityPrecision(path: string): Promise<number> {
  const hits = (await readPages(path)).values().flatMap((rows) => {
    const clicked = rows.find((row) => row[8] === "1")?.[4];
    if (clicked === undefined) return [];
    const greater = rows.filter((row) => Number(row[4]) > Number(clicked)).length;
    return [greater > 0 ? 0 : 1 / rows.filter((row) => row[4] === clicked).length];
  }).toArray();
  return hits.reduce((sum, hit) => sum + hit, 0) / hits.length;
}

Deno.test("the loss recomputed from predictions and logged positions is that of an evaluation", () =>
  withCopy((folder) =>
    withGpu(undefined, async (gpu) => {
      const data = await openDataset(folder);
      for (const loss of ["choice", "logistic"] as const) {
        using model = new UserModel(gpu, data.source.items, { ...config, loss, eta: 1.5, positions: 3 }, {
          seed: 4,
        });
        const weights = new Map([...await model.weights(), [POSITION_BIAS, Float32Array.of(-0.7, 0.9)]]);
        model.setWeights(weights);
        const users = Uint32Array.from({ length: 30 }, (_, user) => user);
        using evaluation = await NetworkEvaluation.ofModel(model, data.source, users);
        const { nll } = await evaluation.evaluate();
        const computeLoss = async (effects: readonly number[] | undefined) => {
          const path = `${folder}/p.csv`;
          await writePredictions(path, predictPages(model, data, users, { shards: 0, effects, signal }));
          return await computePredictedLoss(path, loss);
        };
        assert.ok(Math.abs(await computeLoss(readPositionEffects(weights)) - nll) < 1e-6, loss);
        assert.ok(Math.abs(await computeLoss(undefined) - nll) > 0.01, loss);
      }
    })
  ));

const train = new CommandSeries("train");
const predict = new CommandSeries("predict");
const SMALL = "--no-report --validate-every 2 --batch-size 8 --dims 8 --lstm-units 4 --iterations 4".split(
  " ",
);

const shop = makeShopLog(5, { users: 90, items: 60, events: 5 });
/** Folder with the shop's data set, a run, and a later data set that has a new item and no pages. */
const folder = await makeFolderWith(logFiles(shop));
const run = `${folder}/run`;

let made: Promise<string> | undefined;
/** Prepares both data sets, and trains the run. @returns the later data set */
function makeShopRun(): Promise<string> {
  const make = async () => {
    const { folder: data } = await prepareIn(folder, makeLogRecipe(folder, { position: "position" }));
    await train.ok(["--data", data, "--save-dir", run, ...SMALL]);
    const changed = logFiles(shop)["log.csv"].replaceAll(",sku-1,", ",sku-new,");
    await Deno.writeTextFile(`${folder}/next.csv`, changed);
    const encoding = { encodingFrom: data, page: undefined };
    return (await prepareIn(folder, makeLogRecipe(folder, encoding, "next.csv"))).folder;
  };
  return made ??= make();
}

Deno.test("the test loss of each baseline's predictions is that of the test results; items have titles", async () => {
  const next = await makeShopRun();
  const { baselines } = JSON.parse(await Deno.readTextFile(`${run}/result.json`));
  const out = `${folder}/p.csv`;
  for (const name of baselineNames) {
    const args = ["--model", run, "--split", "test", "--out", out, "--baseline", baselineOptions[name]];
    await predict.ok(args);
    const found = await computePredictedLoss(out, "choice");
    const { nll } = baselines[name];
    assert.ok(Math.abs(found - nll) < 1e-5, `${name}: ${found}, expected ${nll}`);
  }
  const evaluate = new CommandSeries("evaluate");
  const own = ["--model", run, "--baseline"];
  await evaluate.refused([...own, "click-rate"], /Allowed choices are logit\./);
  const logit = JSON.parse((await evaluate.ok([...own, "logit", "--json"])).stdout);
  assert.equal(logit.snapshot, "logit on counts");
  assert.ok(Math.abs(logit.nll - baselines.logit.nll) < 1e-5);
  await predict.ok(["--model", run, "--split", "test", "--out", out, "--baseline", "logit"]);
  assert.notEqual(logit.withoutPositions.prec1, logit.details.metrics.prec1);
  assert.ok(Math.abs(logit.withoutPositions.prec1 - await computeUtilityPrecision(out)) < 1e-9);
  const later = await evaluate.ok([...own, "logit", "--data", next, "--split", "all"]);
  assert.match(
    later.stdout,
    /^the logit of --model +0 .*^Pages with a click: [\d.]+ %; .* both logs as one set /ms,
  );
  const names = new Map(shop.items.map(({ item, name }) => [String(item), name]));
  const [clicked] = [...names.keys()];
  const recommended = ["--model", run, "--history", String(clicked), "--top", "3", "--json"];
  const recommend = new CommandSeries("recommend");
  const { stdout } = await recommend.ok(recommended);
  const best: { item: string; title: string }[] = JSON.parse(stdout).items;
  for (const { item, title } of best) assert.equal(title, names.get(item));
  const ids = best.map(({ item }) => item);
  await Deno.writeTextFile(`${folder}/pool.txt`, `${ids[2]}\n${ids[1]}\n`);
  const pooled = JSON.parse((await recommend.ok([...recommended, "--pool", `${folder}/pool.txt`])).stdout);
  assert.deepEqual(pooled.items.map(({ item }: { item: string }) => item), ids.slice(1));
  await Deno.writeTextFile(`${folder}/pool.txt`, "unknown\n");
  await recommend.refused([...recommended, "--pool", `${folder}/pool.txt`], /pool\.txt:1: .*"unknown"/);
});

Deno.test("predictions join the log by page id and time; a baseline scores a later log with new items", async () => {
  const next = await makeShopRun();
  const predictRows = async (more: readonly string[]) => {
    const out = `${folder}/p.parquet`;
    await predict.ok(["--model", run, "--baseline", "click-rate", "--out", out, ...more]);
    return await parquetReadObjects({ file: await asyncBufferFromFile(out) });
  };
  const rows = await predictRows([]);
  const key = (page: string, item: string) => `${page} ${item}`;
  const logged = new Map(shop.rows.map((row) => [key(row.page, row.item), row]));
  assert.equal(rows.length, logged.size);
  const utilities = new Map<unknown, unknown>();
  for (const { user, item, page_id: page, time, utility } of rows) {
    const row = logged.get(key(page, item)) ?? assert.fail();
    assert.deepEqual([user, Date.parse(`${time}Z`)], [row.user, row.time]);
    utilities.set(item, utility);
  }
  const later = await predictRows(["--data", next]);
  for (const { item, utility, page_id: page, time } of later) {
    if (item === "sku-new") assert.ok(Number.isFinite(utility));
    else assert.equal(utility, utilities.get(item));
    assert.ok(page === null && typeof time === "string");
  }
  assert.ok(later.some(({ item }) => item === "sku-new"));
});

Deno.test("a baseline is refused without its inputs and for other data, and exported otherwise", () =>
  withSmallLog(async (folder, data) => {
    const run = `${folder}/run`;
    const exported = new CommandSeries("export");
    await train.ok(["--data", data, "--save-dir", run, "--counts", "none", ...SMALL]);
    const refused = (series: CommandSeries, args: string[], message: RegExp) =>
      series.refused(["--model", run, "--baseline", ...args], message);
    const out = ["--out", `${folder}/p.csv`];
    await predict.ok(["--model", run, "--baseline", "logit", ...out]); // also without counts in the model
    await refused(predict, ["category-rate", ...out], /features that the baseline counts/);
    const other = `${folder}/other.tsv`;
    writePaperFile(other, createSmallLog(32, { users: 90, items: 30, width: 0 }));
    await refused(predict, ["click-rate", "--data", other, ...out], /the data of the run/);
    await refused(exported, ["category-rate", "--onnx", `${folder}/m.onnx`], /features that the baseline/);
    await exported.ok(["--model", run, "--baseline", "item-knn", "--onnx", `${folder}/m.onnx`]);
    const session = await InferenceSession.create(Deno.readFileSync(`${folder}/m.onnx`));
    const int64 = (...values: bigint[]) =>
      new Tensor("int64", BigInt64Array.from(values), [1, values.length]);
    const found = await session.run({ history: int64(2n, 5n), page: int64(4n, 5n, 1n) });
    assert.equal(found.probabilities?.size, 3);
    await session.release();
  }));

const rows: Prediction[] = Array.from({ length: 70_000 }, (_, k) => ({
  user: k % 3 === 0 ? `a "quoted", id` : `ünï ${k}`,
  split: splits[k % 3] ?? assert.fail(),
  page: k >> 4,
  position: k & 15,
  item: ["", "=1+1", "two\nlines"][k % 3] ?? "",
  utility: Math.fround(Math.sin(k)),
  probability: Math.fround(Math.exp(-k % 80)),
  noClick: Math.fround(1 / (k + 3)),
  clicked: k % 7 === 0,
  clickOrder: k % 7 === 0 ? 1 : 0,
  time: k % 3 === 0 ? null : "2025-03-24 18:43:00",
  pageId: k % 5 === 0 ? null : `request ${k >> 4}`,
}));
async function* lists(all = rows): AsyncGenerator<Prediction[]> {
  for (let k = 0; k < all.length; k += 999) yield all.slice(k, k + 999);
}

Deno.test("a Parquet file has all rows unchanged, in row groups", () =>
  withFolder({}, async (folder) => {
    const path = `${folder}/p.parquet`;
    assert.deepEqual(await writePredictions(path, lists()), { rows: rows.length, formulas: 0 });
    const read = await parquetReadObjects({ file: await asyncBufferFromFile(path) });
    assert.deepEqual(
      read.map(({ no_click: noClick, click_order: clickOrder, page_id: pageId, ...row }) => ({
        ...{ ...row, noClick, clickOrder, pageId },
      })),
      rows,
    );
    assert.deepEqual(listFiles(folder), ["p.parquet"]);
  }));

Deno.test("a CSV file has all rows: quoted if necessary, exact floats, formulas unchanged and counted", () =>
  withFolder({}, async (folder) => {
    const path = `${folder}/P.CSV`;
    const some = rows.slice(0, 9000);
    const formulas = some.filter(({ item }) => item === "=1+1").length;
    assert.deepEqual(await writePredictions(path, lists(some)), { rows: some.length, formulas });
    const text = await Deno.readTextFile(path);
    const columns =
      "user,page,position,item,utility,probability,no_click,clicked,click_order,time,page_id,split";
    assert.ok(text.startsWith(`${columns}\n`));
    const found = [...text.matchAll(/("(?:[^"]|"")*"|[^,\n]*)(,|\n)/g)].map(([, field = ""]) =>
      field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field
    ).slice(12);
    assert.equal(found.length, 12 * some.length);
    some.forEach((row, k) => {
      const cells = found.slice(12 * k, 12 * k + 12);
      const [user, page, position, item, utility, probability, noClick, clicked] = cells;
      assert.deepEqual([user, cells.at(-1)], [row.user, row.split]);
      assert.equal(item, row.item);
      assert.deepEqual([page, position, clicked].map(Number), [row.page, row.position, Number(row.clicked)]);
      assert.deepEqual(
        [utility, probability, noClick].map((text) => Math.fround(Number(text))),
        [row.utility, row.probability, row.noClick],
      );
    });
  }));

Deno.test("interrupted predictions keep the old file and leave no other; foreign files are not replaced", () =>
  withFolder({ "log.csv": "user,item\n" }, async (folder) => {
    for (const name of ["p.csv", "p.parquet"]) await writePredictions(`${folder}/${name}`, lists());
    const before = Deno.readFileSync(`${folder}/p.csv`);
    async function* broken(): AsyncGenerator<Prediction[]> {
      yield rows.slice(0, 66_000);
      throw new UserError("the disk of the log");
    }
    for (const name of ["p.csv", "p.parquet"]) {
      await assert.rejects(writePredictions(`${folder}/${name}`, broken()), /the disk of the log/);
    }
    assert.deepEqual(Deno.readFileSync(`${folder}/p.csv`), before);
    assert.deepEqual(listFiles(folder), ["log.csv", "p.csv", "p.parquet"]);
    for (const name of ["log.csv", "p", "p.txt", "csv", "p.csv/x"]) {
      await assert.rejects(writePredictions(`${folder}/${name}`, lists()), UserError, name);
    }
  }));

const fewUsers = makeShopLog(5, { users: 40, items: 60, events: 3 });
const gain = { displays: 40, clicked: 0.1, model: 0.1, clickRate: 0.1, gain: 1 };

/** Returns results in which items 0 to 4 and user 2 have names, and the ids of these items and users. */
async function readNames(folder: string, items: (typeof fewUsers)["items"]) {
  await Deno.writeTextFile(`${folder}/items.csv`, makeCsv(items));
  const prepared = await prepareIn(folder, makeLogRecipe(folder));
  const dataset = await openSet(prepared.folder, 1, false);
  const gains = Array.from({ length: 5 }, (_, item) => ({ ...gain, item }));
  const itemGains = { leastDisplays: 30, compared: 5, gains, losses: gains.slice(3) };
  const tastes = [{ user: 2, pages: 9, clicks: 8, shares: [] }];
  const result: Pick<SnapshotResult, "itemGains" | "tastes"> = { itemGains, tastes };
  const [named] = await nameResults([result], dataset);
  const ids = await query(prepared.folder, "SELECT id FROM items ORDER BY item LIMIT 5");
  const users = await query(prepared.folder, "SELECT id FROM users WHERE user = 2");
  await Deno.remove(`${prepared.folder}/items.parquet`);
  const [moved] = await nameResults([result], dataset);
  assert.deepEqual(moved, result, "numbers alone, if the data set was removed");
  return { named, ids: ids.map(({ id }) => String(id)), users: users.map(({ id }) => String(id)) };
}

Deno.test("items are named by their titles or, without titles, by their ids", () =>
  withFolder(logFiles(fewUsers), async (folder) => {
    const plain = fewUsers.items.map(({ name: _, ...item }) => item);
    const titled = plain.map((item, k) => ({ ...item, Title: k === 10 ? "" : `"${item.item}", the film` }));
    for (const items of [plain, titled]) {
      const { named, ids, users } = await readNames(folder, items);
      const missing = plain[10]?.item;
      const names = ids.map((id) => items === titled && id !== missing ? `"${id}", the film` : id);
      assert.deepEqual(named?.itemGains?.gains.map(({ name }) => name), names);
      assert.deepEqual(named?.itemGains?.losses.map(({ name }) => name), names.slice(3));
      assert.deepEqual(named?.tastes?.map(({ name }) => name), users);
    }
  }));
