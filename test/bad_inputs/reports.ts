/** Folders that a report is to be about, and pages that it is to be written to. */

import { bad, type BadInput, type Maker, table, type Words } from "./corpus.ts";
import { alteredText, made } from "./files.ts";
import { run, seeds } from "./good_inputs.ts";

const report = (name: string, files: Maker, says: Words) => bad(name, "report DIR/old", files, says);
/** @param changes makers in words: of a good run, and of nothing */
const changed = (name: string, changes: string, says: Words) => report(name, run(made(changes)), says);
const fresh = (name: string, changes: string, says: Words) => report(name, made(changes), says);
const log = (name: string, change: string, says: Words) =>
  changed(`a train.csv ${name}`, `swap old/train.csv ${change}`, says);
const result = (name: string, text: string, says: Words) =>
  changed(`a result.json ${name}`, `file old/result.json ${text}`, says);
const experiment = (name: string, text: string, says: Words) =>
  fresh(`an experiment.json ${name}`, `file old/experiment.json ${text}`, says);
const written = { code: 0, leaves: ["old/report.html"] };

export const reports: readonly BadInput[] = [
  ...table({})`
    no folder is named | report | missing required argument 'run'
    an empty name | report '' | Expected the path of a folder, got nothing
    no such folder | report DIR/none | no such file or folder
  `,
  bad("a file", "report DIR/log.tsv", made("file log.tsv"), "is a file"),
  ...table(fresh)`
    an empty folder | folder old | found none of these files
    a folder of other things | file old/notes.txt x | found none of these files
    a loop of links | link old DIR/old | old
    a FIFO | fifo old | /old/
    a seeds.json that is empty | file old/seeds.json | seeds.json is damaged
    a seeds.json of no seeds | file old/seeds.json {"seeds":[],"config":{"training":{"seed":1,"iterations":2}}}
      | seeds.json is damaged
  `,
  bad("seeds that have not begun", "report DIR/s", seeds([1], made("without s/seed-1")), "found none yet"),
  ...table({ run: "report DIR/old", files: run(made("folder none; folder p.html")) })`
    a good run and one that is none | DIR/none | found none of these files
    a page of another ending | --out DIR/config.json | Expected a file that ends in .html
    a page without a name | --out DIR/.html | Expected a file that ends in .html
    an empty page | --out '' | Expected a file that ends in .html
    a page that is a folder | --out DIR/p.html | p.html
    a page below a file | --out DIR/log.tsv/p.html | log.tsv
    a page of a name too long | --out DIR/${"p".repeat(300)}.html | the name is too long
    a comma in the page's folder | --out DIR/a,b/p.html | without a comma
  `,
  ...table({ run: "report DIR/old", files: run() }, { only: Deno.build.os === "linux" })`
    a page in /proc | --out /proc/p.html | /proc
  `,
  ...table(changed)`
    a config that is cut | cut old/config.json 99 | config.json is damaged
    a config that is empty | file old/config.json | config.json is damaged
    a config without a seed | json old/config.json training.seed= | config.json is damaged
    a config whose iterations are text | json old/config.json training.iterations="9" | config.json is damaged
    neither rows nor logs | without old/train.csv; without old/validation.csv | found none yet
    a log that is a folder | without old/train.csv; folder old/train.csv | train.csv
    a result.json without rows
      | without old/train.csv; without old/validation.csv; file old/result.json {"iteration": 4, "test": []}
      | found no row
    a train.csv that is binary | file old/train.csv \u0000\u0001\u0002\n\u0003\n
      | train.csv:1: expected a header with a column
  `,
  ...table(changed, written)`
    a config with a script in it
      | json old/config.json adapter.description="</script><script>alert(1)</script>" | The report is
    losses of NaN and infinity, which are not drawn
      | swap old/train.csv 2,1.5 => 2,NaN; swap old/train.csv 3,1.5 => 3,inf | The report is
    losses of 1e300 | swap old/train.csv 2,1.5 => 2,1e300 | The report is
  `,
  {
    ...report(
      "a config nested 2,000 deep",
      run(
        alteredText(
          "old/config.json",
          (text) => text.replace("{", `{"deep": ${"[".repeat(2000)}${"]".repeat(2000)},`),
        ),
      ),
      "The report is",
    ),
    ...written,
  },
  ...table(log)`
    without iterations | iteration => step | train.csv:1: expected a header with a column "iteration"
    with a row too short | 2,1.5, => 2, | train.csv:3: expected 4 values
    with a word for a loss | 2,1.5 => 2,low | train.csv:3: expected a number for loss
    with a row twice | 2,1.5 => 1,1.5 | train.csv:3: expected an iteration above 1
    with an iteration of 1e300 | 2,1.5 => 1e300,1.5 | train.csv:3: expected an iteration
    with a negative iteration | 1,1.5 => -1,1.5 | train.csv:2: expected an iteration
  `,
  ...table(result, { says: "result.json is damaged" })`
    that is empty |
    that is an array | []
    that is a number | 3
    whose iteration is text | {"iteration": "4"}
    whose figures are text
      | {"iteration": 4, "test": [{"snapshot": "last", "iteration": 4, "nll": "low", "prec1": 1, "prec2": 1}]}
    whose test is an object | {"iteration": 4, "test": {}}
  `,
  ...table(experiment)`
    that is empty |  | experiment.json is damaged
    of no models | {"models":[]} | experiment.json is damaged
    of models without folders | {"models":[{"name":"a"}]} | experiment.json is damaged
    whose models have not begun | {"models":[{"name":"a","folder":"a"}]} | found none with a row
    whose folder leads out | {"models":[{"name":"a","folder":"../../../../etc"}]} | found none with a row
    with claims that are none
      | {"models":[{"name":"a","folder":"a"}]}; file old/result.json {"claims":[{"claim":1}]} | result.json is damaged
  `,
];
