import { closeSync, openSync, readSync, realpathSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { findCommand } from '../common/find-command.ts';

/** The file of a command, by its path or by PATH; null if there is none. */
export function fileOf(program: string, folder: string): string | null {
  return program.includes('/') ? resolve(folder, program) : findCommand(program);
}

/** `node`, `nodejs`, `node20`, `node-22.1`. */
export function isNode(name: string): boolean {
  return /^node(?:js|[-.]?\d[\d.]*)?$/.test(name);
}

/** The name of a file after all symlinks are resolved; '' if it does not exist. */
export function realName(file: string): string {
  try {
    return basename(realpathSync(file));
  } catch {
    return '';
  }
}

// linux/binfmts.h: BINPRM_BUF_SIZE. The kernel reads only this many bytes of a script's first line.
const HEAD_SIZE = 256;
/** Only this many bytes of a longer script are read. */
const TEXT_SIZE = 65_536;

/**
 * The command that the kernel executes for a script, `#!INTERPRETER [ARGUMENT]` (execve(2)), without the script's own
 * path; null for another file.
 */
export function scriptCommand(file: string): readonly string[] | null {
  const [line = ''] = beginning(file, HEAD_SIZE).split('\n', 1);
  const [, interpreter, argument = ''] = /^#![ \t]*([^ \t]+)[ \t]*(.*?)[ \t\r]*$/.exec(line) ?? [];
  if (interpreter === undefined) return null;
  return argument === '' ? [interpreter] : [interpreter, argument];
}

/** Whether a shell script may start node: one of its words or arguments is `node`. */
export function shellStartsNode(file: string, args: readonly string[]): boolean {
  if (args.some((argument) => isNode(basename(argument)))) return true;
  const code = beginning(file, TEXT_SIZE).replace(/^\s*#.*$/gm, '');
  return /(?:^|[\s/;&|("'])node(?:js)?(?=["'\s])/m.test(code);
}

/** The first bytes of a file as text; '' if it cannot be read. */
function beginning(file: string, size: number): string {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch {
    return '';
  }
  try {
    const bytes = Buffer.alloc(size);
    return bytes.subarray(0, readSync(fd, bytes, 0, size, 0)).toString();
  } catch {
    return '';
  } finally {
    closeSync(fd);
  }
}
