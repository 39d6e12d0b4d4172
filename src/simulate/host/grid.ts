/** A regular grid over three numbers, and trilinear interpolation between its points. */

type Three<T> = readonly [T, T, T];

export class Grid {
  /** The coordinates of the points along each axis. */
  readonly axes: Three<Float64Array>;
  /** Points in all; that at (i, j, k) is number (i * n1 + j) * n2 + k. */
  readonly size: number;
  readonly #first: Three<number>;
  readonly #step: Three<number>;

  /** @param ranges of the axes. @param points along them, 2 or more each. */
  constructor(ranges: Three<readonly [number, number]>, points: Three<number>) {
    if (!points.every((n) => Number.isInteger(n) && n >= 2)) {
      throw new RangeError(`Expected 2 points or more along each axis, got ${points.join(" x ")}`);
    }
    const step = (a: 0 | 1 | 2) => (ranges[a][1] - ranges[a][0]) / (points[a] - 1);
    this.#first = [ranges[0][0], ranges[1][0], ranges[2][0]];
    this.#step = [step(0), step(1), step(2)];
    const axis = (a: 0 | 1 | 2) =>
      Float64Array.from({ length: points[a] }, (_, k) => this.#first[a] + k * this.#step[a]);
    this.axes = [axis(0), axis(1), axis(2)];
    this.size = points[0] * points[1] * points[2];
  }

  /** Calls with the number and the coordinates of every point, in order. */
  each(use: (point: number, x: number, y: number, z: number) => void): void {
    let point = 0;
    for (const x of this.axes[0]) {
      for (const y of this.axes[1]) for (const z of this.axes[2]) use(point++, x, y, z);
    }
  }

  /** In which cell of an axis a coordinate is, and how far into it, 0..1; what is outside counts as the nearest end. */
  locate(axis: number, x: number): { readonly cell: number; readonly share: number } {
    const last = this.axes[axis]!.length - 1;
    const place = Math.min(Math.max((x - this.#first[axis]!) / this.#step[axis]!, 0), last);
    const cell = Math.min(Math.floor(place), last - 1);
    return { cell, share: place - cell };
  }

  /** The value at a place. @param values one for each point */
  at(values: Float64Array, x: number, y: number, z: number): number {
    const [ny, nz] = [this.axes[1].length, this.axes[2].length];
    const [i, j, k] = [this.locate(0, x), this.locate(1, y), this.locate(2, z)];
    const corner = (di: number, dj: number) => {
      const first = ((i.cell + di) * ny + j.cell + dj) * nz + k.cell;
      return values[first]! + k.share * (values[first + 1]! - values[first]!);
    };
    const line = (di: number) => corner(di, 0) + j.share * (corner(di, 1) - corner(di, 0));
    return line(0) + i.share * (line(1) - line(0));
  }
}
