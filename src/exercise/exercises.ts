/** The exercises of the course, in the order of the course. */

import adamText from "../../kernels/adam/adam.wgsl" with { type: "text" };
import rankText from "../../kernels/batch/batch_rank.wgsl" with { type: "text" };
import normText from "../../kernels/batch_norm/batch_norm_input_gradient.wgsl" with { type: "text" };
import adamStarter from "../../kernels/exercises/adam.wgsl" with { type: "text" };
import normStarter from "../../kernels/exercises/batch_norm.wgsl" with { type: "text" };
import drawStarter from "../../kernels/exercises/draw.wgsl" with { type: "text" };
import inputStarter from "../../kernels/exercises/input_gradient.wgsl" with { type: "text" };
import clicksStarter from "../../kernels/exercises/last_clicks.wgsl" with { type: "text" };
import lstmStarter from "../../kernels/exercises/lstm.wgsl" with { type: "text" };
import lstmBackwardStarter from "../../kernels/exercises/lstm_backward.wgsl" with { type: "text" };
import matmulStarter from "../../kernels/exercises/matmul.wgsl" with { type: "text" };
import panelStarter from "../../kernels/exercises/panel.wgsl" with { type: "text" };
import rankStarter from "../../kernels/exercises/rank.wgsl" with { type: "text" };
import registersStarter from "../../kernels/exercises/registers.wgsl" with { type: "text" };
import slateStarter from "../../kernels/exercises/slate_score.wgsl" with { type: "text" };
import softmaxStarter from "../../kernels/exercises/softmax.wgsl" with { type: "text" };
import sparsemaxStarter from "../../kernels/exercises/sparsemax.wgsl" with { type: "text" };
import tableStarter from "../../kernels/exercises/table_gradient.wgsl" with { type: "text" };
import weightStarter from "../../kernels/exercises/weight_gradient.wgsl" with { type: "text" };
import sparsemaxText from "../../kernels/minimax/exact_minimax.wgsl" with { type: "text" };
import clicksText from "../../kernels/pw/pw_state_forward.wgsl" with { type: "text" };
import tableText from "../../kernels/scatter/embedding_gradient.wgsl" with { type: "text" };
import chooseText from "../../kernels/simulate/choose_click.wgsl" with { type: "text" };
import slatePanelText from "../../kernels/slates/slate_score_panel.wgsl" with { type: "text" };
import slateTiledText from "../../kernels/slates/slate_score_tiled.wgsl" with { type: "text" };
import { getConstant, parseKernel } from "../gpu/kernel.ts";
import { countPanels, MOST_UNITS, PANEL as ITEM_PANEL } from "../policy/network/slate_score.ts";
import type { Ladder, LadderSize } from "../ladder/check_ladder.ts";
import { createChoiceTrial } from "../ladder/choice_ladder.ts";
import { findLadder } from "../ladder/ladders.ts";
import { createLstmTrial } from "../ladder/lstm_ladder.ts";
import { createForwardTrial, makePanelCheck, PANEL } from "../ladder/matmul_ladder.ts";
import type { Exercise, SizeLetters } from "./exercise.ts";
import {
  countChunks,
  countVectors,
  createKernelExercise,
  getOrdinaryUtility,
  getPageLetters,
  listHardCases,
  longPages,
} from "./exercise.ts";
import { warmUp } from "./puzzles.ts";
import {
  countAdamParameters,
  countEvents,
  createAdamTrial,
  createLastClicksTrial,
  createNormTrial,
  createSlateTrial,
  createSparsemaxTrial,
  createTableTrial,
  drawTrial,
  rankTrial,
} from "./trials.ts";

function letters([M = 1, K, N]: LadderSize): SizeLetters {
  return { M, K4: countVectors(K), N4: countVectors(N), C: countChunks(M) };
}

const forward = {
  ladder: findLadder("forward"),
  hard: listHardCases(createForwardTrial, [
    ["sums of several hundred, whose exp is infinite", [37, 19, 21], 200],
  ]),
  letters,
};

const lstm = {
  chapter: "3-lstm.md",
  hard: listHardCases(createLstmTrial, [["gates of up to 100, and users without events", [11, 5, 6], true]]),
  letters: ([B = 1, , H]: LadderSize): SizeLetters => ({ B, H4: countVectors(H) }),
};

const slateTiled = parseKernel("slate_score_tiled", slateTiledText);
const slatePanel = parseKernel("slate_score_panel", slatePanelText);

const slateLadder: Ladder = {
  name: "slate_score",
  title: "the best of every 32 items, U users x I items, L hidden units",
  size: [256, 1000, 64],
  oddSizes: [[1, 1, 4], [37, 33, 12], [67, 130, 64]],
  open: (gpu, size) => createSlateTrial(gpu, size),
  dispatch: "slate_score",
  constants: ([, I = 1]) => ({ ITEMS: I }),
  steps: [
    {
      kernel: slateTiled,
      idea: "shipped for GPUs",
      invocations: ([U = 1, I = 1]) => [16 * Math.ceil(countPanels(I) / 2), Math.ceil(U / 4)],
    },
    {
      kernel: slatePanel,
      idea: "shipped for CPU adapters",
      invocations: ([U = 1, I = 1]) => {
        const workgroup = getConstant(slatePanel, "WORKGROUP");
        return [workgroup * countPanels(I), Math.ceil(U / workgroup)];
      },
    },
  ],
};

export const exercises: readonly Exercise[] = [
  ...warmUp,
  {
    name: "softmax",
    what: "loss and gradient of a choice with a null option",
    chapter: "1-softmax.md",
    starter: softmaxStarter,
    ladder: findLadder("choice"),
    solution: "choice_nll",
    hard: listHardCases(createChoiceTrial, [
      ["all utilities about -200", [7, 3], (k) => -200 - k / 4],
      [
        "one page of utilities about -200",
        [8, 3],
        (k, e) => e === 1 ? -200 - k / 4 : getOrdinaryUtility(k, e, 3),
      ],
      [
        "utility of each page's last row far above the others",
        [8, 3],
        (k, e, length) => k === length - 1 ? 100 + e / 4 : getOrdinaryUtility(k, e, length),
      ],
      longPages,
    ]),
    letters: getPageLetters,
  },
  {
    name: "matmul",
    what: "a dense layer, ELU(X W + b)",
    ...forward,
    chapter: "2-matmul.md",
    starter: matmulStarter,
    solution: "matmul_forward_tiled",
  },
  {
    name: "input_gradient",
    what: "the gradient of a dense layer's input",
    chapter: "2-matmul.md",
    starter: inputStarter,
    ladder: findLadder("input"),
    solution: "matmul_input_gradient_tiled",
    hard: [],
    letters,
  },
  {
    name: "weight_gradient",
    what: "the gradient of a dense layer's weights, in chunks",
    chapter: "14-filling-the-machine.md",
    starter: weightStarter,
    ladder: findLadder("weight"),
    solution: "matmul_weight_gradient_tiled",
    hard: [],
    letters,
  },
  {
    name: "lstm",
    what: "an LSTM over the history of every user",
    ...lstm,
    starter: lstmStarter,
    ladder: findLadder("lstm"),
    solution: "lstm_forward_group",
  },
  {
    name: "lstm_backward",
    what: "the gradient of an LSTM, back through time",
    ...lstm,
    starter: lstmBackwardStarter,
    ladder: findLadder("lstm_backward"),
    solution: "lstm_backward_group",
  },
  createKernelExercise({
    name: "rank",
    what: "number of bits set before each word: positions in sorted order",
    chapter: "4-batch.md",
    starter: rankStarter,
    kernel: parseKernel("batch_rank", rankText),
    title: "number of bits before each of W words",
    size: [8192],
    oddSizes: [[2], [37], [1029]],
    trial: rankTrial,
    hard: [
      ["every bit set", [130], () => 0xffffffff],
      ["only the first or last bit of some words", [130], (w) => [1, 0, 0, 2 ** 31][w % 4] ?? NaN],
    ],
    letters: ([W = 1]) => ({ W }),
    refuses: ([W = 1]) => W >= 2 ? undefined : "needs at least one word of items and one of rows",
  }),
  createKernelExercise({
    name: "table_gradient",
    what: "the gradient of a table, gathered by item",
    chapter: "5-scatter.md",
    starter: tableStarter,
    kernel: parseKernel("embedding_gradient", tableText),
    title: "gradient of a table, E events, D items x N columns",
    size: [2560, 500, 64],
    oddSizes: [[2, 1, 5], [37, 11, 19], [301, 67, 12]],
    trial: createTableTrial,
    hard: [
      ["nearly all rows of one item", [600, 5, 9], { getItem: () => 2 }],
      ["no item is an input of an event", [37, 11, 5], { clicks: () => false }],
    ],
    letters: ([E = 1, D = 1, N]) => ({ E, D, N4: countVectors(N) }),
  }),
  createKernelExercise({
    name: "batch_norm",
    what: "the gradient of batch norm's input",
    chapter: "6-batch-norm.md",
    starter: normStarter,
    kernel: parseKernel("batch_norm_input_gradient", normText),
    title: "batch norm, gradient of the input, R rows x N columns",
    size: [12_800, 64],
    oddSizes: [[3, 5], [37, 19], [1301, 68]],
    trial: createNormTrial,
    hard: [["constant columns, and columns of 1,000 that vary little", [39, 19], true]],
    letters: ([R = 1, N]) => ({ R, N4: countVectors(N), C: countChunks(R) }),
  }),
  createKernelExercise({
    name: "adam",
    what: "a step of Adam from partial sums of the gradient",
    chapter: "7-adam.md",
    starter: adamStarter,
    kernel: parseKernel("adam", adamText),
    title: "Adam, one step of P parameters (P is rounded up to a multiple of 64)",
    size: [262_144],
    oddSizes: [[1], [137], [4099]],
    trial: createAdamTrial,
    constants: (size) => ({ P4: countAdamParameters(size) / 4 }),
    hard: [["gradients of 0 and of about epsilon", [37], true]],
    letters: (size) => ({ P4: countAdamParameters(size) / 4 }),
  }),
  createKernelExercise({
    name: "last_clicks",
    what: "the last clicks before every event, under learned weights",
    chapter: "8-position-weights.md",
    starter: clicksStarter,
    kernel: parseKernel("pw_state_forward", clicksText),
    title: "position weights, B users x T events, F features under four weightings",
    size: [128, 20, 64],
    oddSizes: [[1, 1, 5], [11, 5, 7], [3, 9, 20]],
    trial: createLastClicksTrial,
    constants: ([, , F = 1]) => ({ F }),
    hard: [["more clicks than the window has lags, and users without clicks", [5, 40, 6], true]],
    letters: (size) => ({ E: countEvents(size), F: size[2] ?? 1, F4: countVectors(size[2]) }),
  }),
  // The exact generator (a projection on the simplex), and the gradient of the reward.
  createKernelExercise({
    name: "sparsemax",
    what: "the projection on the simplex: the exact generator",
    chapter: "9-minimax.md",
    starter: sparsemaxStarter,
    kernel: parseKernel("exact_minimax", sparsemaxText),
    title: "sparsemax and the reward's gradient, E events x K rows",
    size: [2560, 10],
    oddSizes: [[1, 1], [13, 3], [67, 41]],
    trial: createSparsemaxTrial,
    hard: [
      ["all rows of a page equal", [7, 3], (_, e) => e - 3],
      [
        "utilities about 10,000 and -10,000",
        [8, 3],
        (k, e) => (e % 2 === 0 ? 10_000 : -10_000) + (37 * k * k + e) % 64 / 64,
      ],
      longPages,
    ],
    letters: getPageLetters,
  }),
  createKernelExercise({
    name: "draw",
    what: "a click or no click, drawn for every simulated user",
    chapter: "10-simulated-users.md",
    starter: drawStarter,
    kernel: parseKernel("choose_click", chooseText),
    title: "a click or no click, U users x k items",
    size: [4096, 10],
    oddSizes: [[1, 1], [37, 3], [301, 7]],
    trial: drawTrial,
    hard: [
      ["utilities of 90 and -90", [130, 3], (z) => z > 0 ? 90 + z : z - 90],
      ["all utilities about -200", [130, 3], (z) => z - 200],
      ["all utilities about 30: every user clicks", [130, 3], (z) => z + 30],
    ],
    letters: ([U = 1, k = 1]) => ({ U, K: k }),
  }),
  {
    name: "slate_score",
    what: "the best of every 32 items for each user, by a network of one hidden layer",
    chapter: "11-slates.md",
    starter: slateStarter,
    ladder: slateLadder,
    solution: "slate_score_tiled",
    hard: listHardCases(createSlateTrial, [
      [
        "all scores below -1,000",
        [37, 70, 8],
        { weights: (n) => -1000 - n, table: (i, n) => 2 + (7 * i + n) % 5 / 4 },
      ],
      [
        "equal items: the first one wins",
        [37, 70, 8],
        { table: (i, n) => (7 * (i % 5) + 3 * n) % 11 / 8, equal: (i) => i % 5 },
      ],
      ["only one item left in a panel", [37, 70, 8], { taken: (u, i) => i % ITEM_PANEL !== u % ITEM_PANEL }],
    ]),
    letters: ([U = 1, I = 1, L]) => ({ U, P: countPanels(I), L4: countVectors(L) }),
    refuses: ([, , L = 1]) =>
      L % 4 === 0 && L <= MOST_UNITS ? undefined : `needs 4, 8, ... or ${MOST_UNITS} hidden units`,
  },
  {
    name: "panel",
    what: "a dense layer for a CPU driver, by panels of 16 columns",
    ...forward,
    chapter: "12-cpu-driver.md",
    refuses: makePanelCheck(1, PANEL.study),
    starter: panelStarter,
    solution: "matmul_forward_panel",
  },
  {
    name: "registers",
    what: "a dense layer by tiles, with half the registers",
    ...forward,
    chapter: "13-machine-code.md",
    starter: registersStarter,
    solution: "matmul_forward_tiled",
  },
];
