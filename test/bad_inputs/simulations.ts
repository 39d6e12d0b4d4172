/** What `simulate` and `policy` are told wrongly: who clicks, what they see, whose model it is, and where they write. */

import { all, bad, type BadInput, type Maker, nothing, table, type Words } from "./corpus.ts";
import { aroundWith, cut, file, made, unescaped } from "./files.ts";
import { game, paper, paperRows, snapshot, usersOf } from "./good_inputs.ts";

const SHOP = "simulate --shop demo --truth --users 10 --pages 2";
/** @param pool of a file of ids */
const pooled = (name: string, pool: string, says: Words) =>
  bad(`simulate: a pool ${name}`, `${SHOP} --pool DIR/pool.txt`, file("pool.txt", unescaped(pool)), says);
/** @param cell further arguments, and makers behind " with " */
const shop = (name: string, cell: string, says: Words) => {
  const [args, changes] = aroundWith(cell);
  return bad(`simulate: ${name}`, `${SHOP} ${args}`, made(changes), says);
};

const MODEL = "simulate --model DIR/model.safetensors --data DIR/log.tsv --users 10 --pages 2";
const model = (name: string, args: string, says: Words, files: Maker) =>
  bad(`simulate: ${name}`, `${MODEL} ${args}`, files, says);

export const simulations: readonly BadInput[] = [
  ...table({ run: "simulate", named: "simulate: " })`
    nobody |  | Expected to be told who clicks: --model (a run)
    a shop without its truth | --shop demo | got --shop alone
    a truth of nothing | --truth | Expected --shop with --truth: demo or restless, got none
    a shop and a log | --shop demo --truth --data DIR/log.tsv | Expected either --shop or --data, got both
    a shop that there is not | --shop bazaar --truth | Allowed choices are demo, restless
  `,
  ...table({ run: SHOP, named: "simulate: " })`
    a model that is not there to be uncalibrated | --uncalibrated | --uncalibrated with --model alone
    a way to explore that there is not | --explore boltzmann:1 | Expected plackett-luce:<temperature>
    no temperature | --explore plackett-luce:-1 | with a temperature of 0.001 to 1000000
    slates that are not those of scores | --policy greedy --explore plackett-luce:1 --reward utility | --reward click with --explore
    no page | --pages 0 | Expected a whole number in 1..100000
    nobody to see it | --users 0 | Expected a whole number in 1..10000000
    an empty slate | --slate 0 | Expected a whole number in 1..1024
    more items than there are | --slate 501 | Expected a pool of 502 items or more, got 500
    more pages than items last for | --pages 600 | fewer pages, or let items repeat
    a probability above 1 | --leave 1.5 | Expected a number from 0 to 1
    a probability below 0 | --leave=-0.1 | Expected a number from 0 to 1
    a probability in words | --leave often | Expected a number from 0 to 1
    no patience | --patience 0 | Expected a whole number in 1..
    another reward | --reward money | Allowed choices are click, utility
    users of no part | --start all | Allowed choices are empty, train, validation, test
    a pool smaller than a slate | --pool random:2 | Expected a random pool of 3 items or more, got 2
    a pool of no number | --pool random:few | Expected random:<n> with a whole number
    a pool larger than the catalogue | --pool random:501 | 1 to 500 items, got 501
    a pool that is not there | --pool DIR/pool.txt | pool.txt
    a policy that there is not | --policy best | Expected a policy
    a folder without a policy | --policy DIR | or the folder of a trained one
    episodes without a folder | --episodes-file csv | Expected --save-dir with --episodes-file
    episodes in another format | --episodes-file json | Allowed choices are csv, parquet
    one folder for both | --save-dir DIR/x --write-log DIR/x
      | Expected --save-dir apart from what --write-log names
    a log of too few users | --write-log DIR/log --users 6 | Expected --users of at least 7
  `,
  ...table({ run: MODEL, files: all(paper(), snapshot()), named: "simulate: " })`
    a truth that the data do not have | --truth | Expected a made-up shop (--shop demo or restless)
  `,
  // Who clicks.
  bad(
    "simulate: the truth of a log",
    "simulate --truth --data DIR/log.tsv",
    paper(),
    "of a log it is not known why",
  ),
  model(
    "utilities of users who always click",
    "--reward utility",
    "Expected --reward click: every page of log.tsv has a click",
    all(paperRows(usersOf(0, 3, 0)), snapshot()),
  ),
  // What they see.
  ...table(pooled)`
    of nothing | \n\n | expected the ids of the items
    with an item that is not there | 1\n2\n500\n | pool.txt:3: expected the id of an item of demo, got "500"
    with a space before an item | 1\n 2\n3\n | pool.txt:2: expected the id of an item of demo, got " 2"
    with an item twice | 1\n2\n3\n1\n | pool.txt:4: expected each item once, got "1", which stands at 1 already
    of a list that runs out | 1\n2\n3\n | Expected a pool of 4 items or more, got 3
  `,
  bad(
    "simulate: a pool as a JSON list",
    `${SHOP} --pool DIR/pool.txt`,
    file("pool.txt", '[1, "2",\n3, "5\\n"]\n'),
    'pool.txt:4: expected the id of an item of demo, got "5\\n"',
  ),
  model(
    "a part without users",
    "--start validation",
    "Expected validation users in log.tsv to start as, found none",
    all(paperRows(usersOf(0, 3, 2)), snapshot()),
  ),
  // Whose model it is.
  model(
    "weights of the adversarial stage",
    "",
    ["adversarial stage", "--uncalibrated"],
    all(paper(), game()),
  ),
  model(
    "a model over other items",
    "",
    "is over 30 one-hot items, but log.tsv shows 31",
    all(paperRows([[0, 1, 30, 1, 2]]), snapshot()),
  ),
  model(
    "a snapshot that is cut",
    "",
    "model.safetensors",
    all(paper(), snapshot(), cut("model.safetensors", -9)),
  ),
  model("no snapshot", "", "model.safetensors", paper()),
  // Who chooses, and where it writes.
  ...table(shop)`
    a policy that is damaged | --policy DIR/p with file p/policy.json {"clickgan": 1 | policy.json
    a folder that holds something | --save-dir DIR/run with file run/a.txt a
      | Expected a new or empty folder for the figures, but  | /run holds a.txt
    a log where something is | --write-log DIR/log with file log/a.txt a
      | Expected a new or empty folder for the simulated log
  `,
];

const TRUTH = "--shop restless --truth";

const TRAIN = "policy train --save-dir DIR/policy";
const RESUME = "policy train --resume DIR/policy";

export const policies: readonly BadInput[] = [
  ...table({ run: TRAIN })`
    nobody to learn from |  | Expected to be told who clicks: --model (a run)
    a slate larger than the pool | ${TRUTH} --slate 490 | Expected a pool of 509 items or more
    no pages | ${TRUTH} --pages 0 | Expected a whole number in 1..100000
    two kinds of users | ${TRUTH} --model DIR/a | Expected --model or --truth, got both
    a shop that there is not | --shop x --truth | Allowed choices are demo, restless
    a shop without its truth | --shop demo | deno task train --data demo --save-dir runs/a
    users who leave too often | ${TRUTH} --leave 1.5 | Expected a number from 0 to 1
    a leave that is no number | ${TRUTH} --leave NaN | Expected a number from 0 to 1
    an algorithm that there is not | ${TRUTH} --algorithm ppo | Allowed choices are cdqn
    a truth of a model | --model DIR/a --truth | Expected --model or --truth, got both
    a shop and a log | ${TRUTH} --data DIR/log.tsv | Expected either --shop or --data, got both
    a truth of a log | --truth --data DIR/log.tsv | of a log it is not known why its users
    no model to be uncalibrated | ${TRUTH} --uncalibrated | Expected --uncalibrated with --model
    rows that fit no kernel | ${TRUTH} --rows 100 | Expected a multiple of 64
    users of another start | ${TRUTH} --start all | Allowed choices are empty, train
    a start that a truth does not name | ${TRUTH} --start test --data-users-seed 2
      | Expected --start without --data-users-seed
    units that fit no kernel | ${TRUTH} --hidden 65 | Expected 4, 8, 12, ... or 64 units
    positions of what has none | ${TRUTH} --algorithm gdqn --target chained
      | Expected --target and --share-positions with --algorithm cdqn
    a model that is not there | --model DIR/a | a
  `,
  ...table({ run: RESUME })`
    no policy |  | Expected the folder of a policy, with a policy.json
    other settings | --slate 5 | Expected --resume alone or with --steps, got --slate
  `,
  ...table({})`
    evaluate: no log | policy evaluate --policy greedy | required option '--log <folder>' not specified
    evaluate: nobody who clicks | policy evaluate --log demo --policy greedy | Expected --model (a run) or --shop
    evaluate: two who click | policy evaluate --log demo --policy greedy --model DIR/a --shop demo | got both
    evaluate: a policy that there is not | policy evaluate --log demo --policy best --shop demo | Expected a policy, greedy, popular
    evaluate: a log without propensities | policy evaluate --log demo --policy greedy --shop demo | one without propensities
    evaluate: a log of other items | policy evaluate --log demo --policy greedy --shop demo --data-seed 2 | over the items of demo
    evaluate: no temperature | policy evaluate --log demo --policy greedy --explore plackett-luce:0 | of 0.001 to 1000000
    evaluate: a seed of no shop | policy evaluate --log demo --policy greedy --model DIR/a --data-seed 2 | Expected --data-seed with --shop
    compare: nothing | policy compare | missing required argument 'policy'
    rank: an empty slate | policy rank DIR/policy --slate 0 | in 1..1024
    an unknown subcommand | policy play | unknown command 'play'
  `,
  ...table({ run: "policy compare DIR/policy", named: "compare: " })`
    a rival that there is not | --with greedy,best | Expected --with of greedy, popular
    a shop that there is not | --shop x | Allowed choices are demo, restless
    no page | --out DIR/x.txt | Expected a file that ends in .html
    one user | --users 1 | Expected a whole number in 2..
    slates drawn on no log | --explore plackett-luce:1 | Expected --explore with --log
  `,
  bad(
    "a plan for users who always click",
    `${TRAIN} --model DIR/model.safetensors --data DIR/log.tsv --reward utility`,
    all(paperRows(usersOf(0, 3, 0)), snapshot()),
    "Expected a log that has pages without a click, to plan, got log.tsv",
  ),
  bad("a folder that holds something", `${TRAIN} ${TRUTH}`, file("policy/notes.txt", "x"), "holds notes.txt"),
  bad("a damaged policy.json", RESUME, file("policy/policy.json", "{}"), "policy.json is damaged"),
  ...["compare", "rank"].map((name) =>
    bad(`${name}: no policy`, `policy ${name} DIR/policy`, nothing, "Expected the folder of a policy")
  ),
];
