/** What Tint, the compiler of Chrome, says of a text: Deno's is more lenient with barriers. */

/** Not known before it runs, so that the exercises work where it cannot be fetched or has no binary. */
const DAWN: string = "webgpu";

export interface Opinion {
  /** Such as "12:5 'workgroupBarrier' must only be called from uniform control flow". */
  readonly faults: readonly string[];
  /** Why it was not asked. */
  readonly missing?: string;
}

export async function askTint(text: string): Promise<Opinion> {
  let device: GPUDevice | undefined;
  try {
    const { create }: typeof import("webgpu") = await import(DAWN);
    device = await (await create(["backend=null"]).requestAdapter())?.requestDevice();
    if (!device) return { faults: [], missing: "Dawn has no null backend here" };
    device.pushErrorScope("validation");
    const { messages } = await device.createShaderModule({ code: text }).getCompilationInfo();
    await device.popErrorScope();
    const errors = messages.filter(({ type }) => type === "error");
    return { faults: errors.map(({ lineNum, linePos, message }) => `${lineNum}:${linePos} ${message}`) };
  } catch (error) {
    return { faults: [], missing: error instanceof Error ? error.message : String(error) };
  } finally {
    device?.destroy();
  }
}
