import { importToken, withoutToken } from './node-options.ts';

const SOCKETS =
  /^(?:LISTEN_(?:PID|FDS|FDNAMES)|ZERO_LISTENERS|SERVER_STARTER_PORT|EINHORN_FD_(?:COUNT|\d+))$/;

/** The children of this process are not asked to load this module first. */
export function forgetImport(environment: NodeJS.ProcessEnv, url: string): void {
  const { NODE_OPTIONS } = environment;
  if (NODE_OPTIONS === undefined) return;
  const rest = withoutToken(NODE_OPTIONS, importToken(url));
  if (rest === '') delete environment.NODE_OPTIONS;
  else environment.NODE_OPTIONS = rest;
}

/** The sockets are taken: nobody who reads of them later, here or in a child, can have them. */
export function forgetSockets(environment: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(environment)) if (SOCKETS.test(name)) delete environment[name];
}
