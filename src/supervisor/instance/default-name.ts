import path from 'node:path';
import { instanceNameFrom } from '../../config/values/names.ts';
import { Fingerprint } from '../../watch/survey.ts';

/** The command of a service. */
export interface ServiceCommand {
  readonly path: string;
  readonly args: readonly string[];
  /** The working directory of the service. If empty or relative, it is relative to `folder`. */
  readonly directory: string;
}

/** The origin of a service. */
export interface Origin {
  /** The absolute path of the config file; null for a service from command line arguments. */
  readonly file: string | null;
  /** The working directory of zero. */
  readonly folder: string;
}

/** Digits at the end of a default name. */
const DIGITS = 8;
/** A name has at most 64 characters (src/config/values/names.ts). */
const MAX_READABLE = 64 - DIGITS - 1;

/** Programs that run another one, which their arguments name. */
const INTERPRETERS =
  /^(?:node(?:js)?|python|pypy|ruby|perl|php|deno|bun|tsx|ts-node|java|dotnet|mono|lua|luajit|Rscript|tclsh|guile|erl|elixir|(?:ba|da|z|k|a|fi)?sh|gunicorn|uvicorn|hypercorn|nodemon|env|nice|nohup|setsid|timeout|stdbuf|taskset|setpriv|sudo|tini|dumb-init)[-.\d]*$/;
const PROGRAM_TEXT = /\.(?:[cm]?[jt]sx?|py|rb|p[lm]|php|jar|dll|lua|sh|tcl|exs?|R)$/;
/** `module:object`, as servers for Python expect it. */
const MODULE = /^[\w.]+:[\w.()]+$/;
/** Names that many programs have: the name of the directory is more specific. */
const GENERIC = new Set('server index app main start www wsgi asgi manage run service'.split(' '));
const GENERIC_DIRECTORIES = new Set('current bin sbin dist build out src lib'.split(' '));

/**
 * The default name of an instance: that of its script, program or directory, never that of an interpreter. Its digits
 * differ for every directory and for every config file.
 */
export function defaultName(command: ServiceCommand, origin: Origin): string {
  const readable = readableName(command, origin).slice(0, MAX_READABLE);
  const subject = subjectOf(command);
  const fingerprint = new Fingerprint();
  const { file, folder } = origin;
  const what = subject === null ? [command.path, ...command.args] : [path.resolve(folder, subject)];
  // Paths and arguments have no NUL character.
  fingerprint.add((file === null ? [folder, ...what] : [file]).join('\0'));
  return `${readable}-${fingerprint.value.slice(0, DIGITS)}`;
}

/** The default name without the digits: for users to read, not for a directory. */
export function readableName(command: ServiceCommand, { file, folder }: Origin): string {
  const subject = subjectOf(command);
  const name = subject === null ? '' : path.basename(subject).replace(PROGRAM_TEXT, '');
  if (name !== '' && !GENERIC.has(name)) return instanceNameFrom(name);
  const given = command.directory === '' ? null : path.resolve(folder, command.directory);
  const nearest = subject?.startsWith('/')
    ? path.dirname(subject)
    : file === null
      ? folder
      : path.dirname(file);
  return instanceNameFrom(directoryName(given ?? nearest) || name);
}

/** The file or module of the service: the program itself, or the one that an interpreter runs; null if unknown. */
export function subjectOf({ path: program, args }: ServiceCommand): string | null {
  if (!isInterpreter(program)) return program;
  const [first = ''] = args;
  const module = args.indexOf('-m');
  const subject =
    args.find((argument) => isWord(argument) && (PROGRAM_TEXT.test(argument) || MODULE.test(argument))) ??
    (module < 0 ? first : args[module + 1]);
  if (subject === undefined || !isWord(subject) || isInterpreter(subject)) return null;
  return MODULE.test(subject) ? subject.slice(0, subject.indexOf(':')) : subject;
}

/** Whether a program runs another one. */
export function isInterpreter(program: string): boolean {
  return INTERPRETERS.test(path.basename(program));
}

/** False for an option, a number, an assignment, and the text of a program (`sh -c`). */
function isWord(argument: string): boolean {
  return /^[^-\s=][^\s=]*$/.test(argument) && /[A-Za-z]/.test(argument);
}

function directoryName(directory: string): string {
  for (let at = directory; at !== path.dirname(at); at = path.dirname(at)) {
    const name = path.basename(at);
    if (!GENERIC_DIRECTORIES.has(name)) return name;
  }
  return '';
}
