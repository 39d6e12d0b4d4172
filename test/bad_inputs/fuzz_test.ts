/** Reads randomly damaged files and random options (fixed seeds): each gives a UserError or a valid value. */

import fc from "fast-check";
import assert from "node:assert/strict";
import { checkLog, NONE } from "../../src/data/click_log.ts";
import { openPreparedSet, readManifest } from "../../src/data/sets/prepared_folder.ts";
import { readPaperFile } from "../../src/data/sets/paper_file.ts";
import { readExperiment } from "../../src/tune/experiment.ts";
import { parseLog, readRun } from "../../src/report/collect.ts";
import { CsvLog } from "../../src/run/csv_log.ts";
import { readConfig, readSeeds } from "../../src/run/run_config.ts";
import { encodeSafetensors } from "../../src/run/snapshot/safetensors.ts";
import { readSnapshot } from "../../src/run/snapshot_file.ts";
import { UserError } from "../../src/user_error.ts";
import { makeRecipe, prepareIn, withFolder } from "../prepared_folder.ts";
import { withEmptyFolder } from "../run/folder_check.ts";
import { COLUMNS, computeLogMark, goodManifest, makeGoodSnapshot, makeLogText, run } from "./good_inputs.ts";
import * as v from "../../src/schema.ts";
import { Command, type Option } from "commander";
import { parse } from "../../src/cli/command_options.ts";
import { parseReproduceOptions } from "../../src/commands/reproduce/reproduce_options.ts";
import { addTrainOptions, parseTrainOptions } from "../../src/commands/train/train_options.ts";
import { buildStagesConfig } from "../../src/run/options/stages_options.ts";
import { tinyData } from "../small_models.ts";
import { modelConfigSchema } from "../../src/model/model_config.ts";
import {
  adversarialConfigSchema,
  trainingConfigSchema,
  trainingFields,
} from "../../src/train/training_config.ts";
import { addPolicyTrainOptions, buildPolicyTrainingConfig } from "../../src/commands/policy/policy_train.ts";

/** With the environment variable CLICKGAN_FUZZ=N, N times as many cases are tried, with other seeds. */
const TIMES = Number(Deno.env.get("CLICKGAN_FUZZ") ?? 1);

const countRuns = (count: number) => ({ numRuns: count * TIMES, seed: 13 + TIMES });

/** Generates a position in a text, as a share of the text's length. */
const place = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });

const nasty: fc.Arbitrary<string> = fc.constantFrom(
  ...["", " ", "-1", "-0", "1e3", "1e400", "0x10", "NaN", "Infinity", "null", "true", "9007199254740993"],
  ...["1.5", "\t", "\n", "\r\n", "\r", "\0", '"', "'", ",", ";"],
  ...["\ufeff", "\u0663", "__proto__", "$(id)", "💥"],
);

type Edit<T> = (value: T) => T;

function edited<T>(edits: readonly fc.Arbitrary<Edit<T>>[], most: number): fc.Arbitrary<Edit<T>> {
  return fc.array(fc.oneof(...edits), { minLength: 1, maxLength: most })
    .map((list) => (value: T) => list.reduce((now, edit) => edit(now), value));
}

const at = (share: number, length: number) => Math.floor(share * length);

function withLines(change: (lines: string[], a: number, b: number) => void): fc.Arbitrary<Edit<string>> {
  return fc.tuple(place, place).map(([a, b]) => (text) => {
    const lines = text.split("\n");
    change(lines, at(a, lines.length), at(b, lines.length));
    return lines.join("\n");
  });
}

function drawDamagedText(separator: string, most = 4): fc.Arbitrary<Edit<string>> {
  const character = fc.tuple(
    place,
    fc.integer({ min: 0, max: 3 }),
    fc.oneof(nasty, fc.string({ maxLength: 3 })),
  )
    .map(([a, taken, put]) => (text: string) => {
      const start = at(a, text.length);
      return text.slice(0, start) + put + text.slice(start + taken);
    });
  const field = fc.tuple(place, place, nasty).map(([a, b, put]) => (text: string) => {
    const lines = text.split("\n");
    const line = at(a, lines.length);
    const fields = (lines[line] ?? "").split(separator);
    fields[at(b, fields.length)] = put;
    lines[line] = fields.join(separator);
    return lines.join("\n");
  });
  return edited([
    character,
    field,
    place.map((a) => (text: string) => text.slice(0, at(a, text.length))),
    withLines((lines, a) => void lines.splice(a, 1)),
    withLines((lines, a, b) => void lines.splice(b, 0, lines[a] ?? "")),
    withLines((lines, a, b) => void ([lines[a], lines[b]] = [lines[b] ?? "", lines[a] ?? ""])),
  ], most);
}

const damagedJson: fc.Arbitrary<Edit<string>> = edited([
  fc.tuple(fc.nat(), fc.jsonValue({ maxDepth: 2 }), fc.constantFrom("replace", "remove", "add"), nasty).map(
    ([place, value, what, name]) => (text: string) => {
      const json: unknown = JSON.parse(text);
      const places = [...placesIn(json)];
      const chosen = places[place % Math.max(1, places.length)];
      if (!chosen) return JSON.stringify(value);
      const [object, key] = chosen;
      if (what === "add") object[name] = value;
      else if (what === "remove") delete object[key];
      else object[key] = value;
      return JSON.stringify(json);
    },
  ),
], 3);

function* placesIn(value: unknown): Generator<[Record<string, unknown>, string]> {
  if (typeof value !== "object" || value === null) return;
  const object = value as Record<string, unknown>;
  for (const key of Object.keys(object)) {
    yield [object, key];
    yield* placesIn(object[key]);
  }
}

/** @param what name of the input, for messages. @returns undefined if a UserError is thrown */
async function outcome<T>(read: () => T | Promise<T>, what = ""): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    assert.ok(error instanceof UserError, `${what} ${error instanceof Error ? error.stack : error}`);
    assert.ok(error.message.length > 20, `it says little: ${error.message}`);
  }
}

function countRows(text: string): { rows: number; pages: number; clicks: number } {
  const [header = "", ...lines] = text.replace(/^\ufeff/, "").split("\n").map((line) =>
    line.replace(/\r$/, "")
  );
  const names = header.split("\t").map((name) => name.trim());
  const pages = new Map<string, Map<string, boolean>>();
  for (const line of lines) {
    if (line === "") continue;
    const cells = line.split("\t");
    const [user, time, item, click] = COLUMNS.map((name) => cells[names.indexOf(name)] ?? "");
    const page = `${Number(user)} ${Number(time)}`;
    const items = pages.get(page) ?? new Map<string, boolean>();
    pages.set(page, items);
    const key = String(Number(item));
    items.set(key, items.get(key) === true || click === "1");
  }
  const all = [...pages.values()].flatMap((items) => [...items.values()]);
  return { rows: all.length, pages: pages.size, clicks: all.filter((clicked) => clicked).length };
}

Deno.test("a damaged log in the paper's layout is refused, or read with its changed values", () =>
  withEmptyFolder(async (folder) => {
    const good = makeLogText().split("\n").slice(0, 60).join("\n") + "\n";
    const path = `${folder}/log.tsv`;
    let read = 0;
    await fc.assert(
      fc.asyncProperty(drawDamagedText("\t"), async (damage) => {
        const text = damage(good);
        Deno.writeTextFileSync(path, text);
        const log = await outcome(() => readPaperFile(path));
        if (!log) return;
        read++;
        checkLog(log);
        const expected = countRows(text);
        const further = log.eventKind?.reduce((sum, given) => sum + (given > 0 ? 1 : 0), 0) ?? 0;
        assert.equal(log.rowItem.length - further, expected.rows);
        assert.equal(log.eventClick.length - further, expected.pages);
        assert.equal(log.eventClick.filter((click) => click !== NONE).length, expected.clicks);
      }),
      countRuns(1500),
    );
    assert.ok(read > 100, `only ${read} were read`);
  }));

Deno.test("a snapshot with a damaged header is refused, or keeps its metadata", () =>
  withEmptyFolder(async (folder) => {
    const { tensors, metadata } = makeGoodSnapshot();
    const path = `${folder}/model.safetensors`;
    await fc.assert(
      fc.asyncProperty(damagedJson, async (damage) => {
        const json: unknown = JSON.parse(damage(JSON.stringify(metadata)));
        const texts = Object.fromEntries(
          Object.entries(typeof json === "object" && json !== null ? json : {}).map(([name, value]) =>
            [name, typeof value === "string" ? value : JSON.stringify(value)] as const
          ),
        );
        Deno.writeFileSync(path, encodeSafetensors(tensors, texts));
        const found = await outcome(() => readSnapshot(path));
        if (found?.info) assert.deepEqual(found.info.model, JSON.parse(texts.model ?? ""));
      }),
      countRuns(300),
    );
  }));

Deno.test("damaged JSON of a run, seeds, an experiment or a data set is refused, or fits its schema", () =>
  withEmptyFolder(async (folder) => {
    await run()(folder);
    const config = Deno.readTextFileSync(`${folder}/old/config.json`);
    const seeds = JSON.stringify({ format: "clickgan-seeds", seeds: [1, 2], config: JSON.parse(config) });
    const experiment = JSON.stringify({
      ...{
        format: "clickgan-experiment",
        data: "demo",
        resplit: false,
        seeds: [1, 2],
        iterations: 10,
        adversarial: 100,
      },
      models: [{ name: "a", folder: "b" }],
    });
    const details = { metrics: { nll: 1, prec1: 0.5, prec2: null }, intervals: { prec1: [0.25, 0.75] } };
    const result = JSON.stringify({
      iteration: 4,
      test: [{ snapshot: "last", iteration: 4, nll: 1, details }],
      baselines: { random: { details }, attainable: null },
    });
    const manifest = JSON.stringify({ ...goodManifest, notes: ["a"], skipped: { b: 1 } });
    const files: readonly [name: string, good: string, read: () => Promise<unknown>][] = [
      ["config.json", config, () => readConfig(`${folder}/old`)],
      ["seeds.json", seeds, () => readSeeds(`${folder}/old`)],
      ["experiment.json", experiment, () => readExperiment(`${folder}/old`)],
      ["manifest.json", manifest, () => readManifest(`${folder}/old`)],
      ["result.json", result, () => readRun(`${folder}/old`)],
    ];
    for (const [name, good, read] of files) {
      const path = `${folder}/old/${name}`;
      await fc.assert(
        fc.asyncProperty(fc.oneof(damagedJson, drawDamagedText(",", 2)), async (damage) => {
          Deno.writeTextFileSync(path, damage(good));
          await outcome(read);
        }),
        countRuns(250),
      );
      Deno.writeTextFileSync(path, good);
    }
  }));

Deno.test("a damaged log of a run is refused, or plotted with ascending iterations", async () => {
  const good = "iteration,loss,prec1\n" +
    Array.from({ length: 9 }, (_, k) => `${k + 1},1.${k},0.5\n`).join("");
  await fc.assert(
    fc.asyncProperty(drawDamagedText(","), async (damage) => {
      const log = await outcome(() => parseLog(damage(good), "train.csv", ["loss", "prec1"]));
      if (!log) return;
      log.iteration.forEach((now, k) => assert.ok(now > (log.iteration[k - 1] ?? -1)));
      for (const values of log.columns.values()) {
        assert.equal(values.length, log.iteration.length);
        for (const value of values) assert.ok(value === null || Number.isFinite(value));
      }
    }),
    countRuns(2000),
  );
});

Deno.test("a damaged log of a run is refused before a resume, or equals the original", () =>
  withEmptyFolder(async (folder) => {
    const good = "iteration,loss\n" + Array.from({ length: 9 }, (_, k) => `${k + 1},1.${k}\n`).join("");
    const path = `${folder}/train.csv`;
    await fc.assert(
      fc.asyncProperty(drawDamagedText(","), async (damage) => {
        Deno.writeTextFileSync(path, damage(good));
        const before = Deno.readTextFileSync(path);
        const log = await outcome(() => CsvLog.resume(path, ["iteration", "loss"], computeLogMark(good)));
        log?.close();
        assert.equal(Deno.readTextFileSync(path), log ? good : before);
      }),
      countRuns(400),
    );
  }));

const good = "uid,sku,ts,label\n" +
  Array.from(
    { length: 120 },
    (_, k) => `u${k % 40},i${k % 7},${1600000000 + Math.floor(k / 3)},${k % 3 === 0 ? 1 : 0}\n`,
  )
    .join("");

Deno.test("a damaged raw log is refused, or prepared into a set that can be read", () =>
  withFolder({}, async (folder) => {
    let made = 0;
    await fc.assert(
      fc.asyncProperty(drawDamagedText(",", 3), async (damage) => {
        await Deno.writeTextFile(`${folder}/log.csv`, damage(good));
        const prepared = await outcome(() => prepareIn(folder, makeRecipe(`${folder}/log.csv`)));
        if (!prepared) return;
        made++;
        const { manifest } = prepared;
        const set = await openPreparedSet(prepared.folder);
        assert.equal(set.rows, manifest.counts?.rows);
        assert.ok(set.rows <= 130, "more rows than there were");
        await Deno.remove(prepared.folder, { recursive: true });
      }),
      countRuns(30),
    );
    assert.ok(made > 3, `only ${made} were made`);
  }));

const { options } = addTrainOptions(new Command());
const listNames = (wanted: (option: Option) => boolean) =>
  options.filter(wanted).flatMap(({ long }) => long ?? []);
const FLAGS = listNames(({ required }) => !required);
const VALUED = listNames((option) => !option.isBoolean());

const value = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 70 }).map(String) },
  fc.double().map(String),
  fc.integer().map(String),
  nasty,
  fc.string({ maxLength: 6 }),
  fc.constantFrom("64-64", "8", ...options.flatMap(({ argChoices }) => argChoices ?? [])),
);
const option = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(fc.constantFrom(...VALUED), value).map(([name, text]) => [`${name}=${text}`]),
  },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom(...VALUED), value).map(([name, text]) => [name, text]) },
  fc.constantFrom(...FLAGS).map((name) => [name]),
  fc.string({ maxLength: 6 }).map((text) => [text]),
);
const asks = (arg: string) => /^(-[^-]*[hV]|--help|--version)/.test(arg);

Deno.test("options of policy train and reproduce refuse numbers that no training can have", async () => {
  const numbers = [0, 1, 64, 2 ** 31, 2 ** 31 + 1, 2 ** 32, 2 ** 40 + 1, Number.MAX_SAFE_INTEGER, 1e300, -1];
  for (const { long, argChoices } of addPolicyTrainOptions(new Command()).options) {
    for (const number of argChoices ? [] : numbers) {
      const command = addPolicyTrainOptions(new Command());
      await outcome(
        () => buildPolicyTrainingConfig(parse(command, [`${long}=${number}`])),
        `${long} ${number}`,
      );
    }
  }
  for (const long of ["--iterations", "--adversarial"]) {
    for (const number of numbers) {
      await outcome(() => {
        const options = parseReproduceOptions([`${long}=${number}`]);
        for (const value of [options.iterations, options.adversarial]) {
          v.parse(trainingFields.iterations.schema, value);
        }
      }, `${long} ${number}`);
    }
  }
});

Deno.test("random options of train are refused, or make a valid config", async () => {
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(option, { maxLength: 4 }), async (options) => {
      const args = options.flat();
      fc.pre(!args.some(asks));
      await outcome(() => {
        const { options } = parseTrainOptions(args);
        taken++;
        if (options.resume !== undefined) return;
        const { seed, seeds } = options;
        assert.ok(seed + seeds - 1 < 2 ** 32);
        const { model, training, adversarial } = buildStagesConfig(options, tinyData);
        v.parse(modelConfigSchema, model);
        v.parse(trainingConfigSchema, training);
        v.parse(v.nullable(adversarialConfigSchema), adversarial);
      }, args.join(" "));
    }),
    countRuns(1500),
  );
  assert.ok(taken > 100, `only ${taken} were taken`);
});
