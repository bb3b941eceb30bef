import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isHandedSocket } from '../../common/socket-variables.ts';

/**
 * The one token in NODE_OPTIONS that preloads a CommonJS module. If there were two tokens, removing one would break
 * child processes. `--require` is used because any `--import` makes Node 20 load the program itself through the ES
 * module loader, which does not support the `.ts` files of `-r ts-node/register`. Node splits NODE_OPTIONS at spaces
 * outside double quotes. Inside quotes a backslash escapes (ParseNodeOptionsEnvVar, src/node_options.cc).
 */
export function requireToken(path: string): string {
  return `--require=${/[ "\\]/.test(path) ? `"${path.replace(/["\\]/g, '\\$&')}"` : path}`;
}

/** The token for a module that is loaded by its URL. */
export function importToken(url: string): string {
  return `--import=${url}`;
}

/** NODE_OPTIONS with the token once, at the end. */
export function withToken(options: string | undefined, token: string): string {
  const rest = withoutToken(options ?? '', token);
  return rest === '' ? token : `${rest} ${token}`;
}

/** NODE_OPTIONS without the token. All other text is unchanged. */
export function withoutToken(options: string, token: string): string {
  const at = ` ${options} `.indexOf(` ${token} `);
  if (at < 0) return options;
  const before = options.slice(0, at);
  const after = options.slice(at + token.length);
  // One of the two spaces next to the token is removed with it.
  return before === '' ? after.trimStart() : before.slice(0, -1) + after;
}

/**
 * Removes this module from NODE_OPTIONS, so that child processes do not load it.
 * @param path of this module
 */
export function forgetPreload(environment: NodeJS.ProcessEnv, path: string): void {
  const { NODE_OPTIONS } = environment;
  if (NODE_OPTIONS === undefined) return;
  // `--import` of register.js, as in configs, loads this module as well.
  const urls = [path, join(dirname(path), 'register.js')].map((file) => pathToFileURL(file).href);
  const rest = [requireToken(path), ...urls.map(importToken)].reduce(withoutToken, NODE_OPTIONS);
  if (rest === '') delete environment.NODE_OPTIONS;
  else environment.NODE_OPTIONS = rest;
}

/**
 * Removes the variables that name the sockets. The sockets are taken, so code that reads the variables later, here or
 * in a child process, could not use them.
 */
export function forgetSockets(environment: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(environment)) if (isHandedSocket(name)) delete environment[name];
}
