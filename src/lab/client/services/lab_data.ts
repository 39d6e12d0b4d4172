/** What can be trained on in a page: a made-up shop, or a file of the reader's, which stays in the page. */

import { whole } from "../../draw/number.ts";
import { usersOf } from "../../../data/click_log.ts";
import { makeShop } from "../../../data/demo_shop.ts";
import { type LogSource, MemoryLog } from "../../../data/log_source.ts";
import { MOST_PAPER_BYTES, parsePaperLog } from "../../../data/paper_log.ts";
import { shopNamed, shopNames } from "../../../data/shops.ts";
import type { ShopTruth } from "../../../data/shops/truth.ts";
import { UserError } from "../../../user_error.ts";

/** Which data the reader has chosen. */
export type DataChoice =
  | { readonly kind: "shop"; readonly name: string; readonly seed: number }
  | { readonly kind: "file"; readonly file: File };

export interface LabData {
  readonly kind: "demo" | "paper";
  readonly source: LogSource;
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

/** @throws UserError for a file that cannot be used: it names the line. */
export async function openLabData(choice: DataChoice): Promise<LabData> {
  if (choice.kind === "file") return await openFile(choice.file);
  const shop = shopNamed(choice.name);
  if (!shop) throw new UserError(`Expected a made-up shop (${shopNames}), got ${choice.name}.`);
  const { log, truth } = makeShop(shop, { items: choice.seed, users: choice.seed });
  return { kind: "demo", source: new MemoryLog(log), truth: { utility: truth.utility, shop } };
}

async function openFile(file: File): Promise<LabData> {
  if (/\.(parquet|csv|json|jsonl|gz|zst)$/i.test(file.name)) {
    throw new UserError(
      `${file.name}: expected a tab-separated click log in the paper's layout. Other logs are prepared outside of the page: ` +
        "deno task data log --help.",
    );
  }
  if (file.size > MOST_PAPER_BYTES) {
    const [found, most] = [file.size, MOST_PAPER_BYTES].map(whole);
    throw new UserError(
      `${file.name}: ${found} bytes, expected at most ${most}. Give a part of its users, or leave out columns that are not ` +
        "needed.",
    );
  }
  return {
    kind: "paper",
    source: new MemoryLog(parsePaperLog(file.name, await file.text())),
    truth: undefined,
  };
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
    features: shape.kind === "one-hot" ? "known by their number alone" : `with ${shape.width} features each`,
  };
}
