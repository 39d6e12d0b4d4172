/** Tests `deno task bench compiled` with two kernels; test/external/compiled.ts compiles all kernels. */

import assert from "node:assert/strict";
import { readAssembly, timeCode } from "../../bench/compiled/assembly.ts";
import {
  cards,
  estimateTime,
  findCard,
  LAUNCH_US,
  LOAD_CYCLES,
  sumEstimates,
} from "../../bench/compiled/time_model.ts";
import type { CompiledFacts } from "../../bench/compiled/report.ts";
import { listMeasuredCells } from "../../bench/compiled/tables.ts";
import { describeMissingCompiler } from "../../bench/compiled/vulkan.ts";
import { runBenchCommand } from "../../bench/main.ts";
import { runBench } from "../command_check.ts";
import { isUserError, withEmptyFolder } from "../run/folder_check.ts";
import { compileAll, ignore, listCompiledFaults } from "./compiled_checks.ts";

Deno.test(
  "two kernels of a step do not spill and match their headers",
  { ignore },
  () =>
    withEmptyFolder(async (folder) => {
      const kernels = ["adam", "matmul_forward_tiled"];
      const only = ["--model", "^LSTM$", "--workload", "W0", "--only", `^(${kernels.join("|")})$`];
      const { report } = await compileAll(folder, "--gpu", "navi31", ...only);
      assert.deepEqual([...new Set(report.texts.map(({ kernel }) => kernel))].sort(), kernels);
      assert.deepEqual(listCompiledFaults(report, ["navi31"]), []);
    }),
);

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

Deno.test("machine code is parsed: loops, multiply-adds, widths, waits", () => {
  const { loop, ...all } = readAssembly(listing);
  assert.deepEqual([all.instructions, all.vector, all.fma, all.flops], [15, 4, 2, 5]);
  assert.deepEqual([all.loads, all.stores], [{ "128": 1 }, { "32": 1 }]);
  assert.deepEqual([all.workgroupLoads, all.workgroupStores], [{ "64": 1 }, {}]);
  assert.deepEqual([all.waits, all.barriers, all.branches, all.vectorInstructions], [1, 1, 3, 3]);
  assert.deepEqual([loop?.depth, loop?.instructions, loop?.vector, loop?.fma], [2, 6, 4, 2]);
  assert.equal(loop?.lines[0], "BB2:");
  assert.equal(loop?.lines.length, 7);
  assert.equal(all.loops, 2);
  // CDNA code with an early exit from a loop before its unrolled body.
  const cdna = "BB0:\n  s_add_u32 s0, s0, 1\n  ds_write_b128 v1, v[4:7]\n  s_cbranch_scc0 BB0\n" +
    "BB1:\n  buffer_load_dwordx4 v[0:3], v4, s[0:3], 0 offen\n  v_fma_f32 v0, v1, v2, v3\n  s_endpgm";
  const written = readAssembly(cdna);
  assert.deepEqual([written.loop, written.loads, written.workgroupStores], [undefined, { "128": 1 }, {
    "128": 1,
  }]);
  // Ten loops with equal arithmetic: none has most of it.
  const equal = Array.from({ length: 10 }, (_, k) => `BB${k}:\n  v_add_f32 v0, v0, v1\n  s_branch BB${k}\n`);
  const several = readAssembly(equal.join(""));
  assert.deepEqual([several.loop, several.loops], [undefined, 10]);
});

Deno.test("a subgroup waits until few enough of its loads are pending", () => {
  const cycles = { vector: 2, memory: 100, near: 10 };
  const time = (...lines: string[]) => timeCode({ lines }, cycles);
  const [load, near, sum] = ["  buffer_load_b32 v1", "  ds_load_b32 v2", "  v_add_f32 v3"];
  assert.equal(time(load, sum, "  s_waitcnt vmcnt(0)"), 101);
  assert.equal(time(load, load, sum, "  s_waitcnt vmcnt(0)"), 102);
  assert.equal(time(load, load, "  s_waitcnt vmcnt(1)"), 101);
  assert.equal(time(load, "  s_waitcnt lgkmcnt(0)", sum), 4);
  assert.equal(time(load, near, "  s_waitcnt vmcnt(1) lgkmcnt(0)"), 12);
  // gfx12 has a wait instruction for each kind of load, and one for both kinds.
  assert.equal(time(load, near, "  s_wait_dscnt 0x0"), 12);
  assert.equal(time(load, near, "  s_wait_loadcnt_dscnt 0x0"), 101);
  assert.equal(time(load, near, "  s_wait_loadcnt_dscnt 0x100"), 12);
  assert.equal(timeCode({ lines: [load, sum, "  s_waitcnt vmcnt(0)"] }, cycles, 3), 303);
});

Deno.test("the time model adds a launch to the slowest part, the instructions or the memory of a dispatch", () => {
  const [card] = cards;
  assert.ok(card);
  const facts: CompiledFacts = {
    ...readAssembly(listing),
    ...{ gpu: card.family, workgroup: [64], subgroup: 64, lanes: [64, 64], vgprs: 48, sgprs: 128 },
    ...{ spills: 0, lds: 0, subgroups: 32, limit: "none", dual: 1 },
  };
  const units = card.computeUnits / card.together;
  const workingSet = 2 ** 40;
  const estimate = (workgroups: number, turns: number, bytes = 0) =>
    estimateTime(card, facts, {
      parts: [{ workgroups, flops: workgroups * 64 * 5 * turns }],
      bytes,
      workingSet,
    });
  const cycles = { vector: 2, memory: LOAD_CYCLES, near: 130 };
  const loop = facts.loop ?? assert.fail();
  const turn = timeCode(loop, cycles, 2) - timeCode(loop, cycles);
  const near = (found: number, wanted: number) =>
    assert.ok(Math.abs(found - wanted) < 1e-9, `${found} ${wanted}`);
  // The launch is added to one subgroup's work: the code once, and the loop 31 more times.
  const one = estimate(1, 32);
  near(one.latency, (timeCode(facts, cycles) + 31 * turn) / 2300);
  near(one.us, LAUNCH_US + one.latency);
  // One workgroup per SIMD takes as long as a single one; seventeen per SIMD need a second round.
  near(estimate(4 * units, 32).latency, one.latency);
  near(estimate(16 * 4 * units, 32).latency, one.latency);
  near(estimate(17 * 4 * units, 32).latency, 2 * one.latency);
  // Short workgroups in the same launch do not shorten a few long ones.
  const flops = 64 * 5 * 32;
  const parts = [{ workgroups: 1, flops: 100 * flops }, { workgroups: 4 * units, flops: 4 * units * flops }];
  near(estimateTime(card, facts, { parts, bytes: 0, workingSet }).latency, estimate(1, 3200).latency);
  // Data that fit into the last cache move at the cache's bandwidth.
  const moved = estimate(1, 1, 96e6);
  assert.deepEqual([moved.memory, moved.us, moved.bound], [100, 100 + LAUNCH_US, "memory"]);
  const cached = estimateTime(card, facts, { parts: [], bytes: 96e6, workingSet: 96 * 2 ** 20 });
  near(cached.memory, 100 * 960 / card.cache.bandwidth);
  const { us, by } = sumEstimates([{ estimate: moved, steps: 1 }, { estimate: cached, steps: 4 }]);
  assert.deepEqual([by.memory, by.launch], [100 + cached.memory / 4, 1.25 * LAUNCH_US]);
  near(us, by.memory + by.launch);
});

Deno.test(
  "a user's text is compiled with its constants, or refused with a reason",
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
      const args = ["--file", file, "--set", "N=3", "--gpu", "navi31"];
      const { report: { texts: [own] }, stdout } = await compileAll(folder, ...args);
      assert.match(stdout, /^lanes +20 of 32$/m);
      assert.deepEqual(own?.facts.map(({ gpu, lanes, loads }) => [gpu, lanes, loads["128"]]), [
        ["navi31", [20, 32], 4],
      ]);
      const refused: [args: string[], says: RegExp][] = [
        [["--file", file], /mine\.wgsl: [^]*'N'/],
        [["--file", file, "--set", "M=1"], /Expected --set to name a constant of .*\(N\), got "M"/],
        [["--file", `${folder}/none.wgsl`], /cannot read .*none\.wgsl/],
        [["--set", "N=1"], /Expected --file with --set/],
        [["--model", "none of them"], /Expected --model to match one of LSTM, /],
      ];
      const json = `${folder}/refused.json`;
      for (const [args, says] of refused) {
        await assert.rejects(
          runBenchCommand(["compiled", "--json", json, ...args]),
          isUserError(says),
          args.join(" "),
        );
      }
    }),
);

Deno.test(
  "a text is compiled from Chrome's SPIR-V instead of Deno's",
  { ignore },
  (t) =>
    withEmptyFolder(async (folder) => {
      // naga counts the iterations of every loop, to ensure that it ends; Tint does not.
      const file = `${folder}/sum.wgsl`;
      const text = `@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn sum(@builtin(global_invocation_id) id: vec3u) {
  for (var k = 0u; k < u32(x[id.x]); k++) { y[id.x] += x[k]; }
}`;
      const args = ["--file", file, "--gpu", "navi31"];
      await Deno.writeTextFile(file, text.replace("y[id.x] +=", "y[id.z.x] +="));
      const refused = ["compiled", "--json", `${folder}/refused.json`, ...args, "--wgsl", "tint"];
      const { code, stderr } = await runBench(refused);
      const [missing] = stderr.match(/Expected (the npm package webgpu|a Vulkan adapter for Dawn).*/) ?? [];
      if (missing) return void await t.step({ name: missing, ignore: true, fn: () => {} });
      assert.equal(code, 1);
      assert.match(stderr, /sum\.wgsl/);
      await Deno.writeTextFile(file, text);
      const count = async (...more: string[]) =>
        (await compileAll(folder, ...args, ...more)).report.texts[0]?.facts[0]?.instructions ?? assert.fail();
      const [naga, tint] = [await count(), await count("--wgsl", "tint")];
      assert.ok(tint < naga, `${tint} ${naga}`);
    }),
);

Deno.test("without RADV the command prints what to install", () => {
  assert.match(describeMissingCompiler(["/nowhere"]) ?? "", /RADV[^]*apt-get install mesa-vulkan-drivers/);
});

Deno.test("estimated times are compared with measured ones of the same dispatch", () => {
  assert.equal(findCard("AMD Radeon RX 7900 XTX (RADV NAVI31)")?.family, "navi31");
  assert.equal(findCard("llvmpipe (LLVM 19.1.7, 256 bits)"), undefined);
  const dispatch = (label: string, us: number, steps = 1) => {
    const estimate = { memory: us, vector: 0, latency: 0, launch: 0, us, bound: "memory" } as const;
    return { label, kernel: "k", parts: [], bytes: 0, steps, estimates: { navi31: estimate } };
  };
  const dispatches = [dispatch("rank", 8, 4), dispatch("rank #2", 5), dispatch("adam", 3)];
  const measured = [["rank", 4], ["rank", 5], ["rank, into a texture", 9], ["adam", 6]] as const;
  const { rows } = listMeasuredCells(
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
