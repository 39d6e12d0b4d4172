/**
 * Interprets invocations of a kernel in lockstep, as a subgroup does: all invocations execute the same
 * statement, and a mask disables the invocations that did not reach it. The interpreter tracks integers that
 * depend on constants, sizes, the invocation's number, and data that the caller supplies. All other values
 * are unknown. In a branch whose condition is unknown, an invocation is "perhaps" active, and each value that
 * the invocation writes becomes unknown.
 */

import { getBuiltin, makeVector } from "./values.ts";
import type { IndexScope, Invocation, StructValue, WgslType, WgslValue } from "./values.ts";
import { UnreadableKernelError } from "./tokens.ts";

/** States of an invocation in a mask: inactive, perhaps active, active. */
export const [OFF, PERHAPS, ON] = [0, 1, 2] as const;
export type InvocationMask = Uint8Array;

/** Returns the mask, or undefined if all invocations in the mask are inactive. */
const nonEmpty = (mask: InvocationMask) => mask.some((state) => state !== OFF) ? mask : undefined;

/** Largest number of interpreted statements, summed over invocations. Interpreting so many takes seconds. */
const MAX_STATEMENTS = 20_000_000;

export type AddressSpace = "storage" | "uniform" | "workgroup" | "texture";

export interface MemoryReference {
  readonly name: string;
  readonly space: AddressSpace;
  readonly type: WgslType;
  /** Offset in bytes from the start of the variable, for each invocation; undefined if unknown. */
  readonly at: readonly (number | undefined)[];
  readonly atomic?: boolean;
}

export type Statement = (walk: Interpreter, mask: InvocationMask) => void;

export interface Expression {
  /** Returns the value of the expression per invocation. The value of an inactive invocation is arbitrary. */
  readonly value: (walk: Interpreter, mask: InvocationMask) => WgslValue[];
  /** Returns the memory to which the expression refers, if invocations share this memory. */
  readonly reference?: (walk: Interpreter, mask: InvocationMask) => MemoryReference | undefined;
  /** Name of the variable, if the expression is a variable or a part of a variable. */
  readonly name?: string;
  readonly isPart?: boolean;
}

export interface WgslFunction {
  /** Parameters of the function. `type` is undefined for a pointer. */
  readonly parameters: readonly {
    readonly name: string;
    readonly builtin: string | undefined;
    readonly type: WgslType | undefined;
  }[];
  readonly result: WgslType | undefined;
  readonly body: Statement;
}

export interface WgslModule {
  readonly types: ReadonlyMap<string, WgslType>;
  readonly constants: ReadonlyMap<string, Expression>;
  readonly variables: ReadonlyMap<string, WgslVariable>;
  readonly routines: ReadonlyMap<string, WgslFunction>;
  readonly entry: WgslFunction | undefined;
}

export interface WgslVariable {
  readonly space: AddressSpace;
  readonly type: WgslType;
  /** True if the kernel cannot write the variable. */
  readonly constant: boolean;
}

/** A `let` or `const` declaration of a kernel, with a known value. */
export interface TracedLine {
  readonly name: string;
  readonly from: string;
  readonly value: number;
}

export interface InterpreterOptions {
  readonly onAccess?: Interpreter["access"];
  /** True to interpret loops as if their numbers of iterations were unknown. */
  readonly skipsLoops?: boolean;
}

/** Masks of the invocations that left a loop by `break`, or an iteration by `continue`. */
interface LoopExits {
  readonly broken: InvocationMask;
  readonly continued: InvocationMask;
}

interface Frame {
  /** Values of the variables in each scope; undefined for a variable that is not tracked. */
  readonly scopes: Map<string, WgslValue[] | undefined>[];
  readonly returned: InvocationMask;
  readonly result: WgslValue[];
  exits: LoopExits | undefined;
}

export class Interpreter {
  readonly lanes: number;
  /** Declarations of the entry point (outside loops) whose values in the first invocation are known. */
  readonly lines: TracedLine[] = [];
  /** True if the first invocation returns without any work. */
  idle = false;
  readonly #constants = new Map<string, WgslValue>();
  /** Values of u32 variables in workgroup memory, initially zero. Elements of arrays are not tracked. */
  readonly #shared = new Map<string, WgslValue>();
  #frame: Frame;
  #depth = 0;
  /** Number of loops, and of branches with an unknown condition, that contain the current statement. */
  #uncertain = 0;
  #executed = 0;

  constructor(
    private readonly module: WgslModule,
    private readonly scope: IndexScope,
    private readonly invocations: readonly Invocation[],
    private readonly options: InterpreterOptions = {},
  ) {
    this.lanes = invocations.length;
    this.#frame = this.#makeFrame(new Map());
  }

  /** Values of the entry point's builtin parameters for the first invocation. */
  get builtins(): [name: string, value: WgslValue][] {
    return [...this.#arguments()].map(([name, [value]]) => [name, value]);
  }

  #arguments(): Map<string, WgslValue[]> {
    return new Map(
      this.module.entry?.parameters.map(({ name, builtin = "" }) => [
        name,
        this.invocations.map((one) => getBuiltin(builtin, this.scope, one)),
      ]),
    );
  }

  /** Interprets the entry point. @throws UnreadableKernelError for too many statements or unsupported code */
  run(): void {
    this.#frame = this.#makeFrame(this.#arguments());
    this.module.entry?.body(this, this.#all());
  }

  /** Evaluates an expression for the first invocation. @param names - values of variables by name */
  evaluate({ value }: Expression, names: ReadonlyMap<string, WgslValue>): WgslValue {
    this.#frame = this.#makeFrame(new Map([...names].map(([name, one]) => [name, this.broadcast(one)])));
    return value(this, this.#all())[0];
  }

  #all(): InvocationMask {
    return new Uint8Array(this.lanes).fill(ON);
  }

  broadcast(value: WgslValue): WgslValue[] {
    return new Array<WgslValue>(this.lanes).fill(value);
  }

  unknown(): WgslValue[] {
    return this.broadcast(undefined);
  }

  #makeFrame(names: Map<string, WgslValue[] | undefined>): Frame {
    const returned = new Uint8Array(this.lanes);
    return { scopes: [names], returned, result: this.unknown(), exits: undefined };
  }

  lookup(name: string): WgslValue[] {
    const { scopes } = this.#frame;
    const scope = scopes.findLast((scope) => scope.has(name));
    return scope ? scope.get(name) ?? this.unknown() : this.broadcast(this.#constant(name));
  }

  #constant(name: string): WgslValue {
    if (this.#constants.has(name)) return this.#constants.get(name);
    this.#constants.set(name, undefined); // a constant that refers to itself is unknown
    const value = name === "step"
      ? this.#step()
      : this.module.constants.get(name)?.value(this, this.#all())[0];
    this.#constants.set(name, value);
    return value;
  }

  #step(): StructValue {
    const { sizes: [x, y, z, w], chunks, header } = this.scope;
    return { ...header, size: { x, y, z, w }, chunks };
  }

  /** Returns a reference to a global variable except `step`; undefined for local and private variables. */
  getReference(name: string): MemoryReference | undefined {
    const variable = this.module.variables.get(name);
    if (!variable || name === "step" || this.#frame.scopes.some((scope) => scope.has(name))) return undefined;
    const { space, type } = variable;
    return { name, space, type, at: this.broadcast(0) as number[] };
  }

  load(memory: MemoryReference, mask: InvocationMask): WgslValue[] {
    this.access(memory, "read", mask);
    if (this.#isShared(memory)) {
      return this.broadcast(this.#shared.has(memory.name) ? this.#shared.get(memory.name) : 0);
    }
    const data = this.module.variables.get(memory.name)?.constant
      ? this.scope.data?.[memory.name]
      : undefined;
    const { isU32, element } = memory.type;
    if (!data || !(isU32 || (element?.isU32 && !element.element))) return this.unknown();
    const word = (at: number) => data[at / 4];
    return memory.at.map((at) => {
      if (at === undefined) return undefined;
      if (isU32) return word(at);
      const count = memory.type.size / 4;
      return makeVector(Array.from({ length: count }, (_, k) => word(at + 4 * k)));
    });
  }

  /** Returns the length of a runtime-sized array in elements; undefined if unknown. */
  getArrayLength(memory: MemoryReference | undefined): number | undefined {
    const { name = "", type: { stride } = {}, at: [at] = [] } = memory ?? {};
    const bytes = this.scope.bytes?.[name];
    return bytes === undefined || at === undefined || !stride ? undefined : Math.floor((bytes - at) / stride);
  }

  store(memory: MemoryReference, values: readonly WgslValue[], mask: InvocationMask): void {
    this.access(memory, "write", mask);
    if (!this.#isShared(memory)) return;
    const written = values.filter((_, k) => mask[k] !== OFF);
    const [first] = written;
    const sure = !mask.includes(PERHAPS) && written.every((one) => one === first);
    this.#shared.set(memory.name, sure ? first : undefined);
  }

  #isShared({ space, name }: MemoryReference): boolean {
    return space === "workgroup" && this.module.variables.get(name)?.type.isU32 === true;
  }

  access(memory: MemoryReference, kind: "read" | "write", mask: InvocationMask): void {
    this.options.onAccess?.(memory, kind, mask);
  }

  /** Declares a variable in the innermost scope. @param values - undefined if the variable is not tracked */
  declare(name: string, values: WgslValue[] | undefined): void {
    this.#frame.scopes.at(-1)?.set(name, values);
  }

  assign(name: string, values: readonly WgslValue[], mask: InvocationMask): void {
    const scope = this.#frame.scopes.findLast((scope) => scope.has(name));
    const before = scope?.get(name);
    if (!before) return; // the variable is not tracked
    scope?.set(name, before.map((old, k) => mask[k] === OFF ? old : mask[k] === ON ? values[k] : undefined));
  }

  /** Adds a declaration to {@link lines} if the first invocation certainly executes the declaration. */
  trace(name: string, from: string, [value]: readonly WgslValue[], mask: InvocationMask): void {
    if (this.#depth > 0 || this.#uncertain > 0 || mask[0] === OFF || typeof value !== "number") return;
    this.lines.push({ name, from, value });
  }

  inScope(act: () => void): void {
    const { scopes } = this.#frame;
    scopes.push(new Map());
    act();
    scopes.pop();
  }

  /** Interprets a block. @param bare - true if the first statement of the block is a `return` */
  block(statements: readonly Statement[], mask: InvocationMask, bare: boolean): void {
    if (bare && this.#depth === 0 && mask[0] === ON) this.idle = true;
    this.inScope(() => {
      for (const statement of statements) {
        const live = this.#live(mask);
        if (!live) return;
        this.#executed += this.lanes;
        if (this.#executed > MAX_STATEMENTS) {
          throw new UnreadableKernelError("too many statements");
        }
        statement(this, live);
      }
    });
  }

  /** Returns the mask without invocations that returned or left the loop; undefined if the mask is empty. */
  #live(mask: InvocationMask): InvocationMask | undefined {
    const { returned, exits } = this.#frame;
    return nonEmpty(mask.map((state, k) => {
      const gone = Math.max(returned[k] ?? OFF, exits?.broken[k] ?? OFF, exits?.continued[k] ?? OFF);
      return Math.min(state, ON - gone);
    }));
  }

  recordReturn(mask: InvocationMask, values?: readonly WgslValue[]): void {
    const { returned, result } = this.#frame;
    mask.forEach((state, k) => {
      if (state === OFF) return;
      // If an invocation may have returned before with a different value, its result is unknown.
      result[k] = state === ON && returned[k] === OFF ? values?.[k] : undefined;
      mark(returned, k, state);
    });
  }

  exitLoop(which: keyof LoopExits, mask: InvocationMask): void {
    const exits = this.#frame.exits?.[which];
    if (!exits) throw new UnreadableKernelError(`${which} outside of a loop`);
    mask.forEach((state, k) => mark(exits, k, state));
  }

  call(
    { parameters, body }: WgslFunction,
    values: readonly WgslValue[][],
    mask: InvocationMask,
  ): WgslValue[] {
    const before = this.#frame;
    this.#frame = this.#makeFrame(new Map(parameters.map(({ name }, k) => [name, values[k]])));
    this.#depth++;
    body(this, mask);
    this.#depth--;
    const { result } = this.#frame;
    this.#frame = before;
    return result;
  }

  /** Returns the mask with OFF where the condition equals `ends`, and at most PERHAPS where it is unknown. */
  narrow(mask: InvocationMask, condition: readonly WgslValue[], ends: boolean): InvocationMask | undefined {
    return nonEmpty(mask.map((state, k) => {
      const value = condition[k];
      return value === ends ? OFF : value === undefined ? Math.min(state, PERHAPS) : state;
    }));
  }

  branch(condition: Expression, yes: Statement, no: Statement | undefined, mask: InvocationMask): void {
    const values = condition.value(this, mask);
    const unknown = Number(values.some((value, k) => mask[k] !== OFF && value === undefined));
    this.#uncertain += unknown;
    const [then, otherwise] = [this.narrow(mask, values, false), this.narrow(mask, values, true)];
    if (then) yes(this, then);
    if (otherwise) no?.(this, otherwise);
    this.#uncertain -= unknown;
  }

  /** Interprets a loop as long as at least one invocation certainly (ON) continues. */
  loop(mask: InvocationMask, body: Statement, condition?: Expression, next?: Statement): void {
    const before = this.#frame.exits;
    const left: LoopExits = { broken: new Uint8Array(this.lanes), continued: new Uint8Array(this.lanes) };
    this.#frame.exits = left;
    this.#uncertain++;
    let turning: InvocationMask | undefined = this.options.skipsLoops
      ? mask.map((state) => Math.min(state, PERHAPS))
      : mask;
    while (turning) {
      const live: InvocationMask | undefined = this.#live(turning);
      const inside = live && (condition ? this.narrow(live, condition.value(this, live), false) : live);
      if (!inside) break;
      body(this, inside);
      left.continued.fill(OFF);
      turning = this.#live(inside);
      if (!turning) break;
      next?.(this, turning);
      if (turning.includes(ON)) continue;
      condition?.value(this, turning); // the condition may be evaluated once more
      break;
    }
    this.#uncertain--;
    this.#frame.exits = before;
  }
}

/** Raises the state of invocation k in a mask to at least `state`. */
function mark(left: InvocationMask, k: number, state: number): void {
  left[k] = Math.max(left[k] ?? OFF, state);
}
