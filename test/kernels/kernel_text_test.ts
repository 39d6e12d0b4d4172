/** What of a kernel's file changes on the way to the driver: the four things that kernel.ts names, and no more. */

import assert from "node:assert/strict";
import type { ClickDispatch } from "../../src/batch/click_sizes.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { constantOf, kernel, kernelText } from "../../src/gpu/kernel.ts";
import { isTexture, isUniform } from "../../src/gpu/memory.ts";
import { defaultModel, defaultPwModel, type ModelConfig } from "../../src/model/config.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { defaultTraining } from "../../src/train/config.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { withGpu } from "../op_check.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";

const log = smallLog(1, { users: 30, items: 41, maxEvents: 5, maxPage: 6, width: 9 });
const models: ModelConfig[] = [{ ...defaultModel, dims: [64, 32], batchNorm: true }, defaultPwModel];

async function dispatchesOf(gpu: Gpu, config: ModelConfig): Promise<ClickDispatch[]> {
  const model = new UserModel(gpu, log.items, config, { seed: 1 });
  const trainer = await Trainer.create(model, log, { ...defaultTraining, batchSize: 5 }, { validate: false });
  const { layout, program } = trainer.program;
  const specs = [...layout.dispatches, ...program.dispatches].map(({ spec }) => spec);
  for (const part of [trainer, model]) part.destroy();
  return specs;
}

/** What a changed line of the file is, of a dispatch. */
function kindOf(line: string, { kernel, constants = {}, views }: ClickDispatch): string | undefined {
  const [, constant] = line.match(/^const (\w+)\b.* = /) ?? [];
  if (constant !== undefined) return constant in constants ? "constant" : undefined;
  const [, tested = "", least] = line.match(/^ +if \((\w+4) > (?:first \+ )?(\d+)u\) \{ .* \}$/) ?? [];
  if (least !== undefined) return constantOf(kernel, tested, constants) <= Number(least) ? "turn" : undefined;
  const [, declared] = line.match(/^@group\(0\) @binding\(\d+\) var<storage, read> (\w+): array<vec4f>;/) ??
    [];
  const [, way, name = declared ?? ""] = line.match(/^fn (load|store)_(\w+)\(i: u32.*\{ .* \}$/) ?? [];
  const view = views[name];
  if (!view) return undefined;
  if (way) return isTexture(view) ? way : undefined;
  return isUniform(view) ? "uniform" : isTexture(view) ? "texture" : undefined;
}

Deno.test("kernel text: nothing changes but constants, uniforms, textures and turns of loops, each on a line of its own", async () => {
  const found = new Map<string, number>();
  for (const kind of ["cpu", "gpu"] as const) {
    await withGpu(kind, async (gpu) => {
      const specs: ClickDispatch[] = [];
      for (const config of models) specs.push(...await dispatchesOf(gpu, config));
      for (const spec of specs) {
        const file = spec.kernel.source.split("\n");
        const text = kernelText(spec).split("\n");
        assert.equal(text.length, file.length, spec.kernel.name);
        file.forEach((line, k) => {
          if (line === text[k]) return;
          const change = kindOf(line, spec);
          assert.ok(
            change && (change !== "turn" || text[k] === ""),
            `${spec.kernel.name}.wgsl:${k + 1}: ${line}\nbecame ${text[k]}`,
          );
          found.set(`${kind}: ${change}`, (found.get(`${kind}: ${change}`) ?? 0) + 1);
        });
      }
    });
  }
  const all = ["constant", "load", "store", "texture", "turn", "uniform"].map((change) => `cpu: ${change}`);
  // On a GPU nothing stands in textures.
  assert.deepEqual([...found.keys()].sort(), [...all, "gpu: constant", "gpu: uniform"]);
});

Deno.test("kernel text: turns of a written-out loop that a size needs none of are empty; other lines stay", () => {
  const source = [
    "const K4 = 2u;",
    "@group(0) @binding(0) var<uniform> step: Step;",
    "  // unrolled, n = 1 to 2: if (K4 > {n}u) { f(); }",
    "  if (K4 > 1u) { a(); }",
    "  if (K4 > 2u) { b(); }",
    "  // end of n",
    "  if (K4 > 2u) { c(); }",
    "  // unrolled, n = 2 to 2: if (K4 > first + {n}u) { f(); }",
    "  if (K4 > first + 2u) { d(); }",
    "  // end of n",
    "  else { e(); }",
  ].join("\n");
  const kept = (constants: Record<string, number>) => {
    const text = kernelText({ kernel: kernel("some", source), constants, views: {} });
    return [...text.matchAll(/^ *\w.*\{ (\w)\(/gm)].map(([, call]) => call).join("");
  };
  assert.equal(kept({}), "ace");
  assert.equal(kept({ K4: 1 }), "ce");
  assert.equal(kept({ K4: 3 }), "abcde");
});
