/**
 * Dawn, Chromium's WebGPU, on its null backend. Dawn needs no adapter there, compiles every shader with Tint,
 * checks every call, and grants exactly WebGPU's default limits. Kernels compute nothing on this backend:
 * buffers contain zeros.
 */

import type { Gpu } from "../../src/gpu/device.ts";

/**
 * Replaces `navigator.gpu` by Dawn's for this test file. Each test must close its devices before the file
 * ends, otherwise the process of all tests crashes. @returns the reason if Dawn does not run on this machine
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
