import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import type { KernelMeter, PassClock, TunableKernel } from "../../src/autotune/tune_kernels.ts";
import { BUDGET, StepProducts, tuneKernels } from "../../src/autotune/tune_kernels.ts";
import { tuneVariantsWith, VariantCache, type VariantCacheKey } from "../../src/autotune/variant_cache.ts";
import type { LogSource } from "../../src/data/log_source.ts";
import type { ChoiceMetrics } from "../../src/data/ranking.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import type { EncodePass } from "../../src/gpu/profiler.ts";
import type {
  AdapterKind,
  KernelVariant,
  KernelVariants,
  MatmulVariant,
} from "../../src/gpu/kernel_variants.ts";
import { getDefaultVariants, mergeTunedVariants } from "../../src/gpu/kernel_variants.ts";
import { defaultModel } from "../../src/model/model_config.ts";
import { chooseVariants } from "../../src/cli/choose_variants.ts";
import { UserError } from "../../src/user_error.ts";
import { makeCacheEnvironment, runCommand, withSmallLog } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";
import { withGpu } from "../op_check.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { withEmptyFolder } from "../run/folder_check.ts";
import { smallLstm, WIDTH } from "../small_models.ts";
import { trainShannon } from "../train/trainings.ts";

const panels = ["panel 256", "panel 128", "panel 64", "rows"] as const;
const two: TunableKernel[] = [{ key: "forward 64x64", variants: panels }, {
  key: "input 64x64",
  variants: panels,
}];

/** Returns the microseconds of a variant in its n-th run. */
type Times = (key: string, variant: KernelVariant, n: number) => number;

class FakeMeter implements KernelMeter<{ key: string; variant: KernelVariant }> {
  clock = 0;
  readonly prepared: string[] = [];
  readonly #runs = new Map<string, number>();
  constructor(
    private readonly times: Times,
    private readonly compile: (variant: KernelVariant) => number = () => 50,
  ) {}
  products() {
    return two;
  }
  prepare(key: string, variant: KernelVariant) {
    this.clock += this.compile(variant);
    this.prepared.push(`${key} ${variant}`);
    return Promise.resolve({ key, variant });
  }
  time(prepared: readonly { key: string; variant: KernelVariant }[]) {
    this.clock += 20;
    return Promise.resolve(prepared.map(({ key, variant }) => {
      const name = `${key} ${variant}`;
      const n = this.#runs.get(name) ?? 0;
      this.#runs.set(name, n + 1);
      return this.times(key, variant, n);
    }));
  }
  now() {
    return this.clock;
  }
}

Deno.test("autotuning: the fixed variant is kept unless another one is clearly faster in two comparisons", async () => {
  const chosen = async (times: Times) => (await tuneKernels(new FakeMeter(times))).chosen;
  assert.deepEqual(await chosen(() => 100), {});
  assert.deepEqual(await chosen((_, variant) => (variant === "panel 256" ? 100 : 91)), {});
  assert.deepEqual(
    await chosen((key, variant) => (key === "input 64x64" && variant === "rows" ? 80 : 100)),
    { "input 64x64": "rows" },
  );
  const fastest: Times = (_, variant) =>
    ({ "panel 128": 60, "panel 64": 50 } as const)[variant as string] ?? 100;
  assert.deepEqual(await chosen(fastest), { "forward 64x64": "panel 64", "input 64x64": "panel 64" });
  // A variant that is fast by chance in the first five rounds, but not in the second comparison.
  assert.deepEqual(await chosen((_, variant, n) => (variant === "panel 64" && n < 5 ? 50 : 100)), {});
  // Some disturbed rounds do not change a median.
  assert.deepEqual(await chosen((_, variant, n) => (variant === "panel 256" && n % 5 < 2 ? 900 : 100)), {});
});

Deno.test("autotuning: reports the gain, and leaves out variants that do not run", async () => {
  const meter = new FakeMeter((_, variant) => (variant === "panel 256" ? 150 : 100));
  const prepare = meter.prepare.bind(meter);
  meter.prepare = (key, variant) =>
    variant === "panel 128" ? Promise.reject(new Error("no such workgroup")) : prepare(key, variant);
  const { gain, untried, chosen } = await tuneKernels(meter);
  assert.deepEqual(chosen, { "forward 64x64": "panel 64", "input 64x64": "panel 64" });
  assert.deepEqual(gain, { "forward 64x64": 1.5, "input 64x64": 1.5 });
  assert.deepEqual(untried, ["forward 64x64 panel 128", "input 64x64 panel 128"]);
});

Deno.test("autotuning: keeps to its budget, the most promising variants first", async () => {
  for (const panel of [10, 150, 400, 900, 1200]) {
    const meter = new FakeMeter(() => 100, (variant) => (variant === "rows" ? BUDGET / 2 : panel));
    const { untried, seconds, neededSeconds } = await tuneKernels(meter);
    assert.ok(seconds - neededSeconds <= BUDGET / 1000 + 0.04, `${seconds} s with ${panel} ms a panel`);
    const all = two.flatMap(({ key }) => panels.map((variant) => `${key} ${variant}`));
    const fixed = two.map(({ key }) => `${key} panel 256`);
    assert.deepEqual(
      [...new Set([...meter.prepared, ...untried])].sort(),
      all.filter((name) => !fixed.includes(name) || meter.prepared.includes(name)).sort(),
    );
    assert.equal(meter.prepared[0], fixed[0]);
  }
  const slow = new FakeMeter((_, variant) => (variant === "panel 256" ? 100 : 10), () => 3000);
  const { chosen, untried, compared } = await tuneKernels(slow);
  assert.deepEqual([chosen, untried.length, compared, slow.prepared.length], [{}, 6, 0, 1]);
});

Deno.test("autotuning: variants of training cost nothing extra, and compiled ones are compared", async () => {
  const fast: Times = (_, variant) => (variant === "panel 128" ? 50 : 100);
  // Two kernels of 1,900 ms each are within the budget, because one of them is already compiled.
  const one = await tuneKernels(new FakeMeter(fast, () => 1900));
  assert.deepEqual([one.compared, one.chosen], [1, { "forward 64x64": "panel 128" }]);
  assert.equal(one.neededSeconds, 1.9);
  // The second kernel takes longer than predicted from the first, and longer than the remaining time.
  let n = 0;
  const late = await tuneKernels(new FakeMeter(fast, () => (n++ === 0 ? 1500 : 2500)));
  assert.deepEqual([late.compared, late.chosen], [1, { "forward 64x64": "panel 128" }]);
});

const key: VariantCacheKey = {
  adapter: "a card",
  driver: "1.0",
  runtime: "Deno/0",
  clickgan: "0.1.0",
  sha256: "00",
  sizes: ["forward 64x64 2^20 flops"],
};
const gpuLike = {
  variants: { kind: "cpu" as const, matmul: {} },
  adapter: { kind: "cpu" as const, description: "a card", vendor: "", architecture: "", runtime: "Deno/0" },
};

Deno.test("the cache: a hit measures nothing; another driver, kernel text or size misses", () =>
  withEmptyFolder(async (folder) => {
    const said: string[] = [];
    const say = (text: string) => void said.push(text);
    const cache = new VariantCache(`${folder}/new/clickgan`, say);
    const fit = async (its: VariantCacheKey, faster: MatmulVariant) => {
      const meter = new FakeMeter((_, variant) => (variant === faster ? 50 : 100));
      const variants = await tuneVariantsWith(gpuLike, meter, cache, its, say);
      return { variant: variants.matmul["forward 64x64"], measured: meter.prepared.length > 0 };
    };
    assert.deepEqual(await fit(key, "panel 64"), { variant: "panel 64", measured: true });
    assert.deepEqual(await fit(key, "rows"), { variant: "panel 64", measured: false });
    const others: Partial<VariantCacheKey>[] = [
      { driver: "2.0" },
      { sha256: "01" },
      { adapter: "another" },
      { runtime: "Deno/1" },
      { clickgan: "0.2.0" },
      { sizes: ["forward 64x64 2^21 flops"] },
    ];
    for (const other of others) {
      assert.deepEqual(await fit({ ...key, ...other }, "rows"), { variant: "rows", measured: true });
    }
    assert.deepEqual(await fit(key, "rows"), { variant: "panel 64", measured: false });

    said.length = 0;
    for (const text of ["{", '{"entries": 3}', ""]) {
      Deno.writeTextFileSync(cache.file, text);
      assert.deepEqual(await fit(key, "rows"), { variant: "rows", measured: true }, text);
      assert.match(said[0] ?? "", /kernel_variants\.json is damaged/);
      assert.deepEqual(await fit(key, "panel 64"), { variant: "rows", measured: false });
      said.length = 0;
    }
    // Without time to try a variant, a message is printed and nothing is stored.
    const none = { ...key, driver: "3.0" };
    const slow = new FakeMeter(() => 100, () => 3000);
    assert.deepEqual(await tuneVariantsWith(gpuLike, slow, cache, none, say), { kind: "cpu", matmul: {} });
    assert.match(said.pop() ?? "", /default variants\. No other variants were tried: .*takes 3\.0 s or more/);
    assert.deepEqual(await fit(none, "rows"), { variant: "rows", measured: true });
    said.length = 0;

    // There is a file at the path of the folder.
    const nowhere = new VariantCache(cache.file, say);
    const meter = new FakeMeter(() => 100);
    assert.deepEqual(await tuneVariantsWith(gpuLike, meter, nowhere, key, say), { kind: "cpu", matmul: {} });
    assert.match(
      said.join("\n"),
      /^The kernel variants were not saved for the next run: cannot make the folder/m,
    );
  }));

Deno.test("a CPU adapter takes the fixed table, and a GPU is tuned by default", async () => {
  const times = async (kind: AdapterKind, wanted?: boolean) => {
    let began = false;
    const gpu = { variants: { kind, matmul: {} }, adapter: { ...gpuLike.adapter, kind } };
    const source = new Proxy({} as LogSource, {
      get() {
        began = true;
        throw new UserError("no batch of these users");
      },
    });
    const sizes = { model: defaultModel, users: 12 };
    assert.deepEqual(await chooseVariants(wanted, gpu as Gpu, source, sizes, () => {}), { kind, matmul: {} });
    return began;
  };
  assert.deepEqual([await times("cpu"), await times("gpu")], [false, true]);
  assert.deepEqual([await times("cpu", true), await times("gpu", true)], [true, true]);
  assert.deepEqual([await times("cpu", false), await times("gpu", false)], [false, false]);
});

const log = createSmallLog(3, { users: 60, items: 20, width: WIDTH });

Deno.test("the products of a step are timed by each variant, on both kinds of variants", async () => {
  for (const kind of ["cpu", "gpu"] as const) {
    await withGpu(kind, async (gpu) => {
      using step = new StepProducts(gpu, log, smallLstm, 12);
      const products = step.products();
      assert.ok(products.some(({ key }) => key === "forward 8x8"), products.map(({ key }) => key).join());
      assert.deepEqual(step.sizes(), [...new Set(step.sizes())].sort());
      const largest = products.find(({ variants }) => variants.length > 1) ?? assert.fail();
      const [fixed, other] = largest.variants;
      assert.ok(fixed && other);
      const ready = [await step.prepare(largest.key, fixed), await step.prepare(largest.key, other)];
      const times = await step.time([...ready, ...ready]);
      assert.equal(times.length, 4);
      assert.ok(times.every((time) => time > 0 && time < 1e6), times.join());
      // If kernels may use subgroups, a sum by subgroup is a variant, but only on a GPU.
      const sum = products.find(({ key }) => key === "outcome_sum");
      assert.deepEqual(
        sum?.variants,
        kind === "gpu" && gpu.hasSubgroups ? ["serial", "subgroups"] : undefined,
      );
      if (sum) {
        const both = await Promise.all(sum.variants.map((variant) => step.prepare(sum.key, variant)));
        assert.ok((await step.time(both)).every((time) => time > 0 && time < 1e6));
        assert.deepEqual(mergeTunedVariants(gpu.variants, { outcome_sum: "subgroups" }).sum, {
          outcome_sum: "subgroups",
        });
      }
    });
  }
});

Deno.test("a validation with sums by subgroups has the losses of one without", async () => {
  const losses = (sum: KernelVariants["sum"]) =>
    withGpu({ ...getDefaultVariants("gpu"), sum }, async (gpu) => {
      using own = await trainShannon(gpu, log, smallLstm, { batchSize: 12, validateEvery: 1 });
      const found: ChoiceMetrics[] = [];
      await own.trainer.run(2, { onValidation: (figures) => found.push(figures) });
      return found;
    });
  if (!await withGpu("gpu", ({ hasSubgroups }) => Promise.resolve(hasSubgroups))) {
    return console.log("Skipped: sums by subgroups, which this adapter does not support");
  }
  const [serial, subgroups] = [await losses(undefined), await losses({ outcome_sum: "subgroups" })];
  assert.ok(serial.length >= 2);
  for (const [k, { nll, prec1, prec2 }] of serial.entries()) {
    const own = subgroups[k] ?? assert.fail();
    const far = Math.max(
      ...[[nll, own.nll], [prec1, own.prec1], [prec2, own.prec2]].map(([a = 0, b = 0]) => Math.abs(a - b)),
    );
    assert.ok(far < 1e-6, `validation ${k}: ${far}`);
  }
});

function countDispatches(encode: EncodePass): number {
  let count = 0;
  const pass = new Proxy({}, { get: (_, name) => () => void (name === "dispatchWorkgroups" && count++) });
  encode(pass as GPUComputePassEncoder);
  return count;
}

Deno.test("on a rounded clock, as in browsers, a product is repeated until it can be measured", async () => {
  await withGpu("cpu", async (gpu) => {
    for (const each of [2, 5, 80, 700, 9000]) {
      let now = 0;
      const rounded: PassClock = {
        step: 100,
        time: (passes) =>
          Promise.resolve(passes.map((encode) => {
            const began = now;
            now += each * countDispatches(encode);
            return 100 * (Math.floor(now / 100) - Math.floor(began / 100));
          })),
      };
      using step = new StepProducts(gpu, log, smallLstm, 12, rounded);
      const product = step.products().find(({ key }) => key === "forward 8x8") ?? assert.fail();
      const ready = await step.prepare(product.key, product.variants[0] ?? assert.fail());
      assert.equal(countDispatches(ready.encode), ready.repeats);
      // A measurement takes 3,000 us, unless the maximum number of repeats takes less.
      const lasts = each * ready.repeats;
      const wanted = Math.min(3000, 1024 * each);
      assert.ok(lasts >= 0.8 * wanted && lasts <= Math.max(1.3 * wanted, each), `${lasts} us of ${each}`);
      const times = await step.time([ready, ready]);
      assert.ok(times.every((time) => Math.abs(time - each) <= 0.1 * each), `${times} of ${each} us`);
    }
  });
});

Deno.test("a run keeps its initial variants, and resumes bit for bit for any cached variants", () =>
  withSmallLog(async (folder, data) => {
    const cache = `${folder}/cache`;
    const json = (path: string) => JSON.parse(Deno.readTextFileSync(path));
    const sizes = ["--batch-size", "12", "--dims", "8-8", "--lstm-units", "4", "--validate-every", "4"];
    const trainings = new CommandSeries("train", { env: await makeCacheEnvironment(cache) });
    const run = async (name: string, ...args: string[]) => {
      const where = ["--data", data, "--save-dir", `${folder}/${name}`, "--no-report", ...sizes];
      const result = await trainings.ok([...where, "--autotune", ...args]);
      return result.stderr;
    };
    await run("measured", "--iterations", "8");
    const file = `${cache}/clickgan/kernel_variants.json`;
    const { entries } = json(file);
    const kind = entries[0].variants.kind;
    const products: string[] = entries[0].for.sizes.map((size: string) => size.replace(/ 2\^.*/, ""));
    const set = (variant: MatmulVariant) => {
      const keys = products.filter((product) => product.startsWith("forward"));
      const variants: KernelVariants = { kind, matmul: Object.fromEntries(keys.map((k) => [k, variant])) };
      Deno.writeTextFileSync(file, JSON.stringify({ entries: [{ ...entries[0], variants }] }));
      return variants;
    };
    const variants = set("rows");
    assert.match(await run("whole", "--iterations", "40"), /timed earlier, stored in/);
    await run("part", "--iterations", "16");
    set("panel 256");
    const resumed = await trainings.ok(["--resume", `${folder}/part`, "--iterations", "40"]);
    assert.doesNotMatch(resumed.stderr, /Kernels for/);
    const config = json(`${folder}/part/config.json`);
    assert.deepEqual([config.variants, json(`${folder}/whole/config.json`).variants], [variants, variants]);
    for (const name of ["train.csv", "validation.csv", "last.safetensors", "best-loss.safetensors"]) {
      const read = (run: string) => Deno.readFileSync(`${folder}/${run}/${name}`);
      assert.deepEqual(read("part"), read("whole"), name);
    }

    const plain = ["--data", data, "--save-dir", `${folder}/plain`, "--no-report", ...sizes];
    const fixed = await trainings.ok([...plain, "--iterations", "40"]); // without autotuning
    assert.doesNotMatch(fixed.stderr, /Kernels for/);
    assert.deepEqual(json(`${folder}/plain/config.json`).variants, { kind, matmul: {} });
    // Other variants give other bits, so the comparison above is meaningful.
    const last = (run: string) => Deno.readFileSync(`${folder}/${run}/last.safetensors`);
    assert.notDeepEqual(last("plain"), last("whole"));

    const snapshot = `${folder}/whole/best-loss.safetensors`;
    const scored = await runCommand("evaluate", "--model", snapshot, "--data", data, "--json");
    assert.equal(JSON.parse(scored.stdout).nll, json(`${folder}/whole/result.json`).test[0].nll);
  }));

Deno.test("a command without autotuning does not load its module", async () => {
  const src = new URL("../../src", import.meta.url).pathname;
  const files = readdirSync(src, { recursive: true, encoding: "utf8" });
  for (const file of files.filter((file) => file.endsWith(".ts") && !file.startsWith("autotune/"))) {
    assert.doesNotMatch(await Deno.readTextFile(`${src}/${file}`), /from "[^"]*\/autotune\/[^"]*"/, file);
  }
});
