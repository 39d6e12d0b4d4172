/** The device: adapter, limits, error capture, and the count of live buffers. */

import { UserError } from "../user_error.ts";
import { ENABLE_SUBGROUPS } from "./kernel.ts";
import {
  type AdapterKind,
  getDefaultVariants,
  type KernelVariants,
  matchAdapter,
} from "./kernel_variants.ts";
import { computeRequiredLimits } from "./limits.ts";
import { BYTES_PER_TEXEL, TEXTURE_FORMAT } from "./memory.ts";
import { formatThousands } from "../number_text.ts";

/** More than the adapter can hold, or see at once. */
export class LimitError extends UserError {
  /**
   * An error whose message says what to do.
   * @param share of what was asked for that the adapter has room for, below 1.
   */
  constructor(message: string, readonly share: number) {
    super(message);
  }
}

/** A feature of WebGPU's that an adapter may have. */
const SUBGROUPS: GPUFeatureName = "subgroups";

/** Names what a run was computed on; part of every run's config. */
export interface AdapterDescription {
  /**
   * What its kernels are shaped for.
   * @internal
   */
  readonly kind: AdapterKind;
  /** As the driver has it, e.g. "llvmpipe (LLVM 19.1.7, 256 bits)". */
  readonly description: string;
  /** As the driver has it; may be empty. */
  readonly vendor: string;
  /** As the driver has it; may be empty. */
  readonly architecture: string;
  /** Runtime that drives the adapter, e.g. "Deno/2.9.6". */
  readonly runtime: string;
}

/** How a device is opened; nothing is needed outside of tests. */
export interface GpuOptions {
  /**
   * The adapter's own fixed kernel variants for this kind of adapter, whatever the adapter is. For tests of both.
   * @internal
   */
  readonly variantsFor?: AdapterKind;
  /**
   * Kernel variants other than the fixed ones, whatever kind they are for.
   * @internal
   */
  readonly variants?: KernelVariants;
  /** The most workgroups along an axis, instead of the adapter's own limit. For tests of long grids. */
  readonly maxGrid?: number;
  /** The most workgroup memory, instead of 32 KiB. For tests of an adapter that grants no more than WebGPU promises. */
  readonly workgroupBytes?: number;
  /** The most bytes that a kernel may see at once, instead of the adapter's own limit. For tests of what does not fit. */
  readonly bindingBytes?: number;
  /** What a user can do where there is no adapter; what a browser's user can do, by default. */
  readonly withoutAdapter?: string;
}

const BROWSER =
  "Use a current Chrome, Edge, Safari or Firefox, and see that it may use the graphics card (hardware acceleration). " +
  "In Chrome and Edge chrome://gpu says why there is none; chrome://flags/#enable-unsafe-webgpu, and on Linux " +
  "#enable-vulkan, allow it for cards that are not on their lists. In Firefox it is dom.webgpu.enabled of about:config.";
const INSECURE =
  "Browsers give none to a page that came by plain http from elsewhere: open it by https, by http://localhost (deno task " +
  "lab does so), or from the disk.";

/**
 * An open device. Everything on the GPU is made through it, so that it can say what is alive and what failed.
 *
 * Errors that WebGPU reports without a caller ("uncaptured") are silent by default: a wrong dispatch is skipped
 * and the program computes garbage. Here they are kept, and {@link Gpu.check} throws them.
 */
export class Gpu {
  /** What it computes on. */
  readonly adapter: AdapterDescription;
  readonly #held = new Map<GPUBuffer | GPUTexture, string>();
  readonly #errors: string[] = [];
  readonly #pipelines = new Map<string, GPUComputePipeline>();
  #variants: KernelVariants;
  #closed = false;

  /** Of a device that is open: {@link openDevice} makes one. @param maxGrid workgroups along an axis, at most. @param bindingBytes that a kernel sees at once. */
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
      if (!this.#closed) this.#errors.push(`the device was lost (${info.reason}): ${info.message}`);
    });
  }

  /**
   * Which kernels the programs that are recorded on it take.
   * @internal
   */
  get variants(): KernelVariants {
    return this.#variants;
  }
  /**
   * What is recorded from here on takes these; what stands in memory stays as it is.
   * @throws Error for those of another kind, or with matrices elsewhere.
   * @internal
   */
  useShapes(variants: KernelVariants): void {
    if (!matchAdapter(variants, this.#variants)) {
      const named = ({ kind, matrices }: KernelVariants) => matrices ? `${kind} with ${matrices}` : kind;
      throw new Error(
        `expected kernel variants for the kind ${named(this.#variants)}, got some for ${named(variants)}`,
      );
    }
    this.#variants = variants;
  }

  /** Where work is submitted; writes are in order with it. */
  get queue(): GPUQueue {
    return this.device.queue;
  }
  /** Whether passes can be timed. */
  get hasTimestamps(): boolean {
    return this.device.features.has("timestamp-query");
  }
  /** Of workgroup memory that the adapter grants. */
  get workgroupBytes(): number {
    return this.device.limits.maxComputeWorkgroupStorageSize;
  }
  /** Whether kernels may use operations of a subgroup. */
  get hasSubgroups(): boolean {
    return this.device.features.has(SUBGROUPS);
  }
  /** Buffers and textures that were created here and not destroyed. 0 at the end of a program that cleans up. */
  get liveBuffers(): number {
    return this.#held.size;
  }
  /** Bytes of the live buffers. */
  get liveBytes(): number {
    const bytes = (held: GPUBuffer | GPUTexture) =>
      held instanceof GPUBuffer ? held.size : BYTES_PER_TEXEL * held.width * held.height;
    return [...this.#held.keys()].reduce((sum, held) => sum + bytes(held), 0);
  }
  /** Labels of the live buffers, for the message of a test that found some. */
  get liveBufferLabels(): string[] {
    return [...this.#held.values()];
  }

  /**
   * Makes a buffer that counts as live until {@link destroyBuffer}.
   * @param bytes size; at least 4 and rounded up to a multiple of 4 here.
   * @throws UserError when the adapter cannot hold a buffer of that size.
   */
  createBuffer(label: string, bytes: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const size = Math.max(4, Math.ceil(bytes / 4) * 4);
    this.#require("maxBufferSize", size, label);
    const buffer = this.device.createBuffer({ label, size, usage });
    this.#held.set(buffer, label);
    return buffer;
  }

  /** Frees a buffer that was made here; does nothing when it is freed already. */
  destroyBuffer(buffer: GPUBuffer): void {
    if (this.#held.delete(buffer)) buffer.destroy();
  }

  /** A storage texture. @throws UserError when the adapter has none of that size. */
  createTexture(label: string, size: readonly [width: number, height: number]): GPUTexture {
    this.#require("maxTextureDimension2D", Math.max(...size), label, "texels");
    const usage = GPUTextureUsage.STORAGE_BINDING | GPUTextureUsage.COPY_SRC | GPUTextureUsage.COPY_DST;
    const texture = this.device.createTexture({ label, size: [...size], format: TEXTURE_FORMAT, usage });
    this.#held.set(texture, label);
    return texture;
  }

  /** Frees a texture that was made here; does nothing when it is freed already. */
  destroyTexture(texture: GPUTexture): void {
    if (this.#held.delete(texture)) texture.destroy();
  }

  /** Makes sure that kernels can see so much at once. @param what for the message. @throws UserError when a binding of that size exceeds what a kernel can see at once. */
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

  /** The pipeline for a shader source, compiled once. Errors name the kernel and the line in its source. */
  async pipeline(
    kernel: string,
    source: string,
    layout: GPUPipelineLayout | "auto",
  ): Promise<GPUComputePipeline> {
    const key = `${kernel}\n${source}`;
    const known = this.#pipelines.get(key);
    if (known) return known;
    let made = await this.#compile(kernel, source, layout);
    // The standard and browsers demand the line; naga, which Deno has, does not know it yet.
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
    const lines = info.messages.map((m) => `${kernel}.wgsl:${m.lineNum}:${m.linePos} ${m.message}`);
    return {
      pipeline,
      error: new Error([`kernel ${kernel} does not compile`, ...lines, error.message].join("\n")),
    };
  }

  /**
   * Waits until all that was submitted so far has run. Deno asks every 10 ms, so a wait takes 11 ms or more, however little
   * there was to do: nothing waits like this inside a training step. Results need no wait before they are read; a read waits
   * by itself. It throws nothing of what failed meanwhile: {@link check} does.
   */
  async workDone(): Promise<void> {
    await this.queue.onSubmittedWorkDone();
  }

  /** Looks for errors that nobody was told. @throws Error with all that WebGPU has reported so far. Cheap: call it wherever results are read. */
  check(): void {
    if (this.#errors.length === 0) return;
    const errors = this.#errors.splice(0);
    throw new Error(`WebGPU reported ${errors.length} error(s):\n${errors.slice(0, 5).join("\n")}`);
  }

  /** Destroys the device and all of its buffers. Call {@link check} before, to see what failed unseen. */
  close(): void {
    this.#closed = true;
    for (const memory of this.#held.keys()) memory.destroy();
    this.#held.clear();
    this.device.destroy();
  }
  /** {@link close}, at the end of a `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Opens an adapter, wherever this runs: nothing of Deno or of a browser is asked for but WebGPU. Limits are WebGPU's
 * defaults with two exceptions; see limits.ts.
 *
 * @param gpu where adapters come from.
 * @throws UserError when there is no adapter, or one whose limits are too low.
 */
export async function openDevice(options: GpuOptions = {}, gpu: GPU | undefined = webgpu()): Promise<Gpu> {
  const adapter = await gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) {
    const { withoutAdapter = Reflect.get(globalThis, "isSecureContext") === false ? INSECURE : BROWSER } =
      options;
    throw new UserError(`Expected a WebGPU adapter, found none. ${withoutAdapter}`);
  }
  const { info, limits, features } = adapter;
  const { workgroupBytes } = options;
  const most = workgroupBytes === undefined ? {} : { maxComputeWorkgroupStorageSize: workgroupBytes };
  const requiredLimits = computeRequiredLimits(limits, formatAdapterName(info), most);
  const timed = features.has("timestamp-query") ? ["timestamp-query" as const] : [];
  const open = (requiredFeatures: GPUFeatureName[]) =>
    adapter.requestDevice({ label: "clickgan", requiredFeatures, requiredLimits });
  // Deno 2.9.6 grants subgroups where its adapter does not list them, and an adapter that refuses may be asked again.
  const device = await open([...timed, SUBGROUPS]).catch(() => open(timed));
  const maxGrid = options.maxGrid ?? device.limits.maxComputeWorkgroupsPerDimension;
  const variants = options.variants ?? chooseDefaultVariants(info, options.variantsFor);
  return new Gpu(device, info, variants, maxGrid, options.bindingBytes);
}

/** Undefined in a browser that has none, or on a page that may not have it. */
function webgpu(): GPU | undefined {
  return navigator.gpu;
}

/** Drivers that compute on the CPU, by names that they go by where nothing else tells them apart. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|basic render/i;

function classifyAdapter(
  { isFallbackAdapter, description, device, architecture }: GPUAdapterInfo,
): AdapterKind {
  return isFallbackAdapter || SOFTWARE.test([description, device, architecture].join(" ")) ? "cpu" : "gpu";
}

/**
 * CPU adapters that read buffers faster than textures, by Deno's name and by Chromium's. Measured are SwiftShader and
 * llvmpipe alone (bench/ladder.md, "SwiftShader"); all others are taken to be like llvmpipe.
 */
const READS_BUFFERS = /swiftshader/i;

/** The fixed kernel variants. @param kind of the adapter, or another for a test. */
function chooseDefaultVariants(
  info: GPUAdapterInfo,
  kind: AdapterKind = classifyAdapter(info),
): KernelVariants {
  const { description, device, architecture } = info;
  const buffers = kind === "cpu" && READS_BUFFERS.test([description, device, architecture].join(" "));
  return getDefaultVariants(kind, buffers ? "buffers" : undefined);
}

/** Browsers give no description; of the vendor and the architecture they often tell. */
function formatAdapterName({ description, device, vendor, architecture }: GPUAdapterInfo): string {
  return description || device || [vendor, architecture].filter((name) => name).join(" ") ||
    "unnamed adapter";
}
