import { readFileSync } from 'node:fs';
import path from 'node:path';
import { isStandalone } from '../../common/own-program.ts';
import { directoryAsGiven, pathAsGiven } from '../../service/as-given.ts';

/** The command that started a zero. */
export interface OwnCommand {
  /** Node, as its caller named it: a path, or a name in PATH. null: `script` contains Node. */
  readonly node: string | null;
  /** Options of Node before the script. */
  readonly options: readonly string[];
  /** The absolute path of zero's script or executable, with the symlinks of its caller. */
  readonly script: string;
  /** Arguments of zero. */
  readonly args: readonly string[];
}

/**
 * The command that starts this zero again, also after another version was installed at the same path.
 * @param again the arguments to start it with; null: those of this process
 */
export function ownCommand(again: readonly string[] | null = null): OwnCommand {
  const own = commandOfProcess();
  return again === null ? own : { ...own, args: again };
}

function commandOfProcess(): OwnCommand {
  // Node has resolved the symlinks of process.argv[1]. The kernel keeps the original arguments (proc_pid_cmdline(5)).
  const words = readFileSync('/proc/self/cmdline', 'utf8').split('\0').slice(0, -1);
  const [execPath, real = '', ...args] = process.argv;
  if (isStandalone) return { node: null, options: [], script: executableAsGiven(), args };
  const at = words.length - args.length - 1;
  // The arguments were overwritten, as process.title does.
  if (at < 1) return { node: execPath ?? '', options: process.execArgv, script: real, args };
  const script = path.resolve(directoryAsGiven(), words[at] ?? real);
  return { node: words[0] ?? '', options: words.slice(1, at), script, args };
}

/** The path of the executable. Keeps the symlinks of its caller if the caller used a path. */
export function executableAsGiven(): string {
  const { argv0, execPath } = process;
  const given = argv0.includes('/') ? path.resolve(argv0) : execPath;
  return pathAsGiven(execPath, given);
}

/** The words of the command, with the program first. */
export function wordsOf({ node, options, script, args }: OwnCommand): readonly string[] {
  return [...(node === null ? [] : [node, ...options]), script, ...args];
}
