import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isStandalone } from '../common/own-program.ts';
import { shellWord } from '../common/text.ts';
import { pathAsGiven } from '../service/as-given.ts';
import { requireToken } from '../service/register/node-options.ts';
import { fileOf, isNode, realName, scriptCommand, shellStartsNode } from './command-file.ts';
import { behindEnv, behindPrefix, lastCommand, type Prefix } from './command-words.ts';
import { registerFile } from './executable/register-file.ts';
import { insteadOf, packageScript, type Wrapper } from './node-wrappers.ts';

/** The kind of program that a command starts, as far as it matters for passing sockets. */
export type Started =
  | { readonly kind: 'node' }
  /** A shell or another program that may execute node in its own process. Then node gets its sockets. */
  | { readonly kind: 'may_execute_node' }
  /**
   * Starts another program as a child process, which inherits only the first three descriptors. `instead`: that
   * program's command, if package.json contains it.
   */
  | { readonly kind: 'package_manager'; readonly name: string; readonly instead: string | null }
  /** Starts node as a child process, which gets no socket. `instead`: an equivalent command in one process. */
  | ({ readonly kind: 'wrapper' } & Wrapper)
  | { readonly kind: 'other' };

const PACKAGE_MANAGERS = new Set(['npm', 'npx', 'yarn', 'yarnpkg', 'pnpm', 'pnpx', 'bunx']);

const SHELLS = /^(?:ba|da|z|k|mk|a)?sh$/;

/** A script may name a script as its interpreter. The kernel follows five of them (BINPRM_MAX_RECURSION, exec.c). */
const MAX_DEPTH = 5;

/** @param folder the folder of package.json, and the base of relative paths */
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

/** bash, ksh and zsh execute the last command of a text in their own process; dash and busybox do not. */
function executesLast(name: string): boolean {
  return /^(?:bash|zsh|m?ksh(?:93)?)$/.test(name);
}

/** The command that `nice`, `tini` and so on start, in their own process or as a child. */
function behind({ name, command, executes }: Prefix, folder: string, depth: number): Started {
  const started = look(command, folder, depth - 1);
  if (executes || started.kind !== 'node') return started;
  return { kind: 'wrapper', name, instead: command, hint: null };
}

/**
 * The token for NODE_OPTIONS that loads the module for unchanged programs.
 * @param lasting whether the module must still be there after a restart of the machine
 * @throws InstanceError if the executable cannot write the module
 */
export function registerToken(lasting: boolean): string {
  if (isStandalone) return requireToken(registerFile(lasting));
  const real = fileURLToPath(new URL('service/register.cjs', import.meta.url));
  return requireToken(pathAsGiven(real, process.argv[1] ?? real));
}

/** Whether to load the module: it acts only in the process that receives the sockets. */
export function loadsModule({ kind }: Started): boolean {
  return kind === 'node' || kind === 'may_execute_node';
}

/** A command that does not pass its sockets to the service. */
export interface LostSockets {
  readonly why: string;
  /** The command to use instead, in shell syntax. */
  readonly instead: string;
  readonly hint: string | null;
}

/** Why the sockets would not reach the service; null if no reason is known. */
export function lostSockets(started: Started): LostSockets | null {
  if (started.kind === 'package_manager') {
    const why = `${started.name} does not pass listening sockets on to its child processes`;
    return { why, instead: started.instead ?? 'node server.js', hint: null };
  }
  if (started.kind !== 'wrapper') return null;
  const { name, instead, hint } = started;
  const why = `${name} starts node as a child process, which does not get the listening sockets`;
  return { why, instead: instead.map(shellWord).join(' '), hint };
}

/** The error of `zero run` and `zero init` for such a command; null if there is none. */
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
