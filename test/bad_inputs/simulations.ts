/** What `simulate` is told wrongly: who clicks, what they see, whose model it is, and where it writes. */

import { all, bad, type BadInput, type Maker, type More, nothing, type Words } from "./corpus.ts";
import { file } from "./files.ts";
import { paper, paperRows, usersOf } from "./paper.ts";
import { brokenSnapshot, snapshot } from "./snapshots.ts";

const simulate = (
  name: string,
  args: readonly string[],
  says: Words,
  files: Maker = nothing,
  more: More = {},
) => bad(`simulate: ${name}`, ["simulate", ...args], files, says, more);

const SHOP = ["--shop", "demo", "--truth", "--users", "10", "--pages", "2"];
const shop = (name: string, args: readonly string[], says: Words, files: Maker = nothing, more: More = {}) =>
  simulate(name, [...SHOP, ...args], says, files, more);

const MODEL = ["--model", "DIR/model.safetensors", "--data", "DIR/log.tsv", "--users", "10", "--pages", "2"];
const model = (name: string, args: readonly string[], says: Words, files: Maker = all(paper(), snapshot())) =>
  simulate(name, [...MODEL, ...args], says, files);

const game = {
  ...{ generator: null, eta: 1, generatorEta: 1, etaByPage: false, utilityPenalty: 0, skipNoClick: false },
};

export const simulations: readonly BadInput[] = [
  // Who clicks.
  simulate("nobody", [], "Expected to be told who clicks: --model (a run)"),
  simulate("a shop without its truth", ["--shop", "demo"], "got --shop alone"),
  simulate("a truth of nothing", ["--truth"], "Expected --shop with --truth: demo or restless, got none"),
  simulate(
    "the truth of a log",
    ["--truth", "--data", "DIR/log.tsv"],
    "of a log it is not known why",
    paper(),
  ),
  simulate(
    "a shop and a log",
    [...SHOP, "--data", "DIR/log.tsv"],
    "Expected either --shop or --data, got both",
  ),
  simulate("a shop that there is not", ["--shop", "bazaar", "--truth"], "Allowed choices are demo, restless"),
  shop(
    "a model that is not there to be uncalibrated",
    ["--uncalibrated"],
    "--uncalibrated with --model alone",
  ),
  model(
    "a truth that the data do not have",
    ["--truth"],
    "Expected a made-up shop (--shop demo or restless)",
  ),
  model(
    "utilities of users who always click",
    ["--reward", "utility"],
    "Expected --reward click: every page of log.tsv has a click",
    all(paperRows(usersOf(0, 3, 0)), snapshot()),
  ),
  // What they see.
  shop("no page", ["--pages", "0"], "Expected a whole number in 1..100000"),
  shop("nobody to see it", ["--users", "0"], "Expected a whole number in 1..10000000"),
  shop("an empty slate", ["--slate", "0"], "Expected a whole number in 1..1024"),
  shop("more items than there are", ["--slate", "501"], "Expected a pool of 502 items or more, got 500"),
  shop("more pages than items last for", ["--pages", "600"], "fewer pages, or let items repeat"),
  shop("a probability above 1", ["--leave", "1.5"], "Expected a number from 0 to 1"),
  shop("a probability below 0", ["--leave=-0.1"], "Expected a number from 0 to 1"),
  shop("a probability in words", ["--leave", "often"], "Expected a number from 0 to 1"),
  shop("no patience", ["--patience", "0"], "Expected a whole number in 1.."),
  shop("another reward", ["--reward", "money"], "Allowed choices are click, utility"),
  shop("users of no part", ["--start", "all"], "Allowed choices are empty, train, validation, test"),
  shop(
    "a pool smaller than a slate",
    ["--pool", "random:2"],
    "Expected a random pool of 3 items or more, got 2",
  ),
  shop("a pool of no number", ["--pool", "random:few"], "Expected random:<n> with a whole number"),
  shop("a pool larger than the catalogue", ["--pool", "random:501"], "1 to 500 items, got 501"),
  shop("a pool that is not there", ["--pool", "DIR/pool.txt"], "pool.txt"),
  shop(
    "a pool of nothing",
    ["--pool", "DIR/pool.txt"],
    "expected the ids of the items",
    file("pool.txt", "\n\n"),
  ),
  shop(
    "a pool with an item that is not there",
    ["--pool", "DIR/pool.txt"],
    'pool.txt:3: expected the id of an item of demo, got "500"',
    file("pool.txt", "1\n2\n500\n"),
  ),
  shop(
    "a pool with a space before an item",
    ["--pool", "DIR/pool.txt"],
    'pool.txt:2: expected the id of an item of demo, got " 2"',
    file("pool.txt", "1\n 2\n3\n"),
  ),
  shop(
    "a pool as a JSON list",
    ["--pool", "DIR/pool.txt"],
    'pool.txt:4: expected the id of an item of demo, got "5\\n"',
    file("pool.txt", '[1, "2",\n3, "5\\n"]\n'),
  ),
  shop(
    "a pool with an item twice",
    ["--pool", "DIR/pool.txt"],
    'pool.txt:4: expected each item once, got "1", which stands at 1 already',
    file("pool.txt", "1\n2\n3\n1\n"),
  ),
  shop(
    "a listed pool that runs out",
    ["--pool", "DIR/pool.txt"],
    "Expected a pool of 4 items or more, got 3",
    file("pool.txt", "1\n2\n3\n"),
  ),
  model(
    "a part without users",
    ["--start", "validation"],
    "Expected validation users in log.tsv to start as, found none",
    all(paperRows(usersOf(0, 3, 2)), snapshot()),
  ),
  // Who chooses.
  shop("a policy that there is not", ["--policy", "best"], "Expected a policy"),
  shop("a folder without a policy", ["--policy", "DIR"], "or the folder of a trained one"),
  shop(
    "a policy that is damaged",
    ["--policy", "DIR/p"],
    "policy.json",
    file("p/policy.json", '{"clickgan": 1'),
  ),
  // Whose model it is.
  model(
    "weights of the adversarial stage",
    [],
    ["adversarial stage", "--uncalibrated"],
    all(paper(), snapshot(({ metadata }) => metadata.game = JSON.stringify(game))),
  ),
  model(
    "a model over other items",
    [],
    "is over 30 one-hot items, but log.tsv shows 31",
    all(paperRows([[0, 1, 30, 1, 2]]), snapshot()),
  ),
  model(
    "a snapshot that is cut",
    [],
    "model.safetensors",
    all(paper(), brokenSnapshot((bytes) => bytes.slice(0, bytes.length - 9))),
  ),
  model("no snapshot", [], "model.safetensors", paper()),
  // Where it writes.
  shop("episodes without a folder", ["--episodes-file", "csv"], "Expected --save-dir with --episodes-file"),
  shop("episodes in another format", ["--episodes-file", "json"], "Allowed choices are csv, parquet"),
  shop(
    "a folder that holds something",
    ["--save-dir", "DIR/run"],
    ["Expected a new or empty folder for the figures, but ", "/run holds a.txt"],
    file("run/a.txt", "a"),
  ),
  shop(
    "a log where something is",
    ["--write-log", "DIR/log"],
    "Expected a new or empty folder for the simulated log",
    file("log/a.txt", "a"),
  ),
  shop(
    "one folder for both",
    ["--save-dir", "DIR/x", "--write-log", "DIR/x"],
    "Expected --save-dir apart from what --write-log names",
  ),
  shop(
    "a log of too few users",
    ["--write-log", "DIR/log", "--users", "6"],
    "Expected --users of at least 7",
  ),
  shop("a comma in the folder's path", ["--save-dir", "DIR/a,b"], "without a comma in its path"),
];
