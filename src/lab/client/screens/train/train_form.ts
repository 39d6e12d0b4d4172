/** What is to be trained: the data, the model and the options, as the command `train` takes them. */

import type { CallWorker } from "../../connection.ts";
import { element } from "../../elements.ts";
import { OptionForm } from "../../option_form.ts";
import type { TrainRequest } from "../../services/train.ts";
import type { OptionTexts } from "../../services/train_options.ts";
import { DataField } from "./data_field.ts";

const IN_VIEW = [
  "encoder",
  "lstmUnits",
  "pwLags",
  "pwWeightings",
  "dims",
  "iterations",
  "batchSize",
  "learningRate",
  "adversarial",
  "seed",
];

export class TrainForm {
  readonly element: HTMLElement;
  readonly data: DataField;
  /** Undefined until the worker has said what options there are. */
  #options: OptionForm | undefined;
  readonly #command = element("code", { class: "command" });
  readonly #fold = element("details", { open: true }, element("summary", {}, "Options"));

  /** @param buttons what the form is for. */
  constructor(private readonly call: CallWorker, buttons: HTMLElement) {
    this.data = new DataField(() => this.#tellCommand());
    const place = element("div", { class: "options" });
    this.#fold.append(place, element("p", { class: "about" }, "The same in a terminal:"), this.#command);
    this.element = element(
      "form",
      { class: "card form", "aria-label": "What to train", onsubmit: (event) => event.preventDefault() },
      this.data.element,
      buttons,
      this.#fold,
    );
    this.#tellCommand();
    void this.#fill(place);
  }

  /**
   * @returns undefined where a field is not as it should be: it says why.
   * @throws LabError for options that make no sense together.
   */
  async read(fromSnapshot: boolean): Promise<TrainRequest | undefined> {
    const options = this.#options;
    if (!options) return undefined;
    if (!await options.check()) {
      this.#fold.open = true;
      options.showFault();
      return undefined;
    }
    const chosen = await this.call("train", "read", { texts: options.texts, fromSnapshot });
    const data = await this.data.read(chosen.seed);
    return data && { data, options: chosen, fromSnapshot };
  }

  /** Fills in options; all others are at their defaults then. */
  write(texts: OptionTexts): void {
    this.#options?.write(texts);
  }

  /** Where the form stands above what comes of it, on a phone, its options are folded away. */
  makeWay(): void {
    if (matchMedia("(max-width: 800px)").matches) this.#fold.open = false;
  }

  async #fill(place: HTMLElement): Promise<void> {
    const groups = await this.call("train", "options", undefined);
    const adversarial = groups.find(({ options }) => options.some(({ name }) => name === "adversarial"));
    const ofStage = new Set(adversarial?.options.map(({ name }) => name));
    this.#options = new OptionForm(groups, {
      inView: IN_VIEW,
      isUsed: (name, text) =>
        isUsed(name, text) && (isStage(text) || name === "adversarial" || !ofStage.has(name)),
      faults: (texts) => this.call("train", "faults", texts),
      onChange: () => this.#tellCommand(),
    });
    place.replaceWith(this.#options.element);
  }

  #tellCommand(): void {
    const data = this.data.word === "" ? [] : ["--data", this.data.word];
    const words = ["deno task train", ...data, ...this.#options?.words ?? []];
    // Each in a part of its own: a line breaks between words, not behind their hyphens.
    this.#command.replaceChildren(...words.flatMap((word) => [element("span", {}, word), " "]));
  }
}

/** Options of an encoder that was not chosen say nothing. */
function isUsed(name: string, text: (name: string) => string): boolean {
  const encoder = text("encoder") || "lstm";
  if (name === "lstmUnits") return encoder === "lstm";
  if (name.startsWith("pw")) return encoder === "pw";
  return name !== "patience" || text("earlyStopping") !== "";
}

/** Whether there is an adversarial stage. */
function isStage(text: (name: string) => string): boolean {
  return Number(text("adversarial")) !== 0;
}
