export { configFromArguments, type RunArguments } from './arguments.ts';
export { findCommand } from './find-command.ts';
export { configSchema } from './json-schema.ts';
export { loadConfig } from './load.ts';
export { locateConfig } from './locate.ts';
export { parseConfig } from './parse.ts';
export { printConfig } from './print.ts';
export { formatProblem } from './problem.ts';
export type * from './schema.ts';
