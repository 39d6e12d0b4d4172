/** Faults in the kernels that lay out a batch: events, rows, items, tokens. */

import { mutationsOf } from "./mutation.ts";

const batch = { tests: ["batch"] };
const tokens = { tests: ["ops"], filter: "/^mixed_product: .*(few|many|touched rows)$/" };

export const batchKernels = [
  ...mutationsOf("kernels/batch/batch_expand.wgsl", batch, [
    ["if (plan[middle].y <= e) {", "if (plan[middle].y < e) {"],
    ["let feeds = clicked && e + 1u < user_end.y;", "let feeds = clicked;"],
    ["(logged_event.z - user_event.z) & (FURTHER_BIT - 1u);", "logged_event.z & (FURTHER_BIT - 1u);"],
    ["1u << (item_bit & 31u));", "1u << (item_bit & 15u));"],
    ["let first = user.z + (log_first - user_event.x);", "let first = log_first - user_event.x;"],
    ["if (given) { click = GIVEN; }", ""],
    ["if (further) { click =", "if (false) { click ="],
    ["select(logged_event.y, log_first, further)", "logged_event.y"],
  ]),
  ...mutationsOf("kernels/batch/batch_rank.wgsl", batch, [
    ["before += countOneBits(word);", "before += 1u;"],
    ["    bits[slice + w] = 0u;\n", ""],
    ["for (var k = 0u; k < local.x; k++) { before", "for (var k = 0u; k <= local.x; k++) { before"],
  ]),
  ...mutationsOf("kernels/batch/batch_group.wgsl", batch, [
    ["((1u << bit) - 1u)", "((2u << bit) - 1u)"],
    ["order & 31u) - items] = r;", "order & 31u)] = r;"],
    ["if (r == 0u) { slot_first[slice * SLOTS + items] = rows; }", ""],
    ["select(slot, item, ONE_HOT);", "slot;"],
  ]),
  ...mutationsOf("kernels/scatter/token_mark.wgsl", tokens, [
    ["k < last && !fed; k++)", "k < last; k++)"],
    ["if (fed) { atomicOr(&bits[LIST_WORDS + word], bit); }", "atomicOr(&bits[LIST_WORDS + word], bit);"],
  ]),
  ...mutationsOf("kernels/scatter/token_group.wgsl", tokens, [
    ["vec2u(slot, TOKENS + token[p])", "vec2u(slot, token[p])"],
    ["pair[all.y + countOneBits(all.x & (bit - 1u))]", "pair[all.y]"],
  ]),
  ...mutationsOf("kernels/scatter/token_sum.wgsl", tokens, [
    ["if (ADD) { sum = output[i]; }", ""],
    ["for (var p = item_first[item]; p < end; p++)", "for (var p = item_first[item] + 1u; p < end; p++)"],
  ]),
  ...mutationsOf("kernels/scatter/token_gradient.wgsl", tokens, [
    ["let whole = min((k + CHUNK - 1u) / CHUNK * CHUNK, end);", "let whole = min(k / CHUNK * CHUNK, end);"],
    ["if (ACCUMULATE) { sum += output[i]; }", ""],
    ["(place & 31u)) - 1u));", "(place & 31u))));"],
  ]),
  ...mutationsOf("kernels/scatter/token_gradient_chunks.wgsl", tokens, [
    ["(token >= TOKENS) != FED ||", "(token >= TOKENS) == FED ||"],
    ["for (var k = first; k < end; k++) {", "for (var k = first; k + 1u < end; k++) {"],
  ]),
  ...mutationsOf("kernels/scatter/token_gradient_rows.wgsl", tokens, [
    ["if (place == 0u || pair[k - 1u].y != own) {", "if (own != NONE) {"],
    ["own - select(0u, TOKENS, FED)", "own"],
  ]),
];
