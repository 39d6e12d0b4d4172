/** Logs and items at random, with what is hard to read in them: the page and `data log` make the same of each, or both refuse it. */

import assert from "node:assert/strict";
import type { LogColumns } from "../src/data/long_log/columns.ts";
import { parseLongLog } from "../src/data/long_log/long_log.ts";
import { randomStream } from "../src/data/random.ts";
import { openPrepared } from "../src/run/prepared_dataset.ts";
import { prepareLong } from "./long_log.ts";
import { withFolder } from "./prepared_folder.ts";

const ROUNDS = 6;
const ROWS = 900;
/** A page is so many rows. */
const WIDTH = 6;
/** Digits of numbers that are compared: engines round apart in the last ones. */
const DIGITS = 11;

/** Draws for one round. */
class Draw {
  readonly #random;

  constructor(round: number) {
    this.#random = randomStream(round, "long fuzz");
  }

  uniform(): number {
    return this.#random.uniform();
  }

  below(end: number): number {
    return this.#random.integer(end);
  }

  is(share: number): boolean {
    return this.uniform() < share;
  }

  of<T>(first: T, ...others: readonly T[]): T {
    return [first, ...others][this.below(1 + others.length)] ?? first;
  }

  /** A value as CSV has it. */
  quoted(value: string, delimiter: string): string {
    const needed = /["\n\r]/.test(value) || value.includes(delimiter);
    return needed || this.is(0.1) ? `"${value.replaceAll('"', '""')}"` : value;
  }
}

/** Times that go up with k, in one of the ways to write them. */
function timesOf(draw: Draw): (k: number) => string {
  const two = (k: number) => String(k).padStart(2, "0");
  return draw.of<(k: number) => string>(
    (k) => String(1_600_000_000 + k),
    (k) => String((1_600_000_000 + k) * 1000 + 1),
    (k) => ` ${1.6e9 + k}.5 `,
    (k) => `${1_600_000_000 + k}e0`,
    (k) => `2024-01-${two(1 + k % 28)} 1${k % 10}:0${k % 7}:0${k % 5}.${k % 1000}`,
    (k) => `2024-01-${two(1 + k % 28)}T1${k % 10}:0${k % 7}${draw.of("Z", "+01:00", " UTC", " -0330")}`,
  );
}

const itemAt = (draw: Draw, k: number) =>
  draw.of(`i${k % 23}`, ` i${k % 5}`, `I\u00e4${k % 3}`, `7.${k % 4}0`, "NULL", "\u{1f600}");

/** The log's text, with a few rows that are bad, and its columns. */
function logOf(draw: Draw, delimiter: string): { text: string; columns: LogColumns; items: string[] } {
  const [user, time, item, clicked] = draw.of(["u", "t", "i", "c"], [
    "user id",
    "tim\u00e9",
    'it"em',
    "cl,ick",
  ]);
  const columns: LogColumns = {
    ...{ user: user ?? "", time: time ?? "", item: item ?? "", clicked: clicked ?? "" },
    page: draw.is(0.5) ? "p" : undefined,
    position: draw.is(0.5) ? "pos;x" : undefined,
  };
  const { page, position } = columns;
  const timeAt = timesOf(draw);
  const items = new Set<string>();
  const line = (fields: readonly string[]) =>
    fields.map((field) => draw.quoted(field, delimiter)).join(delimiter);
  const optional = <T>(name: string | undefined, value: T) => name === undefined ? [] : [value];
  const lines = [
    line([
      "x",
      ...[user, time, item, clicked].map(String),
      ...optional(page, "p"),
      ...optional(position, "pos;x"),
    ]),
  ];
  for (let k = 0; k < ROWS; k++) {
    const event = Math.floor(k / WIDTH);
    const bad = draw.is(0.004) ? draw.of("user", "time", "item", "clicked", "position", "short", "long") : "";
    const own = itemAt(draw, k);
    items.add(own);
    const fields = [
      draw.of("", "x", 'a "b"'),
      bad === "user" ? draw.of("", "\\N") : `u ${event % 60}`,
      bad === "time" ? draw.of("", "noon", "1e30", "\\N", "2024-02-30", "-5") : timeAt(event * 7 % 977),
      bad === "item" ? "" : own,
      bad === "clicked"
        ? draw.of("maybe", "2", "\\N")
        : draw.of("1", "TRUE", " yes ", "0", "0", "n", "0.0", "No"),
      ...optional(page, `p${event}`),
      ...optional(
        position,
        bad === "position"
          ? draw.of("first", "nan", "1e999", "")
          : draw.of("2.5", " 3", "1_0", "+4", "-1", ".5", "1e1", "007"),
      ),
    ];
    lines.push(line(bad === "short" ? fields.slice(1) : bad === "long" ? [...fields, "more"] : fields));
  }
  return { text: lines.join(draw.of("\n", "\r\n")), columns, items: [...items] };
}

/** A column of the items: what may be in it. */
const KINDS: readonly ((draw: Draw) => string)[] = [
  (draw) => draw.of(String(draw.uniform() * 10 - 5), ` ${Math.floor(9 * draw.uniform())}`, "+3", "1_000"),
  (draw) => String(Math.exp(4 * draw.uniform() ** 3) * draw.of(1, 1, -1)),
  (draw) => draw.of("0", "1", "1.0"),
  (draw) => draw.of("2023-05-06", "2020-01-01 10:00", "2021-03-04T05:06:07.89Z"),
  (draw) => String(1_500_000_000 + Math.floor(1e8 * draw.uniform())),
  (draw) => draw.of("a", "b", "c", "\u00e9", " a"),
  (draw) => draw.of("a|b", "b", "c|a", "|", "b|b"),
  (draw) => `text ${draw.uniform()}`,
  (draw) => draw.of("1", "2", "x"),
  () => "same",
];

function itemsOf(draw: Draw, ids: readonly string[], delimiter: string): string {
  const kinds = Array.from({ length: 5 }, () => ({
    valueOf: KINDS[draw.below(KINDS.length)] ?? (() => ""),
    lacks: draw.of(0.03, 0.7),
  }));
  const rows = ids.filter(() => !draw.is(0.1)).map((id) => [
    id,
    ...kinds.map(({ valueOf, lacks }) => draw.is(lacks) ? draw.of("", "\\N") : valueOf(draw)),
  ]);
  return [["key", ...kinds.map((_, k) => `column ${k}`)], ...rows].map((row) =>
    row.map((value) => draw.quoted(value, delimiter)).join(delimiter)
  ).join("\n");
}

/** With numbers of fewer digits. */
function rounded(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value),
    (_, one) => typeof one === "number" ? Number(one.toPrecision(DIGITS)) : one,
  );
}

Deno.test("logs and items at random are what data log makes of them, or are refused by both", async () => {
  await withFolder({}, async (folder) => {
    let same = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const draw = new Draw(round);
      const delimiter = draw.of(",", ";", "\t", "|");
      const { text, columns, items: ids } = logOf(draw, delimiter);
      const [path, features, out] = [
        `${folder}/${round}-log.csv`,
        `${folder}/${round}-items.csv`,
        `${folder}/${round}-set`,
      ];
      const items = draw.is(0.8)
        ? { path: features, text: itemsOf(draw, ids, delimiter), key: "key" }
        : undefined;
      await Deno.writeTextFile(path, text);
      if (items) await Deno.writeTextFile(features, items.text);
      const options = {
        ...{ page: undefined, position: undefined },
        ...columns,
        ...items ? { features, featuresKey: "key" } : {},
      };
      const refused = await prepareLong(path, out, options).then(() => undefined, (error) => String(error));
      const read = await parseLongLog({ path, text }, { columns, items }).catch((error) => String(error));
      const what = `round ${round}: ${refused} ${typeof read === "string" ? read : ""}`;
      assert.equal(typeof read === "string", refused !== undefined, what);
      if (typeof read === "string") continue;
      same++;
      const { source: { log }, manifest } = await openPrepared(out, { memoryRows: Infinity });
      assert.ok(log);
      const { items: own, ...clicks } = read.log;
      const { items: there, ...expected } = log;
      assert.deepEqual({ ...clicks, name: "" }, { ...expected, name: "" }, what);
      assert.deepEqual(rounded(read.features), rounded(manifest.features), what);
      if (own.kind === "one-hot" || there.kind === "one-hot") assert.deepEqual(own, there, what);
      else {
        assert.deepEqual({ ...own, values: [] }, { ...there, values: [] }, what);
        const far = own.values.reduce(
          (most, x, k) => Math.max(most, Math.abs(x - (there.values[k] ?? NaN))),
          0,
        );
        assert.ok(far < 1e-5, `${what} ${far}`);
      }
    }
    assert.ok(same >= ROUNDS / 2, `${same} of ${ROUNDS} were not refused`);
  });
});
