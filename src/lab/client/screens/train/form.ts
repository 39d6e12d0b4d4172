/** What is to be trained: the data, the model and the options, as the command `train` takes them. */

import type { CallWorker } from "../../connection.ts";
import { element } from "../../elements.ts";
import type { TrainRequest } from "../../services/train.ts";
import type { OptionTexts, ShownGroup, ShownOption } from "../../services/train_options.ts";
import { DataField } from "./data_field.ts";
import { flagOf } from "../../../../run/options/definition.ts";

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

export interface FormOptions {
  /** Names of those that stand in view; the others are folded away. */
  readonly inView: readonly string[];
  /** Whether an option says anything beside the others. */
  isUsed(name: string, text: (name: string) => string): boolean;
  /** @returns what is wrong, by the options' names. */
  faults(texts: OptionTexts): Promise<Readonly<Record<string, string>>>;
  /** Told when anything was changed. */
  onChange(): void;
}

export class OptionForm {
  readonly element: HTMLElement = element("div", { class: "options" });
  readonly #fields: readonly Field[];
  #checks = 0;

  constructor(groups: readonly ShownGroup[], private readonly options: FormOptions) {
    const changed = () => {
      this.#showUsed();
      options.onChange();
      void this.check();
    };
    const folds: HTMLElement[] = [];
    const fields: Field[] = [];
    for (const group of groups) {
      const own = group.options.map((definition) => new Field(definition, changed));
      fields.push(...own);
      const isShown = ({ definition }: Field) => options.inView.includes(definition.name);
      this.element.append(...own.filter(isShown).map((field) => field.element));
      const folded = own.filter((field) => !isShown(field));
      if (folded.length === 0) continue;
      const heading = element("h3", { class: "group" }, group.heading.replace(/:$/, ""));
      folds.push(element("div", { class: "fold" }, heading, ...folded.map((field) => field.element)));
    }
    this.#fields = fields;
    this.element.append(element("details", {}, element("summary", {}, "More options"), ...folds));
    this.#showUsed();
  }

  /** Of those that say anything. */
  get texts(): OptionTexts {
    return Object.fromEntries(this.#given().map(({ definition, text }) => [definition.name, text]));
  }

  /** What was given, as it would be typed: ["--dims", "32-32"]. */
  get words(): string[] {
    return this.#given().flatMap((field) => field.words);
  }

  /** Says at each field what is wrong with it. @returns whether all is right. */
  async check(): Promise<boolean> {
    const check = ++this.#checks;
    const faults = await this.options.faults(this.texts);
    if (check !== this.#checks) return Object.keys(faults).length === 0; // another one is under way, of what was typed since
    for (const field of this.#fields) field.fault = faults[field.definition.name] ?? "";
    return Object.keys(faults).length === 0;
  }

  /** Brings the first field into view that is not as it should be. */
  showFault(): void {
    const bad = this.#fields.find((field) => field.fault !== "");
    bad?.element.closest("details")?.setAttribute("open", "");
    bad?.input.focus();
  }

  /** Sets values as they would be typed, and all others to their defaults. */
  write(texts: OptionTexts): void {
    for (const field of this.#fields) field.text = texts[field.definition.name] ?? "";
    this.#showUsed();
    this.options.onChange();
    void this.check();
  }

  #given(): Field[] {
    return this.#fields.filter((field) => !field.element.hidden && field.text !== "");
  }

  #showUsed(): void {
    const text = (name: string) =>
      this.#fields.find(({ definition }) => definition.name === name)?.text ?? "";
    for (const { definition, element } of this.#fields) {
      element.hidden = !this.options.isUsed(definition.name, text);
    }
  }
}

/** An option as a label, an input, what it is for, and what is wrong with it. */
class Field {
  readonly element: HTMLElement;
  readonly input: HTMLInputElement | HTMLSelectElement;
  readonly #fault = element("p", { class: "error", hidden: true });

  constructor(readonly definition: ShownOption, changed: () => void) {
    const id = `option-${definition.name}`;
    this.#fault.id = `${id}-error`;
    this.input = inputOf(definition);
    this.input.id = id;
    this.input.setAttribute("aria-describedby", `${id}-about ${this.#fault.id}`);
    this.input.addEventListener("input", changed);
    this.element = element(
      "div",
      { class: `field ${definition.kind}` },
      element("label", { for: id }, flagOf(definition)),
      this.input,
      element("p", { class: "about", id: `${id}-about` }, sentence(definition.about)),
      this.#fault,
    );
  }

  /** What was chosen; empty for the default. A switch that was turned is "yes". */
  get text(): string {
    const { input, definition } = this;
    if (definition.kind === "switch") return (input as HTMLInputElement).checked ? "yes" : "";
    return definition.kind === "choice" && input.value === definition.default ? "" : input.value.trim();
  }
  set text(text: string) {
    const { input, definition } = this;
    if (definition.kind === "switch") (input as HTMLInputElement).checked = text === "yes";
    else input.value = text === "" && definition.kind === "choice" ? definition.default ?? "" : text;
  }

  get words(): string[] {
    const flag = flagOf(this.definition);
    return this.definition.kind === "switch" ? [flag] : [flag, this.text];
  }

  get fault(): string {
    return this.#fault.textContent ?? "";
  }
  set fault(text: string) {
    this.#fault.textContent = text;
    this.#fault.hidden = text === "";
    this.input.setAttribute("aria-invalid", String(text !== ""));
  }
}

function inputOf(definition: ShownOption): HTMLInputElement | HTMLSelectElement {
  switch (definition.kind) {
    case "switch":
      return element("input", { type: "checkbox" });
    case "choice": {
      const names = definition.default === undefined ? ["", ...definition.choices] : definition.choices;
      const options = names.map((name) => {
        const selected = name === (definition.default ?? "");
        return element("option", { value: name, selected }, name === "" ? "never" : name);
      });
      return element("select", {}, ...options);
    }
    case "value": {
      const { defaultText, default: standard } = definition;
      const placeholder = defaultText ?? (standard === undefined ? "" : String(standard));
      return element("input", { type: "text", autocomplete: "off", spellcheck: "false", placeholder });
    }
  }
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1) + ".";
}
