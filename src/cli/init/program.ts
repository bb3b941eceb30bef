import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** How `zero init` runs a program. */
export interface Program {
  /** The addresses in its arguments or its own files, in zero's notation; empty if there are none. */
  readonly addresses: readonly string[];
  readonly args: readonly string[];
  /** How the program takes a socket, one line per comment line. */
  readonly sockets: readonly string[];
  /** The value for `runtime.protocols`; null for the default. */
  readonly protocols: readonly string[] | null;
  /** Whether the program sends READY=1. */
  readonly notifies: boolean;
  readonly reloadUptime: string;
  readonly shutdownSignal: string;
  readonly shutdownTimeout: string;
  /** Changes that the user must make first in the program's own files, one sentence each. */
  readonly changes: readonly string[];
}

/** A command, possibly of a program that has its own module here. */
export interface Command {
  /** The name of the program's file. */
  readonly kind: string;
  readonly args: readonly string[];
  /** The folder in which the command runs. */
  readonly folder: string;
  /** The addresses that the user specified; may be empty. */
  readonly listen: readonly string[];
}

/** Defaults for an unknown program. */
export const UNKNOWN: Omit<Program, 'args'> = {
  addresses: [],
  sockets: ['The service finds its socket as descriptor 3 (LISTEN_FDS).'],
  protocols: null,
  notifies: false,
  reloadUptime: '1s',
  shutdownSignal: 'SIGTERM',
  shutdownTimeout: '30s',
  changes: [],
};

/** The value of the first of these options: `-c FILE`, `--config=FILE`; null if there is none. */
export function optionOf(args: readonly string[], ...names: readonly string[]): string | null {
  for (const [index, argument] of args.entries()) {
    const [option = '', ...value] = argument.split('=');
    if (names.includes(option)) return value.length > 0 ? value.join('=') : (args[index + 1] ?? null);
  }
  return null;
}

/** The arguments without these options and their values. */
export function withoutOptions(args: readonly string[], ...names: readonly string[]): string[] {
  const left: string[] = [];
  for (let index = 0; index < args.length; index += 1) {
    const argument = args[index] ?? '';
    if (names.includes(argument)) index += 1;
    else if (!names.some((name) => name.startsWith('--') && argument.startsWith(`${name}=`)))
      left.push(argument);
  }
  return left;
}

/** The text of a file of the program; null if it cannot be read. */
export function textOf(folder: string, file: string): string | null {
  try {
    return readFileSync(path.resolve(folder, file), 'utf8');
  } catch {
    return null;
  }
}

/** The files that match a pattern with `*` in its last component, as absolute paths. */
export function filesOf(folder: string, pattern: string): string[] {
  const whole = path.resolve(folder, pattern);
  const name = path.basename(whole);
  if (!name.includes('*')) return [whole];
  const parts = name.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'));
  const matching = new RegExp(`^(?!\\.)${parts.join('.*')}$`);
  try {
    const directory = path.dirname(whole);
    return readdirSync(directory)
      .filter((one) => matching.test(one))
      .sort()
      .map((one) => path.join(directory, one));
  } catch {
    return [];
  }
}

/** Removes duplicates. */
export function unique<Item>(items: readonly Item[]): Item[] {
  return [...new Set(items)];
}
