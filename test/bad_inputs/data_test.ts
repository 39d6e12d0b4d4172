/** What `data` is given: logs, and the other sources. */

import { dataLogFiles, dataLogRows } from "./data_log.ts";
import { all, assertRefused, bad, type BadInput, table, type Words } from "./corpus.ts";
import { aroundWith, file, gz, made, unescaped } from "./files.ts";
import { paper } from "./good_inputs.ts";

const ENGINE = "--memory 500MB --threads 1";
const IMPRESSIONS = `data impressions --source DIR/mind ${ENGINE}`;
const TIME = "11/11/2019 9:05:58 AM";
const lines = Array.from({ length: 40 }, (_, k) => `${k}\tU${k}\t${TIME}\t\tN3-1 N4-0\n`).join("");
/** Fields of a line, with commas for tabs; TIME and LINES for what they stand for. */
const behaviors = (name: string, text: string, says: Words) => {
  const written = unescaped(text).replaceAll(",", "\t").replaceAll("TIME", TIME).replaceAll("LINES", lines);
  return bad(`impressions: ${name}`, IMPRESSIONS, file("mind/behaviors.tsv", written), says);
};
/** @param cell makers, and further arguments behind " with " */
const impressions = (name: string, cell: string, says: Words) => {
  const [changes, args] = aroundWith(cell);
  return bad(`impressions: ${name}`, `${IMPRESSIONS} ${args}`, made(changes), says);
};

const ROCKET = `data retailrocket --source DIR/rr ${ENGINE}`;
const EVENTS = "timestamp,visitorid,event,itemid,transactionid\n";
const events = EVENTS +
  Array.from(
    { length: 30 },
    (_, k) => `${1433000000000 + k},${k},view,10,\n${1433000001000 + k},${k},addtocart,10,\n`,
  ).join("");
const withEvents = (text: string) => file("rr/events.csv", text);
const rocket = (name: string, text: string, says: Words) =>
  bad(`retailrocket: ${name}`, ROCKET, withEvents(unescaped(text).replace("EVENTS\n", EVENTS)), says);

export const otherSources: readonly BadInput[] = [
  ...table({})`
    example: an empty folder's name | data example --out '' | Expected the path of a folder, got nothing
    example: a seed that is none | data example --seed one | Expected a whole number in 0..4294967295
    example: a shop that there is not | data example --shop corner | Allowed choices are demo, restless
    merge: one set | data merge demo | Expected two data sets or more to merge, got 1
    merge: a set that is not there | data merge demo DIR/none | none
    impressions: no folder | ${IMPRESSIONS} | mind
    retailrocket: no folder | ${ROCKET} | found no events
    retailrocket: an empty source | ${ROCKET} --source '' | Expected the path of a folder, got nothing
  `,
  bad(
    "merge: items known by other features",
    "data merge demo DIR/log.tsv",
    paper(),
    "same features as those of demo",
  ),
  ...table(impressions)`
    an empty folder | folder mind | Expected behaviors.tsv (plain, .gz or .zst) in the folder
    a FIFO | fifo mind | /mind/
    a dangling link | folder mind; link mind/behaviors.tsv DIR/gone | /behaviors\.tsv/
    a layout that is none | folder mind with --layout wide | Allowed choices are mind, long
    news in the long layout | folder mind with --layout long --news x | --news
    the long layout of a folder | folder mind with --layout long | found a folder
    features in MIND's layout | file mind/behaviors.tsv 1\tU1\t${TIME}\t\tN3-1\n with --features DIR/x.csv | --features
    news that are no news | file mind/behaviors.tsv 1\tU1\t${TIME}\t\tN3-1\n; file mind/news.tsv N3\n | news.tsv
  `,
  ...table(behaviors)`
    an empty file |  | behaviors.tsv is empty
    four columns | 1,U1,TIME,N1\n | expected 5 columns separated by tabs
    no time | 1,U1,,N1 N2,N3-1 N4-0\n | expected a time such as
    a time of another country | 1,U1,25/12/2019 9:05:58,N1 N2,N3-1 N4-0\n | expected a time such as
    no user | 1,,TIME,N1 N2,N3-1 N4-0\n | a user
    impressions without clicks | 1,U1,TIME,N1 N2,N3 N4\n | /N3/
    impressions of 2 | 1,U1,TIME,N1 N2,N3-2 N4-0\n | /N3-2/
    no impressions | 1,U1,TIME,N1 N2,\n | /impression/
  `,
  ...table(behaviors, { code: 0, leaves: ["out/"] })`
    a bad line of 121 | LINESLINESLINES1,U1,never,N1 N2,N3-1 N4-0\n | 1 rows could not be read and are left out
      | behaviors.tsv:121: 
  `,
  bad(
    "impressions: commas",
    IMPRESSIONS,
    file("mind/behaviors.tsv", "1,U1,t,N1,N2-1\n"),
    "separated by tabs",
  ),
  bad(
    "impressions: a history is no page",
    IMPRESSIONS,
    file("mind/behaviors.tsv", lines.replaceAll("\t\t", "\tN1 N2\t")),
    "40 pages with 80 displayed items of 4, 40 clicks, and 80 clicks given as history",
    { code: 0, leaves: ["out/"] },
  ),
  bad(
    "impressions: compressed behaviors that are cut",
    IMPRESSIONS,
    file("mind/behaviors.tsv.gz", gz(lines).slice(0, 50)),
    "the compressed file is cut off or damaged",
  ),
  bad("retailrocket: an empty folder", ROCKET, made("folder rr"), "found no events"),
  ...table({ run: ROCKET, files: withEvents(events), named: "retailrocket: " })`
    pages that are none | --pages all | Allowed choices are session, sampled
    a gap of 0 | --session-gap 0 | Expected a whole number of at least 1
    a page of 1,001 | --page-size 1001 | Expected a whole number in 1..1000
    a property that is no number | --numeric x | different numbers of properties
    a seed of -1 | --seed -1 | Expected a whole number in 0..4294967295
    more visitors than there may be events of | --min-events 1000 | Nothing is left of the source
  `,
  ...table(rocket)`
    events that are empty |  | events.csv is empty
    a header alone | EVENTS\n | Nothing is left of the source
    columns in another order | visitorid,timestamp,event,itemid,transactionid\n
      | events.csv:1: expected the columns | Put them in this order
    semicolons | timestamp;visitorid;event;itemid;transactionid\n | separate them by commas
    times that are dates | EVENTS\n2015-05-30,1,view,10,\n | /events\.csv:2/
    times below 0 | EVENTS\n-1,1,view,10,\n | /events\.csv:2|Nothing is left/
    an event that is none | EVENTS\n1433000000000,1,look,10,\n | /events\.csv:2/
    visitors that are text | EVENTS\n1433000000000,me,view,10,\n | /events\.csv:2/
  `,
  bad(
    "retailrocket: a cycle of categories",
    ROCKET,
    all(
      withEvents(events),
      file("rr/category_tree.csv", "categoryid,parentid\n1,2\n2,1\n"),
      file(
        "rr/item_properties_part1.csv",
        "timestamp,itemid,property,value\n1432000000000,10,categoryid,1\n",
      ),
    ),
    "30 pages with 30 displayed items",
    { code: 0, leaves: ["out/"] },
  ),
  ...table((name, changes, says) => bad(`example: ${name}`, "data example --out DIR/x", made(changes), says))`
    a folder that is a file | file x mine | x
    files of the user's | file x/log.csv mine | /log\.csv|holds/
  `,
];

assertRefused({
  "data log": dataLogFiles,
  "rows of a log": dataLogRows,
  "other sources": otherSources,
});
