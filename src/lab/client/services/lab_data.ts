/** What can be trained on in a page: a made-up shop, or files of the reader's, which stay in the page. */

import { whole } from "../../draw/number.ts";
import { splits, usersOf } from "../../../data/click_log.ts";
import { makeShop } from "../../../data/demo_shop.ts";
import type { ItemsShape } from "../../../data/item_catalogue.ts";
import { checkSource, type LogSource, MemoryLog } from "../../../data/log_source.ts";
import { type Features, MANIFEST, parseManifest, type Places } from "../../../data/manifest.ts";
import { expectParts } from "../../../prepared/parts.ts";
import { shopNamed, shopNames } from "../../../data/shops.ts";
import type { ShopTruth } from "../../../data/shops/truth.ts";
import { UserError } from "../../../user_error.ts";
import type { OwnFile } from "../own_file.ts";
import type { Read } from "../reader.ts";
import { type LaterScript, loadReader } from "../later_script.ts";

/** Which data the reader has chosen. */
export type DataChoice =
  | { readonly kind: "shop"; readonly name: string; readonly seed: number }
  /** A log, or the files of a prepared data set; and where the script is that reads them. */
  | { readonly kind: "files"; readonly files: readonly OwnFile[]; readonly reader: LaterScript };

/** Told what is being done. */
type Tell = (what: string) => void;

export interface LabData {
  readonly kind: "demo" | "paper" | "prepared";
  readonly source: LogSource;
  /** What the features of its items mean, where the data say it. */
  readonly features?: Features;
  /** How files were understood, and what of them is left out. */
  readonly notes?: readonly string[];
  /** Whether the items of its pages are in the order in which they were shown, where that is known. */
  readonly places?: Places;
  /** [R] the true utility of every row, and why users click; of a made-up shop. */
  readonly truth: { readonly utility: Float64Array; readonly shop: ShopTruth } | undefined;
}

/** What is said of data. */
export interface DataFacts {
  readonly name: string;
  /** Train, validation, test. */
  readonly users: readonly [number, number, number];
  readonly pages: number;
  /** Displayed items. */
  readonly rows: number;
  readonly items: number;
  /** What is known of an item, in words. */
  readonly features: string;
}

/** @throws UserError for files that cannot be used: it names the file, and the line or row. */
export async function openLabData(choice: DataChoice, tell: Tell): Promise<LabData> {
  if (choice.kind === "files") return await openFiles(choice, tell);
  const shop = shopNamed(choice.name);
  if (!shop) throw new UserError(`Expected a made-up shop (${shopNames}), got ${choice.name}.`);
  const { log, truth } = makeShop(shop, { items: choice.seed, users: choice.seed });
  return { kind: "demo", source: new MemoryLog(log), truth: { utility: truth.utility, shop } };
}

async function openFiles(
  { files, reader: script }: Extract<DataChoice, { kind: "files" }>,
  tell: Tell,
): Promise<LabData> {
  for (const file of files) await expectReadable(file);
  const is = (ending: RegExp) => files.some(({ path }) => ending.test(path));
  tell("Loading what reads files");
  const reader = await loadReader(script);
  if (is(/\.(json|parquet)$/i)) return await openPrepared(reader, files, tell);
  const [file, other] = files;
  if (!file || other) {
    throw new UserError(
      `Expected one log, or the files of a prepared data set, got ${
        files.map(({ path }) => path).join(", ") || "nothing"
      }. ` +
        "What is known of items is for a prepared data set: deno task data log --features.",
    );
  }
  if (is(/\.csv$/i)) return await openLong(reader, file, tell);
  return await openPaper(reader, file);
}

type Reader = Awaited<ReturnType<typeof loadReader>>;

/** @throws UserError for a file that has changed since it was chosen: browsers do not read such ones. */
async function expectReadable({ path, file }: OwnFile): Promise<void> {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new UserError(
      `${path}: the browser cannot read the file any more (${cause}). It was changed, moved or removed after it was chosen: ` +
        "choose it again.",
    );
  }
}

/** A CSV file as data example writes it. */
async function openLong(reader: Reader, file: OwnFile, tell: Tell): Promise<LabData> {
  const { log, features, places, notes } = expectRead(await reader.readLong(file, tell));
  return { kind: "prepared", source: new MemoryLog(log), features, places, notes, truth: undefined };
}

async function openPaper(reader: Reader, file: OwnFile): Promise<LabData> {
  if (/\.(jsonl|ndjson|gz|zst)$/i.test(file.path)) {
    throw new UserError(
      `${file.path}: expected a CSV file with a row for each displayed item, a tab-separated file in the paper's layout, or a ` +
        "prepared data set. Other logs are prepared outside of the page: deno task data log --help.",
    );
  }
  const { log } = expectRead(await reader.readPaper(file));
  return { kind: "paper", source: new MemoryLog(log), truth: undefined };
}

/** A set's manifest.json and its tables. */
async function openPrepared(reader: Reader, files: readonly OwnFile[], tell: Tell): Promise<LabData> {
  const about = files.find(({ path }) => path.split("/").at(-1) === MANIFEST);
  if (!about) {
    throw new UserError(
      `Expected the files of a prepared data set, manifest.json, users.parquet, items.parquet and pages.parquet, all at once; ` +
        `got ${files.map(({ path }) => path).join(", ")}. A folder that deno task data made has them.`,
    );
  }
  const manifest = parseManifest(about.path, await about.file.text());
  const source = new MemoryLog(expectRead(await reader.readPrepared(manifest, files, tell)).log);
  expectParts(source.name, source, splits);
  checkSource(source);
  const { features, places } = manifest;
  return { kind: "prepared", source, features, places, truth: undefined };
}

/** @throws UserError for what is wrong with the files. */
function expectRead<T extends object>(read: Read<T>): T {
  if ("fault" in read) throw new UserError(read.fault);
  return read;
}

export function factsOf({ source }: LabData): DataFacts {
  const { name, items: { shape }, userEvents, userRows } = source;
  const count = (split: "train" | "validation" | "test") => usersOf(source, split).length;
  return {
    name,
    users: [count("train"), count("validation"), count("test")],
    pages: userEvents.at(-1) ?? 0,
    rows: userRows.at(-1) ?? 0,
    items: shape.count,
    features: featureWords(shape),
  };
}

function featureWords(shape: ItemsShape): string {
  if (shape.kind === "one-hot") return "known by their number alone";
  const numbers = shape.width > 0 ? [`${whole(shape.width)} features each`] : [];
  const tokens = shape.kind === "mixed" ? [`${whole(shape.tokens)} tokens`] : [];
  return `with ${[...tokens, ...numbers].join(" and ")}`;
}
