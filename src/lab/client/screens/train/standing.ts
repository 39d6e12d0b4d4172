/** How far a training is: a bar, and the figures of the moment. */

import { whole } from "../../../draw/text.ts";
import { element } from "../../elements.ts";
import type { TrainEnd } from "../../services/train.ts";
import type { ShownStage } from "../../services/train_progress.ts";
import type { Curves } from "./chart.ts";

export class Standing {
  readonly element: HTMLElement;
  readonly #bar = element("progress", { "aria-label": "Iterations done", max: 1, value: 0 });
  readonly #text = element("p", { class: "doing", role: "status" });
  readonly #list = element("dl", { class: "numbers" });
  #values: readonly HTMLElement[] = [];
  #iterations = 0;
  /** When this session's first steps came, and after which iteration. */
  #began: { readonly at: number; readonly iteration: number } | undefined;
  #stepsPerSecond: number | undefined;

  constructor() {
    this.element = element("div", { class: "standing" }, this.#bar, this.#text, this.#list);
    this.#name("loss", "prec@1");
  }

  /** Of this session, from its first group of steps on. */
  get stepsPerSecond(): number | undefined {
    return this.#stepsPerSecond;
  }

  begin({ iterations, loss, prec1 }: ShownStage): void {
    this.#iterations = iterations;
    this.#began = undefined;
    this.#stepsPerSecond = undefined;
    this.#bar.max = iterations;
    this.#name(loss, prec1);
  }

  say(text: string): void {
    this.#text.textContent = text;
  }

  step(curves: Curves): void {
    const { iteration } = curves;
    const now = performance.now();
    if (this.#began === undefined) {
      this.#began = { at: now, iteration };
      this.say("");
    } else if (now > this.#began.at) {
      this.#stepsPerSecond = 1000 * (iteration - this.#began.iteration) / (now - this.#began.at);
    }
    this.#bar.value = iteration;
    const [loss, prec1] = curves.stage.name === "shannon" ? ["loss", "prec1"] : ["loss_min", "pi_prec1"];
    const texts = [
      `${whole(iteration)} of ${whole(this.#iterations)}`,
      rateText(this.#stepsPerSecond),
      curves.last(loss)?.toFixed(4),
      curves.lastValidation(loss)?.toFixed(4),
      curves.lastValidation(prec1)?.toFixed(4),
    ];
    this.#values.forEach((value, k) => value.textContent = texts[k] ?? "-");
  }

  end({ iteration, iterations, isDone, hasNext }: TrainEnd): void {
    const of = `${whole(iteration)} of ${whole(iterations)} iterations`;
    const next = hasNext ? " The adversarial stage is still to come: Go on begins it." : "";
    if (!isDone) this.say(`Stopped after ${of}. It can go on.`);
    else if (iteration >= iterations) this.say(`Done: ${whole(iteration)} iterations.${next}`);
    else this.say(`Early stopping has ended it after ${whole(iteration)} iterations.${next}`);
  }

  /** Makes places for the figures. @param loss what it is called. */
  #name(loss: string, prec1: string): void {
    const names = ["iteration", "steps/s", loss, `validation ${loss}`, `validation ${prec1}`];
    this.#values = names.map(() => element("dd", {}, "-"));
    this.#list.replaceChildren(
      ...names.map((name, k) => element("div", {}, element("dt", {}, name), this.#values[k])),
    );
  }
}

function rateText(rate: number | undefined): string | undefined {
  return rate === undefined ? undefined : rate.toFixed(rate < 10 ? 1 : 0);
}
