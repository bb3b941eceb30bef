import { closeSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';

// Programs that are installed once and run the files that their arguments name.
const INTERPRETERS =
  /^(?:env|(?:ba|da|z|k|a|fi)?sh|node(?:js)?|deno|bun|python[\d.]*|pypy[\d.]*|ruby[\d.]*|perl[\d.]*|php[\d.]*|java|lua(?:jit)?[\d.]*|erl|elixir|dotnet|Rscript|tclsh[\d.]*|guile|raku)$/;

/**
 * Whether an executable is the service: `script` begins with `#!`, and an `interpreter` is nothing without the files that it runs.
 * Known by its name; one that is not known is taken for a program.
 */
export function kindOfExecutable(
  executable: string,
  args: readonly string[],
): 'program' | 'script' | 'interpreter' {
  if (beginsAsScript(executable)) return 'script';
  return args.length > 0 && INTERPRETERS.test(basename(executable)) ? 'interpreter' : 'program';
}

function beginsAsScript(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    // Reading is not needed for executing.
    return false;
  }
  try {
    const head = Buffer.alloc(2);
    return readSync(fd, head, 0, 2, 0) === 2 && head.toString('latin1') === '#!';
  } finally {
    closeSync(fd);
  }
}
