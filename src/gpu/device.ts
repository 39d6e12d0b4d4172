/** The GPU device: its adapter, its limits, its errors and its live buffers. */

import { UserError } from "../user_error.ts";
import { ENABLE_SUBGROUPS } from "./kernel.ts";
import { getDefaultVariants, matchAdapter } from "./kernel_variants.ts";
import type { AdapterKind, KernelVariants } from "./kernel_variants.ts";
import { computeRequiredLimits } from "./limits.ts";
import { BYTES_PER_TEXEL, TEXTURE_FORMAT } from "./memory.ts";
import { formatThousands } from "../number_text.ts";

/** Error for a request that exceeds a limit of the adapter. */
export class LimitError extends UserError {
  /** @param share - largest possible size divided by the requested size; below 1 */
  constructor(message: string, readonly share: number) {
    super(message);
  }
}

const SUBGROUPS: GPUFeatureName = "subgroups";

/** Adapter and runtime of a device. A run's config records them. */
export interface AdapterDescription {
  /** @internal Kind of adapter, which selects the kernels. */
  readonly kind: AdapterKind;
  /** Name that the driver reports, such as "llvmpipe (LLVM 19.1.7, 256 bits)". */
  readonly description: string;
  /** Vendor that the driver reports; may be empty. */
  readonly vendor: string;
  /** Architecture that the driver reports; may be empty. */
  readonly architecture: string;
  /** Name and version of the runtime, such as "Deno/2.9.6". */
  readonly runtime: string;
}

/** Options of {@link openDevice}. */
export interface GpuOptions {
  /** @internal For tests: kind of adapter whose default kernel variants are used on any adapter. */
  readonly variantsFor?: AdapterKind;
  /** @internal Kernel variants that replace the default variants. */
  readonly variants?: KernelVariants;
  /** Size of workgroup memory in bytes (default: 32 KiB). Tests set WebGPU's minimum. */
  readonly workgroupBytes?: number;
  /** Largest binding in bytes (default: the adapter's limit). Tests set a lower value. */
  readonly bindingBytes?: number;
  /** Advice in the error if there is no adapter; by default advice for users of a browser. */
  readonly noAdapterHint?: string;
}

const BROWSER =
  "Use a current Chrome, Edge, Safari or Firefox, and enable hardware acceleration. In Chrome and Edge, " +
  "chrome://gpu shows why WebGPU is off. If it is off for your graphics card, enable " +
  "chrome://flags/#enable-unsafe-webgpu and, on Linux, chrome://flags/#enable-vulkan. In Firefox, set " +
  "dom.webgpu.enabled in about:config.";
const INSECURE =
  "Browsers offer WebGPU only to secure pages: open this page over https, over http://localhost (as " +
  "deno task lab does), or from a file on the disk.";

/**
 * An open device: creates all GPU memory and pipelines, lists live memory, and collects errors.
 *
 * WebGPU reports some errors only as events ("uncaptured errors"). For example, an invalid dispatch is
 * skipped, and its outputs keep their old values. The class collects these errors; `check` throws them.
 */
export class Gpu {
  /** Adapter of the device. */
  readonly adapter: AdapterDescription;
  readonly #held = new Map<GPUBuffer | GPUTexture, string>();
  readonly #errors: string[] = [];
  readonly #pipelines = new Map<string, GPUComputePipeline>();
  #variants: KernelVariants;
  #closed = false;

  /** Wraps a device. @param maxGrid - most workgroups per axis @param bindingBytes - largest binding */
  constructor(
    readonly device: GPUDevice,
    info: GPUAdapterInfo,
    variants: KernelVariants,
    readonly maxGrid: number,
    readonly bindingBytes: number = device.limits.maxStorageBufferBindingSize,
  ) {
    this.#variants = variants;
    this.adapter = {
      kind: classifyAdapter(info),
      description: formatAdapterName(info),
      vendor: info.vendor,
      architecture: info.architecture,
      runtime: navigator.userAgent,
    };
    device.addEventListener("uncapturederror", (event: Event) => {
      event.preventDefault();
      if (event instanceof GPUUncapturedErrorEvent) this.#errors.push(event.error.message);
    });
    device.lost.then((info) => {
      if (!this.#closed) this.#errors.push(`device lost (${info.reason}): ${info.message}`);
    });
  }

  /** @internal Variants of the kernels that are compiled from now on. */
  get variants(): KernelVariants {
    return this.#variants;
  }
  /**
   * @internal Sets the variants of the kernels that are compiled from now on.
   * @throws Error if the variants are for another kind of adapter, or store matrices elsewhere
   */
  setVariants(variants: KernelVariants): void {
    if (!matchAdapter(variants, this.#variants)) {
      const named = ({ kind, matrices }: KernelVariants) => matrices ? `${kind} with ${matrices}` : kind;
      throw new Error(
        `expected variants for ${named(this.#variants)}, as this adapter needs, got ${named(variants)}`,
      );
    }
    this.#variants = variants;
  }

  /** Queue of submitted work and writes, which the device executes in order. */
  get queue(): GPUQueue {
    return this.device.queue;
  }
  /** True if the device has timestamp queries, which time compute passes. */
  get hasTimestamps(): boolean {
    return this.device.features.has("timestamp-query");
  }
  /** Size of a workgroup's memory, in bytes. */
  get workgroupBytes(): number {
    return this.device.limits.maxComputeWorkgroupStorageSize;
  }
  /** True if kernels may use subgroup operations. */
  get hasSubgroups(): boolean {
    return this.device.features.has(SUBGROUPS);
  }
  /** Number of buffers and textures that are not destroyed yet. */
  get liveBuffers(): number {
    return this.#held.size;
  }
  /** Total size of the live buffers and textures, in bytes. */
  get liveBytes(): number {
    const bytes = (held: GPUBuffer | GPUTexture) =>
      held instanceof GPUBuffer ? held.size : BYTES_PER_TEXEL * held.width * held.height;
    return [...this.#held.keys()].reduce((sum, held) => sum + bytes(held), 0);
  }
  /** Labels of the live buffers and textures. */
  get liveBufferLabels(): string[] {
    return [...this.#held.values()];
  }

  /**
   * Creates a buffer, which counts as live until {@link destroyBuffer}. @param bytes - size, rounded up to a
   * multiple of 4 and to at least 4. @throws UserError if the adapter does not support that size.
   */
  createBuffer(label: string, bytes: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const size = Math.max(4, Math.ceil(bytes / 4) * 4);
    this.#require("maxBufferSize", size, label);
    const buffer = this.device.createBuffer({ label, size, usage });
    this.#held.set(buffer, label);
    return buffer;
  }

  /** Frees a buffer of {@link createBuffer}; does nothing if the buffer is freed already. */
  destroyBuffer(buffer: GPUBuffer): void {
    if (this.#held.delete(buffer)) buffer.destroy();
  }

  /** Creates a storage texture. @throws UserError if the adapter does not support that size. */
  createTexture(label: string, size: readonly [width: number, height: number]): GPUTexture {
    this.#require("maxTextureDimension2D", Math.max(...size), label, "texels");
    const usage = GPUTextureUsage.STORAGE_BINDING | GPUTextureUsage.COPY_SRC | GPUTextureUsage.COPY_DST;
    const texture = this.device.createTexture({ label, size: [...size], format: TEXTURE_FORMAT, usage });
    this.#held.set(texture, label);
    return texture;
  }

  /** Frees a texture of {@link createTexture}; does nothing if the texture is freed already. */
  destroyTexture(texture: GPUTexture): void {
    if (this.#held.delete(texture)) texture.destroy();
  }

  /** Checks a binding's size. @param what - name for the error. @throws UserError for too many bytes */
  requireBindable(bytes: number, what: string): void {
    this.#require("maxStorageBufferBindingSize", bytes, what);
  }

  #require(
    limit: "maxBufferSize" | "maxStorageBufferBindingSize" | "maxTextureDimension2D",
    amount: number,
    what: string,
    unit = "bytes",
  ): void {
    const most = limit === "maxStorageBufferBindingSize" ? this.bindingBytes : this.device.limits[limit];
    if (amount <= most) return;
    throw new LimitError(
      `${what} needs ${formatThousands(amount)} ${unit}, but this adapter's ${limit} is ` +
        `${formatThousands(most)} (${this.adapter.description}). ` +
        `Use smaller batches, smaller layers or fewer items, or an adapter with a higher limit.`,
      most / amount,
    );
  }

  /** Returns a kernel's pipeline, cached or newly compiled. @throws Error with the compiler's messages */
  async pipeline(
    kernel: string,
    source: string,
    layout: GPUPipelineLayout | "auto",
  ): Promise<GPUComputePipeline> {
    const key = `${kernel}\n${source}`;
    const known = this.#pipelines.get(key);
    if (known) return known;
    let made = await this.#compile(kernel, source, layout);
    // Browsers require the line "enable subgroups", but naga, Deno's compiler, does not support it yet.
    if (made.error && source.includes(ENABLE_SUBGROUPS)) {
      made = await this.#compile(kernel, source.replace(ENABLE_SUBGROUPS, ""), layout);
    }
    if (made.error) throw made.error;
    this.#pipelines.set(key, made.pipeline);
    return made.pipeline;
  }

  async #compile(
    kernel: string,
    code: string,
    layout: GPUPipelineLayout | "auto",
  ): Promise<{ readonly pipeline: GPUComputePipeline; readonly error: Error | undefined }> {
    this.device.pushErrorScope("validation");
    const module = this.device.createShaderModule({ label: kernel, code });
    const pipeline = this.device.createComputePipeline({ label: kernel, layout, compute: { module } });
    const [error, info] = await Promise.all([this.device.popErrorScope(), module.getCompilationInfo()]);
    if (!error) return { pipeline, error: undefined };
    const lines = info.messages.filter(({ type }) => type === "error")
      .map((message) => formatCompilerError(`${kernel}.wgsl`, code, message));
    const found = lines.length > 0 ? lines : [error.message];
    return { pipeline, error: new Error([`kernel ${kernel} does not compile`, ...found].join("\n")) };
  }

  /**
   * Waits until all submitted work has run. In Deno, which polls the device every 10 ms, a call takes 11 ms
   * or more. Errors of the work are thrown by {@link check}, not by this method.
   */
  async workDone(): Promise<void> {
    await this.queue.onSubmittedWorkDone();
  }

  /** Throws the uncaptured errors, if any. The check is cheap. Call it before you use results. */
  check(): void {
    if (this.#errors.length === 0) return;
    const errors = [...new Set(this.#errors.splice(0))];
    throw new Error(`WebGPU reported ${errors.length} error(s):\n${errors.slice(0, 5).join("\n")}`);
  }

  /** Destroys the device and all of its buffers. Call {@link check} first to see uncaptured errors. */
  close(): void {
    this.#closed = true;
    for (const memory of this.#held.keys()) memory.destroy();
    this.#held.clear();
    this.device.destroy();
  }
  /** Calls {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Opens a device in any runtime with WebGPU. Limits (limits.ts) are WebGPU's defaults or higher.
 * @param gpu - entry point of WebGPU; undefined if the runtime has no WebGPU
 * @throws UserError if there is no adapter, or if the adapter's limits are too low
 */
export async function openDevice(
  options: GpuOptions = {},
  gpu: GPU | undefined = navigator.gpu,
): Promise<Gpu> {
  const adapter = await gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) {
    const {
      noAdapterHint = Reflect.get(globalThis, "isSecureContext") === false ? INSECURE : BROWSER,
    } = options;
    throw new UserError(`Expected a WebGPU adapter, found none. ${noAdapterHint}`);
  }
  const { info, limits, features } = adapter;
  const { workgroupBytes } = options;
  const most = workgroupBytes === undefined ? {} : { maxComputeWorkgroupStorageSize: workgroupBytes };
  const requiredLimits = computeRequiredLimits(limits, formatAdapterName(info), most);
  const timed = features.has("timestamp-query") ? ["timestamp-query" as const] : [];
  const open = (requiredFeatures: GPUFeatureName[]) =>
    adapter.requestDevice({ label: "clickgan", requiredFeatures, requiredLimits });
  // Deno 2.9.6 grants subgroups even if its adapter does not list them. If refused, open without them.
  const device = await open([...timed, SUBGROUPS]).catch(() => open(timed));
  const { maxComputeWorkgroupsPerDimension } = device.limits;
  const variants = options.variants ?? chooseDefaultVariants(info, options.variantsFor);
  return new Gpu(device, info, variants, maxComputeWorkgroupsPerDimension, options.bindingBytes);
}

/**
 * Formats an error of a shader compiler: first the position in the kernel's source, then the message with the
 * faulty lines. Removes what naga (Deno, Firefox) adds: a second position, and names of its internal types.
 * Adds the faulty line and a caret if the message has none (Chrome).
 */
export function formatCompilerError(
  file: string,
  code: string,
  { lineNum, linePos, message }: Pick<GPUCompilationMessage, "lineNum" | "linePos" | "message">,
): string {
  const [head = "", ...lines] = message.trim().replaceAll(/ naga::ir::.*/g, "").split("\n");
  const cause = lines.findLast((line) => /^\s+= (?!note: )/.test(line))?.replace(/^\s+= /, "");
  const shown = lines.filter((line) => /│\s*\S|^\s+= note: /.test(line));
  const own = lineNum === 0 ? [] : [
    `${lineNum} │ ${code.split("\n")[lineNum - 1] ?? ""}`,
    `${" ".repeat(String(lineNum).length)} │ ${" ".repeat(Math.max(0, linePos - 1))}^`,
  ];
  return [
    `${file}:${lineNum}:${linePos} ${cause ?? head.replace(/^Shader .*? error: /, "")}`,
    ...(shown.length > 0 ? shown : own),
  ].join("\n");
}

/** Matches drivers that compute on the CPU. Some runtimes do not set `isFallbackAdapter` for them. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|basic render/i;

function classifyAdapter(
  { isFallbackAdapter, description, device, architecture }: GPUAdapterInfo,
): AdapterKind {
  return isFallbackAdapter || SOFTWARE.test([description, device, architecture].join(" ")) ? "cpu" : "gpu";
}

/**
 * Matches SwiftShader, a CPU adapter that does not read textures faster than buffers.
 * llvmpipe reads textures faster (bench/ladder.md). Other CPU adapters are assumed to be like llvmpipe.
 */
const READS_BUFFERS = /swiftshader/i;

function chooseDefaultVariants(
  info: GPUAdapterInfo,
  kind: AdapterKind = classifyAdapter(info),
): KernelVariants {
  const { description, device, architecture } = info;
  const buffers = kind === "cpu" && READS_BUFFERS.test([description, device, architecture].join(" "));
  return getDefaultVariants(kind, buffers ? "buffers" : undefined);
}

/** Returns the adapter's description or, if it is empty (as in browsers), its vendor and architecture. */
function formatAdapterName({ description, device, vendor, architecture }: GPUAdapterInfo): string {
  return description || device || [vendor, architecture].filter((name) => name).join(" ") ||
    "unnamed adapter";
}
