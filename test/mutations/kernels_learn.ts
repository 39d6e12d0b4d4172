/** Faults in the kernels that remember simulated users, and learn from them. */

import { mutationsOf } from "./mutation.ts";

const seen = { tests: ["replay"], filter: "/^replay: (a drawn|read)/" };
const drawn = { tests: ["replay"], filter: "/^replay: pages are drawn/" };
const values = { tests: ["policy_training"], filter: "/values are/" };
const clip = { tests: ["gradient_clip"] };

export const learnKernels = [
  ...mutationsOf("kernels/slates/remember.wgsl", seen, [
    ["let page = step.page + select(0u, 1u, AFTER);", "let page = step.page;"],
    ["let u = i / S4;", "let u = i;"],
    ["select(LEFT, 0u, alive[u] > 0u)", "0u"],
    ["&& (happened[at - users].x & LEFT) == 0u;", ";"],
    ["let of_page = outcome[step.page * users + u];", "let of_page = outcome[u];"],
  ]),
  ...mutationsOf("kernels/slates/replay_starts.wgsl", drawn, [
    ["for (var k = 0u; k < i; k++) { before += sums[k]; }", "before = sums[i];"],
    ["let end = min(first + own, users);", "let end = min(first + own, users - 1u);"],
  ]),
  ...mutationsOf("kernels/slates/replay_draw.wgsl", drawn, [
    [
      "for (var slot = 0u; slot < SLOTS; slot++) { pages",
      "for (var slot = 1u; slot < SLOTS; slot++) { pages",
    ],
    ["+ middle] <= left)", "+ middle] < left)"],
    ["vec4u(id.x, step.iteration, 0u, REPLAY)", "vec4u(id.x, 0u, 0u, REPLAY)"],
    ["    left -= here;\n", ""],
  ]),
  ...mutationsOf("kernels/slates/recall.wgsl", seen, [
    ["input(page, 1u, i % X4)", "input(page, 0u, i % X4)"],
    ["f32(page.y + after) / f32(T);", "f32(page.y) / f32(T);"],
    ["select(1.0, 0.0, (what.x & LEFT) != 0u)", "1.0"],
  ]),
  ...mutationsOf("kernels/slates/recall_masks.wgsl", seen, [
    ["if (t < page.y) { masks", "if (true) { masks"],
    ["masks[(PANELS + p) * rows + b] = left_out[p];", "masks[(PANELS + p) * rows + b] = 0u;"],
    ["if (slot >= K) { continue; }", ""],
    ["k < before.y; k++", "k < before.x; k++"],
    ["if (REPEATS) { return; }", ""],
  ]),
  ...mutationsOf("kernels/slates/q_target.wgsl", values, [
    ["+ 1u < T)) {", "< T)) {"],
    ["of_page.z > 0.5 &&", ""],
    ["y += DISCOUNT * value;", "y += value;"],
    ["var y = of_page.y;", "var y = 0.0;"],
  ]),
  ...mutationsOf("kernels/slates/page_reward.wgsl", { tests: ["policy_training"], filter: "/resumed/" }, [
    ["outcome[step.page * USERS + u].yw", "outcome[u].yw"],
    ["for (var k = 1u; k < WORKGROUP; k++) { sum += sums[k]; }", ""],
  ]),
  ...mutationsOf("kernels/adam/gradient_norm.wgsl", clip, [
    ["for (var k = 1u; k < WORKGROUP; k++) { sum += sums[k]; }", ""],
    ["chunk < step.chunks", "chunk < 1u"],
    ["g = gradient[i];", ""],
  ]),
  ...mutationsOf("kernels/adam/gradient_clip.wgsl", clip, [
    ["if (sum <= MOST * MOST) { return; }", ""],
    ["let share = MOST / sqrt(sum);", "let share = MOST * MOST / sum;"],
    ["gradient[i] *= share;", ""],
  ]),
];
