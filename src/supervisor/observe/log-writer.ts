import { type Writer, writerFor } from '../../telemetry/writer.ts';
import type { Sink } from '../../workers/output/sink.ts';

const failure = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code });

/**
 * Writes the log to a descriptor that the services' output uses too. The log uses the same sink, because the lines of
 * two writers mix in a full pipe. At the end of the process the log writes directly, because the sink is no longer
 * emptied.
 */
export function logWriter(sink: Sink, fd: number): Writer {
  let direct: Writer | null = null;
  const writer: Writer = {
    write(chunk, done) {
      if (sink.offer(chunk, writer)) done({ bytes: chunk.length });
      else done({ error: failure(sink.closed ? 'EPIPE' : 'EAGAIN') });
    },
    writeNow(chunk) {
      direct ??= writerFor(fd);
      return direct.writeNow(chunk);
    },
    close() {
      direct?.close();
      direct = null;
    },
  };
  return writer;
}
