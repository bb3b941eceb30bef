import { basename } from 'node:path';
import { formatHostPort } from '../../common/host-port.ts';
import { readableName } from '../../supervisor/instance/default-name.ts';
import { type Command, optionOf, type Program, UNKNOWN } from './program.ts';
import { haproxy } from './programs/haproxy.ts';
import { nginx } from './programs/nginx.ts';
import { node } from './programs/node.ts';
import { phpFpm } from './programs/php-fpm.ts';
import { puma } from './programs/puma.ts';
import { gunicorn, uvicorn } from './programs/python.ts';

/** The properties of a service that can be guessed from its command. */
export interface Guess extends Program {
  readonly name: string;
}

const PYTHON = ['In Python: socket.socket(fileno=3).'];

/**
 * @param folder the folder in which the command runs
 * @param listen the addresses that the user specified
 */
export function guess(command: readonly string[], folder: string, listen: readonly string[] = []): Guess {
  const [program = '', ...args] = command;
  return {
    name: readableName({ path: program, args, directory: '' }, { file: null, folder }),
    ...programOf({ kind: basename(program), args, folder, listen }),
  };
}

function programOf(command: Command): Program {
  const { kind, args } = command;
  if (/^node(js)?$|\.[cm]?js$/.test(kind)) return node(command);
  if (kind === 'nginx') return nginx(command);
  if (kind === 'haproxy') return haproxy(command);
  if (/^php-fpm[\d.]*$/.test(kind)) return phpFpm(command);
  if (kind === 'gunicorn') return gunicorn(command);
  if (kind === 'uvicorn') return uvicorn(command);
  if (kind === 'puma') return puma(command);
  const address = addressOf(args);
  const other = { ...UNKNOWN, addresses: address === null ? [] : [address], args };
  return /^python[\d.]*$|\.py$/.test(kind) ? { ...other, sockets: PYTHON } : other;
}

/**
 * The address in `--port 80`, `-p 80`, `--bind 127.0.0.1:80` or `--host H --port 80`, with a space or an equals sign.
 */
function addressOf(args: readonly string[]): string | null {
  const port = optionOf(args, '--port', '-p');
  if (port !== null && /^\d+$/.test(port)) {
    const host = optionOf(args, '--host') ?? '';
    return formatHostPort({ host, port });
  }
  const whole = optionOf(args, '--bind', '-b', '--listen', '--address', '--addr');
  return whole !== null && /^([^\s:]*|\[[\da-fA-F:]+\]):\d+$|^unix:/.test(whole) ? whole : null;
}
