import type { BadInput, FileMaker } from "./corpus.ts";
import { assertRefused, makeAll, makeCase, makeCases, makeNothing } from "./corpus.ts";
import { alterText, cut, link, makeFifo, makeFile, makeFolder, remove } from "./files.ts";
import {
  makeGameSnapshot,
  makeLog,
  makePaperRows,
  makeSeeds,
  makeSet,
  makeSnapshot,
  makeUsers,
  run,
  setFirstValue,
  SMALL_MODEL,
} from "./good_inputs.ts";

const MODEL = "--model DIR/model.safetensors";
const GIVEN = `${MODEL} --data DIR/log.tsv`;
const given = makeAll(makeLog(), makeSnapshot());
const OTHER_ITEMS = makeAll(makePaperRows([[0, 1, 30, 1, 2]]), makeSnapshot());
const NO_VALIDATION = makeAll(makePaperRows(makeUsers(0, 3, 2)), makeSnapshot());

const models: readonly BadInput[] = [
  ...makeCases(makeNothing, "")`
    evaluate: no model | evaluate | required option '--model <run>' not specified
    predict: no model | predict --out DIR/p.csv | required option '--model <run>' not specified
    recommend: no model | recommend --history 1 | required option '--model <run>' not specified
    serve: no model | serve --port 0 | required option '--model <run>' not specified
    export: no file | export --model DIR/run | required option '--onnx <file>' not specified
    selftest: an unknown option | selftest --fast | unknown option '--fast'
    serve: a folder without a run | serve --model DIR | a folder without snapshots
    evaluate: no file | evaluate --model DIR/none --data DIR/log.tsv | none
  `,
  ...makeCases(given, `evaluate ${GIVEN}`)`
    evaluate: an option of train | --iterations 5 | unknown option '--iterations'
    evaluate: an invalid part | --split '' | Allowed choices are train, validation, test, all
    evaluate: a log instead of another snapshot | --against DIR/log.tsv | log.tsv is not a complete safetensors file
  `,
  ...makeCases(given, `evaluate ${GIVEN}`, { code: 0 })`
    evaluate: a snapshot and itself have no difference | --against DIR/model.safetensors | prec@1 …+0.0000 …no significant difference
    evaluate: more shards than users | --evaluation-shards 100000 | best-loss …4
  `,
  ...makeCases(makeAll(makePaperRows(makeUsers(0, 1, 2, 3, false)), makeSnapshot()), `evaluate ${GIVEN}`, {
    code: 0,
  })`
    evaluate: a user who never clicks has a loss and no precision | --json | "prec1": null | "nll": 1.386
  `,
  ...makeCases(OTHER_ITEMS, "")`
    evaluate: items that the model lacks | evaluate ${GIVEN} | (30 one-hot items), got log.tsv with 31
    predict: items that the model does not know | predict ${GIVEN} --out DIR/p.csv | (30 one-hot items), got
    simulate: items that the model does not know | simulate ${GIVEN} | (30 one-hot items), got
  `,
  ...makeCases(NO_VALIDATION, "")`
    evaluate: a part without users | evaluate ${GIVEN} --split validation | no validation users
    predict: a part without users | predict ${GIVEN} --split validation --out DIR/p.csv | users with events to predict, found none
    simulate: a part without users | simulate ${GIVEN} --start validation | Expected validation users in log.tsv for --start
  `,
  makeCase(
    "evaluate: dense items",
    `evaluate ${MODEL} --data DIR/set`,
    makeAll(makeSet(), makeSnapshot()),
    "(30 one-hot items), got prepared with 30 dense items of 2 features",
  ),
  makeCase(
    "evaluate: a missing generator",
    `evaluate ${GIVEN}`,
    makeAll(makeLog(), makeGameSnapshot({ generator: SMALL_MODEL })),
    "is missing",
  ),
  makeCase(
    "evaluate: weights whose utilities overflow",
    `evaluate ${GIVEN}`,
    makeAll(
      makeLog(),
      makeSnapshot((holds) => {
        setFirstValue("utility/output/kernel", 3e38)(holds);
        setFirstValue("utility/layer1/bias", 3e38)(holds);
      }),
    ),
    "Expected finite utilities and losses",
  ),
  makeCase(
    "evaluate: a snapshot that is a FIFO",
    `evaluate ${GIVEN}`,
    makeAll(makeLog(), makeFifo("model.safetensors")),
    "a regular file",
  ),
  ...makeCases(given, `predict ${GIVEN} --out`)`
    predict: a file of another kind | DIR/p.xlsx | ends in .parquet or .csv
    predict: a missing folder | DIR/x/p.csv | no such file or folder
  `,
  makeCase(
    "predict: a link to the log",
    `predict ${GIVEN} --out DIR/p.csv`,
    makeAll(given, link("p.csv", "DIR/log.tsv")),
    "Expected --out outside the path of --data",
  ),
  ...makeCases(given, `recommend ${GIVEN}`)`
    recommend: no user |  | Expected either --user (id of a user of the data set) or --history
    recommend: a user and a history | --user 0 --history 1 | got both
    recommend: an unknown user | --user u1 | Expected the id of a user of log.tsv, got the unknown id "u1"
    recommend: an unknown item | --history 1,30 | Expected the id of an item of log.tsv, got the unknown id "30"
    recommend: a space before an item | --history '1, 3' | got the unknown id " 3"
    recommend: a JSON list of items | --history '[1, "3,4"]' | got the unknown id "3,4"
    recommend: a JSON list of no ids | --history '[1, null]' | Expected a JSON list of ids: 1:
    recommend: no item at all | --history 1 --top 0 | Expected a whole number in 1..10000
  `,
  ...makeCases(given, `serve ${GIVEN}`)`
    serve: a port that is words | --port http | Expected a whole number in 0..65535
    serve: an address as a host | --allow-host http://shop.example | Expected a host name
    serve: an empty batch | --max-batch 0 | Expected a whole number in 1..4096
  `,
  ...makeCases(makeAll(given, makeFolder("m.onnx")), `export ${GIVEN} --onnx`)`
    export: the model in the file's place | DIR/model.safetensors | ends in .onnx
    export: a folder in the file's place | DIR/m.onnx | is a folder
  `,
];

const log = (users: number) =>
  makePaperRows([...makeUsers(0, users, 0), ...makeUsers(users, 9, 1), ...makeUsers(users + 9, 9, 2)]);
const tune = (name: string, files: FileMaker, says: string) =>
  makeCase(`tune: ${name}`, "tune --data DIR/log.tsv", makeAll(log(60), files), says);
const SEARCH = {
  format: "clickgan-tune",
  clickgan: "0.1.0",
  options: ["--data", "DIR/log.tsv"],
  data: { kind: "paper", path: "other.tsv", sha256: "0", resplit: null },
  criterion: "loss",
  spentSeconds: 0,
  rungs: [],
  settings: [],
};
const search = (json: unknown): FileMaker => (path) =>
  makeFile("tune/tune.json", JSON.stringify(json).replaceAll("DIR", path))(path);

const FEW = "--seeds 1 --models baseline-64-64 --iterations 10";
const reproduce = (name: string, args: string, files: FileMaker, says: string) =>
  makeCase(`reproduce: ${name}`, `reproduce --data DIR/log.tsv ${args}`, files, says);
const experiment = (change: object) => {
  const models = [{ name: "Baseline 64-64", folder: "baseline-64-64" }];
  const good = {
    format: "clickgan-experiment",
    data: "DIR/log.tsv",
    resplit: false,
    seeds: [1],
    iterations: 2000,
    adversarial: 5000,
    models,
  };
  return makeAll(log(120), makeFile("experiments/experiment.json", JSON.stringify({ ...good, ...change })));
};

const searches: readonly BadInput[] = [
  ...makeCases(makeNothing, "")`
    tune: no file | tune --data DIR/log.tsv | log.tsv
    reproduce: no file | reproduce --data DIR/log.tsv | log.tsv
  `,
  tune("a foreign folder", makeFile("tune/notes.txt", "x"), "holds notes.txt"),
  tune("a search that is a folder", makeFolder("tune/tune.json"), "tune.json"),
  tune("a search that is an array", search([]), "tune.json is damaged"),
  tune("a search with a negative iteration", search({ ...SEARCH, rungs: [-10] }), "tune.json is damaged"),
  tune("a search on other data", search(SEARCH), "its data set is another one. Choose another --save-dir"),
  tune(
    "a search whose data have changed",
    search({ ...SEARCH, data: { ...SEARCH.data, path: "DIR/log.tsv" } }),
    "its data have changed since its start",
  ),
  reproduce("40 train users", FEW, log(40), "Expected at least 50 train users"),
  reproduce(
    "99 train users, too few for the adversarial models",
    "--seeds 1 --models l2-nopretrain-64-64",
    log(99),
    "Expected at least 100 train users",
  ),
  reproduce(
    "a README without its markers",
    `--readme DIR/README.md ${FEW}`,
    makeAll(log(120), makeFile("README.md", "# Mine\n")),
    "Expected the line <!-- reproduce log -->",
  ),
  reproduce("a missing README", `--readme DIR/README.md ${FEW}`, log(120), "README.md"),
  reproduce("a foreign folder", "", makeAll(log(120), makeFile("experiments/n.txt", "x")), "holds n.txt"),
  reproduce(
    "other data",
    "",
    experiment({ data: "other.tsv" }),
    "Expected data other.tsv, as in the experiments in",
  ),
  reproduce("an experiment without seeds", "", experiment({ seeds: [] }), "experiment.json is damaged"),
  reproduce("an invalid model", "", experiment({ models: [{ name: 1 }] }), "experiment.json is damaged"),
];

const report = (name: string, files: FileMaker, says: string, more = {}) =>
  makeCase(name, "report DIR/old", files, says, more);
const result = (text: string) => run(makeFile("old/result.json", text));
const NO_LOGS = makeAll(remove("old/train.csv"), remove("old/validation.csv"));

const reports: readonly BadInput[] = [
  ...makeCases(makeNothing, "report")`
    no folder is named |  | missing required argument 'run'
    an empty name | '' | Expected the path of a folder, got nothing
    no such folder | DIR/none | no such file or folder
  `,
  report("a file", makeFile("old", "x"), "is a file"),
  report("a folder with foreign files", makeFile("old/notes.txt", "x"), "found none of these files"),
  report("a FIFO", makeFifo("old"), "old"),
  report("a seeds.json of no seeds", makeFile("old/seeds.json", '{"seeds":[]}'), "seeds.json is damaged"),
  makeCase(
    "seeds that have not started",
    "report DIR/s",
    makeSeeds([1], remove("s/seed-1")),
    "found none yet",
  ),
  ...makeCases(run(makeFolder("none"), makeFolder("p.html")), "report DIR/old")`
    a run and a missing folder | DIR/none | found none of these files
    a page of another ending | --out DIR/config.json | Expected a file that ends in .html
    a page without a name | --out DIR/.html | Expected a file that ends in .html
    a page that is a folder | --out DIR/p.html | p.html
  `,
  report("a truncated config", run(cut("old/config.json", 99)), "config.json is damaged"),
  report("neither rows nor logs", run(NO_LOGS), "found none yet"),
  report(
    "no rows",
    run(NO_LOGS, makeFile("old/result.json", '{"iteration":4,"test":[]}')),
    "has a result.json",
  ),
  report("a result whose iteration is text", result('{"iteration": "4"}'), "result.json is damaged"),
  report("a log that is a folder", run(remove("old/train.csv"), makeFolder("old/train.csv")), "train.csv"),
  report("an empty experiment file", makeFile("old/experiment.json", ""), "experiment.json is damaged"),
  report(
    "an experiment whose folder is outside of its path",
    makeFile("old/experiment.json", '{"models":[{"name":"a","folder":"../../../../etc"}]}'),
    "logs of the experiment",
  ),
  report(
    "losses of NaN, infinity and 1e300 are not drawn",
    run(
      alterText(
        "old/train.csv",
        (text) => text.replace("2,1.5", "2,NaN").replace("3,1.5", "3,inf").replace("4,1.5", "4,1e300"),
      ),
    ),
    "The report is",
    { code: 0, leaves: ["old/report.html"] },
  ),
  report(
    "a config nested 2,000 deep",
    run(
      alterText(
        "old/config.json",
        (text) => text.replace("{", `{"deep": ${"[".repeat(2000)}${"]".repeat(2000)},`),
      ),
    ),
    "The report is",
    { code: 0, leaves: ["old/report.html"] },
  ),
];

const SHOP = "simulate --shop demo --truth --users 10 --pages 2";
const pool = (name: string, text: string, says: string) =>
  makeCase(`a pool ${name}`, `${SHOP} --pool DIR/pool.txt`, makeFile("pool.txt", text), says);

const simulations: readonly BadInput[] = [
  ...makeCases(makeNothing, "simulate")`
    no click model |  | Expected a click model: --model (a run)
  `,
  ...makeCases(makeNothing, SHOP)`
    a pool larger than the catalogue | --pool random:501 | 1 to 500 items, got 501
    a missing pool | --pool DIR/pool.txt | pool.txt
    an unknown policy | --policy best | Expected a policy
    a folder without a policy | --policy DIR | or the folder of a trained policy
    a log of too few users | --write-log DIR/log --users 6 | Expected --users of at least 7
  `,
  pool("of nothing", "\n\n", "expected ids of items"),
  pool("with an unknown item", "1\n2\n500\n", 'pool.txt:3: expected the id of an item of demo, got "500"'),
  pool("with a leading space", "1\n 2\n3\n", 'pool.txt:2: expected the id of an item of demo, got " 2"'),
  pool(
    "repeated",
    "1\n2\n3\n1\n",
    'pool.txt:4: expected each item once, got "1", which is already in line 1',
  ),
  pool("with too few items", "1\n2\n3\n", "Expected a pool of 4 items or more, got 3"),
  pool("as JSON", '[1, "2",\n3, "5\\n"]\n', 'pool.txt:4: expected the id of an item of demo, got "5\\n"'),
  ...makeCases(makeAll(makePaperRows(makeUsers(0, 3, 0)), makeSnapshot()), "")`
    utilities of users who always click | simulate ${GIVEN} --reward utility | Expected --reward click, got utility: every page of log.tsv
    a plan for users who always click | policy train --save-dir DIR/policy ${GIVEN} --reward utility
      | Expected a log in which some pages have no click
  `,
  makeCase(
    "weights of the adversarial stage",
    `simulate ${GIVEN}`,
    makeAll(makeLog(), makeGameSnapshot()),
    ["adversarial stage", "--uncalibrated"],
  ),
  makeCase(
    "a model that is cut",
    `simulate ${GIVEN}`,
    makeAll(given, cut("model.safetensors", -9)),
    "model.safetensors",
  ),
  makeCase(
    "a policy that is damaged",
    `${SHOP} --policy DIR/p`,
    makeFile("p/policy.json", '{"clickgan": 1'),
    "policy.json",
  ),
  makeCase("a folder with foreign files", `${SHOP} --save-dir DIR/run`, makeFile("run/a.txt", "a"), [
    "Expected a new or empty folder for the metrics",
    "run holds a.txt",
  ]),
  makeCase(
    "a log where something is",
    `${SHOP} --write-log DIR/log`,
    makeFile("log/a.txt", "a"),
    "Expected a new or empty folder for the simulated log",
  ),
];

const TRUTH = "--shop restless --truth";
const EVALUATE = "evaluate --log demo --policy greedy";

const policies: readonly BadInput[] = [
  ...makeCases(makeNothing, "policy")`
    an unknown subcommand | play | unknown command 'play'
    train: no click model | train --save-dir DIR/policy | Expected a click model: --model (a run)
    train: a slate larger than the pool | train --save-dir DIR/policy ${TRUTH} --slate 490 | Expected a pool of 509 items or more
    train: two kinds of users | train --save-dir DIR/policy ${TRUTH} --model DIR/a | Expected --model or --truth, got both
    train: a shop without its truth | train --save-dir DIR/policy --shop demo | deno task -q train --data demo --save-dir runs/a
    train: start users of a truth without a log | train --save-dir DIR/policy ${TRUTH} --start test --data-users-seed 2
      | Expected no --data-users-seed with --truth
    train: a missing model | train --save-dir DIR/policy --model DIR/a | a
    train: no policy to resume | train --resume DIR/policy | Expected the folder of a policy, found no policy.json
    train: other settings | train --resume DIR/policy --slate 5 | Expected --resume alone or with --steps, got --slate
    evaluate: no log | evaluate --policy greedy | required option '--log <folder>' not specified
    evaluate: two click models | ${EVALUATE} --model DIR/a --shop demo | got both
    evaluate: an unknown policy | evaluate --log demo --policy best --shop demo | Expected a policy: greedy, popular
    evaluate: a log without propensities | ${EVALUATE} --shop demo | Expected a log with propensities, got a log without them
    evaluate: a log of other items | ${EVALUATE} --shop demo --data-seed 2 | with the items of demo
    evaluate: no temperature | ${EVALUATE} --explore plackett-luce:0 | of 0.001 to 1000000
    evaluate: a data seed without a shop | ${EVALUATE} --model DIR/a --data-seed 2 | Expected --data-seed only with --shop
    compare: nothing | compare | missing required argument 'policy'
    compare: no policy | compare DIR/policy | Expected the folder of a policy
    compare: an unknown rival | compare DIR/policy --with greedy,best | Expected --with of greedy, popular
    compare: an unknown shop | compare DIR/policy --shop x | Allowed choices are demo, restless
    compare: no page | compare DIR/policy --out DIR/x.txt | Expected a file that ends in .html
    compare: one user | compare DIR/policy --users 1 | Expected a whole number in 2..
    compare: exploration without a log | compare DIR/policy --explore plackett-luce:1 | Expected --log with --explore
    rank: no policy | rank DIR/policy | Expected the folder of a policy
  `,
  makeCase(
    "a damaged policy.json",
    "policy train --resume DIR/policy",
    makeFile("policy/policy.json", "{}"),
    "policy.json is damaged",
  ),
  makeCase(
    "train: a folder with foreign files",
    `policy train --save-dir DIR/policy ${TRUTH}`,
    makeFile("policy/notes.txt", "x"),
    "holds notes.txt",
  ),
];

assertRefused({ models, searches, reports, simulate: simulations, policy: policies });
