// A separate thread for some of the histories.
import { parentPort, workerData } from 'node:worker_threads';
import { simulateMany } from './history.ts';

const { firstSeed, count }: { firstSeed: number; count: number } = workerData;
parentPort?.postMessage(await simulateMany(firstSeed, count));
