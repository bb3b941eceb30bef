import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** How `zero init` runs a program. */
export interface Program {
  /** Where it listens, as its arguments or its own files say, in zero's notation; empty where they say nothing. */
  readonly addresses: readonly string[];
  readonly args: readonly string[];
  /** How it takes a socket, one line of a comment each. */
  readonly sockets: readonly string[];
  /** What else of `runtime.protocols` it wants than the default; null for the default. */
  readonly protocols: readonly string[] | null;
  /** It says READY=1. */
  readonly notifies: boolean;
  readonly reloadUptime: string;
  readonly shutdownSignal: string;
  readonly shutdownTimeout: string;
  /** What the user has to change in the program's own files first, one sentence each. */
  readonly changes: readonly string[];
}

/** A command that may be of a program that is known here. */
export interface Command {
  /** The name of the program's file. */
  readonly kind: string;
  readonly args: readonly string[];
  /** Where it is run. */
  readonly folder: string;
  /** Addresses that the user asked for; empty for none. */
  readonly listen: readonly string[];
}

/** A program of which nothing is known. */
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

/** The value of the first of these options: `-c FILE`, `--config=FILE`; null where there is none. */
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

/** The text of a file of the program; null where it cannot be read. */
export function textOf(folder: string, file: string): string | null {
  try {
    return readFileSync(path.resolve(folder, file), 'utf8');
  } catch {
    return null;
  }
}

/** The files that a pattern with `*` in its last part means, as absolute paths. */
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

/** Each of them once. */
export function unique<Item>(items: readonly Item[]): Item[] {
  return [...new Set(items)];
}
