/**
 * The words of a command line, without a package. Some options must be known before a command starts: what it writes to, and
 * what that is named after. The command defines them with commander by these texts; the launcher reads them here.
 */

export const DATA = "--data <path>";
export const SAVE_DIR = "--save-dir <folder>";
export const RESUME = "--resume <run>";
export const JOBS = "--jobs <n>";
export const README = "--readme <file>";
/** The page that `report` writes, or the file of `predict`. */
export const OUT_FILE = "--out <file>";
/** The data set that `data` makes. */
export const OUT_FOLDER = "--out <folder>";

/** What the data engine may use. */
export const MEMORY = "--memory <size>";

/** The data set of the pages that `simulate` makes. */
export const WRITE_LOG = "--write-log <folder>";

/** The model's file that `export` writes. */
export const ONNX = "--onnx <file>";
/** Where `lab` writes its page. */
export const BUILD = "--build <folder>";
/** Where `serve` listens. */
export const PORT = "--port <n>";
export const DEFAULT_PORT = 8750;

/** The values of some options, by their definitions, and the arguments that belong to none of them. */
interface ReadArguments {
  readonly values: ReadonlyMap<string, string>;
  readonly operands: readonly string[];
}

/**
 * Reads options as commander does: `--out x` or `--out=x`, the last of each counts, `--` ends them. What is wrong (a
 * value that is missing or empty, an unknown option) is left out: the command says so when it starts.
 */
export function readArguments(args: readonly string[], options: readonly string[]): ReadArguments {
  const values = new Map<string, string>();
  const operands: string[] = [];
  for (let k = 0; k < args.length; k++) {
    const arg = args[k] ?? "";
    if (arg === "--") {
      operands.push(...args.slice(k + 1));
      break;
    }
    const option = options.find((option) => arg === flagOf(option) || arg.startsWith(`${flagOf(option)}=`));
    if (option !== undefined) {
      const value = arg === flagOf(option) ? args[++k] : arg.slice(flagOf(option).length + 1);
      if (value) values.set(option, value);
    } else if (!arg.startsWith("-")) operands.push(arg);
  }
  return { values, operands };
}

function flagOf(option: string): string {
  return option.replace(/ .*/, "");
}

/** The arguments without some options and their values, in their order. @param options by their definitions. */
export function withoutOptions(args: readonly string[], options: readonly string[]): string[] {
  const rest: string[] = [];
  for (let k = 0; k < args.length; k++) {
    const arg = args[k] ?? "";
    if (options.some((option) => arg === flagOf(option))) k++;
    else if (!options.some((option) => arg.startsWith(`${flagOf(option)}=`))) rest.push(arg);
  }
  return rest;
}

/** Whether a command would only print how it is used. */
export function asksForHelp(args: readonly string[]): boolean {
  return args.includes("--help") || args.includes("-h");
}

/** What no POSIX shell gives a meaning to, anywhere in a word. */
const PLAIN = /^[\w./:@%+,-]+$/;

/**
 * The word that a shell takes for this text, in a command that is meant to be pasted: nothing in it runs, whatever a file is
 * called. It cannot hold NUL, as no argument can.
 */
export function shellWord(text: string): string {
  return PLAIN.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The same for a path: one that begins with a hyphen would be taken for an option, so it is said to be in this folder. */
export function quoted(path: string): string {
  return shellWord(path.startsWith("-") ? `./${path}` : path);
}

/** A variable of the environment; undefined where it is not set, or this process may not read it. */
export function permittedVariable(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}
