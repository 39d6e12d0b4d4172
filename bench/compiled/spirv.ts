/** Parses the SPIR-V that naga, Deno's WGSL compiler, generates for a compute shader. */

export interface SpirvShader {
  readonly spirv: Uint8Array<ArrayBuffer>;
  readonly entry: string;
  readonly workgroup: readonly [x: number, y: number, z: number];
  readonly bindings: readonly ShaderBinding[];
}

export interface ShaderBinding {
  readonly set: number;
  readonly binding: number;
  /** Type of the binding as Vulkan's VkDescriptorType. */
  readonly type: number;
}

const MAGIC = 0x07230203;
const HEADER_WORDS = 5;
const op = { entryPoint: 15, executionMode: 16, variable: 59, decorate: 71 } as const;
const LOCAL_SIZE = 17;
const [BINDING, DESCRIPTOR_SET] = [33, 34];
/** Maps SPIR-V storage classes to Vulkan's types: 3 storage image, 6 uniform buffer, 7 storage buffer. */
const TYPES: Readonly<Record<number, number>> = { 0: 3, 2: 6, 12: 7 };
const UNIFORM_DYNAMIC = 8;
const STEP_BINDING = /@binding\((\d+)\) var<uniform> steps?:/;

/**
 * Parses a shader's entry point, workgroup size and bindings. @throws Error if `spirv` is not SPIR-V
 * @param wgsl - the shader's WGSL, in which the uniform `step` or `steps` has a dynamic offset
 */
export function parseShader(spirv: Uint8Array<ArrayBuffer>, wgsl = ""): SpirvShader {
  const words = new Uint32Array(spirv.buffer, spirv.byteOffset, spirv.length >> 2);
  if (words[0] !== MAGIC) throw new Error("expected SPIR-V, got another file");
  const word = (at: number) => words[at] ?? 0;
  let entry = "";
  let workgroup: [number, number, number] = [1, 1, 1];
  const classes = new Map<number, number>();
  const sets = new Map<number, number>();
  const numbers = new Map<number, number>();
  for (let at = HEADER_WORDS; at < words.length; at += Math.max(1, word(at) >>> 16)) {
    switch (word(at) & 0xffff) {
      case op.entryPoint: {
        const name = spirv.subarray(4 * (at + 3), 4 * (at + (word(at) >>> 16)));
        entry = new TextDecoder().decode(name.subarray(0, name.indexOf(0)));
        break;
      }
      case op.executionMode:
        if (word(at + 2) === LOCAL_SIZE) workgroup = [word(at + 3), word(at + 4), word(at + 5)];
        break;
      case op.decorate:
        if (word(at + 2) === BINDING) numbers.set(word(at + 1), word(at + 3));
        if (word(at + 2) === DESCRIPTOR_SET) sets.set(word(at + 1), word(at + 3));
        break;
      case op.variable:
        classes.set(word(at + 2), word(at + 3));
    }
  }
  const step = Number(wgsl.match(STEP_BINDING)?.[1] ?? NaN);
  const bindings = [...numbers].map(([id, binding]) => ({
    set: sets.get(id) ?? 0,
    binding,
    type: binding === step ? UNIFORM_DYNAMIC : TYPES[classes.get(id) ?? 0] ?? 3,
  }));
  if (entry === "") throw new Error("expected SPIR-V with an entry point, got none");
  return { spirv, entry, workgroup, bindings };
}
