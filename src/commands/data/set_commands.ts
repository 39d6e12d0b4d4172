/** `data describe`, `data check` and `data merge`: describe, validate and merge prepared data sets. */

import { Command } from "commander";
import { baselineTitles } from "../../metrics/baselines/baseline_names.ts";
import { check } from "../../data/prepare/check_set.ts";
import { type DataDescription, describe } from "../../data/prepare/describe.ts";
import { getPreparedFolder, MEMORY, OUT_FOLDER } from "../../cli/arguments.ts";
import { quotePath } from "../../shell_word.ts";
import { eachFolder, folder, parseMemorySize } from "../../cli/command_options.ts";
import { stepProgress } from "../../cli/progress.ts";
import { formatTable } from "../../cli/table.ts";
import { formatThousands } from "../../number_text.ts";
import { basename, resolve } from "node:path";
import { openData, withProgress } from "../../cli/open_data.ts";
import { describeTimeSplit } from "../../data/manifest.ts";
import { UserError } from "../../user_error.ts";
import { type MergePart, mergeSets } from "../../data/sets/merge.ts";
import { OpenedDataset } from "../../data/sets/opened_dataset.ts";
import { writeNewSet } from "../../data/sets/prepared_writer.ts";

export function describeCommand(): Command {
  return new Command("describe")
    .description("Describes a prepared data set: sizes, baselines and warnings.")
    .argument("<folder>", "a prepared data set", folder)
    .option(MEMORY, "memory limit of the SQL engine", parseMemorySize, "2GB")
    .option("--json", "print the statistics as JSON", false)
    .action(async (path: string, { memory, json }: { memory: string; json: boolean }) => {
      const progress = stepProgress();
      const description = await describe(path, memory, progress.begin).finally(progress.stop);
      console.log(json ? JSON.stringify(description, null, 2) : text(path, description));
    });
}

/** Baselines of which `data describe` prints prec@1 but not prec@2. */
const OTHERS = ["lastClick", "categoryRate", "itemKnn", "logit"] as const;

function text(path: string, d: DataDescription): string {
  const f = (value: number, digits = 3) => Number.isNaN(value) ? "-" : value.toFixed(digits);
  const p = (value: number) => Number.isNaN(value) ? "-" : `${(100 * value).toFixed(1)} %`;
  const head = ["", "users", "events", "items per page", "no click", "unseen shown", "unseen clicked"];
  const rows = d.parts.map((part) => [
    part.split,
    formatThousands(part.users),
    formatThousands(part.events),
    f(part.rows / part.events, 2),
    p(1 - part.clicks / part.events),
    part.split === "train" ? "-" : p(part.unseenShown),
    part.split === "train" ? "-" : p(part.unseenClicked),
  ]);
  const baselines = d.parts.map(({ split, uniformLoss }) => {
    const { nll, prec1, prec2 } = d.baselines.find((one) => one.split === split) ?? {};
    const shown = [
      ...[uniformLoss, prec1?.random, prec2?.random, prec1?.clickRate, prec2?.clickRate],
      ...[...OTHERS.map((name) => prec1?.[name]), nll?.logit],
    ];
    return [split, ...shown.map((x) => f(x ?? NaN))];
  });
  const { dense, tokens } = d.manifest.features;
  const features = [
    ...(dense.length > 0 ? [`${dense.length} numbers (${dense.map(({ name }) => name).join(", ")})`] : []),
    ...tokens.map(({ name, count, hashed, other }) => {
      if (hashed !== undefined) return `${name} (hashed to 2 x ${formatThousands(hashed)} tokens)`;
      return `${name} (${formatThousands(count - (other ? 1 : 0))} values${
        other ? " and one token for others" : ""
      })`;
    }),
  ];
  return [
    `${path}: ${d.manifest.name}`,
    `items: ${formatThousands(d.ids)}${
      d.items === d.ids ? "" : `, in ${formatThousands(d.items)} versions`
    }; ` +
    `features: ${features.length > 0 ? features.join("; ") : "only the item itself (one-hot)"}`,
    ...(d.context > 0 ? [`history-only clicks, not predicted: ${formatThousands(d.context)}`] : []),
    ...(d.manifest.timeSplit
      ? [
        describeTimeSplit(d.manifest.timeSplit, d.manifest.counts?.users),
        `earlier pages in the histories of known users, not predicted: ${formatThousands(d.earlier)}`,
      ]
      : []),
    ...(d.propensities.pages > 0
      ? [
        `propensities: ${formatThousands(d.propensities.pages)} pages, minimum ` +
        `${d.propensities.least.toPrecision(3)}, median ${d.propensities.median.toPrecision(3)}`,
      ]
      : []),
    `events per user: ${d.eventsPerUser.map(formatThousands).join(" / ")} (minimum, quartiles, maximum)`,
    "",
    formatTable(head, rows, { drop: ["unseen shown", "items per page"] }),
    "",
    "Baselines: prec@1 (@2: prec@2) on each part. Uniform loss: loss of a uniform guess. Logit " +
    "loss: loss of the logit on counts. Training starts from this logit, but without its scale and offset, " +
    "which are fitted to the validation users.",
    formatTable(
      [
        ...["", "uniform loss", "random @1", "@2", "click rate @1", "@2"],
        ...[...OTHERS.map((name) => baselineTitles[name]), "logit loss"],
      ],
      baselines,
      { drop: ["@2", "@2", "last click", "uniform loss", "category rate", "item-kNN"] },
    ),
    "",
    `items per page:    ${histogram(d.pageSizes.map(({ size, pages }) => [size, pages]))}`,
    `click position:    ${histogram(d.clickPositions.map(({ position, clicks }) => [position, clicks]))}`,
    ...positionLines(d.positionEffect),
    ...contextLines(d.contextFeatures),
    ...(d.warnings.length > 0 ? ["", "Warnings:"] : []),
    ...d.warnings.map((warning) => `- ${warning}`),
  ].join("\n");
}

function contextLines(features: DataDescription["contextFeatures"]): string[] {
  if (features.length === 0) return [];
  const p = (share: number | undefined) => share === undefined ? "-" : `${(100 * share).toFixed(1)} %`;
  const rows = features.map(({ name, kind, shares, low, high, ratio, error }) => [
    ...[name, kind, p(shares?.absent), p(shares?.clipped), p(shares?.unknown), p(low), p(high)],
    !Number.isFinite(error)
      ? "-"
      : `${ratio.toFixed(2)} (${(ratio * Math.exp(-error)).toFixed(2)} to ${
        (ratio * Math.exp(error)).toFixed(2)
      })`,
  ]);
  return [
    "",
    "Context features: clicks per impression in the lowest and the highest third of the values " +
    "(categories: without and with the value), and high / low (95 % interval if clicks are independent)",
    formatTable(
      ["", "level", "missing", "clipped", "unknown", "low", "high", "high / low"],
      rows,
      { drop: ["level", "clipped", "unknown", "missing"] },
    ),
  ];
}

/** Formats the clicks at each position, relative to the clicks expected without position effects. */
function positionLines({ text, positions }: DataDescription["positionEffect"]): string[] {
  const shown = positions.filter(({ error }) => error > 0).map(({ position, ratio, error }) =>
    `${position}: ${ratio.toFixed(2)} ± ${error.toFixed(2)}`
  );
  return [
    ...shown.length > 0
      ? [
        `CTR by position, relative to the same items' average (1.00: no effect; ± 95 %): ${shown.join(", ")}`,
      ]
      : [],
    text,
  ];
}

/** Formats a histogram: the ten most frequent values with their shares, sorted by value. */
function histogram(counts: readonly (readonly [number, number])[]): string {
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  const most = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 10).sort((a, b) => a[0] - b[0]);
  const shown = most.map(([value, count]) => `${value}: ${(100 * count / total).toFixed(1)} %`).join(", ");
  return counts.length > most.length ? `${shown} (the ten most frequent of ${counts.length})` : shown;
}

export function checkCommand(): Command {
  return new Command("check")
    .description(
      "Validates a prepared data set, and reports every error with its location. Adds missing counts and " +
        "checksums to the manifest of a valid data set.",
    )
    .argument("<folder>", "a prepared data set, for example a data set that Spark wrote", folder)
    .option(MEMORY, "memory limit of the SQL engine", parseMemorySize, "2GB")
    .action(async (path: string, { memory }: { memory: string }) => {
      const progress = stepProgress();
      const { manifest: { counts }, added } = await check(path, memory, progress.begin).finally(
        progress.stop,
      );
      const n = (count = 0) => formatThousands(count);
      const { users, items, pages, rows, clicks } = counts ?? {};
      const parts = `${n(users?.train)} train, ${n(users?.validation)} validation, ${n(users?.test)} test`;
      const shown = `${n(pages)} pages with ${n(rows)} impressions of ${n(items)} items`;
      console.log(`${path}: ${shown}, ${n(clicks)} clicks; users: ${parts}.`);
      console.log(`Counts and checksums ${added ? "were added to" : "agree with"} the manifest.`);
      console.log(`Train on it: deno task -q train --data ${quotePath(path)}`);
    });
}

export function mergeCommand(): Command {
  return new Command("merge")
    .description(
      "Merges prepared data sets, for example a log and the pages that a policy showed later. Users keep " +
        "their split. If two sets have a user with the same id, the later set's name is put before the " +
        "user's id. The new column source has the name of a page's data set. Items with equal ids and " +
        "features are the same item. If only the ids are equal, the item gets a new version. The data sets " +
        "are read into memory.",
    )
    .argument(
      "<sets...>",
      "prepared data sets, or other values of train --data; items of the first data set keep their numbers",
      eachFolder,
    )
    .option(OUT_FOLDER, "folder of the prepared data set; new or empty", folder, getPreparedFolder("merge"))
    .addHelpText(
      "after",
      "\nExample:\n  deno task -q data merge runs/data/mine runs/data/shown --out runs/data/both",
    )
    .action(async (sets: readonly string[], { out }: { out: string }) => {
      if (sets.length < 2) {
        throw new UserError(`Expected at least two data sets to merge, got ${sets.length}.`);
      }
      const parts: MergePart[] = [];
      for (const data of sets) parts.push({ name: nameFor(data, parts), data: await opened(data) });
      const { manifest: { counts, notes }, newItems } = await writeNewSet(
        out,
        { what: "the merged data", option: "--out" },
        () =>
          withProgress((onProgress) =>
            mergeSets(out, parts, { name: basename(resolve(out)), command: Deno.args }, onProgress)
          ),
      );
      for (const note of notes) console.log(note);
      const { pages = 0, clicks = 0, items = 0 } = counts ?? {};
      console.log(
        `${formatThousands(pages)} pages with ${formatThousands(clicks)} clicks; ${
          formatThousands(items)
        } items, of which ${formatThousands(newItems)} ` +
          `are not in ${parts[0]?.name}.`,
      );
      console.log(`The prepared data set is ${out}`);
      console.log(`Train on it: deno task -q train --data ${quotePath(out)}`);
    });
}

/** Returns the name of a data set's folder, or its whole path if two data sets have folders of this name. */
function nameFor(path: string, others: readonly MergePart[]): string {
  const name = basename(resolve(path));
  return others.some((other) => other.name === name) ? path : name;
}

async function opened(data: string): Promise<OpenedDataset> {
  return await OpenedDataset.of(await openData({ data, seed: 1, resplit: false, memoryRows: Infinity }, []));
}
