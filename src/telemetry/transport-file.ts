import type { Timers } from '../common/clock.ts';
import { fileTarget } from '../writing/target.ts';
import { openLogSink } from './log-sink.ts';
import type { Peer } from './transport.ts';

/** Opens a file and appends lines to it. Throws the file system's error. */
export function openFile(
  path: string,
  timers: Timers,
  failed: (error: unknown, gone: boolean) => void,
): Peer {
  const sink = openLogSink({
    target: fileTarget(path),
    timers,
    onFailed: (code) => failed(new Error(code), false),
    dropNotice: () => '',
  });
  return {
    send: (line) => {
      sink.write(Buffer.from(line), sink);
    },
    async close() {
      await sink.flush();
      sink.close();
    },
  };
}
