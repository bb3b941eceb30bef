import type { Timers } from '../common/clock.ts';
import { LineSink } from './line-sink.ts';
import type { Peer } from './transport.ts';
import { fileWriter } from './writer.ts';

/** Opens a file and appends lines to it. Throws the file system's error. */
export function openFile(
  path: string,
  timers: Timers,
  failed: (error: unknown, gone: boolean) => void,
): Peer {
  const sink = new LineSink({
    writer: fileWriter(path),
    timers,
    failed: (error) => failed(error, false),
    dropped: () => '',
  });
  return {
    send: (line) => {
      sink.write(line);
    },
    async close() {
      await sink.drained();
      sink.close();
    },
  };
}
