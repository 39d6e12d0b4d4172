/** The parts of the tests: what each is about, and its files. A test looks that every file of tests is in one of them. */

export interface Part {
  readonly name: string;
  readonly about: string;
  /** Files of tests by their names, or folders, below test/. */
  readonly files: readonly string[];
}

const named = (names: string) => names.split(" ").map((name) => `${name}_test.ts`);

export const parts: readonly Part[] = [
  {
    name: "ops",
    about: "every kernel and op: forward, gradients, canaries, two runs",
    files: named(
      "adam batch_norm layers linear lstm minimax ops other_batches panel_rungs pw pw_state pw_table selftest " +
        "selftest_coverage tape texture_layout workgroup_memory",
    ),
  },
  {
    name: "kernel texts",
    about: "their headers, constants and costs, and Tint's opinion of all of them",
    files: named(
      "browser_bundle build_kernels cost course course_formulas kernel_headers kernel_text limits shader_texts step_prefix",
    ),
  },
  {
    name: "training",
    about: "whole models against float64, the adversarial stage, resuming",
    files: named(
      "adversarial batch broken_numbers calibration counted cut_batches device driver_threads figures given_events held_memory logit " +
        "initial_weights iterations large_catalogue log_on_disk matrix_memory mixed_features model other_training reward_watch " +
        "row_counts row_sparse_adam trip",
    ),
  },
  {
    name: "simulation",
    about: "simulated users, and the policies that are trained on them",
    files: named(
      "cascade_law gradient_clip policy_run policy_training replay q_network slate_kernels slateq",
    ),
  },
  {
    name: "simulated users",
    about: "who clicks on which slate: every kernel beside the host, and the laws of what is drawn",
    files: named(
      "exact_shop f64_dynamics from_state host_simulator simulate_kernels simulate_users simulator slate_ratio",
    ),
  },
  {
    name: "learning",
    about: "what models learn, beside a reference",
    files: named("demo_shop learning page_lengths rivals"),
  },
  {
    name: "comparing policies",
    about: "figures of policies, intervals, verdicts, and a bandit beside its ridge regression",
    files: named(
      "adapt comparison found_users lin_ucb policy_compare_command policy_page simulated_figures simulation_page trial",
    ),
  },
  {
    name: "data",
    about: "logs, prepared data sets and their faults",
    files: named(
      "bad_rows baselines collector csv_log data_command data_impressions data_log data_log_faults data_log_laws " +
        "data_retailrocket item_ids data_shapes foreign_files foreign_laws foreign_set item_features made_logs packed_cache packed_items " +
        "packed_log paper_file place_effect " +
        "philox prepared_set prepared_writer random ranking source_ids source_paths zstd_frames",
    ),
  },
  {
    name: "commands",
    about: "commands as a user runs them, their files, messages and pages",
    files: named(
      "adversarial_command atomic_write bad_input command_series docs explain_failure fetch file_error ids lab lab_files lab_train launch onnx open_run outputs " +
        "owned_folder package listen page_figures policy_command predict progress promises report reproduce results run_folder safetensors scorer seeds_folder serve short_functions shown_options " +
        "serve_command shell_word simulate_command simulated_log table train_command tune tune_command verdict",
    ),
  },
  {
    name: "benches",
    about: "benches, ladders and exercises",
    files: named(
      "bench bench_lab bench_simulate bench_small exercise exercise_command lab_draw ladder pack peers profile",
    ),
  },
  { name: "corpus", about: "bad inputs, every third, and random ones", files: ["bad_inputs"] },
  {
    name: "faults",
    about: "commands that are killed or meet a full disk, at some points",
    files: named("faults mutations parts soak_trend"),
  },
];
