import type { Command, Option } from 'commander';
import { bashCompletion } from './completion/bash.ts';
import { fishCompletion } from './completion/fish.ts';
import type { OptionShape, Shape, Value } from './completion/parts.ts';
import { zshCompletion } from './completion/zsh.ts';

const SHELLS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;
export type Shell = keyof typeof SHELLS;

/** `zero completion SHELL`: prints the completion script for the shell. Returns the exit code. */
export function completion(
  shell: Shell,
  program: Command,
  write: (text: string) => void = (text) => process.stdout.write(text),
): number {
  write(SHELLS[shell](shapeOf(program)));
  return 0;
}

/** The signals that users send to services. */
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

function shapeOf(program: Command): Shape {
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
  // The name of a new instance cannot be completed.
  const isNew = long === '--name' && ARGUMENTS[command.name()]?.kind === 'command';
  const value = (isNew ? undefined : VALUES[long ?? '']) ?? ANYTHING;
  return {
    names: [short, long].filter((name) => name !== undefined),
    description,
    value: required || optional ? value : null,
    // Repeatable options collect their values: in commander itself, or in a function that starts with an empty list.
    repeatable: variadic || Array.isArray(defaultValue),
  };
}

function argumentOf(command: Command): Value | null {
  const [argument] = command.registeredArguments;
  if (argument === undefined) return null;
  if (argument.argChoices) return { kind: 'word', words: argument.argChoices };
  return ARGUMENTS[command.name()] ?? ANYTHING;
}
