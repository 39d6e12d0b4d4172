/** Error for kernel code that the analysis does not support. */
export class UnreadableKernelError extends Error {}

/** Calls `read`. @returns the result, or undefined if `read` throws an {@link UnreadableKernelError} */
export function tryRead<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof UnreadableKernelError) return undefined;
    throw error;
  }
}

/** Matches a token: a number with its suffix, an attribute with its brackets, a name, or an operator. */
const TOKEN = new RegExp(
  [
    /0[xX][\da-fA-F]+[ui]?|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[uifh]?/,
    /@\s*\w+(?:\s*\((?:[^()]|\([^()]*\))*\))?/,
    /[a-zA-Z_]\w*/,
    /->|<<=|>>=|<<|>>|[-+*/%&|^<>=!]=|&&|\|\||\+\+|--|\S/,
  ].map(({ source }) => source).join("|"),
  "g",
);
const COMMENT = /\/\/.*|\/\*[^]*?\*\//g;

/** Reader of the tokens of a WGSL source. Methods throw UnreadableKernelError for an unexpected token. */
export class WgslTokens {
  readonly #tokens: { readonly text: string; readonly at: number }[];
  #k = 0;

  constructor(private readonly text: string) {
    const plain = text.replace(COMMENT, (comment) => comment.replace(/[^\n]/g, " "));
    this.#tokens = [...plain.matchAll(TOKEN)].map(({ 0: text, index: at }) => ({ text, at }));
  }

  /** Returns the next token without consuming it, or "" at the end of the source. */
  peek(): string {
    return this.#tokens[this.#k]?.text ?? "";
  }

  next(): string {
    const { text } = this.#tokens[this.#k++] ?? {};
    if (text === undefined) throw new UnreadableKernelError("the text ends too early");
    return text;
  }

  /** Consumes the next token if the token equals `word`. @returns true if the token was consumed */
  take(word: string): boolean {
    const found = this.peek() === word;
    if (found) this.#k++;
    return found;
  }

  expect(word: string): void {
    if (!this.take(word)) throw new UnreadableKernelError(`"${this.peek()}" where ${word} was expected`);
  }

  readAfter<T>(sign: string, read: () => T): T {
    this.expect(sign);
    return read();
  }

  readBefore<T>(sign: string, read: () => T): T {
    const found = read();
    this.expect(sign);
    return found;
  }

  readList<T>(close: string, read: () => T): T[] {
    const found: T[] = [];
    while (!this.take(close)) {
      found.push(read());
      if (this.take(",")) continue;
      this.expect(close);
      break;
    }
    return found;
  }

  readTemplate<T>(read: () => T): T {
    this.expect("<");
    const found = read();
    const token = this.#tokens[this.#k];
    if (token?.text === ">>") this.#tokens[this.#k] = { text: ">", at: token.at + 1 };
    else this.expect(">");
    return found;
  }

  /** Consumes a template such as `<f32, 4>`. @returns the text between < and >, without spaces */
  templateText(): string {
    this.expect("<");
    let inside = "";
    for (let depth = 1; depth > 0;) {
      const word = this.next();
      depth += word === "<" ? 1 : word === ">" ? -1 : word === ">>" ? -2 : 0;
      inside += word;
    }
    return inside.slice(0, -1);
  }

  /** Offset of the next token from the start of the source. */
  get at(): number {
    return this.#tokens[this.#k]?.at ?? this.text.length;
  }

  /** Returns the text from `at` to the next token. */
  textFrom(at: number): string {
    return this.text.slice(at, this.at).trim();
  }
}
