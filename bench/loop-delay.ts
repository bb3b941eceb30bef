// --import this module into a process: it measures how long the main thread is blocked, from one connection to the Unix socket
// ZERO_BENCH_LOOP until the next one, which it answers with a LoopDelay. Between the second and the third it measures nothing.
import { createServer } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Milliseconds by which timers came late. */
export interface LoopDelay {
  readonly p999: number;
  readonly max: number;
}

const RESOLUTION_MS = 1;

const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
let isMeasuring = false;
const server = createServer((socket) => {
  const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
  const delay: LoopDelay = { p999: late(histogram.percentile(99.9)), max: late(histogram.max) };
  isMeasuring = !isMeasuring;
  if (isMeasuring) histogram.enable();
  else histogram.disable();
  histogram.reset();
  socket.end(JSON.stringify(delay));
});
// Processes that this one starts inherit the variable: the first one has the socket.
server.on('error', () => histogram.disable());
server.listen(process.env.ZERO_BENCH_LOOP);
server.unref();
