/** What a page makes of what is known of the items: the same as `data log --features` prepares of the same two files. */

import assert from "node:assert/strict";
import { differenceOf } from "../src/data/feature_meaning.ts";
import { doubleOf } from "../src/data/long_log/doubles.ts";
import { type LongLog, parseLongLog } from "../src/data/long_log/long_log.ts";
import { randomStream } from "../src/data/random.ts";
import { Engine, literal } from "../src/prepare/engine.ts";
import { openPrepared } from "../src/run/prepared_dataset.ts";
import { prepareLong } from "./long_log.ts";
import { csvOf, logFiles, madeFilms, type MadeLog, madeNews, madeShop } from "./made_logs.ts";
import { withFolder } from "./prepared_folder.ts";

/** Of scales, which both sides compute in double: logarithms may be rounded apart. */
const SCALES = 1e-12;
/** Of numbers, which are stored in single. */
const VALUES = 2e-7;

interface Files {
  readonly "log.csv": string;
  readonly "items.csv"?: string;
  readonly "items.jsonl"?: string;
}

/** The text of the items, and what its file is called. */
function itemsOf(files: Files): { path: string; text: string } {
  const [path, text = ""] = Object.entries(files).find(([name]) => name.startsWith("items")) ??
    assert.fail("no items");
  return { path, text };
}

async function bothWays(folder: string, files: Files, key = "item") {
  for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(`${folder}/${name}`, text);
  const features = `${folder}/${itemsOf(files).path}`;
  const options = { features, ...key === "item" ? {} : { featuresKey: key } };
  await prepareLong(`${folder}/log.csv`, `${folder}/set`, options);
  const prepared = await openPrepared(`${folder}/set`, { memoryRows: Infinity });
  const found = await parse(files, key);
  await Deno.remove(`${folder}/set`, { recursive: true });
  return { found, prepared };
}

function parse(files: Files, key = "item"): Promise<LongLog> {
  const items = { ...itemsOf(files), key };
  return parseLongLog({ path: "log.csv", text: files["log.csv"] }, { items });
}

/** All numbers of a value, and the same value without them. */
function apart(value: unknown): [numbers: number[], rest: unknown] {
  const numbers: number[] = [];
  const rest = JSON.parse(
    JSON.stringify(value),
    (_, one) => typeof one === "number" ? void numbers.push(one) : one,
  );
  return [numbers, rest];
}

function expectNear(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  assert.equal(found.length, expected.length, what);
  for (let k = 0; k < found.length; k++) {
    const [a = NaN, b = NaN] = [found[k], expected[k]];
    assert.ok(Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b)), `${what} ${k}: ${a}, expected ${b}`);
  }
}

async function expectSame(folder: string, files: Files, key = "item"): Promise<LongLog> {
  const { found, prepared } = await bothWays(folder, files, key);
  const log = prepared.source.log ?? assert.fail("a log in memory");
  const { manifest: { features, notes } } = prepared;
  const standardised = (notes: readonly string[]) =>
    notes.find((note) => /are standardised/.test(note))?.slice(1).replace(/\.$/, "");
  assert.equal(standardised(found.notes), standardised(notes));
  const { items, ...clicks } = found.log;
  const { items: others, ...expected } = log;
  assert.deepEqual({ ...clicks, name: "" }, { ...expected, name: "" });
  const [own, words] = apart(found.features);
  const [there, same] = apart(features);
  assert.deepEqual(words, same);
  expectNear(own, there, SCALES, "scales");
  if (items.kind === "one-hot" || others.kind === "one-hot") {
    assert.deepEqual(items, others);
    return found;
  }
  assert.deepEqual({ ...items, values: [] }, { ...others, values: [] });
  expectNear(items.values, others.values, VALUES, "numbers of items");
  return found;
}

/** The shop, its items known by columns that are hard to read. */
function strange(): Files {
  const shop = madeShop(3, { users: 80, items: 150, events: 5 });
  const random = randomStream(7, "strange items");
  const some = <T>(share: number, value: T) => random.uniform() < share ? value : "";
  const rows = shop.items.map((item, k) => ({
    flag: k % 3 === 0 ? 1 : 0,
    ...item,
    same: "one",
    same_number: some(0.5, 7),
    empty: k % 2 === 0 ? "" : "\\N",
    vendor_id: 100 + k % 7,
    added: some(0.8, 1_600_000_000_000 + 86_400_000 * random.integer(900)),
    seen: some(0.9, `2024-0${1 + random.integer(2)}-${10 + random.integer(9)} 10:3${random.integer(9)} +02`),
    released: some(
      0.9,
      [`0${1 + k % 9}`, ["Jan", "feb", "DEC"][k % 3], 1995 + k % 7].join(k % 2 === 0 ? "-" : " "),
    ),
    shot: some(0.9, `${1 + k % 9}/${1 + k % 12}/2009`),
    partly: k % 4 === 0 ? "unknown" : `2009-01-1${k % 10}`,
    spaced: random.integer(2) === 0 ? ` ${k} ` : `+${k}_000`,
    sparse: some(0.1, random.normal()),
    tags: some(0.9, ["\u{1f600}|e\u0301", "e\u0301", "a|a", "a|", "|\uffee"][k % 5]),
    many: `m${random.integer(70)}`,
    text: `a text, "${k}"`,
    mixed: k === 5 ? "none" : k,
  }));
  const more = [...rows, { ...rows[0], item: "nobody was shown it" }, rows[3] ?? {}];
  return { "log.csv": logFiles(shop)["log.csv"], "items.csv": csvOf(more) };
}

Deno.test("items of a page have the numbers, tokens and meanings that data log gives them", async () => {
  const made: MadeLog[] = [
    madeShop(4, { users: 80, items: 120, events: 5 }),
    madeFilms(5, { users: 60, items: 80, events: 12 }),
    madeNews(6, { users: 100, items: 60, events: 5, described: 0.5 }),
  ];
  await withFolder({}, async (folder) => {
    for (const one of made) await expectSame(folder, logFiles(one));
    const { notes } = await expectSame(folder, strange());
    const told = notes.join("\n");
    for (
      const note of [
        /^Numbers are standardised, .*shown: (?!.*\bflag\b).*price/m,
        /Numbers with a heavy tail are taken as logarithms: .*price/,
        /Times are taken as ages, the logarithm of the days up to the last page of the log: .*added, seen, released\./,
        /Dates that are not all written like 1995-01-31 or 31-Jan-1995 are left out: shot, partly\./,
        /have one value for all items are left out: same\./,
        /without numbers or text are left out: empty\./,
        /Values are split at \|: .*tags/,
        /nearly a value an item is left out: text \(\d+ values for \d+ items\)/,
        /if they are codes, .*: vendor_id\./,
      ]
    ) assert.match(told, note);
    const shop = logFiles(madeShop(4, { users: 80, items: 120, events: 5 }));
    // With another name of the key; with features that say nothing; with most items unknown.
    await expectSame(
      folder,
      { ...shop, "items.csv": shop["items.csv"].replace("item,", "product;no,") },
      "product;no",
    );
    const ids = shop["items.csv"].split("\n").slice(1, -1).map((line) => line.split(",")[0]);
    const only = (share: number, header: string, of: (k: number) => string) =>
      [header, ...ids.slice(0, share * ids.length).map((id, k) => `${id},${of(k)}`)].join("\n");
    const { log } = await expectSame(folder, { ...shop, "items.csv": only(1, "item,same", () => "x") });
    assert.equal(log.items.kind, "one-hot");
    const dense = await expectSame(folder, { ...shop, "items.csv": only(0.8, "item,size", (k) => `${k}`) });
    assert.equal(dense.log.items.kind, "dense");
    const few = await expectSame(folder, {
      ...shop,
      "items.csv": only(0.3, "item,kind", (k) => `${k % 2}x`),
    });
    assert.match(
      few.notes.join("\n"),
      /\d % of the items on the pages of train users have no features: each item has a/,
    );
  });
});

Deno.test("items in JSON lines, with lists and objects, are those of data log, too", async () => {
  const films = madeFilms(5, { users: 60, items: 80, events: 12 });
  const rows = films.items.map(({ item, genres = "", minutes, released, title }, k) => ({
    ...{ zero: k % 2, minutes: minutes === "" ? null : Number(minutes), released, title },
    genres: k % 9 === 0 ? null : k % 8 === 0 ? genres : genres.split("|"),
    ...{ numbers: [k % 4, k % 3, null, 1.5], object: { a: 1 }, none: null, flag: k % 5 === 0 },
    ...k % 3 === 0 ? {} : { price: 1.7 ** (k % 20) },
    long: `9007199254740993${k % 3}`,
    item: { id: k % 2 === 0 ? item : Number(item) },
  }));
  const jsonl = rows.map((row) => JSON.stringify(row).replace(/"(9007199254740993\d)"/, "$1")).join(
    "\r\n\r\n",
  );
  const files = { "log.csv": logFiles(films)["log.csv"], "items.jsonl": jsonl };
  await withFolder({}, async (folder) => {
    const { notes } = await expectSame(folder, files, "item.id");
    assert.match(notes.join("\n"), /without numbers or text are left out: item, none, object\./);
  });
  const large = { ...files, "items.jsonl": jsonl.replace("1.5", "1.5e300") };
  await assert.rejects(
    () => parse(large, "item.id"),
    /^UserError: items\.jsonl:1: expected numbers to be text or a whole number/,
  );
  await assert.rejects(
    () => parse(files, "sku"),
    /^UserError: items\.jsonl: expected a column "sku", found .*item\.id/,
  );
});

Deno.test("what is wrong with a file of items is told with its line, or with the item", async () => {
  const shop = logFiles(madeShop(4, { users: 80, items: 120, events: 5 }));
  const [id = ""] = (shop["items.csv"].split("\n")[1] ?? "").split(",");
  const refused: [items: string, message: RegExp][] = [
    [
      shop["items.csv"].replace("item,", "sku,"),
      /^items\.csv:1: expected a column "item" with the item's id, found sku, /,
    ],
    ["item,item\n", /^items\.csv:1: expected one column "item", found two\./],
    [
      `item,x\n${id},1,2\n`,
      /^1 of 1 rows cannot be read.*items\.csv:2: expected 2 values as in the header, found 3/s,
    ],
    ["item,x\n,1\n", /items\.csv:2: expected item to be an id, found nothing$/],
    [
      `item,x\n${id},1\n${id},2\n`,
      /^items\.csv: expected one row for each item, found several .* the item "sku-\d+"\./,
    ],
    [
      `item,x\n${id},inf\n`,
      /^items\.csv: expected x to be a number that a 32-bit float holds, found Infinity for the item "/,
    ],
    [`item,x\n${id},"1\n`, /^items\.csv:2: the quote of a value that begins here is never closed/],
  ];
  for (const [text, message] of refused) {
    await assert.rejects(() => parse({ ...shop, "items.csv": text }), { name: "UserError", message });
  }
});

Deno.test("a text is the number that the engine takes it for", async () => {
  const texts = [
    ..."1 +1 -1 +-1 --1 1. -.5 . +.5 1e5 1e 1e+5 1E-5 1_000 1__0 _1 1_ 1.0_1 nan -nan inf Infinity -inf infin"
      .split(" "),
    ..."0x10 007 1,5 1e400 -1e400 1e-400 true 1f 1e1_0 1._5 1_.5 e5 1.5.".split(" "),
    ...["", " 1 ", "\t1\n", "\u00a01", "1 2", "1\v"],
  ];
  const engine = await Engine.open({ workFolder: "", memory: "500MB", threads: 1 });
  try {
    for (const text of texts) {
      const expected = await engine.value(`SELECT TRY_CAST(${literal(text)} AS DOUBLE)::VARCHAR`);
      const found = doubleOf(text);
      const words = { Infinity: "inf", "-Infinity": "-inf", NaN: "nan" }[String(found)];
      if (words) assert.equal(words, String(expected).replace("-nan", "nan"), JSON.stringify(text));
      else assert.equal(found, expected === null ? undefined : Number(expected), JSON.stringify(text));
    }
  } finally {
    engine.close();
  }
});

Deno.test("a model of a set that data log has prepared knows the features of the same files in a page, and the other way", async () => {
  await withFolder({}, async (folder) => {
    const { found, prepared } = await bothWays(folder, strange());
    assert.equal(differenceOf(prepared.manifest.features, found.features), undefined);
    assert.equal(differenceOf(found.features, prepared.manifest.features), undefined);
    const scaledBy = (factor: number) => {
      const { features } = structuredClone(found);
      for (const { transform } of features.dense) {
        if (transform && "mean" in transform) transform.mean *= factor;
      }
      return features;
    };
    assert.equal(differenceOf(found.features, scaledBy(1 + Number.EPSILON)), undefined);
    assert.match(differenceOf(found.features, scaledBy(1 + 1e-9)) ?? "", /there, .* here$/);
  });
});
