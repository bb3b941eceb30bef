import { readFileSync } from 'node:fs';
import path from 'node:path';
import { isStandalone } from '../../common/own-program.ts';
import { directoryAsGiven, pathAsGiven } from '../../service/as-given.ts';

/** How a zero was started. */
export interface OwnCommand {
  /** Node, as its caller named it: a path, or a name that was found on PATH. null: `script` contains Node. */
  readonly node: string | null;
  /** Options of Node in front of the script. */
  readonly options: readonly string[];
  /** Absolute path of zero's script or executable, through the symbolic links by which it was started. */
  readonly script: string;
  /** Arguments of zero. */
  readonly args: readonly string[];
}

/**
 * What starts this zero once more, also after another release was installed under the same path.
 * @param again the arguments to start it with; null: those of this process
 */
export function ownCommand(again: readonly string[] | null = null): OwnCommand {
  const own = commandOfProcess();
  return again === null ? own : { ...own, args: again };
}

function commandOfProcess(): OwnCommand {
  // Node has resolved the links of process.argv[1]; the kernel keeps the arguments as they were (proc_pid_cmdline(5)).
  const words = readFileSync('/proc/self/cmdline', 'utf8').split('\0').slice(0, -1);
  const [execPath, real = '', ...args] = process.argv;
  if (isStandalone) return { node: null, options: [], script: executableAsGiven(), args };
  const at = words.length - args.length - 1;
  // Something has overwritten the arguments, as process.title does.
  if (at < 1) return { node: execPath ?? '', options: process.execArgv, script: real, args };
  const script = path.resolve(directoryAsGiven(), words[at] ?? real);
  return { node: words[0] ?? '', options: words.slice(1, at), script, args };
}

/** The path of the executable, through the symbolic links by which it was started where it was started by a path. */
export function executableAsGiven(): string {
  const { argv0, execPath } = process;
  const given = argv0.includes('/') ? path.resolve(argv0) : execPath;
  return pathAsGiven(execPath, given);
}

/** As argv, with the program in front. */
export function wordsOf({ node, options, script, args }: OwnCommand): readonly string[] {
  return [...(node === null ? [] : [node, ...options]), script, ...args];
}
