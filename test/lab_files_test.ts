/** Files that a reader of the lab's page gives it: whatever is taken is the set that `data log` prepares of the same files. */

import assert from "node:assert/strict";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { type ClickLog, NONE } from "../src/data/click_log.ts";
import { guessColumns, type LogColumns } from "../src/data/long_log/columns.ts";
import { parseManifest } from "../src/data/manifest.ts";
import { headOf } from "../src/lab/client/reading/own_text.ts";
import { lookAt } from "../src/lab/client/reading/look.ts";
import { type OwnData, readOwn } from "../src/lab/client/reading/read_own.ts";
import { openPrepared } from "../src/run/prepared_dataset.ts";
import { smallLog } from "../src/selftest/small_logs.ts";
import { longLog, prepareLong } from "./long_log.ts";
import { withFolder } from "./prepared_folder.ts";

/** Of a log that was written by others. */
const OTHERS: LogColumns = {
  user: "uid",
  time: "ts",
  item: "sku",
  clicked: "label",
  page: "request",
  position: "pos",
};

type Row = Readonly<Record<keyof LogColumns, string | number | boolean>>;

/** Rows with what CSV and JSON have trouble with; users come at one time, to the microsecond apart. */
function rowsOf(log: ClickLog, timeOf: (event: number) => string | number): Row[] {
  const rows: Row[] = [];
  for (let user = 0; user < log.userSplit.length; user++) {
    for (let event = log.userEvents[user] ?? 0; event < (log.userEvents[user + 1] ?? 0); event++) {
      const first = log.eventRows[event] ?? 0;
      for (let row = first; row < (log.eventRows[event + 1] ?? 0); row++) {
        rows.push({
          user: `us"er\\, ${user}`,
          time: timeOf(event),
          item: 1_000_000 + (log.rowItem[row] ?? 0),
          clicked: row === (log.eventClick[event] ?? NONE),
          page: `${event}`,
          position: first - row,
        });
      }
    }
  }
  return rows;
}

const log = smallLog(41, { users: 90, items: 30, width: 0 });
/** Pages of a user within a second are told apart by what is behind the milliseconds. */
const rows = rowsOf(
  log,
  (event) => `${1_600_000_000 + Math.floor(event / 40)}.${String(event % 40 + 10).padStart(6, "0")}`,
);

function csvOf(columns: LogColumns, delimiter: string, all = rows): string {
  const quoted = (value: unknown) => `"${String(value).replaceAll('"', '""')}"`;
  const roles = Object.keys(columns) as (keyof LogColumns)[];
  return [
    ["other", ...roles.map((role) => columns[role])].join(delimiter),
    ...all.map((row) => ["", ...roles.map((role) => quoted(row[role]))].join(delimiter)),
  ].join("\n");
}

async function read(name: string, bytes: BlobPart, columns?: LogColumns): Promise<OwnData> {
  const files = [{ path: name, file: new File([bytes], name) }];
  const chosen = columns && { log: columns, itemKey: undefined };
  const found = await readOwn(files, chosen, { tell() {}, parseManifest });
  if ("fault" in found) throw new Error(found.fault);
  return found;
}

async function expectSame(found: OwnData, folder: string): Promise<void> {
  const prepared = await openPrepared(folder, { memoryRows: Infinity });
  assert.deepEqual({ ...found.log, name: "" }, { ...prepared.source.log, name: "" });
  assert.deepEqual(found.features, prepared.manifest.features);
  assert.equal(found.places, prepared.manifest.places);
}

Deno.test("columns of other names, TSV, JSON lines and compressed files are read as data log prepares them", async () => {
  const { page: _, position: __, ...few } = OTHERS;
  const nested: LogColumns = { ...OTHERS, user: "user.id", item: "shown.product.id" };
  const json = rows.map(({ user, time, item, clicked, page, position }) =>
    `{"user":{"id":${
      JSON.stringify(user)
    }},"ts":${time},"shown":{"product":{"id":9007199254${item}}},"label":${clicked},` +
    `"request":${page},"pos":${position},"list":[1],"none":null}`
  ).join("\r\n");
  const cases: [name: string, text: string, columns: LogColumns, compress: (text: string) => Uint8Array][] = [
    ["semicolons.csv", csvOf(OTHERS, ";"), OTHERS, (text) => new TextEncoder().encode(text)],
    ["tabs.tsv.gz", csvOf(OTHERS, "\t"), OTHERS, (text) => gzipSync(text)],
    ["few.csv.zst", csvOf(few, ","), few, (text) => zstdCompressSync(text)],
    ["nested.jsonl.gz", json, nested, (text) => gzipSync(text)],
    [
      "nested.ndjson",
      json,
      { ...few, user: "user.id", item: "shown.product.id" },
      (text) => new TextEncoder().encode(text),
    ],
  ];
  await withFolder({}, async (folder) => {
    for (const [name, text, columns, compress] of cases) {
      const bytes = new Uint8Array(compress(text));
      await Deno.writeFile(`${folder}/${name}`, bytes);
      await prepareLong(`${folder}/${name}`, `${folder}/set-${name}`, {
        page: undefined,
        position: undefined,
        ...columns,
      });
      await expectSame(await read(name, bytes, columns), `${folder}/set-${name}`);
    }
  });
});

Deno.test("where pages have no ids, all digits of their times tell them apart, as for data log", async () => {
  const start = 1_600_000_000;
  const second = (event: number) => start + Math.floor(event / 40);
  const digits = (event: number, length: number) => String(event % 40 + 10).padStart(length, "0");
  const forms: Record<string, (event: number) => string> = {
    milliseconds: (event) => `${second(event)}000.${digits(event, 3)}`,
    microseconds: (event) => `${second(event)}${digits(event, 6)}`,
    nanoseconds: (event) => `${second(event)}${digits(event, 9)}`,
    iso: (event) => `${new Date(1000 * second(event)).toISOString().slice(0, 19)}.${digits(event, 6)} +01`,
    // Pages within a millisecond are one.
    long: (event) => `${new Date(1000 * second(event)).toISOString().slice(0, 19)}.${digits(event, 9)}Z`,
  };
  const { page: _, position: __, ...few } = OTHERS;
  await withFolder({}, async (folder) => {
    for (const [name, timeOf] of Object.entries(forms)) {
      const text = csvOf(few, ",", rowsOf(log, timeOf));
      await Deno.writeTextFile(`${folder}/${name}.csv`, text);
      await prepareLong(`${folder}/${name}.csv`, `${folder}/${name}`, {
        ...{ page: undefined, position: undefined },
        ...few,
      });
      await expectSame(await read(`${name}.csv`, text, few), `${folder}/${name}`);
    }
  });
});

Deno.test("a compressed file may be several one after the other; one that is cut off or damaged says so", async () => {
  const text = longLog(smallLog(32, { users: 90, items: 30, width: 0 }));
  const halves = [text.slice(0, 30_000), text.slice(30_000)];
  const checked = (text: string) =>
    zstdCompressSync(text, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
  const whole = await read("log.csv", text);
  for (const [ending, compress] of [["gz", gzipSync], ["zst", checked]] as const) {
    const name = `log.csv.${ending}`;
    const bytes = new Uint8Array(
      await new Blob(halves.map((half) => new Uint8Array(compress(half)))).arrayBuffer(),
    );
    const found = await read(name, bytes);
    assert.deepEqual({ ...found, log: { ...found.log, name: "log.csv" } }, whole);
    const damaged = bytes.slice();
    const middle = bytes.length >> 1;
    damaged[middle] = (damaged[middle] ?? 0) ^ 4;
    for (
      const wrong of [bytes.slice(0, -1), bytes.slice(0, middle), damaged, bytes.slice(1), bytes.slice(0, 0)]
    ) {
      await assert.rejects(
        () => read(name, wrong),
        /log\.csv\.(gz|zst): the compressed file is cut off or damaged \(/,
      );
    }
  }
});

Deno.test("the beginning of a compressed file is read without the rest of it", async () => {
  const text = Array.from({ length: 100_000 }, (_, k) => `${k},${Math.sin(k)}\n`).join("");
  for (const [ending, compress] of [["gz", gzipSync], ["zst", zstdCompressSync]] as const) {
    const name = `log.csv.${ending}`;
    const bytes = new Uint8Array(compress(text));
    const head = await headOf({ path: name, file: new File([bytes], name) }, 1 << 18);
    // Deno decompresses all of it in one piece.
    assert.ok(
      head.length > 1000 && (ending === "gz" || head.length < text.length),
      `${head.length} characters`,
    );
    assert.ok(text.startsWith(head));
  }
});

Deno.test("what is no log is refused when it is looked at", async () => {
  const refused = (name: string, bytes: BlobPart, why: RegExp) =>
    assert.rejects(() => lookAt([{ path: name, file: new File([bytes], name) }]), why);
  const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d);
  for (const name of ["shop.png", "log.csv", "log"]) await refused(name, png, /expected text, found bytes/);
  await refused("notes.md", "# Notes", /notes\.md is neither/);
  for (const name of ["log.csv", "manifest.json", "own.tsv"]) await refused(name, "", /the file is empty/);
});

Deno.test("columns are guessed by their names, each once; a table is told from a file in the paper's layout", async () => {
  const guessed = (header: string) => guessColumns(header.split(","));
  const { page: request, ...others } = OTHERS;
  assert.deepEqual(guessed("pos,label,request,sku,ts,uid"), { ...others, page: request });
  assert.deepEqual(guessed("userId,itemId,Timestamp,is_click,impression_id,Rank"), {
    ...{ user: "userId", item: "itemId", time: "Timestamp", clicked: "is_click" },
    ...{ page: "impression_id", position: "Rank" },
  });
  assert.deepEqual({ ...guessed("a,b,clicked_item_id") }, {
    ...{ user: undefined, time: undefined, item: "clicked_item_id", clicked: undefined },
    ...{ page: undefined, position: undefined },
  });
  const kind = async (name: string, text: string) =>
    (await lookAt([{ path: name, file: new File([text], name) }])).kind;
  assert.equal(
    await kind("a.tsv", "session_new_index\tTime\titem_new_index\tis_click\ttr_val_tst\n"),
    "paper",
  );
  assert.equal(await kind("a.tsv", "uid\tts\n"), "log");
  assert.equal(await kind("manifest.json", "{}"), "prepared");
  assert.equal(await kind("log.json", '{"user":1}\n'), "log");
  const files = (texts: Record<string, string>) =>
    Object.entries(texts).map(([path, text]) => ({ path, file: new File([text], path) }));
  const [log, items] = ["ts,label,uid,sku\n", "sku,kind,created_at\n1,2,3\n4,5,6\n"];
  for (const texts of [{ "a.csv": log, "b.csv": items }, { "b.csv": items, "a.csv": log }]) {
    const found = await lookAt(files(texts));
    assert.ok(found.kind === "log");
    assert.deepEqual([found.log.path, found.items?.path], ["a.csv", "b.csv"]);
    assert.deepEqual(found.items?.fields, ["sku", "kind", "created_at"]);
  }
  const unknown = "a,b,c,d\n"; // of which nobody can tell what they are
  const several = (count: number, ending: string) =>
    ` There are ${count} logs among them. Put those into a folder of their own, prepare them together with deno task data log ` +
    `--source 'FOLDER/*${ending}' and its other options, and give the page all files of that set.`;
  const refused: [texts: Record<string, string>, remedy: string][] = [
    [{ "a.csv": log, "b.csv": log }, several(2, ".csv")],
    [{ "b.csv": items, "a.txt": log, "c.txt": log, "d.txt": log }, several(3, ".txt")],
    [{ "a.csv": unknown, "b.csv": unknown }, several(2, ".csv")],
    [{ "a.csv": log, "b.csv": items, "c.csv": items }, ""],
    [{}, ""],
  ];
  for (const [texts, remedy] of refused) {
    const names = Object.keys(texts).join(", ") || "nothing";
    await assert.rejects(() => lookAt(files(texts)), {
      message:
        "Expected one log, and beside it at most one table of its items, or the files of a prepared data set, got " +
        `${names}.${remedy}`,
    });
  }
  await assert.rejects(
    () => lookAt(files({ "a.csv": log, "b.md": items })),
    /got a\.csv, b\.md\. b\.md is neither\.$/,
  );
});

Deno.test("what is wrong with JSON lines is told with its line", async () => {
  const good = rows.map((row) => JSON.stringify(row));
  const refused: [lines: string[], message: RegExp][] = [
    [["[", ...good, "]"], /^log\.jsonl: expected JSON lines \(one object on each line\), found an array\./],
    [
      [...good, '{"user":1.5}'],
      new RegExp(
        `^log\\.jsonl:${good.length + 1}: expected user to be text or a whole number, exactly, found 1\\.5: `,
      ),
    ],
    [
      [...good.slice(0, 20), "{"],
      /^1 of 21 rows cannot be read.*1 x not a JSON object.*log\.jsonl:21: expected a JSON object, found "\{"/s,
    ],
    [
      good.map((line) => line.replace("clicked", "label")),
      /^log\.jsonl: expected a column "clicked", found user, time, item, label, page, position\./,
    ],
  ];
  for (const [lines, message] of refused) {
    await assert.rejects(() => read("log.jsonl", lines.join("\n")), { message });
  }
});
