import { basename } from 'node:path';
import { readHead } from './script.ts';

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

/** An unreadable file may still be executed: that does not require read permission. */
function beginsAsScript(path: string): boolean {
  return readHead(path)?.subarray(0, 2).toString('latin1') === '#!';
}
