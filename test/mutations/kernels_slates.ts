/** Faults in the kernels that choose slates. */

import { mutationsOf } from "./mutation.ts";

const cpu = { tests: ["slate_kernels"], filter: "/^slate_score: .* 20 units, kernels for a cpu/" };
const gpu = { tests: ["slate_kernels"], filter: "/^slate_score: .* 20 units, kernels for a gpu/" };
const pick = { tests: ["slate_kernels"], filter: "/^slate_pick/" };

export const slateKernels = [
  ...mutationsOf("kernels/cpu/slate_score_panel.wgsl", cpu, [
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
  ...mutationsOf("kernels/slate_score_tiled.wgsl", gpu, [
    ["sums[i][c] > value)", "sums[i][c] >= value)"],
    ["((bits >> c) & 1u) == 0u &&", ""],
    ["item + c < place.items &&", ""],
    ["if (values[lane % 64u][x] > most) {", "if (values[lane % 64u][x] >= most) {"],
    [
      "let inside = v + load_v < L4;",
      "let inside = true;",
      "the sum over n ends at the last unit, whatever the tile has behind it",
    ],
    ["n < min(16u, 4u * (L4 - v))", "n < 16u"],
    ["u * (lane / 64u) + 8u; x++", "u * (lane / 64u) + 7u; x++"],
  ]),
  ...mutationsOf("kernels/slate_pick.wgsl", pick, [
    ["bitcast<f32>(other.x) > bitcast<f32>(most.x)", "bitcast<f32>(other.x) >= bitcast<f32>(most.x)"],
    ["other.y != NONE && (", "("],
    ["if (slates[row * place.slate + j] == item) { item++; }", ""],
    ["most = vec2u(0u, unused(row));", "most.y = unused(row);"],
    ["masked[most.y / 32u * place.mask_stride + row] |=", "masked[most.y / 32u * place.mask_stride + row] ="],
    ["+= bitcast<f32>(most.x);", "= bitcast<f32>(most.x);"],
    ["v < place.later4; v++", "v + 1u < place.later4; v++"],
    ["if (place.next_bias4 != NONE) {", "if (false) {"],
  ]),
];
