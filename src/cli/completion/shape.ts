import type { Command, Option } from 'commander';

/** What can be typed in one place of the command line. */
export type Value =
  | { readonly kind: 'word'; readonly words: readonly string[] }
  | { readonly kind: 'file' }
  /** The name of a zero that runs. */
  | { readonly kind: 'instance' }
  /** The number of a generation that the instance knows. */
  | { readonly kind: 'generation' }
  /** The number of a handover that the instance knows. */
  | { readonly kind: 'handover' }
  /** Somebody else's command and its arguments, behind `--`. */
  | { readonly kind: 'command' }
  | { readonly kind: 'anything' };

export interface OptionShape {
  /** `-f`, `--follow`. */
  readonly names: readonly string[];
  readonly description: string;
  /** Null for a flag. */
  readonly value: Value | null;
  /** Whether it may be given several times. */
  readonly repeatable: boolean;
}

export interface CommandShape {
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionShape[];
  /** What stands behind the options; null where nothing may. */
  readonly argument: Value | null;
}

/** The command line as it is defined, so that a completion cannot offer what there is not. */
export interface Shape {
  readonly commands: readonly CommandShape[];
  /** In front of a command. */
  readonly options: readonly OptionShape[];
}

/** The signals that somebody sends to a service. */
const SIGNALS = ['HUP', 'INT', 'QUIT', 'USR1', 'USR2', 'TERM', 'WINCH', 'CONT', 'STOP', 'KILL'];

const ANYTHING: Value = { kind: 'anything' };
const VALUES: Readonly<Record<string, Value>> = {
  '--config': { kind: 'file' },
  '--name': { kind: 'instance' },
  '--generation': { kind: 'generation' },
  '--to': { kind: 'generation' },
};
const ARGUMENTS: Readonly<Record<string, Value>> = {
  run: { kind: 'command' },
  init: { kind: 'command' },
  wait: { kind: 'handover' },
  signal: { kind: 'word', words: SIGNALS },
};

export function shapeOf(program: Command): Shape {
  const help = program.createHelp();
  const optionsOf = (command: Command) =>
    help.visibleOptions(command).map((option) => optionShape(option, command));
  return {
    options: optionsOf(program),
    commands: help.visibleCommands(program).map((command) => ({
      name: command.name(),
      description: command.description(),
      options: optionsOf(command),
      argument: argumentOf(command),
    })),
  };
}

function optionShape(option: Option, command: Command): OptionShape {
  const { short, long, description, required, optional, variadic, defaultValue } = option;
  // Where a command of one's own is given the name is a new one.
  const isNew = long === '--name' && ARGUMENTS[command.name()]?.kind === 'command';
  const value = (isNew ? undefined : VALUES[long ?? '']) ?? ANYTHING;
  return {
    names: [short, long].filter((name) => name !== undefined),
    description,
    value: required || optional ? value : null,
    // Its values are collected: by commander itself, or by a function that starts with an empty list.
    repeatable: variadic || Array.isArray(defaultValue),
  };
}

function argumentOf(command: Command): Value | null {
  const [argument] = command.registeredArguments;
  if (argument === undefined) return null;
  if (argument.argChoices) return { kind: 'word', words: argument.argChoices };
  return ARGUMENTS[command.name()] ?? ANYTHING;
}
