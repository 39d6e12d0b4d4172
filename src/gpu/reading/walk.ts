/**
 * Follows invocations of a kernel side by side, as a subgroup does: all take the same statement, and those are switched off
 * that did not get there. It knows whole numbers that follow from constants, sizes and the number of an invocation, and from
 * data where they are given. What depends on other data is unknown; whoever gets somewhere by an unknown condition is there
 * perhaps, and what is done there counts for nothing but as unknown.
 */

import {
  alike,
  type Execute,
  type Expression,
  type Fields,
  type Follower,
  type Loop,
  type Mask,
  type Module,
  NotReadable,
  OFF,
  ON,
  PERHAPS,
  type Place,
  type Routine,
  type Value,
} from "./parse.ts";

/** What a kernel may know besides its constants. */
export interface IndexScope {
  /** Invocations of a workgroup. */
  readonly workgroup: readonly [x: number, y: number];
  /** Workgroups; z is a batch each, of what lays out several. */
  readonly grid: readonly [x: number, y: number, z: number];
  /** `step.size`: of clicks, users, events, rows, items. */
  readonly sizes: readonly number[];
  /** Partial sums of each weight gradient. */
  readonly chunks: number;
  /** Further fields of the step's header, by their names in WGSL. */
  readonly header?: Readonly<Record<string, number>>;
  /** Bytes of bindings, by name. */
  readonly bytes?: Readonly<Record<string, number>>;
  /** Whole numbers that bindings hold, by name. */
  readonly data?: Readonly<Record<string, Uint32Array>>;
}

/** One of all invocations of a dispatch, by its place. */
export interface Invocation {
  readonly group: readonly [x: number, y: number, z?: number];
  readonly local: readonly [x: number, y: number];
}

/** A line of the kernel whose value is known. */
export interface IndexLine {
  readonly name: string;
  /** What the kernel computes it from. */
  readonly from: string;
  readonly value: number;
}

export interface WalkOptions {
  readonly onAccess?: Follower["access"];
  /** Whether loops are passed over as if nothing was known of how often they turn. */
  readonly skipsLoops?: boolean;
  /** How much may be done, counted in statements of an invocation. */
  readonly patience?: number;
}

/** Who has left: a loop, or this turn of it. */
interface Left {
  readonly broken: Mask;
  readonly continued: Mask;
}

interface Frame {
  /** Absent values are not followed. */
  readonly scopes: Map<string, Value[] | undefined>[];
  readonly returned: Mask;
  readonly result: Value[];
  left: Left | undefined;
}

export class Walk implements Follower {
  readonly lanes: number;
  /** Of the entry point: what it computes outside of loops, of the first invocation. */
  readonly lines: IndexLine[] = [];
  /** The first invocation ends before it does anything. */
  idle = false;
  readonly #constants = new Map<string, Value>();
  /** Whole numbers in workgroup memory, which begin as zeros. What stands in arrays there is not followed. */
  readonly #shared = new Map<string, Value>();
  #frame: Frame;
  #depth = 0;
  /** Statements are under way that nobody knows to be reached. */
  #unsure = 0;
  #done = 0;

  constructor(
    private readonly module: Module,
    private readonly scope: IndexScope,
    private readonly invocations: readonly Invocation[],
    private readonly options: WalkOptions = {},
  ) {
    this.lanes = invocations.length;
    this.#frame = this.#frameOf(new Map());
  }

  /** What the entry point is given, of the first invocation. */
  get builtins(): [name: string, value: Value][] {
    return [...this.#given()].map(([name, [value]]) => [name, value]);
  }

  #given(): Map<string, Value[]> {
    return new Map(this.module.entry.parameters.map(({ name, builtin = "" }) => [
      name,
      this.invocations.map((one) => builtinOf(builtin, this.scope, one)),
    ]));
  }

  /** Follows the entry point. @throws NotReadable */
  run(): void {
    this.#frame = this.#frameOf(this.#given());
    this.module.entry.body(this, new Uint8Array(this.lanes).fill(ON));
  }

  /** Evaluates an expression with some names of the first invocation. */
  evaluate({ value }: Expression, names: ReadonlyMap<string, Value>): Value {
    this.#frame = this.#frameOf(new Map([...names].map(([name, one]) => [name, alike(this, one)])));
    return value(this, new Uint8Array(this.lanes).fill(ON))[0];
  }

  #frameOf(names: Map<string, Value[] | undefined>): Frame {
    const returned = new Uint8Array(this.lanes);
    return { scopes: [names], returned, result: alike(this, undefined), left: undefined };
  }

  lookup(name: string): Value[] {
    const { scopes } = this.#frame;
    const scope = scopes.findLast((scope) => scope.has(name));
    return scope ? scope.get(name) ?? alike(this, undefined) : alike(this, this.#constant(name));
  }

  #constant(name: string): Value {
    if (this.#constants.has(name)) return this.#constants.get(name);
    const value = name === "step"
      ? this.#step()
      : this.module.constants.get(name)?.value(this, new Uint8Array(this.lanes))[0];
    this.#constants.set(name, value);
    return value;
  }

  #step(): Fields {
    const { sizes: [x, y, z, w], chunks, header } = this.scope;
    return { ...header, size: { x, y, z, w }, chunks };
  }

  memory(name: string): Place | undefined {
    const variable = this.module.variables.get(name);
    if (!variable || name === "step" || this.#frame.scopes.some((scope) => scope.has(name))) return undefined;
    const { space, type } = variable;
    return { name, space, type, at: alike(this, 0) as number[] };
  }

  load(place: Place, mask: Mask): Value[] {
    this.access(place, "read", mask);
    if (this.#isShared(place)) {
      return alike(this, this.#shared.has(place.name) ? this.#shared.get(place.name) : 0);
    }
    const data = this.module.variables.get(place.name)?.constant ? this.scope.data?.[place.name] : undefined;
    const { whole, element } = place.type;
    if (!data || !(whole || (element?.whole && !element.element))) return alike(this, undefined);
    const word = (at: number) => data[at / 4];
    return place.at.map((at) => {
      if (at === undefined) return undefined;
      if (whole) return word(at);
      const count = place.type.size / 4;
      return Object.fromEntries([..."xyzw"].slice(0, count).map((letter, k) => [letter, word(at + 4 * k)]));
    });
  }

  lengthOf(place: Place | undefined): number | undefined {
    const { name = "", type: { stride } = {}, at: [at] = [] } = place ?? {};
    const bytes = this.scope.bytes?.[name];
    return bytes === undefined || at === undefined || !stride ? undefined : Math.floor((bytes - at) / stride);
  }

  store(place: Place, values: readonly Value[], mask: Mask): void {
    this.access(place, "write", mask);
    if (!this.#isShared(place)) return;
    const written = values.filter((_, k) => mask[k] !== OFF);
    const [first] = written;
    const sure = !mask.includes(PERHAPS) && written.every((one) => one === first);
    this.#shared.set(place.name, sure ? first : undefined);
  }

  #isShared({ space, name }: Place): boolean {
    return space === "workgroup" && this.module.variables.get(name)?.type.whole === true;
  }

  access(place: Place, kind: "read" | "write", mask: Mask): void {
    this.options.onAccess?.(place, kind, mask);
  }

  declare(name: string, values: Value[] | undefined): void {
    this.#frame.scopes.at(-1)?.set(name, values);
  }

  assign(name: string, values: readonly Value[], mask: Mask): void {
    const scope = this.#frame.scopes.findLast((scope) => scope.has(name));
    const before = scope?.get(name);
    if (!before) return; // private to an invocation: not followed
    scope?.set(name, before.map((old, k) => mask[k] === OFF ? old : mask[k] === ON ? values[k] : undefined));
  }

  /** A line of the entry point. */
  note(name: string, from: string, [value]: readonly Value[], mask: Mask): void {
    if (this.#depth > 0 || this.#unsure > 0 || mask[0] === OFF || typeof value !== "number") return;
    this.lines.push({ name, from, value });
  }

  scoped(act: () => void): void {
    const { scopes } = this.#frame;
    scopes.push(new Map());
    act();
    scopes.pop();
  }

  block(statements: readonly Execute[], mask: Mask, bare: boolean): void {
    if (bare && this.#depth === 0 && mask[0] === ON) this.idle = true;
    this.scoped(() => {
      for (const statement of statements) {
        const live = this.#live(mask);
        if (!live) return;
        this.#done += this.lanes;
        if (this.#done > (this.options.patience ?? Infinity)) {
          throw new NotReadable("it takes too many turns to follow");
        }
        statement(this, live);
      }
    });
  }

  /** Who of these is still there; undefined for nobody. */
  #live(mask: Mask): Mask | undefined {
    const { returned, left } = this.#frame;
    let any = false;
    const live = mask.map((state, k) => {
      const gone = Math.max(
        sureGone(returned[k]),
        sureGone(left?.broken[k]),
        sureGone(left?.continued[k]),
      );
      const now = state === OFF || gone === 2 ? OFF : gone === 1 ? PERHAPS : state;
      any ||= now !== OFF;
      return now;
    });
    return any ? live : undefined;
  }

  leave(mask: Mask, values?: readonly Value[]): void {
    const { returned, result } = this.#frame;
    mask.forEach((state, k) => {
      if (state === OFF) return;
      // Whoever has perhaps returned before, with something else, gives what nobody knows.
      result[k] = state === ON && returned[k] === OFF ? values?.[k] : undefined;
      mark(returned, k, state);
    });
  }

  end(which: keyof Left, mask: Mask): void {
    const left = this.#frame.left?.[which];
    if (!left) throw new NotReadable(`${which} outside of a loop`);
    mask.forEach((state, k) => mark(left, k, state));
  }

  call({ parameters, body }: Routine, values: readonly Value[][], mask: Mask): Value[] {
    const before = this.#frame;
    this.#frame = this.#frameOf(
      new Map(parameters.map(({ name }, k) => [name, values[k] ?? alike(this, undefined)])),
    );
    this.#depth++;
    body(this, mask);
    this.#depth--;
    const { result } = this.#frame;
    this.#frame = before;
    return result;
  }

  narrowed(mask: Mask, condition: readonly Value[], ends: boolean): Mask | undefined {
    let any = false;
    const narrowed = mask.map((state, k) => {
      const value = condition[k];
      const now = state === OFF || value === ends ? OFF : value === undefined ? PERHAPS : state;
      any ||= now !== OFF;
      return now;
    });
    return any ? narrowed : undefined;
  }

  branch(condition: Expression, yes: Execute, no: Execute | undefined, mask: Mask): void {
    const values = condition.value(this, mask);
    const unknown = Number(values.some((value, k) => mask[k] !== OFF && value === undefined));
    this.#unsure += unknown;
    const [then, otherwise] = [this.narrowed(mask, values, false), this.narrowed(mask, values, true)];
    if (then) yes(this, then);
    if (otherwise) no?.(this, otherwise);
    this.#unsure -= unknown;
  }

  /** Turns as long as somebody is surely in it; whoever is there perhaps is followed through one turn. */
  loop({ condition, next, body }: Loop, mask: Mask): void {
    const before = this.#frame.left;
    const left: Left = { broken: new Uint8Array(this.lanes), continued: new Uint8Array(this.lanes) };
    this.#frame.left = left;
    this.#unsure++;
    let turning: Mask | undefined = this.options.skipsLoops
      ? mask.map((state) => state === OFF ? OFF : PERHAPS)
      : mask;
    while (turning) {
      const live: Mask | undefined = this.#live(turning);
      const inside = live && (condition ? this.narrowed(live, condition.value(this, live), false) : live);
      if (!inside) break;
      body(this, inside);
      left.continued.fill(OFF);
      const rest = this.#live(inside);
      if (rest) next?.(this, rest);
      turning = rest;
      if (rest?.includes(ON)) continue;
      if (rest) condition?.value(this, rest); // perhaps it is asked again
      break;
    }
    this.#unsure--;
    this.#frame.left = before;
  }
}

/** 2 of who is gone, 1 of who is perhaps. */
function sureGone(state: number | undefined): number {
  return state === ON ? 2 : state === PERHAPS ? 1 : 0;
}

/** Notes that somebody has left; what was sure stays so. */
function mark(left: Mask, k: number, state: number): void {
  if (state === OFF || left[k] === ON) return;
  left[k] = state;
}

function builtinOf(
  kind: string,
  { workgroup: [wx, wy], grid }: IndexScope,
  { group, local }: Invocation,
): Value {
  const [x, y, z] = grid;
  switch (kind) {
    case "global_invocation_id":
      return { x: group[0] * wx + local[0], y: group[1] * wy + local[1], z: group[2] ?? 0 };
    case "local_invocation_id":
      return { x: local[0], y: local[1], z: 0 };
    case "local_invocation_index":
      return local[1] * wx + local[0];
    case "workgroup_id":
      return { x: group[0], y: group[1], z: group[2] ?? 0 };
    case "num_workgroups":
      return { x, y, z };
  }
  return undefined;
}
