/** "Ladders": kernels from the naive version to the shipped one, checked and raced on this adapter. */

import { markup } from "../../../report/html.ts";
import { compareLadder, describeComparison, renderLadderTable } from "../../draw/ladder.ts";
import { formatLadderKey } from "../../saved_report.ts";
import { button, dom, element, fill, Notice, StopButton } from "../elements.ts";
import type { Lab } from "../lab_app.ts";
import { readPageData } from "../connection.ts";
import type { LadderSummary } from "../services/kernel_services.ts";

/** How often the steps are timed in turn. */
const ROUNDS = 5;

export function showLadders(root: HTMLElement, lab: Lab): void {
  const notice = new Notice();
  const list = element("div");
  const stop = new StopButton(() => notice.say("Stopping when what is under way is done ..."));
  const climb = (wanted: readonly Rung[]) =>
    stop.during(async (signal) => {
      try {
        for (const rung of wanted) await race(lab, rung, notice, signal);
        notice.say("The race is over.");
      } catch (error) {
        notice.fail(error);
      }
    });
  root.append(
    dom`<p>A ladder climbs from the kernel as one would first write it to the one that is shipped, one idea a step. Here every
step is compared with the reference in float64, and then all of them race on your adapter. Beside them stand the
figures of llvmpipe, a driver that runs shaders on a CPU: what wins there need not win on a GPU.</p>`,
    notice.element,
  );
  void lab.call("ladders", "list", undefined).then((known) => {
    const rungs = known.map((facts): Rung => ({ facts, results: element("div") }));
    const all = button("Climb all ladders", () => climb(rungs));
    notice.element.before(dom`<div class="buttons">${all}${stop.element}</div>`);
    root.append(list);
    list.append(...rungs.map((rung) => {
      const { name, title, size, steps } = rung.facts;
      const one = button("Climb this one", () => climb([rung]), { "aria-describedby": `ladder-${name}` });
      return dom`<div class="card rung"><h3 id="ladder-${name}">${title}</h3>
<p>${String(steps)} steps, at ${size.join(" x ")}.</p><div class="buttons">${one}</div>${rung.results}</div>`;
    }));
  }, (error: unknown) => notice.fail(error));
}

/** A ladder and where its results go. */
interface Rung {
  readonly facts: LadderSummary;
  readonly results: HTMLElement;
}

async function race(lab: Lab, { facts, results }: Rung, notice: Notice, signal: AbortSignal): Promise<void> {
  const onProgress = (text: string) => notice.say(text);
  const request = { ladder: facts.name, rounds: ROUNDS };
  const figures = await lab.call("ladders", "race", request, { onProgress, signal });
  lab.keep(formatLadderKey(figures), figures);
  const there = readPageData().ladders.find(({ ladder, size }) =>
    ladder === facts.name && size.join() === figures.size.join()
  );
  const steps = compareLadder(figures, there);
  fill(
    results,
    markup`${describeComparison(steps, there).map((text) => markup`<p class="outcome">${text}</p>`)}
<div>${renderLadderTable(facts.title, steps, there)}</div>
<p>gain: how often faster than the step that it changes, medians over the rounds. An idea wins or loses where its gain is
further from 1 than its noise, 5 % at least.</p>`,
  );
}
