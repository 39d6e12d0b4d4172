/** Numbers of the lines, from 1, of a kernel's text as the driver gets it that are not as in its file. */
export function specialisedLines(driven: string, file: string): number[] {
  const lines = file.split("\n");
  return driven.split("\n").flatMap((line, k) => line === lines[k] ? [] : [k + 1]);
}
