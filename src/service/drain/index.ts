export { drain, finishConnections } from './drain.ts';
export type { DrainOptions } from './options.ts';
export { type DrainReport, sumOf } from './report.ts';
export { watchServer } from './watch.ts';
