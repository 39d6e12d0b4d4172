/**
 * Faults that no operator makes and that are the worst to miss: a wrong gradient that still learns, an answer that leaks into
 * what is asked, a run that goes on a little beside where it stood, a lock or a file that is almost right.
 */

import { kernelName, kernelPath } from "../kernel_files.ts";
import { drawn, type Mutation, mutationOf, mutationText } from "./mutation.ts";

/** A text that stands in the file once, and what takes its place. A kernel has its name alone. */
type Fault = readonly [file: string, find: string, replacement: string];

const FAULTS: readonly Fault[] = [
  // Losses and their gradients.
  ["choice_nll.wgsl", "let events = f32(step.counted);", "let events = f32(step.size.y);"],
  ["choice_nll.wgsl", "if (j == 0u) { sum = plus(sum, 0.0, 1.0); }", ""],
  ["choice_nll.wgsl", "z > clicked_z);", "u[r] > u[click]);"],
  ["place_gradient.wgsl", "of_event.x + SKIP + place;", "of_event.x + place;"],
  ["minimax.wgsl", "x > clicked_u, z > clicked_logit", "x > clicked_u, x > clicked_u"],
  [
    "exact_minimax.wgsl",
    "policy[r] - select(0.0, 1.0, r == click)",
    "policy[r] - select(0.0, 1.0, r == first)",
  ],
  // The optimiser.
  ["adam.wgsl", "(sqrt(v1) + EPSILON)", "sqrt(v1 + EPSILON)"],
  ["adam.wgsl", "w1 -= step.decay * w;", "w1 -= step.decay * step.learning_rate * w;"],
  ["adam_rows.wgsl", "k % N4, gradient[k]);", "k % N4, gradient[k % N4]);"],
  ["gradient_rows_add.wgsl", "let before = mark[touched_row] == touched_row;", "let before = true;"],
  ["src/tape/parameters.ts", "(spec.table && spec.decays) ?? false", "spec.table ?? false"],
  ["src/train/trainer.ts", "adamRate(rate, t)", "adamRate(rate, 1)"],
  // Layers and encoders.
  [
    "matmul_weight_gradient_rows.wgsl",
    "let end = min(first + stretch, rows);",
    "let end = rows;",
  ],
  ["item_term_forward.wgsl", "sum += state[e * N4 + k] * c;", "sum += state[k] * c;"],
  ["first_layer_forward.wgsl", "noise(r) <= KEPT", "noise(e) <= KEPT"],
  ["first_layer_backward.wgsl", "(r ^ step.noise)", "(r + step.noise)"],
  ["embedding_gradient.wgsl", "shown = (entry.x & bit) != 0u;", "shown = true;"],
  [
    "batch_norm_forward.wgsl",
    "MOMENTUM * parameters[m] + (1.0 - MOMENTUM) * mean;",
    "(1.0 - MOMENTUM) * parameters[m] + MOMENTUM * mean;",
  ],
  ["batch_norm_forward.wgsl", "1.0 / sqrt(variance + EPSILON)", "1.0 / (sqrt(variance) + EPSILON)"],
  [
    "lstm_backward_panel.wgsl",
    "d * g * i * (1.0 - i), d * i * (1.0 - g * g)",
    "d * i * (1.0 - g * g), d * g * i * (1.0 - i)",
  ],
  ["lstm_forward_group.wgsl", "fed_gates(e + 1u, next, unit)", "fed_gates(e + 1u, fed, unit)"],
  ["pw_table_forward.wgsl", "if (past < e) { left--; }", "left = max(left, 1u) - 1u;"],
  ["src/tape/tape.ts", "const accumulate = claim(parameter);", "const accumulate = false;"],
  // Batches, and what is drawn at random.
  ["batch_expand.wgsl", "let feeds = clicked && e + 1u < user_end.y;", "let feeds = clicked;"],
  ["src/train/click_steps.ts", 'randomStream(seed, "noise", t, ', 'randomStream(seed, "noise", '],
  [
    "src/train/click_steps.ts",
    'randomStream(schedule.seed, "batch", t)',
    'randomStream(schedule.seed, "batch", t >> 1)',
  ],
  ["src/train/click_steps.ts", "own ?? this.draw(after + 1 + k)", "own ?? this.draw(1 + k)"],
  ["src/data/random.ts", "return x * scale;", "return this.uniform() < 0.001 ? 3 * x * scale : x * scale;"],
  // Figures, and answers that leak into them.
  ["src/train/results.ts", "{ nll: nll / events, prec1", "{ nll: nll / clicks, prec1"],
  ["src/data/ranking.ts", "let sum = Math.exp(none ? -top : -Infinity);", "let sum = 0;"],
  ["src/counts/train_counts.ts", 'usersOf(source, "train")', 'usersOf(source, "test")'],
  ["src/counts/train_counts.ts", "given !== FURTHER_CLICK && row", "row"],
  ["row_counts.wgsl", " || noted == -1.0 - f32(item)", ""],
  ["row_counts.wgsl", "paired == 0.0 || ", ""],
  // Simulated users and policies.
  ["choose.wgsl", "drawn(u, LEAVE_PURPOSE) < LEAVE", "drawn(u, CHOICE_PURPOSE) < LEAVE"],
  ["q_target.wgsl", "of_page.z > 0.5 &&", ""],
  ["keep_state.wgsl", "clicks[past.y - back]", "clicks[past.y - 1u]"],
  ["src/simulate/host/host_simulator.ts", "options, key, firstUser + u)", "options, key, u)"],
  ["src/policy/comparison/trial.ts", "this.#windows.shift() ?? []", "this.#windows.pop() ?? []"],
  // Files, locks, and runs that go on.
  ["src/files/atomic_write.ts", "    discardTemporary(temporary);\n    throw error;", "    throw error;"],
  [
    "src/files/atomic_write.ts",
    "if (tryLock(file) && holdsPath(file, path)) Deno.removeSync(path);",
    "if (holdsPath(file, path)) Deno.removeSync(path);",
  ],
  ["src/files/atomic_write.ts", "    file.truncateSync(0);\n", ""],
  ["src/files/lock.ts", "Deno.removeSync(this.path); // while", "// while"],
  ["src/files/owned_folder.ts", "      removeTemporaries(path);\n", ""],
  ["src/run/csv_log.ts", "found.length >= bytes &&", "found.length > bytes &&"],
  ["src/run/csv_log.ts", "        file.truncateSync(mark.bytes);\n", ""],
  ["src/run/snapshot/safetensors.ts", "if (begin < at) throw", "if (end < at) throw"],
  [
    "src/run/seeds_folder.ts",
    "training: { ...config.training, seed } };",
    "training: { ...config.training } };",
  ],
  // Answers for others.
  ["src/serve/batcher.ts", "resolve(utilities[k] ?? new", "resolve(utilities[0] ?? new"],
  [
    "src/serve/onnx/encoders.ts",
    "const GATES = [0, 3, 2, 1] as const;",
    "const GATES = [0, 2, 3, 1] as const;",
  ],
];

/** Drawn ones that change nothing: a part of their {@link mutationText} that is not in the line as it stands, and the reason. */
const HARMLESS: readonly (readonly [file: string, part: string, reason: string])[] = [
  // How many, how large, how fast.
  ["src/train/batch_trainer.ts", "size = Math.min(2,", "how many steps go at once touches no result"],
  ["src/train/batch_trainer.ts", "GROUP_MS * ", "how many steps go at once touches no result"],
  ["src/train/batch_trainer.ts", "Math.min(stepMs,", "how many steps go at once touches no result"],
  ["src/ops/adam.ts", `kind !== "cpu" ? N4 : 1`, "how many vectors an invocation moves touches no result"],
  ["src/train/training_log.ts", "WINDOW_EVENTS = 2 ** 21", "other memory"],
  [
    "src/train/training_log.ts",
    "deviceLog, users };  ->  (nothing)",
    "other memory: the same users, read again",
  ],
  ["src/train/evaluation.ts", "shardUsers.length : 2", "other memory"],
  ["src/batch/batch_buffers.ts", "SLICE_BYTES = 9", "other memory"],
  ["src/batch/batch_buffers.ts", "SLICE_BYTES = 8 * 2 ** 21", "other memory"],
  ["src/ops/gradient_clip.ts", "5 * PARTS", "more room than is used"],
  ["src/ops/gradient_clip.ts", "length * 4]", "more invocations than have something to do"],
  ["src/batch/device_log.ts", `"items", 9 * items`, "more room than is used"],
  ["slate_score_panel.wgsl", "33u * L4", "more room than is used"],
  ["src/ops/pw_table.ts", "CHUNKS = Math.max(64", "other rows together, and the same sum"],
  ["pw_base.wgsl", "STRETCH = (ITEMS + CHUNKS + 1u)", "other rows together, and the same sum"],
  ["pw_base.wgsl", "j + 1u <= WEIGHTINGS", "what pads the coefficients is 0"],
  ["batch_rank.wgsl", "- 1u) * WORKGROUP", "one invocation does it all"],
  ["src/batch/plan.ts", "count >= this.#itemStamps", "a new list has no stamps either"],
  ["src/batch/plan.ts", "length >= this.#userStamps", "a new list has no stamps either"],
  ["src/tape/parameters.ts", ">= gpu.bindingBytes", "what just fits is read in windows as well as at once"],
  ["lstm_forward.wgsl", "NONE) { continue; }  ->  (nothing)", "who clicked nothing stays as they are anyway"],
  ["slate_value_backward.wgsl", "step.chunks + 1u) /", "other rows together, and the same sum"],
  ["slate_value_backward.wgsl", "- 1u) * step.chunks", "other rows together, and the same sum"],
  // Never reached, or never asked for.
  ["src/ops/op.ts", "bias?.at ?? 1", "where there is no bias, nobody takes its place"],
  ["src/train/evaluation.ts", "[event + 1] ?? 1", "each event has an end"],
  ["src/ops/item_term.ts", "batch.rowSlot[r]) ?? 1", "each row has an item"],
  ["src/batch/device_log.ts", "rows = next[id] ?? 1", "each item has a count"],
  ["src/train/training_log.ts", "?? 1, WINDOW_ROWS", "each log has an end"],
  ["src/model/config.ts", "count: v.whole(2)", "a field of one token is none that is counted"],
  ["src/batch/reference_batch.ts", "slotOf.get(r.item) ?? 1", "each row's item has a slot"],
  ["slate_ratio.wgsl", "walk(at, row, 1.0", "by chances alone it is not read"],
  ["src/ops/lstm.ts", "[, , , o = 1]", "each unit has four gates"],
  ["src/ops/lstm.ts", "(tanhCell[j] ?? 1", "each unit has a cell"],
  ["src/model/position_effect.ts", "return positions > 1 ? tape", "one place is refused"],
  ["src/tape/parameters.ts", "offset * 4 > start", "a range of nothing has no windows"],
  ["src/tape/tape.ts", "input.trainable) return;  ->  (nothing)", "what is not trained is not asked for it"],
  ["src/ops/minimax.ts", "2 : 1,", "where nobody moves, nobody reads the gradient"],
  ["slate_ratio.wgsl", "j = 1u; j < SLATE; j++) { found[j] = j", "it is 0 before"],
  ["slate_ratio.wgsl", "j <= SLATE; j++) { found[j] = NONE", "whatever is set is none"],
  ["top_slate.wgsl", "last_score = 1.0", "the first item is taken without it"],
  ["top_slate.wgsl", "best_score = 1.0", "the first item is taken without it"],
  [
    "src/batch/device_items.ts",
    "let id = 1; id < count; id++) tokenFirst",
    "nothing stands before the first",
  ],
  ["lstm_backward.wgsl", "user + 4u), USERS >= 3u", "it has one user or four"],
  // The same result.
  ["recent_clicks.wgsl", "v2 = vec4f(-(2.0 * 1.0))", "any number below 0 is no item"],
  ["slate_score_tiled.wgsl", "v <= L4; v += 4u", "a turn without units adds nothing"],
  ["matmul_input_gradient_panel.wgsl", "vec4f(1.0), x >= vec4f(0.0)), ELU", "at 0 both slopes are 1"],
  ["matmul_forward_rows.wgsl", "- 1.0, y, (y >= vec4f(0.0))", "ELU of 0 is 0 either way"],
  ["minimax.wgsl", "var clicked_logit = 1.0", "without a click nobody asks where it stands"],
  ["src/train/click_steps.ts", "parts.length >= 1 ? countedIn", "the same number, counted again"],
  ["lstm_forward.wgsl", "vec4f((2.0 * 30.0))", "as near to 0 as float32 has it beside 1"],
  ["matmul_input_gradient_panel.wgsl", "vec4f((2.0 * 1.0)), load_input", "whether it is above 0 counts"],
  ["matmul_input_gradient_panel.wgsl", "entry(p + 9u)", "entries are vectors of four"],
  ["matmul_input_gradient_panel.wgsl", "entry(p + 45u)", "entries are vectors of four"],
  ["embedding_gradient.wgsl", "if (ITEMS > 1u)", "a batch shows the one item that there is"],
  ["first_layer_backward.wgsl", "if (ITEMS > 1u)", "a batch shows the one item that there is"],
  ["pw_table_gradient.wgsl", "abs(x) <= vec4f(0.625)", "at the border one way is as good as the other"],
  ["src/model/choice.ts", "let most = 1", "what is taken out of a sum of exponentials is put back"],
  [
    "src/ops/choice_nll.ts",
    "const most = Math.min(",
    "what is taken out of a sum of exponentials is put back",
  ],
  // Written where nobody reads, or behind the binding, where it is dropped.
  ["lstm_forward_group.wgsl", "k <= USERS", "turns behind the longest history write nothing"],
  ["first_layer_forward.wgsl", "|| column + 2u < N4) { z2 +=", "what is read too much is not stored"],
  ["embedding_gradient.wgsl", "column + 1u <= N4) { s1 +=", "what is read too much is not stored"],
  ["pw_table_gradient.wgsl", "j + 2u <= WEIGHTINGS) { s2 +=", "what is read too much is not stored"],
  ["pw_table_backward.wgsl", "min(e + 2u, end + 1u)", "behind the end nothing is stored"],
  ["first_layer_forward.wgsl", "column + 1u <= N4) { z1 += KEPT", "what is read too much is not stored"],
  ["pw_table_backward.wgsl", "e - 1u < end && lag1", "behind the end stands the last event again"],
  ["token_gradient.wgsl", "i > TOKENS", "what is written behind the binding is dropped"],
  ["matmul_input_gradient_rows.wgsl", "m > step.size[M]", "nobody reads behind the last row"],
  ["pw_window.wgsl", "LAGS * BLOCKS) { return; }  ->  (nothing)", "nobody reads behind the last event"],
  ["item_term_forward.wgsl", "e > step.size.y", "nobody reads behind the last event"],
  ["lstm_step.wgsl", "H4) { return; }  ->  (nothing)", "nobody reads behind the last user"],
];

/** Why nothing can notice a mutation; undefined for all others. */
export function harmless(mutation: Mutation): string | undefined {
  return HARMLESS.find((entry) => fits(entry, mutation))?.[2];
}

/** The harmless ones that are none of those that operators make, or more than one. */
export function misnamed(): string[] {
  const made = drawn(1, Infinity, [...new Set(HARMLESS.map(([name]) => pathOf(name)))]);
  return HARMLESS.filter((entry) => made.filter((one) => fits(entry, one)).length !== 1)
    .map((entry) => entry.join(": "));
}

function fits([name, part]: typeof HARMLESS[number], mutation: Mutation): boolean {
  return mutationText(mutation).includes(part) && !mutation.before.includes(part) &&
    pathOf(name) === mutation.file;
}

/** @throws Error unless the text of each stands in its file once. */
export function byHand(): Mutation[] {
  return FAULTS.map(([name, find, replacement]) => {
    const file = pathOf(name);
    const source = Deno.readTextFileSync(file);
    const count = source.split(find).length - 1;
    if (count !== 1) throw new Error(`${file}: "${find}" stands there ${count} times`);
    return mutationOf(file, source, { at: source.indexOf(find), length: find.length, replacement });
  });
}

function pathOf(name: string): string {
  return name.endsWith(".wgsl") ? `kernels/${kernelPath(kernelName(name))}` : name;
}
