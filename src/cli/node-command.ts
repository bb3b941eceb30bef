import { readFileSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findCommand } from '../config/index.ts';
import { requireToken } from '../service/register/node-options.ts';

/** What a command starts, where that is of interest to somebody who hands sockets over. */
export type Started =
  | { readonly kind: 'node' }
  /** It starts something else, which gets no descriptor but the first three. `instead`: what that is, where package.json says so. */
  | { readonly kind: 'package_manager'; readonly name: string; readonly instead: string | null }
  | { readonly kind: 'other' };

const PACKAGE_MANAGERS = new Set(['npm', 'npx', 'yarn', 'yarnpkg', 'pnpm', 'pnpx', 'bunx']);

/** @param folder where package.json is looked for */
export function whatStarts(command: readonly string[], folder: string = process.cwd()): Started {
  const [program = '', ...args] = behindEnv(command);
  const name = basename(program);
  if (PACKAGE_MANAGERS.has(name)) return { kind: 'package_manager', name, instead: scriptOf(args, folder) };
  return { kind: isNode(name) || isNode(basename(realPath(program))) ? 'node' : 'other' };
}

/** `env [-u NAME] [-C FOLDER] [NAME=VALUE]... COMMAND`: env(1) executes it in its own place. One that starts from nothing is left alone. */
function behindEnv(command: readonly string[]): readonly string[] {
  if (basename(command[0] ?? '') !== 'env') return command;
  for (let at = 1; at < command.length; at += 1) {
    const word = command[at] ?? '';
    if (word === '--' || /^[^-=][^=]*=/.test(word)) continue;
    if (/^(?:-u|-C|--unset|--chdir)$/.test(word)) at += 1;
    else if (!/^(?:-u.|-C.|--unset=|--chdir=)/.test(word))
      return word.startsWith('-') ? [] : command.slice(at);
  }
  return [];
}

const isNode = (name: string): boolean => /^node(?:js|[-.]?\d[\d.]*)?$/.test(name);

function realPath(program: string): string {
  try {
    return realpathSync(program.includes('/') ? program : (findCommand(program) ?? ''));
  } catch {
    return '';
  }
}

/** The script that `npm start`, `npm run NAME`, `yarn NAME` stand for. */
function scriptOf(args: readonly string[], folder: string): string | null {
  const [first, second] = args.filter((argument) => !argument.startsWith('-'));
  const name = first === 'run' || first === 'run-script' ? second : first;
  try {
    const { scripts } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const script: unknown = name === undefined ? undefined : scripts?.[name];
    return typeof script === 'string' ? script : null;
  } catch {
    return null;
  }
}

/** The word of NODE_OPTIONS that loads what takes sockets for a program that was never changed. */
export function registerToken(): string {
  return requireToken(fileURLToPath(new URL('service/register.cjs', import.meta.url)));
}

/** What a command that wants a service's own command says to a package manager's. */
export function managerRefusal(
  command: 'run' | 'init',
  { name, instead }: Extract<Started, { kind: 'package_manager' }>,
  listen: readonly string[],
): string {
  const options = listen.map((address) => `--listen ${address} `).join('');
  return (
    `zero ${command}: ${name} does not pass listening sockets on to what it starts. ` +
    `Name the node command itself: zero ${command} ${options}-- ${instead ?? 'node server.js'}`
  );
}
