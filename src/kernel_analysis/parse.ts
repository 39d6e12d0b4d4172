/**
 * Parses WGSL for an {@link Interpreter}: functions, statements, integers, and references to memory. The
 * parser rejects any other construct with {@link UnreadableKernelError}.
 */

import {
  convertToType,
  makeAssignment,
  makeBinary,
  makeCall,
  makeElement,
  makeLiteral,
  makeMember,
  makeNameExpression,
  makeUnary,
} from "./expressions.ts";
import { UnreadableKernelError, WgslTokens } from "./tokens.ts";
import { makeArrayType, makeStructType, parsePlainType, type WgslType } from "./values.ts";
import { Interpreter } from "./interpreter.ts";
import type { Expression, Statement, WgslFunction, WgslModule, WgslVariable } from "./interpreter.ts";

/** Parses a WGSL module. @throws UnreadableKernelError for unsupported code, or without an entry point */
export function parseModule(text: string): WgslModule {
  const parser = new Parser(text);
  parser.declarations();
  if (!parser.entry) throw new UnreadableKernelError("it has no entry point");
  return parser;
}

/** Parses one expression. @throws UnreadableKernelError for unsupported code */
export function parseExpression(text: string): Expression {
  return new Parser(text).whole();
}

const BINDING: Readonly<Record<string, number>> = {
  ...{ "||": 1, "&&": 2, "|": 3, "^": 4, "&": 5, "==": 6, "!=": 6 },
  ...{ "<": 7, "<=": 7, ">": 7, ">=": 7, "<<": 8, ">>": 8, "+": 9, "-": 9, "*": 10, "/": 10, "%": 10 },
};

const SPACES = ["storage", "uniform", "workgroup"] as const;
const texel: WgslType = { size: 16, align: 16 };

class Parser extends WgslTokens implements WgslModule {
  readonly types = new Map<string, WgslType>();
  readonly constants = new Map<string, Expression>();
  readonly variables = new Map<string, WgslVariable>();
  readonly routines = new Map<string, WgslFunction>();
  entry: WgslFunction | undefined;

  whole(): Expression {
    const found = this.#expression();
    this.expect("");
    return found;
  }

  /** Parses all declarations of a module. Types and array lengths must be declared before use. */
  declarations(): void {
    while (this.peek() !== "") this.#declaration();
  }

  #declaration(): void {
    const isEntry = this.#attributes().has("compute");
    const word = this.next();
    if (word === "var") this.#variable();
    else if (word !== ";") {
      const name = this.next();
      if (word === "const") this.#constant(name);
      else if (word === "alias") this.types.set(name, this.readAfter("=", () => this.#type()));
      else if (word === "struct") this.types.set(name, this.#struct());
      else if (word === "fn") this.#routine(name, isEntry);
      else if (word === "enable") this.expect(";");
      else throw new UnreadableKernelError(`the declaration ${word}`);
    }
  }

  #constant(name: string): void {
    const type = this.#typed();
    this.constants.set(name, convertToType(this.readAfter("=", () => this.#expression()), type));
  }

  /** Parses attributes. @returns the text in the brackets of each attribute, by the attribute's name */
  #attributes(): Map<string, string> {
    const found = new Map<string, string>();
    while (this.peek().startsWith("@")) {
      const [, name = "", inside = ""] = /^@\s*(\w+)\s*\(?([^]*?)\)?$/.exec(this.next()) ?? [];
      found.set(name, inside.trim());
    }
    return found;
  }

  #struct(): WgslType {
    this.expect("{");
    return makeStructType(this.readList("}", () => {
      const attributes = this.#attributes();
      const name = this.next();
      const type = this.readAfter(":", () => this.#type());
      const size = Number(attributes.get("size") ?? type.size);
      const align = Number(attributes.get("align") ?? type.align);
      if (!(size >= 0 && align > 0)) throw new UnreadableKernelError("the offset of a field");
      return { name, type, size, align };
    }));
  }

  #variable(): void {
    const words = this.peek() === "<" ? this.templateText().split(",") : [];
    const name = this.next();
    this.expect(":");
    const type = this.#type();
    if (this.take("=")) this.#expression();
    const space = type === texel ? "texture" : SPACES.find((one) => words.includes(one));
    // A private variable, which is not in an address space of memory, is not tracked.
    if (space) this.variables.set(name, { space, type, constant: !words.includes("read_write") });
  }

  #routine(name: string, isEntry: boolean): void {
    this.expect("(");
    const parameters = this.readList(")", () => {
      const builtin = this.#attributes().get("builtin");
      const name = this.next();
      this.expect(":");
      return { name, builtin, type: this.take("ptr") ? this.#pointer() : this.#type() };
    });
    const result = this.take("->") ? this.#type() : undefined;
    const routine = { parameters, result, body: this.#block() };
    this.routines.set(name, routine);
    if (isEntry) this.entry = routine;
  }

  /** Parses the type of a pointer to a function's variable. The variable's value is not tracked. */
  #pointer(): undefined {
    if (!/^function\b/.test(this.templateText())) {
      throw new UnreadableKernelError("a pointer to shared memory");
    }
  }

  #typed(): WgslType | undefined {
    return this.take(":") ? this.#type() : undefined;
  }

  #type(): WgslType {
    const name = this.next();
    const inTemplate = () => this.readTemplate(() => this.#type());
    if (name.startsWith("texture_") && this.templateText()) return texel;
    if (name === "atomic") return { ...inTemplate(), isU32: false };
    if (name === "array") {
      return this.readTemplate(() => {
        const element = this.#type();
        return makeArrayType(element, this.take(",") ? this.#length() : 0);
      });
    }
    const type = parsePlainType(name, inTemplate) ?? this.types.get(name);
    if (!type) throw new UnreadableKernelError(`the type ${name}`);
    return type;
  }

  /** Parses the length of an array, which may depend only on constants. */
  #length(): number {
    const walk = new Interpreter(this, { workgroup: [1, 1], grid: [1, 1, 1], sizes: [], chunks: 0 }, [
      { group: [0, 0], local: [0, 0] },
    ]);
    const length = walk.evaluate(this.#expression(BINDING[">>"]), new Map());
    if (typeof length !== "number") throw new UnreadableKernelError("the length of an array");
    return length;
  }

  #block(): Statement {
    this.expect("{");
    const statements: Statement[] = [];
    const bare = this.peek() === "return";
    while (!this.take("}")) statements.push(this.#statement());
    return (walk, mask) => walk.block(statements, mask, bare);
  }

  #statement(): Statement {
    if (this.peek() === "{") return this.#block();
    if (this.take(";")) return () => {};
    if (this.take("if")) return this.#if();
    if (this.take("for")) return this.#for();
    if (/^(while|loop)$/.test(this.peek())) {
      const condition = this.next() === "while" ? this.#expression() : undefined;
      const body = this.#block();
      return (walk, mask) => walk.loop(mask, body, condition);
    }
    return this.readBefore(";", () => this.#simple());
  }

  /** Parses a statement without a body, such as `i++` or `let x = 1`, up to its semicolon. */
  #simple(): Statement {
    if (/^(let|const|var)$/.test(this.peek())) return this.#local(this.next());
    if (this.take("return")) {
      const result = this.peek() === ";" ? undefined : this.#expression();
      return (walk, mask) => walk.recordReturn(mask, result?.value(walk, mask));
    }
    if (this.take("break")) return (walk, mask) => walk.exitLoop("broken", mask);
    if (this.take("continue")) return (walk, mask) => walk.exitLoop("continued", mask);
    const target = this.#unary();
    if (/^[;)]$/.test(this.peek())) return (walk, mask) => void target.value(walk, mask);
    const sign = this.next();
    if (sign === "++" || sign === "--") return makeAssignment(target, makeLiteral(1), sign[0]);
    if (!sign.endsWith("=")) throw new UnreadableKernelError(`a statement with ${sign}`);
    return makeAssignment(target, this.#expression(), sign.slice(0, -1));
  }

  #local(kind: string): Statement {
    if (this.peek() === "<") this.templateText();
    const name = this.next();
    const type = this.#typed();
    if (kind === "var" && this.peek() !== "=") {
      // WGSL initialises the variable to zero. Only a u32 is tracked.
      return (walk) => walk.declare(name, type?.isU32 ? walk.broadcast(0) : undefined);
    }
    this.expect("=");
    if (this.peek() === "&") throw new UnreadableKernelError("a pointer that is kept");
    const { at } = this;
    const { value } = convertToType(this.#expression(), type);
    const from = this.textFrom(at);
    return (walk, mask) => {
      const values = value(walk, mask);
      // A variable whose initial value is unknown may be a float. Floats are not tracked.
      const followed = kind !== "var" || type?.isU32 || values.some((one) => one !== undefined);
      walk.declare(name, followed ? values : undefined);
      if (kind !== "var") walk.trace(name, from, values, mask);
    };
  }

  #if(): Statement {
    const condition = this.#expression();
    const yes = this.#block();
    const no = !this.take("else") ? undefined : this.take("if") ? this.#if() : this.#block();
    return (walk, mask) => walk.branch(condition, yes, no, mask);
  }

  #for(): Statement {
    this.expect("(");
    const first = this.take(";") ? undefined : this.readBefore(";", () => this.#simple());
    const condition = this.take(";") ? undefined : this.readBefore(";", () => this.#expression());
    const next = this.take(")") ? undefined : this.readBefore(")", () => this.#simple());
    const body = this.#block();
    return (walk, mask) =>
      walk.inScope(() => {
        first?.(walk, mask);
        walk.loop(mask, body, condition, next);
      });
  }

  #expression(least = 0): Expression {
    let left = this.#unary();
    for (let sign = this.peek(); (BINDING[sign] ?? 0) > least; sign = this.peek()) {
      this.next();
      left = makeBinary(sign, left, this.#expression(BINDING[sign]));
    }
    return left;
  }

  #unary(): Expression {
    if (/^[-!~*&]$/.test(this.peek())) return makeUnary(this.next(), this.#unary());
    let of = this.#operand();
    for (;;) {
      if (this.take(".")) of = makeMember(of, this.next());
      else if (this.take("[")) of = makeElement(of, this.readBefore("]", () => this.#expression()));
      else return of;
    }
  }

  #operand(): Expression {
    const word = this.next();
    if (word === "(") return this.readBefore(")", () => this.#expression());
    if (/^\.?\d/.test(word)) {
      const [, whole] = /^(0x[\da-f]+|\d+)u?$/i.exec(word) ?? [];
      return makeLiteral(whole === undefined ? undefined : Number(whole));
    }
    if (word === "true" || word === "false") return makeLiteral(word === "true");
    if (!/^[a-zA-Z_]/.test(word)) throw new UnreadableKernelError(`the sign ${word}`);
    const isTemplate = /^(array|bitcast|vec\d|mat\dx\d)$/.test(word) && this.peek() === "<";
    const of = isTemplate ? this.templateText() : "";
    if (this.take("(")) {
      const args = this.readList(")", () => this.#expression());
      return makeCall(of === "u32" ? `${word}u` : word + of, args, this);
    }
    // `steps[k]` is the header of one step. Its known fields have the same values in all headers.
    if (word === "steps" && this.take("[")) {
      this.readBefore("]", () => this.#expression());
      return { value: (walk) => walk.lookup("step") };
    }
    return makeNameExpression(word);
  }
}
