import { basename } from 'node:path';

/**
 * The command after `env [-S] [-u NAME] [-C FOLDER] [NAME=VALUE]...`, which env(1) executes in its own process. Empty
 * if env starts with an empty environment, because zero's variables would not reach the command.
 */
export function behindEnv(command: readonly string[]): readonly string[] {
  if (basename(command[0] ?? '') !== 'env') return command;
  const words = [...command];
  for (let at = 1; at < words.length; at += 1) {
    const word = words[at] ?? '';
    const [, attached] = /^(?:-S|--split-string=)(.+)$/s.exec(word) ?? [];
    if (attached !== undefined || word === '-S' || word === '--split-string') {
      const text = attached ?? words[at + 1] ?? '';
      const split = wordsOf(text);
      if (split === null) return [];
      words.splice(at, attached === undefined ? 2 : 1, ...split);
      at -= 1;
    } else if (word === '--' || /^[^-=][^=]*=/.test(word)) {
    } else if (/^(?:-u|-C|--unset|--chdir)$/.test(word)) at += 1;
    else if (!/^(?:-u.|-C.|--unset=|--chdir=)/.test(word)) return word.startsWith('-') ? [] : words.slice(at);
  }
  return [];
}

/**
 * The words of a simple command as a shell splits it, without leading variables and `exec`; null for a text with other
 * shell syntax (several commands, expansions, redirections).
 */
export function wordsOf(text: string): string[] | null {
  if (/[;&|<>()$`\\\n*?#~{}[\]!]/.test(text)) return null;
  const words = [...text.matchAll(/(?:[^\s'"]|'[^']*'|"[^"]*")+/g)].map(([word]) =>
    word.replace(/['"]/g, ''),
  );
  if ((text.match(/'/g)?.length ?? 0) % 2 === 1 || (text.match(/"/g)?.length ?? 0) % 2 === 1) return null;
  while (/^[A-Za-z_]\w*=/.test(words[0] ?? '')) words.shift();
  if (words[0] === 'exec') words.shift();
  return words;
}

/** The last command in the text of a shell. */
export interface LastCommand {
  /** The text before the command; '' if it is the only one. */
  readonly before: string;
  /** The words of the command, see wordsOf(). */
  readonly words: readonly string[] | null;
  /** Whether the command replaces the shell (`exec`). */
  readonly executes: boolean;
  /** The whole text with `exec` before the last command. */
  readonly withExec: string;
}

/** Finds the last command in a text such as `cd /srv && exec node app.js`. */
export function lastCommand(text: string): LastCommand {
  const [, before = '', last = ''] = /^(.*(?:;|&&|\|\||\n))?(.*?)\s*$/s.exec(text) ?? [];
  const [, variables = '', command = ''] =
    /^(\s*(?:[A-Za-z_]\w*=(?:[^\s'"]|'[^']*'|"[^"]*")*\s+)*)(.*)$/s.exec(last) ?? [];
  const withExec = `${before}${variables}exec ${command}`;
  return { before, words: wordsOf(last), executes: /^exec\s/.test(command), withExec };
}

/** A program that starts the command in its arguments. */
export interface Prefix {
  readonly name: string;
  readonly command: readonly string[];
  /** Whether it executes the command in its own process (execve(2)), which keeps descriptors and pid. */
  readonly executes: boolean;
}

const EXECUTES = new Set([
  'chrt',
  'chroot',
  'gosu',
  'ionice',
  'nice',
  'nohup',
  'numactl',
  'prlimit',
  'setpriv',
  'stdbuf',
  'su-exec',
  'taskset',
]);
const FORKS = new Set(['catatonit', 'dumb-init', 'strace', 'sudo', 'time', 'timeout', 'tini', 'tini-static']);

/**
 * Splits `nice -n 5 node app.js` or `tini -- node app.js` into the prefix and the command from node on; null for other
 * commands.
 */
export function behindPrefix(
  [program = '', ...args]: readonly string[],
  isNode: (name: string) => boolean,
): Prefix | null {
  const name = basename(program);
  const executes = EXECUTES.has(name);
  if (!executes && !FORKS.has(name)) return null;
  const at = args.findIndex((argument) => isNode(basename(argument)));
  // `gosu node app.js`: here node is the name of a user.
  const isUser = (name === 'gosu' || name === 'su-exec') && at === 0;
  const from = isUser ? args.findIndex((argument, index) => index > 0 && isNode(basename(argument))) : at;
  return from < 0 ? null : { name, executes, command: args.slice(from) };
}
