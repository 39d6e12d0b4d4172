import assert from "node:assert/strict";
import { collectKernelTexts } from "../../src/lab/build.ts";
import type { DispatchSummary, KernelSummary } from "../../src/lab/client/services/step_service.ts";
import { computeTicks, layOutNames } from "../../src/lab/draw/axes.ts";
import { traceIndexValues } from "../../src/kernel_analysis/index_values.ts";
import {
  findHeaderPart,
  findSpecialisedLines,
  type MachineCode,
  renderKernelPanel,
  renderMachineCode,
  renderWgslListing,
} from "../../src/lab/draw/kernel_panel.ts";
import {
  compareLadder,
  describeComparison,
  estimateNoise,
  renderLadderTable,
} from "../../src/lab/draw/ladder.ts";
import {
  countLaunched,
  findSubscripts,
  formatValues,
  renderOwned,
  renderOwnership,
  selectCells,
} from "../../src/lab/draw/ownership.ts";
import { formatBytes, formatMicroseconds, renderMarkdown } from "../../src/lab/draw/text.ts";
import { formatPercent } from "../../src/number_text.ts";
import {
  computeSpans,
  describeTimeline,
  renderTimeline,
  renderTimelineTable,
  type TimedDispatch,
} from "../../src/lab/draw/timeline.ts";
import {
  buildSavedReport,
  collectMeasurements,
  formatAdapterName,
  formatFileName,
  formatLadderKey,
  listReportContents,
  summarizeSelftest,
} from "../../src/lab/saved_report.ts";
import * as v from "../../src/schema.ts";
import { benchReport, type LadderMeasurement, type Timing } from "../../src/profile/bench_report.ts";
import { getKernelName, isForCpu, listKernelFiles, readKernel } from "../kernel_files.ts";

const timing = (median: number, spread = 0) => ({
  ...{ median, min: median - spread, samples: 5 },
  ...{ lower: median - spread, upper: median + spread },
});
const dispatch = (label: string, median: number, more: Partial<TimedDispatch> = {}): TimedDispatch => ({
  ...{ label, kernel: "adam", phase: "forward", flops: 2e6, bytes: 1e6 },
  ...timing(median, 1),
  ...more,
});
function assertHas(text: string, ...parts: readonly string[]): void {
  for (const part of parts) assert.ok(text.includes(part), part);
}

const ceilings = { flops: 100, bandwidth: 10, floor: 5, busy: 128 };

Deno.test("numbers have three digits and fitting units", () => {
  assert.deepEqual([0.1234, 12.345, 999.4, 1234, 56789].map(formatMicroseconds), [
    "0.123 us",
    "12.3 us",
    "999 us",
    "1.23 ms",
    "56.8 ms",
  ]);
  assert.deepEqual([12, 2048, 3.5 * 2 ** 20].map(formatBytes), ["12 B", "2 KiB", "3.5 MiB"]);
  assert.deepEqual([undefined, 0.0312, 0.5].map((share) => formatPercent(share)), ["-", "3.1 %", "50 %"]);
});

Deno.test("timeline: dispatches follow each other in proportion to time, without rates if the error is as large", () => {
  const dispatches = [dispatch("a <b>", 10), dispatch("c", 30, { phase: "backward", flops: 0, error: 4 })];
  assert.deepEqual(computeSpans(dispatches), { spans: [[0, 10], [10, 40]], total: 40 });
  const { text } = renderTimeline(dispatches);
  assert.ok(text.includes("a &lt;b&gt;") && !text.includes("<b>"));
  assert.match(describeTimeline(dispatches), /the longest, c, takes 75 %$/);
  const table = renderTimelineTable(dispatches, ceilings).text;
  assert.equal(table.match(/<tr[ >]/g)?.length, 3);
  // 2 MFLOP and 1 MB in 10 us: 200 GFLOP/s and 100 GB/s, ten times the memory bandwidth.
  assert.match(
    table,
    /<td>10<\/td>\n<td>1<\/td>\n<td>25 %<\/td>\n<td>2<\/td>\n<td>1<\/td>\n<td>200<\/td>\n<td>100<\/td>\n<td>1000 %/,
  );
  assert.match(table, /<td>30<\/td>\n<td>4<\/td>/, "the clock's error exceeds the spread");
  const bounds = (more: Partial<TimedDispatch>) =>
    /"text">([^<]*)<\/td>\n<\/tr>/.exec(renderTimelineTable([dispatch("few", 1000, more)], ceilings).text)
      ?.[1];
  assert.deepEqual([bounds({ invocations: 65 }), bounds({ invocations: 6500 })], ["latency", "memory"]);
  assert.ok(renderTimelineTable(dispatches, undefined).text.includes("<td>-</td>"));
  const [sure, unsure] = [{ ...dispatch("a", 12) }, { ...dispatch("b", 2), error: 2 }];
  const marked = renderTimelineTable([sure, unsure], ceilings).text;
  assert.equal(marked.match(/class="unsure"/g)?.length, 1);
  assert.match(marked, /as large as the time/);
  assert.doesNotMatch(renderTimelineTable([sure], ceilings).text, /as large as the time|class="unsure"/);
});

Deno.test("ticks are round and within the range", () => {
  assert.deepEqual(computeTicks([0, 40], 5), [0, 10, 20, 30, 40]);
  assert.deepEqual(computeTicks([0, 1234], 5), [0, 500, 1000]);
  assert.deepEqual(computeTicks([-0.25, 0.31], 3), [-0.2, 0, 0.2]);
  for (const total of [0.3, 7, 99, 12_345]) {
    const { length } = computeTicks([0, total], 5);
    assert.ok(length >= 3 && length <= 7, `${total}`);
  }
});

Deno.test("labels of levels are separate and beside their lines; those outside are left out", () => {
  const levels = [{ name: "high", at: 5 }, { name: "rate", at: 110 }, { name: "last", at: 105 }];
  assert.deepEqual(layOutNames(levels), [{ name: "rate", foot: 114 }, { name: "last", foot: 101 }]);
});

Deno.test("ownership: idle invocations, folded grids, long axes (with a gap) and selected cells are drawn", () => {
  const rows = { invocations: [500, 1], workgroup: [64, 1], grid: [8, 1, 1] } as const;
  assert.deepEqual(countLaunched(rows), { launched: 512, idle: 12 });
  const { text } = renderOwnership(rows);
  assert.equal(text.match(/class="owner part"/g)?.length, 1, "the last workgroup is partly idle");
  assert.equal(text.match(/<rect class="owner/g)?.length, 8 + 64);
  const folded = { invocations: [250, 1], workgroup: [64, 1], grid: [2, 2, 1] } as const;
  assert.equal(renderOwnership(folded).text.match(/class="owner part"/g)?.length, 1);
  const tiles = { invocations: [32, 33], workgroup: [16, 16], grid: [2, 3, 1] } as const;
  assert.equal(renderOwnership(tiles).text.match(/class="owner part"/g)?.length, 2);
  assert.deepEqual(countLaunched({ ...rows, grid: [8, 1, 4] }), { launched: 2048, idle: 48 });
  assert.deepEqual(selectCells(3, 5), [0, 1, 2]);
  assert.deepEqual(selectCells(100, 6), [0, 1, 2, undefined, 98, 99]);
  assert.deepEqual(selectCells(100, 8, 40), [0, 1, 2, undefined, 40, undefined, 98, 99]);
  assert.deepEqual(selectCells(100, 6, 99), [0, 1, 2, undefined, 98, 99]);
  const column = { invocations: [4, 60], workgroup: [4, 1], grid: [1, 60, 1] } as const;
  const { text: selected } = renderOwnership(column, { group: [0, 30], local: [2, 0] });
  assert.equal(selected.match(/class="owner one"/g)?.length, 2, "a workgroup and an invocation");
});

const indexed = `// one owns four columns of a row; let no = 1u;
const WORKGROUP = 4;
const N4 = 3u;  // vectors of a row
const HALF = 0.5;
const FEW = true;
@group(0) @binding(0) var<storage, read> input: array<vec4f>;
fn load_input(i: u32) -> vec4f { return input[i]; }
@compute @workgroup_size(WORKGROUP)
fn k(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= step.size.z * N4) { return; }
  let row = i / N4;
  let column: u32 = i % N4;
  let seen = event[row].x;
  let scale = HALF * 2.0;
  if (FEW && row > 0u) {
    let above = min(row - 1u, step.size[2]);
    output[above] = load_input(row * N4 + column);
  } else { let below = 1u; }
  for (var r = 0u; r < step.chunks; r++) { let late = r; output[r * N4 + column] = input[late]; }
  var at = row;
  output[at] = vec4f(0.0);
  output[row ^ 1u].x = f32(seen);
}
`;

Deno.test("index values: an invocation's numbers, reads and writes are shown", () => {
  const scope = { workgroup: [4, 1], grid: [2, 2, 1], sizes: [2, 4, 5, 7], chunks: 3 } as const;
  const valuesOf = traceIndexValues(indexed, scope);
  const { lines, idle, getValue: valueOf } = valuesOf({ group: [1, 1], local: [2, 0] });
  assert.equal(idle, false);
  assert.deepEqual(lines, [
    { name: "i", from: "id.x + id.y * (grid.x * WORKGROUP)", value: 14 },
    { name: "row", from: "i / N4", value: 4 },
    { name: "column", from: "i % N4", value: 2 },
    { name: "above", from: "min(row - 1u, step.size[2])", value: 3 },
  ]);
  assert.deepEqual(findSubscripts(indexed, "output"), ["above", "r * N4 + column", "at", "row ^ 1u"]);
  assert.deepEqual(findSubscripts(indexed, "input"), ["row * N4 + column", "late"]);
  assert.equal(valueOf("row * N4 + column"), 14);
  assert.equal(valueOf("row ^ 1u"), 5);
  for (const unknown of ["r * N4 + column", "at", "late", "seen", "scale", "row +"]) {
    assert.equal(valueOf(unknown), undefined, unknown);
  }
  assert.equal(valuesOf({ group: [1, 1], local: [3, 0] }).idle, true, "15 of 15");
});

Deno.test("ownership: a workgroup's values are ranges; idle invocations are reported", () => {
  assert.deepEqual([[3, 3], [4, 5, 6], [0, 8, 4], [0, 1, 7], []].map(formatValues), [
    "3",
    "4 to 6",
    "0 to 8 by 4",
    "3 of 0 to 7",
    "-",
  ]);
  const code: KernelSummary = {
    ...{ text: indexed, constants: [], invocations: [15, 1], workgroup: [4, 1], grid: [2, 2, 1] },
    ...{ sizes: [2, 4, 5, 7], chunks: 3 },
    bindings: [{ name: "output", access: "writes", memory: "storage", bytes: 64 }],
  };
  const { text } = renderOwned(code, { group: 3, invocation: 2 });
  assert.match(text, /row = i \/ N4<\/code><\/th><td>4<\/td><td>4<\/td>/);
  assert.match(text, /column = i % N4<\/code><\/th><td>2<\/td><td>0 to 2<\/td>/);
  assert.match(text, /output\[above\]<\/code><\/th><td class="text">writes<\/td><td>3<\/td>/);
  assert.match(text, /output\[r \* N4 \+ column\][^]*?<td>depends on a loop variable<\/td>/);
  const reads = { ...code, bindings: [{ ...code.bindings[0] ?? assert.fail(), name: "input" }] };
  assert.match(
    renderOwned(reads, { group: 3, invocation: 2 }).text,
    /input\[late\]<[^]*?<td>depends on a loop variable<\/td>/,
  );
  assert.match(
    renderOwned(code, { group: 9, invocation: 9 }).text,
    /Invocation 3 of workgroup 3 has no work/,
  );
});

Deno.test("index values: the numbers that split the work are known for every kernel of a step", () => {
  const expected: Readonly<Record<string, readonly string[]>> = {
    ...{ matmul_forward_panel: ["m", "column"], matmul_forward_rows: ["m", "column"] },
    ...{ matmul_weight_gradient_rows: ["k", "column", "chunk"], lstm_forward_panel: ["user"] },
    ...{
      first_layer_forward: ["e", "column"],
      choice_nll: ["e"],
      adam: ["i"],
      row_dot_backward_group: ["k"],
    },
    ...{ lstm_forward_group: ["first_user", "unit"], batch_expand: ["e"], batch_group: ["r"] },
  };
  for (const path of listKernelFiles("shipped")) {
    const text = readKernel(path);
    const scope = { workgroup: [16, 16], grid: [1, 1, 1], sizes: [9, 99, 999, 99], chunks: 4 } as const;
    const { lines } = traceIndexValues(text, scope)({ group: [0, 0], local: [0, 0] });
    const names = lines.map(({ name }) => name);
    for (const name of expected[getKernelName(path)] ?? []) {
      assert.ok(names.includes(name), `${path}: ${name} of ${names}`);
    }
    for (const { name, value } of lines) {
      assert.ok(Number.isInteger(value) && value >= 0, `${path}: ${name} ${value}`);
    }
  }
});

Deno.test("WGSL: syntax is highlighted, text stays, specialised lines stand out", () => {
  const line = "  let x = load_input(i * 4u) + vec4f(0.5); // <sum>";
  const plain = (html: string) =>
    html.replace(/<[^>]*>/g, "").replaceAll("&lt;", "<").replaceAll("&gt;", ">");
  const { text } = renderWgslListing(line, []);
  assert.equal(plain(text), `${line}\n`);
  const marked = ['keyword keyword-let">let', 'call">load_input', 'number">4u', 'type">vec4f', 'number">0.5'];
  assertHas(text, ...[...marked, 'comment">// &lt;sum'].map((part) => `<span class="token ${part}`));
  assert.equal(renderWgslListing("a\nb\nc\n", [2]).text.match(/<mark>b<\/mark>/g)?.length, 1);
  const file = "// head\n\nconst N = 4u;  // so many\nlet x = 1;\n";
  assert.deepEqual(findSpecialisedLines(file.replace("4u", "8u"), file), [3]);
  assert.deepEqual(findSpecialisedLines(file, file), []);
  const header =
    "// k.wgsl - what\n//\n// Work split   one owns one\n//              and more.\n// Cost  2 flops\n\nfn k() {}";
  assert.equal(findHeaderPart(header, "Work split"), "one owns one and more.");
  assert.equal(findHeaderPart(header, "On a GPU"), undefined);
});

Deno.test("prose: headings, numbered lists, answers and links of a chapter are rendered", () => {
  const chapter = "# 1. One\n\n## Two\n\nSee [`a`](../k/a.wgsl), [b](b.md) and `#exercise=sum`.\n\n" +
    "6. **[six](k/six.wgsl)**\n7. seven\n\n<details><summary>Answers</summary>\n\nYes <b>.\n\n</details>";
  const { text } = renderMarkdown(chapter, (target) => target.endsWith(".wgsl") ? "#step/a" : undefined);
  assertHas(text, "<h3>1. One</h3>", "<h4>Two</h4>", '<a href="#step/a"><code>a</code></a>, b and');
  assertHas(
    text,
    '<a href="#exercise=sum"><code>#exercise=sum</code></a>',
    '<ol start="6"><li><strong><a href="#step/a">six</a></strong>',
  );
  assertHas(text, "<details><summary>Answers</summary>", "<p>Yes &lt;b&gt;.</p>", "</details>");
  const { text: html } = renderMarkdown(
    "One _two_ **three** `a<b`, [four](x.md).\n\n```text\nx_1 = <y>\n```\n\n- a\n- b\n\n| p | q |\n| - | - |\n| 1 | 2 |",
  );
  assertHas(html, "<p>One <em>two</em> <strong>three</strong> <code>a&lt;b</code>, four.</p>");
  assertHas(html, "<code>x_1 = &lt;y&gt;</code></pre>", "<li>b</li></ul>", "<tr><td>1</td><td>2</td></tr>");
});

Deno.test("every kernel of a step finds its chapter, and every op its reference", async () => {
  const texts = await collectKernelTexts();
  const kernels = listKernelFiles("shipped").filter(isForCpu).map(getKernelName);
  for (const kernel of kernels.filter((name) => !name.startsWith("slate_"))) {
    assert.ok(texts.chapterOf[kernel], kernel);
  }
  assert.match(texts.chapters["memory-or-arithmetic.md"]?.text ?? "", /^# Memory or arithmetic\?\n\n/);
  assert.match(texts.chapters["2-matmul.md"]?.text ?? "", /dX = dZ W\^T/);
  const ops =
    "linear lstm choice_nll row_dot first_layer pw_state pw_table batch_norm item_term mixed_product " +
    "minimax exact_minimax";
  for (const op of ops.split(" ")) assert.match(texts.references[op] ?? "", /eference[^]*=> \{|return/, op);
  const bytes = JSON.stringify(texts).length;
  assert.ok(bytes < 160_000, `expected at most 160 KB of texts, got ${bytes}`);
});

Deno.test("a dispatch's panel: metrics, ownership, tape node, text, chapter and reference; copies have no kernel", () => {
  const facts: DispatchSummary = {
    ...{ label: "utility/layer1 forward", kernel: "k", phase: "forward" },
    node: { op: "linear", direction: "forward", inputs: ["x [rows, 8]"], output: "y [rows, 4]" },
    code: {
      ...{ text: "// k\n// Work split   all of one\nconst N = 4u;\n", constants: [["N", 4]] },
      bindings: [{ name: "acc", access: "reads and writes", memory: "storage", bytes: 2048 }],
      ...{ invocations: [10, 1], workgroup: [64, 1], grid: [1, 1, 1], sizes: [2, 5, 10, 7], chunks: 1 },
    },
  };
  const texts = {
    chapters: {
      "2.md": { title: "2. Matmul", text: "# 2. Matmul\n\n## The mathematics\n\nZ = X W\n\n## Exercise\n" },
    },
    chapterOf: { k: "2.md" },
    references: { linear: "product(x, weights)" },
    files: { k: "// k\n// Work split   all of one\nconst N = 1u;\n" },
  };
  const { text } = renderKernelPanel(facts, dispatch("d", 12), ceilings, texts);
  assertHas(text, "utility/layer1 forward", "12 us ± 1 us", "y [rows, 4]", "2. Matmul", "#course/2");
  assertHas(text, "product(x, weights)", "reads data that it writes (acc)", "N = 4", "all of one");
  assertHas(text, "1 line differs from the file");
  const copy = renderKernelPanel(
    { label: "d, into a texture", kernel: "copy", phase: "forward" },
    undefined,
    undefined,
    texts,
  )
    .text;
  assert.match(copy, /This command runs no kernel/);
  const readable = (index: string) => {
    const text = `@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(64) fn k(@builtin(global_invocation_id) id: vec3u) { y[${index}] = 1u; }`;
    const code = { ...facts.code ?? assert.fail(), text };
    return renderKernelPanel({ ...facts, code }, undefined, undefined, texts).text;
  };
  assert.doesNotMatch(readable("id.x"), /unknown/i);
  assert.match(readable("y[id.x]"), /<td>unknown<\/td>[^]*<p>[^<]*unknown/i, "with a reason");
});

/** @param changes number of the ladder step that this step improves. @param gain speedup over that step */
function rung(
  number: number,
  idea: string,
  changes: number,
  time: Timing,
  gainOnFirst: number,
  gain?: number,
) {
  const kernel = "abcde"[number - 1] ?? "";
  return { number, kernel, idea, changes, time, gainOnFirst, ...(gain === undefined ? {} : { gain }) };
}

const own: LadderMeasurement = {
  ladder: "forward",
  size: [8, 8, 8],
  steps: [
    rung(1, "naive", 1, timing(100, 1), 1),
    rung(2, "tile", 1, timing(50, 1), 2, 2),
    rung(3, "texture", 2, timing(80, 1), 1.25, 0.6),
    rung(4, "panel", 3, timing(81, 30), 1.2, 0.7),
    { number: 5, kernel: "e", idea: "more", changes: 4, refusal: "too large" },
  ],
};
const shipped = {
  ...{ ladder: "forward", size: [8, 8, 8], adapter: "llvmpipe (LLVM)", cores: 2, runtime: "Deno/2" },
  steps: [
    rung(1, "naive", 1, timing(100), 1),
    rung(2, "tile", 1, timing(130), 0.77, 0.77),
    rung(3, "texture", 2, timing(30), 3, 4),
    rung(4, "panel", 3, timing(20), 5, 1.5),
  ],
};

Deno.test("a ladder is compared with the recorded one: reversals are marked, but noise is not", () => {
  const steps = compareLadder(own, shipped);
  assert.deepEqual(steps.map(({ reversal }) => reversal), [
    undefined,
    "faster here",
    "slower here",
    undefined,
    undefined,
  ]);
  assert.equal(estimateNoise(timing(100, 1), timing(100, 1)), 0.05);
  assert.ok(Math.abs(estimateNoise(timing(100, 10), timing(50, 10)) - 0.3) < 1e-12);
  const { text } = renderLadderTable("t", steps, shipped);
  assert.equal(text.match(/class="turned"/g)?.length, 2);
  assertHas(text, "faster there, slower here", "slower there, faster here", "too large");
  const noisy = compareLadder({
    ...own,
    steps: own.steps.map((step) =>
      step.number === 3 ? { ...step, checkedSizes: 4, time: timing(40, 90) } : step
    ),
  }, shipped);
  assert.match(
    describeComparison(noisy, shipped)[0] ?? "",
    /equal within their noise: .*2, tile; 3, texture/,
  );
  const both = renderLadderTable("t", noisy, undefined).text;
  assert.doesNotMatch(both, />fastest here/);
  assert.match(both, /3\. texture[^]*correct at 4 sizes/);
  const columns = (table: string) => table.match(/<td>/g)?.length ?? 0;
  assert.equal(columns(text) - columns(both), 3 * steps.length, "no columns without recorded times");
  const close = own.steps.map((step) => ({ ...step, gainOnFirst: 1.01 }));
  assert.doesNotMatch(renderLadderTable("t", close, undefined).text, /<rect [^>]*width="\d\d/, "short bars");
  assert.deepEqual(compareLadder(own, undefined).map(({ reversal }) => reversal), Array(5).fill(undefined));
});

Deno.test("the bench reads saved files; the last of equal measurements counts", () => {
  const kept = new Map<string, unknown>([[formatLadderKey(own), own]]);
  kept.set(formatLadderKey(own), { ...own, steps: own.steps.slice(0, 1) });
  assert.deepEqual(collectMeasurements(kept).ladders.map(({ steps }) => steps.length), [1]);
  const larger: LadderMeasurement = { ...own, size: [9, 9, 9] };
  assert.equal(collectMeasurements(kept.set(formatLadderKey(larger), larger)).ladders.length, 2);
  const first = collectMeasurements(
    new Map<string, unknown>([[formatLadderKey(own), own], [
      "selftest",
      { findings: [1, 2, 3].map(() => ({ name: "a", kind: "gpu", kernels: ["k"], checks: [] })) },
    ]]),
  );
  const adapter = {
    kind: "gpu",
    description: "unnamed adapter",
    vendor: "nvidia",
    architecture: "ampere",
    runtime: "Chrome/1",
  } as const;
  assert.equal(formatAdapterName(adapter), "nvidia ampere");
  const on = {
    adapter,
    cores: 8,
    timestamps: true,
    date: new Date("2026-01-02T03:04:05Z"),
    version: "0.1.0",
  };
  const report = buildSavedReport(first, { ...on, name: " RTX 3060 " });
  assert.equal(formatFileName(report), "clickgan-rtx-3060-2026-01-02.json");
  const read = v.parse(benchReport, JSON.parse(JSON.stringify(report)));
  assert.equal(read.adapter.description, "RTX 3060");
  assert.equal(read.ladders?.[0]?.steps.length, 5);
  assert.deepEqual(listReportContents(first), [
    "ladder forward, 8 x 8 x 8: 5 steps",
    "self-test of the gpu variants: 3 cases, 0 differing",
  ]);
  const check = { kernels: ["k"], what: "output", values: 4 };
  const found = summarizeSelftest([
    { name: "a", kind: "gpu", kernels: ["k"], checks: [{ ...check, differs: false }] },
    { name: "b", kind: "gpu", kernels: ["k"], checks: [{ ...check, differs: true, fault: "stray write" }] },
    { name: "c", kind: "gpu", kernels: ["k"], checks: [], error: "does not compile" },
  ]);
  assert.deepEqual(found, [{
    kind: "gpu",
    cases: 3,
    differing: [{ name: "b", message: "output: stray write" }, { name: "c", message: "does not compile" }],
  }]);
});

Deno.test("machine code of a kernel is shown with facts and loop; without a record there is a message", () => {
  const kernel = {
    ...{ kernel: "k", where: "W1 LSTM", facts: ["72", "0"], isLoop: true, lines: 9 },
    code: ["BB1:", "  v_fma_f32 v0, v1, v2, v3"],
  };
  const names = ["VGPRs", "spilled"];
  const recorded: MachineCode = { compiler: "Mesa 25", gpu: "navi31", names, kernels: [kernel] };
  const { text } = renderMachineCode(recorded, "k");
  assertHas(text, "Mesa 25 for navi31", "W1 LSTM", "<dt>VGPRs</dt><dd>72</dd>", "v_fma_f32", "7 more lines");
  assert.match(renderMachineCode(recorded, "matmul_forward_panel").text, /No machine code is recorded/);
});
