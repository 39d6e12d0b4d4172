/** Which tests have to notice a fault of a file. */

/** Tests of one file: all, or those with this in their names. */
export interface Selection {
  /** From the project's folder. */
  readonly test: string;
  readonly filter?: string;
}

/** Files, and below test/ what tests them: `folder/name`, for test/folder/name_test.ts, and a filter behind a blank. */
type Row = readonly [files: RegExp, ...tests: string[]];

/** All rows that fit a file count; their tests run one after another, until one fails. */
const ROWS: readonly Row[] = [
  // Kernels.
  [/^kernels\/choice_nll/, "ops/ops /choice_nll/"],
  [/^kernels\/place_gradient/, "ops/ops /(choice_nll: places|item_term: .* bias)/"],
  [/^kernels\/(exact_)?minimax/, "ops/minimax"],
  [/^kernels\/outcome_sum/, "ops/ops /^sums of losses/"],
  [/^kernels\/adam\./, "ops/adam"],
  [/^kernels\/adam_rows/, "train/row_sparse_adam"],
  [/^kernels\/gradient_(rows_)?add/, "train/cut_batches"],
  [
    /^kernels\/(best_compare|keep_best)/,
    "train/model validation figures and snapshots",
    "train/adversarial best weights of a stage",
  ],
  [
    /^kernels\/matmul_/,
    "ops/linear",
    "bench/ladder /^rungs/",
    "ops/lstm /few|table/",
    "train/model /^ten .* dense/",
  ],
  [/^kernels\/(matmul_forward_panel|row_dot_sum)/, "ops/ops /made by a layer/"],
  [/^kernels\/item_term_/, "ops/ops /^item_term/"],
  [/^kernels\/first_layer_/, "ops/ops /^(first_layer|row_counts)/"],
  [/^kernels\/row_dot_/, "ops/ops /^row_dot/"],
  [/^kernels\/batch_norm_/, "ops/batch_norm"],
  [/^kernels\/lstm_(for|back)ward/, "ops/lstm", "bench/ladder /^rungs/"],
  [/^kernels\/embedding_gradient/, "ops/lstm /table/", "ops/ops /^mixed_product/"],
  [/^kernels\/pw_state_/, "ops/pw /^pw_state/"],
  [/^kernels\/pw_(?!state)/, "ops/pw /pw_table/"],
  [/^kernels\/(pw_window|pw_(table|state)_forward)/, "simulate/simulate_users /PW/"],
  [/^kernels\/batch_(?!norm)/, "train/batch", "train/given_events"],
  [/^kernels\/token_/, "ops/ops /^mixed_product/"],
  [/^kernels\/table_rows/, "ops/ops /^table_rows/"],
  [
    /^kernels\/(recent_clicks|row_counts)/,
    "ops/ops /^(row_counts|recent_clicks)/",
    "simulate/simulate_users /counts/",
    "simulate/simulator",
  ],
  [/^kernels\/(remember|replay_|recall)/, "policy/slate_kernels /^replay/", "policy/slateq best slates"],
  [/^kernels\/(q_target|page_reward)/, "policy/policy_training"],
  [/^kernels\/gradient_(norm|clip)/, "policy/slate_kernels /^gradient_clip/"],
  [/^kernels\/slate_/, "policy/slate_kernels /^slate/", "policy/q_network"],
  [/^kernels\/(q_loss|state_input)/, "policy/q_network"],
  [
    /^kernels\/(page_mask|choose|random_slate|popular_slate|top_slate|plackett_luce|shop_|feed_click|fill)/,
    "simulate/simulate_kernels",
    "simulate/simulator",
  ],
  [
    /^kernels\/(lstm_step|push_click|keep_state|put_state|take_rows)/,
    "simulate/simulate_users",
    "simulate/simulator /^greedy/",
  ],
  [/^kernels\/pass_over/, "drivers/selftest /pages/", "ops/ops /^row_counts/", "simulate/simulate_users"],

  // Turns of a loop that are written out are as they were generated.
  [/^kernels\/\w+_panel/, "kernels/kernel_headers written out"],

  // The core.
  [/^src\/ops\/(adam|batch_norm|linear|lstm|minimax)\.ts/, "ops/$1"],
  [/^src\/ops\/row_counts/, "ops/ops /^(row_counts|recent_clicks|a count)/"],
  [/^src\/ops\/(pw_state|pw_table)\.ts/, "ops/pw /^$1/"],
  [/^src\/ops\/(choice_nll|first_layer|item_term|mixed_product|row_dot)\.ts/, "ops/ops /^$1/"],
  [/^src\/ops\/(click_gather|matmul_kernels)/, "ops/linear"],
  [/^src\/ops\/(embedding|lstm_kernels)/, "ops/lstm", "ops/texture_layout"],
  [/^src\/ops\/(loss|place_gradient)/, "ops/ops /choice_nll/", "ops/minimax", "drivers/calibration"],
  [/^src\/ops\/(activation|first_layer)/, "ops/ops /layer/", "train/iterations"],
  [/^src\/ops\/gradient_clip/, "policy/slate_kernels /^gradient_clip/"],
  [/^src\/ops\/gradient_sum/, "train/cut_batches"],
  [/^src\/ops\/token_sum/, "ops/ops /^mixed_product/"],
  [/^src\/ops\/table_rows/, "ops/ops /^table_rows/", "train/table_windows"],
  [/^src\/(ops\/token_sum|tape\/reference)/, "ops/lstm"],
  [/^src\/(ops\/shared_gradient|train\/(ranks|batch_trainer|result_ring))/, "train/ranks"],
  [/^src\/model\/position_effect/, "train/rivals"],
  [/^src\/ops\//, "kernels/cost", "drivers/adapter_kinds /buffers/", "ops/other_batches"],
  [
    /^src\/(tape\/parameters|model\/(item_features|user_model)|train\/(best_keeper|batch_trainer))/,
    "train/table_windows",
  ],
  [/^src\/tape\//, "ops/tape", "ops/adam", "kernels/cost", "ops/linear /^linear 3 -> /", "train/model"],
  [/^src\/batch\/(token_pairs|batch_buffers)/, "kernels/cost /batch/"],
  [
    /^src\/batch\//,
    "train/batch",
    "train/given_events",
    "train/cut_batches",
    "train/counted",
    "train/model",
    "ops/ops /mixed/",
  ],
  [
    /^src\/model\//,
    "figures/random /[wW]eight|glorot|truncated|generator/",
    "train/scorer",
    "train/model",
    "train/counted",
    "train/adversarial",
  ],
  [/^src\/(model|train)\/config/, "train/rivals /^options/"],
  [/^src\/model\/user_model/, "bad_inputs/train /^snapshots/"],
  [/^src\/model\/(item_features|wide|counted)/, "train/mixed_features"],
  [
    /^src\/train\//,
    "train/iterations",
    "figures/figures",
    "train/cut_batches",
    "train/model",
    "train/adversarial",
  ],
  [/^src\/train\/config/, "bad_inputs/train /^options/", "bad_inputs/fuzz /^(no )?option/"],
  [/^src\/train\/(fit|training_log)/, "train/log_on_disk"],
  [/^src\/train\/iteration_work/, "drivers/driver_threads a step's work"],
  [/^src\/train\/best_text/, "cli/adversarial_command"],

  // What stands on it, for the faults by hand.
  [/^src\/data\/random/, "figures/random"],
  [/^src\/data\/ranking/, "figures/ranking"],
  [/^src\/counts\//, "figures/baselines", "figures/ranking", "train/counted"],
  [/^src\/figures\//, "figures/collector", "figures/baselines", "figures/verdict"],
  [/^src\/run\/files\//, "run/owned_folder"],
  [/^src\/run\/csv_log/, "run/csv_log"],
  [/^src\/run\/snapshot\/safetensors/, "run/safetensors"],
  [/^src\/run\/seeds_folder/, "run/run_folder seed"],
  [/^src\/simulate\/host\//, "simulate/host_simulator", "simulate/exact_shop"],
  [/^src\/simulate\/page_headers/, "simulate/simulator"],
  [
    /^src\/policy\/(comparison|adaptation)\//,
    "policy/comparison",
    "policy/lin_ucb",
    "policy/trial",
    "simulate/simulated_figures",
  ],
  [/^src\/serve\/batcher/, "cli/serve"],
  [/^src\/serve\/onnx\//, "run/onnx"],
];

/** The tests of a file, in the order in which they are asked. */
export function testsOf(file: string): Selection[] {
  // Of a kernel its name counts, not the family.
  const name = file.replace(/^kernels\/.*\//, "kernels/");
  const own = ROWS.flatMap(([files, ...tests]) => {
    const found = files.exec(name);
    return found ? tests.map((test) => selectionOf(test.replace("$1", found[1] ?? ""))) : [];
  });
  // The self-test has every kernel.
  return own.length === 0 && name !== file ? [selectionOf("drivers/selftest")] : own;
}

function selectionOf(text: string): Selection {
  const [, name = "", filter] = /^(\S+)(?: (.+))?$/.exec(text) ?? [];
  return { test: `test/${name}_test.ts`, filter };
}
