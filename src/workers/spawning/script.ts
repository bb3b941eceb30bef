import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { machineProblem } from './machine.ts';

// linux/binfmts.h: BINPRM_BUF_SIZE, the only part that the kernel reads.
const HEAD_SIZE = 256;

/**
 * Why the kernel would refuse an executable file because of its first bytes, or null: a script whose interpreter is
 * missing (execve(2) returns only ENOENT, as if the script were missing), a text without a `#!` line, an empty file, a
 * program for another machine. An unreadable file passes: executing does not require read permission.
 */
export function scriptProblem(executable: string, directory: string): string | null {
  const head = readHead(executable);
  if (head === null) return null;
  if (head.length === 0) return 'the file is empty';
  const [firstLine = ''] = head.toString('latin1').split('\n', 1);
  const [, interpreter] = /^#![ \t]*([^ \t]+)/.exec(firstLine) ?? [];
  if (interpreter !== undefined)
    return interpreterProblem(Buffer.from(interpreter, 'latin1').toString(), directory);
  if (firstLine.startsWith('#!')) return 'its #! line has no interpreter';
  // A binary has NUL bytes near its start. It may have any format that binfmt_misc supports.
  return head.includes(0) ? machineProblem(head) : 'it is neither a program nor a script that begins with #!';
}

function interpreterProblem(interpreter: string, directory: string): string | null {
  try {
    statSync(resolve(directory, interpreter));
    return null;
  } catch {
    return interpreter.endsWith('\r')
      ? `its interpreter "${interpreter.slice(0, -1)}\\r" does not exist: the script has Windows line ends (CRLF)`
      : `its interpreter ${interpreter} does not exist`;
  }
}

/** The first bytes of a file; null if it cannot be read. */
export function readHead(path: string): Buffer | null {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return null;
  }
  try {
    const head = Buffer.alloc(HEAD_SIZE);
    return head.subarray(0, readSync(fd, head, 0, HEAD_SIZE, 0));
  } catch {
    return null;
  } finally {
    closeSync(fd);
  }
}
