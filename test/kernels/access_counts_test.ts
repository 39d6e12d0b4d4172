import assert from "node:assert/strict";
import type { AccessCounts } from "../../src/kernel_analysis/access_counts.ts";
import { countAccesses, measureAccessedBytes } from "../../src/kernel_analysis/access_counts.ts";
import type { IndexScope } from "../../src/kernel_analysis/values.ts";
import { BoundLadder } from "../../src/ladder/check_ladder.ts";
import { findLadder } from "../../src/ladder/ladders.ts";
import { findKernel, listKernelFiles, readKernel } from "../kernel_files.ts";
import { withGpu } from "../op_check.ts";

const scope = { workgroup: [64, 1], grid: [3, 1, 1], sizes: [2, 5, 1000, 7], chunks: 4 } as const;

/** Counts the memory accesses of a kernel with the statements `body` and 64 invocations per workgroup. */
function countKernel(body: string, more: Partial<IndexScope> = {}, declared = ""): AccessCounts {
  const text = `const WORKGROUP = 64;
struct Step { size: vec4u }
struct Row { first: u32, end: u32, at: vec3f }
@group(0) @binding(0) var<storage, read> f: array<f32>;
@group(0) @binding(1) var<storage, read> v: array<vec4f>;
@group(0) @binding(2) var<storage, read> list: array<u32>;
@group(0) @binding(3) var<storage, read> rows: array<Row>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<uniform> step: Step;
${declared}
@compute @workgroup_size(WORKGROUP)
fn k(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
) { ${body} }`;
  return countAccesses(text, { ...scope, ...more });
}

Deno.test("access counts: reads, writes and sectors match a count by hand", () => {
  const cases: [body: string, reads: number, writes: number, sectors: number | undefined][] = [
    ["out[id.x] = f[id.x];", 1, 1, 4], // 32 x 4 bytes
    ["out[id.x] = v[id.x].y;", 1, 1, 16], // one word per vector; a sector has two vectors
    ["let all = v[id.x]; out[id.x] = all.y;", 1, 1, 16],
    ["out[id.x] = f[8u * id.x];", 1, 1, 32], // one sector per read
    ["out[id.x] = f[step.size.x];", 1, 1, 1], // a broadcast
    ["out[id.x] = f[id.x + 4u];", 1, 1, 5], // not aligned
    ["out[id.x] = rows[id.x].at.z;", 1, 1, 32], // 32 bytes a row
    ["out[id.x] += f[id.x / 8u];", 2, 1, 2.5], // 4 sectors of out, 1 sector of f
    ["for (var k = 0u; k < 6u; k += 2u) { out[k] = f[k * 1000u + id.x]; }", 3, 3, 4],
    ["if (id.x % 2u == 0u) { return; } out[id.x] = f[id.x] + f[id.x];", 2, 1, 8], // 16 odd ones read 4 sectors
    ["let i = select(0u, id.x, id.x < 80u); out[id.x] = f[i];", 1, 1, 2], // half: 16 floats
    ["var k = 3u; while (k > 0u) { k--; if (k == 1u) { continue; } out[id.x] = f[id.x]; }", 2, 2, 4],
    ["loop { if (id.x > 0u) { break; } } out[id.x] = f[id.x];", 1, 1, 4],
    ["out[id.x] = 0.0;", 0, 1, undefined],
  ];
  for (const [body, reads, writes, sectors] of cases) {
    const { storage } = countKernel(body);
    assert.deepEqual([storage.reads, storage.writes, storage.readSectors], [reads, writes, sectors], body);
  }
});

Deno.test("access counts: sectors of small and large workgroups are comparable", () => {
  const bodies = [["out[id.x] = f[id.x];", 4, 4], ["out[8u * id.x] = v[2u * id.x].x;", 32, 32]] as const;
  for (const [body, ...sectors] of bodies) {
    for (const WORKGROUP of [8, 16, 64]) {
      const { storage } = countKernel(body, { workgroup: [WORKGROUP, 1] });
      assert.deepEqual([storage.readSectors, storage.writeSectors], sectors, `${WORKGROUP}: ${body}`);
    }
  }
});

Deno.test("access counts: bank conflicts match a count by hand, with and without padding", () => {
  const cases: [tile: string, access: string, conflicts: number][] = [
    ["array<array<f32, 32>, 64>", "tile[local][0u]", 31], // a column, whose words are in one bank
    ["array<array<f32, 33>, 64>", "tile[local][0u]", 0], // padded
    ["array<array<f32, 34>, 64>", "tile[local][0u]", 1], // 16 banks, two words each
    ["array<array<f32, 32>, 64>", "tile[0u][local % 32u]", 0], // a row
    ["array<array<f32, 32>, 64>", "tile[3u][7u]", 0], // a broadcast
    ["array<vec4f, 64>", "tile[local].x", 3], // one word per vector: 8 banks with four words each
  ];
  for (const [tile, access, conflicts] of cases) {
    const { workgroup } = countKernel(`out[id.x] = ${access};`, {}, `var<workgroup> tile: ${tile};`);
    assert.equal(workgroup.conflicts, conflicts, `${access} of ${tile}`);
  }
  // A vector per invocation takes 128 words: four cycles, so there is no conflict.
  const { workgroup } = countKernel(
    "out[id.x] = dot(tile[local], v[0]);",
    {},
    "var<workgroup> tile: array<vec4f, 64>;",
  );
  assert.equal(workgroup.conflicts, 0);
});

Deno.test("access counts: data-dependent indices need the data", () => {
  const unknown = "unknown";
  const asked = (body: string, more: Partial<IndexScope> = {}, declared = "") => {
    const { storage: { reads, writes, readSectors } } = countKernel(body, more, declared);
    return [reads, writes, readSectors];
  };
  assert.deepEqual(asked("out[id.x] = f[list[id.x]];"), [2, 1, unknown]);
  const far = Uint32Array.from({ length: 192 }, (_, k) => 8 * k);
  assert.deepEqual(asked("out[id.x] = f[list[id.x]];", { data: { list: far } }), [2, 1, (4 + 32) / 2]);
  const walk = "for (var k = rows[id.x].first; k < rows[id.x].end; k++) { out[k] = f[k]; }";
  assert.deepEqual(asked(walk), [unknown, unknown, unknown]);
  // Rows 64 to 127 have two iterations each: three loop conditions, a first read, and one per iteration.
  const data = { rows: Uint32Array.from({ length: 8 * 192 }, (_, k) => k % 8 === 1 ? 2 : 0) };
  assert.deepEqual(asked(walk, { data }).slice(0, 2), [1 + 3 + 2, 2]);
  const within = "if (id.x >= arrayLength(&f)) { return; } out[id.x] = f[id.x];";
  assert.deepEqual(asked(within), [unknown, unknown, unknown]);
  assert.deepEqual(asked(within, { bytes: { f: 4 * 100 } }), [1, 1, 32 * (4 + 1) / 36]); // 64 to 95, 96 to 99
  // A grid that is larger than the work, shared launches, and declarations that follow later.
  const few = "if (id.x >= 40u) { return; } out[id.x] = f[id.x];";
  assert.deepEqual(asked(few), [1, 1, 32 * (4 + 1) / 40]);
  const shared = "if (group.z == 0u) { out[id.x] = 1.0; } else { out[id.x] = f[8u * id.x] + f[FIRST]; }";
  assert.deepEqual(asked(shared, { grid: [3, 1, 2] }, "const FIRST = SECOND; const SECOND = 1u;"), [
    1,
    1,
    16.5,
  ]);
  // After a conditional return, the presence of an invocation is unknown.
  assert.deepEqual(asked("if (list[0] > 3u) { return; } out[id.x] = f[id.x];"), [unknown, unknown, unknown]);
  assert.deepEqual(asked("var k = id.x; if (f[0] > 0.0) { k = 0u; } out[k] = f[k];"), [2, 1, unknown]);
  assert.deepEqual(asked("while (f[0] > 0.0) { out[id.x] = 1.0; }"), [unknown, unknown, unknown]);
  // Indices that wrap, are signed, or may be changed by a function with a pointer.
  for (const k of ["id.x - 65u", "u32(-1)", "id.x * 4000000000u"]) {
    assert.deepEqual(asked(`out[id.x] = f[${k}];`)[2], unknown, k);
  }
  // Whole numbers stored as floats: their quotients are not whole.
  const declared = "const ODD: f32 = 3; struct Both { a: f32 } fn half(x: f32) -> f32 { return x / 2; }\n" +
    "fn three() -> f32 { return 3; } fn change(p: ptr<function, u32>) { *p = 5u; }";
  for (
    const body of [
      "let y: f32 = 3; out[id.x] = f[u32(y / 2 * 2)];",
      "let y = vec2<f32>(3, 4).x; out[id.x] = f[u32(y / 2 * 2)];",
      "let y = select(0.5, 3, id.x > 0u); out[id.x] = f[u32(y / 2 * 2)];",
      "out[id.x] = f[u32(ODD / 2 * 2)];",
      "out[id.x] = f[u32(three() / 2 * 2)];",
      "var k = id.x; change(&k); out[id.x] = f[k];",
    ]
  ) assert.deepEqual(asked(body, {}, declared), [1, 1, unknown], body);
  for (
    const foreign of [
      "switch id.x { default {} }",
      "let p = &out; (*p)[0] = 1.0;",
      "var k = 1u; let p = &k;",
      "out[id.x",
    ]
  ) {
    assert.deepEqual(asked(foreign), [unknown, unknown, unknown], foreign);
  }
});

Deno.test("access counts: whole numbers in workgroup memory are followed in uniform loops", () => {
  const declared = "var<workgroup> most: u32;";
  const body = "if (local == 0u) { most = step.size.y; } let n = workgroupUniformLoad(&most); " +
    "for (var k = 0u; k < n; k++) { out[id.x] = f[k]; }";
  assert.equal(countKernel(body, {}, declared).storage.reads, 5);
  assert.equal(
    countKernel(body.replace("local == 0u", "f[0] > 0.0"), {}, declared).storage.reads,
    "unknown",
  );
  assert.equal(
    countKernel(body.replace("step.size.y", "local + list[local]"), {}, declared).storage.writes,
    "unknown",
  );
});

Deno.test("access counts: every kernel of the repository is parsed", () => {
  for (const path of listKernelFiles("shipped", "steps", "exercises", "probe")) {
    const { variables, storage } = countAccesses(readKernel(path), scope);
    assert.ok(variables.length > 0, path);
    for (const count of [storage.reads, storage.writes, storage.readSectors]) {
      assert.ok(typeof count !== "number" || (count >= 0 && Number.isFinite(count)), `${path}: ${count}`);
    }
  }
});

Deno.test("access counts: each invocation of batch norm writes its own ROWS rows", () => {
  // The first workgroup has four blocks of rows, and one block writes four statistics. One block of all rows
  // would also be correct, but slow.
  for (
    const [name, writes] of [["forward", 128 + 4 / 4], ["input_gradient", 128], ["running", 16]] as const
  ) {
    const text = readKernel(findKernel(`batch_norm_${name}`));
    assert.equal(countAccesses(text, { ...scope, grid: [1, 1, 1] }).storage.writes, writes, name);
  }
});

Deno.test("accessed bytes end where the last active invocation of the grid ends", () => {
  const text = readKernel(findKernel("choice_nll_3_online")); // an invocation reads x, y and z of `event`
  const ends = measureAccessedBytes(text, { ...scope, sizes: [0, 130, 0, 0] });
  assert.equal(ends.get("event"), 16 * 130 - 4);
});

Deno.test("access counts: a subgroup is 32 neighbours", () => {
  const path = findKernel("outcome_sum_subgroups");
  // One round over the events, and an eighth of 64 sums per lane.
  const { storage, workgroup } = countAccesses(readKernel(path).replace("= 256;", "= 64;"), scope);
  assert.deepEqual([storage.reads, workgroup.reads, workgroup.writes], [5 / 64, 2, 1]);
});

Deno.test("access counts: an uncoalesced product shows its sectors, and a tile its banks", () =>
  withGpu(undefined, async (gpu) => {
    const ladder = findLadder("forward");
    const steps = ladder.steps.map((step, k) => ({ ...step, number: k + 1, changes: 1 }))
      .filter(({ idea }) => /no tile|lanes over rows|shipped for GPUs/.test(idea));
    using bound = await BoundLadder.open(gpu, { ...ladder, steps }, [256, 64, 64]);
    const [tiled, registers, overRows] = bound.steps.map(({ counts }) => counts());
    const sectors = (counts: AccessCounts | undefined) => Number(counts?.storage.readSectors);
    // 16 invocations read 16 vectors of W and one input element; 8 invocations read one vector, and 8 rows.
    assert.equal(sectors(registers), 2 * (64 * (8 + 4) + 4 * 8) / (64 * 5 + 4));
    assert.equal(sectors(overRows), 4 * (64 * (1 + 4 * 8) + 4) / (64 * 5 + 4));
    assert.ok(sectors(overRows) > sectors(registers));
    // In 64 of 136 accesses to the tiles, a second vector is in the same banks (see the kernel's header).
    assert.equal(tiled?.workgroup.conflicts, 64 / 136);
  }));
