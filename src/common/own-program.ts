import { extname } from 'node:path';
import { isSea } from 'node:sea';
import { fileURLToPath } from 'node:url';

/** Whether this zero is a single executable that contains Node (npm run executable), not a script that Node runs. */
export const isStandalone = isSea();

const OPTION = '--program=';

/** Programs that zero starts as separate processes. */
export type OwnProgramName = 'node-launcher' | 'lane-sender';

/**
 * The program and first arguments of one of them. The standalone executable contains them, and its first argument
 * selects one.
 * @param beside the URL of a module in the same directory as the program's file, built in the same way
 * @param options options of Node, for a file
 */
export function ownProgram(
  name: OwnProgramName,
  beside: string,
  options: readonly string[] = [],
): readonly string[] {
  if (isStandalone) return [process.execPath, `${OPTION}${name}`];
  return [process.execPath, ...options, fileURLToPath(new URL(`${name}${extname(beside)}`, beside))];
}

/** The program that the first argument of the executable selects; null for a command of zero. */
export function wantedProgram(argument: string | undefined): string | null {
  return argument?.startsWith(OPTION) ? argument.slice(OPTION.length) : null;
}
