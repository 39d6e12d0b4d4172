import type { Changes } from "../src/exercise/answers.ts";

/** Wrong answer, as a list of exercise, missing part, error pattern, and changes of a correct answer. */
type NearlyRight = readonly [exercise: string, string, RegExp, ...Changes];

/** Wrong answers that give correct results for the first odd sizes. */
export const nearlyRight: readonly NearlyRight[] = [
  ["softmax", "no click in the maximum", /, all utilities about -200/, [
    "var most = 0.0;",
    "var most = u[first];",
  ]],
  [
    "matmul",
    "that infinity less infinity is NaN",
    /, sums of several hundred/,
    ["select(exp(min(z, 0.0)) - 1.0, z, z > 0.0)", "max(z, 0.0) + exp(z) - exp(max(z, 0.0))"],
  ],
  [
    "batch_norm",
    "to take the mean away first",
    /, constant columns/,
    ["(x - mean) * inverse * product", "(x * inverse - mean * inverse) * product"],
  ],
  [
    "lstm",
    "that infinity by infinity is NaN",
    /, gates of up to 100/,
    ["1.0 / (1.0 + exp(-clamp(x, -30.0, 30.0)))", "exp(x) / (1.0 + exp(x))"],
  ],
  ["adam", "epsilon", /, gradients of 0/, ["(sqrt(v[i]) + EPSILON)", "sqrt(v[i])"]],
  ["rank", "that a word has 32 bits", /, every bit set/, [
    "before += countOneBits(bits[k]);",
    "before += countOneBits(bits[k] & 0x7fffffffu) + select(0u, 1u, (bits[k] >> 30u) > 1u && bits[k] != 0xffffffffu);",
  ]],
  [
    "table_gradient",
    "where an item's rows go on",
    /, nearly all rows of one item/,
    ["k < slot_first[i + 1u]", "k < min(slot_first[i + 1u], slot_first[i] + 512u)"],
  ],
  ["last_clicks", "where the window ends", /, more clicks than the window/, [
    "lag < min(clicks, LAGS)",
    "lag < clicks",
  ]],
  ["draw", "to take the largest away", /, utilities of 90/, [
    "most = max(most, utility[first + j]);",
    "most = 0.0;",
  ]],
  ["slate_score", "which of equal items is the first", /, equal items/, ["sum > most", "sum >= most"]],
  [
    "sparsemax",
    "to take the largest away",
    /, utilities about 10,000/,
    ["for (var r = first; r < end; r++) { most = max(most, u[r]); }", "most = 0.0;"],
  ],
];
