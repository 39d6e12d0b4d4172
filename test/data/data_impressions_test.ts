/** Logs of impressions to prepared data: small cases with the answer written out, faults, and laws. */

import assert from "node:assert/strict";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { impressions } from "../../src/data/prepare/impressions.ts";
import { refused, rowsOf } from "../case_table.ts";
import type { Prepared, PrepareOptions } from "../../src/data/prepare/prepare.ts";
import {
  defaults,
  folderWith,
  gzip,
  pagesOf,
  prepareIn,
  query,
  shuffledBy,
  sums,
} from "../prepared_folder.ts";

type Files = Readonly<Record<string, string | Uint8Array>>;
interface More {
  readonly layout?: "mind" | "long";
  readonly news?: string;
  readonly features?: string;
  readonly itemIds?: boolean;
  readonly timeFormat?: string;
}

/** Paths are below the folder. */
function prepareFiles(folder: string, source: string, more: More, options: Partial<PrepareOptions> = {}) {
  const below = (name: string | undefined) => name === undefined ? undefined : `${folder}/${name}`;
  const recipe = impressions({
    ...defaults,
    layout: "mind",
    itemIds: false,
    rareBelow: 1,
    ...more,
    source: source === "" ? folder : `${folder}/${source}`,
    news: below(more.news),
    features: below(more.features),
  });
  // Both users of the cases are train users.
  return prepareIn(folder, recipe, { shares: { train: 0.98, validation: 0.01 }, ...options });
}

async function preparedOf(files: Files, source: string, more: More = {}): Promise<Prepared> {
  return await prepareFiles(await folderWith(files), source, more);
}

async function rejects(
  files: Files,
  source: string,
  more: More,
  says: string,
  options: Partial<PrepareOptions> = {},
): Promise<void> {
  const folder = await folderWith(files);
  await refused(() => prepareFiles(folder, source, more, options), says);
}

const behaviors = [
  ["2", "U1", "11/12/2019 1:00:00 PM", "N9 N8 N9", "N3-0 N1-1 N2-0"],
  ["1", "U1", "11/11/2019 9:05:58 AM", "N9 N8", "N2-1 N3-0 N10-1 N2-0"],
  ["3", "U2", "1/2/2020 12:00:00 AM", "", "N1-0 N-1-2-0"],
].map((fields) => fields.join("\t") + "\n").join("");
const news = [
  ["N1", "sports", "soccer", "Title", "", "https://x", "[]", "[]"],
  ["N2", "news", "politics", 'A "quoted title', "", "", "[]", "[]"],
  ["N3", "sports", "golf", "", "", "", "[]", "[]"],
  ["N77", "travel", "sea", "", "", "", "[]", "[]"],
].map((fields) => fields.join("\t") + "\n").join("");

const pages = [
  // The history of the first impression, a millisecond apart, then the impressions.
  { user: "U1", time: "2019-11-11 09:05:57.998", items: ["N9"], clicked: "N9" },
  { user: "U1", time: "2019-11-11 09:05:57.999", items: ["N8"], clicked: "N8" },
  { user: "U1", time: "2019-11-11 09:05:58", items: ["N2", "N3", "N10"], clicked: "N10 N2" },
  { user: "U1", time: "2019-11-12 13:00:00", items: ["N3", "N1", "N2"], clicked: "N1" },
  { user: "U2", time: "2020-01-02 00:00:00", items: ["N1", "N-1-2"], clicked: null },
];

Deno.test("impressions: MIND's behaviors; the first history starts the state", async () => {
  const { folder, manifest } = await preparedOf({ "behaviors.tsv": behaviors }, "behaviors.tsv", {});
  assert.deepEqual(await pagesOf(folder), pages);
  assert.deepEqual(
    (await query(folder, "SELECT given FROM pages ORDER BY user, page")).map(({ given }) => given),
    [true, true, false, false, false],
  );
  assert.deepEqual(
    (await query(folder, "SELECT id FROM items")).map(({ id }) => id),
    ["N-1-2", "N1", "N10", "N2", "N3", "N8", "N9"],
  );
  assert.deepEqual(manifest.skipped, {
    "impressions with another history than the user's first one": 1,
    "rows of an item that is on its page already": 1,
  });
  assert.deepEqual([manifest.features.dense, manifest.features.tokens], [[], []]);
  assert.equal(manifest.counts?.given, 2);
  assert.match(manifest.name, /^out-/);
});

Deno.test("impressions: lines may end in \\n and in \\r\\n", async () => {
  const mixed = behaviors.replace("\n", "\r\n");
  const { folder, bad } = await preparedOf({ "behaviors.tsv": mixed + "\r\n\n" }, "behaviors.tsv", {});
  assert.deepEqual(await pagesOf(folder), pages);
  assert.equal(bad.total, 0);
});

Deno.test("impressions: categories of the news are tokens, from the folder or by --news", async () => {
  const expected = [
    { id: "N-1-2", tokens: [] },
    { id: "N1", tokens: [1, 5] },
    { id: "N10", tokens: [] },
    { id: "N2", tokens: [0, 4] },
    { id: "N3", tokens: [1, 3] },
    { id: "N8", tokens: [] },
    { id: "N9", tokens: [] },
  ];
  const check = async ({ folder, manifest }: Prepared) => {
    assert.deepEqual(await query(folder, "SELECT id, tokens FROM items"), expected);
    assert.deepEqual(manifest.features.tokens.map(({ name, first, count }) => [name, first, count]), [
      ["category", 0, 3],
      ["subcategory", 3, 4],
    ]);
    assert.equal(manifest.skipped["items on pages that have no row of features"], 4);
  };
  await check(await preparedOf({ "behaviors.tsv": behaviors, "news.tsv": news }, ""));
  const compressed = { "behaviors.tsv.gz": await gzip(behaviors), "news.tsv.zst": zstdCompressSync(news) };
  await check(await preparedOf(compressed, ""));
  // News of two parts of the data set: what is in both is there once.
  const parts = { "b.tsv": behaviors, "n1.tsv": news, "n2.tsv": news };
  await check(await preparedOf(parts, "b.tsv", { news: "n*.tsv" }));
  const { folder } = await preparedOf({ "behaviors.tsv": behaviors, "news.tsv": news }, "", {
    itemIds: true,
  });
  const rows = await query(folder, "SELECT id, tokens FROM items");
  assert.deepEqual(rows, expected.map(({ id, tokens }, k) => ({ id, tokens: [...tokens, 7 + k] })));
});

Deno.test("impressions: the long layout is a log with columns of fixed names", async () => {
  const long = "user,time,page,item,position,clicked\n" +
    "a,2020-01-01,p,x,2,1\na,2020-01-01,p,y,1,0\na,2020-01-02,q,x,1,0\n";
  const files = { "log.csv": long, "items.csv": "item,price\nx,1\ny,2\n" };
  const more = { layout: "long", features: "items.csv" } as const;
  const { folder, manifest } = await preparedOf(files, "log.csv", more);
  assert.deepEqual(await pagesOf(folder), [
    { user: "a", time: "2020-01-01 00:00:00", items: ["y", "x"], clicked: "x" },
    { user: "a", time: "2020-01-02 00:00:00", items: ["x"], clicked: null },
  ]);
  assert.match(manifest.name, /^out-/);
  assert.deepEqual(manifest.features.dense.map(({ name }) => name), ["price"]);
});

Deno.test("impressions: times of the long layout are read as --time-format says", async () => {
  const long = "user,time,page,item,position,clicked\na,31/1/2020,p,x,2,1\na,31/1/2020,p,y,1,0\n";
  const more = { layout: "long", timeFormat: "%d/%m/%Y" } as const;
  const { folder } = await preparedOf({ "log.csv": long }, "log.csv", more);
  assert.deepEqual((await pagesOf(folder)).map(({ time }) => time), ["2020-01-31 00:00:00"]);
});

Deno.test("impressions: bad lines are counted by kind and shown with file and line", async () => {
  const line = (...fields: string[]) => fields.join("\t") + "\n";
  const time = "11/11/2019 9:05:58 AM";
  const bad = line("1", "U1", time, "", "N1-0 N2 N3-1") + // 2
    "\n" +
    line("1", "U1", time, "", "N1-0 N2-2") + // 4
    line("1", "U1", time, "", "") +
    line("1", "U1", "2019-11-11 09:05:58", "", "N1-0") + // 6
    line("1", "U1", "13/13/2019 9:05:58 AM", "", "N1-0") +
    line("1", "", time, "", "N1-0") + // 8
    line("", "U1", time, "", "N1-0") +
    line("1", "U1", time, "N1-0"); // 10
  const right = (n: number) =>
    Array.from({ length: n }, (_, k) => line(`${k}`, `V${k}`, time, "", "N1-0 N2-1")).join("");
  const text = right(1) + bad + right(900);
  const files = { "b.tsv": text, "news.tsv": "N1\tx\n" + news.repeat(60) };
  const { bad: told } = await preparedOf(files, "b.tsv", { news: "news.tsv" });
  assert.deepEqual(Object.fromEntries(told.counts), {
    "an item of an impression is not marked -0 or -1": 3,
    "the time cannot be read": 2,
    "the user is empty": 1,
    "the impression id is empty": 1,
    "an impression without its five columns": 1,
    "a line of news without id, category and subcategory": 1,
  });
  const found = told.examples.map(({ file, line, fault }) => `${file.replace(/.*\//, "")}:${line}: ${fault}`);
  assert.deepEqual(found, [
    'b.tsv:2: expected items such as N123-0 N456-1, found "N2"',
    'b.tsv:4: expected items such as N123-0 N456-1, found "N2-2"',
    "b.tsv:5: expected items such as N123-0 N456-1, found nothing",
    'b.tsv:6: expected a time such as 11/11/2019 9:05:58 AM, found "2019-11-11 09:05:58"',
    'b.tsv:7: expected a time such as 11/11/2019 9:05:58 AM, found "13/13/2019 9:05:58 AM"',
    "b.tsv:8: expected a user, found nothing",
    "b.tsv:9: expected an impression id, found nothing",
    'b.tsv:10: expected 5 columns separated by tabs, found "1 U1 11/11/2019 9:05:58 AM N1-0"',
    'news.tsv:1: expected news as id, category and subcategory, separated by tabs, found "N1 x"',
  ]);
  const first = 'b.tsv:2: expected items such as …, found "N2". Correct';
  await rejects({ "b.tsv": text }, "b.tsv", {}, first, { strict: true });
  const many = { "b.tsv": right(1) + bad + right(9) };
  await rejects(many, "b.tsv", {}, "8 of 18 rows cannot be read, expected at most 1 %");
});

/** A source, options as JSON, and what is said of them. */
const REFUSED = rowsOf(`
  none.tsv | {} | Expected behaviors.tsv at …none.tsv, found no such file
  behaviors.tsv | {"news": "none.tsv"} | Expected news.tsv at …none.tsv, found no such file
  log.csv | {} | log.csv:1: expected 5 columns separated by tabs …, found 1: user,time…--layout long
  behaviors.tsv | {"news": "twice.tsv"}
    | twice.tsv: expected one category and subcategory for each item, found several for N1
  behaviors.tsv | {"timeFormat": "%Y"} | --time-format belongs to the layout long
  log.csv | {"layout": "long"} | expected a column "page" (--page), found user, time, request
`);

Deno.test("impressions: files that are not what they should be are told", async () => {
  const files = {
    "behaviors.tsv": behaviors,
    "twice.tsv": news + "N1\tnews\tsoccer\n",
    "log.csv": "user,time,request,item,position,clicked\na,2020-01-01,p,x,2,1\n",
  };
  for (const [source = "", more = "", says = ""] of REFUSED) {
    await rejects(files, source, JSON.parse(more), says);
  }
});

const item = fc.constantFrom("N1", "N2", "N10", "N3");
const impression = fc.record({
  user: fc.integer({ min: 1, max: 9 }).map((k) => `U${k}`),
  minute: fc.integer({ min: 10, max: 12 }),
  history: fc.array(item, { maxLength: 3 }),
  shown: fc.array(fc.tuple(item, fc.constantFrom("0", "1")), { minLength: 1, maxLength: 5 }),
});

Deno.test("impressions: the order of lines, files and compression do not change the prepared data", async () => {
  await fc.assert(
    fc.asyncProperty(
      // What is found in several small logs is found in one of all their users, by one preparation; and a few lines alone.
      fc.oneof(...[36, 36, 3].map((maxLength) => fc.array(impression, { minLength: 1, maxLength }))),
      fc.infiniteStream(fc.nat(1000)),
      async (all, random) => {
        const next = () => random.next().value ?? 0;
        const lines = all.map(({ user, minute, history, shown }, k) => {
          const tokens = shown.map((token) => token.join("-")).join(" ");
          return `${k}\t${user}\t11/11/2019 9:${minute}:00 PM\t${history.join(" ")}\t${tokens}\n`;
        });
        const shuffled = shuffledBy(lines, next);
        const cut = 1 + next() % lines.length;
        const files: Record<string, string | Uint8Array> = {
          "one.tsv": lines.join(""),
          "two-a.tsv": shuffled.slice(0, cut).join("").replaceAll("\n", "\r\n"),
        };
        if (cut < lines.length) files["two-b.tsv.zst"] = zstdCompressSync(shuffled.slice(cut).join(""));
        const folder = await folderWith(files);
        const one = await prepareFiles(folder, "one.tsv", {});
        const two = await prepareFiles(folder, "two-*", {}, { threads: 1 + next() % 2 });
        assert.deepEqual(sums(one), sums(two));
        for (const { items, clicked } of await pagesOf(one.folder)) {
          assert.ok(clicked === null || clicked.split(" ").every((id) => items.includes(id)));
          assert.equal(new Set(items).size, items.length);
        }
        // The given pages of a user are the history of their first impression, in order, before everything else.
        const given = await query(
          one.folder,
          "SELECT u.id AS user, list(i.id ORDER BY page) AS clicked, max(p.time) < min(first_time) AS before " +
            "FROM pages p JOIN users u USING (user) JOIN items i ON i.item = p.items[1] " +
            "JOIN (SELECT user, min(time) AS first_time FROM pages WHERE NOT given GROUP BY user) USING (user) " +
            "WHERE given GROUP BY u.id ORDER BY u.id",
        );
        const expected = [
          ...Map.groupBy(all.map((one, k) => ({ ...one, k: String(k) })), ({ user }) => user),
        ].map((
          [user, own],
        ) => {
          const [first] = own.sort((a, b) => a.minute - b.minute || (a.k < b.k ? -1 : 1));
          return { user, clicked: first?.history ?? [], before: true };
        }).filter(({ clicked }) => clicked.length > 0).sort((a, b) => a.user < b.user ? -1 : 1);
        assert.deepEqual(given, expected);
      },
    ),
    { numRuns: 6 },
  );
});
