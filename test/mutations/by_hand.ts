/**
 * Faults that no operator makes and that are the worst to miss: a wrong gradient that still learns, an answer that leaks into
 * what is asked, a run that goes on a little beside where it stood, a lock or a file that is almost right.
 */

import { kernelName, kernelPath } from "../kernel_files.ts";
import { type Mutation, mutationOf } from "./mutation.ts";

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
  ["src/run/files/atomic_write.ts", "    discardTemporary(temporary);\n    throw error;", "    throw error;"],
  [
    "src/run/files/temporary_file.ts",
    "if (tryLock(file) && holdsPath(file, path)) Deno.removeSync(path);",
    "if (holdsPath(file, path)) Deno.removeSync(path);",
  ],
  ["src/run/files/temporary_file.ts", "        file.truncateSync(0);\n", ""],
  ["src/run/files/lock.ts", "Deno.removeSync(this.path); // while", "// while"],
  ["src/run/files/owned_folder.ts", "      removeTemporaries(path);\n", ""],
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

/** Drawn ones that change nothing, by file and lines, each with the reason. */
const HARMLESS: readonly (readonly [file: string, before: string, after: string, reason: string])[] = [
  [
    "slate_ratio.wgsl",
    "for (var j = 0u; j < SLATE; j++) { found[j] = j; }",
    "for (var j = 1u; j < SLATE; j++) { found[j] = j; }",
    "it is 0 before",
  ],
  [
    "recent_clicks.wgsl",
    "var v2 = vec4f(-1.0);",
    "var v2 = vec4f(-(2.0 * 1.0));",
    "any number below 0 is no item",
  ],
  [
    "lstm_forward_group.wgsl",
    "for (var k = 0u; k < USERS; k++) {",
    "for (var k = 0u; k <= USERS; k++) {",
    "turns behind the longest history write nothing",
  ],
  [
    "src/ops/op.ts",
    "const places = Uint32Array.of(weights.stride, weights.at, second?.at ?? 0, bias?.at ?? 0);",
    "const places = Uint32Array.of(weights.stride, weights.at, second?.at ?? 0, bias?.at ?? 1);",
    "where there is no bias, nobody takes its place",
  ],
  [
    "token_gradient.wgsl",
    "if (i >= TOKENS * N4) { return; }",
    "if (i > TOKENS * N4) { return; }",
    "what is written behind the binding is dropped",
  ],
  [
    "lstm_backward.wgsl",
    "let e4 = select(e3, first_event(user + 4u), USERS > 3u);",
    "let e4 = select(e3, first_event(user + 4u), USERS >= 3u);",
    "it has one user or four",
  ],
  [
    "pw_table_gradient.wgsl",
    "return select(select(far, x + x * z * series, abs(x) < vec4f(0.625)), x, broken(x));",
    "return select(select(far, x + x * z * series, abs(x) <= vec4f(0.625)), x, broken(x));",
    "at the border one way is as good as the other",
  ],
  [
    "src/batch/device_tokens.ts",
    "for (let id = 0; id < count; id++) tokenFirst[id + 1] = (tokenFirst[id + 1] ?? 0) + (tokenFirst[id] ?? 0);",
    "for (let id = 1; id < count; id++) tokenFirst[id + 1] = (tokenFirst[id + 1] ?? 0) + (tokenFirst[id] ?? 0);",
    "nothing stands before the first",
  ],
  [
    "slate_value_backward.wgsl",
    "let each = (rows + step.chunks - 1u) / step.chunks;",
    "let each = (rows + step.chunks + 1u) / step.chunks;",
    "other rows together, and the same sum",
  ],
];

/** Why nothing can notice a mutation; undefined for all others. */
export function harmless({ file, before, after }: Mutation): string | undefined {
  return HARMLESS.find((one) => pathOf(one[0]) === file && one[1] === before && one[2] === after)?.[3];
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
