/** What a piece of work makes and leaves: objects, by whether they outlive it, and listeners. */

import v8 from "node:v8";
import vm from "node:vm";

/** Collects all garbage. @throws Error where V8 cannot be told to. */
export async function collectGarbage(): Promise<void> {
  v8.setFlagsFromString("--expose-gc");
  const gc: unknown = vm.runInNewContext("gc");
  if (typeof gc !== "function") throw new Error("V8 has no gc");
  // What the running job has looked at stays until it ends; finalisers run in jobs of their own.
  for (let k = 0; k < 2; k++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    gc();
  }
}

/** Objects that are counted as they come, and are not held. */
export class Flock {
  readonly #members: WeakRef<object>[] = [];

  add(member: object): void {
    this.#members.push(new WeakRef(member));
  }
  /** All that were added. */
  get count(): number {
    return this.#members.length;
  }
  /** Those that are still there; collect garbage before. */
  get alive(): number {
    return this.#members.filter((member) => member.deref() !== undefined).length;
  }
}

/** Methods of prototypes that return what they make. */
type Maker = readonly [prototype: object, method: string];

const STANDING: readonly Maker[] = [
  [GPUDevice.prototype, "createBuffer"],
  [GPUDevice.prototype, "createTexture"],
  [GPUDevice.prototype, "createBindGroup"],
  [GPUDevice.prototype, "createComputePipeline"],
];
const PASSING: readonly Maker[] = [
  [GPUDevice.prototype, "createCommandEncoder"],
  [GPUCommandEncoder.prototype, "beginComputePass"],
  [GPUCommandEncoder.prototype, "finish"],
  [GPUBuffer.prototype, "getMappedRange"],
];

export interface Made {
  /** Buffers, textures, bind groups and pipelines. */
  readonly standing: Flock;
  /** Encoders, passes, command buffers and mapped ranges: what each submission makes anew. */
  readonly passing: Flock;
  /** Event listeners that were added and not removed. */
  readonly listeners: number;
}

/** Does the work, and watches what it makes on the GPU. */
export async function watched(work: () => Promise<void>): Promise<Made> {
  const [standing, passing] = [new Flock(), new Flock()];
  const restore = [
    ...STANDING.map((maker) => intercept(maker, (made) => standing.add(made))),
    ...PASSING.map((maker) => intercept(maker, (made) => passing.add(made))),
  ];
  let listeners = 0;
  restore.push(intercept([EventTarget.prototype, "addEventListener"], () => listeners++));
  restore.push(intercept([EventTarget.prototype, "removeEventListener"], () => listeners--));
  try {
    await work();
  } finally {
    for (const back of restore.reverse()) back();
  }
  return { standing, passing, listeners };
}

/** Tells of what a method returns, an object that stands for nothing else where it returns none. @returns what undoes it */
function intercept([prototype, method]: Maker, tell: (made: object) => void): () => void {
  const own = Object.getOwnPropertyDescriptor(prototype, method);
  const original: unknown = own?.value;
  if (!own || typeof original !== "function") throw new Error(`expected a method ${method}`);
  const value = function (this: unknown, ...args: unknown[]): unknown {
    const made: unknown = Reflect.apply(original, this, args);
    tell(typeof made === "object" && made !== null ? made : {});
    return made;
  };
  Object.defineProperty(prototype, method, { ...own, value });
  return () => Object.defineProperty(prototype, method, own);
}
