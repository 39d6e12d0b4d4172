/** What the commands that use, compare or search models are given, and reports. */

import { all, assertRefused, bad, type BadInput, type Maker, table, type Words } from "./corpus.ts";
import { file, folder, link } from "./files.ts";
import { reports, reproductions, searches } from "./experiments.ts";
import { policies, simulations } from "./simulations.ts";
import { paper, paperRows, prepared, snapshot, usersOf } from "./good_inputs.ts";

const GIVEN = "--model DIR/model.safetensors --data DIR/log.tsv";
const OTHER_ITEMS = paperRows([[0, 1, 30, 1, 2]]);

export const uses: readonly BadInput[] = [
  ...table({ run: `predict ${GIVEN}`, files: all(paper(), snapshot()), named: "predict: " })`
    no file |  | required option '--out <file>' not specified
    a file of another kind | --out DIR/p.xlsx | ends in .parquet or .csv
    a folder that is not there | --out DIR/x/p.csv | no such file or folder
  `,
  ...table({ run: `recommend ${GIVEN}`, files: all(paper(), snapshot()), named: "recommend: " })`
    nobody |  | Expected either --user (the id of a user of the data set) or --history
    a user and a history | --user 0 --history 1 | got both
    a user that is not there | --user u1 | Expected the id of a user of log.tsv, got "u1"
    an item that is not there | --history 1,30 | Expected the id of an item of log.tsv, got "30"
    a space before an item | --history '1, 3' | got " 3"
    a JSON list of items | --history '[1, "3,4"]' | got "3,4"
    a JSON list of no ids | --history '[1, null]' | Expected a JSON list of ids: 1: 
    no item at all | --history 1 --top 0 | Expected a whole number in 1..10000
  `,
  ...table({})`
    serve: a folder without a run | serve --model DIR | a folder without them
  `,
  ...table({ run: `serve ${GIVEN}`, files: all(paper(), snapshot()), named: "serve: " })`
    a port that is none | --port 65536 | Expected a whole number in 0..65535
    a port that is words | --port http | Expected a whole number in 0..65535
    an address as a host | --allow-host http://shop.example | Expected a host's name
    a batch of nobody | --max-batch 0 | Expected a whole number in 1..4096
  `,
  ...table({ run: `export ${GIVEN}`, files: all(paper(), snapshot()), named: "export: " })`
    no file |  | required option '--onnx <file>' not specified
    the model in the file's place | --onnx DIR/model.safetensors | ends in .onnx
    an option of predict | --onnx DIR/m.onnx --out DIR/p.csv | unknown option '--out'
  `,
  bad(
    "predict: no model",
    "predict --out DIR/p.csv",
    paper(),
    "required option '--model <run>' not specified",
  ),
  bad(
    "predict: the log as the file",
    "predict --model DIR/model.safetensors --data DIR/log.csv --out DIR/p.csv",
    all(paper(), snapshot(), link("log.csv", "DIR/log.tsv"), link("p.csv", "DIR/log.tsv")),
    "Expected --out apart from what --data names",
  ),
  bad(
    "predict: a file of a data set",
    `predict ${GIVEN} --out DIR/set/pages.parquet`,
    all(paper(), prepared(), snapshot()),
    "Expected --out apart from what another command made",
  ),
  ...Object.entries<[args: string, says: string, log: Maker]>({
    "users without a page of the part": [
      "--split validation ",
      "Expected users with events to predict, found none",
      paperRows(usersOf(0, 3, 2)),
    ],
    "a log of other items": ["", "is over 30 one-hot items, but log.tsv shows 31", OTHER_ITEMS],
    "a log that is empty": ["", "the file is empty", file("log.tsv", "")],
  }).map(([name, [args, says, log]]) =>
    bad(`predict: ${name}`, `predict ${GIVEN} ${args}--out DIR/p.csv`, all(log, snapshot()), says)
  ),
  bad(
    "recommend: a snapshot without its run, and no data",
    "recommend --model DIR/model.safetensors --history 1",
    snapshot(),
    "Expected --data, or a model",
  ),
  bad(
    "export: a folder in the file's place",
    `export ${GIVEN} --onnx DIR/m.onnx`,
    all(paper(), snapshot(), folder("m.onnx")),
    "is a folder",
  ),
];

const MODEL = "--model DIR/model.safetensors";
const EVALUATE = `evaluate ${MODEL} --data DIR/log.tsv`;
const evaluate = (name: string, args: string, says: Words, files: Maker = paper()) =>
  bad(name, `${EVALUATE} ${args}`, all(files, snapshot()), says);

export const evaluations: readonly BadInput[] = [
  ...table({ run: EVALUATE, files: all(paper(), snapshot()) })`
    an option of train | --iterations 5 | unknown option '--iterations'
    a part that is none | --split dev | Allowed choices are train, validation, test, all
    an empty part | --split '' | Allowed choices are train, validation, test, all
    nothing to compare with | --against '' | Expected a path, got nothing
    a seed of -1 | --seed -1 | Expected a whole number in 0..4294967295
    a log in the place of another snapshot | --against DIR/log.tsv | /log\.tsv is not a whole safetensors file/
    half a shard | --evaluation-shards 0.5 | Expected a whole number of at least 0
    an empty --data | --data '' | Expected a path, got nothing
  `,
  bad("no model", "evaluate", paper(), "required option '--model <file>' not specified"),
  bad("an empty model", "evaluate --model ''", paper(), "Expected a path, got nothing"),
  bad(
    "a model on the demo shop, which has other items",
    `evaluate ${MODEL}`,
    snapshot(),
    "is over 30 one-hot items, but demo shows",
  ),
  evaluate(
    "a log of items that the model does not know",
    "",
    "is over 30 one-hot items, but log.tsv shows 31",
    OTHER_ITEMS,
  ),
  evaluate("no users of the part", "--split validation", "no validation users", paperRows(usersOf(0, 3, 2))),
  evaluate("a log that is empty", "", "the file is empty", file("log.tsv", "")),
  ...[
    evaluate(
      "a snapshot beside itself: no difference",
      "--against DIR/model.safetensors",
      /prec@1 +\+0\.0000 .*not told apart/,
    ),
    evaluate("more shards than users", "--evaluation-shards 100000", /best-loss +4/),
    evaluate(
      "one user who never clicks: no precision, and no figure in its place",
      "",
      [/best-loss +4 +\d\.\d+ +- +-/, /random +1\.3863 +- +-/],
      paperRows(usersOf(0, 1, 2, 3, false)),
    ),
    evaluate(
      "one user of one page of one item",
      "--json",
      ['"events": 1', '"prec1": 1'],
      paperRows(usersOf(0, 1, 2, 1)),
    ),
  ].map((one) => ({ ...one, code: 0 })),
];

assertRefused({
  evaluate: evaluations,
  uses: uses,
  reports: reports,
  policy: policies,
  simulate: simulations,
  tune: searches,
  reproduce: reproductions,
});
