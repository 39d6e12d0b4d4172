/** Faults in data, in what prepares them, and in how files are written. */

import { mutationsOf } from "./mutation.ts";

export const dataMutations = [
  ...mutationsOf("src/data/random.ts", { tests: ["random"] }, [
    ["return x * scale;", "return this.uniform() < 0.001 ? 3 * x * scale : x * scale;"],
    ["return x * scale;", "return 1.01 * x * scale;"],
    ["Math.abs(x) <= 2", "Math.abs(x) <= 2.1"],
    ["const j = i + this.integer(n - i);", "const j = i + this.integer(n - i - 1 || 1);"],
    ["      absorb(part.length);\n", ""],
    ["this.#spareNormal = y * scale;", "this.#spareNormal = x * scale;"],
    [
      "if (square === 0 || square >= 1) continue;",
      "if (square === 0 || square > 1) continue;",
      "only a pair on the circle itself differs, one in some 10^15",
    ],
  ]),
  ...mutationsOf("src/data/ranking.ts", { tests: ["ranking", "figures"] }, [
    ["if (other > score) greater++;", "if (other >= score) greater++;"],
    ["let sum = Math.exp(none ? -top : -Infinity);", "let sum = 0;"],
    ["if (end - start < 2 ||", "if (end - start < 3 ||"],
    ["if (end - start < 2 ||", "if (end - start < 1 ||"],
    ["return below + (same + 1) / 2;", "return below + 1;"],
    [
      "if (greater >= k) return 0;",
      "if (greater > k) return 0;",
      "with k items above, (k - greater) / same is 0",
    ],
  ]),
  ...mutationsOf("src/counts/train_counts.ts", { tests: ["baselines", "ranking"] }, [
    ["(clicks[item]! + PRIOR * meanRate) / (shown[item]! + PRIOR)", "clicks[item]!"],
    ['usersOf(source, "train")', 'usersOf(source, "test")'],
    ["        if (given === GIVEN_HISTORY) continue;\n", ""],
    ["given !== FURTHER_CLICK && row", "row"],
  ]),
  ...mutationsOf("src/figures/baselines/scorers.ts", { tests: ["baselines"], filter: "item-kNN" }, [
    ["Math.sqrt(users[item]! * users[other]!)", "users[item]!"],
  ]),
  ...mutationsOf("src/counts/pairs.ts", { tests: ["baselines"], filter: "item-kNN" }, [
    ['usersOf(source, "train");\n  const users', 'usersOf(source, "test");\n  const users'],
  ]),
  ...mutationsOf("src/counts/page_counts.ts", { tests: ["counted"] }, [
    ["(passed.get(item) ?? 0) + 1", "(passed.get(item) ?? 0)"],
    ["shown: shown.get(item) ?? 0", "shown: 0"],
  ]),
  ...mutationsOf("kernels/pw/recent_clicks.wgsl", { tests: ["row_counts"], filter: "/recent_clicks/" }, [
    ["v3 = vec4f(v2.w, v3.xyz);", "v3 = vec4f(v2.w, v3.xzz);"],
    ["table[item * WIDTH + 2u]", "table[item * WIDTH + 1u]"],
    ["recent[k] = 0.0;", ""],
  ]),
  ...mutationsOf("kernels/pw/row_counts.wgsl", { tests: ["row_counts"] }, [
    ["half - 1u] < other", "half] < other"],
    ["vec2f(table[second], table[second + HALF1])", "vec2f(table[second], table[second])"],
    ["(own >> 8u) & 2047u", "(own >> 8u) & 1023u"],
    ["own & 255u", "own & 127u"],
    ["} else if (noted >= 0.0) {", "} else {"],
    ["paired == 0.0 || ", ""],
    ["clicks[field] + PRIOR", "clicks[0] + PRIOR"],
  ]),
  ...mutationsOf("src/figures/collector.ts", { tests: ["collector"] }, [
    ["      if (click !== NONE) history++;", "      history++;"],
    ["    if (counted) this.#users++;", "    this.#users++;"],
    ["(eta ?? 1) * (scores", "(scores"],
    ["positions.placeOf(k + 1)", "positions.placeOf(k)"],
  ]),
  ...mutationsOf("src/figures/bootstrap.ts", { tests: ["collector"] }, [
    ["quantile(numbers, 0.975)", "quantile(numbers, 0.95)"],
    ["times[end++] = weights[group]!;", "times[end++] = 1;"],
  ]),
  ...mutationsOf("src/data/click_log.ts", { tests: ["paper_file"], filter: "checkLog names" }, [
    ["(click < start || click >= end)", "(click < start || click > end)"],
    ["if (rowItem[row]! >= items.count) {", "if (rowItem[row]! > items.count) {"],
    ["if (starts[i + 1]! < starts[i]!) {", "if (starts[i + 1]! <= starts[i]! - 2) {"],
  ]),
  ...mutationsOf("src/data/paper_log.ts", { tests: ["paper_file"], filter: "canonical" }, [
    ["- fraction.length + digits.length", "+ fraction.length + digits.length"],
  ]),
  ...mutationsOf("src/data/item_catalogue.ts", { tests: ["packed_files"], filter: "the most tokens" }, [
    ["tokens += size * taken;", "tokens += taken;"],
  ]),
  ...mutationsOf("src/data/prepare/sources.ts", { tests: ["source_paths"] }, [
    ["at += 3 + (type === RLE ? 1 : header >> 3);", "at += 3 + (header >> 3);"],
    ["return at > size ? CUT", "return at > size + 1 ? CUT"],
    ["if ((descriptor & 4) !== 0) at += 4;", ""],
  ]),
  ...mutationsOf("src/data/prepare/glob.ts", { tests: ["source_paths"], filter: "globs find" }, [
    ['if (piece === "?") return ".";', 'if (piece === "?") return ".?";'],
    ['`[${not ? "^" : ""}', '`[${not ? "" : "^"}'],
    ['walk(base, rest.length > 0 ? rest : ["*"], found);', ""],
    [".filter((path) => !isFolder(path)).sort()", ".filter((path) => !isFolder(path)).sort().reverse()"],
  ]),
  ...mutationsOf("src/data/prepare/bad_rows.ts", { tests: ["data_log_faults"] }, [
    ["if (bad.total <= MOST_BAD * all) return;", "if (bad.total < MOST_BAD * all) return;"],
    ["MOST_BAD = 0.01;", "MOST_BAD = 0.02;"],
    ["a.line - b.line", "b.line - a.line"],
  ]),
  ...mutationsOf("src/data/prepare/log.ts", { tests: ["data_log", "data_log_faults"] }, [
    ["with_pages: options.page !== undefined,", "with_pages: false,"],
    ["with_positions: options.position !== undefined,", "with_positions: false,"],
  ]),
  ...mutationsOf("src/run/files/atomic_write.ts", { tests: ["atomic_write", "owned_folder"] }, [
    ["    discardTemporary(temporary);\n    throw error;", "    throw error;"],
    ["if (mode !== undefined) Deno.chmodSync(temporary.path, mode);", ""],
    [
      "if (piece.length >= RUN_BYTES) yield piece;",
      "if (piece.length > 2 * RUN_BYTES) yield piece;",
      "larger runs are the same bytes",
    ],
    ["Deno.lstatSync(path).isSymlink ? Deno.realPathSync(path) : path", "path"],
  ]),
  ...mutationsOf("src/run/files/temporary_file.ts", { tests: ["atomic_write", "owned_folder"] }, [
    [
      "      if (tryLock(file) && holdsPath(file, path)) Deno.removeSync(path);",
      "      if (holdsPath(file, path)) Deno.removeSync(path);",
    ],
    ["        file.truncateSync(0);\n", ""],
    ['return name.startsWith(".") && name.endsWith(ENDING)', "return name.endsWith(ENDING)"],
  ]),
  ...mutationsOf("src/run/files/lock.ts", { tests: ["owned_folder"] }, [
    ["if (!told) onWait(taken.holder);", "onWait(taken.holder);"],
    ["      Deno.removeSync(this.path); // while", "      // while"],
  ]),
  ...mutationsOf("src/run/files/owned_folder.ts", { tests: ["owned_folder"] }, [
    ["if (!this.made) return;", "return;"],
    ["      removeTemporaries(path);\n", ""],
  ]),
];
