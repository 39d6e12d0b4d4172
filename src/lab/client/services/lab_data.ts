/** What can be trained on in a page: a made-up shop, or files of the reader's, which stay in the page. */

import { whole } from "../../draw/number.ts";
import { makeShop } from "../../../data/demo_shop.ts";
import type { ItemsShape } from "../../../data/item_catalogue.ts";
import { dataSizes, type LogSource, MemoryLog } from "../../../data/log_source.ts";
import { type Features, parseManifest, type Places } from "../../../data/manifest.ts";
import { shopNamed, shopNames, type ShopTruth } from "../../../data/shops.ts";
import { UserError } from "../../../user_error.ts";
import type { OwnFile } from "../own_file.ts";
import { type LaterScript, loadReader } from "../later_script.ts";

/** Which data the reader has chosen. */
export type DataChoice =
  | { readonly kind: "shop"; readonly name: string; readonly seed: number }
  /** A file in the paper's layout, or the files of a prepared data set; and where the script is that reads them. */
  | {
    readonly kind: "files";
    readonly files: readonly OwnFile[];
    readonly reader: LaterScript;
  };

/** Told what is being done. */
type Tell = (what: string) => void;

export interface LabData {
  readonly kind: "demo" | "paper" | "prepared";
  readonly source: LogSource;
  /** What the features of its items mean, where the data say it. */
  readonly features?: Features;
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
  tell("Loading what reads files");
  const { readOwn } = await loadReader(script);
  const read = await readOwn(files, { tell, parseManifest });
  if ("fault" in read) throw new UserError(read.fault);
  const { log, ...about } = read;
  return { ...about, source: new MemoryLog(log), truth: undefined };
}

export function factsOf({ source }: LabData): DataFacts {
  const { name, items: { shape } } = source;
  return { name, ...dataSizes(source), features: featureWords(shape) };
}

function featureWords(shape: ItemsShape): string {
  if (shape.kind === "one-hot") return "known by their number alone";
  const numbers = shape.width > 0 ? [`${whole(shape.width)} features each`] : [];
  const tokens = shape.kind === "mixed" ? [`${whole(shape.tokens)} tokens`] : [];
  return `with ${[...tokens, ...numbers].join(" and ")}`;
}
