/** Commander's options, made of the definitions that the lab shares. */

import { type Command, InvalidArgumentError, Option } from "commander";
import type { OptionDefinition, OptionGroup } from "../run/options/definition.ts";
import { InvalidValue } from "../run/options/values.ts";

/** Adds a group under its heading. */
export function addGroup(command: Command, { heading, options }: OptionGroup): Command {
  command.optionsGroup(heading);
  for (const definition of options) command.addOption(optionOf(definition));
  return command;
}

/** An option as commander has it. */
export function optionOf(definition: OptionDefinition): Option {
  const option = new Option(definition.flags, definition.about);
  switch (definition.kind) {
    case "switch":
      return option.negate ? option : option.default(definition.default);
    case "choice":
      option.choices(definition.choices);
      return definition.default === undefined ? option : option.default(definition.default);
    case "value": {
      option.argParser(asArgument(definition.parse));
      if (definition.preset !== undefined) option.preset(definition.preset);
      return definition.default === undefined
        ? option
        : option.default(definition.default, definition.defaultText);
    }
  }
}

/** What commander takes: its own error for a value that is refused, to which it adds the option's name. */
export function asArgument<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw error instanceof InvalidValue ? new InvalidArgumentError(error.message) : error;
    }
  };
}
