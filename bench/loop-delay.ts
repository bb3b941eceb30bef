// Load this module into a process with --import. It measures how long the main thread is blocked. The measurement
// begins with a connection to the Unix socket ZERO_BENCH_LOOP. The next connection ends it and receives a LoopDelay. A
// third connection begins the next measurement.
import { createServer } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** The delays of timers, in ms. */
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
// Child processes inherit the variable, but only the first process has the socket.
server.on('error', () => histogram.disable());
server.listen(process.env.ZERO_BENCH_LOOP);
server.unref();
