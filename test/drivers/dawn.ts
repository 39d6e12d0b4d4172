/**
 * Dawn, Chromium's WebGPU, on its null backend: no adapter is needed, every shader goes through Tint, every call is
 * checked, nothing is computed and buffers hold zeros. It grants exactly the limits that WebGPU promises everywhere.
 */

import type { Gpu } from "../../src/gpu/device.ts";

/**
 * From here on `navigator.gpu` is Dawn's, for all of this test file. Each test closes the devices that it opens: one that is
 * closed as the file ends, or not at all, makes the process of all tests crash, at a jump to no address.
 * @returns why it cannot be: where the package has no binary for the machine. Undefined where it is.
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

/** A text that does not compile, or a pipeline that is beyond the limits. */
export interface ShaderFault {
  readonly kernel: string;
  /** Its constants, as they stand in the text. */
  readonly constants: string;
  readonly message: string;
}

/** The shader texts that were compiled, each once, and what is wrong with them. */
export class ShaderTexts {
  readonly #faults = new Map<string, ShaderFault | undefined>();
  readonly #kernels = new Set<string>();

  /** Names of the kernels. */
  get kernels(): string[] {
    return [...this.#kernels].sort();
  }
  get count(): number {
    return this.#faults.size;
  }
  /** Where texts of one kernel fail alike, the first is enough. */
  get faults(): ShaderFault[] {
    const byMessage = new Map<string, ShaderFault>();
    for (const fault of this.#faults.values()) {
      const key = `${fault?.kernel} ${fault?.message.replace(/\d+/g, "")}`;
      if (fault && !byMessage.has(key)) byMessage.set(key, fault);
    }
    return [...byMessage.values()];
  }

  /**
   * Notes all that a device compiles. What fails is noted, not thrown, so that one look finds everything.
   * @param workgroupBytes of memory that may be asked for, beyond what Dawn grants.
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
        // By then Tint has found nothing.
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

/** A pipeline that a program can be recorded with; it must not be run. */
function standIn(device: GPUDevice): GPUComputePipeline {
  const module = device.createShaderModule({ code: "@compute @workgroup_size(1) fn nothing() {}" });
  return device.createComputePipeline({ layout: "auto", compute: { module } });
}
