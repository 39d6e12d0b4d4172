/**
 * Unrolls loops in the kernel files; run by `deno task build kernels`.
 *
 * Some kernels for CPU adapters are fast only if every index is a literal instead of a loop counter (their
 * headers explain why). Such a kernel has one line per iteration between two comments:
 *
 *     // unrolled, n = 1 to 3: if (K4 > {n}u) { s = add(s, a[{n}], {n}u); }
 *     if (K4 > 1u) { s = add(s, a[1], 1u); }
 *     if (K4 > 2u) { s = add(s, a[2], 2u); }
 *     if (K4 > 3u) { s = add(s, a[3], 3u); }
 *     // end of n
 *
 * The first comment defines the loop. The lines after it are generated, and are valid WGSL. To change them,
 * edit the comment and run the task. Iterations that a size does not need are removed when the kernel is
 * compiled.
 */

const loop = /^( *)\/\/ unrolled, n = (\d+) to (\d+)(?: by (\d+))?: (.*)$/;
const END = "// end of n";

/** Returns the text of a kernel with all loops unrolled. @throws Error if a loop has no end. */
export function unrollLoops(text: string): string {
  const out: string[] = [];
  let open = false;
  for (const line of text.split("\n")) {
    if (open && line.trim() !== END) continue;
    open = false;
    out.push(line);
    const [, indent = "", first, last, step = "1", turn = ""] = line.match(loop) ?? [];
    if (first === undefined) continue;
    for (let n = Number(first); n <= Number(last); n += Number(step)) {
      out.push(indent + turn.replaceAll("{n}", String(n)));
    }
    open = true;
  }
  if (open) throw new Error(`expected "${END}" behind an unrolled loop, found none`);
  return out.join("\n");
}

if (import.meta.main) {
  const kernels = new URL("../../kernels/", import.meta.url);
  for (const { name: folder } of [...Deno.readDirSync(kernels)].filter(({ isDirectory }) => isDirectory)) {
    for (const { name } of Deno.readDirSync(new URL(`${folder}/`, kernels))) {
      if (!name.endsWith(".wgsl")) continue;
      const file = new URL(`${folder}/${name}`, kernels);
      const text = Deno.readTextFileSync(file);
      const built = unrollLoops(text);
      if (built === text) continue;
      Deno.writeTextFileSync(file, built);
      console.log(`wrote kernels/${folder}/${name}`);
    }
  }
}
