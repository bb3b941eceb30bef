import { basename } from 'node:path';
import { instanceNameFrom } from '../../config/values/names.ts';

/** What can be told of a service from the command that starts it. */
export interface Guess {
  readonly name: string;
  /** Where it listens when it is told so by its arguments; null where they say nothing. */
  readonly address: string | null;
  readonly args: readonly string[];
  /** How such a program takes a socket, one line of a comment each. */
  readonly sockets: readonly string[];
  /** It says READY=1. */
  readonly notifies: boolean;
  readonly shutdownTimeout: string;
}

/** Names that say nothing: the folder does. */
const NAMELESS = new Set(['server', 'index', 'app', 'main', 'start', 'www', 'wsgi', 'asgi', 'manage', 'run']);
const INTERPRETERS = /^(node(js)?|python[\d.]*|ruby|perl|php|deno|bun|java)$/;

const TAKEN_BY_NUMBER = ['It finds its socket as descriptor 3, LISTEN_FDS tells it so.'];
const NODE = ['In Node: server.listen({ fd: 3 }), or any port, with what NODE_OPTIONS loads below.'];
const PYTHON = ['In Python: socket.socket(fileno=3).'];
const GUNICORN = [
  'gunicorn takes it from LISTEN_FDS; its --bind has no effect. Without --preload it says that it is ready before it has',
  'imported the application.',
];
const UVICORN = ['uvicorn takes it by --fd; its --host and --port have no effect.'];

/** @param folder where the command is run, for its name */
export function guess(command: readonly string[], folder: string): Guess {
  const [program = '', ...args] = command;
  const kind = basename(program);
  const common = {
    name: nameOf(command, folder),
    address: addressOf(args),
    args,
    sockets: TAKEN_BY_NUMBER,
    notifies: false,
    shutdownTimeout: '30s',
  };
  if (/^node(js)?$|\.[cm]?js$/.test(kind)) return { ...common, sockets: NODE };
  // Its own --graceful-timeout is 30 s.
  if (kind === 'gunicorn') return { ...common, sockets: GUNICORN, notifies: true, shutdownTimeout: '40s' };
  if (kind === 'uvicorn') {
    const told = args.some((argument) => /^--fd(=|$)/.test(argument));
    return { ...common, sockets: UVICORN, args: told ? args : [...args, '--fd', '${fd.http}'] };
  }
  if (/^python[\d.]*$|\.py$/.test(kind)) return { ...common, sockets: PYTHON };
  return common;
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
  const valueBehind = (...names: string[]): string | null => {
    for (const [index, argument] of args.entries()) {
      const [option = '', ...value] = argument.split('=');
      if (names.includes(option)) return value.length > 0 ? value.join('=') : (args[index + 1] ?? null);
    }
    return null;
  };
  const port = valueBehind('--port', '-p');
  if (port !== null && /^\d+$/.test(port)) {
    const host = valueBehind('--host') ?? '';
    return `${host.includes(':') ? `[${host}]` : host}:${port}`;
  }
  const whole = valueBehind('--bind', '-b', '--listen', '--address', '--addr');
  return whole !== null && /^([^\s:]*|\[[\da-fA-F:]+\]):\d+$|^unix:/.test(whole) ? whole : null;
}
