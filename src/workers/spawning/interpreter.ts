import { closeSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';

// Programs that are installed once and run the files in their arguments.
const INTERPRETERS =
  /^(?:env|(?:ba|da|z|k|a|fi)?sh|node(?:js)?|deno|bun|python[\d.]*|pypy[\d.]*|ruby[\d.]*|perl[\d.]*|php[\d.]*|java|lua(?:jit)?[\d.]*|erl|elixir|dotnet|Rscript|tclsh[\d.]*|guile|raku)$/;

/**
 * Whether an executable is the service itself: `script` begins with `#!`, and an `interpreter` does nothing without the
 * files that it runs. It is recognised by name; an unknown one counts as a program.
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
    // Executing does not require read permission.
    return false;
  }
  try {
    const head = Buffer.alloc(2);
    return readSync(fd, head, 0, 2, 0) === 2 && head.toString('latin1') === '#!';
  } finally {
    closeSync(fd);
  }
}
