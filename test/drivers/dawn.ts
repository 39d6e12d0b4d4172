/**
 * Dawn, Chromium's WebGPU, on its null backend: it needs no adapter, compiles every shader with Tint and
 * checks every call; it computes nothing, and buffers hold zeros. It grants exactly WebGPU's default limits.
 */

import type { Gpu } from "../../src/gpu/device.ts";

/**
 * Makes `navigator.gpu` Dawn's for this test file. Each test must close its devices before the file ends;
 * otherwise the process of all tests crashes. @returns the reason if the package has no binary for this
 * machine
 */
export async function useDawn(): Promise<string | undefined> {
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
  /** Returns only the first of equal faults of a kernel. */
  get faults(): ShaderFault[] {
    const byMessage = new Map<string, ShaderFault>();
    for (const fault of this.#faults.values()) {
      const key = `${fault?.kernel} ${fault?.message.replace(/\d+/g, "")}`;
      if (fault && !byMessage.has(key)) byMessage.set(key, fault);
    }
    return [...byMessage.values()];
  }

  /**
   * Records all that a device compiles. Failures are recorded, not thrown, so that one run finds all. @param
   * workgroupBytes of memory that may be requested, beyond what Dawn grants
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
        // Tint found no fault before that.
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
