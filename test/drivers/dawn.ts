/**
 * Dawn, Chromium's WebGPU, on its null backend. Dawn needs no adapter there, compiles every shader with Tint,
 * checks every call, and grants exactly WebGPU's default limits. Kernels compute nothing on this backend:
 * buffers contain zeros.
 */

import assert from "node:assert/strict";
import { DENO_FLAGS } from "../../src/deno_flags.ts";
import type { Gpu } from "../../src/gpu/device.ts";

/** Names the test that this process runs, if {@link testWithDawn} started the process. */
const CHILD = "DAWN_TEST";

/**
 * Registers a test that runs in a process of its own, with Dawn as `navigator.gpu`: a crash of Dawn ends its
 * process. Without Dawn the test is skipped with a message. The test must close its devices before it ends,
 * otherwise the process crashes. @param file - `import.meta.url` of the test's file
 */
export function testWithDawn(file: string, name: string, run: () => Promise<void>): void {
  const isChild = Deno.env.get(CHILD) === name;
  Deno.test(name, isChild ? () => runOnDawn(run) : () => runInChild(file, name));
}

async function runInChild(file: string, name: string): Promise<void> {
  const permissions = ["read", "write", "env", "run", "ffi"].map((one) => `--allow-${one}`);
  const filter = `/^${name.replaceAll(/[^\w ]/g, "\\$&")}$/`;
  const { code, signal, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "--no-check", ...DENO_FLAGS, "--no-prompt", ...permissions, "--filter", filter, file],
    env: { [CHILD]: name, NO_COLOR: "1" },
  }).output();
  const [printed, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  const end = signal ? `by ${signal}` : `with code ${code}`;
  const passed = code === 0 && /\b1 passed/.test(printed ?? "");
  assert.ok(passed, `Dawn's process ended ${end}\n${printed}\n${errors}`);
  for (const [line] of printed?.matchAll(/^(Skipped: |\d+ texts ).*/gm) ?? []) console.log(line);
}

async function runOnDawn(run: () => Promise<void>): Promise<void> {
  const missing = await useDawn();
  if (missing === undefined) return await run();
  console.log(`Skipped: shader texts through Tint, as npm's webgpu does not load here (${missing})`);
}

/** Replaces `navigator.gpu` by Dawn's. @returns the reason if Dawn does not run on this machine */
async function useDawn(): Promise<string | undefined> {
  try {
    const { create, globals } = await import("webgpu");
    const dawn = create(["backend=null"]);
    if (!await dawn.requestAdapter()) return "Dawn has no null backend here";
    Object.assign(globalThis, globals);
    Object.defineProperty(navigator, "gpu", { value: dawn });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

export interface ShaderFault {
  readonly kernel: string;
  readonly constants: string;
  readonly message: string;
}

export class ShaderTexts {
  readonly #faults = new Map<string, ShaderFault | undefined>();
  readonly #kernels = new Set<string>();

  get kernels(): string[] {
    return [...this.#kernels].sort();
  }
  get count(): number {
    return this.#faults.size;
  }
  /** Faults of kernels. Of equal faults of a kernel only the first is listed. */
  get faults(): ShaderFault[] {
    const byMessage = new Map<string, ShaderFault>();
    for (const fault of this.#faults.values()) {
      const key = `${fault?.kernel} ${fault?.message.replace(/\d+/g, "")}`;
      if (fault && !byMessage.has(key)) byMessage.set(key, fault);
    }
    return [...byMessage.values()];
  }

  /**
   * Records all shaders that a device compiles. Failures are recorded, not thrown, so that one run finds all
   * faults. @param workgroupBytes allowed workgroup memory, if it is more than Dawn grants
   */
  watch(gpu: Gpu, workgroupBytes = 0): void {
    const compile = gpu.pipeline.bind(gpu);
    gpu.pipeline = async (kernel, source, layout) => {
      this.#kernels.add(kernel);
      try {
        const pipeline = await compile(kernel, source, layout);
        this.#faults.set(source, undefined);
        return pipeline;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        // Tint found no fault before this check.
        const asked = Number(
          message.match(/total use of workgroup storage \((\d+) bytes\)/)?.[1] ?? Infinity,
        );
        const constants = [...source.matchAll(/^const (\w+ = [^;]+);/gm)].map(([, text]) => text).join(", ");
        this.#faults.set(source, asked <= workgroupBytes ? undefined : { kernel, constants, message });
        return standIn(gpu.device);
      }
    };
  }
}

function standIn(device: GPUDevice): GPUComputePipeline {
  const module = device.createShaderModule({ code: "@compute @workgroup_size(1) fn nothing() {}" });
  return device.createComputePipeline({ layout: "auto", compute: { module } });
}
