export { adviceOn } from './advice.ts';
export { configFromArguments, type RunArguments } from './arguments.ts';
export type { FileIdentity } from './file-identity.ts';
export { loadConfig, locateConfig } from './load.ts';
export { parseConfig } from './parse.ts';
export { type Finding, type Path, wrongValue } from './path.ts';
export { printConfig } from './print.ts';
export { formatProblem } from './problem.ts';
export type * from './schema.ts';
