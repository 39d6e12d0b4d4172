/** Compiles all kernels for GPUs. A kernel that is slow on every GPU must have a stated reason. */

import assert from "node:assert/strict";
import type { CompiledChecksReport } from "../bench/compiled_checks.ts";
import { chapter, compileAll, ignore, isCompiler, listCompiledFaults } from "../bench/compiled_checks.ts";
import { findKernel, isForCpu, listKernelNames } from "../kernel_files.ts";
import { withEmptyFolder } from "../run/folder_check.ts";

/**
 * GPUs for which all kernels are compiled: the GPU of the numbers in kernel headers, the RDNA GPU with the
 * fewest subgroups, and a CDNA GPU. navi21 has as many registers as gfx1201.
 */
const WHOLE = ["navi31", "gfx1201", "mi200"];

Deno.test(
  "no kernel for GPUs spills; lanes, subgroups and loads suffice, or have a reason",
  { ignore },
  () =>
    withEmptyFolder(async (folder) => {
      const { report } = await compileAll(folder, "--gpu", WHOLE.join(","));
      const { texts, steps } = report;
      const kernels = [...new Set(texts.map(({ kernel }) => kernel))];
      const absent = listKernelNames("shipped").filter((name) =>
        !kernels.includes(name) && !isForCpu(findKernel(name))
      );
      assert.deepEqual(absent.sort(), ["lstm_backward", "lstm_forward"], "these spill");
      assert.ok(steps.length > 10, `${steps.length} steps`);
      assert.deepEqual(listCompiledFaults(report, WHOLE), []);
    }),
);

Deno.test(
  "the chapter's machine code and numbers are those of the same compiler",
  { ignore },
  () =>
    withEmptyFolder(async (folder) => {
      const known = new Map<
        string,
        { text: CompiledChecksReport["texts"][number]; stdout: string; compiler: string }
      >();
      const compile = async (file: string, subgroup?: string) => {
        const own = subgroup === undefined ? [] : ["--subgroup", subgroup];
        const path = new URL(`../../${file}`, import.meta.url).pathname;
        const key = `${file} ${subgroup}`;
        if (!known.has(key)) {
          const args = ["--file", path, "--gpu", "navi31", "--code", ...own];
          const { report: { texts: [text], compiler }, stdout } = await compileAll(folder, ...args);
          known.set(key, { text: text ?? assert.fail(file), stdout, compiler });
        }
        return known.get(key) ?? assert.fail(key);
      };
      const excerpts = [...chapter.matchAll(/```asm\n; (\S+\.wgsl)(?:, subgroup (\d+))?\n([^]*?)```/g)];
      assert.ok(excerpts.length >= 5);
      for (const [, file = "", subgroup, code = ""] of excerpts) {
        const { stdout, compiler } = await compile(file, subgroup);
        if (!isCompiler(compiler)) {
          return console.log(
            `Skipped: the chapter's code, which another compiler than ${compiler} generated`,
          );
        }
        const lines = stdout.split("\n");
        let at = 0;
        for (const line of code.split("\n").filter((line) => line !== "" && line !== "  ...")) {
          at = lines.indexOf(line, at) + 1;
          assert.ok(at > 0, `${file}: expected the line "${line}" after the lines before it`);
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
    }),
);

/** Row of the chapter's table, with kernel, lanes, VGPRs, spilled VGPRs, subgroups and instructions. */
const ROW = /^\| (\[.*\)|the same) +\| (32|64) +\| (\d+) +\| (\d+) +\| (\d+) +\| (\d+) +\|$/gm;
