/** Faults in the kernels that choose slates. */

import { mutationsOf } from "./mutation.ts";

const cpu = { tests: ["slate_kernels"], filter: "/^slate_score: .* 20 units, kernels for a cpu/" };
const gpu = { tests: ["slate_kernels"], filter: "/^slate_score: .* 20 units, kernels for a gpu/" };
const pick = { tests: ["slate_kernels"], filter: "/^slate_pick/" };

const act = { tests: ["q_network"], filter: "/^act: .* kernels for a cpu/" };
const learn = { tests: ["q_network"], filter: "/^learn: .* kernels for a cpu/" };

export const slateKernels = [
  ...mutationsOf("kernels/slates/slate_score_panel.wgsl", cpu, [
    ["let wins = value > b.value && !taken;", "let wins = value >= b.value && !taken;"],
    ["let wins = value > b.value && !taken;", "let wins = value > b.value;"],
    ["most = better4(most, s.s7, first + 28u, bits >> 28u);", ""],
    [
      "most = better4(most, s.s5, first + 20u, bits >> 20u);",
      "most = better4(most, s.s5, first + 20u, bits);",
    ],
    ["if (place.items - first < 32u) { bits", "if (false) { bits"],
    ["return max(z, vec4f(0.0));", "return z;"],
    ["  if (L4 > 4u) { s = add(s, b[4], 4u); }\n", ""],
  ]),
  ...mutationsOf("kernels/slates/slate_score_tiled.wgsl", gpu, [
    ["sums[i][c] > value)", "sums[i][c] >= value)"],
    [
      "max(vec4f(base_tile[4u * local.y + i][n]) + e4, vec4f(0.0))",
      "(vec4f(base_tile[4u * local.y + i][n]) + e4)",
    ],
    ["((bits >> c) & 1u) == 0u &&", ""],
    ["item + c < place.items &&", ""],
    ["if (values[lane % 64u][x] > most) {", "if (values[lane % 64u][x] >= most) {"],
    ["n < min(16u, 4u * (L4 - v))", "n < 16u"],
    ["u * (lane / 64u) + 8u; x++", "u * (lane / 64u) + 7u; x++"],
  ]),
  ...mutationsOf("kernels/slates/slate_pick.wgsl", pick, [
    ["bitcast<f32>(other.x) > bitcast<f32>(most.x)", "bitcast<f32>(other.x) >= bitcast<f32>(most.x)"],
    ["other.y != NONE && (", "(", "a panel without an item has the lowest value of all"],
    ["if (slates[row * place.slate + j] == item) { item++; }", ""],
    ["most = vec2u(0u, unused(row));", "most.y = unused(row);"],
    ["masked[most.y / 32u * place.mask_stride + row] |=", "masked[most.y / 32u * place.mask_stride + row] ="],
    ["+= bitcast<f32>(most.x);", "= bitcast<f32>(most.x);"],
    ["v < place.later4; v++", "v + 1u < place.later4; v++"],
    ["if (place.next_bias4 != NONE) {", "if (false) {"],
  ]),
  ...mutationsOf("kernels/slates/slate_pick.wgsl", act, [
    [
      "let source = item * place.table_stride4 + place.chosen_at4;",
      "let source = item * place.table_stride4;",
    ],
    ["slates[slot] = most.y; }", "slates[slot] = most.x; }"],
  ]),
  ...mutationsOf("kernels/slates/slate_value_forward.wgsl", learn, [
    ["if (place.bias4 != NONE) {", "if (false) {"],
    ["slot_item[row] = item;", "slot_item[row] = 0u;"],
    ["let h = max(z, vec4f(0.0));", "let h = z;"],
    ["v < place.later4; v++", "v + 1u < place.later4; v++"],
    ["if (c == place.slate && place.zero_at != NONE) {", "if (false) {"],
    ["var rest = 0.0;", "var rest = 1.0;"],
  ]),
  ...mutationsOf("kernels/slates/slate_value_backward.wgsl", learn, [
    ["let d = select(vec4f(0.0), dq * w, h > vec4f(0.0));", "let d = dq * w;"],
    ["let end = min(first + each, rows);", "let end = min(first + each, rows - 1u);"],
    ["base_gradient[row * L4 + v] = before + d;", "base_gradient[row * L4 + v] = d;"],
    ["for (var m = 0u; m < j; m++) { parts[MOST * before4(m) + row * width4(m) + behind] += d; }", ""],
    ["+ (j - m) * L4 + v] = d; }", "+ v] = d; }"],
    ["if (ZERO) { values_gradient", "if (false) { values_gradient"],
    ["if (!CHOSEN) { values_gradient[to] = sum; }", ""],
    ["if (BIAS) { put(", "if (false) { put("],
    ["if (SHARED) { put(chunk + places.weights, shared_sum); }", ""],
    ["c < VALUE_STRIDE; c++) { values_gradient[to + c] = 0.0; }", "c < 0u; c++) { }"],
  ]),
  ...mutationsOf("kernels/slates/q_loss.wgsl", learn, [
    ["return vec2f(d * d, 2.0 * d);", "return vec2f(d * d, d);"],
    ["if (HUBER && abs(d) > 1.0) {", "if (false) {"],
    ["select(COLUMNS - 1u, u32(outcome[row].x), CHOICE)", "COLUMNS - 1u"],
    ["CHAINED_STRIDE + c + 1u]", "CHAINED_STRIDE + c]"],
    ["if (CHAINED && c + 1u < COLUMNS)", "if (CHAINED)"],
    ["gradient[at + c] = slope;", "gradient[at + c] = slope + 0.001;"],
  ]),
  ...mutationsOf("kernels/slates/state_input.wgsl", { tests: ["q_network"], filter: "state input" }, [
    ["x[TIME % 4u] = f32(step.page) / f32(T);", "x[TIME % 4u] = f32(step.page);"],
    ["if (v < S4) { x = load_state(row * S4 + v); }", "x = load_state(row * S4 + min(v, S4 - 1u));"],
    ["if (v == TIME / 4u) {", "if (false) {"],
  ]),
  ...mutationsOf("kernels/slates/slate_ratio.wgsl", { tests: ["slate_kernels"], filter: "/^slate_ratio/" }, [
    ["if (!by_chance) { key =", "if (false) { key ="],
    ["round < ROUNDS;", "round < 2u;"],
    ["(w.y + more), 0.0);\n    w.y = gain(at, most, w);", "(w.y + more), 0.0);"],
    [
      "key > keys[j - 1u]); j--)",
      "key >= keys[j - 1u]); j--)",
      "pairs of equal items are worth the same, whichever is taken",
    ],
    ["if (((bits >> (item % 32u)) & 1u) == 1u) { continue; }", ""],
    ["none = values[row * VALUE_STRIDE + 1u];", ""],
    ["let u = ETA * utility(at.own, item);", "let u = utility(at.own, item);"],
    ["masked[slate[j] / 32u * MASK_STRIDE + row] |=", "masked[slate[j] / 32u * MASK_STRIDE + row] ="],
  ]),
  ...mutationsOf("kernels/slates/recall_states.wgsl", { tests: ["slateq"], filter: "slateq: best slates" }, [
    ["page.y + 1u)", "page.y)"],
  ]),
];
