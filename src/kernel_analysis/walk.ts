/**
 * Follows invocations of a kernel side by side, as a subgroup does: all take the same statement, and those are switched off
 * that did not get there. It knows whole numbers that follow from constants, sizes and the number of an invocation, and from
 * data where they are given. What depends on other data is unknown; whoever gets somewhere by an unknown condition is there
 * perhaps, and what is done there counts for nothing but as unknown.
 */

import {
  getBuiltin,
  type IndexScope,
  type Invocation,
  makeVector,
  type StructValue,
  type WgslType,
  type WgslValue,
} from "./values.ts";
import { UnreadableKernelError } from "./tokens.ts";

/** An invocation is not there, is perhaps, or is. */
export const [OFF, PERHAPS, ON] = [0, 1, 2] as const;
/** Of each invocation. */
export type InvocationMask = Uint8Array;

/** Those of a mask, or nobody. */
const nonEmpty = (mask: InvocationMask) => mask.some((state) => state !== OFF) ? mask : undefined;

/** Statements of an invocation that are followed: some seconds. */
const MAX_STATEMENTS = 20_000_000;

export type AddressSpace = "storage" | "uniform" | "workgroup" | "texture";

/** Where invocations read or write. */
export interface MemoryReference {
  readonly name: string;
  readonly space: AddressSpace;
  readonly type: WgslType;
  /** Bytes from the variable's beginning, of each invocation. */
  readonly at: readonly (number | undefined)[];
  readonly atomic?: boolean;
}

/** What is done with each invocation of a mask. */
export type Statement = (walk: Interpreter, mask: InvocationMask) => void;

export interface Expression {
  /** Of each invocation; of one that is switched off, anything. */
  readonly value: (walk: Interpreter, mask: InvocationMask) => WgslValue[];
  /** Where it stands, if that is in memory which invocations share. */
  readonly reference?: (walk: Interpreter, mask: InvocationMask) => MemoryReference | undefined;
  /** Of a variable, or of a part of one. */
  readonly name?: string;
  readonly isPart?: boolean;
}

/** A function of WGSL. */
export interface WgslFunction {
  /** Without a type: a pointer. */
  readonly parameters: readonly {
    readonly name: string;
    readonly builtin: string | undefined;
    readonly type: WgslType | undefined;
  }[];
  readonly result: WgslType | undefined;
  readonly body: Statement;
}

/** What a text declares, by name. */
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
  /** Whether no kernel changes it meanwhile. */
  readonly constant: boolean;
}

/** A line of the kernel whose value is known. */
export interface TracedLine {
  readonly name: string;
  /** What the kernel computes it from. */
  readonly from: string;
  readonly value: number;
}

export interface InterpreterOptions {
  readonly onAccess?: Interpreter["access"];
  /** Whether loops are passed over as if nothing was known of how often they turn. */
  readonly skipsLoops?: boolean;
}

/** Who has left: a loop, or this turn of it. */
interface LoopExits {
  readonly broken: InvocationMask;
  readonly continued: InvocationMask;
}

interface Frame {
  /** Absent values are not followed. */
  readonly scopes: Map<string, WgslValue[] | undefined>[];
  readonly returned: InvocationMask;
  readonly result: WgslValue[];
  exits: LoopExits | undefined;
}

export class Interpreter {
  readonly lanes: number;
  /** Of the entry point: what it computes outside of loops, of the first invocation. */
  readonly lines: TracedLine[] = [];
  /** The first invocation ends before it does anything. */
  idle = false;
  readonly #constants = new Map<string, WgslValue>();
  /** Whole numbers in workgroup memory, which begin as zeros. What stands in arrays there is not followed. */
  readonly #shared = new Map<string, WgslValue>();
  #frame: Frame;
  #depth = 0;
  /** Statements are under way that nobody knows to be reached. */
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

  /** What the entry point is given, of the first invocation. */
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

  /** Follows the entry point. @throws UnreadableKernelError */
  run(): void {
    this.#frame = this.#makeFrame(this.#arguments());
    this.module.entry?.body(this, this.#all());
  }

  /** Evaluates an expression with some names of the first invocation. */
  evaluate({ value }: Expression, names: ReadonlyMap<string, WgslValue>): WgslValue {
    this.#frame = this.#makeFrame(new Map([...names].map(([name, one]) => [name, this.broadcast(one)])));
    return value(this, this.#all())[0];
  }

  #all(): InvocationMask {
    return new Uint8Array(this.lanes).fill(ON);
  }

  /** The same of all invocations. */
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
    this.#constants.set(name, undefined); // what refers to itself is unknown
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

  /** Where a variable of the module stands; undefined where a name of the function hides it, and of what is not in memory. */
  getReference(name: string): MemoryReference | undefined {
    const variable = this.module.variables.get(name);
    if (!variable || name === "step" || this.#frame.scopes.some((scope) => scope.has(name))) return undefined;
    const { space, type } = variable;
    return { name, space, type, at: this.broadcast(0) as number[] };
  }

  load(place: MemoryReference, mask: InvocationMask): WgslValue[] {
    this.access(place, "read", mask);
    if (this.#isShared(place)) {
      return this.broadcast(this.#shared.has(place.name) ? this.#shared.get(place.name) : 0);
    }
    const data = this.module.variables.get(place.name)?.constant ? this.scope.data?.[place.name] : undefined;
    const { isU32, element } = place.type;
    if (!data || !(isU32 || (element?.isU32 && !element.element))) return this.unknown();
    const word = (at: number) => data[at / 4];
    return place.at.map((at) => {
      if (at === undefined) return undefined;
      if (isU32) return word(at);
      const count = place.type.size / 4;
      return makeVector(Array.from({ length: count }, (_, k) => word(at + 4 * k)));
    });
  }

  /** Elements of an array that is as long as its binding. */
  getArrayLength(place: MemoryReference | undefined): number | undefined {
    const { name = "", type: { stride } = {}, at: [at] = [] } = place ?? {};
    const bytes = this.scope.bytes?.[name];
    return bytes === undefined || at === undefined || !stride ? undefined : Math.floor((bytes - at) / stride);
  }

  store(place: MemoryReference, values: readonly WgslValue[], mask: InvocationMask): void {
    this.access(place, "write", mask);
    if (!this.#isShared(place)) return;
    const written = values.filter((_, k) => mask[k] !== OFF);
    const [first] = written;
    const sure = !mask.includes(PERHAPS) && written.every((one) => one === first);
    this.#shared.set(place.name, sure ? first : undefined);
  }

  #isShared({ space, name }: MemoryReference): boolean {
    return space === "workgroup" && this.module.variables.get(name)?.type.isU32 === true;
  }

  access(place: MemoryReference, kind: "read" | "write", mask: InvocationMask): void {
    this.options.onAccess?.(place, kind, mask);
  }

  /** @param values absent: they are not followed, whatever it is given. */
  declare(name: string, values: WgslValue[] | undefined): void {
    this.#frame.scopes.at(-1)?.set(name, values);
  }

  assign(name: string, values: readonly WgslValue[], mask: InvocationMask): void {
    const scope = this.#frame.scopes.findLast((scope) => scope.has(name));
    const before = scope?.get(name);
    if (!before) return; // private to an invocation: not followed
    scope?.set(name, before.map((old, k) => mask[k] === OFF ? old : mask[k] === ON ? values[k] : undefined));
  }

  /** A let or const, and what it is computed from: a line of the entry point. */
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

  /** @param bare whether it begins with a return. */
  block(statements: readonly Statement[], mask: InvocationMask, bare: boolean): void {
    if (bare && this.#depth === 0 && mask[0] === ON) this.idle = true;
    this.inScope(() => {
      for (const statement of statements) {
        const live = this.#live(mask);
        if (!live) return;
        this.#executed += this.lanes;
        if (this.#executed > MAX_STATEMENTS) {
          throw new UnreadableKernelError("it takes too many turns to follow");
        }
        statement(this, live);
      }
    });
  }

  /** Who of these is still there; undefined for nobody. */
  #live(mask: InvocationMask): InvocationMask | undefined {
    const { returned, exits: left } = this.#frame;
    return nonEmpty(mask.map((state, k) => {
      const gone = Math.max(returned[k] ?? OFF, left?.broken[k] ?? OFF, left?.continued[k] ?? OFF);
      return Math.min(state, ON - gone);
    }));
  }

  recordReturn(mask: InvocationMask, values?: readonly WgslValue[]): void {
    const { returned, result } = this.#frame;
    mask.forEach((state, k) => {
      if (state === OFF) return;
      // Whoever has perhaps returned before, with something else, gives what nobody knows.
      result[k] = state === ON && returned[k] === OFF ? values?.[k] : undefined;
      mark(returned, k, state);
    });
  }

  exitLoop(which: keyof LoopExits, mask: InvocationMask): void {
    const left = this.#frame.exits?.[which];
    if (!left) throw new UnreadableKernelError(`${which} outside of a loop`);
    mask.forEach((state, k) => mark(left, k, state));
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

  /** Those that go on where a condition is not `ends`; undefined for nobody. */
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

  /** Turns as long as somebody is surely in it; whoever is there perhaps is followed through one turn. */
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
      condition?.value(this, turning); // perhaps it is asked again
      break;
    }
    this.#uncertain--;
    this.#frame.exits = before;
  }
}

/** Notes that somebody has left; what was sure stays so. */
function mark(left: InvocationMask, k: number, state: number): void {
  left[k] = Math.max(left[k] ?? OFF, state);
}
