/** Tests context features (columns of an impression or a page), from raw logs to scored requests. */

import assert from "node:assert/strict";
import { InferenceSession, Tensor } from "onnxruntime-web/wasm";
import { type ContextRecord, EncodedContext, type RequestContext } from "../../src/data/context_values.ts";
import { type LogOptions, logRecipe } from "../../src/data/prepare/prepare_log.ts";
import { describe } from "../../src/data/prepare/describe.ts";
import type { PreparationResult } from "../../src/data/prepare/prepare.ts";
import { listContextColumns } from "../../src/data/manifest.ts";
import { parseContextColumns } from "../../src/data/prepare/context_columns.ts";
import { buildCountsConfig } from "../../src/counts/count_tables.ts";
import { removeOtherContext } from "../../src/data/sets/dataset.ts";
import { openDataset } from "../../src/data/sets/opened_dataset.ts";
import { initializeOnLog } from "../../src/model/model_counts.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { exportModel } from "../../src/serve/onnx/export_model.ts";
import { encodeContext, setGivenContext } from "../../src/predict/request_context.ts";
import { drawContexts, SimulatedContexts } from "../../src/simulate/contexts.ts";
import { listUsers } from "../../src/data/click_log.ts";
import { type LogSource, toLogSource } from "../../src/data/log_source.ts";
import { readScore } from "../../src/serve/requests.ts";
import { NetworkEvaluation } from "../../src/train/network_evaluation.ts";
import { withGpu } from "../op_check.ts";
import { smallLstm } from "../small_models.ts";
import { createRandomStream } from "../../src/data/random.ts";
import { expectRefusal } from "../case_table.ts";
import { findUsers } from "../../src/commands/simulate/user_selection.ts";
import { runOk, splitArgs } from "../command_check.ts";
import { expectRefused, makeFolderWith, prepareIn } from "../prepared_folder.ts";
import { makeCsv, makeLogRecipe } from "./synthetic_logs.ts";

interface LogRow extends Record<string, string | number> {
  user: string;
  item: string;
  time: number;
  clicked: number;
  page: string;
  price: string;
  published: string;
  device: string;
}

/** Draws a log with prices (some missing, two unreadable), dates (two in the future) and devices. */
function drawLog(seed: number, devices: readonly string[]): LogRow[] {
  const random = createRandomStream(seed, "context log");
  const rows: LogRow[] = [];
  for (let user = 0; user < 60; user++) {
    for (let page = 0; page < 4; page++) {
      const time = 1.7e9 + 86_400 * page + 60 * user;
      const device = devices[random.integer(devices.length)] ?? "";
      const click = random.integer(6);
      for (let k = 0; k < 5; k++) {
        rows.push({
          ...{
            user: `u${user}`,
            item: `i${(5 * page + 7 * user + 3 * k) % 40}`,
            time,
            clicked: k === click ? 1 : 0,
          },
          page: `${user}-${page}`,
          price: random.uniform() < 0.1
            ? ""
            : String(Math.round(1000 * Math.exp(2 * random.normal())) / 1000),
          published: new Date(1000 * time - 864e5 * 9 * random.uniform()).toISOString().slice(0, 19),
          device,
        });
      }
    }
  }
  for (const [k, price] of [[7, "NaN"], [8, "twelve"]] as const) rows[k]!.price = price;
  for (const k of [20, 21]) rows[k]!.published = new Date(1000 * rows[k]!.time + 9e6).toISOString();
  return rows;
}

const rows = drawLog(1, ["phone", "desktop", "phone", ""]);
const context: LogOptions = {
  impressionFeatures: parseContextColumns("price,published"),
  pageFeatures: parseContextColumns("device"),
};
const later = drawLog(2, ["phone", "watch"]);
const folder = await makeFolderWith({ "log.csv": makeCsv(rows), "next.csv": makeCsv(later) });
const recipe = (more: LogOptions = context, log = "log.csv") =>
  makeLogRecipe(folder, { features: undefined, ...more }, log);
/** Data set of the log, which tests only read. */
const prepared = await prepareIn(folder, recipe());
const { folder: set, manifest: { features: { context: of = [] } } } = prepared;

/** Asserts that rows of a data set have the same features as scoring requests with the log's values. */
async function expectSameAsRequests(
  { folder, manifest }: PreparationResult,
  log: readonly LogRow[],
): Promise<void> {
  const data = await openDataset(folder);
  const features = manifest.features.context ?? [];
  const byPage = Map.groupBy(log, ({ page }) => page);
  const { userEvents, eventRows, rowItem, rowFeatures } = data.source.read(
    Uint32Array.from(data.source.userSplit.keys()),
  );
  assert.ok(rowFeatures);
  for (const user of data.source.userSplit.keys()) {
    for (let e = userEvents[user]!; e < userEvents[user + 1]!; e++) {
      const page = byPage.get(`${data.users.of(user).slice(1)}-${e - userEvents[user]!}`) ?? assert.fail();
      const value = (text: string) => ["NaN", "twelve"].includes(text) ? null : text;
      const impressions = Object.fromEntries(
        page.map(({ item, price, published }): [string, ContextRecord] => [item, {
          price: value(price),
          published,
        }]),
      );
      const encoded = new EncodedContext(features, {
        ...{ page: { device: page[0]!.device }, impressions, time: page[0]!.time },
      });
      for (let row = eventRows[e]!; row < eventRows[e + 1]!; row++) {
        const expected = encoded.encodeRow(data.items.of(rowItem[row]!));
        const found = rowFeatures.subarray(row * features.length, (row + 1) * features.length);
        found.forEach((x, k) => assert.ok(Math.abs(x - expected[k]!) < 1e-6, `${features[k]?.name}: ${x}`));
      }
    }
  }
}

Deno.test("context features of a prepared log equal those of requests with the log's values", async () => {
  const { features, shares, notes } = prepared.manifest;
  assert.deepEqual(features.context?.map(({ kind, name, transform }) => [kind, name, transform.of]), [
    ["impression", "price", "number"],
    ["impression", "price_known", "known"],
    ["impression", "published", "age"],
    ["page", "device=desktop", "value"],
    ["page", "device=phone", "value"],
  ]);
  // A column with several features is listed once.
  assert.deepEqual(listContextColumns(features.context), [
    { kind: "impression", column: "price", type: "number", values: [] },
    { kind: "impression", column: "published", type: "age", values: [] },
    { kind: "page", column: "device", type: "category", values: ["desktop", "phone"] },
  ]);
  const price = features.context?.[0]?.transform;
  assert.ok(price?.of === "number" && price.log !== null, "a heavy tail");
  assert.ok(notes.some((note) => note.startsWith("price: 2 values")));
  assert.ok(notes.some((note) => note.startsWith("published: 2 times")));
  const missing = rows.filter(({ price }) => ["", "NaN", "twelve"].includes(price)).length;
  assert.equal(shares.find(({ column }) => column === "price")?.absent, missing / rows.length);
  await expectSameAsRequests(prepared, rows);

  // Standardised features have mean 0 and sd 1 over the known values of train users.
  const { source } = await openDataset(set);
  const { rowFeatures = [] } = source.read(
    Uint32Array.from(source.userSplit.keys()).filter((user) => source.userSplit[user] === 0),
  );
  const z = Array.from(rowFeatures).filter((_, k) => k % 5 === 0 && rowFeatures[k + 1] === 1);
  const mean = z.reduce((sum, x) => sum + x, 0) / z.length;
  const variance = z.reduce((sum, x) => sum + (x - mean) ** 2, 0) / z.length;
  assert.ok(Math.abs(mean) < 1e-5 && Math.abs(variance - 1) < 1e-5, `${mean}, ${variance}`);
});

Deno.test("describe compares clicks of low and high values, also if most values are equal", async () => {
  // Three of four displays have no discount.
  const discounts = Array.from({ length: 240 }, (_, k) => k % 4 === 0 ? 10 + k % 3 : 0);
  const clicked = (k: number) => discounts[k] === 0 ? k % 6 === 1 : k % 8 === 0;
  const own = discounts.map((discount, k) => ({
    ...{ user: `u${(k >> 1) % 30}`, page: `p${k >> 1}`, item: `i${k % 7}`, time: `${1.7e9 + 60 * (k >> 1)}` },
    ...{ discount: String(discount), clicked: clicked(k) ? "1" : "0" },
  }));
  await Deno.writeTextFile(`${folder}/discounts.csv`, makeCsv(own));
  const impressionFeatures = parseContextColumns("discount");
  const discounted = await prepareIn(folder, recipe({ impressionFeatures }, "discounts.csv"));
  const [found] = (await describe(discounted.folder, "500MB")).contextFeatures ?? [];
  const share = (isHigh: boolean) => {
    const group = [...discounts.keys()].filter((k) => (discounts[k]! > 0) === isHigh);
    return group.filter(clicked).length / group.length;
  };
  assert.deepEqual([found?.low, found?.high], [share(false), share(true)]);
});

Deno.test("a later log is encoded as the set of --encoding-from, and unknown values are counted", async () => {
  const next = await prepareIn(folder, recipe({ encodingFrom: set, allowUnknownValues: true }, "next.csv"));
  assert.deepEqual(next.manifest.features.context, of);
  for (const printed of [/missing values: device 0\.0 % \(.*\d %\)/, /unknown values: device \d+\.\d %/]) {
    assert.ok(next.manifest.notes.some((note) => printed.test(note)), next.manifest.notes.join("\n"));
  }
  // Shares of an item's price are not compared with shares of an impression's price.
  const features = `${folder}/items.csv`;
  await Deno.writeTextFile(
    features,
    "item,price\n" + [...Array(40).keys()].map((k) => `i${k},${k}\n`).join(""),
  );
  const both = await prepareIn(folder, recipe({ ...context, features }));
  const { manifest: { notes } } = await prepareIn(folder, recipe({ features, encodingFrom: both.folder }));
  assert.deepEqual(notes.filter((note) => note.startsWith("compared with")), []);
  await expectSameAsRequests(next, later);
  const watches = later.filter(({ device }) => device === "watch").length / later.length;
  assert.ok(
    Math.abs(next.manifest.shares.find(({ column }) => column === "device")!.unknown - watches) < 1e-9,
  );
  const { manifest: again } = await prepareIn(folder, recipe({ encodingFrom: set, ...context }));
  assert.deepEqual(again.features, next.manifest.features);
  for (const columns of ["price", "price:category,published", "price,published,page"]) {
    const impressionFeatures = parseContextColumns(columns);
    const says = `Expected --impression-features to name the columns of …got ${columns}`;
    await expectRefused(folder, recipe({ encodingFrom: set, ...context, impressionFeatures }), says);
  }
});

Deno.test("a page's lists and a SELECT have the context features of a log of rows", async () => {
  const pages = [...Map.groupBy(rows, ({ page }) => page).values()].map((page) => {
    const { user, time, device, page: id } = page[0]!;
    const list = (name: "item" | "price" | "published") =>
      page.map((row) => row[name] === "" ? null : row[name]);
    const clicked = page.filter(({ clicked }) => clicked === 1).map(({ item }) => item);
    const shown = { items: list("item"), price: list("price"), published: list("published") };
    return JSON.stringify({ user, time, device, page: id, clicked, ...shown });
  });
  await Deno.writeTextFile(`${folder}/pages.jsonl`, pages.join("\n"));
  await Deno.writeTextFile(
    `${folder}/log.sql`,
    `SELECT "user", item, to_timestamp(time::DOUBLE) AS time, clicked, page, price, published, device FROM read_csv('${folder}/log.csv', all_varchar = true)`,
  );
  for (
    const other of [
      recipe({ item: undefined, items: "items", ...context }, "pages.jsonl"),
      logRecipe({ query: `${folder}/log.sql`, ...context }),
    ]
  ) await expectSameAsRequests(await prepareIn(folder, other), rows);
});

Deno.test("wrong context columns are refused", async () => {
  const refuse = (more: LogOptions, says: string) => expectRefused(folder, recipe(more), says);
  await refuse(
    { impressionFeatures: parseContextColumns("cost") },
    'expected a column "cost" (--impression-features)',
  );
  await refuse({ ...context, impressionFeatures: parseContextColumns("device") }, "Expected device in");
  await refuse({ pageFeatures: parseContextColumns("price") }, "Expected one price per page");
  await expectRefusal(
    () => recipe({ ...context, pages: "sampled" }),
    "Expected no --impression-features with --pages sampled",
  );
  for (const text of ["", "a,a", "hour:word"]) {
    assert.throws(() => parseContextColumns(text), /Expected/);
  }
});

Deno.test("given values replace the drawn context of simulated pages", async () => {
  const { source } = await openDataset(set);
  const drawn = drawContexts(source, of) ?? assert.fail();
  const { source: onDisk } = await openDataset(set, { memoryRows: 1, cache: `${folder}/cache` });
  for (const same of [source, onDisk]) assert.deepEqual(drawContexts(same, of), drawn);
  const large = toLogSource({ ...source.log!, items: { kind: "one-hot", count: 2 ** 24 } });
  const shared = drawContexts(large, of) ?? assert.fail();
  assert.deepEqual([shared.perItem, shared.rows.length], [0, 5 * shared.count], "items share page contexts");
  const [price = 0] = new EncodedContext(of, { impressions: { i1: { price: 3 } } }).encodeRow("i1");
  const cheapOnPhones = { page: { device: "phone" }, impressions: { "*": { price: "3" } } };
  const changed = setGivenContext(drawn, cheapOnPhones);
  changed?.rows.forEach((x, k) => assert.equal(x, [price, 1, drawn.rows[k], 0, 1][k % 5]));
  const give = (given: RequestContext, own = drawn) => () => setGivenContext(own, given);
  await expectRefusal(give({ page: { hour: 3 } }), "context.page.hour: Expected a column among");
  await expectRefusal(give({ page: { device: "watch" } }), "to be one of desktop, phone, got watch");
  await expectRefusal(give({ impressions: { i1: { price: 3 } } }), 'Expected "*" (all items)');
  await expectRefusal(() => setGivenContext(undefined, { page: { device: "phone" } }), "there are none");
});

Deno.test("a written log of simulated pages has given context values, and other values drawn from the log", async () => {
  const [run, written] = [`${folder}/run`, `${folder}/written`];
  const short = splitArgs("--dims 8 --lstm-units 4 --iterations 1 --validate-every 1");
  await runOk("train", "--data", set, "--save-dir", run, ...short);
  /** Lists the rows of each user: the item, followed by the context features. */
  const listRows = (source: LogSource, users: Uint32Array) => {
    const { userEvents, eventRows, rowItem, rowFeatures = assert.fail() } = source.read(users);
    const rows = Array.from(rowItem, (item, r) => [item, ...rowFeatures.subarray(5 * r, 5 * r + 5)]);
    const at = (k: number) => eventRows[userEvents[k]!];
    return Array.from(users.keys(), (k) => rows.slice(at(k), at(k + 1)));
  };
  const { source: logged } = await openDataset(set);
  const shown = listRows(logged, listUsers(logged, "train")).flat();
  // There is one context per page of train users, and each is the page context of one simulated user.
  const users = shown.length / 5;
  const sizes = splitArgs(`--users ${users} --pages 4 --slate 9 --policy random`);
  const given = ["--model", run, "--context", '{"impressions": {"*": {"price": 3}}}', "--write-log", written];
  const options = { truth: false, uncalibrated: false, memoryRows: 4_000_000, seed: 1, resplit: false };
  const found = await findUsers({ ...options, model: run });
  // Models of equal items read the same contexts, also if these were drawn from another number of pages.
  await withGpu(undefined, (gpu) => {
    using stack = new DisposableStack();
    const other = new SimulatedContexts(of, found.contexts!.rows.subarray(5), found.contexts!.count - 1, 16);
    assert.ok(Object.values(found.open(gpu, stack, other).environment).includes(other));
  });
  const { stdout } = await runOk("simulate", ...sizes, ...given);
  assert.ok(stdout.includes("price = 3; drawn from the log: published, device."), stdout);
  assert.match(stdout, /the value of published is drawn from the values logged for this item/);
  const { source, dataset: { features } } = await openDataset(written);
  assert.deepEqual(features?.context, of);
  const [price] = new EncodedContext(of, { impressions: { i1: { price: 3 } } }).encodeRow("i1");
  const agesOf = Map.groupBy(shown, ([item]) => item);
  const simulated = listRows(source, Uint32Array.from(source.userSplit.keys()));
  for (const rows of simulated) {
    const ageOf = new Map(rows.map(([item, , , age]) => [item, age]));
    assert.ok(new Set(ageOf.values()).size > 0.7 * ageOf.size && ageOf.size > 9, "items differ");
    for (const [item, ...row] of rows) {
      assert.deepEqual(row, [price, 1, ageOf.get(item), ...rows[0]!.slice(4)]);
      assert.ok((agesOf.get(item) ?? shown).some(([, , , age]) => age === row[2]));
    }
  }
  const sum = (rows: number[][], column: number) => rows.reduce((sum, row) => sum + row[column]!, 0);
  for (const k of [4, 5]) assert.equal(5 * sum(simulated.map(([row]) => row!), k), sum(shown, k), "shares");
  const difference = sum(simulated.flat(), 3) / (36 * users) - sum(shown, 3) / (5 * users);
  assert.ok(Math.abs(difference) < 4 / Math.sqrt(users), `the standardised ages differ by ${difference}`);
});

Deno.test("requests with unknown columns or unreadable values are refused, and gaps are named", async () => {
  const row = (impression: ContextRecord, page: ContextRecord = {}) => {
    const encoded = new EncodedContext(of, { page, impressions: { i1: impression }, time: "2023-12-01" });
    return [Array.from(encoded.encodeRow("i1")), encoded.gaps] as const;
  };
  await expectRefusal(() => row({ cost: 3 }), '"i1".cost: Expected a column among the impression features');
  await expectRefusal(() => row({}, { price: 3 }), "context.page.price: Expected a column");
  await expectRefusal(() => row({ price: "NaN" }), '"i1".price: Expected a number, got "NaN"');
  await expectRefusal(() => row({ price: true }), "Expected a number");
  await expectRefusal(() => row({ published: "soon" }), "Expected a time");
  assert.deepEqual(row({}, { device: "watch" }), [
    [0, 0, 0, 0, 0],
    { missing: ["price", "published"], unknown: ["device"] },
  ]);
  const all = new EncodedContext(of, { impressions: { "*": { price: 3 }, i1: { published: 1.6e9 } } });
  assert.ok(all.encodeRow("i1")[2] !== 0 && all.encodeRow("i2")[2] === 0);
  assert.equal(all.encodeRow("i1")[0], all.encodeRow("i2")[0]);
  assert.deepEqual([all.encodeRow("i2")[1], all.gaps.missing], [1, ["device", "published"]]);
  const [[price, known], { missing }] = row({ price: 1e9, published: "2023-11-30T10:00+01:00" }, {
    device: "phone",
  });
  assert.deepEqual([known, missing], [1, []]);
  assert.equal(price, row({ price: 1e12, published: "2023-11-30" }, { device: "phone" })[0][0], "clipped");
});

Deno.test("a model reads its own context features of a set with more, and refuses a set without them", async () => {
  const own = of.filter(({ name }) => name !== "published");
  for (const more of [{}, { memoryRows: 1, cache: `${folder}/cache` }]) {
    const { dataset } = await openDataset(set, more);
    const { userSplit } = dataset.source;
    const fit = (context: typeof of) => {
      const features = { ...dataset.features!, context };
      const fitted = removeOtherContext(dataset, features, "the model");
      return { fitted, rows: fitted.source.read(Uint32Array.from(userSplit.keys())).rowFeatures };
    };
    const { rows = assert.fail() } = fit(of);
    const { fitted, rows: fewer } = fit(own);
    assert.deepEqual([fitted.source.rowWidth, fitted.features?.context], [own.length, own]);
    assert.deepEqual(fewer, rows.filter((_, k) => own.includes(of[k % of.length]!)));
    assert.deepEqual(fit([]).rows, undefined);
    await expectRefusal(
      () => fit([...of, { ...of[0]!, name: "hour" }]),
      "got … without hour. Choose a data set",
    );
  }
});

Deno.test("a model that ignores context accepts the columns of the data set, and no others", async () => {
  const data = await openDataset(set);
  const encode = (context: RequestContext) => encodeContext(data, { ...smallLstm, counts: null }, context);
  assert.equal(encode({ page: { device: "watch" }, impressions: { i1: { price: 3 } } }), undefined);
  await expectRefusal(() => encode({ page: { hour: 3 } }), "context.page.hour: Expected a column");
  await expectRefusal(() => encode({ impressions: { i1: { cost: 3 } } }), '"i1".cost: Expected a column');
  await expectRefusal(() => encode({ impressions: { none: {} } }), "Expected ids of items");
});

Deno.test("a log, a request and ONNX give a page with context features the same utilities", () =>
  withGpu(undefined, async (gpu) => {
    const data = await openDataset(set);
    const { source } = data;
    const config = { ...smallLstm, counts: buildCountsConfig(source, []) };
    using model = new UserModel(gpu, source.items, config, initializeOnLog(source, config, { seed: 3 }));
    const weights = await model.weights();
    for (const name of ["counts/kernel", "utility/output/kernel"]) {
      weights.get(name)?.forEach((_, k, w) => w[k] = Math.sin(k));
    }
    model.setWeights(weights);
    const users = Uint32Array.from(source.userSplit.keys()).filter((user) => source.userSplit[user] !== 0);
    using evaluation = await NetworkEvaluation.ofModel(model, source, users, { shards: 1 });
    const session = await InferenceSession.create(
      exportModel({ config, catalogue: source.items, weights, context: of, metadata: {} }),
    );
    const byPage = Map.groupBy(rows, ({ page }) => page);
    let pages = 0;
    for await (const { log, users: scored, utilities } of evaluation.scored()) {
      for (const [k, user] of Array.from(scored).entries()) {
        const page = byPage.get(`${data.users.of(user).slice(1)}-0`) ?? assert.fail();
        const first = log.eventRows[log.userEvents[k]!]!;
        const order = page.map((_, j) => log.rowItem[first + j]!);
        const shown = order.map((item) =>
          page.find((row) => row.item === data.items.of(item)) ?? assert.fail()
        );
        const unknown = (text: string) => ["", "NaN", "twelve"].includes(text);
        const request = readScore(
          data,
          config,
          JSON.stringify({
            history: [],
            page: shown.map(({ item }) => item),
            context: {
              page: { device: shown[0]!.device },
              time: shown[0]!.time,
              impressions: Object.fromEntries(shown.map(({ item, price, published }) => [item, {
                published,
                ...(unknown(price) ? {} : { price: Number(price) }),
              }])),
            },
          }),
        );
        const [found] = await model.scoreAll([request]);
        const float = (values: number[]) =>
          new Tensor("float32", Float32Array.from(values), [1, values.length]);
        const int = (values: number[], dims: number[]) =>
          new Tensor("int64", BigInt64Array.from(values, BigInt), dims);
        const outputs = await session.run({
          history: int([-1], [1, 1]),
          page: int(Array.from(request.page), [1, shown.length]),
          "impression.price": float(shown.map(({ price }) => unknown(price) ? NaN : Number(price))),
          "impression.published": float(
            shown.map(({ published, time }) =>
              (1000 * time - Date.parse(published.endsWith("Z") ? published : `${published}Z`)) / 864e5
            ),
          ),
          "page.device": int([["desktop", "phone"].indexOf(shown[0]!.device)], [1]),
        });
        shown.forEach((_, j) => {
          const expected = utilities[first + j]!;
          assert.ok(Math.abs(found![j]! - expected) < 1e-5, `request: ${found![j]}, log: ${expected}`);
          const exported = Number(outputs.utilities?.data[j]);
          assert.ok(Math.abs(exported - expected) < 1e-5, `ONNX: ${exported}, log: ${expected}`);
        });
        pages++;
      }
    }
    assert.ok(pages > 20, `${pages} pages`);
  }));
