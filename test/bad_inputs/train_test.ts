/** What `train` is given: data, options, stages, and the runs and snapshots that it goes on with. */

import { assertRefused, bad, type BadInput, nothing, table } from "./corpus.ts";
import { rowsOf } from "../case_table.ts";
import { runFolders, stages } from "./run_folders.ts";
import { snapshotCases } from "./snapshot_cases.ts";
import { paper } from "./good_inputs.ts";
import { paperFiles, preparedSets } from "./data_sets.ts";

/** Options of `train` with values that it cannot take, as JSON, and what it must say of each. */
const values = rowsOf(`
  --seed | Expected a whole number in 0..4294967295
    | ["", " ", "-1", "4294967296", "1.5", "1e3", "0x10", "NaN", "Infinity", "-0", "1,000", "\u0661", "+1",
      "99999999999999999999", "1\\n2", "$(id)"]
  --seeds | Expected a whole number in 1..1000 | ["", "0", "1001"]
  --jobs | Expected a whole number in 1..256 | ["", "0", "257"]
  --data-seed | Expected a whole number in 0..4294967295 | [""]
  --data-users-seed | Expected a whole number in 0..4294967295 | ["-1"]
  --memory-rows | Expected a whole number of at least 0 | ["", "-1", "9007199254740993"]
  --iterations | Expected a whole number in 1..2147483648 | ["", "0", "2147483649"]
  --batch-size | Expected a whole number of at least 1 | ["", "0"]
  --validate-every | Expected a whole number of at least 1 | ["", "0"]
  --evaluation-shards | Expected a whole number of at least 0 | [""]
  --validation-users | Expected a whole number of at least 1 | ["", "all"]
  --patience | Expected a whole number of at least 1 | [""]
  --part-rows | Expected a whole number of at least 1 | ["0"]
  --lstm-units | Expected a whole number in 1..1024 | ["", "1025"]
  --pw-lags | Expected a whole number in 1..64 | ["", "65"]
  --pw-weightings | Expected a whole number in 1..16 | ["17"]
  --learning-rate | Expected a number above 0 and at most 10
    | ["", "0", "-0", "-1e-3", "11", "NaN", "Infinity", "1e-400", "1e-3 1e-4", "0,001"]
  --kernel-sd | Expected a number above 0 and at most 10 | ["", "1e9"]
  --eta | Expected a number above 0 and at most 1000 | ["", "1001"]
  --weight-decay | Expected a number from 0 to 1000 | ["", "-0.1"]
  --item-dropout | Expected a number from 0 to 0.99 | ["", "1"]
  --generator-learning-rate | Expected a number above 0 and at most 10 | [""]
  --utility-penalty | Expected a number from 0 to 1000 | [""]
  --reward-steps | Expected a whole number in 0..32 | ["33"]
  --dims | Expected 1 to 8 sizes of 1..4096 joined by hyphens
    | ["", "0", "64-", "-64", "64,64", "4097", "1-1-1-1-1-1-1-1-1", "\uff16\uff14"]
  --behaviour-dims | Expected 1 to 8 sizes of 1..4096 | [""]
  --encoder | Allowed choices are lstm, pw | ["", "LSTM"]
  --adam | Allowed choices are dense, row-sparse | [""]
  --early-stopping | Allowed choices are loss, prec1, prec2 | [""]
  --generator | Allowed choices are network, exact | [""]
  --pw-nonlinearity | Allowed choices are none, tanh | [""]
  --data | Expected a path, got nothing | ["", " "]
  --save-dir | Expected the path of a folder, got nothing | ["", "  "]
  --init | Expected the path of a folder, got nothing | [""]
  --resume | Expected the path of a folder, got nothing | [""]
`);

const together: readonly BadInput[] = [
  ...table({})`
    an unknown option | train --epochs 3 | unknown option '--epochs'
    an encoder called a model | train --model pw | Expected --encoder pw, got --model pw
    an optimiser called so | train --optimiser=row-sparse | Expected --adam row-sparse
    an option of evaluate | train --split test | unknown option '--split'
    data without item ids | train --data demo --no-item-ids
      | Expected a data set with item ids and other features
    a shop's seed with a file | train --data log.tsv --data-seed 2
      | Expected --data-seed with the data of a made-up shop
    an option of reproduce | train --readme x | unknown option '--readme'
    a stray word | train log.tsv | too many arguments
    a stray empty word | train '' | too many arguments
    words behind -- | train -- --data x | too many arguments
    a flag with a value | train --resplit=yes | /--resplit|too many/
    an option at the end without its value | train --save-dir DIR/run --seed | argument missing
    a short option | train -d demo | unknown option '-d'
    an abbreviated option | train --iter 5 | unknown option '--iter'
    a typographic dash | train –-data demo | too many arguments
    an option twice, the second one wrong | train --seed 1 --seed x | got "x"
    an option twice, the first one wrong | train --seed x --seed 1 | got "x"
    validations that never come | train --iterations 5 --validate-every 6
      | Expected --validate-every of at most the 5 iterations, got 6
    adversarial validations that never come | train --adversarial 5
      | Expected --adversarial-validate-every of at most the 5 iterations
    --no-pretrain alone | train --no-pretrain | Expected --adversarial <n> with --no-pretrain
    --no-pretrain with --init | train --no-pretrain --adversarial 500 --init DIR/x
      | Expected either --no-pretrain (a random reward) or --init
    options of a stage that is not trained | train --generator exact --reward-steps 2
      | Expected --adversarial <n> with --generator, --reward-steps
    --resume with settings | train --resume DIR --dims 8 --seed 2 --data x
      | Expected --resume alone or with --iterations or --adversarial, got --data, --seed, --dims
    --resume with --save-dir | train --resume DIR/a --save-dir DIR/b | got --save-dir
    seeds beyond the largest | train --seed 4294967295 --seeds 2
      | Expected seeds of at most 4294967295, got --seed 4294967295 and --seeds 2
    jobs of one model | train --jobs 2 | Expected --jobs with --seeds of at least 2
    many seeds beyond the largest | train --seed 4294966500 --seeds 1000
      | Expected seeds of at most 4294967295
  `,
  bad(
    "--resume of a name with a quote, whose hint must not run",
    ["train", "--resume", "DIR/it's $(touch x)", "--dims", "8"],
    nothing,
    /--init '.*it'\\''s \$\(touch x\)\/last\.safetensors'/,
  ),
  bad("more users a batch than there are", "train --data DIR/log.tsv --batch-size 31", paper(), [
    "Expected a batch of at most 30 users",
    "--batch-size 31",
  ]),
  bad(
    "a batch of more users than any number of bytes",
    "train --data DIR/log.tsv --batch-size 9007199254740991",
    paper(),
    "Expected a batch of at most 30 users",
  ),
  bad(
    "an adversarial batch of more users than there are",
    "train --data DIR/log.tsv --batch-size 12 --iterations 4 --validate-every 2 --adversarial 4 --adversarial-validate-every 2",
    paper(),
    ["Expected a batch of at most 30 users", "--adversarial-batch-size 100"],
    { leaves: ["run/"] },
  ),
];

export const options: readonly BadInput[] = [
  ...values.flatMap(([option, expected = "", texts = ""]) =>
    (JSON.parse(texts) as string[]).map((text) =>
      // With "=", so that a value that begins with a hyphen is one.
      bad(`${option}=${JSON.stringify(text)}`, ["train", `${option}=${text}`], nothing, expected)
    )
  ),
  ...together,
];

assertRefused({
  "paper files": paperFiles,
  "prepared sets": preparedSets,
  options,
  stages,
  "run folders": runFolders,
  snapshots: snapshotCases,
});
