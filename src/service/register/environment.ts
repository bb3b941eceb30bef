import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { importToken, requireToken, withoutToken } from './node-options.ts';

const SOCKETS =
  /^(?:LISTEN_(?:PID|FDS|FDNAMES)|ZERO_LISTENERS|SERVER_STARTER_PORT|EINHORN_FD_(?:COUNT|\d+))$/;

/** The children of this process are not asked to load this module first. @param path of this module */
export function forgetPreload(environment: NodeJS.ProcessEnv, path: string): void {
  const { NODE_OPTIONS } = environment;
  if (NODE_OPTIONS === undefined) return;
  // `--import` of register.js, as configs name it, loads this module as well.
  const urls = [path, join(dirname(path), 'register.js')].map((file) => pathToFileURL(file).href);
  const rest = [requireToken(path), ...urls.map(importToken)].reduce(withoutToken, NODE_OPTIONS);
  if (rest === '') delete environment.NODE_OPTIONS;
  else environment.NODE_OPTIONS = rest;
}

/** The sockets are taken: code that reads the variables later, here or in a child, can no longer use them. */
export function forgetSockets(environment: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(environment)) if (SOCKETS.test(name)) delete environment[name];
}
