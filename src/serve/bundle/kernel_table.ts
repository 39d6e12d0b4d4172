/**
 * Kernels' texts apart from the script that uses them. A page that shows kernels carries their files as data; the script needs
 * no copy of them: it finds each by its name in a table, which stands there before the script begins.
 */

import type { Plugin } from "esbuild";

/** The table's name, for the script. */
const TABLE = "WGSL";

/** In the place of each kernel that a script uses comes its entry of the table. */
export const kernelsFromTable: Plugin = {
  name: "kernels-from-table",
  setup(build) {
    build.onLoad({ filter: /\.wgsl$/ }, ({ path }) => ({
      contents: `export default ${TABLE}.${tableName(path)};`,
    }));
  },
};

/** A kernel's name in the table: its file's, without the ending. */
export function tableName(path: string): string {
  return path.replace(/^.*[/\\]/, "").replace(/\.wgsl$/, "");
}

/** What is to run before the script. @param kernels WGSL by name, as JSON */
export function tableScript(kernels: string): string {
  return `var ${TABLE}=${kernels};\n`;
}
