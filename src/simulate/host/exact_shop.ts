/**
 * Computes the optimal policy of a synthetic shop. The state s of a user has three numbers: the means m1 and
 * m2 of the clicked items' two style coordinates, and the mean p of the clicked items' prices. A grid
 * approximates all states. Item i has the utility u_i(s), and the choice weight v_i = exp(u_i(s)). A click on
 * item i has the reward r_i and leads to state s'_i. V_t(s) is the best expected return with t pages left. If
 * clicked items may be shown again, V_t(s) is the maximum over all slates A of k items:
 *
 *   V_t(s) = max_A [ V_{t-1}(s) + sum_A v_i (r_i + V_{t-1}(s'_i)) ] / (1 + sum_A v_i)
 *
 * Fractional programming (host_best_slate.ts) finds the maximum. V is interpolated between grid points. If
 * clicked items are not shown again, V is an upper bound of the optimal return, and the return of the policy
 * {@link createOptimalPolicy} is a lower bound.
 */

import type { ShopState, ShopTruth } from "../../data/shops.ts";
import { advanceShopState, computeShopUtility, demoFeatures, getItemFeatures } from "../../data/shops.ts";
import { ShopDynamics } from "./dynamics.ts";
import { type HostOptions, type HostPolicy, scoreCatalogue } from "./host_simulator.ts";
import { findBestSlate, SlateSearch } from "./host_best_slate.ts";

/** Options of the simulation for which the policy is optimal. */
export interface PlanOptions extends Pick<HostOptions, "pages" | "slate" | "reward" | "leave"> {
  /** Odd numbers of grid points along m1, m2 and p, so that the state of a new user is a grid point. */
  readonly points: readonly [m1: number, m2: number, p: number];
}

/** Ranges of reachable states: m1 and m2 (mean styles) from -2 to 2, p (mean price) from -1 to 1. */
const RANGES = [[-2, 2], [-2, 2], [-1, 1]] as const;

export class ShopPlan {
  readonly dynamics: ShopDynamics;
  readonly #grid: InterpolationGrid;
  /** Values of the optimal policy at all grid points: V_t for 0, 1, ..., T pages left; V_0 = 0. */
  readonly #values: Float64Array[];

  constructor(readonly shop: ShopTruth, values: Float32Array, readonly options: PlanOptions) {
    this.dynamics = new ShopDynamics(shop, values);
    this.#grid = new InterpolationGrid(options.points);
    const sweep = new Sweep(shop, values, this.#grid, options);
    this.#values = [new Float64Array(this.#grid.size)];
    for (let page = 0; page < options.pages; page++) {
      this.#values.push(sweep.onePage(this.#values[page]!));
    }
  }

  /** Returns the best expected return if clicked items may be shown again. @param left - pages left, 0..T */
  value({ m1, m2, p }: ShopState, left: number): number {
    return this.#grid.at(this.#values[left]!, m1, m2, p);
  }
}

/** Returns the policy that maximises the expected sum of the reward and the next state's value. */
export function createOptimalPolicy(plan: ShopPlan): HostPolicy<ShopState> {
  const { reward = "click", leave = 0 } = plan.options;
  return {
    name: "optimum",
    slate: (page) => {
      const left = page.pages - page.page - 1;
      const { utilities, noneWeight, weights } = scoreCatalogue(page);
      const values = utilities.map((u, item) =>
        (reward === "click" ? 1 : u) + plan.value(plan.dynamics.next(page.state, item), left)
      );
      const noneValue = (1 - leave) * plan.value(page.state, left);
      return findBestSlate({ weights, noneWeight, values, noneValue }, page.slate, page.masked);
    },
  };
}

/** Computes V_t from V_{t-1} at all grid points. Caches data that do not depend on t. */
class Sweep {
  /** [grid points, items] choice weight exp(u) of each item. */
  readonly #weights: Float64Array;
  /** [grid points, slots] best slates for t - 1 pages left, from which the search for t pages left starts. */
  readonly #slates: Uint32Array;
  /** Per axis: [grid points on the axis, items] index of the cell that contains the state after a click. */
  readonly #cell: readonly Uint32Array[];
  readonly #share: readonly Float64Array[];
  readonly #items: number;

  constructor(
    shop: ShopTruth,
    values: Float32Array,
    private readonly grid: InterpolationGrid,
    private readonly options: PlanOptions,
  ) {
    const items = this.#items = values.length / demoFeatures;
    const features = Array.from({ length: items }, (_, item) => getItemFeatures(values, item));
    this.#weights = new Float64Array(grid.size * items);
    grid.each((point, m1, m2, p) => {
      const state = { m1, m2, p };
      for (let item = 0; item < items; item++) {
        this.#weights[point * items + item] = Math.exp(computeShopUtility(shop, state, features[item]!));
      }
    });
    // A click changes each of the three numbers independently.
    const moved = grid.axes.map((axis, a) =>
      Array.from(axis, (x) =>
        features.map((f) => {
          const to = advanceShopState({ m1: x, m2: x, p: x }, f);
          return grid.locate(a, [to.m1, to.m2, to.p][a]!);
        })).flat()
    );
    this.#cell = moved.map((all) => Uint32Array.from(all, ({ cell }) => cell));
    this.#share = moved.map((all) => Float64Array.from(all, ({ share }) => share));
    const { slate } = options;
    this.#slates = Uint32Array.from({ length: grid.size * slate }, (_, k) => k % slate);
  }

  onePage(behind: Float64Array): Float64Array {
    const { grid, options: { slate: k, reward = "click", leave = 0 } } = this;
    const items = this.#items;
    const [nx, ny, nz] = [grid.axes[0].length, grid.axes[1].length, grid.axes[2].length];
    const found = new Float64Array(grid.size);
    const gains = new Float64Array(items);
    const search = new SlateSearch(items, k);
    for (let x = 0, point = 0; x < nx; x++) {
      for (let y = 0; y < ny; y++) {
        for (let z = 0; z < nz; z++, point++) {
          const weights = this.#weights.subarray(point * items, (point + 1) * items);
          this.#after(behind, x, y, z, gains);
          for (let item = 0; item < items; item++) {
            gains[item] = (reward === "click" ? 1 : Math.log(weights[item]!)) + gains[item]!;
          }
          const problem = { weights, values: gains, noneValue: (1 - leave) * behind[point]! };
          found[point] = search.best(problem, this.#slates.subarray(point * k, (point + 1) * k));
        }
      }
    }
    return found;
  }

  /** For each item, interpolates the value of the state after a click at the grid point (x, y, z). */
  #after(behind: Float64Array, x: number, y: number, z: number, to: Float64Array): void {
    const items = this.#items;
    const [, ny, nz] = [0, this.grid.axes[1].length, this.grid.axes[2].length];
    const [cx, cy, cz] = this.#cell as [Uint32Array, Uint32Array, Uint32Array];
    const [sx, sy, sz] = this.#share as [Float64Array, Float64Array, Float64Array];
    for (let item = 0; item < items; item++) {
      const [ix, iy, iz] = [x * items + item, y * items + item, z * items + item];
      const a = (cx[ix]! * ny + cy[iy]!) * nz + cz[iz]!;
      const b = a + nz, c = a + ny * nz, d = c + nz;
      const w = sz[iz]!;
      const v00 = behind[a]! + w * (behind[a + 1]! - behind[a]!);
      const v01 = behind[b]! + w * (behind[b + 1]! - behind[b]!);
      const v10 = behind[c]! + w * (behind[c + 1]! - behind[c]!);
      const v11 = behind[d]! + w * (behind[d + 1]! - behind[d]!);
      const v0 = v00 + sy[iy]! * (v01 - v00);
      const v1 = v10 + sy[iy]! * (v11 - v10);
      to[item] = v0 + sx[ix]! * (v1 - v0);
    }
  }
}

type Three<T> = readonly [T, T, T];

/** Regular grid in three dimensions. Interpolates linearly between the grid points. */
export class InterpolationGrid {
  readonly axes: Three<Float64Array>;
  /** Number of grid points. Point (i, j, k) of n0 x n1 x n2 points has the index (i * n1 + j) * n2 + k. */
  readonly size: number;
  readonly #first: Three<number>;
  readonly #step: Three<number>;

  /** @param points - number of grid points per axis, 2 or more. */
  constructor(points: Three<number>) {
    const step = (a: 0 | 1 | 2) => (RANGES[a][1] - RANGES[a][0]) / (points[a] - 1);
    this.#first = [RANGES[0][0], RANGES[1][0], RANGES[2][0]];
    this.#step = [step(0), step(1), step(2)];
    const axis = (a: 0 | 1 | 2) =>
      Float64Array.from({ length: points[a] }, (_, k) => this.#first[a] + k * this.#step[a]);
    this.axes = [axis(0), axis(1), axis(2)];
    this.size = points[0] * points[1] * points[2];
  }

  /** Calls a function with the index and the coordinates of every grid point, in order. */
  each(use: (point: number, x: number, y: number, z: number) => void): void {
    let point = 0;
    for (const x of this.axes[0]) {
      for (const y of this.axes[1]) for (const z of this.axes[2]) use(point++, x, y, z);
    }
  }

  /** Returns the cell that contains x (clipped to the axis), and the position of x in the cell, 0..1. */
  locate(axis: number, x: number): { readonly cell: number; readonly share: number } {
    const last = this.axes[axis]!.length - 1;
    const place = Math.min(Math.max((x - this.#first[axis]!) / this.#step[axis]!, 0), last);
    const cell = Math.min(Math.floor(place), last - 1);
    return { cell, share: place - cell };
  }

  /** Interpolates values at the point (x, y, z). @param values - one per grid point */
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
