/**
 * Memory that a kernel accesses: a range of a buffer (storage or uniform), or a storage texture.
 *
 * Why textures: the software adapter llvmpipe reads storage buffers number by number, with a bounds check for
 * each number. llvmpipe reads a texel of four f32 as a whole, with a third of the instructions
 * (bench/ladder.md, "How llvmpipe runs a kernel"). But storing a texel takes longer than storing to a buffer.
 * So kernels write a buffer, which is then copied into the texture. Writing and copying together take half
 * the time of textureStore.
 *
 * On llvmpipe, only matrices that matrix products read many times are stored in textures. kernel.ts adapts
 * the WGSL code of kernels that access these matrices. SwiftShader, another software adapter, reads a
 * texture no faster than a buffer, so there all matrices are stored in buffers (kernel_variants.ts).
 *
 * A texel holds a vector of four f32. A matrix is stored row by row, or in panels of sixteen columns. In a
 * panel, the sixteen numbers of a row (64 bytes) are followed by the sixteen numbers of the next row.
 *
 * Why panels: some kernels read the same sixteen columns of every row. If a matrix of 64 columns is stored
 * row by row, these kernels read one cache line of each row and skip the next three. No CPU's prefetcher
 * follows such a pattern, so a kernel often waits for main memory. In a panel, the cache lines are adjacent,
 * so the prefetcher loads them in time.
 */

import type { SizeExpression } from "./sizes.ts";

/** A range of a buffer that a kernel binds. */
export interface View {
  readonly buffer: GPUBuffer;
  /** Offset in bytes, a multiple of 256. */
  readonly offset: number;
  /** Size in bytes. */
  readonly size: number;
  /** Slices, one per batch, `stride` bytes apart; the view is the first slice. Undefined without slices. */
  readonly slices?: { readonly count: number; readonly stride: number };
}

/** A texture in which each texel stores a vector of four f32. */
export interface TextureView {
  readonly texture: GPUTexture;
  readonly layout: TextureLayout;
  /** Size of the matrix in bytes. */
  readonly size: number;
  /** Buffer that kernels write, and bytes per batch; undefined if only the host writes the texture. */
  readonly written?: { readonly view: View; readonly bytes: SizeExpression };
}

/** A range of at most 64 KiB that is bound as a uniform, which llvmpipe reads faster than storage. */
export interface UniformView extends View {
  readonly uniform: true;
}

export type Memory = View | TextureView;

export function isTexture(memory: Memory): memory is TextureView {
  return "texture" in memory;
}

/** Largest uniform binding, in bytes, that every adapter allows. */
export const UNIFORM_BYTES = 65536;

/** Returns a view of at most 64 KiB as a uniform, and a larger view unchanged. */
export function toUniformIfSmall(view: View): View {
  const uniform: UniformView = { ...view, uniform: true };
  return view.size <= UNIFORM_BYTES ? uniform : view;
}

export function isUniform(memory: Memory): memory is UniformView {
  return "uniform" in memory && memory.uniform === true;
}

/** Returns the memory as a range of a buffer. @throws Error for a texture. */
export function asBufferView(memory: Memory): View {
  if (isTexture(memory)) throw new Error(`expected a buffer, got the texture ${memory.texture.label}`);
  return memory;
}

/** Writes vectors of four numbers to a buffer or texture, from its start. */
export function writeMemory(
  queue: GPUQueue,
  memory: Memory,
  data: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>,
): void {
  if (!isTexture(memory)) return queue.writeBuffer(memory.buffer, memory.offset, data);
  const { texture, written, layout } = memory;
  const texels = packTexels(layout, data);
  const bytesPerRow = BYTES_PER_TEXEL * layout.width;
  for (const region of listRegions(layout, data.byteLength)) {
    const part = texels.subarray(bytesPerRow * region.line / 4);
    queue.writeTexture({ texture, origin: [0, region.line] }, part, { bytesPerRow }, [
      region.texels,
      region.lines,
    ]);
    for (let k = 0; written && k < region.lines; k++) {
      const { buffer, offset } = written.view;
      const line = part.subarray(bytesPerRow * k / 4, bytesPerRow * k / 4 + 4 * region.texels);
      queue.writeBuffer(buffer, offset + bytesPerRow * (region.line + k), line);
    }
  }
}

/** Number of texels per line of a texture: the largest width that every adapter supports. */
const TEXTURE_WIDTH = 8192;
export const TEXTURE_FORMAT = "rgba32float";
export const BYTES_PER_TEXEL = 16;

/** Number of vectors per row of a panel: 16 columns / 4. */
const PANEL_VECTORS = 4;
/** Number of texels in 256 bytes. WebGPU copies several lines only if each has a multiple of 256 bytes. */
const WIDTH_STEP = 16;

export interface TextureLayout {
  readonly width: number;
  readonly height: number;
  /** Number of vectors per matrix row: columns / 4, or 1 if the matrix is not stored in panels. */
  readonly rowVectors: number;
  readonly panelVectors: number;
  /** Number of panels of the matrix, rounded up. */
  readonly panels: number;
  /** Number of matrix rows per texture line. Consecutive lines store the panels of these rows. */
  readonly lineRows: number;
}

export function makeRowLayout(bytes: number): TextureLayout {
  return makeTextureLayout(bytes, 1, 1);
}

/** @param rowVectors - number of columns of the matrix / 4 */
export function makePanelLayout(bytes: number, rowVectors: number): TextureLayout {
  return makeTextureLayout(bytes, rowVectors, PANEL_VECTORS);
}

/** Returns the layout of a matrix product's input: panels if it has 32 columns or more, else row by row. */
export function makeProductLayout(bytes: number, rowVectors: number): TextureLayout {
  return rowVectors >= 2 * PANEL_VECTORS ? makePanelLayout(bytes, rowVectors) : makeRowLayout(bytes);
}

function makeTextureLayout(bytes: number, rowVectors: number, panelVectors: number): TextureLayout {
  const rows = Math.max(1, Math.ceil(bytes / BYTES_PER_TEXEL / rowVectors));
  const panels = Math.ceil(rowVectors / panelVectors);
  const lineRows = TEXTURE_WIDTH / panelVectors;
  const texels = panelVectors * Math.min(rows, lineRows);
  return {
    width: WIDTH_STEP * Math.ceil(texels / WIDTH_STEP),
    height: panels * Math.ceil(rows / lineRows),
    rowVectors,
    panelVectors,
    panels,
    lineRows,
  };
}

/** Returns the index of the texel (counted line by line) that stores vector i (counted row by row). */
export function computeTexelIndex(layout: TextureLayout, i: number): number {
  const { width, rowVectors, panelVectors, panels, lineRows } = layout;
  const row = Math.floor(i / rowVectors);
  const column = i % rowVectors;
  const line = Math.floor(row / lineRows) * panels + Math.floor(column / panelVectors);
  return line * width + (row % lineRows) * panelVectors + column % panelVectors;
}

/** Returns WGSL code for the texel coordinates of vector `i`. */
export function formatTexelCode(layout: TextureLayout): string {
  const { x, y } = formatTexelCoordinates(layout);
  return `vec2u(${x}, ${y})`;
}

/** Returns WGSL code for the texel index of vector `i`; see {@link computeTexelIndex}. */
export function formatTexelIndexCode(layout: TextureLayout): string {
  const { x, y } = formatTexelCoordinates(layout);
  return `(${y}) * ${layout.width}u + ${x}`;
}

function formatTexelCoordinates(layout: TextureLayout): { x: string; y: string } {
  const { rowVectors, panelVectors, panels, lineRows } = layout;
  const [row, column] = [formatQuotient("i", rowVectors), formatRemainder("i", rowVectors)];
  return {
    x: `${formatRemainder(row, lineRows)} * ${panelVectors}u + ${formatRemainder(column, panelVectors)}`,
    y: `${formatQuotient(row, lineRows)} * ${panels}u + ${formatQuotient(column, panelVectors)}`,
  };
}

function formatQuotient(a: string, by: number): string {
  if (by === 1) return a;
  return Number.isInteger(Math.log2(by)) ? `(${a} >> ${Math.log2(by)}u)` : `(${a} / ${by}u)`;
}
function formatRemainder(a: string, by: number): string {
  if (by === 1) return "0u";
  return Number.isInteger(Math.log2(by)) ? `(${a} & ${by - 1}u)` : `(${a} % ${by}u)`;
}

/** Consecutive lines of a texture. The first `texels` texels of each line belong to the matrix. */
export interface TextureRegion {
  readonly line: number;
  readonly lines: number;
  readonly texels: number;
}

/** Returns the regions that contain the first `bytes` bytes of the matrix. */
export function listRegions(layout: TextureLayout, bytes: number): TextureRegion[] {
  const { width, rowVectors, panelVectors, panels, lineRows } = layout;
  const rows = Math.ceil(bytes / BYTES_PER_TEXEL / rowVectors);
  const whole = { line: 0, lines: panels * Math.floor(rows / lineRows), texels: width };
  const last = { line: whole.lines, lines: panels, texels: panelVectors * (rows % lineRows) };
  return [whole, last].filter(({ lines, texels }) => lines * texels > 0);
}

/** Returns a matrix as a texture's texels, line by line. Texels that store no part of the matrix are zero. */
function packTexels<Words extends Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>>(
  layout: TextureLayout,
  matrix: Words,
): Words {
  // Numbers are copied as integers, because a copy of a NaN as a float may change its bits.
  const texels = new Uint32Array(4 * layout.width * layout.height);
  const words = new Uint32Array(matrix.buffer, matrix.byteOffset, matrix.length);
  forEachVector(layout, words.length, (at, texel) => {
    for (let k = 0; k < 4; k++) texels[texel + k] = words[at + k] ?? 0;
  });
  return (matrix instanceof Float32Array ? new Float32Array(texels.buffer) : texels) as Words;
}

/** Inverts {@link packTexels}. @param length - number of 32-bit words of the matrix */
export function unpackTexels(
  layout: TextureLayout,
  texels: Uint32Array<ArrayBuffer>,
  length: number,
): Uint32Array<ArrayBuffer> {
  const matrix = new Uint32Array(length);
  forEachVector(layout, length, (at, texel) => {
    for (let k = 0; k < 4; k++) matrix[at + k] = texels[texel + k] ?? 0;
  });
  return matrix;
}

/** Calls `visit` for each vector, with the indices of its first word in the matrix and in the texture. */
function forEachVector(
  layout: TextureLayout,
  words: number,
  visit: (at: number, texel: number) => void,
): void {
  for (let i = 0; 4 * i < words; i++) visit(4 * i, 4 * computeTexelIndex(layout, i));
}
