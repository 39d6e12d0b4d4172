import type { ShownCommand } from "./pages.ts";

/** By task, or by task and its first word: the test that runs it otherwise, or why none does. */
const NOT_RUN: Readonly<Record<string, string>> = {
  ok: "it is what runs this test",
  test: "it is what runs this test",
  "test:special corpus": "bad_inputs: the same files, every third case",
  "test:special faults": "faults_test.ts: the same functions, fewer points",
  "test:special soak": "soak_trend_test.ts, held_memory_test.ts: its parts",
  "test:special mutations":
    "mutations_test.ts: its operators and its draws; each mutation runs tests of its own",
  bench: "bench_test.ts, bench_studies_test.ts, ladder_test.ts",
  "bench peers": "peers_test.ts",
  "bench pack": "pack_test.ts: what it packs, and how the parts are run",
  "bench compiled": "compiled_test.ts: all of it, for all GPUs",
  "bench stability": "bench_studies_test.ts: one setting, on a small log",
  "bench data": "bench_studies_test.ts: a two-thousandth of the full size",
  "bench logs": "bench_studies_test.ts: all logs, with fewer users",
  "bench serve": "serve_command_test.ts: its load, with fewer requests",
  "bench results": "results_test.ts: the tables, of made-up outcomes; the trainings take hours",
  "bench truth": "exact_shop_test.ts: a row, with fewer users",
  selftest: "selftest_test.ts",
  lab: "lab_test.ts: what it serves and writes, in a browser",
  "bench gallery": "it needs a browser and minutes; lab_draw_test.ts looks at the pictures",
  "test:special adapters":
    "selftest_test.ts: its tables, of made-up outcomes; it needs a browser and minutes",
  serve: "serve_command_test.ts",
  exercise: "exercise_test.ts",
  "build report": "report_test.ts: the bundle is what the sources give",
  "build package": "package_test.ts",
  "build kernels": "the ladders of the panels are what is generated",
};

/** Whether a command of the pages is not run as it stands. */
export function isNotRun({ task, args: [first] }: ShownCommand): boolean {
  return Object.hasOwn(NOT_RUN, task) || Object.hasOwn(NOT_RUN, `${task} ${first}`);
}
