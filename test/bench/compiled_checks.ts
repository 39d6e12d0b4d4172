import assert from "node:assert/strict";
import { describeMissingCompiler } from "../../bench/compiled/vulkan.ts";
import * as v from "../../src/schema.ts";
import { findKernel, readHeader, readKernel } from "../kernel_files.ts";
import { runBench } from "../command_check.ts";

const missing = describeMissingCompiler();
if (missing !== undefined) console.log(`Skipped: kernels compiled for GPUs, as ${missing}`);
export const ignore = missing !== undefined;

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
export type CompiledChecksReport = v.InferOutput<typeof reportSchema>;

export async function compileAll(
  folder: string,
  ...args: string[]
): Promise<{ report: CompiledChecksReport; stdout: string }> {
  const json = `${folder}/compiled.json`;
  const { code, stdout, stderr } = await runBench(["compiled", "--json", json, ...args], { cwd: folder });
  assert.equal(code, 0, stderr);
  assert.match(await Deno.readTextFile(`${folder}/compiled.html`), /<pre>/);
  return { report: v.parse(reportSchema, JSON.parse(await Deno.readTextFile(json))), stdout };
}

function compiledPart(kernel: string): string {
  const [, said = ""] = /compiled:((?:.*\n\/\/ {3})*.*)/.exec(readHeader(findKernel(kernel))) ?? [];
  return said.replaceAll(/\n\/\/\s*/g, " ");
}

/** Returns the low number that a kernel's header comment justifies, e.g. 20 in "lanes 20, because ...". */
function excused(kernel: string, what: "lanes" | "subgroups" | "loads"): number | undefined {
  const found = compiledPart(kernel).match(new RegExp(`\\b${what} (\\d+), because \\w`))?.[1];
  return found === undefined ? undefined : Number(found);
}

function isCurrent(kernel: string, facts: CompiledChecksReport["texts"][number]["facts"]): boolean {
  const [, vgprs, subgroups] = compiledPart(kernel).match(/navi31 (\d+) VGPRs, (\d+) subgroups/) ?? [];
  return vgprs === undefined ||
    facts.some((one) =>
      one.gpu === "navi31" && one.vgprs === Number(vgprs) && one.subgroups === Number(subgroups)
    );
}

/**
 * Lists faults: kernels that spill registers; kernels with few lanes, subgroups or loads, if their header
 * gives no reason; and headers with an outdated reason. @param gpus GPUs for which all kernels were compiled
 */
export function listCompiledFaults(
  { texts, compiler }: CompiledChecksReport,
  gpus: readonly string[],
): string[] {
  const sameCompiler = isCompiler(compiler);
  return [...new Set(texts.map(({ kernel }) => kernel))].flatMap((kernel) => {
    const facts = texts.filter((text) => text.kernel === kernel).flatMap((text) => text.facts);
    assert.deepEqual([...new Set(facts.map(({ gpu }) => gpu))], gpus);
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
      ...(sameCompiler && !isCurrent(kernel, facts) ? [`${kernel}: outdated numbers in its header`] : []),
      ...spilled.map(({ gpu, spills }) => `${kernel} spills ${spills} registers on ${gpu}`),
      ...(["lanes", "subgroups", "loads"] as const).filter((what) => found[what] !== excused(kernel, what))
        .map((what) => `${kernel}: ${what} ${found[what] ?? "enough"}, its header: ${excused(kernel, what)}`),
    ];
  });
}

/** Returns true for fewer than 8 subgroups per SIMD, or fewer than 4 on CDNA. */
function areFew({ gpu, subgroups }: { gpu: string; subgroups: number }): boolean {
  return subgroups < (gpu === "mi200" ? 4 : 8);
}

function readsVectors(kernel: string): boolean {
  const text = readKernel(findKernel(kernel));
  const names = [...text.matchAll(/var<storage, read> (\w+): array<vec4f>/g)].map(([, name]) => name);
  return names.some((name) => new RegExp(`\\b${name}\\[(?:[^[\\]]|\\[[^\\]]*\\])*\\](?!\\.)`).test(text));
}

export const chapter = Deno.readTextFileSync(
  new URL("../../kernels/course/13-machine-code.md", import.meta.url),
);

export function isCompiler(compiler: string): boolean {
  return chapter.replaceAll(/\s+/g, " ").includes(`from ${compiler}.`);
}
