/** Faults in ops, tape, device and batch. */

import { mutationsOf } from "./mutation.ts";

export const opMutations = [
  // What an op says it costs.
  ...mutationsOf("src/ops/linear.ts", { tests: ["cost"] }, [
    ["flops: 2 * m * input.columns", "flops: 4 * m * input.columns"],
    ["target.activation ? 16 * K4", "target.activation ? 0 * K4"],
    ["{ flops: flops + 2 * m * p.weights.columns,", "{ flops: flops + m * p.weights.columns,"],
    ["call.dimensions.chunks(s) * 4 * (K4 + secondK4) * N4", "4 * (K4 + secondK4) * N4"],
  ]),
  ...mutationsOf("src/ops/row_dot.ts", { tests: ["cost"] }, [[
    "flops: 5 * extent(rows, s) * K,",
    "flops: 10 * extent(rows, s) * K,",
  ]]),
  ...mutationsOf("src/ops/first_layer.ts", { tests: ["cost"] }, [
    ["flops: (3 + 2", "flops: (6 + 2"],
  ]),
  ...mutationsOf("src/ops/pw_table.ts", { tests: ["cost"] }, [[
    "flops: 2 * m * n * N * events,",
    "flops: 4 * m * n * N * events,",
  ]]),
  ...mutationsOf("src/ops/minimax.ts", { tests: ["cost"] }, [[
    "s.rows * (40 + 8 * K4)",
    "s.rows * (80 + 8 * K4)",
  ]]),
  ...mutationsOf("src/ops/adam.ts", { tests: ["cost"] }, [[
    "flops: 2.5 * window.size",
    "flops: 5 * window.size",
  ]]),
  ...mutationsOf("src/gpu/sizes.ts", { tests: ["cost"] }, [[
    "CHUNK_ROWS = 256",
    "CHUNK_ROWS = 512",
  ]]),
  ...mutationsOf("src/gpu/sizes.ts", { tests: ["other_batches"], filter: "amounts" }, [
    ["times * Math.ceil(counted / per)", "Math.ceil(times * counted / per)"],
    ["least: times, most:", "least: 1, most:"],
  ]),

  ...mutationsOf("src/ops/adam.ts", { tests: ["adam"] }, [
    ["BETA1: 0.9,", "BETA1: 0.95,"],
    ["BETA2: 0.999,", "BETA2: 0.99,"],
    ["EPSILON: 1e-8", "EPSILON: 1e-7"],
    ["Math.sqrt(1 - BETA2 ** t)", "(1 - BETA2 ** t)"],
    ["DECAY2: inWindow(decay2.start),", "DECAY2: inWindow(decay1.start),"],
  ]),
  ...mutationsOf("src/ops/batch_norm.ts", { tests: ["batch_norm"], filter: "running statistics" }, [
    ["MOMENTUM: 0.99", "MOMENTUM: 0.9"],
    ["EPSILON: 1e-3,", "EPSILON: 1e-2,"],
  ]),
  ...mutationsOf("src/ops/first_layer.ts", { tests: ["iterations"], filter: "item dropout: hides" }, [
    ["Math.round((1 - itemDropout) * 2 ** 32) - 1", "Math.round(itemDropout * 2 ** 32) - 1"],
    ["KEPT_SCALE: 1 / (1 - itemDropout) };", "KEPT_SCALE: 1 - itemDropout };"],
  ]),
  ...mutationsOf("src/ops/linear.ts", { tests: ["linear"], filter: "/gathers .*, few/" }, [
    ["GATHER: p.gather !== undefined,", "GATHER: false,"],
    ["index: p.gather?.index ?? bufferOf(p.weights.view),", "index: bufferOf(p.weights.view),"],
  ]),
  ...mutationsOf("src/ops/click_gather.ts", { tests: ["linear"], filter: "/gathers .*, few/" }, [
    ["({ slotItem }: ClickBatch)", "({ slotFirst: slotItem }: ClickBatch)"],
  ]),
  ...mutationsOf(
    "src/ops/matmul_kernels.ts",
    { tests: ["linear"], filter: "/^linear 31 -> 33$|many rows/" },
    [
      [
        "return [owned * panels, { of: rows, per: owned }];",
        "return [owned * panels, { of: rows, per: 2 * owned }];",
      ],
      [
        "[dimensions.inChunks(Math.ceil(k4 / 2) * Math.ceil(n4 / 4))]",
        "[dimensions.inChunks(Math.floor(k4 / 2) * Math.ceil(n4 / 4))]",
      ],
    ],
  ),
  ...mutationsOf("src/tape/tape.ts", { tests: ["linear"], filter: "/^linear 3 -> /" }, [
    ["const accumulate = claim(input);", "const accumulate = false;"],
    ["const accumulate = claim(parameter);", "const accumulate = false;"],
    ["activation: input.activation };", "activation: undefined };"],
  ]),
  ...mutationsOf("src/tape/parameters.ts", { tests: ["adam"] }, [
    [
      "[summedDecaying, place((spec) => (spec.table && spec.decays) ?? false)]",
      "[summedDecaying, place((spec) => spec.table ?? false)]",
    ],
    ["const step = Math.floor(most / 256) * 256;", "const step = Math.ceil(most / 256) * 256 + 256;"],
  ]),
  ...mutationsOf("src/gpu/step.ts", {
    tests: ["model"],
    filter: "ten training steps follow the f64 trajectory: dense, 3 units, 6, cpu",
  }, [
    [
      "target.setFloat32(offset + 28, purpose.learningRate, true);",
      "target.setFloat32(offset + 28, 2 * purpose.learningRate, true);",
    ],
  ]),
  ...mutationsOf("src/gpu/kernel_text.ts", { tests: ["kernel_text"] }, [
    ["> Number(n) ? text", "> Number(n) + 1 ? text"],
    ["constantOf(kernel, name, constants)", "constantOf(kernel, name)"],
    ["n = [^]*?\\/\\/ end", "n = [^]*\\/\\/ end"],
  ]),
  ...mutationsOf("src/gpu/texture_layout.ts", { tests: ["texture_layout"] }, [
    [
      "Math.floor(row / lineRows) * panels + Math.floor(column / panelVectors)",
      "Math.floor(row / lineRows) + Math.floor(column / panelVectors)",
    ],
    ["height: panels * Math.ceil(rows / lineRows),", "height: panels * Math.floor(rows / lineRows) + 1,"],
  ]),
  ...mutationsOf("src/gpu/kernel_shapes.ts", { tests: ["device"], filter: "matmul kernels are chosen" }, [
    [
      '(direction === "forward" ? k4 : n4) <= PANEL_K4[kind]',
      '(direction === "forward" ? n4 : k4) <= PANEL_K4[kind]',
    ],
  ]),
  ...mutationsOf("src/gpu/kernel_shapes.ts", { tests: ["matrix_memory"] }, [
    [
      'inTextures(shapes) ? [...panelsBy(rows), "rows"] : ["rows", ...panelsBy(rows)]',
      '[...panelsBy(rows), "rows"]',
    ],
    ["return shapes.kind === kind && shapes.matrices === matrices;", "return shapes.kind === kind;"],
  ]),
  ...mutationsOf("src/gpu/device.ts", { tests: ["matrix_memory"], filter: "where matrices stand" }, [
    ["const READS_BUFFERS = /swiftshader/i;", "const READS_BUFFERS = /swiftshader device/i;"],
  ]),
  ...mutationsOf("src/ops/lstm_kernels.ts", { tests: ["matrix_memory"], filter: "no texture and no panel" }, [
    ["units > PANEL_UNITS || !inTextures(shapes)", "units > PANEL_UNITS"],
  ]),
  ...mutationsOf("src/selftest/left_out.ts", { tests: ["selftest_coverage"], filter: "leaves out" }, [
    ['  "lstm, touched rows": panels,\n', ""],
    ['"row_dot, made by a layer": ["row_dot_sum"]', '"row_dot": ["row_dot_sum"]'],
  ]),
  ...mutationsOf("src/selftest/run.ts", { tests: ["selftest"], filter: "never takes" }, [
    [
      'if (choice === "named") leftOut.push(...left.kernels);',
      'if (choice !== "alone") leftOut.push(...left.kernels);',
    ],
  ]),
  ...mutationsOf("src/run/commands/other_machine.ts", {
    tests: ["matrix_memory"],
    filter: "goes on with a run",
  }, [
    ["|| areFor(shapes, now.shapes)", "|| shapes.kind === now.shapes.kind"],
  ]),
  ...mutationsOf("src/batch/plan.ts", { tests: ["batch", "given_events"] }, [
    [
      "this.#entries.set([from, events, rows, 0], 4 * (first + k));",
      "this.#entries.set([from, rows, events, 0], 4 * (first + k));",
    ],
    ["const counted = of ?? events - given;", "const counted = of ?? events;"],
  ]),
  ...mutationsOf("src/batch/batch_buffers.ts", {
    tests: ["model"],
    filter: "steps by hand and steps in groups",
  }, [
    ["const EVENTS = apart(this.capacity.events);", "const EVENTS = 0;"],
  ]),
];
