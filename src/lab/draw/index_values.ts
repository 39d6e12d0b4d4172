/**
 * What an invocation makes of its own number: the whole numbers that a kernel computes before it reads anything, such as
 * `let row = id.x / N4;`. They are found by reading the kernel's text as the driver gets it, so they say which elements an
 * invocation owns without anybody having written it down twice. What depends on data, or on a loop, stays unknown.
 */

/** What a kernel may know besides its constants. */
export interface IndexScope {
  readonly workgroup: readonly [x: number, y: number];
  readonly grid: readonly [x: number, y: number, z: number];
  /** `step.size`: of clicks, users, events, rows, items. */
  readonly sizes: readonly number[];
  readonly chunks: number;
}

/** One of all invocations of a dispatch, by its place. */
export interface Invocation {
  readonly group: readonly [x: number, y: number];
  readonly local: readonly [x: number, y: number];
}

/** A line of the kernel whose value is known. */
export interface IndexLine {
  readonly name: string;
  /** What the kernel computes it from. */
  readonly from: string;
  readonly value: number;
}

export interface IndexValues {
  readonly lines: readonly IndexLine[];
  /** It ends before it does anything, as the grid is larger than what there is to do. */
  readonly idle: boolean;
  /** A subscript in the kernel's body; undefined where it depends on more than lines that are known. */
  valueOf(subscript: string): number | undefined;
}

type Value = number | boolean | undefined | Fields;
interface Fields {
  readonly [name: string]: Value;
}

/** @param text WGSL with one entry point. @returns what an invocation of it computes. */
export function indexValues(text: string, scope: IndexScope): (invocation: Invocation) => IndexValues {
  const plain = text.replace(/\/\/.*/g, "").replace(/\bsteps\[[^\]]*\]/g, "step");
  const entry = plain.indexOf("@compute");
  const [x, y, z, w] = scope.sizes;
  const given = new Map<string, Value>([["step", { size: { x, y, z, w }, chunks: scope.chunks }]]);
  const module = new Reader(plain, given);
  for (const { index } of plain.matchAll(/^const /gm)) module.declare(index);
  const body = plain.indexOf("{", plain.indexOf("fn ", entry));
  const builtins = [...plain.slice(entry, body).matchAll(/@builtin\((\w+)\)\s*(\w+)/g)];
  const declared = [...plain.slice(body).matchAll(/\b(?:let|var|const)\s+(\w+)/g)].map(([, name]) =>
    name ?? ""
  );
  const mutable = new Set([...plain.slice(body).matchAll(/\bvar\s+(\w+)/g)].map(([, name]) => name ?? ""));
  const repeated = declared.filter((name, k) => mutable.has(name) || declared.indexOf(name) !== k);
  return (invocation) => {
    const names = new Map(given);
    for (const [, kind = "", name = ""] of builtins) names.set(name, builtin(kind, scope, invocation));
    const reader = new Reader(plain, names);
    const idle = reader.walk(body + 1) === "idle";
    const sure = new Map(names);
    for (const name of repeated) sure.delete(name);
    return {
      lines: reader.lines,
      idle,
      valueOf(subscript) {
        const value = new Reader(`${subscript};`, sure).whole();
        return typeof value === "number" ? value : undefined;
      },
    };
  };
}

function builtin(
  kind: string,
  { workgroup: [wx, wy], grid }: IndexScope,
  { group, local }: Invocation,
): Value {
  const [x, y, z] = grid;
  switch (kind) {
    case "global_invocation_id":
      return { x: group[0] * wx + local[0], y: group[1] * wy + local[1], z: 0 };
    case "local_invocation_id":
      return { x: local[0], y: local[1], z: 0 };
    case "local_invocation_index":
      return local[1] * wx + local[0];
    case "workgroup_id":
      return { x: group[0], y: group[1], z: 0 };
    case "num_workgroups":
      return { x, y, z };
  }
  return undefined;
}

const TOKEN =
  /\s*(?:(0x[\da-f]+|\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+)[uif]?|([a-zA-Z_]\w*|<<|>>|[<>=!]=|&&|\|\||\S))/y;

/** Operators by how strongly they bind. */
const BINDING: Readonly<Record<string, number>> = {
  ...{ "||": 1, "&&": 2, "|": 3, "^": 4, "&": 5, "==": 6, "!=": 6 },
  ...{ "<": 7, "<=": 7, ">": 7, ">=": 7, "<<": 8, ">>": 8, "+": 9, "-": 9, "*": 10, "/": 10, "%": 10 },
};

const OPERATE: Readonly<Record<string, (a: number, b: number) => number | boolean>> = {
  ...{ "|": (a, b) => (a | b) >>> 0, "^": (a, b) => (a ^ b) >>> 0, "&": (a, b) => (a & b) >>> 0 },
  ...{ "==": (a, b) => a === b, "!=": (a, b) => a !== b, "<": (a, b) => a < b, "<=": (a, b) => a <= b },
  ...{
    ">": (a, b) => a > b,
    ">=": (a, b) => a >= b,
    "<<": (a, b) => (a << b) >>> 0,
    ">>": (a, b) => a >>> b,
  },
  ...{ "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b },
  ...{ "/": (a, b) => Math.trunc(a / b), "%": (a, b) => a % b },
};

const CALLS: Readonly<Record<string, (...values: Value[]) => Value>> = {
  min: (a, b) => typeof a === "number" && typeof b === "number" ? Math.min(a, b) : undefined,
  max: (a, b) => typeof a === "number" && typeof b === "number" ? Math.max(a, b) : undefined,
  select: (no, yes, which) => which === undefined ? undefined : which ? yes : no,
  u32: (value) => value,
};

/** How an invocation ends in a block: before it has done anything, later, or not there. */
type Ending = "idle" | "ended" | undefined;

/** Reads statements and expressions of WGSL; a value that it cannot know is undefined. */
class Reader {
  readonly lines: IndexLine[] = [];
  #at = 0;

  constructor(private readonly text: string, private readonly names: Map<string, Value>) {}

  /** The declaration that begins somewhere. */
  declare(at: number): void {
    this.#at = at;
    this.#statement();
  }

  /** All of the text as one expression. */
  whole(): Value {
    const value = this.#expression(0);
    return this.#peek() === ";" ? value : undefined;
  }

  /** The statements of a block, to its end or to where the invocation ends. */
  walk(at: number): Ending {
    this.#at = at;
    if (/^\s*return;/.test(this.text.slice(at, at + 40))) return "idle";
    for (let word = this.#peek(); word !== "" && word !== "}"; word = this.#peek()) {
      if (word === "return") return "ended";
      const end = this.#statement();
      if (end !== undefined) return end;
    }
    this.#next();
    return undefined;
  }

  #statement(): Ending {
    const word = this.#next();
    if (word === "let" || word === "const") this.#let();
    else if (word === "if") return this.#if();
    else if (/^(for|while|loop|switch)$/.test(word)) this.#skip();
    else if (word === "{") return this.walk(this.#at);
    else if (word !== ";") this.#to(";");
    return undefined;
  }

  #let(): void {
    const name = this.#next();
    if (this.#peek() === ":") this.#to("=");
    else this.#next();
    const from = this.#at;
    const value = this.#expression(0);
    const known = this.#peek() === ";";
    if (!known) this.#to(";", false);
    this.names.set(name, known ? value : undefined);
    if (known && typeof value === "number") {
      this.lines.push({ name, from: this.text.slice(from, this.#at).trim(), value });
    }
    this.#next();
  }

  #if(): Ending {
    const condition = this.#expression(0);
    if (condition === true) {
      this.#next();
      const end = this.walk(this.#at);
      if (end !== undefined) return end;
    } else this.#skip();
    while (this.#peek() === "else") {
      this.#next();
      if (condition === false) return this.#statement();
      this.#skip(); // with the condition of an else-if, whether it would hold or not
    }
    return undefined;
  }

  #expression(least: number): Value {
    let left = this.#operand();
    for (let sign = this.#peek(); (BINDING[sign] ?? 0) > least; sign = this.#peek()) {
      this.#next();
      left = combined(sign, left, this.#expression(BINDING[sign] ?? 0));
    }
    return left;
  }

  #operand(): Value {
    const word = this.#next();
    if (word === "!") {
      const value = this.#operand();
      return typeof value === "boolean" ? !value : undefined;
    }
    if (/^[-~&*]$/.test(word)) {
      this.#operand();
      return undefined;
    }
    if (word === "(") {
      const value = this.#expression(0);
      this.#to(")");
      return this.#fields(value);
    }
    if (/^[\d.]/.test(word)) return this.#fields(/^(0x|\d+$)/.test(word) ? Number(word) : undefined);
    if (word === "true" || word === "false") return word === "true";
    if (this.#peek() !== "(") return this.#fields(this.names.get(word));
    const values = this.#arguments();
    return this.#fields(CALLS[word]?.(...values));
  }

  #arguments(): Value[] {
    this.#next();
    const values: Value[] = [];
    while (this.#peek() !== ")" && this.#peek() !== "" && this.#peek() !== ";") {
      values.push(this.#expression(0));
      if (this.#peek() === ",") this.#next();
      else if (this.#peek() !== ")") break;
    }
    this.#to(")");
    return values;
  }

  #fields(of: Value): Value {
    let value = of;
    for (;;) {
      const fields = typeof value === "object" ? value : undefined;
      if (this.#peek() === ".") {
        this.#next();
        value = fields?.[this.#next()];
      } else if (this.#peek() === "[") {
        this.#next();
        const index = this.#expression(0);
        this.#to("]");
        value = typeof index === "number" ? fields?.["xyzw"[index] ?? ""] : undefined;
      } else return value;
    }
  }

  /** Past the next block. */
  #skip(): void {
    this.#to("{");
    for (let depth = 1; depth > 0;) {
      const word = this.#next();
      if (word === "") return;
      depth += Number(word === "{") - Number(word === "}");
    }
  }

  /** Past a sign, or to it. */
  #to(sign: string, past = true): void {
    for (let word = this.#peek(); word !== sign && word !== ""; word = this.#peek()) this.#next();
    if (past) this.#next();
  }

  #peek(): string {
    TOKEN.lastIndex = this.#at;
    const found = TOKEN.exec(this.text);
    return found?.[1] ?? found?.[2] ?? "";
  }

  #next(): string {
    TOKEN.lastIndex = this.#at;
    const [all = "", number, word = ""] = TOKEN.exec(this.text) ?? [];
    this.#at += all.length;
    return number ?? word;
  }
}

function combined(sign: string, left: Value, right: Value): Value {
  if (sign === "&&") return left === false || right === false ? false : left === true ? right : undefined;
  if (sign === "||") return left === true || right === true ? true : left === false ? right : undefined;
  if (typeof left !== "number" || typeof right !== "number") return undefined;
  const value = OPERATE[sign]?.(left, right);
  return typeof value === "number"
    ? (Number.isFinite(value) ? (value % 2 ** 32 + 2 ** 32) % 2 ** 32 : undefined)
    : value;
}
