/** Screen "Ladders": checks and times versions of a kernel from the naive to the shipped version. */

import { markup } from "../../../report/html.ts";
import { compareLadder, describeComparison, renderKernelLink, renderLadderTable } from "../../draw/ladder.ts";
import { formatLadderKey } from "../../saved_report.ts";
import { dom, element, fill, Notice, StopButton } from "../elements.ts";
import type { Lab } from "../lab_app.ts";
import type { MeasurementProgress } from "../lab_worker.ts";
import { readPageData } from "../connection.ts";
import type { LadderSummary } from "../services/kernel_services.ts";

/** Number of rounds, each of which times every version of the kernel once. */
const ROUNDS = 5;

export function showLadders(root: HTMLElement, lab: Lab): void {
  const notice = new Notice();
  const list = element("div");
  const sticky = element("div", { class: "sticky" }, notice.element);
  const stop = new StopButton(() => notice.show("Stopping after the current step ..."));
  const run = (cards: readonly LadderCard[]) => async (signal: AbortSignal) => {
    try {
      for (const card of cards) await runLadder(lab, card, notice, signal);
      notice.show("All steps are timed.");
    } catch (error) {
      notice.fail(error);
    }
  };
  root.append(
    dom`<p>A ladder leads from a naive kernel to the shipped kernel, with one optimisation per step. Each step
is compared with the float64 reference, and then timed on your adapter. The page also shows times on llvmpipe,
a driver that runs shaders on a CPU: an optimisation that helps on llvmpipe may not help on a GPU.</p>`,
    sticky,
  );
  void lab.call("ladders", "list", undefined).then((known) => {
    const cards = known.map((ladder): LadderCard => ({ ladder, results: element("div") }));
    const fewestStepsFirst = cards.toSorted((a, b) => a.ladder.steps.length - b.ladder.steps.length);
    const all = stop.startButton("Run all ladders", run(fewestStepsFirst));
    sticky.prepend(dom`<div class="buttons">${all}${stop.element}</div>`);
    root.append(list);
    list.append(...cards.map((card) => {
      const { name, title, size, steps } = card.ladder;
      const { chapters, chapterOf } = readPageData().texts;
      const chapter = steps.map(({ kernel }) => chapterOf[kernel]).find((file) => file !== undefined) ?? "";
      const items = steps.map(({ idea, kernel }) => markup`<li>${idea}: ${renderKernelLink(kernel)}</li>`);
      const one = stop.startButton("Run this ladder", run([card]), { "aria-describedby": `ladder-${name}` });
      return dom`<div class="card rung"><h3 id="ladder-${name}" tabindex="-1">${title}</h3>
<p>${String(steps.length)} steps, at ${size.join(" x ")}. Explained in <a href="#course/${
        chapter.replace(/\.md$/, "")
      }">${chapters[chapter]?.title}</a></p><details><summary>The steps and their kernels</summary>
<ol>${markup`${items}`}</ol></details><div class="buttons">${one}</div>${card.results}</div>`;
    }));
    lab.onShow("ladders", () => showCard(lab, cards));
    if (!root.hidden) showCard(lab, cards); // the user may have left the screen in the meantime
  }, (error: unknown) => notice.fail(error));
}

interface LadderCard {
  readonly ladder: LadderSummary;
  readonly results: HTMLElement;
}

/** Opens the ladder that the address names, by the ladder's name or the first words of its title. */
function showCard(lab: Lab, cards: readonly LadderCard[]): void {
  const { part } = lab;
  const matches = ({ ladder: { name, title } }: LadderCard) =>
    part === name || title.toLowerCase().replace(/\W+/g, "-").startsWith(part);
  if (part === "") return;
  const card = cards.find(matches)?.results.closest(".card");
  if (!card) return lab.refuse(`the name of a ladder, such as ${cards[0]?.ladder.name}`, part);
  card.querySelector("details")?.setAttribute("open", "");
  card.querySelector("h3")?.focus({ preventScroll: true });
  card.scrollIntoView({ block: "start" });
}

async function runLadder(
  lab: Lab,
  { ladder: { name, title }, results }: LadderCard,
  notice: Notice,
  signal: AbortSignal,
): Promise<void> {
  const onProgress = (done: MeasurementProgress) => notice.showProgress(done);
  const times = await lab.call("ladders", "run", { ladder: name, rounds: ROUNDS }, { onProgress, signal });
  lab.store(formatLadderKey(times), times);
  const shipped = readPageData().ladders.find(({ ladder, size }) =>
    ladder === name && size.join() === times.size.join()
  );
  const steps = compareLadder(times, shipped);
  fill(
    results,
    markup`${describeComparison(steps, shipped).map((text) => markup`<p class="outcome">${text}</p>`)}
<div>${renderLadderTable(title, steps, shipped)}</div>
<p>Gain of a step: median time of the step that it improves / its own median time. A gain counts only if it
differs from 1 by more than the noise (at least 5 %).</p>`,
  );
}
