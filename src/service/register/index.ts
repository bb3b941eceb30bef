/**
 * `node --import zerodown/register app.js`: a program that was never changed takes the sockets that its process was handed. What is loaded for
 * that is loaded only where there are any.
 */
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads';
import { CLUSTER_WORKER } from './cluster-worker-name.ts';
import { forgetImport } from './environment.ts';
import { readSpecification, type Specification } from './specification.ts';

const KEY = 'zerodown/register';

if (isMainThread && process.env[CLUSTER_WORKER] !== undefined) {
  const specification = JSON.parse(process.env[CLUSTER_WORKER]) as Specification;
  delete process.env[CLUSTER_WORKER];
  forgetImport(process.env, import.meta.url);
  const { lookAfterClusterWorker } = await import('./cluster-worker.ts');
  lookAfterClusterWorker(specification);
} else if (isMainThread) {
  const specification = specificationOrWarning();
  if (specification !== null) {
    forgetImport(process.env, import.meta.url);
    // Of the environment, where this thread found it, nothing may be left when another one begins.
    setEnvironmentData(KEY, specification);
    const { lookAfterProgram } = await import('./main-thread.ts');
    lookAfterProgram(specification, import.meta.url);
  }
} else {
  const specification = getEnvironmentData(KEY) as unknown as Specification | undefined;
  if (specification !== undefined) {
    const { lookAfterThread } = await import('./worker-thread.ts');
    lookAfterThread(specification);
  }
}

function specificationOrWarning(): Specification | null {
  try {
    return readSpecification(process.env, process);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    process.emitWarning(`no socket is taken over: ${why}`, 'ZerodownWarning');
    return null;
  }
}
