/**
 * Reads WGSL into what {@link import("./walk.ts").Walk} can follow: functions of statements, whole numbers, and places in
 * memory. What it does not know it refuses by {@link NotReadable}; nothing is guessed.
 */

/** A whole number, a condition, or a vector of them; undefined where nobody knows it. */
export type Value = number | boolean | undefined | Fields;
export interface Fields {
  readonly [name: string]: Value;
}

/** An invocation is not there, is, or is perhaps. */
export const [OFF, ON, PERHAPS] = [0, 1, 2] as const;
/** Of each invocation. */
export type Mask = Uint8Array;

/** Where invocations read or write. */
export interface Place {
  readonly name: string;
  readonly space: Space;
  readonly type: Type;
  /** Bytes from the variable's beginning, of each invocation. */
  readonly at: readonly (number | undefined)[];
  readonly atomic?: boolean;
}

/** Who follows what is read here: see {@link import("./walk.ts").Walk}. Masks say of which invocations. */
export interface Follower {
  readonly lanes: number;
  lookup(name: string): Value[];
  /** Where a variable of the module stands; undefined where a name of the function hides it, and of what is not in memory. */
  memory(name: string): Place | undefined;
  load(place: Place, mask: Mask): Value[];
  /** Elements of an array that is as long as its binding. */
  lengthOf(place: Place | undefined): number | undefined;
  store(place: Place, values: readonly Value[], mask: Mask): void;
  access(place: Place, kind: "read" | "write", mask: Mask): void;
  /** @param values absent: they are not followed, whatever it is given. */
  declare(name: string, values: Value[] | undefined): void;
  assign(name: string, values: readonly Value[], mask: Mask): void;
  /** A let or const, and what it is computed from. */
  note(name: string, from: string, values: readonly Value[], mask: Mask): void;
  scoped(act: () => void): void;
  /** @param bare whether it begins with a return. */
  block(statements: readonly Execute[], mask: Mask, bare: boolean): void;
  branch(condition: Expression, yes: Execute, no: Execute | undefined, mask: Mask): void;
  loop(loop: Loop, mask: Mask): void;
  leave(mask: Mask, values?: readonly Value[]): void;
  end(which: "broken" | "continued", mask: Mask): void;
  call(routine: Routine, values: readonly Value[][], mask: Mask): Value[];
  /** Those of a mask that go on where a condition is not `ends`; undefined for nobody. */
  narrowed(mask: Mask, condition: readonly Value[], ends: boolean): Mask | undefined;
}

export interface Loop {
  readonly condition?: Expression | undefined;
  readonly next?: Execute | undefined;
  readonly body: Execute;
}

/** What of a text, or of its course, cannot be followed. */
export class NotReadable extends Error {}

/** How a value lies in memory, in bytes. */
export interface Type {
  readonly size: number;
  readonly align: number;
  /** Of vectors, matrices and arrays. */
  readonly element?: Type;
  /** From one element to the next. */
  readonly stride?: number;
  readonly fields?: ReadonlyMap<string, { readonly at: number; readonly type: Type }>;
  /** Whether it is a u32, which an index may be made of. */
  readonly whole?: boolean;
}

export type Space = "storage" | "uniform" | "workgroup" | "texture";

export interface Variable {
  readonly name: string;
  readonly space: Space;
  readonly type: Type;
  /** Whether no kernel changes it meanwhile. */
  readonly constant: boolean;
}

/** @returns a value for each invocation; of one that is switched off, anything. */
type Evaluate = (walk: Follower, mask: Mask) => Value[];

export interface Expression {
  readonly value: Evaluate;
  /** Where it stands, if that is in memory which invocations share. */
  readonly place?: (walk: Follower, mask: Mask) => Place | undefined;
  /** Of a variable, or of a part of one. */
  readonly name?: string;
  /** The name alone. */
  readonly bare?: boolean;
  /** What constants of the module make. */
  readonly fixed?: Value;
}

export type Execute = (walk: Follower, mask: Mask) => void;

export interface Routine {
  /** Without a type: a pointer. */
  readonly parameters: readonly {
    readonly name: string;
    readonly builtin: string | undefined;
    readonly type: Type | undefined;
  }[];
  readonly result: Type | undefined;
  readonly body: Execute;
}

export interface Module {
  readonly routines: ReadonlyMap<string, Routine>;
  readonly entry: Routine;
  readonly variables: ReadonlyMap<string, Variable>;
  readonly constants: ReadonlyMap<string, Expression>;
}

const TOKEN =
  /\s+|(0[xX][\da-fA-F]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)([uifh]?)|([a-zA-Z_]\w*|->|<<=|>>=|<<|>>|[-+*/%&|^<>=!]=|&&|\|\||\+\+|--|[^\s])/y;

interface Token {
  readonly text: string;
  readonly at: number;
  /** Of a number without a point or an exponent that is no float. */
  readonly whole?: number;
  readonly number?: boolean;
}

function tokensOf(text: string): Token[] {
  const found: Token[] = [];
  const plain = text.replace(/\/\/.*|\/\*[^]*?\*\//g, (comment) => comment.replace(/[^\n]/g, " "));
  TOKEN.lastIndex = 0;
  for (let at = 0; at < plain.length; at = TOKEN.lastIndex) {
    const [, digits, suffix, other] = TOKEN.exec(plain) ?? [];
    if (other !== undefined) found.push({ text: other, at });
    if (digits === undefined) continue;
    const whole = /^(0[xX]|\d+$)/.test(digits) && !/[ifh]/.test(suffix ?? "") ? Number(digits) : undefined;
    found.push({ text: digits + (suffix ?? ""), at, number: true, ...(whole !== undefined && { whole }) });
  }
  return found;
}

/** Operators by how strongly they bind. */
const BINDING: Readonly<Record<string, number>> = {
  ...{ "||": 1, "&&": 2, "|": 3, "^": 4, "&": 5, "==": 6, "!=": 6 },
  ...{ "<": 7, "<=": 7, ">": 7, ">=": 7, "<<": 8, ">>": 8, "+": 9, "-": 9, "*": 10, "/": 10, "%": 10 },
};

const OPERATE: Readonly<Record<string, (a: number, b: number) => number | boolean>> = {
  ...{ "|": (a, b) => (a | b) >>> 0, "^": (a, b) => (a ^ b) >>> 0, "&": (a, b) => (a & b) >>> 0 },
  ...{ "==": (a, b) => a === b, "!=": (a, b) => a !== b, "<": (a, b) => a < b, "<=": (a, b) => a <= b },
  ...{ ">": (a, b) => a > b, ">=": (a, b) => a >= b, "<<": (a, b) => a * 2 ** b, ">>": (a, b) => a >>> b },
  ...{ "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b },
  ...{ "/": (a, b) => Math.trunc(a / b), "%": (a, b) => a % b },
};

/** What is negative or above 32 bits depends on a type, and on who wraps it: it counts as unknown. */
function operated(sign: string, a: Value, b: Value): Value {
  if (typeof a !== "number" || typeof b !== "number") return undefined;
  const value = OPERATE[sign]?.(a, b);
  return typeof value !== "number" || (value >= 0 && value < 2 ** 32) ? value : undefined;
}

const numbers = (of: (...values: number[]) => number) => (...values: Value[]): Value =>
  values.every((value) => typeof value === "number") ? of(...values as number[]) : undefined;

const CALLS: Readonly<Record<string, (...values: Value[]) => Value>> = {
  min: numbers((a, b) => Math.min(a, b)),
  max: numbers((a, b) => Math.max(a, b)),
  clamp: numbers((x, low, high) => Math.min(Math.max(x, low), high)),
  // Beside a float a whole number is one, too.
  select: (no, yes, which) => [no, yes, which].includes(undefined) ? undefined : which ? yes : no,
  u32: (value) => typeof value === "boolean" ? Number(value) : value,
};

const SCALARS: Readonly<Record<string, Type>> = {
  u32: { size: 4, align: 4, whole: true },
  ...{ i32: { size: 4, align: 4 }, f32: { size: 4, align: 4 }, f16: { size: 2, align: 2 } },
  bool: { size: 4, align: 4 },
};
const SUFFIX: Readonly<Record<string, string>> = { u: "u32", i: "i32", f: "f32", h: "f16" };

function vectorOf(element: Type, count: number): Type {
  const size = count * element.size;
  return { size, align: count === 3 ? 4 * element.size : size, element, stride: element.size };
}

function arrayOf(element: Type, count: number): Type {
  const stride = Math.ceil(element.size / element.align) * element.align;
  return { size: stride * count, align: element.align, element, stride };
}

/** What a value is as one of a type: a number that is declared as i32 or f32 does not count as one. */
function typed(value: Value, type: Type | undefined): Value {
  const foreign = type !== undefined && !type.whole && !type.element && !type.fields;
  return foreign && typeof value === "number" ? undefined : value;
}

/** An expression of another, lane by lane. */
function mapped(of: Expression, change: (value: Value) => Value): Expression {
  return { value: (walk, mask) => of.value(walk, mask).map(change) };
}

/** What is filled for all invocations alike. */
export function alike(walk: Follower, value: Value): Value[] {
  return new Array<Value>(walk.lanes).fill(value);
}

const LETTERS = /^[xyzw]+$|^[rgba]+$/;
const letter = (name: string) => Math.max("xyzw".indexOf(name), "rgba".indexOf(name));

/** @throws NotReadable */
export function parseModule(text: string): Module {
  return new Parser(text).module();
}

/** A text that is one expression. @throws NotReadable */
export function parseExpression(text: string): Expression {
  return new Parser(text).whole();
}

class Parser {
  readonly #tokens: Token[];
  readonly #types = new Map<string, Type>();
  readonly #routines = new Map<string, Routine>();
  readonly #variables = new Map<string, Variable>();
  readonly #constants = new Map<string, Expression>();
  #entry: Routine | undefined;
  #k = 0;

  constructor(private readonly text: string) {
    this.#tokens = tokensOf(text);
  }

  module(): Module {
    // A module may use what it declares further below.
    for (const wanted of [/^(const|alias|struct)$/, /^(var|fn)$/]) {
      this.#k = 0;
      while (this.#k < this.#tokens.length) this.#declaration(wanted);
    }
    if (!this.#entry) throw new NotReadable("it has no entry point");
    return {
      routines: this.#routines,
      entry: this.#entry,
      variables: this.#variables,
      constants: this.#constants,
    };
  }

  whole(): Expression {
    const found = this.#expression();
    if (this.#k < this.#tokens.length) throw new NotReadable(this.text);
    return found;
  }

  #declaration(wanted: RegExp): void {
    const attributes = this.#attributes();
    const word = this.#next();
    if (word === ";") return;
    if (!wanted.test(word)) return this.#skip();
    if (word === "const") {
      const name = this.#next();
      const type = this.#typed();
      this.#expect("=");
      const own = this.#expression();
      this.#constants.set(name, { ...mapped(own, (one) => typed(one, type)), fixed: typed(own.fixed, type) });
    } else if (word === "alias") {
      const name = this.#next();
      this.#expect("=");
      this.#types.set(name, this.#type());
    } else if (word === "struct") this.#struct();
    else if (word === "fn") this.#routine(attributes.has("compute"));
    else this.#variable();
    this.#take(";");
  }

  /** To the end of a declaration: its semicolon, or the end of its block. */
  #skip(): void {
    for (let depth = 0;;) {
      const word = this.#next();
      depth += Number(word === "{") - Number(word === "}");
      if (word === "" || (depth === 0 && (word === ";" || word === "}"))) return;
    }
  }

  /** Their names, each with what stands in its brackets. */
  #attributes(): Map<string, string> {
    const found = new Map<string, string>();
    while (this.#take("@")) {
      const name = this.#next();
      let inside = "";
      if (this.#take("(")) {
        for (let depth = 1; depth > 0;) {
          const word = this.#next();
          if (word === "") throw new NotReadable("a bracket is not closed");
          depth += Number(word === "(") - Number(word === ")");
          if (depth > 0) inside += word;
        }
      }
      found.set(name, inside);
    }
    return found;
  }

  #struct(): void {
    const name = this.#next();
    this.#expect("{");
    const fields = new Map<string, { at: number; type: Type }>();
    let [end, align] = [0, 4];
    while (!this.#take("}")) {
      const given = this.#attributes();
      const field = this.#next();
      this.#expect(":");
      const type = this.#type();
      const [size, own] = [Number(given.get("size") ?? type.size), Number(given.get("align") ?? type.align)];
      if (!(size >= 0 && own > 0)) throw new NotReadable("the place of a field");
      const at = Math.ceil(end / own) * own;
      fields.set(field, { at, type });
      end = at + size;
      align = Math.max(align, own);
      this.#take(",");
    }
    this.#take(";");
    this.#types.set(name, { size: Math.ceil(end / align) * align, align, fields });
  }

  #variable(): void {
    const words: string[] = [];
    if (this.#take("<")) {
      while (!this.#take(">")) words.push(this.#next());
    }
    const name = this.#next();
    this.#expect(":");
    const texture = this.#peek().startsWith("texture_");
    const type = texture ? this.#texture() : this.#type();
    if (this.#take("=")) this.#expression();
    const space = texture
      ? "texture"
      : (["storage", "uniform", "workgroup"] as const).find((one) => words.includes(one));
    // What is private to an invocation is as a variable of its function, whose value nobody follows.
    if (space) this.#variables.set(name, { name, space, type, constant: !words.includes("read_write") });
  }

  #texture(): Type {
    this.#next();
    this.#template();
    return { size: 16, align: 16 };
  }

  #routine(isEntry: boolean): void {
    const name = this.#next();
    this.#expect("(");
    const parameters: Routine["parameters"][number][] = [];
    while (!this.#take(")")) {
      const builtin = this.#attributes().get("builtin");
      const parameter = this.#next();
      this.#expect(":");
      const type = this.#peek() === "ptr" ? this.#pointer() : this.#type();
      parameters.push({ name: parameter, builtin, type });
      this.#take(",");
    }
    const result = this.#take("->") ? this.#type() : undefined;
    const routine = { parameters, result, body: this.#block() };
    this.#routines.set(name, routine);
    if (isEntry) this.#entry = routine;
  }

  /** Only those to variables of a function: their values are not followed. */
  #pointer(): undefined {
    this.#next();
    if (!this.#template().startsWith("function")) throw new NotReadable("a pointer to shared memory");
  }

  /** What stands between < and >. */
  #template(): string {
    this.#expect("<");
    let inside = "";
    for (let depth = 1; depth > 0;) {
      const word = this.#next();
      if (word === "") throw new NotReadable("a template is not closed");
      depth += word === "<" ? 1 : word === ">" ? -1 : word === ">>" ? -2 : 0;
      inside += word;
    }
    return inside;
  }

  #typed(): Type | undefined {
    return this.#take(":") ? this.#type() : undefined;
  }

  #type(): Type {
    const name = this.#next();
    const known = SCALARS[name] ?? this.#types.get(name);
    if (known) return known;
    const [, kind = "", counts = "", suffix] = /^(vec|mat)(\d(?:x\d)?)([uifh]?)$/.exec(name) ?? [];
    if (kind !== "") {
      const scalar = suffix ? SCALARS[SUFFIX[suffix] ?? ""] : this.#inside(() => this.#type());
      if (!scalar) throw new NotReadable(`the type ${name}`);
      const [columns = 1, rows = 1] = counts.split("x").map(Number);
      return kind === "vec" ? vectorOf(scalar, columns) : arrayOf(vectorOf(scalar, rows), columns);
    }
    if (name === "atomic") return this.#inside(() => ({ ...this.#type(), whole: false }));
    if (name === "array") {
      return this.#inside(() => {
        const element = this.#type();
        if (!this.#take(",")) return arrayOf(element, 0);
        const count = this.#fixed(this.#expression(BINDING[">>"]));
        return arrayOf(element, count);
      });
    }
    throw new NotReadable(`the type ${name}`);
  }

  #inside<T>(read: () => T): T {
    this.#expect("<");
    const found = read();
    const token = this.#tokens[this.#k];
    if (token?.text === ">>") this.#tokens[this.#k] = { text: ">", at: token.at + 1 };
    else this.#expect(">");
    return found;
  }

  /** A number that only constants make. */
  #fixed({ fixed }: Expression): number {
    if (typeof fixed !== "number") throw new NotReadable("the length of an array");
    return fixed;
  }

  #block(): Execute {
    this.#expect("{");
    const statements: Execute[] = [];
    const bare = this.#peek() === "return";
    while (!this.#take("}")) {
      if (this.#peek() === "") throw new NotReadable("a block is not closed");
      statements.push(this.#statement());
    }
    return (walk, mask) => walk.block(statements, mask, bare);
  }

  #statement(): Execute {
    const word = this.#peek();
    if (word === "{") return this.#block();
    if (this.#take(";")) return () => {};
    if (word === "if") return this.#if();
    if (word === "for") return this.#for();
    if (word === "while") {
      this.#next();
      const condition = this.#expression();
      const body = this.#block();
      return (walk, mask) => walk.loop({ condition, body }, mask);
    }
    if (word === "loop") {
      this.#next();
      const body = this.#block();
      return (walk, mask) => walk.loop({ body }, mask);
    }
    if (word === "switch" || word === "continuing") throw new NotReadable(`the statement ${word}`);
    const simple = this.#simple();
    this.#expect(";");
    return simple;
  }

  /** A statement that ends with a semicolon, without it: also the head of a for. */
  #simple(): Execute {
    const word = this.#peek();
    if (word === "let" || word === "const" || word === "var") return this.#local();
    if (this.#take("return")) {
      const result = this.#peek() === ";" ? undefined : this.#expression();
      return (walk, mask) => walk.leave(mask, result?.value(walk, mask));
    }
    if (this.#take("break")) return (walk, mask) => walk.end("broken", mask);
    if (this.#take("continue")) return (walk, mask) => walk.end("continued", mask);
    if (word === "_") {
      this.#next();
      this.#expect("=");
      const { value } = this.#expression();
      return (walk, mask) => void value(walk, mask);
    }
    const target = this.#unary();
    const sign = this.#next();
    if (sign === ";") {
      this.#k--;
      return (walk, mask) => void target.value(walk, mask);
    }
    if (sign === "++" || sign === "--") {
      const one: Expression = { value: (walk) => alike(walk, 1) };
      return assignment(target, one, sign[0]);
    }
    if (!sign.endsWith("=")) throw new NotReadable(`a statement with ${sign}`);
    return assignment(target, this.#expression(), sign.slice(0, -1));
  }

  #local(): Execute {
    const kind = this.#next();
    if (this.#peek() === "<") this.#template();
    const name = this.#next();
    const type = this.#typed();
    if (kind === "var" && !this.#take("=")) {
      // Zero, which is known of a whole number.
      return (walk) => walk.declare(name, type?.whole ? alike(walk, 0) : undefined);
    }
    if (kind !== "var") this.#expect("=");
    if (this.#peek() === "&") throw new NotReadable("a pointer that is kept");
    const from = this.#tokens[this.#k]?.at ?? 0;
    const { value } = this.#expression();
    const text = this.text.slice(from, this.#tokens[this.#k]?.at).trim();
    return (walk, mask) => {
      const values = value(walk, mask).map((one) => typed(one, type));
      // What begins as nobody knows may be a float, as which whole numbers are no whole numbers.
      const followed = kind !== "var" || type?.whole || values.some((one) => one !== undefined);
      walk.declare(name, followed ? values : undefined);
      if (kind !== "var") walk.note(name, text, values, mask);
    };
  }

  #if(): Execute {
    this.#expect("if");
    const condition = this.#expression();
    const yes = this.#block();
    let no: Execute | undefined;
    if (this.#take("else")) no = this.#peek() === "if" ? this.#if() : this.#block();
    return (walk, mask) => walk.branch(condition, yes, no, mask);
  }

  #for(): Execute {
    this.#expect("for");
    this.#expect("(");
    const first = this.#peek() === ";" ? undefined : this.#simple();
    this.#expect(";");
    const condition = this.#peek() === ";" ? undefined : this.#expression();
    this.#expect(";");
    const next = this.#peek() === ")" ? undefined : this.#simple();
    this.#expect(")");
    const body = this.#block();
    return (walk, mask) =>
      walk.scoped(() => {
        first?.(walk, mask);
        walk.loop({ condition, next, body }, mask);
      });
  }

  #expression(least = 0): Expression {
    let left = this.#unary();
    for (let sign = this.#peek(); (BINDING[sign] ?? 0) > least; sign = this.#peek()) {
      this.#next();
      left = combined(sign, left, this.#expression(BINDING[sign]));
    }
    return left;
  }

  #unary(): Expression {
    if (this.#take("!")) return mapped(this.#unary(), (one) => typeof one === "boolean" ? !one : undefined);
    if (this.#take("~")) {
      return mapped(this.#unary(), (one) => typeof one === "number" ? ~one >>> 0 : undefined);
    }
    if (this.#take("-")) return mapped(this.#unary(), () => undefined);
    if (this.#take("*")) return { ...mapped(this.#unary(), () => undefined), name: "" };
    if (this.#take("&")) {
      const of = this.#unary();
      return {
        value(walk, mask) {
          // Whoever has the pointer may change it.
          if (of.place?.(walk, mask)) throw new NotReadable("a pointer to shared memory");
          if (of.name) walk.assign(of.name, alike(walk, undefined), mask);
          return alike(walk, undefined);
        },
        ...(of.place && { place: of.place }),
      };
    }
    return this.#parts(this.#operand());
  }

  #operand(): Expression {
    const token = this.#tokens[this.#k];
    const word = this.#next();
    if (token?.number) return { value: (walk) => alike(walk, token.whole), fixed: token.whole };
    if (word === "(") {
      const inner = this.#expression();
      this.#expect(")");
      return inner;
    }
    if (word === "true" || word === "false") {
      const fixed = word === "true";
      return { value: (walk) => alike(walk, fixed), fixed };
    }
    if (!/^[a-zA-Z_]/.test(word)) {
      throw new NotReadable(word === "" ? "the text ends too early" : `the sign ${word}`);
    }
    const templated = /^(array|bitcast|vec\d|mat\dx\d)$/.test(word) && this.#peek() === "<";
    const of = templated ? this.#template() : "";
    if (this.#peek() === "(") return this.#call(of === "u32>" ? `${word}u` : word + of);
    // Headers of several steps are alike in all that is known of them.
    if (word === "steps" && this.#take("[")) {
      this.#expression();
      this.#expect("]");
      return { value: (walk) => walk.lookup("step") };
    }
    return {
      value(walk, mask) {
        const place = walk.memory(word);
        return place ? walk.load(place, mask) : walk.lookup(word);
      },
      place: (walk) => walk.memory(word),
      name: word,
      bare: true,
      fixed: this.#constants.get(word)?.fixed,
    };
  }

  #call(name: string): Expression {
    const given: Expression[] = [];
    this.#expect("(");
    while (!this.#take(")")) {
      given.push(this.#expression());
      if (this.#peek() !== ")") this.#expect(",");
    }
    const fixed = CALLS[name]?.(...given.map((one) => one.fixed));
    return {
      value: (walk, mask) => this.#called(name, given, walk, mask),
      fixed,
    };
  }

  #called(name: string, given: readonly Expression[], walk: Follower, mask: Mask): Value[] {
    const [first, ...others] = given;
    const place = first?.place;
    if (name === "arrayLength") return alike(walk, walk.lengthOf(place?.(walk, mask)));
    if (
      name === "workgroupUniformLoad" || name.startsWith("atomic") || name === "textureLoad" ||
      name === "textureStore"
    ) {
      for (const { value } of others) value(walk, mask);
      const at = place?.(walk, mask);
      if (!at) throw new NotReadable(`${name} of what is not known`);
      const atomic = name.startsWith("atomic");
      if (name === "workgroupUniformLoad" || name === "atomicLoad") return walk.load({ ...at, atomic }, mask);
      if (name !== "textureStore") walk.access({ ...at, atomic }, "read", mask);
      if (name !== "textureLoad") walk.store({ ...at, atomic }, alike(walk, undefined), mask);
      return alike(walk, undefined);
    }
    const values = given.map(({ value }) => value(walk, mask));
    const routine = this.#routines.get(name);
    if (routine) {
      const given = routine.parameters.map(({ type }, k) => (values[k] ?? []).map((one) => typed(one, type)));
      return walk.call(routine, given, mask).map((one) => typed(one, routine.result));
    }
    const builtin = CALLS[name];
    if (builtin) return alike(walk, undefined).map((_, k) => builtin(...values.map((lanes) => lanes[k])));
    const isVector = /^vec[234]u$/.test(name) && values.length === Number(name[3]);
    const fields: [string, Type | undefined][] = isVector
      ? [..."xyzw"].slice(0, values.length).map((letter) => [letter, undefined])
      : [...this.#types.get(name)?.fields ?? []].map(([field, { type }]) => [field, type]);
    if (fields.length === 0) return alike(walk, undefined);
    return alike(walk, undefined).map((_, k): Fields =>
      Object.fromEntries(fields.map(([field, type], at) => [field, typed(values[at]?.[k], type)]))
    );
  }

  /** What stands behind an operand: .x, [i]. */
  #parts(operand: Expression): Expression {
    let of = operand;
    for (;;) {
      if (this.#take(".")) of = memberOf(of, this.#next());
      else if (this.#take("[")) {
        const index = this.#expression();
        this.#expect("]");
        of = elementOf(of, index);
      } else return of;
    }
  }

  #peek(): string {
    return this.#tokens[this.#k]?.text ?? "";
  }
  #next(): string {
    return this.#tokens[this.#k++]?.text ?? "";
  }
  #take(word: string): boolean {
    const found = this.#peek() === word;
    if (found) this.#k++;
    return found;
  }
  #expect(word: string): void {
    if (!this.#take(word)) throw new NotReadable(`"${this.#peek()}" where ${word} was expected`);
  }
}

/** A part of a value, or of a place in memory, which is read there and not as a whole. */
function part(
  of: Expression,
  placeOf: (place: Place, walk: Follower, mask: Mask) => Place,
  valueOf: (walk: Follower, mask: Mask) => Value[],
): Expression {
  const place = (walk: Follower, mask: Mask) => {
    const whole = of.place?.(walk, mask);
    return whole && placeOf(whole, walk, mask);
  };
  return {
    value(walk, mask) {
      const found = place(walk, mask);
      return found ? walk.load(found, mask) : valueOf(walk, mask);
    },
    place,
    ...(of.name !== undefined && { name: of.name }),
  };
}

function memberOf(of: Expression, name: string): Expression {
  const shifted = (place: Place, by: number, type: Type): Place => ({
    ...place,
    type,
    at: place.at.map((at) => at === undefined ? undefined : at + by),
  });
  return part(of, (place) => {
    const { fields, element, stride = 0 } = place.type;
    const field = fields?.get(name);
    if (field) return shifted(place, field.at, field.type);
    if (!element || !LETTERS.test(name)) throw new NotReadable(`.${name}`);
    const places = [...name].map(letter);
    const [low, high] = [Math.min(...places), Math.max(...places)];
    const type = name.length === 1 ? element : { size: (high - low + 1) * stride, align: stride };
    return shifted(place, low * stride, type);
  }, (walk, mask) => of.value(walk, mask).map((one) => typeof one === "object" ? one[name] : undefined));
}

function elementOf(of: Expression, index: Expression): Expression {
  return part(of, (place, walk, mask) => {
    const { element, stride = 0 } = place.type;
    if (!element) throw new NotReadable(`an element of ${place.name}`);
    const indices = index.value(walk, mask);
    const at = place.at.map((at, k) => {
      const by = indices[k];
      return at === undefined || typeof by !== "number" ? undefined : at + by * stride;
    });
    return { ...place, type: element, at };
  }, (walk, mask) => {
    const indices = index.value(walk, mask);
    return of.value(walk, mask).map((one, k) => {
      const by = indices[k];
      return typeof one === "object" && typeof by === "number" ? one["xyzw"[by] ?? ""] : undefined;
    });
  });
}

function combined(sign: string, left: Expression, right: Expression): Expression {
  if (sign !== "&&" && sign !== "||") {
    const fixed = operated(sign, left.fixed, right.fixed);
    return {
      fixed,
      value(walk, mask) {
        const [a, b] = [left.value(walk, mask), right.value(walk, mask)];
        return a.map((one, k) => operated(sign, one, b[k]));
      },
    };
  }
  const ends = sign === "||";
  return {
    value(walk, mask) {
      const a = left.value(walk, mask);
      const wanted = walk.narrowed(mask, a, ends);
      const b = wanted ? right.value(walk, wanted) : alike(walk, undefined);
      return a.map((one, k) => one === ends || b[k] === ends ? ends : one === undefined ? undefined : b[k]);
    },
  };
}

/** @param sign of what is done with the old value; "" where that does not matter. */
function assignment(target: Expression, from: Expression, sign = ""): Execute {
  return (walk, mask) => {
    const values = from.value(walk, mask);
    const place = target.place?.(walk, mask);
    if (place) {
      const before = sign === "" ? [] : walk.load(place, mask);
      const after = sign === "" ? values : values.map((one, k) => operated(sign, before[k], one));
      return walk.store(place, after, mask);
    }
    // Indices of a part are read, too; a part of a variable is not followed.
    if (!target.bare) {
      target.value(walk, mask);
      if (target.name) walk.assign(target.name, alike(walk, undefined), mask);
      return;
    }
    const name = target.name ?? "";
    const before = sign === "" ? [] : walk.lookup(name);
    walk.assign(name, sign === "" ? values : values.map((one, k) => operated(sign, before[k], one)), mask);
  };
}
