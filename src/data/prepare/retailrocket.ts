/** The Retailrocket e-commerce data set: its raw files to pages, by `data/retailrocket.sql`. */

import {
  folder,
  InvalidValue,
  oneOf,
  required,
  switched,
  valued,
  type ValuesOf,
  whole,
} from "../../option.ts";
import { LARGEST_SEED } from "../../train/config.ts";
import { UserError } from "../../user_error.ts";
import { type Engine, type Step, stepsOf } from "./engine.ts";
import { checkItems, columnNames, itemFeatureSteps, itemOptions, itemVariables } from "./features.ts";
import { plainPath } from "./glob.ts";
import { type Like, openLike } from "./like.ts";
import type { Begun, Recipe } from "./prepare.ts";
import { faultsOf, type FaultSource } from "./bad_rows.ts";
import {
  checkCompressed,
  COMPRESSIONS,
  expectHeader,
  findFilesIfAny,
  rowsOfCsv,
  type SourceFile,
} from "./sources.ts";
import script from "../../../data/retailrocket.sql" with { type: "text" };

/** Items of a page unless told otherwise: what one looks at, and as many as the demo shop shows. */
const PAGE_SIZE = { session: 50, sampled: 10 } as const;

export const retailrocketOptions = {
  source: required(valued("--source <folder>", "the folder of the raw files", { parse: folder })),
  pages: valued(
    "--pages <how>",
    "session: a page is what was viewed in the session so far, and the click is what was put in the cart or bought; " +
      "sampled: each view is a click, on a page with items drawn by popularity in its category and week",
    oneOf(["session", "sampled"]),
    "session",
  ),
  sessionGap: valued(
    "--session-gap <minutes>",
    "a session ends after this many minutes without an event",
    whole(1),
    30,
  ),
  pageSize: valued(
    "--page-size <n>",
    `the most items of a page (default: ${PAGE_SIZE.session} of a session, ${PAGE_SIZE.sampled} sampled)`,
    whole(1, 1000),
  ),
  keepNoClick: switched(
    "--keep-no-click",
    "keep sessions without a cart or purchase, as pages without a click",
  ),
  numeric: valued(
    "--numeric <properties>",
    "item properties with a number for a value, joined by commas (default: 790, which is the price)",
    { parse: properties },
  ),
  seed: valued("--seed <n>", "seed of the drawn pages", whole(0, LARGEST_SEED), 1),
  minEvents: valued("--min-events <n>", "leave out visitors with fewer events", whole(1), 1),
  maxUsers: valued("--max-users <n>", "take at most this many visitors, always the same ones", whole(1)),
  ...itemOptions,
};
type Options = ValuesOf<typeof retailrocketOptions>;
export type RetailrocketOptions =
  & Options
  & Required<Pick<Options, "pages" | "sessionGap" | "seed" | "minEvents">>;

/** Numbers of properties; none for an empty text. */
function properties(text: string): readonly string[] {
  const names = columnNames(text);
  if (names.every((name) => /^\d+$/.test(name))) return names;
  throw new InvalidValue(`Expected different numbers of properties joined by commas, got "${text}".`);
}

/** The price. */
const NUMERIC = ["790"];
/** What is known of every item, beside its properties; data/retailrocket.sql fills them in. */
const COUNTS = ["available", "log_views", "log_carts", "log_buys"];
const PROPERTY = "property_";
const CATEGORY = "category";

const HEADERS = {
  events: ["timestamp", "visitorid", "event", "itemid", "transactionid"],
  properties: ["timestamp", "itemid", "property", "value"],
  tree: ["categoryid", "parentid"],
} as const;
type Kind = keyof typeof HEADERS;
const kinds: readonly Kind[] = ["events", "properties", "tree"];
const PATTERNS: Readonly<Record<Kind, string>> = {
  events: "events*.csv",
  properties: "item_properties*.csv",
  tree: "category_tree*.csv",
};
const exact = (column: string) => ({
  kind: `${column} cannot be read`,
  expected: `${column} to be a whole number below 2^63`,
  value: column,
});
const time = {
  ...exact("timestamp"),
  expected: "timestamp to be milliseconds since 1970, a whole number within 8.64e15",
};
/** What the script says of rows that it cannot read. */
const FAULTS: Readonly<Record<Kind, FaultSource>> = {
  events: faultSource("event", HEADERS.events, {
    time,
    visitor: exact("visitorid"),
    item: exact("itemid"),
    event: {
      kind: "event cannot be read",
      expected: "event to be one of view, addtocart, transaction",
      value: "event",
    },
  }),
  properties: faultSource("property", HEADERS.properties, {
    time,
    item: exact("itemid"),
    category: {
      kind: "a categoryid is not an exact whole number",
      expected: "the value of categoryid to be a whole number below 2^53",
      value: "value",
    },
  }),
  tree: faultSource("category", HEADERS.tree, {
    category: exact("categoryid"),
    parent: exact("parentid"),
  }),
};

function faultSource(name: string, header: readonly string[], texts: FaultSource["texts"]): FaultSource {
  // Of a transaction's id the view has nothing.
  const columns = header.map((column, place) => [column, place]).filter(([column]) =>
    column !== "transactionid"
  );
  const places = Object.fromEntries(columns);
  return { view: `checked_${name}`, counted: `${name}_read`, csv: { delimiter: ",", places }, texts };
}

/** Which kind of file each reading step reads. */
const READS: Readonly<Record<string, Kind>> = {
  "Reading events": "events",
  "Reading item properties": "properties",
  "Reading the category tree": "tree",
};

export function retailrocket(options: RetailrocketOptions): Recipe {
  return (engine, work, signal) => begin(engine, options, work, signal);
}

async function begin(
  engine: Engine,
  options: RetailrocketOptions,
  workFolder: string,
  signal?: AbortSignal,
): Promise<Begun> {
  const { source } = options;
  const files: Record<Kind, SourceFile[]> = { events: [], properties: [], tree: [] };
  const paths: Record<Kind, string[]> = { events: [], properties: [], tree: [] };
  for (const kind of kinds) {
    files[kind] = COMPRESSIONS.flatMap((ending) => findFilesIfAny(PATTERNS[kind] + ending, source));
    await checkCompressed(files[kind], signal);
    await expectHeader(engine, files[kind], HEADERS[kind]);
    paths[kind] = files[kind].map(({ path }) => path);
    if (paths[kind].length > 0) continue;
    if (kind === "events") {
      throw new UserError(
        `Expected Retailrocket's files in ${source} (${PATTERNS.events}, ${PATTERNS.properties}, ${PATTERNS.tree}; .gz or ` +
          ".zst as well), found no events. Name the folder that holds them with --source.",
      );
    }
    // Without properties or a tree there is less to know of the items, and that is all.
    const empty = `${workFolder}/no_${kind}.csv`;
    await Deno.writeTextFile(empty, HEADERS[kind].join(",") + "\n");
    paths[kind] = [empty];
  }
  const like = await openLike(engine, options);
  const { dense, tokens, numeric } = columnsOf(options.numeric, like);
  const features = { dense, times: dense.map(() => false), tokens, splits: tokens.map(() => false) };
  return {
    sources: kinds.flatMap((kind) => files[kind]),
    steps: stepsOf(script),
    itemSteps: itemFeatureSteps(),
    after: (engine, step) => checkItems(engine, { like, areTokensNamed: false }, step),
    places: options.pages === "session" ? "shown" : "arbitrary",
    variables: {
      ...Object.fromEntries(kinds.map((kind) => [kind, paths[kind].map(plainPath)])),
      page_mode: options.pages,
      gap_ms: Math.round(60_000 * options.sessionGap),
      page_size: options.pageSize ?? PAGE_SIZE[options.pages],
      keep_no_click: options.keepNoClick ?? false,
      numeric,
      ...itemVariables(features, true, options, like),
      seed: options.seed,
      min_events: options.minEvents,
      max_users: options.maxUsers ?? Number.MAX_SAFE_INTEGER,
    },
    badRows: (engine, step) => faultsOf(engine, FAULTS[kindOf(step)]),
    rowsRead: (engine, step) => rowsOfCsv(engine, paths[kindOf(step)]),
  };
}

/** The features, and the properties that they need. @throws UserError for a set that was made of other columns. */
function columnsOf(numeric: readonly string[] | undefined, like: Like | undefined) {
  if (!like) {
    const properties = numeric ?? NUMERIC;
    const dense = [...COUNTS, ...properties.map((name) => PROPERTY + name)];
    return { dense, tokens: [CATEGORY], numeric: properties };
  }
  if (numeric !== undefined) {
    throw new UserError(`Expected --like without --numeric: it takes the properties of ${like.folder}.`);
  }
  const { dense, tokens } = like.columns;
  const isProperty = (name: string) => /^property_\d+$/.test(name);
  const other = [
    ...dense.filter((name) => !COUNTS.includes(name) && !isProperty(name)),
    ...tokens.filter((name) => name !== CATEGORY),
  ];
  if (other.length > 0 || like.isOneHot) {
    throw new UserError(
      `Expected --like with a set of deno task data retailrocket, but the items of ${like.folder} have ` +
        `${like.isOneHot ? "no features" : other.join(", ")}.`,
    );
  }
  return { dense, tokens, numeric: dense.filter(isProperty).map((name) => name.slice(PROPERTY.length)) };
}

function kindOf({ title }: Step): Kind {
  const kind = READS[title];
  if (!kind) throw new Error(`no file is known for the step "${title}"`);
  return kind;
}
