import { findCommand } from '../common/find-command.ts';
import { listenArgument } from './address.ts';
import { checkTree } from './parse.ts';
import type { Path } from './path.ts';
import type { Problem } from './problem.ts';
import type { Config } from './schema.ts';

/** `zero run --listen ADDR... --name N --workers N -- COMMAND...` */
export interface RunArguments {
  readonly listen: readonly string[];
  readonly name?: string;
  /** A number or `auto`. */
  readonly workers?: string;
  readonly command: readonly string[];
  /** Added to the service's environment, which is otherwise zero's own. */
  readonly environment?: readonly { readonly key: string; readonly value: string }[];
}

/**
 * The config for `zero run` with a command: listeners `listener1`, `listener2` in the given order, defaults for all
 * other keys. The rules are those of a file. The place of a problem is the argument, with line 0.
 * @param find finds the executable of a command without a slash in PATH; null if there is none
 */
export function configFromArguments(
  given: RunArguments,
  find: (command: string) => string | null = findCommand,
): { config: Config } | { problems: Problem[] } {
  const [program = '', ...args] = given.command;
  if (program === '')
    return {
      problems: [problem('zero run', 'has no command: write it after "--", as in -- node server.js')],
    };
  const path = program.includes('/') ? program : find(program);
  if (path === null) return { problems: [problem(`-- ${program}`, 'was not found in PATH')] };
  const listeners = given.listen.map((text, index) => ({
    name: `listener${index + 1}`,
    address: listenArgument(text),
  }));
  const runtime = {
    ...(given.name === undefined ? {} : { name: given.name }),
    path,
    args,
    ...(given.workers === undefined ? {} : { workers: given.workers }),
    ...(given.environment && { environment: given.environment, inherit_environment: true }),
  };
  const checked = checkTree({ service: { listeners, runtime } }, () => false);
  if ('config' in checked) return checked;
  return { problems: checked.findings.map(({ path, message }) => problem(argumentAt(path, given), message)) };
}

function problem(file: string, message: string): Problem {
  return { file, line: 0, column: 0, message };
}

/** The argument that sets a part of the config. */
function argumentAt([, section, part]: Path, { listen, name, workers, command }: RunArguments): string {
  if (section === 'listeners' && typeof part === 'number') return `--listen ${listen[part]}`;
  if (part === 'workers') return `--workers ${workers}`;
  return part === 'name' ? `--name ${name}` : `-- ${command[0]}`;
}
