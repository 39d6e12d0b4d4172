/** Simple answers to the course's exercises: texts for the gaps of the starters (incomplete kernels). */

import { type Exercise, getSolution } from "./exercise.ts";

/** Replacements in a text. Each pair has a part of the text (`from`), and the new text (`to`). */
export type Changes = readonly (readonly [from: string, to: string])[];

const answers: Readonly<Record<string, Changes>> = {
  softmax: [
    [
      "let most = 0.0;\n  let sum = 1.0;\n  let loss = most + sum;",
      `var most = 0.0;
  for (var r = first; r < end; r++) { most = max(most, u[r]); }
  var sum = exp(-most);
  for (var r = first; r < end; r++) { sum += exp(u[r] - most); }
  let loss = (most - clicked_u) + log(sum);`,
    ],
    [
      "u_gradient[r] = 0.0;",
      "u_gradient[r] = (exp(u[r] - most) / sum - select(0.0, 1.0, r == click)) / f32(step.size.y);",
    ],
  ],
  matmul: [
    [
      "  output[m * N + n] = z;",
      `  for (var k = 0u; k < K; k++) { z += input[m * K + k] * weights[k * N + n]; }
  output[m * N + n] = select(exp(min(z, 0.0)) - 1.0, z, z > 0.0);`,
    ],
  ],
  "input_gradient": [
    [
      "  let x = ",
      "  for (var n = 0u; n < N; n++) { d += output_gradient[m * N + n] * weights[k * N + n]; }\n  let x = ",
    ],
    ["= d * x;", "= d * select(x + 1.0, 1.0, x > 0.0);"],
  ],
  "weight_gradient": [
    [
      "  partials[",
      `  let stretch = (step.size.z + step.chunks - 1u) / step.chunks;
  for (var m = chunk * stretch; m < min((chunk + 1u) * stretch, step.size.z); m++) {
    sum += input[m * K + k] * output_gradient[m * N + n];
  }
  partials[`,
    ],
  ],
  lstm: [
    [
      "      let i = 0.0;\n      let g = 0.0;\n      let f = 0.0;\n      let o = 0.0;",
      `      var z = vec4f(input[at] + bias[j], input[at + H] + bias[H + j], input[at + 2u * H] + bias[2u * H + j], input[at + 3u * H] + bias[3u * H + j]);
      for (var k = 0u; k < H; k++) {
        let w = k * 4u * H + j;
        z += h[k] * vec4f(weights[w], weights[w + H], weights[w + 2u * H], weights[w + 3u * H]);
      }
      let i = sigmoid(z.x);
      let g = squash(z.y);
      let f = sigmoid(z.z + 1.0);
      let o = sigmoid(z.w);`,
    ],
    ["next[j] = h[j];", "c[j] = f * c[j] + i * g;\n      next[j] = o * squash(c[j]);"],
  ],
  "lstm_backward": [
    [
      "        dz[j] = 0.0;\n        dz[H + j] = 0.0;\n        dz[2u * H + j] = 0.0;\n        dz[3u * H + j] = o * t;\n        dc[j] = dc[j];",
      `        let d = dc[j] + dh[j] * o * (1.0 - t * t);
        dz[j] = d * g * i * (1.0 - i);
        dz[H + j] = d * i * (1.0 - g * g);
        dz[2u * H + j] = d * before * f * (1.0 - f);
        dz[3u * H + j] = dh[j] * t * o * (1.0 - o);
        dc[j] = d * f;`,
    ],
    [
      "    }\n    for (var q = 0u; q < 4u * H; q++) { gate_gradient",
      `      for (var k = 0u; k < H; k++) {
        dh[k] = 0.0;
        for (var q = 0u; q < 4u * H; q++) { dh[k] += dz[q] * weights[k * 4u * H + q]; }
      }
    }
    for (var q = 0u; q < 4u * H; q++) { gate_gradient`,
    ],
  ],
  registers: [
    [
      "    // YOUR CODE: c[i] += row 2 local.y + i of input_tile times column local.x of weight_tile, over 16 k.",
      `    for (var q = 0u; q < 4u; q++) {
      let a = input_tile[2u * local.y][q];
      let b = input_tile[2u * local.y + 1u][q];
      for (var j = 0u; j < 4u; j++) {
        let w = weight_tile[4u * q + j][local.x];
        c[0] += a[j] * w;
        c[1] += b[j] * w;
      }
    }`,
    ],
  ],
  rank: [
    [
      "let before = w;",
      "var before = 0u;\n  for (var k = 0u; k < w; k++) { before += countOneBits(bits[k]); }\n  ",
    ],
  ],
  "table_gradient": [
    [
      "    sum += source[column];",
      `    let e = row[sorted[k]].w;
    if (e != NONE) { sum += source[e * N4 + column]; }`,
    ],
  ],
  "batch_norm": [
    [
      "let dx = scale[column] * inverse * (dy - mean * x);",
      `var sum = vec4f(0.0);
  var product = vec4f(0.0);
  for (var chunk = 0u; chunk < step.chunks; chunk++) {
    sum += chunk_sums[2u * chunk * N4 + column];
    product += chunk_sums[(2u * chunk + 1u) * N4 + column];
  }
  let rows = f32(step.size.z);
  let dx = scale[column] * inverse * (dy - sum / rows - (x - mean) * inverse * product / rows);`,
    ],
  ],
  adam: [
    [
      "  m[i] = g;\n  v[i] = g * g;\n  weights[i] -= step.learning_rate * g;",
      `  m[i] = BETA1 * m[i] + (1.0 - BETA1) * g;
  v[i] = BETA2 * v[i] + (1.0 - BETA2) * g * g;
  weights[i] -= step.learning_rate * m[i] / (sqrt(v[i]) + EPSILON);`,
    ],
  ],
  "last_clicks": [
    [
      "  state[e * F + f] = sum;",
      `  var past = e;
  for (var lag = 0u; lag < min(clicks, LAGS);) {
    past--;
    let item = event[past].w;
    if (item == NONE) { continue; }
    sum += weights[lag] * features[item * 4u * F4 + f];
    lag++;
  }
  state[e * F + f] = sum;`,
    ],
  ],
  draw: [
    [
      "let number = 0.5;",
      `let counter = vec4u(step.first_user + u, step.episode, step.page, 0u);
  let number = uniform24(philox(counter, vec2u(step.noise, 0u)).x);`,
    ],
    [
      "let none = 1.0;\n  let clicks = utility[first];",
      `var most = 0.0;
  for (var j = 0u; j < SLATE; j++) { most = max(most, utility[first + j]); }
  let none = exp(-most);
  var clicks = 0.0;
  for (var j = 0u; j < SLATE; j++) { clicks += exp(utility[first + j] - most); }`,
    ],
    [
      "let slot = SLATE;",
      `var slot = SLATE;
  var sum = none;
  for (var j = 0u; j < SLATE; j++) {
    if (number * (none + clicks) >= sum) { slot = j; }
    sum += exp(utility[first + j] - most);
  }`,
    ],
  ],
  "slate_score": [
    [
      "    if (sum > most) {",
      `    for (var n = 0u; n < L4; n++) {
      sum += dot(weights[n], max(base[u * L4 + n] + table[i * L4 + n], vec4f(0.0)));
    }
    if (sum > most && ((bits >> (i % 32u)) & 1u) == 0u) {`,
    ],
  ],
  panel: [
    ["columns[i] = vec4f(0.0);", "columns[i] = weights[(i / 4u) * N4 + min(column + i % 4u, N4 - 1u)];"],
    [
      "    s0 += x;",
      `    for (var c = 0u; c < 4u; c++) {
      let row = 16u * k + 4u * c;
      s0 += x[c] * columns[row];
      s1 += x[c] * columns[row + 1u];
      s2 += x[c] * columns[row + 2u];
      s3 += x[c] * columns[row + 3u];
    }`,
    ],
  ],
  sparsemax: [
    [
      "let tau = -1.0;",
      `var support = 0.0;
  var support_sum = 0.0;
  for (var r = first; r < end; r++) {
    let z = GENERATOR_ETA * (u[r] - most);
    var count = 0.0;
    var sum = 0.0;
    for (var q = first; q < end; q++) {
      let other = GENERATOR_ETA * (u[q] - most);
      if (other >= z) {
        count += 1.0;
        sum += other;
      }
    }
    if (1.0 + count * z > sum) {
      support += 1.0;
      support_sum += z;
    }
  }
  let tau = (support_sum - 1.0) / support;`,
    ],
  ],
};

/** Applies replacements. @throws Error if the text does not contain a part to replace */
export function replaceParts(text: string, changes: Changes): string {
  return changes.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`expected a text with "${from}"`);
    return text.replace(from, to);
  }, text);
}

/** Returns a correct, simple answer: a puzzle's solution, or the completed starter of another exercise. */
export function fillStarter(exercise: Exercise): string {
  const { name, starter, solution } = exercise;
  // The checker takes the exact text of a solution for the shipped kernel, so add a line break to the text.
  if (solution.endsWith("_solution")) return `${getSolution(exercise).kernel.source}\n`;
  const changes = answers[name];
  if (!changes) throw new Error(`expected an answer to ${name}, found none`);
  return replaceParts(starter, changes);
}
