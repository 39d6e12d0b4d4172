/** What GPUs' compilers make of the kernels in the shapes of a GPU: nothing that would slow every GPU down, or a reason for it. */

import assert from "node:assert/strict";
import { readAssembly } from "../../bench/compiled/assembly.ts";
import { cards, knownCard } from "../../bench/compiled/cards.ts";
import type { Facts } from "../../bench/compiled/report.ts";
import { reckon, sumOf } from "../../bench/compiled/time_model.ts";
import { besideMeasuredCells } from "../../bench/compiled/tables.ts";
import { missingCompiler } from "../../bench/compiled/vulkan.ts";
import * as v from "../../src/schema.ts";
import { forCpu, header, kernelFile, kernelNames, kernelPath } from "../kernel_files.ts";
import { withEmptyFolder } from "../run/folder_check.ts";
import { runBench } from "./run_bench.ts";

const missing = missingCompiler();
if (missing !== undefined) console.log(`Skipped: kernels compiled for GPUs, as ${missing}`);
const ignore = missing !== undefined;

const widths = v.record(v.string(), v.number());
const reportSchema = v.object({
  compiler: v.string(),
  texts: v.array(v.object({
    kernel: v.string(),
    uses: v.array(v.string()),
    facts: v.array(v.object({
      gpu: v.string(),
      lanes: v.tuple([v.number(), v.number()]),
      vgprs: v.number(),
      subgroups: v.number(),
      spills: v.number(),
      loads: widths,
      instructions: v.number(),
    })),
  })),
  steps: v.array(v.object({ workload: v.string(), model: v.string() })),
});
type Report = v.InferOutput<typeof reportSchema>;

async function compiled(folder: string, ...args: string[]): Promise<{ report: Report; stdout: string }> {
  const json = `${folder}/compiled.json`;
  const { code, stdout, stderr } = await runBench(["compiled", "--json", json, ...args], { cwd: folder });
  assert.equal(code, 0, stderr);
  assert.match(await Deno.readTextFile(`${folder}/compiled.html`), /<pre>/);
  return { report: v.parse(reportSchema, JSON.parse(await Deno.readTextFile(json))), stdout };
}

/** What a kernel's header says behind "compiled:". */
function compiledPart(kernel: string): string {
  const [, said = ""] = /compiled:((?:.*\n\/\/ {3})*.*)/.exec(header(kernelPath(kernel))) ?? [];
  return said.replaceAll(/\n\/\/\s*/g, " ");
}

/** The number that it gives a reason for: "lanes 20, because ...". */
function excused(kernel: string, what: "lanes" | "subgroups" | "loads"): number | undefined {
  const found = compiledPart(kernel).match(new RegExp(`\\b${what} (\\d+), because \\w`))?.[1];
  return found === undefined ? undefined : Number(found);
}

/** Whether the figures that a header has of navi31 are those of one of its texts. */
function isCurrent(kernel: string, facts: Report["texts"][number]["facts"]): boolean {
  const [, vgprs, subgroups] = compiledPart(kernel).match(/navi31 (\d+) VGPRs, (\d+) subgroups/) ?? [];
  return vgprs === undefined ||
    facts.some((one) =>
      one.gpu === "navi31" && one.vgprs === Number(vgprs) && one.subgroups === Number(subgroups)
    );
}

/**
 * GPUs that everything is compiled for: what headers have figures of, what holds the fewest subgroups of all RDNA, and CDNA.
 * navi21, which has as many registers as gfx1201, compiles a text below.
 */
const WHOLE = ["navi31", "gfx1201", "mi200"];

Deno.test(
  "in the shapes of a GPU no kernel spills; lanes, subgroups and loads are as they should, or have a reason",
  {
    ignore,
  },
  () =>
    withEmptyFolder(async (folder) => {
      const { report: { texts, steps, compiler } } = await compiled(folder, "--gpu", WHOLE.join(","));
      const sameCompiler = isOf(compiler);
      const kernels = [...new Set(texts.map(({ kernel }) => kernel))];
      const absent = kernelNames("shipped").filter((name) =>
        !kernels.includes(name) && !forCpu(kernelPath(name))
      );
      assert.deepEqual(
        absent.sort(),
        ["lstm_backward", "lstm_forward"],
        "an invocation a user, which spills",
      );
      assert.ok(steps.length > 10, `${steps.length} steps`);
      const faults = kernels.flatMap((kernel) => {
        const facts = texts.filter((text) => text.kernel === kernel).flatMap((text) => text.facts);
        assert.deepEqual([...new Set(facts.map(({ gpu }) => gpu))], WHOLE);
        const least = (of: (one: typeof facts[number]) => number) => Math.min(...facts.map(of));
        const few = facts.filter(areFew);
        const found = {
          lanes: least(({ lanes: [working] }) => working) < 32 ? least(({ lanes }) => lanes[0]) : undefined,
          subgroups: few.length > 0 ? Math.min(...few.map(({ subgroups }) => subgroups)) : undefined,
          loads: readsVectors(kernel) && least(({ loads }) => loads["128"] ?? loads["96"] ?? 0) === 0
            ? 32
            : undefined,
        };
        const spilled = facts.filter(({ spills }) => spills > 0);
        return [
          ...(sameCompiler && !isCurrent(kernel, facts) ? [`${kernel}: other figures in its header`] : []),
          ...spilled.map(({ gpu, spills }) => `${kernel} spills ${spills} registers on ${gpu}`),
          ...(["lanes", "subgroups", "loads"] as const).filter((what) =>
            found[what] !== excused(kernel, what)
          )
            .map((what) =>
              `${kernel}: ${what} ${found[what] ?? "enough"}, its header: ${excused(kernel, what)}`
            ),
        ];
      });
      assert.deepEqual(faults, []);
    }),
);

/** Whether a SIMD holds fewer than the eight subgroups that a kernel should leave room for, or on CDNA four. */
function areFew({ gpu, subgroups }: { gpu: string; subgroups: number }): boolean {
  return subgroups < (gpu === "mi200" ? 4 : 8);
}

/** Whether a kernel reads vectors of four floats as a whole. */
function readsVectors(kernel: string): boolean {
  const text = kernelFile(kernelPath(kernel));
  const names = [...text.matchAll(/var<storage, read> (\w+): array<vec4f>/g)].map(([, name]) => name);
  return names.some((name) => new RegExp(`\\b${name}\\[(?:[^[\\]]|\\[[^\\]]*\\])*\\](?!\\.)`).test(text));
}

const listing = `BB0:
	s_mov_b32 s0, 0                        ; be800080
	buffer_load_b128 v[0:3], v8, s[4:7], 0 offen ; e05c0000
BB1:
	s_add_u32 s0, s0, 1                    ; 80008100
BB2:
	ds_load_2addr_b64 v[4:7], v9 offset1:1 ; d9dc0100
	s_waitcnt vmcnt(0) lgkmcnt(0)          ; bf890007
	v_fmac_f32_e32 v10, v0, v4             ; 56140900
	v_dual_fmac_f32 v11, v1, v5 :: v_dual_mul_f32 v12, v2, v6 ; c8060b01
	v_add_nc_u32_e32 v8, 16, v8            ; 4a101090
	s_cbranch_scc1 BB2                     ; bfa20010
BB3:
	s_barrier                              ; bfbd0000
	s_cbranch_vccnz BB1                    ; bfa40010
	buffer_store_b32 v10, v8, s[4:7], 0 offen ; e0680000
	s_branch BB4                           ; bfa00000
BB4:
	s_nop 0                                ; bf800000
	(then repeated 3 times)
	s_endpgm                               ; bfb00000`;

Deno.test("machine code is read: loops, multiply-adds, widths, waits", () => {
  const { loop, byDepth, ...all } = readAssembly(listing);
  assert.deepEqual(byDepth, [6, 3, 6]);
  assert.deepEqual([all.instructions, all.vector, all.fma, all.flops], [15, 4, 2, 5]);
  assert.deepEqual([all.loads, all.stores], [{ "128": 1 }, { "32": 1 }]);
  assert.deepEqual([all.workgroupLoads, all.workgroupStores], [{ "64": 1 }, {}]);
  assert.deepEqual([all.waits, all.barriers, all.branches], [1, 1, 3]);
  assert.deepEqual([loop?.depth, loop?.instructions, loop?.vector, loop?.fma], [2, 6, 4, 2]);
  assert.equal(loop?.lines[0], "BB2:");
  assert.equal(loop?.lines.length, 7);
  // CDNA, and a loop that is left where the one that computes is written out.
  const cdna = "BB0:\n  s_add_u32 s0, s0, 1\n  ds_write_b128 v1, v[4:7]\n  s_cbranch_scc0 BB0\n" +
    "BB1:\n  buffer_load_dwordx4 v[0:3], v4, s[0:3], 0 offen\n  v_fma_f32 v0, v1, v2, v3\n  s_endpgm";
  const written = readAssembly(cdna);
  assert.deepEqual([written.loop, written.loads, written.workgroupStores], [undefined, { "128": 1 }, {
    "128": 1,
  }]);
});

Deno.test("a model of time: the largest of memory, vector instructions, latency and launch", () => {
  const [card] = cards;
  assert.ok(card);
  const facts: Facts = {
    ...readAssembly(listing),
    ...{
      gpu: card.family,
      workgroup: [64],
      subgroup: 64,
      lanes: [64, 64],
      vgprs: 48,
      sgprs: 128,
      spills: 0,
      lds: 0,
    },
    ...{ subgroups: 32, limit: "none", dual: 1, latency: 2300, inverseThroughput: 230 },
  };
  const simds = card.computeUnits * card.simds;
  const assumed = { flops: 64 * 5 * 32, bytes: 960 };
  // One subgroup: its latency at 2.3 GHz, with the turns that the compiler assumed.
  const one = reckon(card, facts, { workgroups: 1, ...assumed });
  assert.deepEqual([one.latency, one.memory, one.bound], [1, 0.001, "launch"]);
  // Ten times the FLOPs: ten times the turns of both loops, while 6 instructions stay outside.
  const [before, after] = [6 + 3 * 8 + 6 * 32, 6 + 3 * 80 + 6 * 320];
  const long = reckon(card, facts, { workgroups: 1, ...assumed, flops: 10 * assumed.flops });
  assert.ok(Math.abs(long.us - after / before) < 1e-9 && long.bound === "latency", JSON.stringify(long));
  // A hundred subgroups a SIMD: sixteen at once.
  const many = reckon(card, facts, { workgroups: 100 * simds, flops: 6400 * simds * 5 * 32, bytes: 0 });
  assert.ok(Math.abs(many.vector - 10) < 1e-9 && many.latency === 7 && many.bound === "vector");
  const moved = reckon(card, facts, { workgroups: 1, flops: 0, bytes: 96e6 });
  assert.deepEqual([moved.us, moved.bound], [100, "memory"]);
  const { us, by } = sumOf([{ reckoning: moved, steps: 1 }, { reckoning: one, steps: 4 }]);
  assert.deepEqual([us, by], [100.75, { memory: 100, vector: 0, latency: 0, launch: 0.75 }]);
});

Deno.test(
  "a text of one's own is compiled with its constants, and refused with a reason",
  { ignore },
  () =>
    withEmptyFolder(async (folder) => {
      const file = `${folder}/mine.wgsl`;
      const text = `override N: u32;
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(1) @binding(2) var<storage, read_write> y: array<vec4f>;
@compute @workgroup_size(20) fn sums(@builtin(global_invocation_id) id: vec3u) {
  for (var k = 0u; k < N; k++) { y[id.x] += x[id.x * N + k]; }
}`;
      await Deno.writeTextFile(file, text);
      const args = ["--file", file, "--set", "N=3"];
      const { report: { texts: [own] }, stdout } = await compiled(folder, ...args);
      assert.match(stdout, /^lanes +20 of 32 +20 of \d\d +20 of \d\d +20 of 64$/m);
      assert.deepEqual(own?.facts.map(({ gpu, lanes, loads }) => [gpu, lanes, loads["128"]]), [
        ["navi31", [20, 32], 4],
        ["navi21", [20, 32], 4],
        ["gfx1201", [20, 32], 4],
        ["mi200", [20, 64], 4],
      ]);
      assert.deepEqual(own?.facts.map(({ gpu }) => gpu), cards.map(({ family }) => family));
      const refused: [args: string[], says: RegExp][] = [
        [["--file", file], /error: .*mine\.wgsl: [^]*'N'/],
        [["--file", file, "--set", "M=1"], /error: Expected --set to name a constant of .*\(N\), got "M"/],
        [["--file", "none.wgsl"], /error: cannot read none\.wgsl/],
        [["--set", "N=1"], /error: Expected --set beside --file/],
        [["--gpu", "rtx4090"], /Expected names of navi31, .*got "rtx4090"/],
        [["--model", "none of them"], /error: Expected --model to match one of LSTM, /],
      ];
      for (const [args, says] of refused) {
        const { code, stderr } = await runBench(["compiled", ...args], { cwd: folder });
        assert.equal(code, 1);
        assert.match(stderr, says);
      }
    }),
);

Deno.test("where RADV is missing it is said what to install", () => {
  assert.match(missingCompiler(["/nowhere"]) ?? "", /no RADV[^]*apt-get install mesa-vulkan-drivers/);
});

Deno.test("reckoned times stand beside what the same dispatch took", () => {
  assert.equal(knownCard("AMD Radeon RX 7900 XTX (RADV NAVI31)")?.family, "navi31");
  assert.equal(knownCard("llvmpipe (LLVM 19.1.7, 256 bits)"), undefined);
  const dispatch = (label: string, us: number, steps = 1) => {
    const reckoning = { memory: us, vector: 0, latency: 0, launch: 0, us, bound: "memory" } as const;
    return { label, kernel: "k", workgroups: 1, flops: 0, bytes: 0, steps, reckoned: { navi31: reckoning } };
  };
  const dispatches = [dispatch("rank", 8, 4), dispatch("rank #2", 5), dispatch("adam", 3)];
  const measured = [["rank", 4], ["rank", 5], ["rank, into a texture", 9], ["adam", 6]] as const;
  const { rows } = besideMeasuredCells(
    { workload: "W1", model: "LSTM", dispatches },
    "navi31",
    measured.map(([label, median]) => ({ label, median })),
  );
  assert.deepEqual(rows.map(([label, , time, us, ratio]) => [label, time, us, ratio]), [
    ["rank", "4", "2", "2"],
    ["rank #2", "5", "5", "1"],
    ["adam", "6", "3", "2"],
    ["all", "15", "10", "1.5"],
  ]);
});

/** What is shown in the chapter about machine code: its excerpts, and its table. */
const chapter = Deno.readTextFileSync(new URL("../../kernels/course/13-machine-code.md", import.meta.url));

/** Whether what is shown is of this compiler. */
function isOf(compiler: string): boolean {
  return chapter.replaceAll(/\s+/g, " ").includes(`of ${compiler}.`);
}

Deno.test("the chapter's machine code and figures are what the compiler gives, where it is the same", {
  ignore,
}, () =>
  withEmptyFolder(async (folder) => {
    const known = new Map<string, { text: Report["texts"][number]; stdout: string; compiler: string }>();
    const compile = async (file: string, subgroup?: string) => {
      const own = subgroup === undefined ? [] : ["--subgroup", subgroup];
      const path = new URL(`../../${file}`, import.meta.url).pathname;
      const key = `${file} ${subgroup}`;
      if (!known.has(key)) {
        const args = ["--file", path, "--gpu", "navi31", "--code", ...own];
        const { report: { texts: [text], compiler }, stdout } = await compiled(folder, ...args);
        known.set(key, { text: text ?? assert.fail(file), stdout, compiler });
      }
      return known.get(key) ?? assert.fail(key);
    };
    const excerpts = [...chapter.matchAll(/```asm\n; (\S+\.wgsl)(?:, subgroup (\d+))?\n([^]*?)```/g)];
    assert.ok(excerpts.length >= 5);
    for (const [, file = "", subgroup, code = ""] of excerpts) {
      const { stdout, compiler } = await compile(file, subgroup);
      if (!isOf(compiler)) {
        return console.log(`Skipped: the chapter's code, which is not of ${compiler}`);
      }
      const lines = stdout.split("\n");
      let at = 0;
      for (const line of code.split("\n").filter((line) => line !== "" && line !== "  ...")) {
        at = lines.indexOf(line, at) + 1;
        assert.ok(at > 0, `${file}: expected the line "${line}" behind those before it`);
      }
    }
    let file = "";
    let rows = 0;
    for (const [, name = "", lanes = "", ...figures] of chapter.matchAll(ROW)) {
      file = name.match(/\(\.\.\/(.*)\)/)?.[1] ?? file;
      const { text: { facts: [own] } } = await compile(`kernels/${file}`, lanes);
      assert.deepEqual(
        figures.map(Number),
        [own?.vgprs, own?.spills, own?.subgroups, own?.instructions],
        file,
      );
      rows++;
    }
    assert.ok(rows >= 6);
  }));

/** A row of the chapter's table: a kernel, lanes, VGPRs, spilled ones, subgroups, instructions. */
const ROW = /^\| (\[.*\)|the same) +\| (32|64) +\| (\d+) +\| (\d+) +\| (\d+) +\| (\d+) +\|$/gm;
