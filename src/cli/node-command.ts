import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isStandalone } from '../common/own-program.ts';
import { pathAsGiven } from '../service/as-given.ts';
import { requireToken } from '../service/register/node-options.ts';
import { fileOf, isNode, realName, scriptCommand, shellStartsNode } from './command-file.ts';
import { behindEnv, behindPrefix, lastCommand, type Prefix } from './command-words.ts';
import { registerFile } from './executable/register-file.ts';
import { insteadOf, packageScript, type Wrapper } from './node-wrappers.ts';

/** What a command starts, where that is of interest to somebody who hands sockets over. */
export type Started =
  | { readonly kind: 'node' }
  /** A shell or another program that may execute node in its own place. Its sockets reach node then. */
  | { readonly kind: 'may_execute_node' }
  /**
   * It starts something else, which gets no descriptor but the first three. `instead`: what that is, where package.json
   * says so.
   */
  | { readonly kind: 'package_manager'; readonly name: string; readonly instead: string | null }
  /** It starts node as a child process, which gets no socket. `instead`: the command that does the same in one process. */
  | ({ readonly kind: 'wrapper' } & Wrapper)
  | { readonly kind: 'other' };

const PACKAGE_MANAGERS = new Set(['npm', 'npx', 'yarn', 'yarnpkg', 'pnpm', 'pnpx', 'bunx']);

const SHELLS = /^(?:ba|da|z|k|mk|a)?sh$/;

/** A script may name a script as its interpreter; the kernel follows five of them (BINPRM_MAX_RECURSION, exec.c). */
const MAX_DEPTH = 5;

/** @param folder where package.json is looked for, and relative paths begin */
export function whatStarts(command: readonly string[], folder: string = process.cwd()): Started {
  return look(command, folder, MAX_DEPTH);
}

function look(command: readonly string[], folder: string, depth: number): Started {
  const words = behindEnv(command);
  const [program = '', ...args] = words;
  const name = basename(program);
  if (program === '' || depth === 0) return { kind: 'other' };
  if (PACKAGE_MANAGERS.has(name)) {
    return { kind: 'package_manager', name, instead: packageScript(name, args, folder) };
  }
  const wrapper = insteadOf(words, folder);
  if (wrapper !== null) return { kind: 'wrapper', ...wrapper };
  if (isNode(name)) return { kind: 'node' };
  if (SHELLS.test(name)) return shell(words, folder, depth);
  const prefix = behindPrefix(words, isNode);
  if (prefix !== null) return behind(prefix, folder, depth);
  const file = fileOf(program, folder);
  if (file === null) return { kind: 'other' };
  if (isNode(realName(file))) return { kind: 'node' };
  const script = scriptCommand(file);
  if (script === null) return { kind: 'other' };
  return look([...script, file, ...args], folder, depth - 1);
}

/** `sh -c TEXT` and `sh FILE`. */
function shell([program = '', ...args]: readonly string[], folder: string, depth: number): Started {
  const [option = '', text = ''] = args;
  if (!/^-[a-z]*c$/.test(option)) {
    const file = args.find((argument) => !argument.startsWith('-'));
    return file !== undefined && shellStartsNode(resolve(folder, file), args)
      ? { kind: 'may_execute_node' }
      : { kind: 'other' };
  }
  const { before, words, executes, withExec } = lastCommand(text);
  const started: Started = words === null ? { kind: 'other' } : look(words, folder, depth - 1);
  if (before === '' && words !== null && started.kind !== 'node') return started;
  const mayStart = started.kind === 'node' || /(?:^|[\s/;&|(])node(?:js)?(?=\s)/.test(text);
  if (!mayStart) return { kind: 'other' };
  const forks =
    started.kind === 'node' && !executes && !executesLast(realName(fileOf(program, folder) ?? ''));
  if (!forks || words === null) return { kind: 'may_execute_node' };
  const instead = text.trim() === words.join(' ') ? words : [program, option, withExec];
  return { kind: 'wrapper', name: `${basename(program)} ${option}`, instead, hint: null };
}

/** bash, ksh and zsh execute the last command of a text in their own place, dash and busybox do not. */
function executesLast(name: string): boolean {
  return /^(?:bash|zsh|m?ksh(?:93)?)$/.test(name);
}

/** What `nice`, `tini` and so on start: in their own place, or as a child. */
function behind({ name, command, executes }: Prefix, folder: string, depth: number): Started {
  const started = look(command, folder, depth - 1);
  if (executes || started.kind !== 'node') return started;
  return { kind: 'wrapper', name, instead: command, hint: null };
}

/** The word of NODE_OPTIONS that loads what takes sockets for a program that was never changed. */
export function registerToken(): string {
  if (isStandalone) return requireToken(registerFile());
  const real = fileURLToPath(new URL('service/register.cjs', import.meta.url));
  return requireToken(pathAsGiven(real, process.argv[1] ?? real));
}

/** Whether the module is to be loaded: it acts in the process that gets the sockets, and in no other. */
export function loadsModule({ kind }: Started): boolean {
  return kind === 'node' || kind === 'may_execute_node';
}

/** A command whose service gets no socket. */
export interface LostSockets {
  readonly why: string;
  /** The command to use instead, as a shell reads it. */
  readonly instead: string;
  readonly hint: string | null;
}

/** Why the sockets would be lost on the way to the service; null where nothing is known to lose them. */
export function lostSockets(started: Started): LostSockets | null {
  if (started.kind === 'package_manager') {
    const why = `${started.name} does not pass listening sockets on to its child processes`;
    return { why, instead: started.instead ?? 'node server.js', hint: null };
  }
  if (started.kind !== 'wrapper') return null;
  const { name, instead, hint } = started;
  const why = `${name} starts node as a child process, which does not get the listening sockets`;
  return { why, instead: instead.map(quoted).join(' '), hint };
}

/** What `zero run` and `zero init` say to such a command; null where there is nothing to say. */
export function refusalOf(
  command: 'run' | 'init',
  started: Started,
  listen: readonly string[],
): string | null {
  const lost = lostSockets(started);
  if (lost === null) return null;
  const options = listen.map((address) => `--listen ${address} `).join('');
  const advice = started.kind === 'wrapper' ? 'Start node itself' : 'Specify the node command itself';
  const hint = lost.hint === null ? '' : `. ${lost.hint}`;
  return `zero ${command}: ${lost.why}. ${advice}: zero ${command} ${options}-- ${lost.instead}${hint}`;
}

/** A word as a shell reads it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
