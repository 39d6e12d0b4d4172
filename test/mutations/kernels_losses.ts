/** Faults in the kernels of losses, of the optimiser, and of what is kept of them. */

import { mutationsOf } from "./mutation.ts";

export const lossKernels = [
  ...mutationsOf("kernels/choice/choice_nll.wgsl", {
    tests: ["ops"],
    filter: "/choice_nll: .*, (few|given|further)$/",
  }, [
    ["var most = 0.0;", "var most = -3.0e38;"],
    ["var sum = exp(-most);", "var sum = 0.0;"],
    ["let events = f32(step.counted);", "let events = f32(step.size.y);"],
    ["share_in_top(2.0, greater, equal), 1.0)", "share_in_top(1.0, greater, equal), 1.0)"],
    ["clamp((k - greater) / max(equal, 1.0), 0.0, 1.0)", "clamp(k - greater, 0.0, 1.0)"],
    ["- select(0.0, 1.0, r == click)) / events", "+ select(0.0, 1.0, r == click)) / events"],
    ["u_gradient[r] = ETA * (p", "u_gradient[r] = (p"],
    ["place[min(r - first - 1u,", "place[min(r - first,"],
    ["max(select(z, -z, r == click), 0.0)", "max(z, 0.0)"],
    ["if (LOGISTIC) { p =", "if (false) { p ="],
    ["if (LOGISTIC) { return 1.0 /", "if (false) { return 1.0 /"],
    ["if (j == 0u) { sum = plus(sum, 0.0, 1.0); }", ""],
    ["if (!own) { sum = plus(sum, z, 1.0); }", ""],
    ["u_gradient[event[e + j].x] = 0.0;", ""],
    ["none *= max(other - 1.0, 0.0)", "none *= other"],
    ["select(z, -z, own)", "z"],
    ["z == clicked_z);", "z == clicked_z && r != click);"],
    ["z > clicked_z);", "u[r] > u[click]);"],
    ["panels < vec4u(PANELS));", "panels <= vec4u(PANELS));"],
    [
      "const ETA = 1.0;",
      "const ETA = 2.0;",
      "the op writes its own value over the default",
    ],
  ]),
  ...mutationsOf("kernels/choice/place_gradient.wgsl", {
    tests: ["ops"],
    filter: "/(choice_nll: places|item_term: .* bias), (few|many)$/",
  }, [
    ["let start = of_event.x + SKIP + place;", "let start = of_event.x + place;"],
    ["place + 1u == PLACES)", "false)"],
    ["if (ACCUMULATE) { partials[at] += sum; }", "if (false) { partials[at] += sum; }"],
  ]),
  ...mutationsOf("kernels/minimax/minimax.wgsl", {
    tests: ["minimax"],
    filter: "/^minimax: .*, (few|given)$/",
  }, [
    ["gradient[r] = -share * pi *", "gradient[r] = share * pi *"],
    [
      "var loss_max = most_u + (expected - 0.5 / eta * squares);",
      "var loss_max = most_u + (expected - 1.0 / eta * squares);",
    ],
    ["let slope = expected - squares / eta;", "let slope = expected - squares;"],
    [
      "share_in_top(1.0, above.y, equal.y), share_in_top(2.0, above.y, equal.y)",
      "share_in_top(2.0, above.y, equal.y), share_in_top(1.0, above.y, equal.y)",
    ],
    ["vec2(x > clicked_u, z > clicked_logit)", "vec2(x > clicked_u, x > clicked_u)"],
    ["let counts = clicked || !SKIP_NO_CLICK;", "let counts = true;"],
    ["PENALTY / items * (u[r] - mean_u)", "PENALTY / items * u[r]"],
    ["PENALTY / items * (u[r] - mean_u)", "PENALTY * (u[r] - mean_u)"],
  ]),
  ...mutationsOf("kernels/minimax/exact_minimax.wgsl", {
    tests: ["minimax"],
    filter: "/exact_minimax: .*, (few|given)$/",
  }, [
    [
      "if (other >= z) {",
      "if (other > z) {",
      "an item as far up as this one adds z to both sides of the comparison that follows",
    ],
    ["(support_sum - 1.0)", "(support_sum + 1.0)"],
    ["let z = eta * (u[r] - most_u);", "let z = u[r] - most_u;"],
    [
      "(most_u - clicked_u) + (expected - 0.5 / eta * squares);",
      "most_u + (expected - 0.5 / eta * squares);",
    ],
    ["policy[r] - select(0.0, 1.0, r == click)", "policy[r] - select(0.0, 1.0, r == first)"],
    [
      "if (1.0 + count * z > sum) {",
      "if (1.0 + count * z >= sum) {",
      "an item at the threshold itself has pi = 0 on both sides of it",
    ],
  ]),
  ...mutationsOf("kernels/choice/outcome_sum.wgsl", {
    tests: ["minimax"],
    filter: "/^minimax: reward, game 0, many$/",
  }, [
    ["sum += outcome[e * VECTORS + group.x];", "sum += outcome[e * VECTORS];"],
    ["for (var k = 0u; k < WORKGROUP; k++) { total", "for (var k = 1u; k < WORKGROUP; k++) { total"],
    ["e += WORKGROUP) {", "e += WORKGROUP + 1u) {"],
  ]),
  ...mutationsOf("kernels/adam/adam.wgsl", { tests: ["adam"] }, [
    ["BETA1 * m[i] + (1.0 - BETA1) * g;", "BETA1 * m[i] + BETA1 * g;"],
    ["(1.0 - BETA2) * g * g;", "(1.0 - BETA2) * g;"],
    ["(sqrt(v1) + EPSILON)", "sqrt(v1 + EPSILON)"],
    ["partials[chunk * P4 + FIRST4 + i]", "partials[chunk * P4 + i]"],
    ["if (i < SUMMED4) {", "if (i <= SUMMED4) {"],
    ["w1 -= step.decay * w;", "w1 -= step.decay * step.learning_rate * w;"],
    ["(i >= DECAY2 && i < DECAY2_END)", "(i > DECAY2 && i < DECAY2_END)"],
    ["chunk < step.chunks;", "chunk + 1u < step.chunks;"],
    ["const BETA2 = 0.999;", "const BETA2 = 0.99;", "the op writes its own value over the default"],
  ]),
  ...mutationsOf("kernels/adam/adam_rows.wgsl", { tests: ["row_sparse_adam"], filter: "adam_rows:" }, [
    ["let i = row * N4 + k % N4;", "let i = (k / N4) * N4 + k % N4;"],
    ["let g = gradient[k];", "let g = gradient[k % N4];"],
    ["if (DECAYS) { w1 -= step.decay * w; }", "w1 -= step.decay * w;"],
    ["BETA2 * v[i] + (1.0 - BETA2) * g * g;", "BETA1 * v[i] + (1.0 - BETA1) * g * g;"],
  ]),
  ...mutationsOf("kernels/adam/gradient_add.wgsl", {
    tests: ["cut_batches"],
    filter: "/parts.*: (dense|one-hot)$/",
  }, [
    ["if (!FIRST) { g += total[i]; }", "g += total[i];"],
    ["if (!FIRST) { g += total[i]; }", ""],
    ["partials[FIRST4 + i] = g;", "partials[FIRST4 + i] += g;"],
    ["    gradient[i] = g;\n", ""],
  ]),
  ...mutationsOf("kernels/adam/gradient_rows_add.wgsl", { tests: ["cut_batches"], filter: "row-sparse" }, [
    ["if (before) { sum += total[row * N4 + c]; }", ""],
    ["  mark[row] = row;\n", ""],
    ["let before = mark[row] == row;", "let before = true;"],
  ]),
  ...mutationsOf("kernels/adam/best_compare.wgsl", {
    tests: ["model"],
    filter: "validation figures and snapshots",
  }, [
    [
      "best[4u + k] = step.iteration;",
      "best[4u] = step.iteration;",
      "nobody reads the iterations on the device: the host keeps its own record of them",
    ],
    ["best[8u + k] = select(0u, 1u, better);", "best[8u + k] = select(1u, 0u, better);"],
    ["if (k == 0u) { better = value < known; }", ""],
    ["ring[(FIRST + k) * VECTORS + v]", "ring[FIRST * VECTORS + v]"],
  ]),
  ...mutationsOf("kernels/adam/keep_best.wgsl", {
    tests: ["model"],
    filter: "validation figures and snapshots",
  }, [
    ["if (best[9] == 1u) { by_prec1[i]", "if (best[8] == 1u) { by_prec1[i]"],
    ["if (best[8] + best[9] + best[10] == 0u) { return; }", "if (best[8] == 0u) { return; }"],
    [
      "if (best[8] + best[9] + best[10] == 0u) { return; }\n",
      "\n",
      "only saves the walk over the weights: each copy asks again",
    ],
  ]),
];
