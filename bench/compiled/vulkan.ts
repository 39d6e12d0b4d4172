/**
 * Compiles compute shaders with RADV, Mesa's driver for AMD GPUs, on a machine without the GPU. If the
 * variable RADV_FORCE_FAMILY is set, RADV creates a "null hardware" device, which compiles shaders but cannot
 * run them. Deno's WebGPU does not open such a device, so this file calls Vulkan's C interface.
 */

import { UserError } from "../../src/user_error.ts";
import type { SpirvShader } from "./spirv.ts";
import { packStructs, packText, packTexts, readText, StructLayout } from "./structs.ts";

const [COMPUTE, STAGE_INFO] = [0x20, 18];
/** Pipeline flags that make RADV keep a shader's statistics and assembly. */
const CAPTURE = 0x40 | 0x80;
const VERSION = (1 << 22) | (3 << 12);

const EXECUTABLES = 1000269000;
const layouts = {
  application: new StructLayout(
    "pointer name, u32 version, pointer engine, u32 engineVersion, u32 apiVersion",
    0,
  ),
  instance: new StructLayout(
    "u32 flags, pointer application, u32 layers, pointer layerNames, u32 extensions, pointer extensionNames",
    1,
  ),
  queue: new StructLayout("u32 flags, u32 family, u32 count, pointer priorities", 2),
  device: new StructLayout(
    "u32 flags, u32 queues, pointer queueInfos, u32 layers, pointer layerNames, u32 extensions, " +
      "pointer extensionNames, pointer features",
    3,
  ),
  executablesFeature: new StructLayout("u32 executableInfo", EXECUTABLES),
  subgroupFeature: new StructLayout("u32 sizeControl, u32 full", 1000225002),
  robustFeature: new StructLayout("u32 buffers, u32 images, u32 nullDescriptor", 1000286000),
  properties: new StructLayout(
    "u32 api, u32 driver, u32 vendor, u32 device, u32 type, text256 name, text1000 rest",
  ),
  features: new StructLayout("u32 robustBufferAccess, text216 others"),
  module: new StructLayout("u32 flags, u64 bytes, pointer code", 16),
  binding: new StructLayout("u32 binding, u32 type, u32 count, u32 stages, pointer samplers"),
  set: new StructLayout("u32 flags, u32 count, pointer bindings", 32),
  pipelineLayout: new StructLayout(
    "u32 flags, u32 sets, pointer setLayouts, u32 ranges, pointer constants",
    30,
  ),
  subgroupSize: new StructLayout("u32 size", 1000225001),
  /** VkComputePipelineCreateInfo. Its field `stage` is a struct: `stageInfo` to `specialization`. */
  pipeline: new StructLayout(
    "u32 flags, u64 stageInfo, pointer stageNext, u32 stageFlags, u32 stage, u64 module, pointer entry, " +
      "pointer specialization, u64 layout, u64 base, u32 baseIndex",
    29,
  ),
  pipelineOnly: new StructLayout("u64 pipeline", EXECUTABLES + 1),
  executable: new StructLayout("u32 stages, text256 name, text256 about, u32 subgroup", EXECUTABLES + 2),
  executableOf: new StructLayout("u64 pipeline, u32 index", EXECUTABLES + 3),
  statistic: new StructLayout("text256 name, text256 about, u32 format, u64 value", EXECUTABLES + 4),
  written: new StructLayout(
    "text256 name, text256 about, u32 isText, u64 bytes, pointer text",
    EXECUTABLES + 5,
  ),
} as const;

const create = { parameters: ["pointer", "buffer", "pointer", "buffer"], result: "i32" } as const;
const destroy = { parameters: ["pointer", "u64", "pointer"], result: "void" } as const;
const symbols = {
  vkCreateInstance: { parameters: ["buffer", "pointer", "buffer"], result: "i32" },
  vkDestroyInstance: { parameters: ["pointer", "pointer"], result: "void" },
  vkEnumeratePhysicalDevices: { parameters: ["pointer", "buffer", "buffer"], result: "i32" },
  vkGetPhysicalDeviceProperties: { parameters: ["pointer", "buffer"], result: "void" },
  vkGetDeviceProcAddr: { parameters: ["pointer", "buffer"], result: "pointer" },
  vkCreateDevice: create,
  vkDestroyDevice: { parameters: ["pointer", "pointer"], result: "void" },
  vkCreateShaderModule: create,
  vkDestroyShaderModule: destroy,
  vkCreateDescriptorSetLayout: create,
  vkDestroyDescriptorSetLayout: destroy,
  vkCreatePipelineLayout: create,
  vkDestroyPipelineLayout: destroy,
  vkCreateComputePipelines: {
    parameters: ["pointer", "u64", "u32", "buffer", "pointer", "buffer"],
    result: "i32",
  },
  vkDestroyPipeline: destroy,
} as const;
/** Signature of Vulkan's functions that list a pipeline's properties, statistics and assembly. */
const listing = { parameters: ["pointer", "buffer", "buffer", "buffer"], result: "i32" } as const;
type Kind = "Properties" | "Statistics" | "InternalRepresentations";

export interface Compilation {
  /** Statistics of the compiled shader by the driver's names, such as "VGPRs", "Subgroups per SIMD". */
  readonly statistics: Readonly<Record<string, number>>;
  readonly assembly: string;
  readonly subgroup: number;
}

/** Folders with the JSON files from which Vulkan's loader finds drivers. */
const DRIVER_FOLDERS = ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"];

/** Returns the path of the JSON file from which Vulkan's loader finds RADV, if RADV is installed. */
function findRadvFile(folders: readonly string[]): string | undefined {
  for (const folder of Deno.build.os === "linux" ? folders : []) {
    try {
      const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
      const own = names.find((name) => /^radeon_icd(?!.*i[36]86).*\.json$/.test(name));
      if (own !== undefined) return `${folder}/${own}`;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return undefined;
}

/** Returns a message that RADV is not installed, or undefined if RADV is installed. */
export function describeMissingCompiler(folders: readonly string[] = DRIVER_FOLDERS): string | undefined {
  if (findRadvFile(folders) !== undefined) return undefined;
  return "RADV, Mesa's driver for AMD GPUs, was not found. It runs on Linux. On Debian or Ubuntu " +
    "`sudo apt-get install mesa-vulkan-drivers` installs it, together with llvmpipe.";
}

export class NullCompiler {
  readonly #vk = Deno.dlopen("libvulkan.so.1", symbols);
  readonly #instance: Deno.PointerValue;
  readonly #device: Deno.PointerValue;
  /** Version of Mesa, such as "25.0.7". */
  readonly version: string;

  /**
   * @param family - RADV's name of the GPU, such as "navi31".
   * @param checked - true to keep memory accesses inside their buffers, as WebGPU requires.
   * @throws UserError if RADV does not know the GPU or is not installed.
   */
  constructor(readonly family: string, checked: boolean) {
    const file = findRadvFile(DRIVER_FOLDERS);
    if (file === undefined) {
      throw new UserError(`Expected Mesa's compiler for AMD GPUs: ${describeMissingCompiler()}`);
    }
    // Vulkan's loader and the driver read these variables when the Vulkan instance is created.
    const variables = {
      ...{ RADV_FORCE_FAMILY: family, VK_DRIVER_FILES: file, VK_ICD_FILENAMES: file },
      MESA_VK_IGNORE_CONFORMANCE_WARNING: "true",
    };
    [this.#instance, this.#device, this.version] = withVariables(variables, () => this.#open(checked));
  }

  #open(checked: boolean): [instance: Deno.PointerValue, device: Deno.PointerValue, version: string] {
    const vk = this.#vk.symbols;
    const application = layouts.application.make({ apiVersion: VERSION });
    const own = new Handle();
    const found = vk.vkCreateInstance(layouts.instance.make({ application }), null, own.room) === 0;
    const instance = own.pointer;
    const [one, card] = [Uint32Array.of(1), new Handle()];
    if (!found || vk.vkEnumeratePhysicalDevices(instance, one, card.room) < 0 || one[0] === 0) {
      throw new UserError(
        `Expected a GPU that RADV knows, e.g. navi31, navi21, gfx1201 or mi200, got "${this.family}".`,
      );
    }
    const properties = layouts.properties.make();
    vk.vkGetPhysicalDeviceProperties(card.pointer, properties);
    const name = layouts.properties.text(properties, "name");
    if (!/null hardware/i.test(name)) throw new Error(`expected a GPU that RADV simulates, got ${name}`);
    const robust = layouts.robustFeature.make({ buffers: Number(checked) });
    const subgroups = layouts.subgroupFeature.make({ sizeControl: 1, pNext: robust });
    const info = layouts.device.make({
      pNext: layouts.executablesFeature.make({ executableInfo: 1, pNext: subgroups }),
      queues: 1,
      queueInfos: layouts.queue.make({ count: 1, priorities: new Uint8Array(Float32Array.of(1).buffer) }),
      extensions: 2,
      extensionNames: packTexts(["VK_KHR_pipeline_executable_properties", "VK_EXT_robustness2"]),
      features: layouts.features.make({ robustBufferAccess: Number(checked) }),
    });
    succeed("vkCreateDevice", vk.vkCreateDevice(card.pointer, info, null, own.room));
    const version = layouts.properties.number(properties, "driver");
    return [instance, own.pointer, [version >> 22, (version >> 12) & 1023, version & 4095].join(".")];
  }

  /** Compiles a shader. @param subgroup - lanes per subgroup. @throws Error if RADV rejects the shader. */
  compile({ spirv, entry, bindings }: SpirvShader, subgroup?: number): Compilation {
    const vk = this.#vk.symbols;
    const device = this.#device;
    const undo: (() => void)[] = [];
    type Kind = "ShaderModule" | "DescriptorSetLayout" | "PipelineLayout";
    const make = (kind: Kind, info: Uint8Array<ArrayBuffer>): bigint => {
      const own = new Handle();
      succeed(`vkCreate${kind}`, vk[`vkCreate${kind}`](device, info, null, own.room));
      undo.push(() => vk[`vkDestroy${kind}`](device, own.value, null));
      return own.value;
    };
    try {
      const sets = Array.from({ length: Math.max(0, ...bindings.map(({ set }) => set + 1)) }, (_, set) => {
        const own = bindings.filter((one) => one.set === set).map(({ binding, type }) =>
          layouts.binding.make({ binding, type, count: 1, stages: COMPUTE })
        );
        return make(
          "DescriptorSetLayout",
          layouts.set.make({ count: own.length, bindings: packStructs(own) }),
        );
      });
      const setLayouts = new Uint8Array(BigUint64Array.from(sets).buffer);
      const info = layouts.pipeline.make({
        flags: CAPTURE,
        stageInfo: STAGE_INFO,
        stageNext: subgroup === undefined ? 0 : layouts.subgroupSize.make({ size: subgroup }),
        stage: COMPUTE,
        module: make("ShaderModule", layouts.module.make({ bytes: spirv.length, code: spirv })),
        entry: packText(entry),
        layout: make("PipelineLayout", layouts.pipelineLayout.make({ sets: sets.length, setLayouts })),
      });
      const own = new Handle();
      succeed("vkCreateComputePipelines", vk.vkCreateComputePipelines(device, 0n, 1, info, null, own.room));
      undo.push(() => vk.vkDestroyPipeline(device, own.value, null));
      return this.#read(own.value);
    } finally {
      for (const one of undo.reverse()) one();
    }
  }

  #read(pipeline: bigint): Compilation {
    const { executable, statistic, written } = layouts;
    const properties = this.#list("Properties", layouts.pipelineOnly.make({ pipeline }), executable);
    const of = layouts.executableOf.make({ pipeline });
    const statistics = this.#list("Statistics", of, statistic);
    const texts: Uint8Array<ArrayBuffer>[] = [];
    const names: string[] = [];
    // The first call returns the lengths of the texts, the second call writes the texts.
    this.#list("InternalRepresentations", of, written, (structs, k) => {
      const text = new Uint8Array(written.number(structs, "bytes", k));
      names.push(written.text(structs, "name", k));
      texts.push(text);
      written.set(structs, "text", text, k);
    });
    return {
      statistics: Object.fromEntries(
        Array.from({ length: statistics.length / statistic.size }, (_, k) => [
          statistic.text(statistics, "name", k),
          statistic.number(statistics, "value", k),
        ]),
      ),
      assembly: readText(texts[names.indexOf("Assembly")] ?? new Uint8Array(1)),
      subgroup: executable.number(properties, "subgroup"),
    };
  }

  /** Returns the structs that a Vulkan query writes. @param fill - adds text buffers to the structs */
  #list(
    kind: Kind,
    of: Uint8Array<ArrayBuffer>,
    layout: StructLayout,
    fill?: (structs: Uint8Array<ArrayBuffer>, index: number) => void,
  ): Uint8Array<ArrayBuffer> {
    const name = `vkGetPipelineExecutable${kind}KHR`;
    const address = Deno.UnsafePointer.value(
      this.#vk.symbols.vkGetDeviceProcAddr(this.#device, packText(name)),
    );
    const found = Deno.UnsafePointer.create<typeof listing>(address);
    if (!found) throw new UserError(`RADV has no function ${name}. Use Mesa 21 or later.`);
    const call = new Deno.UnsafeFnPointer(found, listing);
    const count = new Uint32Array(1);
    const ask = (structs: Uint8Array<ArrayBuffer> | null) =>
      succeed(name, call.call(this.#device, of, count, structs));
    ask(null);
    const structs = packStructs(Array.from({ length: count[0] ?? 0 }, () => layout.make()));
    ask(structs);
    if (!fill) return structs;
    for (let k = 0; k < (count[0] ?? 0); k++) fill(structs, k);
    ask(structs);
    return structs;
  }

  [Symbol.dispose](): void {
    this.#vk.symbols.vkDestroyDevice(this.#device, null);
    this.#vk.symbols.vkDestroyInstance(this.#instance, null);
    this.#vk.close();
  }
}

/** Memory into which a Vulkan call writes a handle. */
class Handle {
  readonly room = new BigUint64Array(1);
  get value(): bigint {
    return this.room[0] ?? 0n;
  }
  get pointer(): Deno.PointerValue {
    return Deno.UnsafePointer.create(this.value);
  }
}

function succeed(call: string, result: number): void {
  if (result !== 0) throw new Error(`${call} returned ${result}`);
}

/** Calls `run` with environment variables set, and restores the variables afterwards. */
function withVariables<T>(variables: Readonly<Record<string, string>>, run: () => T): T {
  const before = Object.keys(variables).map((name) => [name, Deno.env.get(name)] as const);
  for (const [name, value] of Object.entries(variables)) Deno.env.set(name, value);
  try {
    return run();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
  }
}
