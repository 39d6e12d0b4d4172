/** What a path of a source stands for: globs, odd names, links, and what is no file of this machine. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { mindRecipe } from "../src/prepare/impressions.ts";
import { describe } from "../src/prepare/describe.ts";
import { Engine, literal } from "../src/prepare/engine.ts";
import { filesOf, plainPath } from "../src/prepare/glob.ts";
import type { LogOptions } from "../src/prepare/log.ts";
import { retailrocket } from "../src/prepare/retailrocket.ts";
import type { Recipe } from "../src/prepare/prepare.ts";
import { findFiles } from "../src/prepare/sources.ts";
import { UserError } from "../src/user_error.ts";
import { good, parquet, recipe } from "./data_log_check.ts";
import { rewrite, writeSet } from "./foreign_set.ts";
import { pagesOf, prepareIn, withFolder } from "./prepared_folder.ts";
import { smallLog } from "./small_logs.ts";

const csv = "uid,sku,ts,label\n" + good(9);
const raw = {
  pages: "session",
  sessionGap: 30,
  pageSize: 50,
  keepNoClick: true,
  numeric: [],
  itemIds: false,
  seed: 1,
  minEvents: 1,
  maxUsers: undefined,
} as const;
const events = "timestamp,visitorid,event,itemid,transactionid\n1433000000000,1,view,5,\n";
const behaviors = "1\tU1\t11/11/2019 9:05:58 AM\t\tN1-0 N2-1\n";

async function refuses(folder: string, recipe: Recipe, says: RegExp): Promise<void> {
  await assert.rejects(prepareIn(folder, recipe), (error) => {
    assert.ok(error instanceof UserError, error instanceof Error ? error.stack : String(error));
    assert.match(error.message, says);
    return true;
  });
}

async function fifo(path: string): Promise<boolean> {
  return (await new Deno.Command("mkfifo", { args: [path] }).output().catch(() => undefined))?.success ??
    false;
}

Deno.test("globs find what they say, in order, and nothing is left out in silence", async () => {
  await withFolder({}, async (folder) => {
    const names = [
      "a.csv",
      "b.csv",
      "c1.csv",
      "c].csv",
      ".hidden.csv",
      "x/a.csv",
      "x/y/a.csv",
      "w*.csv",
      "w1.csv",
    ];
    await Deno.mkdir(`${folder}/x/y`, { recursive: true });
    await Deno.mkdir(`${folder}/folder.csv`);
    for (const name of names) await Deno.writeTextFile(`${folder}/${name}`, "");
    const cases: [pattern: string, found: string[]][] = [
      ["*.csv", [".hidden.csv", "a.csv", "b.csv", "c1.csv", "c].csv", "w*.csv", "w1.csv"]],
      ["?.csv", ["a.csv", "b.csv"]],
      ["[ab].csv", ["a.csv", "b.csv"]],
      ["[!a].csv", ["b.csv"]],
      ["[a-c]?.csv", ["c1.csv", "c].csv"]],
      ["c[]].csv", ["c].csv"]],
      ["w*.csv", ["w*.csv"]], // is there as it stands
      ["w[*].csv", ["w*.csv"]],
      ["w?.csv", ["w*.csv", "w1.csv"]],
      ["*/a.csv", ["x/a.csv"]],
      ["**/a.csv", ["a.csv", "x/a.csv", "x/y/a.csv"]],
      ["x/**", ["x/a.csv", "x/y/a.csv"]],
      ["*/../b.csv", ["x/../b.csv", "folder.csv/../b.csv"]],
      ["a.csv", ["a.csv"]],
      ["d.csv", []],
      ["none/*.csv", []],
      ["a.csv/*", []],
    ];
    for (const [pattern, found] of cases) {
      const expected = found.map((name) => `${folder}/${name}`).sort();
      assert.deepEqual(filesOf(`${folder}/${pattern}`), expected, pattern);
      assert.deepEqual(filesOf(pattern, folder), expected, pattern);
    }
    for (const name of ["x1", "x[1]"]) {
      await Deno.mkdir(`${folder}/${name}`);
      await Deno.writeTextFile(`${folder}/${name}/a.csv`, "");
    }
    assert.deepEqual(filesOf(`${folder}/x[1]/*.csv`), [`${folder}/x[1]/a.csv`]);
    assert.deepEqual(filesOf(`${folder}/x[12]/*.csv`), [`${folder}/x1/a.csv`]);
    for (const name of ["x1", "x[1]"]) await Deno.remove(`${folder}/${name}`, { recursive: true });
    // Links to folders are followed, but not in circles.
    await Deno.symlink(folder, `${folder}/x/back`);
    await Deno.symlink(`${folder}/x/y`, `${folder}/link`);
    assert.deepEqual(
      filesOf("**/a.csv", folder),
      ["a.csv", "link/a.csv", "x/a.csv", "x/y/a.csv"].map((name) => `${folder}/${name}`),
    );
  });
});

Deno.test("a file of any name is found by that name, and by itself alone, here and in the engine", async () => {
  const engine = await Engine.open({ workFolder: "", memory: "500MB", threads: 1 });
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.string({
          unit: fc.constantFrom("a", "b", "*", "?", "[", "]", "!", "-", "'", "{", " "),
          minLength: 1,
          maxLength: 6,
        }),
        async (name) => {
          await withFolder({
            [`${name}.csv`]: "v\n1\n",
            "a.csv": "v\n2\n",
            "ab.csv": "v\n2\n",
            "-.csv": "v\n2\n",
          }, async (folder) => {
            const path = `${folder}/${name}.csv`;
            const kept = ["a", "ab", "-"].includes(name) ? 2 : 1;
            assert.deepEqual(filesOf(path), [path]);
            const rows = await engine.rows(
              `SELECT v, filename FROM read_csv(${literal(plainPath(path))}, filename = true)`,
            );
            assert.deepEqual(rows.map(({ v, filename }) => [Number(v), filename]), [[kept, path]]);
          });
        },
      ),
      { numRuns: 80, seed: 2 },
    );
  } finally {
    engine.close();
  }
});

Deno.test("a source that is no readable file of this machine is refused by name", async () => {
  await withFolder({ "a.csv": csv, "features.csv": "sku,x\ni1,2\n" }, async (folder) => {
    const at = (name: string) => `${folder}/${name}`;
    await Deno.symlink(at("none"), at("dangling.csv"));
    await Deno.symlink("loop.tsv", at("loop.tsv"));
    await Deno.mkdir(at("sub"));
    await Deno.symlink(at("none"), at("sub/gone"));
    const cases: [source: string, says: RegExp][] = [
      [at("*.csv"), /dangling\.csv is a link to .*none, which is not there\. Mend or remove the link/],
      [at("dangling.csv"), /dangling\.csv is a link to .*none, which is not there/],
      [at("sub/*/x.csv"), /sub\/gone is a link to .*none, which is not there/],
      [at("loop.tsv"), /cannot read .*loop\.tsv: links lead to each other in a loop/],
      ["/dev/null", /\/dev\/null: expected a regular file, found a character device/],
      [at("x".repeat(5000)), /cannot read .* \(\d+ characters\): the name is too long/],
      [
        "s3://bucket/log.csv",
        /Expected a path on this machine, found s3:\/\/bucket\/log\.csv: only local files are read\. Fetch the data first/,
      ],
      ["https://example.org/*.csv", /found https:.*only local files are read/],
      ["HTTP://x/y.parquet", /only local files are read/],
      [`file://${folder}/a.csv`, /only local files are read\. Name it without file:\/\//],
    ];
    for (const [source, says] of cases) await refuses(folder, recipe(source), says);
    const others: Recipe[] = [
      recipe(at("a.csv"), { features: "s3://bucket/f.csv" }),
      retailrocket({ ...raw, source: "s3://bucket" }),
      mindRecipe({ source: "s3://bucket", itemIds: false }),
      mindRecipe({ source: at("a.csv"), news: "gs://bucket/news.tsv", itemIds: false }),
    ];
    for (const other of others) await refuses(folder, other, /only local files are read/);
    await assert.rejects(describe("s3://bucket/set", "500MB"), /UserError: .*only local files are read/);
    await refuses(folder, recipe(at("a.csv"), { features: at("dangling.csv") }), /is a link to/);
    if (await fifo(at("fifo.csv"))) {
      await Deno.remove(at("dangling.csv"));
      await refuses(folder, recipe(at("fifo.csv")), /fifo\.csv: expected a regular file, found a FIFO/);
      await refuses(folder, recipe(at("*.csv")), /fifo\.csv: expected a regular file, found a FIFO/);
      await refuses(folder, recipe(at("a.csv"), { features: at("fifo.csv") }), /found a FIFO/);
    }
    assert.throws(
      () => findFiles(at("none"), "a log"),
      /UserError: Expected a log at .*none, found no such file/,
    );
  });
});

Deno.test("folders and files whose names hold *, ? or [ are read as they are named", async () => {
  await withFolder({}, async (folder) => {
    const odd = `${folder}/rr[1]*?`;
    await Deno.mkdir(odd);
    // What the name would match, were it a pattern.
    await Deno.mkdir(`${folder}/rr1xy`);
    await Deno.writeTextFile(`${folder}/rr1xy/events.csv`, events + "1433000000000,2,view,5,\n");
    await Deno.writeTextFile(`${odd}/events.csv`, events);
    await Deno.writeTextFile(`${odd}/behaviors.tsv`, behaviors);
    await Deno.writeTextFile(`${odd}/log[2].csv`, csv);
    await Deno.writeTextFile(`${odd}/bad.csv`, csv + good(300) + "a,x,1600000000,yes\nshort\n");
    await Deno.writeTextFile(`${odd}/log.ndjson`, '{"uid": 1, "sku": "x", "ts": 1600000000, "label": 1}\n');
    await parquet(`${odd}/log.parquet`, "SELECT 1 AS uid, 2 AS sku, 1600000000 AS ts, 1 AS label");
    const users = async (recipe: Recipe) => {
      const { manifest: { counts }, bad, folder: out } = await prepareIn(into, recipe);
      assert.ok((await describe(out, "500MB")).items > 0);
      return [Object.values(counts?.users ?? {}).reduce((sum, n) => sum + n, 0), bad.examples.length];
    };
    await refuses(odd, recipe(`${odd}/log[2].csv`), /Expected a path without a \? for the prepared data/);
    const into = `${folder}/out[1]*`;
    await Deno.mkdir(into);
    assert.deepEqual(await users(retailrocket({ ...raw, source: odd })), [1, 0]);
    assert.deepEqual(await users(mindRecipe({ source: odd, itemIds: false })), [1, 0]);
    assert.deepEqual(await users(recipe(`${odd}/log[2].csv`)), [9, 0]);
    assert.deepEqual(await users(recipe(`${odd}/log.ndjson`)), [1, 0]);
    assert.deepEqual(await users(recipe(`${odd}/log.parquet`)), [1, 0]);
    assert.deepEqual(await users(recipe(`${odd}/bad.csv`)), [300, 2]);
  });
});

Deno.test("describe reads what training reads, and says what is wrong with the rest", async () => {
  const log = smallLog(4, { users: 30, items: 6, width: 2 });
  const withSet = async (part: string, sql: string, use: (folder: string) => Promise<void>) => {
    await withFolder({}, async (folder) => {
      await writeSet(folder, log);
      await rewrite(folder, part, sql);
      await use(folder);
    });
  };
  const refused: [part: string, sql: string, says: RegExp][] = [
    [
      "pages",
      "SELECT * REPLACE ([items] AS items) FROM t",
      /expected items to be lists of whole numbers, found .*nested lists/,
    ],
    ["pages", "SELECT * REPLACE ({a: items} AS items) FROM t", /expected items to be lists .* STRUCT/],
    ["items", "SELECT * EXCLUDE item FROM t", /expected the columns item, dense, item is missing/],
    [
      "users",
      "SELECT * REPLACE ('x' AS split) FROM t",
      /expected split to be train, validation, test, found x/,
    ],
    [
      "items",
      "SELECT * REPLACE ([1e300, 1]::DOUBLE[] AS dense) FROM t",
      /item 0: expected features that a 32-bit float holds/,
    ],
  ];
  for (const [part, sql, says] of refused) {
    await withSet(part, sql, async (folder) => {
      await assert.rejects(describe(folder, "500MB"), (error) => {
        assert.ok(error instanceof UserError, error instanceof Error ? error.stack : String(error));
        assert.match(error.message, says);
        return true;
      });
    });
  }
  const figures = await withFolderDescribed(log);
  const fine: [part: string, sql: string][] = [
    ["items", "SELECT * EXCLUDE id FROM t"],
    ["items", "SELECT * REPLACE (item * 7 AS id) FROM t"],
    ["items", "SELECT * REPLACE ([item] AS id) FROM t"],
    ["users", "SELECT * EXCLUDE id FROM t"],
    ["pages", "SELECT * EXCLUDE page FROM t"],
    ["pages", "SELECT * EXCLUDE given FROM t"],
    ["pages", "SELECT * REPLACE (clicked::DOUBLE AS clicked, items::DOUBLE[] AS items) FROM t"],
  ];
  for (const [part, sql] of fine) {
    await withSet(part, sql, async (folder) => {
      const { parts, pageSizes, clickPlaces, ids } = await describe(folder, "500MB");
      assert.deepEqual(rounded({ parts, pageSizes, clickPlaces, ids }), figures, sql);
    });
  }
});

/** Means are sums in whatever order. */
function rounded(figures: object): object {
  return JSON.parse(JSON.stringify(figures, (_, x) => typeof x === "number" ? Number(x.toPrecision(12)) : x));
}

async function withFolderDescribed(log: ReturnType<typeof smallLog>) {
  let found: object = {};
  await withFolder({}, async (folder) => {
    await writeSet(folder, log);
    const { parts, pageSizes, clickPlaces, ids } = await describe(folder, "500MB");
    found = rounded({ parts, pageSizes, clickPlaces, ids });
  });
  return found;
}

/** Ids as floats that may have been others: a file, its name, and how it is read. */
const lost: [what: string, more: Partial<LogOptions>, says: RegExp][] = [
  [
    '{"uid": 9007199254740993.0}',
    {},
    /found floating point numbers .* in 1 rows.*\n.*log\.ndjson:2: expected uid or sku/,
  ],
  [
    '{"sku": 9007199254740992.0}',
    {},
    /expected uid or sku to be text or a whole number, exactly, found "9007199254740992\.0"/,
  ],
  ['{"sku": 1e17}', {}, /exactly, found "100000000000000000\.0"/],
  ['{"uid": 1.5}', {}, /exactly, found "1\.5"/],
  ['{"page": 9.007199254740993e15}', { page: "page" }, /expected uid or sku or page to be text/],
];

Deno.test("ids of JSON that floats do not hold are refused, however few they are", async () => {
  const row = { uid: 1, sku: 2, ts: 1_600_000_000, label: 1, page: 3 };
  for (const [text, more, says] of lost) {
    const [, key = "", value = ""] = /"(\w+)": (.*)\}/.exec(text) ?? [];
    const bad = JSON.stringify({ ...row, [key]: "@" }).replace('"@"', value);
    await withFolder({
      "log.ndjson": [JSON.stringify(row), bad, ...Array(500).fill(JSON.stringify(row))].join("\n"),
    }, (folder) => refuses(folder, recipe(`${folder}/log.ndjson`, more), says));
  }
});

Deno.test("keys and tokens of features that floats do not hold are refused, however few they are", async () => {
  await withFolder({ "log.csv": csv }, async (folder) => {
    const features = `${folder}/f.parquet`;
    const of = (item: string, brand: string) =>
      `SELECT ${item} AS sku, ${brand} AS brand, 1.5 AS price UNION ALL SELECT k, k, k FROM range(1000) AS r(k)`;
    const more = { features, tokens: ["brand"] };
    const says =
      /Expected sku or brand to be text or whole numbers, found floating point numbers .* in 1 rows.*\n.*f\.parquet:1: /;
    for (const bad of ["9007199254740993::DOUBLE", "9007199254740993::HUGEINT::DOUBLE", "2.5::DOUBLE"]) {
      await parquet(features, of(bad, "'a'"));
      await refuses(folder, recipe(`${folder}/log.csv`, more), says);
    }
    for (const bad of ["9007199254740993::DOUBLE", "16777217::FLOAT", "-9007199254740993::DOUBLE"]) {
      await parquet(features, of("'i1'", bad).replace("k, k, k", `k::VARCHAR, k::${bad.split("::")[1]}, k`));
      await refuses(folder, recipe(`${folder}/log.csv`, more), says);
    }
    await parquet(features, of("[1]", "'a'").replace("k, k, k", "[k], 'b', k"));
    await refuses(
      folder,
      recipe(`${folder}/log.csv`, more),
      /expected sku \(--item\) to be text or whole numbers, found BIGINT\[\]|found INTEGER\[\]/,
    );
    const lines = (brand: string) =>
      [`{"sku": "i1", "brand": ${brand}}`, ...Array(500).fill('{"sku": "i2", "brand": ["x"]}')].join("\n");
    for (const bad of ["9007199254740993.0", '["a", 9007199254740993.0]', "[1e30]"]) {
      await Deno.writeTextFile(`${folder}/f.ndjson`, lines(bad));
      await refuses(
        folder,
        recipe(`${folder}/log.csv`, { features: `${folder}/f.ndjson`, tokens: ["brand"] }),
        /Expected sku or brand to be text/,
      );
    }
    await Deno.writeTextFile(
      `${folder}/f.ndjson`,
      lines('["a", 9007199254740993, 1.5, 12345678901234567890123]'),
    );
    const { manifest } = await prepareIn(
      folder,
      recipe(`${folder}/log.csv`, { features: `${folder}/f.ndjson`, tokens: ["brand"] }),
    );
    assert.deepEqual(manifest.features.tokens.map(({ count }) => count), [5]);
  });
});

Deno.test("Retailrocket's ids are whole numbers, exactly: nothing is rounded to one", async () => {
  const rows = Array.from({ length: 400 }, (_, k) => `143300000${1000 + k},${k},view,${k % 5},`).join("\n");
  const head = "timestamp,visitorid,event,itemid,transactionid\n";
  const bad: [row: string, says: RegExp][] = [
    ["1433000000000,3.5,view,5,", /expected visitorid to be a whole number below 2\^63, found "3\.5"/],
    ["1433000000000,1e3,view,5,", /expected visitorid to be a whole number below 2\^63, found "1e3"/],
    ["1433000000000,1,view,0x10,", /expected itemid to be a whole number below 2\^63, found "0x10"/],
    ["1433000000000,1,view,1_000,", /expected itemid to be a whole number below 2\^63, found "1_000"/],
    ["1433000000000,\\N,view,5,", /expected visitorid to be a whole number below 2\^63, found nothing/],
    ["1433000000000,9223372036854775808,view,5,", /expected visitorid to be a whole number below 2\^63/],
    ["1433000000000.5,1,view,5,", /expected timestamp to be milliseconds since 1970/],
    ["9000000000000000000,1,view,5,", /expected timestamp to be milliseconds since 1970/],
    ["1433000000000,1,\\N,5,", /expected event to be view, addtocart or transaction/],
  ];
  await withFolder({}, async (folder) => {
    const prepared = () =>
      prepareIn(folder, retailrocket({ ...raw, source: folder, pages: "sampled", pageSize: 3 }));
    for (const [row, says] of bad) {
      await Deno.writeTextFile(`${folder}/events.csv`, `${head}${rows}\n${row}\n`);
      const { bad: found } = await prepared();
      assert.equal(found.total, 1, row);
      assert.equal(found.examples[0]?.line, 402, row);
      assert.match(found.examples[0]?.fault ?? "", says);
    }
    await Deno.writeTextFile(`${folder}/events.csv`, `${head}${rows}\n 1433000000000 , 7 ,view,5,\n`);
    await Deno.writeTextFile(
      `${folder}/item_properties.csv`,
      "timestamp,itemid,property,value\n" + Array.from({ length: 400 }, (_, k) =>
        `${k},${k % 5},categoryid,7\n`).join("") +
        "1,1,categoryid,9007199254740993\n1,1.5,available,1\n1,1,790,ninf\n1,2,categoryid,2.5\n",
    );
    await Deno.writeTextFile(
      `${folder}/category_tree.csv`,
      "categoryid,parentid\n" + Array.from({ length: 400 }, (_, k) => `${k},\n`).join("") + "2.5,1\n7,1.5\n",
    );
    const { bad: found, manifest } = await prepared();
    assert.deepEqual(Object.fromEntries(found.counts), {
      "a categoryid is no exact whole number": 1,
      "itemid cannot be read": 1,
      "categoryid cannot be read": 1,
      "parentid cannot be read": 1,
    });
    assert.equal(manifest.skipped["categories of an item that are no whole number"], 1);
  });
});

Deno.test("time zones beyond 18 hours, and what is on no calendar, are no times", async () => {
  const bad = ["+99:99", "+18:01", "+19", "-2400", "+05:60", "+0575", "+1", "Z+01"].map((zone) =>
    `2020-01-01T00:00:00${zone}`
  );
  bad.push(
    "2020-02-30",
    "2019-02-29",
    "2020-13-01",
    "2020-00-10",
    "2020-01-00",
    "2020-01-01 25:00",
    "2020-01-01 10:60",
  );
  const fine = ["+18:00", "-18", "+0530", "+05:45", " -03", "Z", ""].map((zone) =>
    `2020-01-01T00:00:00${zone}`
  );
  const lines = [...bad, ...fine].map((time, k) => `u${k},x,${time},1\n`).join("");
  const many = Array.from({ length: 2000 }, (_, k) => `m${k},x,2020-02-29T00:00:00+01:00,1\n`).join("");
  await withFolder({ "log.csv": `uid,sku,ts,label\n${lines}${many}` }, async (folder) => {
    const { bad: found } = await prepareIn(folder, recipe(`${folder}/log.csv`));
    assert.deepEqual(found.examples.map(({ line }) => line), bad.map((_, k) => k + 2));
    assert.deepEqual([...found.counts.keys()], ["ts cannot be read"]);
  });
});

Deno.test("without page ids, times that differ below a millisecond are pages of their own", async () => {
  const pages: [times: string[], count: number][] = [
    [["1573463158123000001", "1573463158123000002", "1573463158123000001"], 2],
    [["1573463158123001", "1573463158123002", "1573463158123001"], 2],
    [["1573463158.1231", "1573463158.1232", "1573463158.12310"], 2],
    [["2019-11-11T09:05:58.123001Z", "2019-11-11T10:05:58.123001+01", "2019-11-11 09:05:58.123002"], 2],
    [["1573463158", "1573463158.0", "1.573463158e9"], 1],
  ];
  for (const [times, count] of pages) {
    const log = "uid,sku,ts,label\n" + times.map((time, k) => `a,${k},${time},0\n`).join("");
    await withFolder({ "log.csv": log }, async (folder) => {
      const { folder: out } = await prepareIn(folder, recipe(`${folder}/log.csv`));
      assert.equal((await pagesOf(out)).length, count, times.join(", "));
    });
  }
});
