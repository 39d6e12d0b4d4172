/**
 * A kernel's text as the driver gets it has no comments in a page, to be short. Its file is carried beside the script, as data:
 * here they come together again, line by line.
 */

export interface Commented {
  readonly text: string;
  /** Numbers of the lines, from 1, that are not as in the file. */
  readonly specialised: readonly number[];
}

/** A line without its comment and the blanks before it. */
function codeOf(line: string): string {
  return line.replace(/\s*(\/\/.*)?$/, "");
}

/**
 * The file's lines and comments, with what the driver gets in the place of what the file has.
 * @param driven with the lines of the file, or with those of them that have code; returned as it is where it has others
 */
export function withComments(driven: string, file: string): Commented {
  const lines = file.split("\n");
  const own = driven.split("\n");
  if (own.length === lines.length) {
    return { text: driven, specialised: own.flatMap((line, k) => line === lines[k] ? [] : [k + 1]) };
  }
  const code = own.filter((line) => line !== "");
  if (code.length !== lines.filter((line) => codeOf(line) !== "").length) {
    return { text: driven, specialised: [] };
  }
  const specialised: number[] = [];
  let at = 0;
  const text = lines.map((line, k) => {
    const before = codeOf(line);
    if (before === "") return line;
    const now = code[at++] ?? "";
    if (now === before) return line;
    specialised.push(k + 1);
    return now + line.slice(before.length);
  });
  return { text: text.join("\n"), specialised };
}
