import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isNode } from './command-file.ts';

/**
 * A program that starts node as a child process. Node passes only the first three descriptors to its child processes.
 */
export interface Wrapper {
  readonly name: string;
  /** An equivalent command without a child process. */
  readonly instead: readonly string[];
  /** The replacement for the wrapper's other features; null for none. */
  readonly hint: string | null;
}

const ON_CHANGE = 'zero replaces the service when files change: see "watch" in docs/guide/watch.md';
const RESTARTS = 'zero restarts the service itself';

/** Options of these programs that take the next word as their value. */
const VALUES: Readonly<Record<string, RegExp>> = {
  node: /^(?:-[rC]|--(?:require|import|loader|experimental-loader|conditions|title|diagnostic-dir))$/,
  tsx: /^--(?:tsconfig|env-file)$/,
  nodemon: /^(?:-[weixdCs]|--(?:watch|ext|ignore|exec|delay|config|signal|cwd))$/,
  'ts-node-dev':
    /^(?:-[OPIrC]|--(?:compiler-options|project|ignore-diagnostics|require|watch|ignore-watch))$/,
  'node-dev': /^(?:-r|--(?:require|notify|poll|ignore))$/,
  pm2: /^(?:-[niofl]|--(?:name|instances|output|error|log))$/,
  forever: /^(?:-[ldoemcp]|--(?:uid|pidFile|minUptime|spinSleepTime|sourceDir|workingDir))$/,
};

/**
 * An equivalent command for one that starts node as a child process; null if the command does not.
 * @param folder see whatStarts
 */
export function insteadOf([program = '', ...args]: readonly string[], folder: string): Wrapper | null {
  const name = basename(program);
  const own = rewrite(name, args);
  if (own !== null || !isNode(name)) return own;
  const watching = args.filter((argument) => /^--watch(?:$|-)/.test(argument));
  if (watching.length > 0)
    return { name: `${name} --watch`, instead: [program, ...withoutWatch(args)], hint: ON_CHANGE };
  if (args[0] === '--run') {
    const script = scriptsIn(folder)[args[1] ?? ''];
    return { name: `${name} --run`, instead: (script ?? 'node server.js').split(/\s+/), hint: null };
  }
  // `node node_modules/.bin/tsx app.ts`, `node node_modules/nodemon/bin/nodemon.js app.js`.
  const at = args.findIndex(
    (argument, index) => !argument.startsWith('-') && !VALUES.node?.test(args[index - 1] ?? ''),
  );
  return at < 0 ? null : rewrite(packageOf(args[at] ?? '', folder), args.slice(at + 1));
}

function rewrite(name: string, args: readonly string[]): Wrapper | null {
  switch (name) {
    case 'tsx': {
      const command = args[0] === 'watch' ? args.slice(1) : args;
      return {
        name,
        instead: ['node', '--import', 'tsx', ...command],
        hint: args[0] === 'watch' ? ON_CHANGE : null,
      };
    }
    case 'nodemon':
      return { name, instead: [...nodemonRunner(args), ...subject(name, args)], hint: ON_CHANGE };
    case 'node-dev':
      return { name, instead: ['node', ...subject(name, args)], hint: ON_CHANGE };
    case 'ts-node-dev':
    case 'tsnd':
      return { name, instead: ['ts-node', ...subject('ts-node-dev', args)], hint: ON_CHANGE };
    case 'cross-env':
    case 'cross-env-shell':
      return { name, instead: ['env', ...args], hint: null };
    case 'pm2':
    case 'pm2-runtime':
    case 'forever':
      return { name, instead: ['node', ...subject(name === 'forever' ? name : 'pm2', args)], hint: RESTARTS };
    default:
      return null;
  }
}

/** The script and its arguments, after the options of the program that starts it. */
function subject(name: string, args: readonly string[]): readonly string[] {
  const words = args[0] === 'start' ? args.slice(1) : args;
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (VALUES[name]?.test(word)) at += 1;
    else if (!word.startsWith('-')) return [word, ...words.slice(at + 1).filter((one) => one !== '--')];
  }
  return ['app.js'];
}

/** The runner of nodemon: the value of `--exec`, otherwise node, or ts-node for TypeScript. */
function nodemonRunner(args: readonly string[]): readonly string[] {
  const at = args.findIndex((argument) => argument === '-x' || argument === '--exec');
  const given = at < 0 ? undefined : args[at + 1];
  if (given !== undefined) return given.split(/\s+/);
  return [/\.[cm]?tsx?$/.test(subject('nodemon', args)[0] ?? '') ? 'ts-node' : 'node'];
}

function withoutWatch(args: readonly string[]): string[] {
  return args.filter(
    (argument, index) =>
      !/^--watch(?:$|-)/.test(argument) && !/^--watch-(?:path|kill-signal)$/.test(args[index - 1] ?? ''),
  );
}

/** The name of the package that a script belongs to; for other scripts their own name. */
function packageOf(script: string, folder: string): string {
  const file = join(script.startsWith('/') ? '/' : folder, script);
  let real = file;
  try {
    real = realpathSync(file);
  } catch {
    // Falls back to the script's own name.
  }
  return /.*\/node_modules\/([^@/][^/]*)\//.exec(real)?.[1] ?? basename(script).replace(/\.[cm]?js$/, '');
}

/** The command behind `npm start`, `npm run NAME`, `yarn NAME` or `npx NAME`; null if the folder does not define it. */
export function packageScript(manager: string, args: readonly string[], folder: string): string | null {
  const words = args.filter((argument) => !argument.startsWith('-'));
  const [first, second] = words;
  const runs = first === 'run' || first === 'run-script';
  const name = runs ? second : first;
  const script = name === undefined ? undefined : scriptsIn(folder)[name];
  if (script !== undefined) return script;
  const executes = first === 'exec' || first === 'dlx' || /^(?:npx|pnpx|bunx)$/.test(manager);
  const command = first === 'exec' || first === 'dlx' ? words.slice(1) : words;
  const local = `./node_modules/.bin/${command[0]}`;
  if (!executes || command[0] === undefined || !existsSync(join(folder, local))) return null;
  return (rewrite(command[0], command.slice(1))?.instead ?? [local, ...command.slice(1)]).join(' ');
}

function scriptsIn(folder: string): Readonly<Record<string, string>> {
  try {
    const { scripts } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const entries = Object.entries(scripts ?? {}).filter(([, text]) => typeof text === 'string');
    return Object.fromEntries(entries) as Record<string, string>;
  } catch {
    return {};
  }
}
