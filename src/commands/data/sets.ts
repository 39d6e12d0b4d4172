/**
 * `data describe`, `data check` and `data merge`: what there is in a prepared data set, whether it is as training takes it, and
 * several as one.
 */

import { Command } from "commander";
import { baselineTitles } from "../../metrics/baselines/baselines.ts";
import { check } from "../../data/prepare/check_set.ts";
import { type DataDescription, describe } from "../../data/prepare/describe.ts";
import { getPreparedFolder, MEMORY, OUT_FOLDER, quotePath } from "../../cli/arguments.ts";
import { folder, parseMemorySize } from "../../cli/command_options.ts";
import { stepProgress } from "../../cli/progress.ts";
import { formatTable } from "../../cli/table.ts";
import { formatThousands } from "../../number_text.ts";
import { basename, resolve } from "node:path";
import { openData, withProgress } from "../../cli/open_data.ts";
import { UserError } from "../../user_error.ts";
import { type MergePart, mergeSets } from "../../data/sets/merge.ts";
import { OpenedDataset } from "../../data/sets/opened_dataset.ts";
import { writeNewSet } from "../../data/sets/prepared_writer.ts";

export function describeCommand(): Command {
  return new Command("describe")
    .description("Describes a prepared data set: sizes, baselines, and warnings.")
    .argument("<folder>", "a prepared data set", folder)
    .option(MEMORY, "memory of the data engine", parseMemorySize, "2GB")
    .option("--json", "print the figures as JSON", false)
    .action(async (path: string, { memory, json }: { memory: string; json: boolean }) => {
      const progress = stepProgress();
      const description = await describe(path, memory, progress.begin).finally(progress.stop);
      console.log(json ? JSON.stringify(description, null, 2) : text(path, description));
    });
}

/** Baselines beside those of which prec@2 is shown, too. */
const OTHERS = ["lastClick", "categoryRate", "itemKnn", "logit"] as const;

function text(path: string, d: DataDescription): string {
  const f = (value: number, digits = 3) => Number.isNaN(value) ? "-" : value.toFixed(digits);
  const p = (value: number) => Number.isNaN(value) ? "-" : `${(100 * value).toFixed(1)} %`;
  const head = ["", "users", "events", "items a page", "no click", "unseen shown", "unseen clicked"];
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
    ...tokens.map(({ name, count, hashed }) =>
      `${name} (${formatThousands(count)} rows of an embedding${
        hashed === undefined ? "" : ", by two hashes of its id"
      })`
    ),
  ];
  return [
    `${path}: ${d.manifest.name}`,
    `items: ${formatThousands(d.ids)}${
      d.items === d.ids ? "" : `, in ${formatThousands(d.items)} versions`
    }; ` +
    `features: ${features.length > 0 ? features.join("; ") : "none but the item itself (one-hot)"}`,
    ...(d.given > 0 ? [`given as history, not predicted: ${formatThousands(d.given)} clicks`] : []),
    ...(d.propensities.pages > 0
      ? [
        `propensities: of ${formatThousands(d.propensities.pages)} pages; the least is ${
          d.propensities.least.toPrecision(3)
        }, ` +
        `the median ${d.propensities.median.toPrecision(3)}`,
      ]
      : []),
    `events a user: ${d.eventsPerUser.map(formatThousands).join(" / ")} (least, quartiles, most)`,
    "",
    formatTable(head, rows),
    "",
    "What training has to beat: the loss of a uniform guess, prec@1 and prec@2 by chance and by click rate, prec@1 of the other " +
    "baselines, and the loss of the last, which training starts from",
    formatTable(
      [
        ...["", "loss", "chance @1", "@2", "click rate @1", "@2"],
        ...[...OTHERS.map((name) => baselineTitles[name]), "its loss"],
      ],
      baselines,
    ),
    "",
    `items of a page:    ${histogram(d.pageSizes.map(({ size, pages }) => [size, pages]))}`,
    `place of the click: ${histogram(d.clickPlaces.map(({ place, clicks }) => [place, clicks]))}`,
    ...placeLines(d.placeEffect),
    ...(d.warnings.length > 0 ? ["", "Beware:"] : []),
    ...d.warnings.map((warning) => `- ${warning}`),
  ].join("\n");
}

/** Whether the place matters, and at each place how often items are clicked beside the same items at all places. */
function placeLines({ text, places }: DataDescription["placeEffect"]): string[] {
  const shown = places.filter(({ error }) => error > 0).map(({ place, ratio, error }) =>
    `${place}: ${ratio.toFixed(2)} ± ${error.toFixed(2)}`
  );
  return [
    ...shown.length > 0 ? [`the same items:     ${shown.join(", ")} (1: as at all places; 95 %)`] : [],
    text,
  ];
}

/** The ten most frequent values by size, with their shares. */
function histogram(counts: readonly (readonly [number, number])[]): string {
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  const most = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 10).sort((a, b) => a[0] - b[0]);
  const shown = most.map(([value, count]) => `${value}: ${(100 * count / total).toFixed(1)} %`).join(", ");
  return counts.length > most.length ? `${shown} (the ten most frequent of ${counts.length})` : shown;
}

export function checkCommand(): Command {
  return new Command("check")
    .description(
      "Reads a prepared data set as training does, and says all that does not hold in it, and where. One that holds gets " +
        "counts and checksums in its manifest, where it has none.",
    )
    .argument("<folder>", "a prepared data set, such as one that Spark wrote", folder)
    .option(MEMORY, "memory of the data engine", parseMemorySize, "2GB")
    .action(async (path: string, { memory }: { memory: string }) => {
      const progress = stepProgress();
      const { manifest: { counts }, added } = await check(path, memory, progress.begin).finally(
        progress.stop,
      );
      const n = (count = 0) => formatThousands(count);
      const { users, items, pages, rows, clicks } = counts ?? {};
      const parts = `${n(users?.train)} train, ${n(users?.validation)} validation, ${n(users?.test)} test`;
      const shown = `${n(pages)} pages with ${n(rows)} displayed items of ${n(items)}`;
      console.log(`${path}: ${shown}, ${n(clicks)} clicks; users: ${parts}.`);
      console.log(`Counts and checksums ${added ? "were added to" : "are as they stand in"} its manifest.`);
      console.log(`Train on it: deno task train --data ${quotePath(path)}`);
    });
}

export function mergeCommand(): Command {
  return new Command("merge")
    .description(
      "Makes one prepared data set of several, such as a log and the pages that a policy showed since. Users keep their parts; one " +
        "whose id is taken gets the name of their set in front, and the column source says where each comes from. An item is the " +
        "same where its id and its features are; else it is one more version. The sets are read into memory.",
    )
    .argument(
      "<sets...>",
      "prepared data sets, or what else train takes as --data; the first one's items keep their numbers",
      collect,
    )
    .option(OUT_FOLDER, "the prepared data set, a new folder", folder, getPreparedFolder("merge"))
    .addHelpText(
      "after",
      "\nExample:\n  deno task data merge runs/data/mine runs/data/shown --out runs/data/both",
    )
    .action(async (sets: readonly string[], { out }: { out: string }) => {
      if (sets.length < 2) {
        throw new UserError(`Expected two data sets or more to merge, got ${sets.length}.`);
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
        } items, ${formatThousands(newItems)} of which ` +
          `${parts[0]?.name} does not have.`,
      );
      console.log(`The prepared data set is ${out}`);
      console.log(`Train on it: deno task train --data ${quotePath(out)}`);
    });
}

function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, folder(text)];
}

/** A set is called by its folder; the second of a name by its whole path. */
function nameFor(path: string, others: readonly MergePart[]): string {
  const name = basename(resolve(path));
  return others.some((other) => other.name === name) ? path : name;
}

async function opened(data: string): Promise<OpenedDataset> {
  return await OpenedDataset.of(await openData({ data, seed: 1, resplit: false, memoryRows: Infinity }, []));
}
