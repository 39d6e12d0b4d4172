/** What hashed ids of items cost (`data log --hash-items N`): prec@1 beside ids that each item has to itself, by N, on three logs. */

import { Engine, literal } from "../../src/data/prepare/engine.ts";
import { exists } from "../../src/run/files/file_error.ts";
import { makeFolder } from "../../src/run/files/atomic_write.ts";
import { markdownTable } from "../../src/run/markers.ts";
import { thousands } from "../../src/thousands.ts";
import { testFigures } from "./models.ts";
import { fixed, type ResultTable, type Runs } from "./runs.ts";

const BUCKETS = [1_000, 10_000, 100_000, 1_000_000];
/**
 * A small model that knows items by their ids alone: of a million hashes its tables of 2 N rows and 16 columns just fit into a
 * binding of 128 MiB.
 */
const MODEL =
  "--adam row-sparse --lstm-units 4 --dims 16 --counts none --learning-rate 0.005 --validate-every 100";

const PAGES = "--user user --item item --time time --clicked clicked --page page";
/** How `data log` reads each. */
const LOGS = [
  { name: "demo", title: "demo shop, 500 items", log: PAGES, source: demoLog },
  { name: "shop", title: "a shop of 100,000 items", log: PAGES, source: largeShop },
  {
    ...{ name: "yelp", title: "yelp, 804 items" },
    log:
      "--user session_new_index --item item_new_index --time Time --time-format seconds --clicked is_click --format csv",
    source: ({ papers }: Runs) => Promise.resolve(`${papers}/yelp.txt`),
  },
];

export const hashedTable: ResultTable = {
  name: "hashed",
  about: "hashed ids of items beside their own, on the demo shop, a shop of 100,000 items, and yelp",
  async make(runs) {
    const columns = await Promise.all(LOGS.map((log) => columnOf(runs, log)));
    const rows = [undefined, ...BUCKETS].map((buckets, k) => [
      buckets === undefined ? "an id each" : thousands(buckets),
      ...columns.map((column) => column[k] ?? ""),
    ]);
    return [
      `prec@1 on test users, +- half its 95 % range over them; \`${MODEL}\`:`,
      "",
      ...markdownTable(["N", ...LOGS.map(({ title }) => title)], rows),
    ].join("\n");
  },
};

/** Of items with ids of their own, then by buckets. */
async function columnOf(runs: Runs, { name, log, source }: typeof LOGS[number]): Promise<string[]> {
  const path = await source(runs);
  return await Promise.all([undefined, ...BUCKETS].map(async (buckets) => {
    const words = buckets === undefined ? ["--no-item-ids"] : ["--hash-items", String(buckets)];
    const prepare = ["--source", path, ...log.split(" "), "--shares", "60-20-20", ...words];
    const of = `${name}-${buckets ?? "ids"}`;
    const data = await runs.trained(`hashed-data-${of}`, "data log", prepare, "--out");
    const args = ["--data", data, "--no-report", ...MODEL.split(" ")];
    const { prec1, sampling } = await testFigures(await runs.trained(`hashed-${of}`, "train", args));
    return `${fixed(prec1)} +- ${fixed(sampling)}`;
  }));
}

async function demoLog(runs: Runs): Promise<string> {
  return `${await runs.trained("hashed-log-demo", "data example", [], "--out")}/log.csv`;
}

/**
 * 100,000 items, of which a page shows the popular ones more often; 6,000 users with ten pages of ten. All agree on the
 * strength of an item: u_i = 1.2 z_i - 2, and 0 for no click.
 */
async function largeShop({ folder }: Runs): Promise<string> {
  const path = `${folder}/hashed-shop.parquet`;
  if (await exists(path)) return path;
  await makeFolder(folder);
  const engine = await Engine.open({ workFolder: "", memory: "2GB", threads: 1 });
  try {
    await engine.run(
      "SELECT setseed(0.5);" +
        "CREATE TABLE item AS SELECT range AS item, 1.2 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) - 2 AS u FROM range(100000);" +
        "CREATE TABLE shown AS SELECT range // 10 AS page, floor(1e5 * power(random(), 3))::BIGINT AS item, -ln(-ln(random())) AS luck " +
        "FROM range(600000);" +
        "CREATE TABLE best AS SELECT page, max(u + luck) AS most FROM shown JOIN item USING (item) GROUP BY page ORDER BY page;" +
        "CREATE TABLE nothing AS SELECT page, -ln(-ln(random())) AS luck FROM (SELECT page FROM best ORDER BY page);" +
        "COPY (SELECT DISTINCT page // 10 AS user, page, 1700000000 + page AS time, 'sku-' || item AS item, " +
        "(u + shown.luck = most AND most > nothing.luck)::INTEGER AS clicked " +
        "FROM shown JOIN item USING (item) JOIN best USING (page) JOIN nothing USING (page) ORDER BY page, item) " +
        `TO ${literal(`${path}.part`)} (FORMAT parquet)`,
    );
    await Deno.rename(`${path}.part`, path);
  } finally {
    engine.close();
  }
  return path;
}
