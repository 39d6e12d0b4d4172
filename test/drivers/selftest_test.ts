import assert from "node:assert/strict";
import type { Gpu } from "../../src/gpu/device.ts";
import { openGpu } from "../open_alone.ts";
import {
  CheckCollector,
  computeErrorShare,
  findBlamedKernels,
  formatSelftestJson,
  groupByKernel,
  type KindFinding,
  listFaults,
} from "../../src/selftest/finding.ts";
import { runSelftest, selectCases } from "../../src/selftest/run.ts";
import { runCommand, runOk } from "../command_check.ts";

Deno.test("the error of an element is a share of its tolerance", () => {
  const share = (expected: number, got: number, tolerance: number) =>
    computeErrorShare({ index: "", expected, got, tolerance });
  assert.equal(share(1, 1.5, 2), 0.25);
  assert.equal(share(0, -0, 0), 0);
  assert.equal(share(1, 2, 0), Infinity);
  assert.equal(share(1, NaN, 1), Infinity);
  assert.equal(share(NaN, 1, 1), Infinity);
  assert.equal(share(NaN, NaN, 0), 0);
  assert.equal(share(Infinity, Infinity, 0), 0);
  assert.equal(share(Infinity, 1, 1), Infinity);
});

Deno.test("checks name the worst element, unread values, and the position", () => {
  const checks = new CheckCollector();
  const by = { kernels: ["k"], what: "output", tolerance: 0.1, columns: 2 };
  checks.numbers([1, 2, 3, 4.3, 5.2, 6], [1, 2.05, 3, 4, 5, 6], by);
  checks.numbers([1], [1, 2], by);
  checks.numbers(undefined, [1], by);
  checks.same([7, 8], [7, 8], by);
  checks.holds(false, ["k"], "stray writes", "behind x");
  const [off, short, unread, same, stray] = checks.all;
  assert.deepEqual(off?.worst, { index: "[1, 1]", expected: 4, got: 4.3, tolerance: 0.1 });
  assert.deepEqual([off?.differs, off?.values, off?.wrong, off?.firstWrong?.index], [true, 6, 2, "[1, 1]"]);
  assert.equal(short?.fault, "expected 2 numbers, found 1");
  assert.equal(unread?.fault, "expected 1 numbers, found 0");
  assert.deepEqual([same?.differs, same?.worst?.tolerance], [false, 0]);
  const texts = listFaults({ name: "case", kernels: ["k"], checks: checks.all });
  assert.match(texts[0] ?? "", /^k: output \[1, 1\]: expected 4, got 4\.3, error 0\.3, allowed 0\.1$/);
  assert.equal(texts.at(-1), "k: stray writes: behind x");
  assert.equal(stray?.differs, true);
});

async function run(only: string, change?: (name: string, source: string) => string): Promise<KindFinding[]> {
  const open = async (): Promise<Gpu> => {
    const gpu = await openGpu({ variantsFor: "cpu" });
    const compile = gpu.pipeline.bind(gpu);
    if (change) gpu.pipeline = (name, source, layout) => compile(name, change(name, source), layout);
    return gpu;
  };
  const numbers: number[] = [];
  const onCase = ({ number, of }: { number: number; of: number }) => void numbers.push(number, of);
  const { findings } = await runSelftest(open, { kinds: ["cpu"], only, onCase });
  assert.ok(findings.length > 0);
  assert.deepEqual(numbers.slice(-2), [findings.length, findings.length]);
  return [...findings];
}

/** Broken kernels. A fault of the second or third kernel shows only in the results of later kernels. */
const broken = [
  { kernel: "shop_step", from: "0.3 * item", to: "0.301 * item", only: "users of a shop", what: /states \[/ },
  {
    kernel: "batch_rank",
    from: "countOneBits(",
    to: "firstLeadingBit(",
    only: "batch, few rows",
    what: /items/,
  },
  {
    kernel: "batch_norm_statistics",
    from: "f32(max(end - first, 1u))",
    to: "f32(end - first + 1u)",
    only: "batch_norm",
    what: /output/,
  },
] as const;

for (const { kernel, from, to, only, what } of broken) {
  Deno.test(`a fault in ${kernel} is found and attributed to it`, async () => {
    const right = await run(only);
    assert.deepEqual(right.flatMap(listFaults), []);
    let changed = 0;
    const wrong = await run(only, (name, source) => {
      if (name !== kernel) return source;
      assert.ok(source.includes(from), `${kernel} has no ${from}`);
      changed++;
      return source.replace(from, to);
    });
    assert.ok(changed > 0);
    const finding = wrong.find((finding) => listFaults(finding).length > 0) ??
      assert.fail("nothing was found");
    assert.ok(findBlamedKernels(finding).includes(kernel), findBlamedKernels(finding).join(", "));
    assert.match(listFaults(finding)[0] ?? "", what);
    assert.ok(groupByKernel(wrong).some((result) => result.kernel === kernel && result.differs));
  });
}

Deno.test("a kernel that does not compile ends only its case", async () => {
  const findings = await run("slates", (name, source) => name === "slate_pick" ? `${source} fault` : source);
  const failed = findings.filter(({ error }) => error !== undefined);
  assert.deepEqual(failed.map(({ name }) => name), ["slates: the best item into the next slot"]);
  assert.match(failed[0]?.error ?? "", /kernel slate_pick does not compile/);
  assert.ok(findings.length > 3);
  assert.equal(JSON.parse(formatSelftestJson({ findings, seconds: 1 })).findings.length, findings.length);
});

Deno.test("cases have unique names", () => {
  for (const kind of ["cpu", "gpu"] as const) {
    const names = selectCases(kind).map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
  }
});

Deno.test("selftest: the command prints a table or JSON, and refuses unknown names", async () => {
  const shown = await runOk("selftest", "--variants", "cpu", "--only", "page: fill");
  assert.match(
    shown.stdout,
    /kernel +variants +numbers[^]*\nfill +cpu +140 +exact[^]*\nAll kernels match float64: 1 kernel, 1 case, \d/,
  );
  const json = await runCommand("selftest", "--only", "page: fill", "--json");
  const { adapter, kernels, findings } = JSON.parse(json.stdout);
  assert.match(adapter.description, /\w/);
  assert.deepEqual(kernels.map(({ kernel, kind }: KindFinding & { kernel: string }) => `${kernel} ${kind}`), [
    "fill cpu",
    "fill gpu",
  ]);
  assert.equal(findings.length, 2);
  const none = await runCommand("selftest", "--only", "nothing");
  assert.equal(none.code, 1);
  assert.match(none.stderr, /Expected a part of a test case's name in --only, got "nothing"[^]*page: fill/);
});
