/** Faults in the kernels of the encoders: the LSTM, position weights, tables that are looked up. */

import { mutationsOf } from "./mutation.ts";
import { rungs } from "./rungs.ts";

const lstm = { tests: ["lstm"], filter: "/^lstm: (5 units, (few|given)|one-hot table)$/" };
const beyond = { tests: ["lstm"], filter: "/^lstm: 33 units, longer$/" };
/** Units that are padded, several users a workgroup, histories of many lengths. */
const groups = { tests: ["lstm"], filter: "/^lstm: 5 units, (few|many)$/" };
/** More units than a vector of a CPU driver has lanes: those of one vector need no barrier. */
const barriers = { tests: ["lstm"], filter: "/^lstm: 45 units, longer$/" };
const state = { tests: ["pw_state"], filter: "/^pw_state: (none|tanh), (long|wide|2 lags, 4 weightings)$/" };
const looked = {
  tests: ["pw_table"],
  filter: "/^pw_table: (none|tanh), (long|wide|several chunks|2 lags, 4 weightings, 3 columns)$/",
};

export const encoderKernels = [
  ...mutationsOf("kernels/lstm/lstm_forward_panel.wgsl", lstm, [
    ["sigmoid(z.f + 1.0)", "sigmoid(z.f)"],
    ["gates[at + 2u * H4] = f;", "gates[at + 2u * H4] = o;"],
    ["    if (fed == NONE) { continue; }\n", ""],
    ["let c = f * before.cell + i * g;", "let c = i * before.cell + f * g;"],
    [
      "if (H4 > 1u) { s = add(s, (*w)[1u * H4 + j], (*h)[1]); }",
      "if (H4 > 1u) { s = add(s, (*w)[1u * H4 + j], (*h)[0]); }",
    ],
    ["  workgroupBarrier();\n", ""],
  ]),
  ...mutationsOf("kernels/lstm/lstm_forward_panel.wgsl", rungs("lstm"), [
    ["if (H4 > 5u) { s = add(s, (*w)[5u * H4 + j], (*h)[5]); }", ""],
    ["if (H4 > 6u) { z[6] = add_state(z[6], &w, &h, 6u); }", ""],
    ["if (H4 > 7u) { s = add(s, (*w)[7u * H4 + j], (*h)[7]); }", ""],
    [
      "if (H4 > 7u) { (*w)[k * H4 + 7u] = block(k, 7u); }",
      "if (H4 > 7u) { (*w)[k * H4 + 7u] = block(k, 6u); }",
    ],
  ]),
  ...mutationsOf("kernels/lstm/lstm_backward_panel.wgsl", rungs("lstm-backward"), [
    ["if (H4 > 5u) { sum += through_gates((*w)[k * H4 + 5u], (*d)[5]); }", ""],
    ["if (H4 > 6u) { dh[6] = through(&w, &d, 6u); }", ""],
    ["if (H4 > 7u) { sum += through_gates((*w)[k * H4 + 7u], (*d)[7]); }", ""],
    ["if (H4 > 7u) { read_row(w, 7u); }", "if (H4 > 7u) { read_row(w, 6u); }"],
  ]),
  ...mutationsOf("kernels/lstm/lstm_backward_panel.wgsl", lstm, [
    ["d * g * i * (1.0 - i), d * i * (1.0 - g * g)", "d * i * (1.0 - g * g), d * g * i * (1.0 - i)"],
    ["let e = first + end - 1u - t;", "let e = t;"],
    ["dh * o * (1.0 - t * t);", "dh * o * (1.0 - t);"],
    ["      dc[j] = d[j].d_cell;\n", ""],
    ["(d.f * w.f + d.o * w.o)", "(d.f * w.o + d.o * w.f)"],
  ]),
  ...mutationsOf("kernels/lstm/lstm_forward.wgsl", beyond, [
    ["let c = f * before.cell + i * g;", "let c = f * before.cell + i * f;"],
    ["if (USERS > 2u) { z2 = add(z2, w, h2[k]); }", "if (USERS > 2u) { z2 = add(z2, w, h1[k]); }"],
    ["input[x + 3u * H4] + bias[3u * H4 + j]", "input[x + 3u * H4] + bias[2u * H4 + j]"],
    ["      h1[j] = next1[j];\n", ""],
  ]),
  ...mutationsOf("kernels/lstm/lstm_backward.wgsl", beyond, [
    ["select(through, past, fed == NONE)", "select(past, through, fed == NONE)"],
    ["let on3 = e3 + t <= e4;", "let on3 = e3 + t < e4;"],
    ["d * before * f * (1.0 - f)", "d * before * (1.0 - f)"],
    ["if (USERS > 1u) { sum1 += dz1[q] * w; }", "if (USERS > 1u) { sum1 += dz0[q] * w; }"],
  ]),
  ...mutationsOf("kernels/lstm/lstm_forward_group.wgsl", groups, [
    ["let f = sigmoid(z.z + 1.0);", "let f = sigmoid(z.z);"],
    ["let next_x = fed_gates(e + 1u, next, unit);", "let next_x = fed_gates(e + 1u, fed, unit);"],
    ["let after_next = fed_by(e + 2u, end);", "let after_next = fed_by(e + 1u, end);"],
    ["  if (e >= end) { return NONE; }\n", ""],
    ["let at = (t % 2u) * USERS * H + own * H;", "let at = (t % 2u) * USERS * H;"],
  ]),
  ...mutationsOf("kernels/lstm/lstm_forward_group.wgsl", barriers, [["    workgroupBarrier();\n", ""]]),
  ...mutationsOf("kernels/lstm/lstm_backward_group.wgsl", groups, [
    ["d_cell * now.before * f * (1.0 - f),", "d_cell * now.before * (1.0 - f),"],
    ["      dc = d_cell * f;\n", ""],
    ["kept[(i % H) * H + i / H] = read_weight", "kept[i] = read_weight"],
    ["dz[turn + own * H + j]", "dz[turn + j]"],
    [
      "let next = read_event(e - 1u, t + 1u < count, unit);",
      "let next = read_event(e - 1u, t + 2u < count, unit);",
    ],
  ]),
  ...mutationsOf("kernels/lstm/lstm_backward_group.wgsl", barriers, [["    workgroupBarrier();\n", ""]]),
  ...mutationsOf("kernels/scatter/embedding_gradient.wgsl", {
    tests: ["lstm"],
    filter: "/^lstm: one-hot table(, items that are not shown)?$/",
  }, [
    ["shown = (entry.x & bit) != 0u;", "shown = true;"],
    [
      "if (column + 1u < N4) { s1 += load_source(at + 1u); }",
      "if (column + 1u < N4) { s1 += load_source(at); }",
    ],
    ["let end = slot_first[slot + 1u];", "let end = slot_first[slot] + 1u;"],
  ]),
  ...mutationsOf("kernels/scatter/embedding_gradient_rows.wgsl", {
    tests: ["lstm"],
    filter: "/^lstm: one-hot table, touched rows$/",
  }, [
    ["select(NONE, item, first == own && item != NONE)", "select(NONE, item, item != NONE)"],
    ["if (first == own) { output[i] = sum; }", "output[i] = sum;"],
  ]),
  ...mutationsOf("kernels/pw/pw_state_forward.wgsl", state, [
    ["let lags = min(history[e].x, LAGS);", "let lags = min(history[e].x, LAGS - 1u);"],
    ["f.y * w, f.z * w, f.w * w);", "f.z * w, f.y * w, f.w * w);"],
    ["if (TANH) { z = squash(z + bias[column]); }", "if (TANH) { z = squash(z) + bias[column]; }"],
    ["let w = weights[lag * BLOCKS + block];", "let w = weights[block];"],
  ]),
  ...mutationsOf("kernels/pw/pw_state_backward.wgsl", state, [
    [
      "if (count > 2u) { products[at + 2u * BLOCKS] = d2; }",
      "if (count > 2u) { products[at + 2u * BLOCKS] = d1; }",
    ],
    ["let first = 4u * ((i / BLOCKS) % LAG_BLOCKS);", "let first = 4u * ((i / BLOCKS) % LAG_BLOCKS) + 1u;"],
  ]),
  ...mutationsOf("kernels/pw/pw_state_weight_gradient.wgsl", state, [
    ["(1.0 - s * s)", "(1.0 - s)"],
    ["if (history[e].x > lag) {", "if (history[e].x >= lag) {"],
  ]),
  ...mutationsOf("kernels/pw/pw_table_forward.wgsl", looked, [
    [" & (ends == vec4u(h.y));", ";"],
    ["s2 += t * weighting(e2, lags.z, block, seen.z);", "s2 += t * weighting(e2, lags.y, block, seen.z);"],
    ["if (past < e) { left--; }", "left = max(left, 1u) - 1u;"],
    ["var s0 = bias[column];", "var s0 = vec4f(0.0);"],
  ]),
  ...mutationsOf("kernels/pw/pw_table_backward.wgsl", looked, [
    ["if (lag0 > LAGS) { return; }", "if (lag0 >= LAGS) { return; }"],
    ["p3 += output_gradient[e3 * N4 + column] * t;", "p3 += output_gradient[e2 * N4 + column] * t;"],
    ["put(e, lag0 - 1u, block, p0);", "put(e, lag0, block, p0);"],
  ]),
  ...mutationsOf("kernels/pw/pw_table_weight_gradient.wgsl", looked, [
    ["  sums[chunk * N4 + column] = sum;\n", ""],
    ["if (history[e].x > lag) {", "if (history[e].x > lag + 1u) {"],
  ]),
  ...mutationsOf("kernels/pw/pw_table_gradient.wgsl", looked, [
    ["s1 = t.y * total;", "s1 = t.x * total;"],
    [
      "if (j + 2u < WEIGHTINGS) { s2 += source[at + 2u * N4]; }",
      "if (j + 2u < WEIGHTINGS) { s2 += source[at + N4]; }",
    ],
  ]),
  ...mutationsOf("kernels/pw/pw_history_gradient.wgsl", looked, [
    ["if (lag >= LAGS) { break; }", "if (lag + 1u >= LAGS) { break; }"],
    ["for (var e = past + 1u; e < end; e++) {", "for (var e = past + 2u; e < end; e++) {"],
    ["s2 += c.z * g;", "s2 += c.w * g;"],
  ]),
  ...mutationsOf("kernels/pw/pw_item_bias_gradient.wgsl", looked, [
    ["sum *= 1.0 - t * t;", "sum *= 1.0 - t;"],
    ["if (e != NONE) { sum +=", "if (e != NONE) { sum -="],
  ]),
  ...mutationsOf("kernels/pw/pw_base.wgsl", looked, [
    ["sum += c.z * table", "sum += c.y * table"],
    ["let end = min(first + STRETCH, ITEMS);", "let end = min(first + STRETCH, ITEMS - 1u);"],
  ]),
  ...mutationsOf("kernels/pw/pw_window.wgsl", looked, [
    [
      "repeated = repeated || lag < own;",
      "repeated = repeated || lag > own;",
      "an item counts once as before, at the oldest of its lags instead of the most recent",
    ],
    ["      repeated = repeated || lag < own;\n", ""],
    ["coefficient[at + BLOCKS] = 1.0 - y * y;", "coefficient[at + BLOCKS] = 1.0 - t * t;"],
    ["w += weights[lag * BLOCKS + block];", "w = weights[lag * BLOCKS + block];"],
  ]),
];
