/** Faults in the kernels of layers: products, the first layer, the last one, batch normalisation. */

import { mutationsOf } from "./mutation.ts";
import { rungs } from "./rungs.ts";

const few = "/^linear (20 -> 80|5 -> 17)$/";
const walked = "/^linear 300 -> 20$/";
const relu = { tests: ["linear"], filter: "linear: ReLU" };
const STEEP = "d *= select(vec4f(0.0), vec4f(1.0), x > vec4f(0.0));";
const steep = (find: string): readonly [string, string][] => [
  [find, ""],
  [find, find.replace("x > vec4f(0.0)", "x >= vec4f(0.0)")],
];

export const layerKernels = [
  ...mutationsOf("kernels/matmul/matmul_forward_tiled.wgsl", relu, [
    ["if (RELU) { y = select(vec4f(0.0), y, (y > vec4f(0.0)) | broken(y)); }", ""],
    ["if (RELU) { y = select(vec4f(0.0), y, (y >", "if (RELU) { y = select(-y, y, (y >"],
  ]),
  ...mutationsOf("kernels/matmul/matmul_forward_panel.wgsl", relu, [
    ["if (RELU) { return select(vec4f(0.0), z, (z > vec4f(0.0)) | broken(z)); }", ""],
    ["if (RELU) { return select(vec4f(0.0), z, (z >", "if (RELU) { return select(-z, z, (z >"],
  ]),
  ...mutationsOf("kernels/matmul/matmul_forward_rows.wgsl", relu, [
    ["if (RELU) { y = select(vec4f(0.0), y, (y > vec4f(0.0)) | broken(y)); }", ""],
  ]),
  ...mutationsOf("kernels/matmul/matmul_input_gradient_tiled.wgsl", relu, steep(`if (RELU) { ${STEEP} }`)),
  ...mutationsOf("kernels/matmul/matmul_input_gradient_rows.wgsl", relu, steep(`if (RELU) { ${STEEP} }`)),
  ...mutationsOf("kernels/matmul/matmul_input_gradient_panel.wgsl", relu, [
    ["return select(vec4f(-1.0), vec4f(1.0), load_input", "return select(vec4f(0.0), vec4f(1.0), load_input"],
    [
      "load_input(place(m, column)) > vec4f(0.0)); }",
      "load_input(place(m, column)) >= vec4f(0.0)); }",
    ],
  ]),
  ...mutationsOf("kernels/choice/row_dot_backward.wgsl", {
    tests: ["ops"],
    filter: "row_dot: 32 columns, few",
  }, [
    ...steep("if (RELU) { dx *= select(vec4f(0.0), vec4f(1.0), x > vec4f(0.0)); }"),
  ]),
  ...mutationsOf("kernels/batch_norm/batch_norm_input_gradient.wgsl", {
    tests: ["batch_norm"],
    filter: "batch_norm: 5 columns of ReLU",
  }, [...steep("if (RELU) { dx *= select(vec4f(0.0), vec4f(1.0), x > vec4f(0.0)); }")]),
  ...mutationsOf("kernels/matmul/matmul_forward_panel.wgsl", { tests: ["linear"], filter: few }, [
    ["panel[p + 6u], fma(vec4f(a.x), panel[p + 2u]", "panel[p + 5u], fma(vec4f(a.x), panel[p + 2u]"],
    ["  workgroupBarrier();\n", ""],
    ["if (K4 > first + 4u) { s = add(s, a[4], first + 4u); }", ""],
    [
      "fn put(row: u32, column: u32, y: vec4f) { store_output(row * N4 + min(column, N4 - 1u), y); }",
      "fn put(row: u32, column: u32, y: vec4f) { store_output(row * N4 + column, y); }",
    ],
    ["bias[min(column + local, N4 - 1u)]", "bias[min(local, N4 - 1u)]"],
  ]),
  ...mutationsOf("kernels/matmul/matmul_forward_panel.wgsl", rungs("forward"), [
    ["if (K4 > first + 10u) { s = add(s, a[10], first + 10u); }", ""],
    ["if (K4 > first + 13u) { a[13] = load_input(at + first + 13u); }", ""],
    ["if (K4 > first + 15u) { s = add(s, a[15], first + 15u); }", ""],
  ]),
  ...mutationsOf("kernels/matmul/matmul_forward_panel.wgsl", {
    tests: ["ops"],
    filter: "/made by a layer of .*, few/",
  }, [
    ["column + local < N4);", "true);"],
    ["t = dotted(t, y2, 2u);", "t = dotted(t, y2, 1u);"],
  ]),
  ...mutationsOf("kernels/matmul/matmul_forward_rows.wgsl", { tests: ["linear"], filter: walked }, [
    ["c13 += w3 * a1;", "c13 += w2 * a1;"],
    ["if (m >= step.size[M] || column >= N4) { return; }", "if (column >= N4) { return; }"],
    ["load_input(r6 + k), load_input(r7 + k)", "load_input(r7 + k), load_input(r6 + k)"],
    ["if (BIAS) { y += bias[column]; }", "if (BIAS) { y -= bias[column]; }"],
  ]),
  ...mutationsOf("kernels/matmul/matmul_forward_tiled.wgsl", {
    tests: ["linear"],
    filter: "/^linear 31 -> 33$/",
  }, [
    ["    workgroupBarrier();\n    for (var q", "    for (var q"],
    ["input_tile[4u * local.y + 2u][q]", "input_tile[4u * local.y + 1u][q]"],
    ["    if (m >= rows) { return; }\n", ""],
    ["exp(min(y, vec4f(0.0))) - 1.0", "exp(min(y, vec4f(0.0)))"],
    [
      "4u * K4 && id.x < N4;",
      "4u * K4;",
      "columns behind the last are summed and never written",
    ],
  ]),
  ...mutationsOf("kernels/matmul/matmul_input_gradient_panel.wgsl", { tests: ["linear"], filter: few }, [
    ["let w = transpose(mat4x4f(", "let w = (mat4x4f("],
    ["if (N4 > 16u) { s = add_part(s, at, 16u); }", ""],
    ["(m >= step.size[M] || column >= K4)", "(m >= step.size[M])"],
    ["z * select(x + 1.0, vec4f(1.0), x > vec4f(0.0))", "z * select(x, vec4f(1.0), x > vec4f(0.0))"],
  ]),
  ...mutationsOf("kernels/matmul/matmul_input_gradient_panel.wgsl", rungs("input"), [
    ["if (N4 > first + 12u) { s = add(s, d[12], first + 12u); }", ""],
    ["if (N4 > first + 13u) { d[13] = load_output_gradient(at + first + 13u); }", ""],
    ["if (N4 > 32u) { s = add_part(s, at, 32u); }", ""],
  ]),
  ...mutationsOf("kernels/matmul/matmul_input_gradient_rows.wgsl", {
    tests: ["linear"],
    filter: "/^linear 36 -> 255$|^linear: the variants/",
  }, [
    ["let r3 = min(m + 3u, last) * N4;", "let r3 = min(m + 2u, last) * N4;"],
    [
      "d *= select(x + 1.0, vec4f(1.0), x > vec4f(0.0));",
      "d *= select(x + 1.0, vec4f(1.0), x < vec4f(0.0));",
    ],
    ["let w1 = transpose(mat4x4f(weights[v + 4u * N4]", "let w1 = transpose(mat4x4f(weights[v + 3u * N4]"],
  ]),
  ...mutationsOf("kernels/matmul/matmul_input_gradient_tiled.wgsl", {
    tests: ["linear"],
    filter: "/^linear 31 -> 33$/",
  }, [
    ["c += transpose(w) * mat4x4f(", "c += w * mat4x4f("],
    ["    workgroupBarrier();\n    for (var q", "    for (var q"],
  ]),
  ...mutationsOf("kernels/matmul/matmul_input_gradient_tiled.wgsl", {
    tests: ["linear"],
    filter: "/^linear 65 -> /",
  }, [
    ["if (ACCUMULATE) { d += input_gradient[at]; }", ""],
  ]),
  ...mutationsOf("kernels/matmul/matmul_weight_gradient_rows.wgsl", {
    tests: ["linear"],
    filter: "/^linear (5 -> 17|31 -> 33)$|^linear: several chunks$/",
  }, [
    ["min(m, last) * N4 + column), m <= last);", "min(m, last) * N4 + column), true);"],
    ["transpose(mat4x4f(y0, y1, y2, y3));", "transpose(mat4x4f(y0, y1, y2, x3));"],
    ["b2 += (d2[0] + d2[1]) + (d2[2] + d2[3]);", "b2 += (d2[0] + d2[1]) + d2[2];"],
    ["let end = min(first + stretch, rows);", "let end = rows;"],
    ["if (bias) { at = places.bias / 4u; }", ""],
  ]),
  ...mutationsOf("kernels/matmul/matmul_weight_gradient_rows.wgsl", {
    tests: ["linear"],
    // Blocks of eight inputs: the last one goes past the twelve.
    filter: "linear: no bias",
  }, [["select(row < 4u * ALL_K4, BIAS && k == 0u, bias)", "select(true, BIAS && k == 0u, bias)"]]),
  ...mutationsOf("kernels/matmul/matmul_weight_gradient_rows.wgsl", {
    tests: ["lstm"],
    filter: "lstm: 5 units, few",
  }, [
    ["(row - 4u * K4) * N4;", "row * N4;"],
    ["if (GATHER) { row = index[row]; }", ""],
  ]),
  ...mutationsOf("kernels/matmul/matmul_weight_gradient_tiled.wgsl", {
    tests: ["linear"],
    filter: "/^linear (5 -> 17|31 -> 33)$|^linear: several chunks$/",
  }, [
    ["if (m < end) {", "if (m < rows) {"],
    ["b += g;", "b = g;"],
    ["g * a.z, g * a.w)", "g * a.w, g * a.z)"],
  ]),
  ...mutationsOf("kernels/scatter/item_term_forward.wgsl", {
    tests: ["ops"],
    filter: "/^item_term: .*(few|hide)/",
  }, [
    ["sum += state[e * N4 + k] * c;", "sum += state[k] * c;"],
    ["base[select(0u, r, BASE)]", "base[r]"],
    ["noise(r) <= KEPT)", "noise(r) > KEPT)"],
  ]),
  ...mutationsOf(
    "kernels/scatter/item_term_backward.wgsl",
    { tests: ["ops"], filter: "/^item_term: .*(few|hide)/" },
    [
      ["sum += g * item[row_item[r] * N4 + column];", "sum += g * item[r * N4 + column];"],
      ["sum *= KEPT_SCALE;", ""],
    ],
  ),
  ...mutationsOf("kernels/scatter/item_term_gradient.wgsl", {
    tests: ["ops"],
    filter: "/^item_term: .*(few|hide|table)/",
  }, [
    ["state[row[r].x * N4 + column]", "state[row[r].x * N4]"],
    ["else { sum.x += source[r]; }", "else { sum.x += 1.0; }"],
    ["entry.y + countOneBits(entry.x & (bit - 1u));", "entry.y;"],
    ["if (ACCUMULATE) {", "if (false) {"],
  ]),
  ...mutationsOf("kernels/matmul/first_layer_forward.wgsl", {
    tests: ["ops"],
    filter: "/^first_layer: .*(few|hide)/",
  }, [
    ["held[p + 6u]", "held[p + 2u]"],
    ["counts[r * C4 + 2u]", "counts[r * C4 + 1u]"],
    ["noise(r) <= KEPT", "noise(e) <= KEPT"],
    ["exp(min(z, vec4f(0.0))) - 1.0", "exp(min(z, vec4f(0.0)))"],
    ["z1 += KEPT_SCALE * item[shown + 1u];", "z1 += KEPT_SCALE * item[shown];"],
    ["z0 += KEPT_SCALE * item[shown];", "z0 += item[shown];"],
  ]),
  ...mutationsOf("kernels/matmul/first_layer_backward.wgsl", {
    tests: ["ops"],
    filter: "/^first_layer: .*(few|hide|table)/",
  }, [
    ["(r ^ step.noise)", "(r + step.noise)"],
    ["r < of_event.y; r++) { add", "r + 1u < of_event.y; r++) { add"],
    ["item_gradient[at] = KEPT_SCALE * value;", "item_gradient[at] = value;"],
    ["shown = (entry.x & bit) != 0u;", "shown = true;"],
    ["countOneBits(entry.x & (bit - 1u))", "countOneBits(entry.x & bit)"],
  ]),
  ...mutationsOf("kernels/choice/row_dot_forward.wgsl", { tests: ["ops"], filter: "/^row_dot: .*few/" }, [
    ["let own = bias[0] + (", "let own = ("],
    ["output[r] = base[r] + own;", "output[r] = own;"],
    ["load_input(r * K4 + k) * weights[k];", "load_input(r * K4 + k) * weights[0];"],
  ]),
  ...mutationsOf("kernels/choice/row_dot_sum.wgsl", {
    tests: ["ops"],
    filter: "/^row_dot: made by a layer of .*, few/",
  }, [
    ["panels < vec4u(PANELS)", "panels <= vec4u(PANELS)"],
    ["var sum = bias[0];", "var sum = 0.0;"],
  ]),
  ...mutationsOf("kernels/choice/row_dot_backward.wgsl", {
    tests: ["ops"],
    filter: "/^row_dot: .*(few|chunks)/",
  }, [
    ["bias_sum += du;", "bias_sum += du * x.x;"],
    ["var dx = du * w;", "var dx = du * x;"],
    ["let first = min(chunk * stretch, rows);", "let first = min(chunk * stretch + 1u, rows);"],
    ["put(at + 2u, weight_sum.z);", "put(at + 2u, weight_sum.y);"],
  ]),
  ...mutationsOf("kernels/batch_norm/batch_norm_forward.wgsl", {
    tests: ["batch_norm"],
    filter: "/batch_norm: (5|17) columns, |running statistics|as many chunks/",
  }, [
    ["(f32(before) * share)", "f32(before)"],
    [
      "MOMENTUM * parameters[m] + (1.0 - MOMENTUM) * mean;",
      "(1.0 - MOMENTUM) * parameters[m] + MOMENTUM * mean;",
    ],
    ["1.0 / sqrt(variance + EPSILON)", "1.0 / (sqrt(variance) + EPSILON)"],
    [
      "(load_input(r * N4 + column) - mean) * scale + shift",
      "(load_input(r * N4 + column) - mean) * scale - shift",
    ],
  ]),
  ...mutationsOf("kernels/batch_norm/batch_norm_statistics.wgsl", {
    tests: ["batch_norm"],
    filter: "/batch_norm: (5|17) columns, |as many chunks/",
  }, [
    ["squares += d * d;", "squares += abs(d);"],
    ["let stretch = (rows + step.chunks - 1u) / step.chunks;", "let stretch = rows / step.chunks;"],
  ]),
  ...mutationsOf("kernels/batch_norm/batch_norm_running.wgsl", {
    tests: ["batch_norm"],
    filter: "running statistics",
  }, [
    ["(1.0 / sqrt(variance[column] + EPSILON))", "(1.0 / (variance[column] + EPSILON))"],
    ["let b = shift[column];", "let b = shift[0];"],
  ]),
  ...mutationsOf("kernels/batch_norm/batch_norm_input_gradient.wgsl", {
    tests: ["batch_norm"],
    filter: "/batch_norm: (5|17) columns, |as many chunks/",
  }, [
    ["- (x - mean) * slope);", "+ (x - mean) * slope);"],
    ["(load_output_gradient(at) - mean_dy", "(load_output_gradient(at)"],
  ]),
  ...mutationsOf("kernels/batch_norm/batch_norm_weight_gradient.wgsl", {
    tests: ["batch_norm"],
    filter: "/batch_norm: (5|17) columns, |as many chunks/",
  }, [
    ["  scale *= inverse;\n", ""],
    ["partials[to_shift] = shift;", "partials[to_shift] = scale;"],
  ]),
];
