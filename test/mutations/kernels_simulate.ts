/** Faults in the kernels of simulated users: masks, slates, choices, and what carries users on. */

import { mutationsOf } from "./mutation.ts";

const of = (filter: string) => ({ tests: ["simulate_kernels"], filter });
const users = (filter: string) => ({ tests: ["simulate_users"], filter });
const fromState = { tests: ["from_state"], filter: "remembered state" };
const simulator = (filter: string) => ({ tests: ["simulator"], filter });

export const simulateKernels = [
  ...mutationsOf("kernels/simulate/page_mask.wgsl", of("/^page_mask/"), [
    ["if (!REPEATS) { bits |= clicked[at]; }\n    if (POOL", "bits |= clicked[at];\n    if (POOL"],
    ["vec4u(POOL));", "vec4u(POOL / 2u));"],
    ["16u * (8u * panel + slot)", "16u * (4u * panel + slot)"],
    ["(out.w << 3u)", "(out.w << 2u)"],
    ["free >= SLATE", "free > SLATE"],
    [
      "var bits = excluded[panel];\n    if (!REPEATS) { bits |= clicked[at]; }\n    if (POOL",
      "var bits = 0u;\n    if (!REPEATS) { bits |= clicked[at]; }\n    if (POOL",
    ],
  ]),
  ...mutationsOf("kernels/simulate/choose.wgsl", of("/^choose/"), [
    ["ETA * (utility[first + j] + place", "(utility[first + j] + place"],
    ["var most = 0.0;", "var most = -3.0e38;"],
    [
      "if (threshold >= none && !broken(wrong)) {",
      "if (threshold > none + clicks * 0.01 && !broken(wrong)) {",
    ],
    ["if (threshold >= sum) { slot = j; }", "if (threshold > sum + none) { slot = j; }"],
    ["patience == PATIENCE;", "patience > PATIENCE;"],
    ["drawn(u, LEAVE_PURPOSE) < LEAVE", "drawn(u, CHOICE_PURPOSE) < LEAVE"],
    ["clicked[(item / 32u) * USERS + u] |=", "clicked[(item / 32u) * USERS + u] ="],
    ["  alive[u] = 1u;\n", ""],
    ["if (UTILITY) { reward = utility[first + slot]; }", ""],
    ["let logged = step.page * USERS + u;", "let logged = u;"],
    ["if (broken(wrong)) { any = wrong; }", ""],
    ["step.first_user + u, step.episode, step.page, purpose)", "u, step.episode, step.page, purpose)"],
    ["place[min(j - 1u, PLACES - 1u)]", "place[0] * f32(j)", "one place behind the first: there is no other"],
  ]),
  ...mutationsOf("kernels/simulate/random_slate.wgsl", of("/^(random_slate|explore)/"), [
    ["if (item == NONE) { item = tried(u, drawn.z); }\n", ""],
    ["for (; rank > 0u; rank--) { bits &= bits - 1u; }", ""],
    ["if (rank >= count) {", "if (rank > count) {"],
    ["masked[word_of(u, item)] |= 1u << (item % 32u);", ""],
    ["masked[word_of(u, item)] &= ~(1u << (item % 32u));", ""],
    [
      ">= step.epsilon) { return; }",
      "> step.epsilon) { return; }",
      "a draw is equal to neither .3, 0 nor 1 here, or does as well",
    ],
    ["EXPLORE_PURPOSE).x) >=", "EXPLORE_PURPOSE).y) >="],
    ["SLATE_PURPOSE + 16u * j", "SLATE_PURPOSE + j"],
  ]),
  ...mutationsOf("kernels/simulate/popular_slate.wgsl", of("/^top_slate/"), [
    ["if ((masked[at] & bit) != 0u) { continue; }", ""],
    ["    masked[at] |= bit;\n", ""],
    ["    j++;\n", "    j += 2u;\n"],
  ]),
  ...mutationsOf("kernels/simulate/top_slate.wgsl", of("/^top_slate/"), [
    ["(s == last_score && i > last)", "(s == last_score && i >= last)"],
    ["s > best_score)", "s >= best_score)"],
    ["let u = step.first_entry + e;", "let u = e;"],
    ["score[e * ITEMS + i]", "score[u * ITEMS + i]"],
    ["return select(x, LOWEST,", "return select(x, x,"],
    ["masked[(item / 32u) * USERS + u] |=", "masked[(item / 32u) * USERS + u] ="],
  ]),
  ...mutationsOf("kernels/simulate/shop_utility.wgsl", of("/^shop_utility/"), [
    ["0.3 * gap * gap", "0.3 * gap"],
    ["FATIGUE * (s.x * s.x + s.y * s.y)", "FATIGUE * (s.x * s.x)"],
    ["state[step.first_entry + r / EACH]", "state[r / EACH]"],
  ]),
  ...mutationsOf("kernels/simulate/shop_step.wgsl", of("/^shop_utility/"), [
    ["  if (clicked == NONE) { return; }\n", ""],
    ["0.7 * state[u].xyz + 0.3", "0.3 * state[u].xyz + 0.7"],
    ["* item[clicked].xyz, 0.0)", "* item[clicked].xyz, 1.0)"],
    ["* item[clicked].xyz,", "* item[clicked].xzy,"],
    ["if (u >= step.size.x) { return; }", "if (u > step.size.x) { return; }"],
  ]),
  ...mutationsOf("kernels/simulate/feed_click.wgsl", of("/^feed_click/"), [
    ["start[step.page * USERS + u]", "start[u]"],
    ["vec4u(event[u].xy, NONE, item)", "vec4u(event[u].xy, 0u, item)"],
    ["vec4u(event[u].xy, NONE, item)", "vec4u(0u, 0u, NONE, item)"],
    ["(item / 32u) * USERS + u", "(item / 32u) + u"],
    ["<< (item % 32u);", "<< (item % 31u);"],
    ["if (u >= step.size.x) { return; }", "if (u > step.size.x) { return; }"],
    [
      "  if (item == NONE) { return; }\n",
      "",
      "no panel has such an item: what is written beyond the buffer is dropped, or lands on the last bit of the last user",
    ],
    ["clicked[(item / 32u) * USERS + u] |=", "clicked[(item / 32u) * USERS + u] ="],
  ]),
  ...mutationsOf("kernels/simulate/fill.wgsl", of("/^(page_mask: a random|shop_utility)/"), [
    ["step.size.x * COUNT", "step.size.x"],
    ["words[i] = VALUE;", "words[i] = VALUE + 1u;"],
    ["if (i >= step.size.x * COUNT)", "if (i + 1u >= step.size.x * COUNT)"],
    ["if (i >= step.size.x * COUNT)", "if (i > step.size.x * COUNT)"],
  ]),
  ...mutationsOf("kernels/simulate/lstm_step.wgsl", users("/^trajectories: LSTM, dense items, cpu/"), [
    ["  if (item == NONE) { return; }\n", ""],
    ["load_product(p + 2u * H4) + 1.0)", "load_product(p + 2u * H4))"],
    ["f * cell[at] + i * g", "f * cell[at] + o * g"],
    ["let x = item * 4u * H4", "let x = u * 4u * H4"],
    ["  cell[at] = c;\n", ""],
  ]),
  ...mutationsOf(
    "kernels/simulate/push_click.wgsl",
    users("/^trajectories: PW, (dense|one-hot) items, cpu/"),
    [
      ["clicks[u * LIST + count] =", "clicks[u * LIST] ="],
      ["if (item == NONE || count", "if (count"],
      ["vec2u(count + 1u, u * LIST", "vec2u(count + 1u, 0u * LIST"],
      ["item == NONE || count >= LIST", "item == NONE", "a list has room for all clicks of an episode"],
    ],
  ),
  ...mutationsOf("kernels/simulate/pass_over.wgsl", { tests: ["selftest"], filter: "/pages/" }, [
    ["== of_event.z) { continue; }", "== of_event.y) { continue; }"],
    ["4u * (item % 8u)", "4u * (item % 7u)"],
    ["< MOST) {", "<= MOST) {"],
    ["const MOST = 15u;", "const MOST = 7u;"],
  ]),
  ...mutationsOf("kernels/pw/row_counts.wgsl", users("/^trajectories: counts, PW/"), [
    ["step.first_entry + e;", "step.first_entry;"],
    ["(4u * (item % 8u))) & 15u", "(4u * (item % 8u))) & 7u"],
  ]),
  ...mutationsOf("kernels/simulate/keep_state.wgsl", fromState, [
    ["clicks[past.y - back]", "clicks[past.y - 1u]"],
    ["x[c] = f32(past.x);", "x[c] = f32(min(past.x, LAGS));"],
  ]),
  ...mutationsOf("kernels/pw/row_counts.wgsl", simulator("/^greedy: .*, mixed items, cpu/"), [
    ["PAGE == 0u", "true"],
    ["item = row_item[r];", "item = r;"],
  ]),
  ...mutationsOf("kernels/simulate/put_state.wgsl", fromState, [
    ["if (v < S4) { encoded[u * S4 + v] = x; }", ""],
    ["let kept = min(count, LAGS);", "let kept = count;"],
    ["u * LIST + kept - back", "u * LIST + back - 1u"],
  ]),
  ...mutationsOf("kernels/simulate/take_rows.wgsl", simulator("/^greedy: .*, dense items/"), [
    ["input[step.first_entry * N4 + i]", "input[i]"],
  ]),
  ...mutationsOf(
    "kernels/pw/pw_table_forward.wgsl",
    users("/^trajectories: PW( with tanh)?, (one-hot|mixed) items, cpu/"),
    [
      ["event[end - 1u - lag].w", "event[end - lag].w"],
      ["if (lag < h2.x) { s2 +=", "if (lag < h1.x) { s2 +="],
      ["weighting(e, lag, block, true)", "weighting(e, 0u, block, true)"],
    ],
  ),
  ...mutationsOf("kernels/pw/pw_state_forward.wgsl", users("/^trajectories: PW, dense items/"), [
    ["select(e, history[e].y, LISTS)", "e"],
  ]),
  ...mutationsOf("kernels/pw/pw_window.wgsl", users("/^trajectories: PW with tanh, one-hot items/"), [
    ["select(e, history[e].y, LISTS)", "e"],
  ]),
  ...mutationsOf(
    "src/simulate/learned_users.ts",
    {
      tests: ["simulate_users", "simulator"],
      filter:
        "/^(trajectories: PW, one-hot items, cpu|trajectories: LSTM, dense items, cpu|greedy: .*, dense)/",
    },
    [
      [
        "return [...lists, ...zeros, ...nothing, ...this.#moved()];",
        "return [...lists, ...zeros, ...nothing];",
      ],
      [
        "...(this.#lstm ? [...this.#dispatches.product, lstmStep(this.page, this.#lstm)] : []),",
        "...(this.#lstm ? [lstmStep(this.page, this.#lstm)] : []),",
      ],
      [
        "return [...this.#dispatches.items, ...this.#catalogue?.tables ?? []];",
        "return [...this.#dispatches.items];",
      ],
    ],
  ),
  ...mutationsOf("src/simulate/page_headers.ts", simulator("/^bits/"), [
    ["this.sizes(place), 0);", "pageSizes(this.room, key.users), 0);"],
    ["const { episode, firstUser, seed", "const { episode, users: firstUser, seed"],
  ]),
  ...mutationsOf("src/simulate/page_headers.ts", of("/^top_slate/"), [
    ["Math.min(most, this.#users - first)", "most"],
  ]),
];
