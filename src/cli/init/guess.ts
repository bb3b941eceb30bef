import { basename } from 'node:path';
import { instanceNameFrom } from '../../config/values/names.ts';
import { type Command, optionOf, type Program, UNKNOWN } from './program.ts';
import { haproxy } from './programs/haproxy.ts';
import { nginx } from './programs/nginx.ts';
import { node } from './programs/node.ts';
import { phpFpm } from './programs/php-fpm.ts';
import { puma } from './programs/puma.ts';
import { gunicorn, uvicorn } from './programs/python.ts';

/** What can be told of a service from the command that starts it. */
export interface Guess extends Program {
  readonly name: string;
}

/** Names that say nothing: the folder does. */
const NAMELESS = new Set(['server', 'index', 'app', 'main', 'start', 'www', 'wsgi', 'asgi', 'manage', 'run']);
const INTERPRETERS = /^(node(js)?|python[\d.]*|ruby|perl|php|deno|bun|java)$/;

const PYTHON = ['In Python: socket.socket(fileno=3).'];

/**
 * @param folder where the command is run
 * @param listen addresses that the user asked for
 */
export function guess(command: readonly string[], folder: string, listen: readonly string[] = []): Guess {
  const [program = '', ...args] = command;
  return {
    name: nameOf(command, folder),
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

function nameOf([program = '', ...args]: readonly string[], folder: string): string {
  const file = basename(program);
  const named = INTERPRETERS.test(file) || /^(gunicorn|uvicorn)$/.test(file) ? subjectOf(args) : file;
  const name = (named ?? file).replace(/\.([cm]?[jt]s|py|rb|pl|php|jar|sh)$/, '');
  return instanceNameFrom(NAMELESS.has(name) ? basename(folder) : name);
}

/** What an interpreter is told to run: a file, a module, or what is in front of the colon of `module:object`. */
function subjectOf(args: readonly string[]): string | null {
  const module = args[args.indexOf('-m') + 1];
  const subject =
    args.find((argument) => /^[^-].*\.([cm]?[jt]s|py|rb|pl|php|jar)$|^[\w.]+:[\w.()]+$/.test(argument)) ??
    (args.includes('-m') ? module : args.find((argument) => !argument.startsWith('-')));
  return subject === undefined ? null : basename(subject.replace(/:.*$/, ''));
}

/** `--port 80`, `-p 80`, `--bind 127.0.0.1:80`, `--host H --port 80`, with a space or an equals sign. */
function addressOf(args: readonly string[]): string | null {
  const port = optionOf(args, '--port', '-p');
  if (port !== null && /^\d+$/.test(port)) {
    const host = optionOf(args, '--host') ?? '';
    return `${host.includes(':') ? `[${host}]` : host}:${port}`;
  }
  const whole = optionOf(args, '--bind', '-b', '--listen', '--address', '--addr');
  return whole !== null && /^([^\s:]*|\[[\da-fA-F:]+\]):\d+$|^unix:/.test(whole) ? whole : null;
}
