/** How far a training is: a bar, and the figures of the moment. */

import { whole } from "../../../draw/number.ts";
import { element } from "../../elements.ts";
import type { TrainEnd } from "../../services/train.ts";
import type { Curves } from "./curves.ts";

export class Standing {
  readonly element: HTMLElement;
  readonly #bar = element("progress", { "aria-label": "Iterations done", max: 1, value: 0 });
  readonly #text = element("p", { class: "doing", role: "status" });
  readonly #values = new Map<string, HTMLElement>();
  #iterations = 0;
  /** When this session's first steps came, and after which iteration. */
  #began: { readonly at: number; readonly iteration: number } | undefined;
  #stepsPerSecond: number | undefined;

  constructor() {
    const names = ["iteration", "steps/s", "loss", "validation loss", "validation prec@1"];
    const list = element(
      "dl",
      { class: "numbers" },
      ...names.map((name) => {
        const value = element("dd", {}, "-");
        this.#values.set(name, value);
        return element("div", {}, element("dt", {}, name), value);
      }),
    );
    this.element = element("div", { class: "standing" }, this.#bar, this.#text, list);
  }

  /** Of this session, from its first group of steps on. */
  get stepsPerSecond(): number | undefined {
    return this.#stepsPerSecond;
  }

  begin(iterations: number): void {
    this.#iterations = iterations;
    this.#began = undefined;
    this.#stepsPerSecond = undefined;
    this.#bar.max = iterations;
  }

  say(text: string): void {
    this.#text.textContent = text;
  }

  step(curves: Curves): void {
    const { iteration, validations } = curves;
    const now = performance.now();
    if (this.#began === undefined) {
      this.#began = { at: now, iteration };
      this.say("");
    } else if (now > this.#began.at) {
      this.#stepsPerSecond = 1000 * (iteration - this.#began.iteration) / (now - this.#began.at);
    }
    this.#bar.value = iteration;
    const validation = validations.at(-1);
    this.#show("iteration", `${whole(iteration)} of ${whole(this.#iterations)}`);
    this.#show("steps/s", rateText(this.#stepsPerSecond));
    this.#show("loss", curves.last("loss")?.toFixed(4));
    this.#show("validation loss", validation?.loss.toFixed(4));
    this.#show("validation prec@1", validation?.prec1.toFixed(4));
  }

  end({ iteration, iterations, stoppedEarly }: TrainEnd): void {
    if (stoppedEarly) this.say(`Early stopping has ended it after ${whole(iteration)} iterations.`);
    else if (iteration >= iterations) this.say(`Done: ${whole(iteration)} iterations.`);
    else this.say(`Stopped after ${whole(iteration)} of ${whole(iterations)} iterations. It can go on.`);
  }

  #show(name: string, text: string | undefined): void {
    const value = this.#values.get(name);
    if (value) value.textContent = text ?? "-";
  }
}

function rateText(rate: number | undefined): string | undefined {
  return rate === undefined ? undefined : rate.toFixed(rate < 10 ? 1 : 0);
}
