import assert from "node:assert/strict";
import { describe } from "../../src/data/prepare/describe.ts";
import { readPreparedLog } from "../../src/data/prepared_set.ts";
import { openPreparedSet } from "../../src/data/sets/prepared_folder.ts";
import { PREPARED_FILES, writePrepared } from "../../src/data/sets/prepared_writer.ts";
import { MemoryItems } from "../../src/data/item_catalogue.ts";
import { NumberIds } from "../../src/data/ids.ts";
import { MemoryLog } from "../../src/data/log_source.ts";
import { CONTEXT_EVENT, NONE } from "../../src/data/click_log.ts";
import { expectRefusal } from "../case_table.ts";
import { expectRefused, makeFolderWith, makeRecipe, prepareFiles, query } from "../prepared_folder.ts";
import { rewrite } from "../foreign_set.ts";

const HEAD = "uid,sku,ts,label,request,pos,mu\n";
const options = { page: "request", position: "pos", propensity: "mu" };

Deno.test("data log: a page has one propensity, or one per item in order of position, or none if unknown", async () => {
  const rows = `a,y,1600000001,1,p1,2,0.25
a,x,1600000001,0,p1,1,0.5
a,z,1600000009,0,p2,1,0.4
a,w,1600000009,0,p2,2,
b,x,1600000001,1,p3,1,1
`;
  const lists = [
    { uid: "a", skus: ["x", "y"], ts: 1600000001, hit: "y", mu: 0.125 },
    { uid: "a", skus: ["z", "w"], ts: 1600000002, hit: null, mu: null },
  ].map((row) => JSON.stringify(row)).join("\n");
  const ofLists = { item: undefined, items: "skus", clicked: "hit", propensity: "mu" };
  const ofItems = { propensityOf: "item" } as const;
  for (
    const [file, text, own, expected] of [
      ["log.csv", HEAD + rows, { ...options, ...ofItems }, [[0.5, 0.25], [], [1]]],
      ["log.csv", HEAD + rows.replace("0.25", "5e-1"), options, [[0.5], [], [1]]],
      ["log.jsonl", lists, ofLists, [[0.125], []]],
      ["log.jsonl", lists.replace("0.125", "[0.5, 0.25]"), { ...ofLists, ...ofItems }, [[0.5, 0.25], []]],
    ] as const
  ) {
    const { folder, manifest } = await prepareFiles({ [file]: text }, file, own);
    const found = await query(folder, 'SELECT propensities FROM pages ORDER BY "user", page');
    assert.deepEqual(found.map((row) => row.propensities), expected);
    assert.equal(manifest.counts?.propensities, expected.filter(({ length }) => length > 0).length);
  }
  const { propensity: _, ...none } = options;
  const without = await prepareFiles({ "log.csv": HEAD + rows }, "log.csv", none);
  const columns = await query(without.folder, "SELECT * FROM pages LIMIT 1");
  assert.ok(!("propensities" in (columns[0] ?? {})), "a log without propensities has a column for them");
  assert.equal(without.manifest.counts?.propensities, undefined);
});

Deno.test("data log: an invalid probability is a bad row; several per page are refused", async () => {
  const row = (mu: string) => `a,x,1600000001,1,p1,1,${mu}\n`;
  for (const mu of ["0", "-0.5", "1.01", "nan", "half"]) {
    const folder = await makeFolderWith({
      "log.csv": HEAD + row(mu) + row(mu) + "b,y,1600000001,1,p2,1,1\n",
    });
    await expectRefused(
      folder,
      makeRecipe(`${folder}/log.csv`, options),
      /mu to be a number above 0 and up to 1/,
    );
  }
  const folder = await makeFolderWith({ "log.csv": HEAD + row("0.5") + "a,y,1600000001,0,p1,2,0.25\n" });
  await expectRefused(folder, makeRecipe(`${folder}/log.csv`, options), /--propensity-of item/);
});

Deno.test("data describe: reports the share of pages with a propensity, and minimum and median propensity", async () => {
  const rows = Array.from(
    { length: 3 },
    (_, k) =>
      ["x", "y"].map((sku, j) => `a,${sku},160000000${k},${j},p${k},${j},${[0.5, 0.25, ""][k]}\n`).join(""),
  ).join("");
  const { folder } = await prepareFiles({ "log.csv": HEAD + rows }, "log.csv", options);
  const { propensities: { pages, least, median } } = await describe(folder, "500MB");
  assert.equal(pages, 2);
  assert.ok(Math.abs(least - 0.25) < 1e-12 && Math.abs(median - Math.exp(Math.log(0.125) / 2)) < 1e-12);
});

Deno.test("prepared sets: propensities and candidates are read back unchanged; invalid ones are named", async () => {
  const log = {
    name: "drawn",
    items: { kind: "one-hot" as const, count: 5 },
    userSplit: Uint8Array.of(0, 1, 2),
    userEvents: Uint32Array.of(0, 2, 3, 4),
    eventRows: Uint32Array.of(0, 1, 3, 5, 7),
    eventClick: Uint32Array.of(0, NONE, 4, NONE),
    eventKind: Uint8Array.of(CONTEXT_EVENT, 0, 0, 0),
    rowItem: Uint32Array.of(4, 0, 1, 2, 3, 1, 0),
    eventPropensities: [[], [0.5, 1e-30], [0.25], []],
    eventCandidates: [[], [0, 1, 3], [], []],
  };
  const folder = await makeFolderWith();
  const lists = ["eventPropensities", "eventCandidates"] as const;
  const contents = {
    ...{ name: log.name, items: new MemoryItems(log.items), itemIds: new NumberIds(5) },
    ...{ notes: [], command: [], lists },
  };
  await writePrepared(folder, contents, ReadableStream.from([log]));
  const read = (await readPreparedLog(await openPreparedSet(folder))).log;
  for (const list of lists) assert.deepEqual(read[list], log[list]);
  const some = new MemoryLog(read).read(Uint32Array.of(0, 2));
  assert.deepEqual(some.eventPropensities, [[], [0.5, 1e-30], []]);
  assert.equal(new MemoryLog(read).read(Uint32Array.of(2)).eventCandidates, undefined);
  for (
    const [column, value, says] of [
      ["propensities", "[0.0]::DOUBLE[]", /propensities above 0/],
      ["propensities", "[0.5, 0.5, 0.5]::DOUBLE[]", /one for the page or one for each of its 2 items/],
      ["propensities", "NULL::DOUBLE[]", /propensities to be a list/],
      ["candidates", "[0, 0]::INTEGER[]", /each once/],
      ["candidates", "[2, 3]::INTEGER[]", /including the displayed items/],
      ["candidates", "[0, 1, 5]::INTEGER[]", /candidates of 0\.\.4/],
    ] as const
  ) {
    const own = await makeFolderWith();
    for (const name of PREPARED_FILES) await Deno.copyFile(`${folder}/${name}`, `${own}/${name}`);
    await rewrite(own, "pages", `SELECT * REPLACE (if(page = 1, ${value}, ${column}) AS ${column}) FROM t`);
    await expectRefusal(async () => await readPreparedLog(await openPreparedSet(own)), says);
  }
});
