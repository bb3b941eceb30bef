/**
 * `node --require zerodown/register app.js`, or `--import`: lets an unchanged program use the sockets that its process
 * received. The build makes one CommonJS file of this module, because the module must not change how Node loads the
 * program. So nothing here may be asynchronous. Modules that only a process with sockets needs are loaded by `require`
 * on demand.
 */

import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads';
import { errorText } from '../../common/errors.ts';
import { CLUSTER_WORKER } from './cluster-messages.ts';
import { forgetPreload } from './node-options.ts';
import { permissionProblem } from './permission.ts';
import { readSpecification, type Specification } from './specification.ts';

const KEY = 'zerodown/register';

if (isMainThread && process.env[CLUSTER_WORKER] !== undefined) {
  const specification = JSON.parse(process.env[CLUSTER_WORKER]) as Specification;
  delete process.env[CLUSTER_WORKER];
  forgetPreload(process.env, import.meta.filename);
  const { lookAfterClusterWorker }: typeof import('./cluster-worker.ts') = require('./cluster-worker.ts');
  lookAfterClusterWorker(specification);
} else if (isMainThread) {
  const specification = specificationOrWarning();
  if (specification !== null) {
    forgetPreload(process.env, import.meta.filename);
    // A worker thread starts with the current environment, which no longer names the sockets.
    setEnvironmentData(KEY, specification);
    const { lookAfterProgram }: typeof import('./main-thread.ts') = require('./main-thread.ts');
    lookAfterProgram(specification, import.meta.filename);
  }
} else {
  const specification = getEnvironmentData(KEY) as unknown as Specification | undefined;
  if (specification !== undefined) {
    const { lookAfterThread }: typeof import('./threads.ts') = require('./threads.ts');
    lookAfterThread(specification);
  }
}

function specificationOrWarning(): Specification | null {
  try {
    const specification = readSpecification(process.env, process);
    const problem = specification === null ? permissionProblem(process.env, process) : null;
    if (problem !== null) warn(problem);
    return specification;
  } catch (error) {
    warn(errorText(error));
    return null;
  }
}

function warn(why: string): void {
  process.emitWarning(`no socket is taken over: ${why}`, 'ZerodownWarning');
}
