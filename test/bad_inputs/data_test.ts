/** What `data` is given: logs, and the other sources. */

import { dataLogFiles, dataLogRows } from "./data_log.ts";
import {
  all,
  assertRefused,
  bad,
  type BadInput,
  type Maker,
  type More,
  nothing,
  table,
  type Words,
} from "./corpus.ts";
import { fifo, file, folder, gz, link } from "./files.ts";
import { paper } from "./good_data.ts";

const ENGINE = "--memory 500MB --threads 1";
const impressions = (name: string, files: Maker, says: Words, args = "", more: More = {}) =>
  bad(`impressions: ${name}`, `data impressions --source DIR/mind ${ENGINE} ${args}`, files, says, more);
const behaviors = (name: string, text: string, says: Words, more: More = {}) =>
  impressions(name, file("mind/behaviors.tsv", text), says, "", more);

const TIME = "11/11/2019 9:05:58 AM";
const line = `1\tU1\t${TIME}\tN1 N2\tN3-1 N4-0\n`;
const lines = Array.from({ length: 40 }, (_, k) => `${k}\tU${k}\t${TIME}\t\tN3-1 N4-0\n`).join("");

const RETAILROCKET = `data retailrocket --source DIR/rr ${ENGINE}`;
const rocket = (name: string, files: Maker, says: Words, args = "", more: More = {}) =>
  bad(`retailrocket: ${name}`, `${RETAILROCKET} ${args}`, files, says, more);
const EVENTS = "timestamp,visitorid,event,itemid,transactionid\n";
const events = EVENTS +
  Array.from(
    { length: 30 },
    (_, k) => `${1433000000000 + k},${k},view,10,\n${1433000001000 + k},${k},addtocart,10,\n`,
  )
    .join("");
const withEvents = (text: string) => file("rr/events.csv", text);

export const otherSources: readonly BadInput[] = [
  ...table({})`
    example: an empty folder's name | data example --out '' | Expected the path of a folder, got nothing
    example: a seed that is none | data example --seed one | Expected a whole number in 0..4294967295
    example: a shop that there is not | data example --shop corner | Allowed choices are demo, restless
  `,
  ...table({})`
    merge: one set | data merge demo | Expected two data sets or more to merge, got 1
    merge: a set that is not there | data merge demo DIR/none | none
  `,
  bad(
    "merge: items known by other features",
    "data merge demo DIR/log.tsv",
    paper(),
    "same features as those of demo",
  ),
  impressions("no folder", nothing, "mind"),
  impressions("an empty folder", folder("mind"), "Expected behaviors.tsv (plain, .gz or .zst) in the folder"),
  impressions("a FIFO", fifo("mind"), /mind/),
  impressions(
    "a dangling link",
    all(folder("mind"), link("mind/behaviors.tsv", "DIR/gone")),
    /behaviors\.tsv/,
  ),
  impressions("a layout that is none", folder("mind"), "Allowed choices are mind, long", "--layout wide"),
  impressions("news in the long layout", folder("mind"), "--news", "--layout long --news x"),
  impressions(
    "features in MIND's layout",
    file("mind/behaviors.tsv", lines),
    "--features",
    "--features DIR/x.csv",
  ),
  impressions("the long layout of a folder", folder("mind"), "found a folder", "--layout long"),
  behaviors("an empty file", "", "behaviors.tsv is empty"),
  behaviors("commas", "1,U1,t,N1,N2-1\n", "expected 5 columns separated by tabs"),
  behaviors("four columns", `1\tU1\t${TIME}\tN1\n`, "expected 5 columns separated by tabs"),
  behaviors("no time", line.replace(TIME, ""), "expected a time such as"),
  behaviors("a time of another country", line.replace(TIME, "25/12/2019 9:05:58"), "expected a time such as"),
  behaviors("no user", line.replace("U1", ""), "a user"),
  behaviors("impressions without clicks", line.replace("N3-1 N4-0", "N3 N4"), /N3/),
  behaviors("impressions of 2", line.replace("N3-1", "N3-2"), /N3-2/),
  behaviors("no impressions", line.replace("N3-1 N4-0", ""), /impression/),
  behaviors("a bad line of 121", lines.repeat(3) + line.replace(TIME, "never"), [
    "1 rows could not be read and are left out",
    "behaviors.tsv:121: ",
  ], { code: 0, leaves: ["out/"] }),
  behaviors(
    "a history is no page",
    lines.replaceAll("\t\t", "\tN1 N2\t"),
    "40 pages with 80 displayed items of 4, 40 clicks, and 80 clicks given as history",
    { code: 0, leaves: ["out/"] },
  ),
  impressions(
    "news that are no news",
    all(file("mind/behaviors.tsv", lines), file("mind/news.tsv", "N3\n")),
    "news.tsv",
  ),
  impressions(
    "compressed behaviors that are cut",
    file("mind/behaviors.tsv.gz", gz(lines).slice(0, 50)),
    "the compressed file is cut off or damaged",
  ),
  rocket("no folder", nothing, "found no events"),
  rocket("an empty folder", folder("rr"), "found no events"),
  rocket("an empty source", nothing, "Expected the path of a folder, got nothing", "--source ''"),
  rocket("pages that are none", withEvents(events), "Allowed choices are session, sampled", "--pages all"),
  rocket("a gap of 0", withEvents(events), "Expected a whole number of at least 1", "--session-gap 0"),
  rocket("a page of 1,001", withEvents(events), "Expected a whole number in 1..1000", "--page-size 1001"),
  rocket(
    "a property that is no number",
    withEvents(events),
    "different numbers of properties",
    "--numeric x",
  ),
  rocket("a seed of -1", withEvents(events), "Expected a whole number in 0..4294967295", "--seed -1"),
  rocket("events that are empty", withEvents(""), "events.csv is empty"),
  rocket("a header alone", withEvents(EVENTS), "Nothing is left of the source"),
  rocket(
    "columns in another order",
    withEvents(events.replace("timestamp,visitorid", "visitorid,timestamp")),
    ["events.csv:1: expected the columns", "Put them in this order"],
  ),
  rocket("semicolons", withEvents(events.replaceAll(",", ";")), "separate them by commas"),
  rocket("times that are dates", withEvents(EVENTS + "2015-05-30,1,view,10,\n"), /events\.csv:2/),
  rocket("times below 0", withEvents(EVENTS + "-1,1,view,10,\n"), /events\.csv:2|Nothing is left/),
  rocket("an event that is none", withEvents(EVENTS + "1433000000000,1,look,10,\n"), /events\.csv:2/),
  rocket("visitors that are text", withEvents(EVENTS + "1433000000000,me,view,10,\n"), /events\.csv:2/),
  rocket(
    "more visitors than there may be events of",
    withEvents(events),
    "Nothing is left of the source",
    "--min-events 1000",
  ),
  rocket(
    "a cycle of categories",
    all(
      withEvents(events),
      file("rr/category_tree.csv", "categoryid,parentid\n1,2\n2,1\n"),
      file(
        "rr/item_properties_part1.csv",
        "timestamp,itemid,property,value\n1432000000000,10,categoryid,1\n",
      ),
    ),
    "30 pages with 30 displayed items",
    "",
    { code: 0, leaves: ["out/"] },
  ),
  bad("example: a folder that is a file", "data example --out DIR/x", file("x", "mine"), "x"),
  bad(
    "example: files of the user's",
    "data example --out DIR/x",
    file("x/log.csv", "mine"),
    /log\.csv|holds/,
  ),
];

assertRefused({
  "data log": dataLogFiles,
  "rows of a log": dataLogRows,
  "other sources": otherSources,
});
