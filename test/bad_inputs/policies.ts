/** Options of `policy`, and the folders of policies. */

import { all, bad, type BadInput, type Maker, nothing, type Words } from "./corpus.ts";
import { file } from "./files.ts";
import { paperRows, usersOf } from "./paper.ts";
import { snapshot } from "./snapshots.ts";

const TRUTH = ["--shop", "restless", "--truth"];

const train = (name: string, args: readonly string[], says: Words, files: Maker = nothing) =>
  bad(name, ["policy", "train", "--save-dir", "DIR/policy", ...args], files, says);
const resume = (name: string, args: readonly string[], says: Words, files: Maker = nothing) =>
  bad(name, ["policy", "train", "--resume", "DIR/policy", ...args], files, says);

const compared = (name: string, args: readonly string[], says: Words) =>
  bad(`compare: ${name}`, ["policy", "compare", "DIR/policy", ...args], nothing, says);

export const policies: readonly BadInput[] = [
  train("nobody to learn from", [], "Expected to be told who clicks: --model (a run)"),
  train("a slate larger than the pool", [...TRUTH, "--slate", "490"], "Expected a pool of 509 items or more"),
  train("no pages", [...TRUTH, "--pages", "0"], "Expected a whole number in 1..100000"),
  train("two kinds of users", [...TRUTH, "--model", "DIR/a"], "Expected --model or --truth, got both"),
  train("a shop that there is not", ["--shop", "x", "--truth"], "Allowed choices are demo, restless"),
  train("a shop without its truth", ["--shop", "demo"], "deno task train --data demo --save-dir runs/a"),
  train("users who leave too often", [...TRUTH, "--leave", "1.5"], "Expected a number from 0 to 1"),
  train("a leave that is no number", [...TRUTH, "--leave", "NaN"], "Expected a number from 0 to 1"),
  train("an algorithm that there is not", [...TRUTH, "--algorithm", "ppo"], "Allowed choices are cdqn"),
  train("a truth of a model", ["--model", "DIR/a", "--truth"], "Expected --model or --truth, got both"),
  train(
    "a shop and a log",
    [...TRUTH, "--data", "DIR/log.tsv"],
    "Expected either --shop or --data, got both",
  ),
  train("a truth of a log", ["--truth", "--data", "DIR/log.tsv"], "of a log it is not known why its users"),
  train("no model to be uncalibrated", [...TRUTH, "--uncalibrated"], "Expected --uncalibrated with --model"),
  train("rows that fit no kernel", [...TRUTH, "--rows", "100"], "Expected a multiple of 64"),
  train("users of another start", [...TRUTH, "--start", "all"], "Allowed choices are empty, train"),
  train(
    "a start that a truth does not name",
    [...TRUTH, "--start", "test", "--data-users-seed", "2"],
    "Expected --start without --data-users-seed",
  ),
  train("units that fit no kernel", [...TRUTH, "--hidden", "65"], "Expected 4, 8, 12, ... or 64 units"),
  train(
    "positions of what has none",
    [...TRUTH, "--algorithm", "gdqn", "--target", "chained"],
    "Expected --target and --share-positions with --algorithm cdqn",
  ),
  train("a folder that holds something", TRUTH, "holds notes.txt", file("policy/notes.txt", "x")),
  train(
    "a plan for users who always click",
    ["--model", "DIR/model.safetensors", "--data", "DIR/log.tsv", "--reward", "utility"],
    "Expected a log that has pages without a click, to plan, got log.tsv",
    all(paperRows(usersOf(0, 3, 0)), snapshot()),
  ),
  train("a model that is not there", ["--model", "DIR/a"], "a"),
  resume("no policy", [], "Expected the folder of a policy, with a policy.json"),
  resume("other settings", ["--slate", "5"], "Expected --resume alone or with --steps, got --slate"),
  resume("a damaged policy.json", [], "policy.json is damaged", file("policy/policy.json", "{}")),
  ...["compare", "adapt", "rank"].map((name) =>
    bad(`${name}: no policy`, ["policy", name, "DIR/policy"], nothing, "Expected the folder of a policy")
  ),
  bad("compare: nothing", ["policy", "compare"], nothing, "missing required argument 'policy'"),
  compared("a rival that there is not", ["--with", "greedy,best"], "Expected --with of greedy, popular"),
  compared("a shop that there is not", ["--shop", "x"], "Allowed choices are demo, restless"),
  compared("no page", ["--out", "DIR/x.txt"], "Expected a file that ends in .html"),
  compared("one user", ["--users", "1"], "Expected a whole number in 2.."),
  bad(
    "adapt: no interactions",
    ["policy", "adapt", "DIR/policy", "--interactions", "0"],
    nothing,
    "in 1..1000000",
  ),
  bad("rank: an empty slate", ["policy", "rank", "DIR/policy", "--slate", "0"], nothing, "in 1..1024"),
  bad("an unknown subcommand", ["policy", "play"], nothing, "unknown command 'play'"),
];
