/** The GPUs that are compiled for: what RADV's compiler reckons with, and a card of each by its data sheet. */

/** A GPU, and a card that has it. */
export interface Card {
  /** As RADV_FORCE_FAMILY has it. */
  readonly family: string;
  readonly architecture: string;
  readonly name: string;
  /** What a driver calls it. */
  readonly known: RegExp;
  readonly computeUnits: number;
  /** Of a compute unit: what issues the vector instructions of the subgroups that it holds. */
  readonly simds: number;
  /** GHz that the data sheet names for sustained work: game clock, peak engine clock. */
  readonly clock: number;
  /** GB/s of its memory; caches in front of it are not reckoned with. */
  readonly bandwidth: number;
  /** Vector registers of a SIMD, by subgroups of 64 lanes. */
  readonly registers: number;
  /** Subgroups that a SIMD holds at most. */
  readonly slots: number;
  /** Lanes that a SIMD of RDNA has; of a subgroup of 64 RADV counts both halves. CDNA: a subgroup is one. */
  readonly counted: number;
  readonly source: string;
}

/**
 * Microseconds from one dispatch to the next that waits for it. No data sheet has it: it is assumed, the same for all.
 */
export const LAUNCH_US = 3;

const amd = "https://www.amd.com/en/products";
/** Registers and slots are what Mesa 25.0.7 reckons with; all else is of AMD's data sheets. */
export const cards: readonly Card[] = [
  {
    family: "navi31",
    architecture: "RDNA3",
    name: "Radeon RX 7900 XTX",
    known: /7900 XTX|NAVI31/i,
    ...{ computeUnits: 96, simds: 2, clock: 2.3, bandwidth: 960 },
    ...{ registers: 768, slots: 16, counted: 32 },
    source: `${amd}/graphics/desktops/radeon/7000-series/amd-radeon-rx-7900xtx.html`,
  },
  {
    family: "navi21",
    architecture: "RDNA2",
    name: "Radeon RX 6900 XT",
    known: /6900 XT|NAVI21/i,
    ...{ computeUnits: 80, simds: 2, clock: 2.015, bandwidth: 512 },
    ...{ registers: 512, slots: 16, counted: 32 },
    source: `${amd}/graphics/desktops/radeon/6000-series/amd-radeon-rx-6900-xt.html`,
  },
  {
    family: "gfx1201",
    architecture: "RDNA4",
    name: "Radeon RX 9070 XT",
    known: /9070 XT|GFX1201/i,
    ...{ computeUnits: 64, simds: 2, clock: 2.4, bandwidth: 640 },
    ...{ registers: 512, slots: 16, counted: 32 },
    source: `${amd}/graphics/desktops/radeon/9000-series/amd-radeon-rx-9070xt.html`,
  },
  {
    family: "mi200",
    architecture: "CDNA2",
    name: "Instinct MI210",
    known: /MI210|MI200/i,
    ...{ computeUnits: 104, simds: 4, clock: 1.7, bandwidth: 1638 },
    ...{ registers: 256, slots: 10, counted: 64 },
    source: `${amd}/accelerators/instinct/mi200/mi210.html`,
  },
];

/** The card of a GPU. @throws Error for one that is not among them. */
export function cardOf(family: string): Card {
  const card = cards.find((one) => one.family === family);
  if (!card) throw new Error(`expected one of ${cards.map((one) => one.family).join(", ")}, got ${family}`);
  return card;
}

/** The card that an adapter is, by its driver's name. */
export function knownCard(description: string): Card | undefined {
  return cards.find(({ known }) => known.test(description));
}
