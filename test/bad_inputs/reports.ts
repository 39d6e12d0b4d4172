/** Folders that a report is to be about, and pages that it is to be written to. */

import { all, bad, type BadInput, type Maker, type More, nothing, same, type Words } from "./corpus.ts";
import { alteredJson, alteredText, fifo, file, folder, link, without } from "./files.ts";
import { run } from "./good_runs.ts";

const report = (name: string, files: Maker, says: Words, more: More = {}, args = "DIR/old") =>
  bad(name, `report ${args}`, files, says, more);
const log = (name: string, change: (text: string) => string, says: Words) =>
  report(`a train.csv ${name}`, run(alteredText("old/train.csv", change)), says);
const result = (name: string, text: string, says: Words = "result.json is damaged") =>
  report(`a result.json ${name}`, run(file("old/result.json", text)), says);
const experiment = (name: string, text: string, says: Words, more: Maker = nothing) =>
  report(`an experiment.json ${name}`, all(file("old/experiment.json", text), more), says);
const written = { code: 0, leaves: ["old/report.html"] };

export const reports: readonly BadInput[] = [
  report("no folder is named", nothing, "missing required argument 'run'", {}, ""),
  report("an empty name", nothing, "Expected the path of a folder, got nothing", {}, "''"),
  report("no such folder", nothing, "no such file or folder", {}, "DIR/none"),
  report("a file", file("log.tsv", ""), "is a file", {}, "DIR/log.tsv"),
  report("an empty folder", folder("old"), "found none of these files"),
  report("a folder of other things", file("old/notes.txt", "x"), "found none of these files"),
  report("a loop of links", link("old", "DIR/old"), "old"),
  report("a FIFO", fifo("old"), /old/),
  report(
    "a good run and one that is none",
    run(folder("none")),
    "found none of these files",
    {},
    "DIR/old DIR/none",
  ),
  report(
    "a page of another ending",
    run(),
    "Expected a file that ends in .html",
    {},
    "DIR/old --out DIR/config.json",
  ),
  report("a page without a name", run(), "Expected a file that ends in .html", {}, "DIR/old --out DIR/.html"),
  report("an empty page", run(), "Expected a file that ends in .html", {}, "DIR/old --out ''"),
  report("a page that is a folder", run(folder("p.html")), "p.html", {}, "DIR/old --out DIR/p.html"),
  report("a page below a file", run(), "log.tsv", {}, "DIR/old --out DIR/log.tsv/p.html"),
  report(
    "a page in /proc",
    run(),
    "/proc",
    { only: Deno.build.os === "linux" },
    "DIR/old --out /proc/p.html",
  ),
  report(
    "a page of a name too long",
    run(),
    "the name is too long",
    {},
    `DIR/old --out DIR/${"p".repeat(300)}.html`,
  ),
  report("a comma in the page's folder", run(), "without a comma", {}, "DIR/old --out DIR/a,b/p.html"),
  ...same(report, "config.json is damaged", {
    "a config that is cut": run(alteredText("old/config.json", (text) => text.slice(0, 99))),
    "a config that is empty": run(file("old/config.json", "")),
    "a config without a seed": run(alteredJson("old/config.json", { "training.seed": undefined })),
    "a config whose iterations are text": run(alteredJson("old/config.json", { "training.iterations": "9" })),
  }),
  report(
    "a config nested 2,000 deep",
    run(
      alteredText(
        "old/config.json",
        (text) => text.replace("{", `{"deep": ${"[".repeat(2000)}${"]".repeat(2000)},`),
      ),
    ),
    "The report is",
    written,
  ),
  report(
    "a config with a script in it",
    run(alteredJson("old/config.json", { "adapter.description": "</script><script>alert(1)</script>" })),
    "The report is",
    written,
  ),
  report(
    "neither rows nor logs",
    run(without("old/train.csv"), without("old/validation.csv")),
    "found none yet",
  ),
  report("a log that is a folder", run(without("old/train.csv"), folder("old/train.csv")), "train.csv"),
  log("that is binary", () => "\0\x01\x02\n\x03\n", "train.csv:1: expected a header with a column"),
  log(
    "without iterations",
    (text) => text.replace("iteration", "step"),
    'train.csv:1: expected a header with a column "iteration"',
  ),
  log("with a row too short", (text) => text.replace("2,1.5,", "2,"), "train.csv:3: expected 4 values"),
  log(
    "with a word for a loss",
    (text) => text.replace("2,1.5", "2,low"),
    "train.csv:3: expected a number for loss",
  ),
  log(
    "with a row twice",
    (text) => text.replace("2,1.5", "1,1.5"),
    "train.csv:3: expected an iteration above 1",
  ),
  log(
    "with an iteration of 1e300",
    (text) => text.replace("2,1.5", "1e300,1.5"),
    "train.csv:3: expected an iteration",
  ),
  log(
    "with a negative iteration",
    (text) => text.replace("1,1.5", "-1,1.5"),
    "train.csv:2: expected an iteration",
  ),
  report(
    "losses of NaN and infinity, which are not drawn",
    run(alteredText("old/train.csv", (text) => text.replace("2,1.5", "2,NaN").replace("3,1.5", "3,inf"))),
    "The report is",
    written,
  ),
  report(
    "losses of 1e300",
    run(alteredText("old/train.csv", (text) => text.replace("2,1.5", "2,1e300"))),
    "The report is",
    written,
  ),
  result("that is empty", ""),
  result("that is an array", "[]"),
  result("that is a number", "3"),
  result("whose iteration is text", '{"iteration": "4"}'),
  result(
    "whose figures are text",
    '{"iteration": 4, "test": [{"snapshot": "last", "iteration": 4, "nll": "low", "prec1": 1, "prec2": 1}]}',
  ),
  result("whose test is an object", '{"iteration": 4, "test": {}}'),
  report(
    "a result.json without rows",
    run(
      without("old/train.csv"),
      without("old/validation.csv"),
      file("old/result.json", '{"iteration": 4, "test": []}'),
    ),
    "found no row",
  ),
  report("a seeds.json that is empty", file("old/seeds.json", ""), "seeds.json is damaged"),
  report(
    "a seeds.json of no seeds",
    file("old/seeds.json", '{"seeds":[],"config":{"training":{"seed":1,"iterations":2}}}'),
    "seeds.json is damaged",
  ),
  report(
    "a seeds.json of seeds that have not begun",
    file("old/seeds.json", '{"seeds":[1],"config":{"training":{"seed":1,"iterations":2}}}'),
    "found none yet",
  ),
  ...same(experiment, "experiment.json is damaged", {
    "that is empty": "",
    "of no models": '{"models":[]}',
    "of models without folders": '{"models":[{"name":"a"}]}',
  }),
  experiment(
    "whose models have not begun",
    '{"models":[{"name":"a","folder":"a"}]}',
    "found none with a row",
  ),
  experiment(
    "whose folder leads out",
    '{"models":[{"name":"a","folder":"../../../../etc"}]}',
    "found none with a row",
  ),
  experiment(
    "with claims that are none",
    '{"models":[{"name":"a","folder":"a"}]}',
    "result.json is damaged",
    file("old/result.json", '{"claims":[{"claim":1}]}'),
  ),
];
