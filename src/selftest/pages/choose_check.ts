/** The kernel by which simulated users click and leave, for an episode. */

import { philox, purposes, uniform24 } from "../../data/philox.ts";
import { randomStream } from "../../data/random.ts";
import { choose, logViews } from "../../simulate/choose.ts";
import { choose as chooseOnHost } from "../../simulate/host/dynamics.ts";
import type { Page } from "../../simulate/page.ts";
import { plain } from "../../simulate/users.ts";
import { bitsOf, type Check, type CheckedPage, key } from "./page_bench.ts";
import { floats, range } from "../harness.ts";

/** Logits whose draws lie far from a bound: nearer ones fall on either side by rounding. */
const NEAR = 1e-5;
const ETA = 1.5;
/** Of the second slot, and of those behind it. */
const EFFECTS = Float32Array.of(0.7, -0.4);
const RULES = { reward: "utility", leave: 0.3, patience: 3 } as const;
const EPISODE = { firstUser: 100, episode: 2 };

/** What users see, the same on every page. */
interface Offer {
  /** [U, k] */
  readonly utilities: Float32Array<ArrayBuffer>;
  /** [U, k] items */
  readonly shown: Uint32Array<ArrayBuffer>;
}

function offerOn({ users, slate, items }: Page): Offer {
  const random = randomStream(5, "choose");
  // Some far from zero, so that one of the exponentials would overflow.
  const scaleOf = (user: number) => (user % 7 === 0 ? 60 : 2);
  const length = users * slate;
  return {
    utilities: Float32Array.from({ length }, (_, r) => scaleOf(Math.floor(r / slate)) * random.normal()),
    shown: Uint32Array.from({ length }, (_, r) => (Math.floor(r / slate) + 11 * (r % slate)) % items),
  };
}

/** Words of the outcomes, of who is there and what was clicked at the end, and of the log of slates. */
function runChoose(checked: CheckedPage, { utilities, shown }: Offer): Promise<Uint32Array<ArrayBuffer>[]> {
  const { page, arena } = checked;
  checked.write(page.slates, shown);
  const u = plain("u", "rows", 1, 1, arena.upload("utilities", utilities));
  const placeEffects = plain("place", 1, 2, 4, arena.upload("place", EFFECTS));
  const log = logViews(page);
  const set = () => {
    checked.write(page.alive, new Uint32Array(page.users).fill(1));
    checked.write(page.clicked, new Uint32Array(page.panels * page.users));
  };
  const dispatch = choose(page, { eta: ETA, placeEffects }, u, log, RULES);
  return checked.run([dispatch], [log.outcomes, page.alive, page.clicked, log.slates], { set, ...EPISODE });
}

/** What a user chooses on a page, by a random number. */
function choiceOf({ utilities }: Offer, slate: number, user: number, uniform: number) {
  const effectOf = (j: number) => (j > 0 ? EFFECTS[Math.min(j, 2) - 1] ?? NaN : 0);
  const z = range(slate).map((j) => ETA * ((utilities[user * slate + j] ?? NaN) + effectOf(j)));
  return chooseOnHost(z, uniform);
}

/**
 * The episode on the host.
 * @param found the device's outcomes, which the host follows near a bound
 */
function episodeOnHost({ users, slate, pages }: Page, offer: Offer, found: Float32Array) {
  const outcomes: number[] = [];
  const states = new Array<number>(users).fill(1);
  const clicks = range(users).map(() => new Set<number>());
  for (let t = 0; t < pages; t++) {
    for (let user = 0; user < users; user++) {
      const state = states[user] ?? 0;
      if (state === 0) {
        outcomes.push(0, 0, 0, 0);
        continue;
      }
      const { firstUser, episode } = EPISODE;
      const draw = (purpose: number) => uniform24(philox([firstUser + user, episode, t, purpose], key)[0]);
      const own = choiceOf(offer, slate, user, draw(purposes.CHOICE));
      const slot = own.margin < NEAR ? found[4 * (t * users + user)] ?? NaN : own.slot;
      const none = slot === slate;
      const at = user * slate + slot;
      outcomes.push(slot, none ? 0 : offer.utilities[at] ?? NaN, own.clickChance, 1);
      const leaves = none && (draw(purposes.LEAVE) < RULES.leave || state === RULES.patience);
      states[user] = leaves ? 0 : none ? state + 1 : 1;
      if (!none) clicks[user]?.add(offer.shown[at] ?? NaN);
    }
  }
  return { outcomes, states, clicks };
}

export const checkChoose: Check = async (checked, checks) => {
  const { page } = checked;
  const offer = offerOn(page);
  const [words, alive, clicked, logged] = await runChoose(checked, offer);
  const found = floats(words);
  const { outcomes, states, clicks } = episodeOnHost(page, offer, found);
  const kernels = ["choose"];
  // Slots and rewards are exact; chances are near 1 at most, of exponentials of up to 100.
  const tolerance = (k: number) => (k % 4 === 2 ? 2e-5 : 0);
  checks.numbers(found, outcomes, {
    kernels,
    what: "outcomes (slot, reward, P(click), there)",
    tolerance,
    columns: 4,
  });
  checks.same(alive, states, { kernels, what: "who is there" });
  checks.same(clicked, bitsOf(page, (user, item) => clicks[user]?.has(item) ?? false), {
    kernels,
    what: "clicked",
  });
  const slates = range(page.pages).flatMap(() => Array.from(offer.shown));
  checks.same(logged, slates, { kernels, what: "log of slates" });
};
