import assert from "node:assert/strict";
import { Arena } from "../../src/gpu/arena.ts";
import { CommandRecorder } from "../../src/gpu/commands.ts";
import { parseKernel } from "../../src/gpu/kernel.ts";
import { Program } from "../../src/gpu/program.ts";
import { readFloats } from "../../src/gpu/readback.ts";
import {
  computeTexelIndex,
  listRegions,
  makePanelLayout,
  makeRowLayout,
  type TextureLayout,
  writeMemory,
} from "../../src/gpu/memory.ts";
import { withGpu } from "../op_check.ts";

/** [rows, vectors per row] of matrices. One line of a texture stores 2,048 rows (of a panel). */
const shapes = [[1, 8], [37, 9], [2048, 8], [2049, 13], [4096, 64]] as const;

function layouts(rows: number, vectors: number): [string, TextureLayout][] {
  const bytes = 16 * rows * vectors;
  return [["in panels", makePanelLayout(bytes, vectors)], ["row by row", makeRowLayout(bytes)]];
}

for (const [rows, vectors] of shapes) {
  for (const [name, layout] of layouts(rows, vectors)) {
    Deno.test(`texture layout: ${rows} rows of ${vectors} vectors ${name}, places and regions`, () => {
      const texels = layout.width * layout.height;
      const places = Array.from({ length: rows * vectors }, (_, i) => computeTexelIndex(layout, i));
      assert.equal(new Set(places).size, places.length, "two vectors share a place");
      assert.ok(places.every((place) => place >= 0 && place < texels), "a place outside of the texture");
      for (const used of [0, 1, Math.ceil(rows / 3), rows]) {
        const covered = new Set<number>();
        for (const { line, lines, texels } of listRegions(layout, 16 * used * vectors)) {
          for (let y = line; y < line + lines; y++) {
            for (let x = 0; x < texels; x++) covered.add(y * layout.width + x);
          }
        }
        const wanted = places.slice(0, used * vectors);
        assert.ok(wanted.every((place) => covered.has(place)), `a copy of ${used} rows lacks a row`);
        assert.ok(
          places.slice(used * vectors).every((place) => !covered.has(place)),
          `a copy of ${used} rows copies another row, too`,
        );
      }
    });
  }
}

const negate = parseKernel(
  "negate",
  `
const WORKGROUP = 64;
@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(2) var<uniform> step: vec4u;
fn load_input(i: u32) -> vec4f { return input[i]; }
fn store_output(i: u32, value: vec4f) { output[i] = value; }
@compute @workgroup_size(WORKGROUP)
fn negate(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i < step.z) { store_output(i, -load_input(i)); }
}
`,
);

Deno.test("texture layout: kernels, copies and the host find the same numbers", () =>
  withGpu("cpu", async (gpu) => {
    for (const [rows, vectors] of shapes) {
      for (const [name, layout] of layouts(rows, vectors)) {
        using arena = new Arena(gpu, "layouts");
        const bytes = 16 * rows * vectors;
        const sizes = { users: 0, events: 0, rows, items: 0 };
        const input = arena.allocateTexture("input", bytes, undefined, layout);
        const output = arena.allocateTexture("output", bytes, { of: "rows", times: 16 * vectors }, layout);
        const values = Float32Array.from({ length: 4 * rows * vectors }, (_, k) => k + 1);
        writeMemory(gpu.queue, input, values);
        const header = arena.upload("step", new Uint32Array(64).fill(rows * vectors));
        const program = await Program.record(gpu, "layouts", header.buffer, [{
          kernel: negate,
          label: "negate",
          views: { input, output },
          invocations: [rows * vectors],
          cost: () => ({ flops: 0, bytes: 0 }),
        }]);
        CommandRecorder.submit(gpu, "layouts", (commands) => program.encode(commands, sizes, 0));
        const { texture } = output;
        for (
          const [where, view] of [["texture", { texture, layout, size: bytes }], ["buffer", output]] as const
        ) {
          const found = await readFloats(gpu, view);
          assert.deepEqual(found, values.map((x) => -x), `${rows} x ${vectors} vectors ${name}, ${where}`);
        }
      }
    }
  }));
